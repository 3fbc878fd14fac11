"""``check()`` on the look-alike: what fits, what is missing and what stands there instead. It changes nothing."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import pytest
from portal_stage import Stage, stage

from amazon_ae._exceptions import ChallengeRequired, ConfigurationError
from amazon_ae._portal.check_report import CheckReport, Verdict
from amazon_ae._portal.check_rules import keys_of
from amazon_ae._portal.session_store import MemorySessionStore
from amazon_ae._portal.site_map import SITE
from amazon_ae.testing._seller_central import (
    AccountPicker,
    Challenge,
    Drawing,
    InvoiceForm,
    LabelForm,
    Nag,
    SignInForm,
    Tour,
)

pytestmark = pytest.mark.browser

PAGE = (Path(__file__).parents[2] / "docs" / "how-to" / "repair-the-site-map.md").read_text(encoding="utf-8")
BROKEN = re.findall(r"^\*\*.*?\*\* `(SITE\.override\(.*?\))`\n\n```text\n(.*?)```", PAGE, re.MULTILINE | re.DOTALL)
SECONDS = 20.0


async def signed_in(on: Stage) -> MemorySessionStore:
    """A store with a good session."""
    store = MemorySessionStore()
    async with on.scraper(sessions=store) as portal:
        await portal.login()
    on.show(honour_trust=False)
    return store


def fitting(report: CheckReport) -> set[str]:
    """The entries that were found."""
    return {step.key for step in report.steps if step.verdict is Verdict.FITS and step.key}


async def test_a_healthy_account_gives_the_report_of_the_docs() -> None:
    """Line by line, and in time."""
    healthy = re.search(r"```text\n(fits.*?)```", PAGE, re.DOTALL)
    assert healthy is not None
    async with stage() as on, on.scraper(sessions=await signed_in(on)) as portal:
        async with asyncio.timeout(SECONDS):
            report = await portal.check()
        assert report.ok
        assert str(report) == healthy[1].rstrip()
        assert {step.key for step in report.steps if step.key} == set(keys_of(SITE))


def test_the_docs_have_several_broken_maps() -> None:
    """Else none would be tried below."""
    assert len(BROKEN) >= 6


@pytest.mark.parametrize(("text", "lines"), BROKEN, ids=[re.findall(r'"(\w+)":', text)[0] for text, _ in BROKEN])
async def test_each_broken_map_gives_the_report_of_the_docs(text: str, lines: str) -> None:
    """The first trouble is the broken entry, with a picture."""
    broken = next(iter(re.findall(r'"(\w+)":', text)))
    async with stage() as on, on.scraper(site=eval(text, {"SITE": SITE}), sessions=await signed_in(on)) as portal:
        report = await portal.check(sign_in=broken in ("code", "email_next"))
        assert not report.ok
        assert f"['{broken}']" in report.troubles[0].key
        assert report.troubles[0].picture is not None
        assert report.troubles[0].picture.startswith(b"\x89PNG")
        for line in lines.splitlines():
            assert line in str(report).splitlines(), f"{text}\n{report}"


async def test_the_override_of_the_docs_passes() -> None:
    """What is shown as an example is one."""
    names: dict[str, object] = {}
    code = re.search(r"```python\n(.*?)```", PAGE, re.DOTALL)
    assert code is not None
    exec(compile(code[1], "repair-the-site-map.md", "exec"), names)
    async with stage() as on:
        async with on.scraper(site=names["site"]) as portal:
            report = await portal.check()
        assert report.ok, str(report)
        assert {"selectors['label_link']", "urls['orders']"} <= fitting(report)


async def test_nothing_is_changed_and_a_label_page_is_seen_where_it_may_be() -> None:
    """No form is posted and no label begun; with leave one is, and the next look begins no other."""
    async with stage() as on:
        store = await signed_in(on)
        on.show(label=LabelForm.BATCH, tour=Tour.STACKED, invoice=InvoiceForm.MODAL_FORM)
        sent = len(on.site.requests)
        async with on.scraper(sessions=store) as portal:
            report = await portal.check()
            assert report.ok, str(report)
            assert {request.method for request in list(on.site.requests)[sent:]} == {"GET"}
            assert on.site.label_batches == 0
            assert "selectors['batch_link']" not in fitting(report)
            assert "check(make_label=True)" in str(report)
            assert "selectors['tour_close']" in fitting(report)
            report = await portal.check(on.order_ids[0], make_label=True)
            assert {"selectors['batch_link']", "selectors['batch_refresh']"} <= fitting(report)
            report = await portal.check(on.order_ids[0])
            assert {"selectors['batch_link']", "selectors['batch_refresh']"} <= fitting(report)
        assert on.site.label_batches == 1


@pytest.mark.timeout(300)
async def test_every_face_of_the_order_is_healthy() -> None:
    """However the invoice and the label are offered, and however late a script draws them; with one page only."""
    async with stage() as on:
        store = await signed_in(on)
        async with on.scraper(sessions=store, max_pages=1) as portal:
            for invoice in InvoiceForm:
                on.show(invoice=invoice)
                report = await portal.check(on.order_ids[0])
                assert report.ok, f"{invoice}\n{report}"
            on.show(invoice=InvoiceForm.LINK, label=LabelForm.LINK)
            for drawing in Drawing:
                on.show(drawing=drawing)
                report = await portal.check()
                assert {"selectors['label_link']", "selectors['invoice_link']"} <= fitting(report), (
                    f"{drawing}\n{report}"
                )


async def test_the_pages_of_each_sign_in_are_looked_at() -> None:
    """Pickers, nags, the choice of device, walls: what came up fits."""
    faces: dict[str, tuple[dict[str, object], set[str]]] = {
        "one page": (
            {"sign_in": SignInForm.ONE_PAGE, "account_picker": AccountPicker.CURRENT, "nag": Nag.BOTH},
            {"picker_row", "picker_confirm", "phone_nag_skip", "remind_nag_skip"},
        ),
        "claim": (
            {
                "sign_in": SignInForm.CLAIM,
                "account_picker": AccountPicker.OLDER,
                "nag": Nag.PASSKEY,
                "device_choice": True,
            },
            {"old_picker_row", "old_picker_confirm", "device_form", "device_totp", "device_send", "passkey_hint"},
        ),
    }
    async with stage() as on:
        on.show(honour_trust=False)
        for face, names in faces.values():
            on.show(**face)
            async with on.scraper() as portal:
                report = await portal.check()
            assert report.ok, str(report)
            assert {f"selectors[{name!r}]" for name in names} <= fitting(report)
            assert "marketplace_names['AE']" in fitting(report)
        on.show(challenge=Challenge.CAPTCHA)
        async with on.scraper() as portal:
            report = await portal.check()
        assert [step.verdict for step in report.troubles] == [Verdict.FAILED]
        assert ChallengeRequired.__name__ in report.troubles[0].detail
        assert "selectors['captcha']" in fitting(report)


async def test_no_second_password_is_typed_after_a_refusal() -> None:
    """Not by another check, not by one that signs in anew, and not by the orders after it."""
    async with stage() as on:
        store = await signed_in(on)
        on.site.expire_sessions()
        async with on.scraper(password="wrong", sessions=store) as portal:
            for sign_in in (False, True, True):
                report = await portal.check(sign_in=sign_in)
                assert len(report.troubles) == 1, str(report)
                assert "LoginRejected" in report.troubles[0].detail
            assert on.site.counts.wrong_passwords == 1
        store = await signed_in(on)
        async with on.scraper(password="wrong", sessions=store) as portal:
            for _ in range(2):  # the session is good: the pages behind it are looked at all the same
                report = await portal.check(sign_in=True)
                assert "LoginRejected" in report.troubles[0].detail
                assert "urls['order']" in fitting(report)
            assert on.site.counts.wrong_passwords == 2


async def test_what_is_no_fault_of_the_map_is_not_called_one() -> None:
    """An empty list, a site that is ill, a missing permission, an order id that is none."""
    async with stage() as on:
        store = await signed_in(on)
        async with on.scraper(sessions=store) as portal:
            with pytest.raises(ConfigurationError):
                await portal.check("408-1-1")
            on.show(may_see_orders=False)
            report = await portal.check()
            assert [step.verdict for step in report.troubles] == [Verdict.FAILED]
            assert "PermissionMissing" in report.troubles[0].detail
            on.show(may_see_orders=True)
            on.orders.clear()
            report = await portal.check()
            assert report.ok
            assert "the list shows no order: check(order_id=...)" in str(report)
