"""Which entry of the site map is looked for where, and how something alike is found on a page."""

from __future__ import annotations

import pytest

from amazon_ae._portal import check_rules
from amazon_ae._portal.check_report import CheckReport, CheckStep, Verdict
from amazon_ae._portal.check_rules import SIGN_IN_GROUPS, guess_missing, instead_text, keys_of, split_key, why_not
from amazon_ae._portal.page_controls import Control, PageContent, alike, path_shape
from amazon_ae._portal.site_map import SITE

LOOKED_FOR = {
    name
    for groups in (
        *SIGN_IN_GROUPS.values(),
        check_rules.HOME,
        check_rules.ORDERS,
        check_rules.ORDER,
        check_rules.INVOICES,
        check_rules.LABELS,
        check_rules.SLIP,
    )
    for group in groups
    for name in group
}


@pytest.mark.parametrize("key", keys_of(SITE))
def test_every_entry_is_looked_for_or_has_a_reason_of_its_own(key: str) -> None:
    """None is forgotten: a new entry must be put in a group or get its reason."""
    kind, name = split_key(key)
    reason = why_not(key, code="AE", signed_in=True, blocked="")
    usual = "its page was not reached"
    assert reason
    walked = name in ("home", "order", "packing_slip") if kind == "urls" else kind == "selectors" and name in LOOKED_FOR
    assert walked or reason != usual


def test_what_ended_the_check_is_the_reason_for_the_rest() -> None:
    """Nothing later is blamed."""
    reason = why_not(
        "selectors['label_link']", code="AE", signed_in=True, blocked="order page: urls['order'] is missing"
    )
    assert reason == "the check ended before it (order page: urls['order'] is missing)"


CONTROLS = (
    Control(tag="a", attributes={"data-test-id": "print-packing-slip-button"}, path="/orders/packing-slip"),
    Control(tag="a", attributes={"id": "easyShipLabelV2"}, path="/easyship/v2/label/…"),
    Control(tag="input", attributes={"id": "mfaOtpCode", "type": "text"}),
    Control(tag="input", attributes={"id": "rememberOtpCode", "type": "checkbox"}),
    Control(tag="div", attributes={"id": "label-area"}),
)


def test_something_alike_is_of_the_entrys_kind() -> None:
    """A link for a link, a field for a field; by the words that they share."""
    detail, override = instead_text("label_link", SITE, CONTROLS)
    assert detail.startswith("instead there is a#easyShipLabelV2 (to /easyship/v2/label/…)")
    assert override == "SITE.override(selectors={\"label_link\": ['a#easyShipLabelV2']})"
    assert [control.selector for control in alike("code", SITE.selectors["code"], CONTROLS)] == ["input#mfaOtpCode"]
    detail, override = instead_text("invoice_form", SITE, CONTROLS)
    assert (detail.partition(";")[0], override) == ("nothing alike stands there", "")


def test_the_missing_entry_of_an_unknown_page_is_guessed() -> None:
    """From what stands there; what still fits is not missing."""
    assert guess_missing(PageContent(controls=CONTROLS), SITE) == "code"
    assert guess_missing(PageContent(present={"code": 0}, controls=CONTROLS), SITE) != "code"
    assert guess_missing(PageContent(), SITE) is None


@pytest.mark.parametrize(
    ("url", "shape"),
    [
        ("https://x.ae/orders-v3/order/408-1234567-1234567?a=b#c", "/orders-v3/order/…"),
        ("/documents/download/cb01fce-77aa-4b/document.pdf", "/documents/download/…/document.pdf"),
        ("/orders-v3", "/orders-v3"),
    ],
)
def test_a_path_shows_no_number(url: str, shape: str) -> None:
    """Order ids and tokens are left out of reports."""
    assert path_shape(url) == shape


def test_a_report_for_people() -> None:
    """What fits, what is missing with its help, then the rest by reason."""
    report = CheckReport(
        (
            CheckStep(page="home", key="urls['home']", verdict=Verdict.FITS, found="/home"),
            CheckStep(
                page="order page",
                key="selectors['order']",
                verdict=Verdict.MISSING,
                detail="nothing fits it",
                override="SITE.override(...)",
                picture=b"PNG",
            ),
            CheckStep(page="site map", key="selectors['a']", verdict=Verdict.SKIPPED, detail="it rains"),
            CheckStep(page="site map", key="selectors['b']", verdict=Verdict.SKIPPED, detail="it rains"),
        )
    )
    assert str(report).splitlines() == [
        "fits     home: urls['home']              /home",
        "MISSING  order page: selectors['order']  nothing fits it",
        "         try SITE.override(...)",
        "         see report.pictures['order page']",
        "not looked for, because it rains:",
        "    selectors['a'], selectors['b']",
        "1 fits, 1 MISSING, 2 not looked for",
    ]
    assert not report.ok
    assert report.pictures == {"order page": b"PNG"}
