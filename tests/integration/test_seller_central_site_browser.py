"""What only a real browser can tell of the look-alike: components, overlays, downloads, a person's clicks."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import attrs
import pytest
import pytest_asyncio
from playwright.async_api import Browser, Error, Page, async_playwright

from amazon_ae._clocks import SystemClock
from amazon_ae._models.documents import DocumentKind
from amazon_ae._portal.browser_options import find_browser
from amazon_ae.testing._papers import PortalPickup, sample_order
from amazon_ae.testing._seller_central import (
    AccountPicker,
    Challenge,
    Fault,
    InvoiceForm,
    Language,
    Nag,
    SellerCentralSite,
    SignInForm,
    SiteUser,
    SiteVariants,
    Tour,
)
from amazon_ae.testing._seller_central.codes import code_of, step_of
from amazon_ae.testing._serving import serve

# One browser for all of them; each test has a context of its own.
pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="module")]

SECRET = "GEZD GNBV GY3T QOJQ GEZD GNBV GY3T QOJQ"
USER = SiteUser(email="packer@example.ae", password="right & proper", totp_secret=SECRET)
INVOICE_BUTTON = '[data-test-id="manage-idu-invoice-button"]:not(.a-button-primary) input[type=submit]'
MODAL = '.a-popover-modal[aria-hidden="false"]'


@attrs.frozen
class Scene:
    """A site, a page of a fresh browser, and an order whose papers are all there."""

    site: SellerCentralSite
    page: Page
    origin: str
    order_id: str

    async def sign_in(self) -> None:
        """As a person does: whatever field is there is filled in."""
        page = self.page
        await page.goto(f"{self.origin}/home")
        await page.fill("input[name=email]", USER.email)
        if not await page.is_visible("#ap_password"):
            await page.click("#continue")
        await page.fill("#ap_password", USER.password)
        await page.click("#signInSubmit")
        await page.fill("#auth-mfa-otpcode", code_of(SECRET, step_of(SystemClock().now())))
        await page.click("#auth-signin-button")

    async def open_order(self) -> None:
        """The order's page."""
        await self.page.goto(f"{self.origin}/orders-v3/order/{self.order_id}")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser() -> AsyncIterator[Browser]:
    """An installed Chromium."""
    async with async_playwright() as playwright:
        path = find_browser(bundled=playwright.chromium.executable_path)
        chromium = await playwright.chromium.launch(executable_path=path, chromium_sandbox=False)
        yield chromium
        await chromium.close()


@asynccontextmanager
async def scene(browser: Browser, variants: SiteVariants) -> AsyncIterator[Scene]:
    """A site in one of its faces, and a browser in front of it."""
    clock = SystemClock()
    now = clock.now()
    pickup = PortalPickup(scheduled_at=now - timedelta(minutes=1), day=now.date(), tracking_id="AE4711")
    order = sample_order(1, purchased_at=now, pickup=pickup)
    site = SellerCentralSite(clock=clock, users=[USER], orders={order.order_id: order}, variants=variants)
    async with serve(site) as origin, await browser.new_context() as context:
        page = await context.new_page()
        page.set_default_timeout(10_000)
        failures: list[Error] = []
        page.on("pageerror", lambda error: failures.append(error))
        yield Scene(site, page, origin, order.order_id)
        assert failures == []


@pytest.mark.parametrize("picker", [AccountPicker.CURRENT, AccountPicker.OLDER])
async def test_a_picker_obeys_a_person(browser: Browser, picker: AccountPicker) -> None:
    """Open the account, choose the marketplace, press the button."""
    older = picker is AccountPicker.OLDER
    row = "button.picker-button" if older else "button.full-page-account-switcher-account-details"
    button = "button.picker-switch-accounts-button" if older else "kat-button"
    async with scene(browser, SiteVariants(account_picker=picker, language=Language.ARABIC)) as s:
        await s.sign_in()
        await s.page.click(f"{row}:has-text('Dhow Trading')")
        await s.page.click(f"{row}:has-text('الإمارات')")
        if not older:
            await s.page.eval_on_selector("kat-button", "button => button.click()")
            await s.page.eval_on_selector("kat-button", "button => button.shadowRoot.querySelector('button').click()")
            await asyncio.sleep(0.2)
            assert "/account-switcher/" in s.page.url
        await s.page.click(button)
        await s.page.wait_for_url("**/home")
        await s.open_order()
        assert await s.page.inner_text("[data-test-id=order-id-value]") == s.order_id


async def test_tours_swallow_clicks_until_they_are_closed(browser: Browser) -> None:
    """Both lie over the page; once closed they stay closed."""
    async with scene(browser, SiteVariants(tour=Tour.BOTH)) as s:
        await s.sign_in()
        with pytest.raises(Error, match="intercepts pointer events"):
            await s.page.click("main a[href='/orders-v3']", timeout=3_000)
        await s.page.click("kat-modal.sellerOnboardingPopup [name=close]")
        with pytest.raises(Error, match="intercepts pointer events"):
            await s.page.click("main a[href='/orders-v3']", timeout=3_000)
        await s.page.click(".react-joyride__tooltip [data-action=skip]")
        await s.page.click("main a[href='/orders-v3']")
        await s.page.wait_for_selector("#orders-table")
        assert await s.page.locator("#react-joyride-portal, kat-modal").count() == 0


async def test_the_invoice_modal_opens_and_closes(browser: Browser) -> None:
    """It is filled when its button is pressed: number in the third cell, link in the last."""
    async with scene(browser, SiteVariants()) as s:
        await s.sign_in()
        await s.open_order()
        assert not await s.page.locator(".a-popover-modal").is_visible()
        await s.page.click(INVOICE_BUTTON)
        row = s.page.locator(f"{MODAL} kat-table-body [role=row]")
        assert (await row.locator("kat-table-cell:nth-child(3)").inner_text()).startswith("INV-")
        assert await row.locator("a[href*='/documents/download']").is_visible()
        await s.page.click(f"{MODAL} [name=close]")
        await s.page.wait_for_selector(MODAL, state="detached")


async def test_the_clicked_invoice_needs_a_real_click(browser: Browser) -> None:
    """A script's click does nothing; a person's makes the browser download the PDF."""
    async with scene(browser, SiteVariants(invoice=InvoiceForm.MODAL_CLICK)) as s:
        await s.sign_in()
        await s.open_order()
        await s.page.click(INVOICE_BUTTON)
        await s.page.wait_for_selector(f"{MODAL} [data-invoice]")
        await s.page.eval_on_selector("[data-invoice]", "button => button.click()")
        await asyncio.sleep(0.2)
        assert s.site.counts.documents[DocumentKind.INVOICE] == 0
        async with s.page.expect_download() as download:
            await s.page.click("[data-invoice]")
        content = Path(await (await download.value).path()).read_bytes()  # noqa: ASYNC240  # a small local file
        assert content.startswith(b"%PDF-")


async def test_the_framed_invoice_is_inside_an_iframe(browser: Browser) -> None:
    """The link is not in the page, it is in the frame."""
    async with scene(browser, SiteVariants(invoice=InvoiceForm.MODAL_FRAME)) as s:
        await s.sign_in()
        await s.open_order()
        await s.page.click(INVOICE_BUTTON)
        link = s.page.frame_locator(f"{MODAL} iframe").locator("a[href*='/documents/download']")
        answer = await s.page.request.get(s.origin + str(await link.get_attribute("href")))
        assert (await answer.body()).startswith(b"%PDF-")
        assert await s.page.locator("a[href*='/documents/download']").count() == 0


async def test_a_person_passes_approval_while_the_page_waits(browser: Browser) -> None:
    """The waiting page asks by itself and goes on as soon as the other device said yes."""
    async with scene(browser, SiteVariants(challenge=Challenge.APPROVAL, sign_in=SignInForm.ONE_PAGE)) as s:
        await s.page.goto(f"{s.origin}/home")
        await s.page.fill("#ap_email", USER.email)
        await s.page.fill("#ap_password", USER.password)
        await s.page.click("#signInSubmit")
        await s.page.wait_for_selector("#resend-approval-link")
        s.site.approve()
        await s.page.wait_for_selector("#auth-mfa-otpcode")


async def test_a_person_clicks_through_the_claim_flow_and_the_nags(browser: Browser) -> None:
    """``/ax/claim``, password, code, two nags, home."""
    async with scene(browser, SiteVariants(sign_in=SignInForm.CLAIM, nag=Nag.BOTH)) as s:
        await s.sign_in()
        await s.page.click("#ap-account-fixup-phone-skip-link")
        await s.page.click("#remind-me-later")
        await s.page.wait_for_selector("meta[name=anti-csrftoken-a2z]", state="attached")
        assert s.page.url == f"{s.origin}/home"


async def test_a_person_sets_a_face_and_a_fault_on_the_control_page(browser: Browser) -> None:
    """For this browser only; the fault hits the next document."""
    async with scene(browser, SiteVariants()) as s:
        await s.sign_in()
        await s.page.goto(f"{s.origin}/__sandbox")
        await s.page.select_option("#v-language", "ar")
        await s.page.click("text=Set for this browser only")
        await s.page.select_option("[name=where]", "packing_slip")
        await s.page.select_option("[name=fault]", "status_503")
        await s.page.click("text=Plan the fault")
        await s.page.wait_for_selector("text=status_503 at packing_slip: 1 times")
        assert s.site.variants == SiteVariants()
        await s.open_order()
        assert await s.page.get_attribute("html", "dir") == "rtl"
        slip = str(await s.page.get_attribute("a[href*='/orders/packing-slip']", "href"))
        found = [(await s.page.request.get(s.origin + slip)).status for _ in range(2)]
        assert found == [503, 200]


@pytest.mark.parametrize("fault", [Fault.CUT, Fault.DROP, Fault.HANG])
async def test_broken_connections_are_errors_in_a_browsers_client(browser: Browser, fault: Fault) -> None:
    """Cut in mid-PDF, dropped before it, or never answered: each ends as an error of its own."""
    says = {Fault.CUT: "aborted", Fault.DROP: "socket hang up", Fault.HANG: "Timeout"}[fault]
    async with scene(browser, SiteVariants()) as s:
        await s.sign_in()
        s.site.fail(DocumentKind.SHIPPING_LABEL, fault)
        label = f"{s.origin}/easyship/label/download?orderId={s.order_id}"
        with pytest.raises(Error, match=says):
            await s.page.request.get(label, timeout=700 if fault is Fault.HANG else 60_000)
        assert (await (await s.page.request.get(label)).body()).startswith(b"%PDF-")
