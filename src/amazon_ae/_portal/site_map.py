"""Seller Central as data: every address, selector and page signature this library relies on.

The site has no published contract. The entries were read from public code for the marketplaces named beside each;
the UAE's own label and invoice addresses are UNVERIFIED, so links are discovered from the order's page. A host adapts
to a change of the site without a release of this library::

    site = SITE.override(selectors={"email": ["#new_email_field"]})
    SellerPortalScraper(AE, credentials, site=site, ...)

Selectors are CSS whose answer is in the markup, so that Chromium and the parser of fetched pages agree
(``html.check_selector``). Several selectors of one name are tried in their order. The browser also searches open shadow
roots. No selector depends on the language of the page.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Final, TypeVar

import attrs

from amazon_ae._exceptions import ConfigurationError
from amazon_ae._portal.html import check_selector

__all__ = [
    "BUTTONS",
    "BUTTON_PHRASES",
    "PAGE_SIGNATURES",
    "PHRASE_SELECTORS",
    "SITE",
    "PageKind",
    "PageSignature",
    "SiteMap",
]

T = TypeVar("T")


class PageKind(StrEnum):
    """Every page that can appear between the first address and a signed-in page."""

    AGENT_POLICY = "agent policy notice"
    CAPTCHA = "captcha"
    WAF = "robot check (AWS WAF)"
    PASSKEY = "passkey"
    PASSKEY_NUDGE = "offer to set up a passkey"
    DEVICE_APPROVAL = "approval on another device"
    PASSWORD_CHANGE = "forced password change"
    SMS_CODE = "code by mail or SMS"
    CODE_BY_MESSAGE = "one-time code, sent by SMS or call"
    DEVICE_CHOICE = "choice of code device"
    NO_AUTHENTICATOR = "choice of code device without an authenticator"
    CODE = "one-time code"
    UNKNOWN_ACCOUNT = "unknown account"
    PHONE_NAG = "request for a phone number"
    REMIND_NAG = "reminder that can be put off"
    IDENTITY_CHOICE = "switch accounts"
    PICKER_FAULT = "account picker failed to load"
    PICKER = "account picker"
    OLD_PICKER = "account picker, older"
    PICKER_PENDING = "account picker, not drawn yet"
    NO_PERMISSION = "permission missing"
    EMAIL_AND_PASSWORD = "e-mail and password"
    PASSWORD = "password"
    EMAIL = "e-mail"
    WRONG_MARKETPLACE = "another marketplace"
    APP = "signed in"
    UNKNOWN = "unknown page"


@attrs.frozen(kw_only=True)
class PageSignature:
    """The features by which a page is recognised: one of ``paths`` or ``phrases``, or all of ``visible`` and
    ``present``.

    An ambiguous page counts as unknown: it is observed again until it has settled.

    Attributes:
        paths: beginnings of the address's path.
        phrases: names in ``SiteMap.phrases``, for the few pages that have no id.
        visible: names of selectors that must match something that can be seen.
        present: names of selectors that must match, hidden or not.
        absent: names of selectors that must match nothing that can be seen; for phrases too.
        missing: names of selectors that must match nothing at all; for phrases too.
    """

    page: PageKind
    paths: tuple[str, ...] = ()
    phrases: tuple[str, ...] = ()
    visible: tuple[str, ...] = ()
    present: tuple[str, ...] = ()
    absent: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()


PAGE_SIGNATURES: Final[tuple[PageSignature, ...]] = (
    # The order is the rule: pages for a person come first, then pickers, then permission, sign-in, the app.
    PageSignature(page=PageKind.AGENT_POLICY, visible=("agent_policy",)),
    PageSignature(page=PageKind.AGENT_POLICY, phrases=("agent_policy",), missing=("app_navigation",)),
    PageSignature(page=PageKind.CAPTCHA, paths=("/errors/validateCaptcha",), visible=("captcha",)),
    # AWS WAF's script stands on ordinary pages too.
    PageSignature(
        page=PageKind.WAF,
        phrases=("waf", "waf_block"),
        present=("waf",),
        absent=("email", "password", "code"),
        missing=("app",),
    ),
    PageSignature(page=PageKind.DEVICE_APPROVAL, present=("approval",)),
    PageSignature(page=PageKind.PASSWORD_CHANGE, paths=("/forgotpassword/reverification", "/ap/forgotpassword")),
    PageSignature(page=PageKind.DEVICE_CHOICE, visible=("device_form",), present=("device_totp",)),
    PageSignature(page=PageKind.NO_AUTHENTICATOR, visible=("device_form",)),
    PageSignature(page=PageKind.CODE_BY_MESSAGE, visible=("code",), present=("code_by_message",)),
    PageSignature(page=PageKind.CODE, visible=("code",)),
    PageSignature(page=PageKind.SMS_CODE, visible=("cvf_code",)),
    # A page of the app may offer one in a banner.
    PageSignature(
        page=PageKind.PASSKEY_NUDGE,
        visible=("not_now",),
        present=("passkey_hint",),
        absent=("password",),
        missing=("app_navigation",),
    ),
    PageSignature(
        page=PageKind.PASSKEY, paths=("/ap/passkey", "/ax/claim/webauthn"), visible=("passkey",), absent=("password",)
    ),
    PageSignature(page=PageKind.UNKNOWN_ACCOUNT, visible=("unknown_account",)),
    PageSignature(page=PageKind.PHONE_NAG, visible=("phone_nag_skip",)),
    PageSignature(page=PageKind.REMIND_NAG, visible=("remind_nag_skip",)),
    PageSignature(page=PageKind.IDENTITY_CHOICE, visible=("identity_row",)),
    PageSignature(page=PageKind.PICKER_FAULT, visible=("picker_fault",)),
    PageSignature(page=PageKind.PICKER, visible=("picker_row",)),
    PageSignature(page=PageKind.OLD_PICKER, visible=("old_picker_row",)),
    # Its rows come by script, later than the shell of the app around it.
    PageSignature(page=PageKind.PICKER_PENDING, paths=("/account-switcher/", "/merchant-picker", "/global-picker")),
    PageSignature(page=PageKind.PICKER_PENDING, present=("picker_shell",)),
    PageSignature(page=PageKind.NO_PERMISSION, paths=("/authorization/failed",)),
    # The app asks for e-mails too (invitations, filters); no page of the sign-in is a page of the app.
    PageSignature(page=PageKind.EMAIL_AND_PASSWORD, visible=("email", "password"), missing=("app",)),
    PageSignature(page=PageKind.PASSWORD, visible=("password",), missing=("app",)),
    PageSignature(page=PageKind.EMAIL, visible=("email",), missing=("app",)),
    PageSignature(page=PageKind.APP, present=("app",)),
)


PHRASE_SELECTORS: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        # The page's own headline only: a news item of the app may well name the agent policy.
        "agent_policy": ("title", "h1", "h2"),
        "waf": ("script:not([src])",),
        "waf_block": ("body",),
        "code_by_message": ("h1, h2, label, p, form span",),
        "code_by_app": ("h1, h2, label, p, form span",),
    }
)
"""The selectors whose text may contain a phrase."""
BUTTON_PHRASES: Final = ("not_now",)
"""Phrases that count if they are the whole text of a visible button or link."""
BUTTONS: Final = "a, button, input[type=submit], input[type=button], kat-button, kat-link, [role=button]"


def _texts(items: Mapping[str, str]) -> Mapping[str, str]:
    return MappingProxyType(dict(items))


def _tuples(items: Mapping[str, Sequence[str]]) -> Mapping[str, tuple[str, ...]]:
    return MappingProxyType({name: tuple(value) for name, value in items.items()})


@attrs.frozen(kw_only=True)
class SiteMap:
    """The site by name, replaceable entry by entry.

    Attributes:
        urls: addresses below the marketplace's portal origin; ``{order_id}`` is filled in.
        selectors: CSS, several per name, tried in their order.
        phrases: texts of the few pages and buttons without an id; ``PHRASE_SELECTORS`` has the elements of each.
        marketplace_names: the names of a marketplace in the pickers, in every language, by marketplace code.
    """

    urls: Mapping[str, str] = attrs.field(converter=_texts)
    selectors: Mapping[str, tuple[str, ...]] = attrs.field(converter=_tuples)
    phrases: Mapping[str, tuple[str, ...]] = attrs.field(converter=_tuples)
    marketplace_names: Mapping[str, tuple[str, ...]] = attrs.field(converter=_tuples)

    def __reduce__(self) -> tuple[Callable[..., SiteMap], tuple[dict[str, Any], ...]]:
        """Copy and pickle by plain dicts: the read-only views of them allow neither."""
        return _site_map, (dict(self.urls), dict(self.selectors), dict(self.phrases), dict(self.marketplace_names))

    def override(
        self,
        *,
        urls: Mapping[str, str] | None = None,
        selectors: Mapping[str, Sequence[str]] | None = None,
        phrases: Mapping[str, Sequence[str]] | None = None,
        marketplace_names: Mapping[str, Sequence[str]] | None = None,
    ) -> SiteMap:
        """The same map with some entries replaced, e.g. out of a host's own settings file.

        Raises:
            ConfigurationError: a name is not in the map (a misspelt one would change nothing), a value is empty, a
                selector is no CSS that works on a fetched page, or a URL is no path below the portal's origin.
        """
        for selector in (item for items in (_lists("selectors", selectors) or {}).values() for item in items):
            check_selector(selector)
        for name, url in (urls or {}).items():
            _check_url(name, url, self.urls.get(name, ""))
        return SiteMap(
            urls=_merge("urls", self.urls, urls),
            selectors=_merge("selectors", self.selectors, _lists("selectors", selectors)),
            phrases=_merge("phrases", self.phrases, _lists("phrases", phrases)),
            marketplace_names=_merge(
                "marketplace_names", self.marketplace_names, _lists("marketplace_names", marketplace_names)
            ),
        )


def _site_map(
    urls: dict[str, str],
    selectors: dict[str, tuple[str, ...]],
    phrases: dict[str, tuple[str, ...]],
    marketplace_names: dict[str, tuple[str, ...]],
) -> SiteMap:
    return SiteMap(urls=urls, selectors=selectors, phrases=phrases, marketplace_names=marketplace_names)


def _lists(what: str, items: Mapping[str, Sequence[str]] | None) -> Mapping[str, Sequence[str]] | None:
    for name, value in (items or {}).items():
        if isinstance(value, str):
            raise ConfigurationError(f"{what}[{name!r}] is a list of texts, not one text")
    return items


def _check_url(name: str, url: str, known: str) -> None:
    if url and (not url.startswith("/") or url.startswith("//")):
        raise ConfigurationError(f"urls[{name!r}] is a path below the portal's origin and begins with one slash")
    if url and "{order_id}" in known and "{order_id}" not in url:
        raise ConfigurationError(f"urls[{name!r}] must contain {{order_id}}")


def _merge(what: str, base: Mapping[str, T], changes: Mapping[str, T] | None) -> dict[str, T]:
    for name, value in (changes or {}).items():
        if name not in base:
            raise ConfigurationError(f"{what}: there is no {name!r}; known are {', '.join(sorted(base))}")
        if not value:
            raise ConfigurationError(f"{what}[{name!r}] is empty")
    return {**base, **(changes or {})}


SITE: Final = SiteMap(
    urls={
        "home": "/home",  # seen: AE, EG, IN
        "sign_in": "/ap/",  # a path that begins so is never a signed-in page; seen: all
        "claim": "/ax/",  # the claim flow since August 2025
        "order": "/orders-v3/order/{order_id}",  # seen: US, EU, IN
        "orders": "/orders-v3/mfn/shipped",  # seen: US, EU, IN
        "packing_slip": "/orders/packing-slip?orderIds={order_id}",  # seen: US, EU
    },
    selectors={
        # Sign-in. Ids seen in AE, EG, IN, US.
        "email": ["#ap_email", "#ap_email_login", "input[name=email]:not([type=hidden])"],
        "email_next": ["input#continue", "#continue input", "#continue"],
        "password": ["#ap_password", "input[name=password]:not([type=hidden])"],
        "remember_me": ["input[name=rememberMe]"],
        "sign_in": ["#signInSubmit", "form[name=signIn] [type=submit]"],
        "unknown_account": ["form#intent-confirmation-form", "#intent-confirmation-container"],
        "device_form": ["form#auth-select-device-form"],
        "device_totp": [
            ".auth-TOTP input[name=otpDeviceContext]",
            "input.auth-TOTP[name=otpDeviceContext]",
            "input[name=otpDeviceContext][value*=TOTP]",
        ],
        "device_send": ["input#auth-send-code", "#auth-send-code input", "#auth-send-code"],
        "code": ["#auth-mfa-otpcode", "form#auth-mfa-form input[name=otpCode]"],
        "remember_device": ["#auth-mfa-remember-device", "input[name=rememberDevice]"],
        # Which device sent the code is not in an id (UNVERIFIED): a hidden field names it, or the page's words do.
        "code_by_message": [
            "input[type=hidden][name=otpDeviceContext][value*=SMS]",
            "input[type=hidden][name=otpDeviceContext][value*=VOICE]",
        ],
        "code_submit": ["#auth-signin-button", "form#auth-mfa-form [type=submit]"],
        # Pages that only a person may pass.
        "captcha": [
            "img#auth-captcha-image",
            "#auth-captcha-guess",
            "form.cvf-widget-form-captcha",
            "input[name=cvf_captcha_input]",
            "form[action$=validateCaptcha]",
            "input[id^=captchacharacters]",
            "#cvf-aamation-container",
        ],
        "waf": ["script[src*='awswaf.com']", "#captcha-container awswaf-captcha", "awswaf-captcha"],
        "cvf_code": [
            "#cvf_input_code",
            "#cvf-input-code",
            "#input-box-otp",
            "form#verification-code-form",
            "#cvf-submit-otp-button",
            "form[action*='/ap/cvf'] input[name=code]",
        ],
        "approval": [
            "[name=transactionApprovalStatus]",
            "form[action*='/approval/poll']",
            "a#resend-approval-link",
        ],
        "passkey": ["#passkey-form", "#passkey-skip-link", "[id^=auth-webauthn]"],  # UNVERIFIED
        "agent_policy": ["#agent-policy-interstitial", "[data-test-id=agent-policy-continue]"],  # UNVERIFIED
        # Nags and choices.
        "phone_nag_skip": ["#ap-account-fixup-phone-skip-link"],
        "remind_nag_skip": ["#remind-me-later"],
        "passkey_hint": [  # UNVERIFIED
            "[id*=passkey]",
            "[class*=passkey]",
            "[name*=passkey]",
            "[data-test-id*=passkey]",
            "[id*=webauthn]",
            "form[action*=passkey]",
            "form[action*=webauthn]",
        ],
        "not_now": ["#passkey-nudge-not-now"],  # UNVERIFIED; or a button that says so, see phrases
        "identity_row": [".cvf-account-switcher-claim", "[data-test-id=switch-account-row]"],  # UNVERIFIED
        "picker_row": [
            "button.full-page-account-switcher-account-details",
            "div.full-page-account-switcher-account",
        ],
        "picker_shell": ["[class*=account-switcher]", ".picker-app"],
        "picker_confirm": ["kat-button.full-page-account-switcher-button", "kat-button"],
        "picker_fault": [".full-page-account-switcher-accounts-error"],
        "old_picker_row": [".picker-app button.picker-button", "button.picker-button", ".picker-name"],
        "old_picker_confirm": ["button.picker-switch-accounts-button"],
        "marketplace_switch": ["select#sc-mkt-picker-switcher-select"],
        # The app.
        "app": ["meta[name=anti-csrftoken-a2z]"],
        "app_navigation": ["a[href*='/orders-v3']", "a[href*='/inventory']", "[data-test-id=order-id-value]"],
        "tour_close": [
            ".react-joyride__tooltip button[data-action=skip]",
            ".react-joyride__tooltip button[data-action=close]",
            "kat-modal.sellerOnboardingPopup [data-test-id=close]",
            "kat-modal.sellerOnboardingPopup button.close",
            "#sp-cc-rejectall-link",  # cookie consent; UNVERIFIED for Seller Central
            "#sp-cc-decline",
        ],
        "orders_row": ["#orders-table tbody tr a[href*='/orders-v3/order/']", "a[href*='/orders-v3/order/']"],
        "order": ["[data-test-id=order-id-value]", "[data-test-id=order-details-header-action-buttons]"],
        # The packing slip: what a page that only names the order does not have.
        "slip_content": ["[class*=packing-slip]", "[id*=packing-slip]", "table td"],
        "page_error": [  # a page that is shown in place of another
            ".a-alert-error",
            ".a-alert-content",
            "[role=alert]",
            "kat-alert[variant=danger]",
            "kat-alert[variant=error]",
        ],
        # Invoice: a link, a form, or a button that opens a list. Seen: EU. Whether the UAE shows them is UNVERIFIED.
        "invoice_link": [
            "[href*='/invoice/download']",  # kat-link has an href too
            "[href*='/documents/download']",
            "[href*='/document/download']",
        ],
        "invoice_form": [
            "form[action*='/invoice/download']",
            "form[action*='/documents/download']",
            "form[action*='/document/download']",
        ],
        "invoice_button": [
            "[data-test-id=manage-idu-invoice-button]:not(.a-button-primary) input[type=submit]",
            "[data-test-id=manage-idu-invoice-button]:not(.a-button-primary) button",
        ],
        "invoice_missing": ["[data-test-id=manage-idu-invoice-button].a-button-primary"],
        "invoice_click": [
            ".a-popover-modal[aria-hidden=false] kat-table-body [role=row] button",
            ".a-popover-modal[aria-hidden=false] kat-table-body [role=row] input[type=submit]",
            ".a-popover-modal[aria-hidden=false] kat-table-body [role=row] kat-button",
        ],
        # Label. UNVERIFIED for the UAE: the address is whatever the order's page links to.
        "label_link": [
            "a[data-test-id=print-shipping-label]",
            "[data-test-id=print-shipping-label] a",
            "a[href*='/easyship/label']",
            "a[href*='/easyship/print']",
            "a[href*='/easyship/batch']",
            "a[href*='shipping-label']",
            "a[href*='print-label']",
            "a[href*='printLabel']",
        ],
        "label_schedule": ["a[href*='/easyship/schedule']"],
        "batch_refresh": ["input[name=refresh]"],
        "batch_link": [
            "a[data-test-id=download-shipping-labels]",
            "a[href*='/labels/download']",
            "a[href*='/label/download']",
            "a[href*='/download']",
            "a[href*='.pdf']",
        ],
    },
    phrases={
        # Seen in public test data, English only; the Arabic wording is UNVERIFIED.
        "agent_policy": ["access by an unauthorized AI agent"],
        "waf": ["gokuProps"],
        "waf_block": ["Request blocked"],
        # The text above the field of a code that was sent; UNVERIFIED.
        "code_by_message": [
            "text message",
            "SMS",
            "ending in",
            "phone number",
            "mobile number",
            "sent to you",
            "we sent",
            "رسالة نصية",
            "رقم الهاتف",
            "ينتهي",
        ],
        # The first one counts: a page may offer the other way below.
        "code_by_app": ["authenticator", "تطبيق المصادقة"],
        # The whole text of a button or link.
        "not_now": ["Not now", "Maybe later", "No thanks", "Skip", "Skip for now", "ليس الآن", "تخطي", "لاحقاً"],
        "close_overlay": [
            "Close",
            "Skip",
            "Dismiss",
            "Not now",
            "No thanks",
            "Got it",
            "Done",
            "×",
            "✕",
            "Reject",
            "Reject all",
            "Decline",
            "Continue without accepting",
            "Only necessary",
            "Only essential",
            "إغلاق",
            "تخطي",
            "ليس الآن",
            "رفض",
            "رفض الكل",
        ],
    },
    marketplace_names={
        "AE": ["United Arab Emirates", "الإمارات العربية المتحدة", "amazon.ae"],
        "EG": ["Egypt", "مصر", "amazon.eg"],
        "SA": ["Saudi Arabia", "المملكة العربية السعودية", "السعودية", "amazon.sa"],
    },
)
"""Seller Central as this version knows it: the default of ``SellerPortalScraper(site=...)``."""
