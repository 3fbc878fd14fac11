"""Decides which entry of the site map is checked on which page, and why the others are not.

Every entry is in one of two places: in a group of a page (of a group one entry is enough), or in ``why_not``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Final

from amazon_ae._portal.page_controls import Control, PageContent, alike, words_of
from amazon_ae._portal.site_map import SITE, PageKind, SiteMap

__all__ = [
    "HOME",
    "INVOICES",
    "LABELS",
    "OPTIONAL",
    "ORDER",
    "ORDERS",
    "PHRASES_OF",
    "SIGN_IN_GROUPS",
    "SLIP",
    "Groups",
    "guess_missing",
    "instead_text",
    "keys_of",
    "override_text",
    "why_not",
]

Groups = tuple[tuple[str, ...], ...]

HOME: Final[Groups] = (("app",), ("app_navigation",))
ORDERS: Final[Groups] = (("orders_row",),)
ORDER: Final[Groups] = (
    ("order",),
    ("invoice_link", "invoice_form", "invoice_button", "invoice_missing"),
    ("label_link", "label_schedule"),
)
INVOICES: Final[Groups] = (("invoice_link", "invoice_form", "invoice_click"),)
LABELS: Final[Groups] = (("batch_refresh",), ("batch_link",))
SLIP: Final[Groups] = (("slip_content",),)

SIGN_IN_GROUPS: Final[Mapping[PageKind, Groups]] = MappingProxyType(
    {
        PageKind.EMAIL: (("email",), ("email_next",)),
        PageKind.EMAIL_AND_PASSWORD: (("email",), ("password",), ("sign_in",), ("remember_me",)),
        PageKind.PASSWORD: (("password",), ("sign_in",), ("remember_me",)),
        PageKind.DEVICE_CHOICE: (("device_form",), ("device_totp",), ("device_send",)),
        PageKind.NO_AUTHENTICATOR: (("device_form",), ("device_totp",)),
        PageKind.CODE: (("code",), ("code_submit",), ("remember_device",)),
        PageKind.IDENTITY_CHOICE: (("identity_row",),),
        PageKind.PICKER: (("picker_row",), ("picker_confirm",), ("picker_shell",)),
        PageKind.PICKER_FAULT: (("picker_fault",),),
        PageKind.OLD_PICKER: (("old_picker_row",), ("old_picker_confirm",)),
        PageKind.WRONG_MARKETPLACE: (("marketplace_switch",),),
        PageKind.PHONE_NAG: (("phone_nag_skip",),),
        PageKind.REMIND_NAG: (("remind_nag_skip",),),
        PageKind.PASSKEY_NUDGE: (("passkey_hint",), ("not_now",)),
        PageKind.APP: (("app",),),
        # The entries by which challenges are recognised.
        PageKind.CAPTCHA: (("captcha",),),
        PageKind.WAF: (("waf",),),
        PageKind.DEVICE_APPROVAL: (("approval",),),
        PageKind.CODE_BY_MESSAGE: (("code",), ("code_by_message",)),
        PageKind.SMS_CODE: (("cvf_code",),),
        PageKind.PASSKEY: (("passkey",),),
        PageKind.AGENT_POLICY: (("agent_policy",),),
        PageKind.UNKNOWN_ACCOUNT: (("unknown_account",),),
    }
)
"""The entries that each page of a sign-in should have."""

PHRASES_OF: Final[Mapping[PageKind, frozenset[str]]] = MappingProxyType(
    {
        PageKind.CODE: frozenset({"code_by_app"}),
        PageKind.CODE_BY_MESSAGE: frozenset({"code_by_message"}),
        PageKind.AGENT_POLICY: frozenset({"agent_policy"}),
        PageKind.WAF: frozenset({"waf", "waf_block"}),
    }
)
"""The phrases that are checked on each page."""
OPTIONAL: Final = frozenset({"remember_me", "remember_device", "picker_shell", "app_navigation"})
"""Entries whose absence stops nothing."""

_WALLS: Final = frozenset(
    {"unknown_account", "captcha", "waf", "cvf_code", "approval", "passkey", "agent_policy", "waf_block"}
    | {"code_by_message"}
)
_SIGN_IN: Final = frozenset(
    name for groups in SIGN_IN_GROUPS.values() for group in groups for name in group if name not in _WALLS
) | {"sign_in", "claim", "not_now", "code_by_app"}
_REASONS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "tour_close": "nothing lay over the pages",
        "close_overlay": "nothing lay over the pages",
        "page_error": "no page showed an error",
        "orders": "an order was given, so none was chosen from the list",
        "orders_row": "an order was given, so none was chosen from the list",
        "code_by_message": "no code was sent by SMS or call, and a check must not ask for one",
        "batch_refresh": "following the label's link may make another label: check(make_label=True) follows it",
        "batch_link": "following the label's link may make another label: check(make_label=True) follows it",
        "invoice_click": "the order's page, or the list it opens, offers another way",
    }
)


def why_not(key: str, *, code: str, signed_in: bool, blocked: str) -> str:
    """The reason why an entry was not checked.

    Args:
        key: as in ``keys_of``.
        code: the marketplace.
        signed_in: somebody signed in during the check.
        blocked: the reason why the check ended early; ``""`` if it did not.
    """
    kind, name = split_key(key)
    if kind == "marketplace_names" and name != code:
        return "it is another marketplace's name"
    if name in _WALLS and name != "code_by_message":
        return "only Amazon decides when this page comes, and a check must not provoke it"
    if kind == "marketplace_names" or (name in _SIGN_IN and not (kind == "selectors" and name == "app")):
        if blocked:
            return f"the sign-in did not get there ({blocked})"
        return (
            "this page did not come up in the sign-in"
            if signed_in
            else "the session is good, so nobody signed in: check(sign_in=True) signs in anew"
        )
    if blocked and name not in ("tour_close", "close_overlay", "page_error"):
        return f"the check ended before it ({blocked})"
    return _REASONS.get(name, "its page was not reached")


def keys_of(site: SiteMap) -> list[str]:
    """Every entry of the map, as ``SITE.override`` names it."""
    parts = {
        "urls": site.urls,
        "selectors": site.selectors,
        "phrases": site.phrases,
        "marketplace_names": site.marketplace_names,
    }
    return [f"{kind}[{name!r}]" for kind, names in parts.items() for name in names]


def split_key(key: str) -> tuple[str, str]:
    """``"selectors['email']"`` in its two parts."""
    kind, _, rest = key.partition("[")
    return kind, rest.strip("]'\"")


def instead_text(name: str, site: SiteMap, controls: Sequence[Control]) -> tuple[str, str]:
    """The elements on the page that may replace an entry, and the override for the likeliest one."""
    found = alike(name, [*site.selectors[name], *SITE.selectors.get(name, ())], controls)
    if not found:
        others = [control.selector for control in controls if control.selector][:3]
        return f"nothing alike stands there{'; there are ' + ', '.join(others) if others else ''}", ""
    texts = [control.selector + (f" (to {control.path})" if control.path else "") for control in found]
    return "instead there is " + ", ".join(texts), override_text("selectors", name, found[0].selector)


def override_text(kind: str, name: str, value: str) -> str:
    """The call that replaces one entry."""
    shown = f"[{value!r}]" if kind != "urls" else repr(value)
    return f'SITE.override({kind}={{"{name}": {shown}}})'


def guess_missing(content: PageContent, site: SiteMap) -> str | None:
    """On a page of the sign-in that is not known: the entry that something there resembles most.

    What the map still finds on the page is not the entry that is missing.
    """
    best, most = None, 0
    for page, groups in SIGN_IN_GROUPS.items():
        for name in (name for group in groups for name in group):
            if (
                name in content.present
                or name in OPTIONAL
                or page in (PageKind.PICKER_FAULT, PageKind.WRONG_MARKETPLACE)
            ):
                continue
            known = [*site.selectors[name], *SITE.selectors.get(name, ())]
            for control in alike(name, known, content.controls, at_most=1):
                score = len(control.words & words_of(" ".join([name, *known])))
                if score > most:
                    best, most = name, score
    return best
