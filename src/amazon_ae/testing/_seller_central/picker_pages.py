"""The account picker in both its generations. It is shown to a signed-in user."""

from __future__ import annotations

from html import escape
from typing import Final

from amazon_ae._models.marketplaces import AE, EG, SA
from amazon_ae.testing._seller_central.assets import PICKER
from amazon_ae.testing._seller_central.html import hidden, seller_page
from amazon_ae.testing._seller_central.texts import say
from amazon_ae.testing._seller_central.variants import Language

__all__ = ["MARKETPLACES", "older_picker_page", "older_switcher", "picker_page"]

MARKETPLACES: Final = {marketplace.code: marketplace for marketplace in (AE, SA, EG)}
"""Where the account sells."""


def picker_page(
    account: str, chosen: str | None, return_to: str, language: Language, *, csrf: str, fails: bool = False
) -> str:
    """``/account-switcher/default/merchantMarketplace``: open the account, choose a marketplace, press the button."""
    title = say("pick_account", language)
    if fails:
        body = (
            f'<h1>{title}</h1><div class="full-page-account-switcher-accounts-error a-alert">'
            '<div class="a-alert-content">'
            f"{say('pick_error', language)}</div></div>"
        )
        return seller_page(title, body, language=language, csrf=csrf)
    rows = "".join(
        '<div class="full-page-account-switcher-account">'
        '<button type="button" class="full-page-account-switcher-account-details" '
        f'data-choice="{code}"><span>{say(code, language)}'
        f"{' (' + say('current', language) + ')' if code == chosen else ''}</span></button></div>"
        for code in MARKETPLACES
    )
    body = (
        f'<h1>{title}</h1><div class="full-page-account-switcher-accounts">'
        '<div class="full-page-account-switcher-account">'
        '<button type="button" class="full-page-account-switcher-account-details" id="sandbox-account">'
        f"<b>{escape(account)}</b></button>"
        f'<div id="sandbox-marketplaces" hidden>{rows}</div></div></div>'
        f'{_form(return_to, csrf)}<p><kat-button label="{say("pick_button", language)}" variant="primary" disabled>'
        "</kat-button></p>"
        f"<script>{PICKER}</script>"
    )
    return seller_page(title, body, language=language, csrf=csrf)


def older_picker_page(account: str, return_to: str, language: Language, *, csrf: str) -> str:
    """``/merchant-picker``: one column of accounts, one of marketplaces, then "Select account"."""
    title = say("pick_account", language)
    rows = "".join(
        f'<button type="button" class="picker-button" data-choice="{code}">'
        f'<span class="picker-name">{say(code, language)}</span></button>'
        for code in MARKETPLACES
    )
    body = (
        f'<h1>{title}</h1><div class="picker-app"><div class="picker-column">'
        '<button type="button" class="picker-button" id="sandbox-account">'
        f'<span class="picker-name">{escape(account)}</span></button></div>'
        f'<div class="picker-column" id="sandbox-marketplaces" hidden>{rows}</div></div>'
        f"{_form(return_to, csrf)}<p>"
        f'<button type="button" class="picker-switch-accounts-button primary" disabled>{say("pick_button", language)}'
        "</button></p>"
        f"<script>{PICKER}</script>"
    )
    return seller_page(title, body, language=language, csrf=csrf)


def older_switcher(chosen: str | None, language: Language) -> str:
    """The header's list of marketplaces, as the older pages have it; a choice opens ``/home?mons_sel_mkid=...``."""
    options = "".join(
        f'<option value="/home?mons_sel_mkid={marketplace.marketplace_id}"{" selected" if code == chosen else ""}>'
        f"{say(code, language)}</option>"
        for code, marketplace in MARKETPLACES.items()
    )
    return (
        '<span id="partner-switcher"><select id="sc-mkt-picker-switcher-select" onchange="location = this.value">'
        f"{options}</select></span>"
    )


def _form(return_to: str, csrf: str) -> str:
    fields = hidden(**{"anti-csrftoken-a2z": csrf, "marketplace": "", "returnTo": return_to})
    return f'<form id="sandbox-pick" method="post" action="/account-switcher/select">{fields}</form>'
