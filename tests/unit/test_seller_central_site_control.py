"""The look-alike's control page, as a person or a program in another language uses it."""

from __future__ import annotations

import pytest
from hypothesis import given, settings, strategies as st
from site_visitor import READY, USER, Visitor, make_site

from amazon_ae._models.documents import DocumentKind
from amazon_ae.testing._seller_central import Challenge, Fault, Language, SignInForm, SiteVariants
from amazon_ae.testing._seller_central.variants import choices_of

every_change = st.fixed_dictionaries(
    {}, optional={name: st.sampled_from(choices_of(name)) for name in SiteVariants().to_changes()}
)


@settings(deadline=None)
@given(every_change)
def test_variants_survive_their_text(changes: dict[str, str]) -> None:
    """What a form or a cookie says is what the site shows."""
    variants = SiteVariants().with_changes(changes)
    assert SiteVariants().with_text(variants.to_text()) == variants
    assert {name: variants.to_changes()[name] for name in changes} == changes


@pytest.mark.parametrize("text", ["no_such=yes", "language=fr", "device_choice=True", "nonsense"])
def test_variants_that_do_not_exist_are_refused(text: str) -> None:
    """The message says what there is."""
    with pytest.raises(ValueError, match=r"."):
        SiteVariants().with_text(text)


async def test_a_variant_is_set_for_everybody_or_for_one_browser() -> None:
    """``scope=browser`` keeps it to the cookie jar; ``reset`` forgets it."""
    site = make_site()
    async with Visitor(site) as mine, Visitor(site) as other:
        await mine.http.post("/__sandbox/variants", data={"scope": "browser", "sign_in": "one_page", "language": "ar"})
        assert (await mine.go("/home")).has("ap_password")
        assert 'dir="rtl"' in mine.page.html
        assert not (await other.go("/home")).has("ap_password")
        await mine.http.post("/__sandbox/variants", data={"reset": "1"})
        assert not (await mine.go("/home")).has("ap_password")
        await other.http.post("/__sandbox/variants", data={"scope": "site", "sign_in": "one_page"})
        assert (await mine.go("/home")).has("ap_password")
    assert site.variants == SiteVariants(sign_in=SignInForm.ONE_PAGE)


async def test_a_test_gives_one_session_its_own_face_by_cookie() -> None:
    """The cookie ``sandbox-variants`` is all there is to it; one that does not fit is ignored."""
    site = make_site()
    async with Visitor(site) as visitor:
        visitor.http.cookies.set("sandbox-variants", SiteVariants(language=Language.ARABIC).to_text())
        assert 'dir="rtl"' in (await visitor.go("/home")).html
        visitor.http.cookies.set("sandbox-variants", "who=knows")
        assert 'dir="ltr"' in (await visitor.go("/home")).html


async def test_the_page_shows_how_to_get_in_and_every_choice() -> None:
    """Credentials, the code of this moment, each variant and each fault."""
    site = make_site()
    async with Visitor(site) as visitor:
        page = await visitor.go("/__sandbox")
        assert USER.email in page.texts()
        assert USER.password in page.texts().replace("&amp;", "&")
        names = {values["name"] for tag, values in page.elements if tag == "select"}
        assert names >= set(SiteVariants().to_changes()) | {"fault", "where"}
        assert all(f"<option>{fault}</option>" in page.html for fault in Fault)
        code = next(word for word in page.texts().split() if word.isdecimal() and len(word) == 6)
        await visitor.go("/home")
        await visitor.type_credentials()
        await visitor.submit({"otpCode": code})
        assert visitor.path == "/home"


async def test_a_fault_is_planned_and_forgotten_by_form() -> None:
    """A kind or a path; 0 times is for ever; nonsense is refused with the reason."""
    site = make_site()
    async with Visitor(site) as visitor:
        form = {"where": "invoice", "fault": "delay", "seconds": "5", "times": "0", "order_id": READY}
        await visitor.http.post("/__sandbox/faults", data=form)
        await visitor.http.post("/__sandbox/faults", data={"path": "/home", "fault": "status_500"})
        first, second = site.faults
        assert (first.where, first.fault, first.seconds, first.times) == (DocumentKind.INVOICE, Fault.DELAY, 5.0, None)
        assert (first.order_id, second.where, second.times) == (READY, "/home", 1)
        assert "delay at invoice: always, 5 s, order 408-" in (await visitor.go("/__sandbox")).texts()
        for bad in ({"fault": "sunshine"}, {"fault": "delay", "seconds": "soon"}, {"path": "/x", "fault": "no_text"}):
            assert (await visitor.http.post("/__sandbox/faults", data=bad)).status_code == 400
        assert len(site.faults) == 2
        await visitor.http.post("/__sandbox/clear")
        assert site.faults == ()


async def test_a_bad_variant_is_refused_with_the_choices() -> None:
    """And changes nothing."""
    site = make_site()
    async with Visitor(site) as visitor:
        answer = await visitor.http.post("/__sandbox/variants", data={"language": "fr"})
        assert (answer.status_code, answer.text) == (400, "language cannot be 'fr'; it can be en, ar")
    assert site.variants == SiteVariants()


async def test_a_person_finds_the_challenges_answer_and_approves() -> None:
    """What a phone and eyes would tell, for the sign-ins under way."""
    site = make_site()
    site.variants = SiteVariants(challenge=Challenge.APPROVAL)
    async with Visitor(site) as visitor, Visitor(site) as phone:
        await visitor.go("/home")
        await visitor.type_credentials()
        assert site.answer() in (await phone.go("/__sandbox")).texts()
        await phone.http.post("/__sandbox/approve")
        form = visitor.page.forms[0]
        state = (await visitor.http.get(form.action, params=form.fields)).json()
        assert state["transactionApprovalStatus"] == "TransactionCompleted"


async def test_sessions_end_by_button_and_the_state_is_json() -> None:
    """For programs in any language."""
    site = make_site()
    async with Visitor(site) as visitor:
        await visitor.sign_in()
        await visitor.http.post("/__sandbox/expire")
        await visitor.go("/home")
        assert visitor.path == "/ap/signin"
        state = (await visitor.http.get("/__sandbox/state")).json()
    assert state["variants"] == SiteVariants().to_changes()
    assert state["counts"]["sign_ins"] == 1
    assert state["counts"]["documents"] == {"packing_slip": 0, "invoice": 0, "shipping_label": 0}
    assert state["faults"] == []


def test_nobody_signing_in_has_no_answer() -> None:
    """A test that asks too early is told."""
    with pytest.raises(LookupError, match="nobody"):
        make_site().answer()


async def test_devices_can_be_forgotten() -> None:
    """After that a code is asked for again."""
    site = make_site()
    async with Visitor(site) as visitor:
        await visitor.sign_in(trust=True)
        site.expire_sessions()
        site.forget_devices()
        await visitor.go("/home")
        await visitor.type_credentials()
        assert visitor.path == "/ap/mfa"
