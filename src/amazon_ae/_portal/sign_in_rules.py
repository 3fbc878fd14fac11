"""Sign-in as a table: the page seen decides the action, not the place in a script.

``classify`` recognises the page of a snapshot; ``TABLE`` has the action for it, how often it may be taken, and the
error if the page is still there afterwards. Both are pure; ``sign_in_flow`` takes snapshots and performs the actions.

A page is recognised by ids and addresses, never by its words, so Arabic and English are the same. That a password was
refused is read from the fact that the password page is back, not from an error text.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from enum import StrEnum
from types import MappingProxyType
from typing import Final

import attrs

from amazon_ae._exceptions import ChallengeRequired, LoginRejected, PageChanged, PermissionMissing, PortalError
from amazon_ae._portal.html import HtmlDocument, parse_html
from amazon_ae._portal.site_map import (
    BUTTON_PHRASES,
    BUTTONS,
    PAGE_SIGNATURES,
    PHRASE_SELECTORS,
    PageKind,
    PageSignature,
    SiteMap,
)

__all__ = [
    "CHALLENGES",
    "SIGNED_OUT",
    "TABLE",
    "UNSETTLED",
    "Action",
    "FetchedPage",
    "Rule",
    "SignInProgress",
    "Snapshot",
    "classify",
    "comes_first",
    "decide",
    "ends",
    "signed_out",
    "snapshot_of_document",
]

_MOST_STEPS: Final = 25


@attrs.frozen(kw_only=True)
class Snapshot:
    """The known features of a page, without its text.

    Attributes:
        path: the address's path, without query.
        visible: names of selectors that match something visible.
        present: names of selectors that match anything.
        phrases: names of phrases found in the page.
        marketplace: the state of the header's marketplace switch: ``True`` ours, ``False`` another, ``None`` not shown.
    """

    path: str
    visible: frozenset[str] = frozenset()
    present: frozenset[str] = frozenset()
    phrases: frozenset[str] = frozenset()
    marketplace: bool | None = None


def classify(snapshot: Snapshot, signatures: Collection[PageSignature] = PAGE_SIGNATURES) -> PageKind:
    """The first signature that fits names the page; ``PageKind.UNKNOWN`` if none does."""
    page = next((signature.page for signature in signatures if _fits(snapshot, signature)), PageKind.UNKNOWN)
    return PageKind.WRONG_MARKETPLACE if page is PageKind.APP and snapshot.marketplace is False else page


def _fits(snapshot: Snapshot, signature: PageSignature) -> bool:
    if any(snapshot.path.startswith(path) for path in signature.paths):
        return True
    if not (snapshot.visible.isdisjoint(signature.absent) and snapshot.present.isdisjoint(signature.missing)):
        return False
    if not snapshot.phrases.isdisjoint(signature.phrases):
        return True
    if not (signature.visible or signature.present):
        return False
    return snapshot.visible.issuperset(signature.visible) and snapshot.present.issuperset(signature.present)


@attrs.frozen
class FetchedPage:
    """A page that was fetched and not opened: its tree, and which page it is. Parsed once, read by all."""

    document: HtmlDocument = attrs.field(repr=False)
    page: PageKind

    @classmethod
    def read(cls, path: str, content: str | bytes, site: SiteMap) -> FetchedPage:
        """Parse and classify. Takes up to a second of processor time for the largest pages: use a thread for those."""
        document = parse_html(content)
        return cls(document, classify(snapshot_of_document(path, document, site)))


def snapshot_of_document(path: str, document: HtmlDocument, site: SiteMap) -> Snapshot:
    """The same snapshot from fetched HTML, for answers without a browser page."""
    present: set[str] = set()
    visible: set[str] = set()
    for name, selectors in site.selectors.items():
        for element in document.find(selectors):
            present.add(name)
            if element.visible:
                visible.add(name)
                break
    found = {name: _first(document, places, site.phrases[name]) for name, places in PHRASE_SELECTORS.items()}
    phrases = {name for name, at in found.items() if at is not None}
    buttons = {element.label.casefold() for element in document.find([BUTTONS]) if element.visible}
    said = {name for name in BUTTON_PHRASES if not buttons.isdisjoint(text.casefold() for text in site.phrases[name])}
    if comes_first(found["code_by_message"], found["code_by_app"]):
        said.add("code_by_message")
    visible |= said
    present |= said
    return Snapshot(path=path, visible=frozenset(visible), present=frozenset(present), phrases=frozenset(phrases))


def _first(document: HtmlDocument, selectors: Sequence[str], phrases: Collection[str]) -> int | None:
    """The position of the first of these phrases in the text of such elements."""
    said = "\n".join(element.text for element in document.find(selectors)).casefold()
    return min((at for phrase in phrases if (at := said.find(phrase.casefold())) >= 0), default=None)


def comes_first(one: int | None, other: int | None) -> bool:
    """Whether ``one`` was found, and before ``other``."""
    return one is not None and (other is None or one < other)


class Action(StrEnum):
    """The actions of a sign-in."""

    TYPE_EMAIL = "type the e-mail"
    TYPE_PASSWORD = "type the password"
    TYPE_EMAIL_AND_PASSWORD = "type e-mail and password"
    CHOOSE_AUTHENTICATOR = "choose the authenticator app"
    TYPE_CODE = "type the one-time code"
    PICK_IDENTITY = "pick the user"
    PICK_MARKETPLACE = "pick account and marketplace"
    PICK_MARKETPLACE_OLD = "pick account and marketplace (older picker)"
    SWITCH_MARKETPLACE = "switch the marketplace"
    RELOAD = "reload"
    SKIP_PHONE = "skip the phone number"
    SKIP_REMINDER = "put the reminder off"
    SKIP_PASSKEY = "decline the passkey"
    DONE = "done"


_TYPES_PASSWORD: Final = frozenset({Action.TYPE_PASSWORD, Action.TYPE_EMAIL_AND_PASSWORD})


@attrs.frozen
class Rule:
    """The action for a page, how often it may be taken in one sign-in, and the error if the page appears once more."""

    action: Action | None
    at_most: int
    otherwise: Callable[[], PortalError]


def _challenge(kind: str, what: str) -> Rule:
    return Rule(
        None,
        0,
        lambda: ChallengeRequired(
            kind, f"Amazon asks for {what}; a person must pass it once: login(headed=True), or import a session"
        ),
    )


def _refused(what: str) -> Callable[[], PortalError]:
    return lambda: LoginRejected(f"{what}; correct the credentials, then call login() once", step="sign-in")


def _changed(what: str) -> Callable[[], PortalError]:
    return lambda: PageChanged(f"{what}; run check() and override the selectors that no longer fit", step="sign-in")


TABLE: Final[Mapping[PageKind, Rule]] = MappingProxyType(
    {
        # Only a person passes these: no attempt, no retry.
        PageKind.AGENT_POLICY: _challenge("agent_policy", "consent of a person: its notice about automated agents"),
        PageKind.CAPTCHA: _challenge("captcha", "a captcha"),
        PageKind.WAF: _challenge("waf", "a robot check"),
        PageKind.PASSKEY: _challenge("passkey", "a passkey"),
        PageKind.DEVICE_APPROVAL: _challenge("device_approval", "approval on another device"),
        PageKind.PASSWORD_CHANGE: _challenge("password_change", "a new password"),
        PageKind.CODE_BY_MESSAGE: _challenge("sms_code", "a code sent by SMS or call in place of the authenticator's"),
        PageKind.SMS_CODE: _challenge("sms_code", "a code sent by mail or SMS"),
        PageKind.NO_AUTHENTICATOR: _challenge("sms_code", "a code by SMS or call: this user has no authenticator app"),
        # The ordinary way.
        # Twice: a sign-in whose beginning the site forgot starts again here, and an e-mail alone locks no account.
        PageKind.EMAIL: Rule(Action.TYPE_EMAIL, 2, _refused("Amazon refused the e-mail")),
        PageKind.EMAIL_AND_PASSWORD: Rule(
            Action.TYPE_EMAIL_AND_PASSWORD, 1, _refused("Amazon refused the e-mail or the password")
        ),
        PageKind.PASSWORD: Rule(Action.TYPE_PASSWORD, 1, _refused("Amazon refused the password")),
        PageKind.UNKNOWN_ACCOUNT: Rule(None, 0, _refused("Amazon knows no account with this e-mail")),
        PageKind.DEVICE_CHOICE: Rule(Action.CHOOSE_AUTHENTICATOR, 2, _changed("the choice of code device came back")),
        PageKind.CODE: Rule(
            Action.TYPE_CODE, 2, _refused("Amazon refused two one-time codes: the authenticator secret is wrong")
        ),
        PageKind.IDENTITY_CHOICE: Rule(Action.PICK_IDENTITY, 1, _changed("the choice of user came back")),
        PageKind.PHONE_NAG: Rule(Action.SKIP_PHONE, 2, _changed("the request for a phone number cannot be skipped")),
        PageKind.REMIND_NAG: Rule(Action.SKIP_REMINDER, 2, _changed("the reminder cannot be put off")),
        PageKind.PASSKEY_NUDGE: Rule(Action.SKIP_PASSKEY, 2, _changed("the offer of a passkey cannot be declined")),
        PageKind.PICKER_PENDING: Rule(None, 0, _changed("the account picker shows no rows")),
        PageKind.PICKER: Rule(Action.PICK_MARKETPLACE, 2, _changed("the account picker came back")),
        PageKind.PICKER_FAULT: Rule(Action.RELOAD, 2, _changed("the account picker does not load")),
        PageKind.OLD_PICKER: Rule(Action.PICK_MARKETPLACE_OLD, 2, _changed("the account picker came back")),
        PageKind.WRONG_MARKETPLACE: Rule(Action.SWITCH_MARKETPLACE, 1, _changed("the marketplace cannot be switched")),
        PageKind.NO_PERMISSION: Rule(
            None,
            0,
            lambda: PermissionMissing(
                "this user may not open the page; the account's owner grants it under Settings, User Permissions",
                step="sign-in",
            ),
        ),
        PageKind.APP: Rule(Action.DONE, _MOST_STEPS, _changed("sign-in does not end")),
        PageKind.UNKNOWN: Rule(None, 0, _changed("the page is not one this version knows")),
    }
)

CHALLENGES: Final = frozenset(
    {PageKind.AGENT_POLICY, PageKind.CAPTCHA, PageKind.WAF, PageKind.PASSKEY, PageKind.DEVICE_APPROVAL}
)
"""Challenges that may block any page, signed in or not."""

UNSETTLED: Final = frozenset({PageKind.UNKNOWN, PageKind.PICKER_PENDING})
"""Pages that may still be being drawn."""

SIGNED_OUT: Final = frozenset(
    # A captcha or a robot check is no proof of being signed out, but the sign-in flow is where it is named and raised.
    set(PageKind)
    - {PageKind.APP, PageKind.WRONG_MARKETPLACE, PageKind.UNKNOWN, PageKind.NO_PERMISSION, PageKind.PICKER_FAULT}
)
"""The pages with which the site answers a request without a usable session."""


class SignInProgress:
    """How often each page was acted on in this sign-in, and whether the password was typed.

    Args:
        password_typed: it was, before a person passed a page: it is not typed again.
    """

    def __init__(self, *, password_typed: bool = False) -> None:
        self.acted: dict[PageKind, int] = {}
        self.steps = 0
        self.password_typed = password_typed


def ends(page: PageKind, progress: SignInProgress) -> bool:
    """Whether ``decide`` would end the sign-in on this page, well or with an error."""
    rule = TABLE[page]
    return rule.action in (None, Action.DONE) or progress.acted.get(page, 0) >= rule.at_most


def decide(page: PageKind, progress: SignInProgress) -> Action:
    """The action for ``page`` now; counts it.

    Raises:
        ChallengeRequired, LoginRejected, PermissionMissing, PageChanged: nothing more may be done; as ``TABLE`` says.
    """
    rule = TABLE[page]
    acted = progress.acted.get(page, 0)
    progress.steps += 1
    if rule.action is None or acted >= rule.at_most:
        raise rule.otherwise()
    if progress.steps > _MOST_STEPS:
        raise PageChanged("sign-in does not end; run check()", step="sign-in")
    if rule.action in _TYPES_PASSWORD:
        # On any form: a second wrong password may lock the account.
        if progress.password_typed:
            raise rule.otherwise()
        progress.password_typed = True
    progress.acted[page] = acted + 1
    return rule.action


def signed_out(
    status: int, path: str, content_type: str, body: bytes, shown: FetchedPage | None, site: SiteMap
) -> PageKind | None:
    """Whether an answer means "sign in first" (or shows a challenge); the page it shows, ``None`` where it does not.

    Four faces (seen live on amazon.in, 2026): a redirect to the sign-in address, 200 with the sign-in page, 401, and a
    JSON 403 whose reason is ``sign_in``.

    Args:
        path: the path of the final address.
        body: only looked at for JSON.
        shown: the page, where the answer is HTML.
    """
    if status == 401 or path.startswith((site.urls["sign_in"], site.urls["claim"])):
        return PageKind.EMAIL
    if status == 403 and "json" in content_type and b'"sign_in"' in body:
        return PageKind.EMAIL
    return shown.page if shown is not None and shown.page in SIGNED_OUT else None
