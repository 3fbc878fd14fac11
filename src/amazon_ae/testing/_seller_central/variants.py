"""Which of its known faces the site shows: every choice a test or a person can make, as one frozen value.

The faces and their ids come from public scrapers and test data of other marketplaces; none was checked against the
UAE's own site. What is this project's guess is marked UNVERIFIED.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from functools import cache
from typing import Any, get_type_hints
from urllib.parse import parse_qsl, urlencode

import attrs

__all__ = [
    "AccountPicker",
    "Challenge",
    "Drawing",
    "InvoiceForm",
    "LabelForm",
    "Language",
    "Nag",
    "SignInForm",
    "SignedOutAnswer",
    "SiteVariants",
    "Tour",
]


class Language(StrEnum):
    """The language of every page; Arabic pages run from right to left."""

    ENGLISH = "en"
    ARABIC = "ar"


class SignInForm(StrEnum):
    """How e-mail and password are asked for."""

    ONE_PAGE = "one_page"
    TWO_PAGES = "two_pages"
    CLAIM = "claim"  # /ax/claim, then the password page; an unknown account sees "create account?"


class Challenge(StrEnum):
    """What only a person can pass. Each is passed once per browser, on the page or on the control page."""

    NONE = "none"
    CAPTCHA = "captcha"  # a picture inside the sign-in form
    CAPTCHA_PAGE = "captcha_page"  # /errors/validateCaptcha before anything else
    CAPTCHA_CVF = "captcha_cvf"  # form.cvf-widget-form-captcha after the password
    CAPTCHA_PUZZLE = "captcha_puzzle"  # #cvf-aamation-container after the password
    WAF = "waf"  # AWS WAF's page before anything else
    PASSKEY = "passkey"  # ids UNVERIFIED
    APPROVAL = "approval"  # a push message to another device
    SMS_CODE = "sms_code"  # /ap/cvf asks for a code sent by SMS or e-mail
    SMS_IN_PLACE = "sms_in_place"  # the authenticator's own page asks for a code that was sent by SMS
    PASSWORD_CHANGE = "password_change"  # /forgotpassword/reverification
    AGENT_POLICY = "agent_policy"  # an interstitial on the first page after sign-in; markup UNVERIFIED


class Nag(StrEnum):
    """Pages after the code that may be skipped."""

    NONE = "none"
    PHONE = "phone"
    REMIND_LATER = "remind_later"
    BOTH = "both"
    PASSKEY = "passkey"  # offers to set up a passkey, with "Not now"; markup UNVERIFIED


class Tour(StrEnum):
    """What lies over the pages and swallows clicks until it is closed."""

    NONE = "none"
    JOYRIDE = "joyride"
    KATAL = "katal"
    BOTH = "both"
    CONSENT = "consent"  # a banner about cookies over the whole page; markup UNVERIFIED
    STACKED = "stacked"  # all three, one over the other


class AccountPicker(StrEnum):
    """Whether an account and a marketplace must be chosen after sign-in."""

    NONE = "none"
    CURRENT = "current"  # /account-switcher/default/merchantMarketplace
    CURRENT_FAILS_ONCE = "current_fails_once"  # its error box first; a reload mends it
    OLDER = "older"  # /merchant-picker, and a list of marketplaces in the header
    HEADER = "header"  # no page, but the session begins in Saudi Arabia; the list in the header changes that


class Drawing(StrEnum):
    """When a script draws the rows of the account picker and the actions of an order."""

    AT_ONCE = "at_once"
    LATE = "late"  # half a second after the page is there
    VERY_LATE = "very_late"  # 1.5 seconds after

    @property
    def milliseconds(self) -> int:
        """How long after the page's own script."""
        return {"at_once": 0, "late": 500, "very_late": 1500}[self.value]


class SignedOutAnswer(StrEnum):
    """How a request without a live session is answered."""

    REDIRECT = "redirect"
    PAGE = "page"  # 200 with the sign-in page
    UNAUTHORIZED = "unauthorized"  # 401
    JSON_403 = "json_403"  # {"reason": "sign_in"}


class InvoiceForm(StrEnum):
    """How the order page leads to the invoice."""

    MODAL_LINK = "modal_link"  # the button opens a modal with a link
    MODAL_SIBLING = "modal_sibling"  # that link names a sibling host, where this session is not valid
    MODAL_FORM = "modal_form"  # the modal holds a form to submit
    MODAL_CLICK = "modal_click"  # the modal holds a button that only a real click makes download
    MODAL_POPUP = "modal_popup"  # that button shows the document in a new window instead
    MODAL_CREDIT_NOTE = "modal_credit_note"  # it lists a credit note before the invoice
    MODAL_FRAME = "modal_frame"  # the modal's table is inside an iframe
    LINK = "link"  # a plain link on the order page
    MISSING = "missing"  # the button has the primary style: nothing was uploaded yet


class LabelForm(StrEnum):
    """How the order page leads to the shipping label. The UAE's own addresses are UNVERIFIED."""

    LINK = "link"  # a link to the PDF
    BATCH_HISTORY = "batch_history"  # that page lists older batches of other orders too, which are done
    BATCH_LIST = "batch_list"  # so does one whose address and rows do not show whose each batch is
    BATCH = "batch"  # a page that makes the label in the background: refresh until "Done"


@attrs.frozen(kw_only=True)
class SiteVariants:
    """One face of the site. Change it with ``attrs.evolve``.

    Attributes:
        accounts_open: every account of the current picker lists its marketplaces from the beginning.
        decoys: pages of the app hold what other pages are known by: an e-mail field, and a headline and inline JSON
            about the agent policy.
        drawing: when a script draws the rows of the account picker and the actions of an order.
        switch_accounts: begin with a list of e-mails to choose from; its markup is UNVERIFIED.
        device_choice: ask which device shows the code before asking for the code.
        honour_trust: a browser that ticked "don't ask again" is not asked for a code again.
        may_see_orders: ``False`` sends order pages to ``/authorization/failed``.
        label_on_a4: the label lies on an A4 sheet instead of on paper of its own size.
    """

    language: Language = Language.ENGLISH
    sign_in: SignInForm = SignInForm.TWO_PAGES
    switch_accounts: bool = False
    device_choice: bool = False
    honour_trust: bool = True
    challenge: Challenge = Challenge.NONE
    nag: Nag = Nag.NONE
    account_picker: AccountPicker = AccountPicker.NONE
    accounts_open: bool = False
    drawing: Drawing = Drawing.AT_ONCE
    decoys: bool = False
    tour: Tour = Tour.NONE
    signed_out: SignedOutAnswer = SignedOutAnswer.REDIRECT
    may_see_orders: bool = True
    invoice: InvoiceForm = InvoiceForm.MODAL_LINK
    label: LabelForm = LabelForm.LINK
    label_on_a4: bool = False

    def with_changes(self, changes: Mapping[str, str]) -> SiteVariants:
        """These variants with some of them set from text, as a cookie or a form has them.

        Raises:
            ValueError: a name or a value that does not exist; the message lists the values that do.
        """
        types = _types()
        values: dict[str, Any] = {}
        for name, text in changes.items():
            if name not in types:
                raise ValueError(f"no variant is called {name!r}; there are {', '.join(types)}")
            choices = choices_of(name)
            if text not in choices:
                raise ValueError(f"{name} cannot be {text!r}; it can be {', '.join(choices)}")
            values[name] = text == "yes" if types[name] is bool else types[name](text)
        return attrs.evolve(self, **values)

    def with_text(self, text: str) -> SiteVariants:
        """These variants, changed by ``name=value&name=value``; the form of the ``sandbox-variants`` cookie."""
        return self.with_changes(dict(parse_qsl(text, strict_parsing=True))) if text else self

    def to_changes(self) -> dict[str, str]:
        """Every variant as text; ``with_changes`` reads it back."""
        return {
            name: ("yes" if value else "no") if isinstance(value, bool) else str(value)
            for name, value in attrs.asdict(self).items()
        }

    def to_text(self) -> str:
        """All of them as ``name=value&...``; ``with_text`` reads it back."""
        return urlencode(self.to_changes())


def choices_of(name: str) -> tuple[str, ...]:
    """The texts a variant may have, in the order a form should offer them."""
    kind = _types()[name]
    return ("no", "yes") if kind is bool else tuple(str(member) for member in kind)


@cache
def _types() -> dict[str, Any]:
    return get_type_hints(SiteVariants)
