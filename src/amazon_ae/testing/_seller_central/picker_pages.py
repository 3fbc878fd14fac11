"""The account picker in both its generations. It is shown to a signed-in user."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Final

from amazon_ae._models.marketplaces import AE, EG, SA
from amazon_ae.testing._seller_central.assets import PICKER
from amazon_ae.testing._seller_central.html import hidden, seller_page
from amazon_ae.testing._seller_central.texts import say
from amazon_ae.testing._seller_central.variants import Language, SiteVariants

__all__ = ["MARKETPLACES", "older_picker_page", "older_switcher", "picker_page"]

MARKETPLACES: Final = {marketplace.code: marketplace for marketplace in (AE, SA, EG)}
"""Where the account sells."""


def picker_page(
    accounts: Sequence[str],
    chosen: str | None,
    return_to: str,
    variants: SiteVariants,
    *,
    csrf: str,
    fails: bool = False,
) -> str:
    """``/account-switcher/default/merchantMarketplace``: open the account, choose a marketplace, press the button."""
    language = variants.language
    title = say("pick_account", language)
    if fails:
        body = (
            f'<h1>{title}</h1><div class="full-page-account-switcher-accounts-error a-alert">'
            '<div class="a-alert-content">'
            f"{say('pick_error', language)}</div></div>"
        )
        return seller_page(title, body, language=language, csrf=csrf, navigation=False)
    marketplaces = "".join(
        '<div class="full-page-account-switcher-account">'
        '<button type="button" class="full-page-account-switcher-account-details" '
        f'data-choice="{code}"><span>{say(code, language)}'
        f"{' (' + say('current', language) + ')' if code == chosen else ''}</span></button></div>"
        for code in MARKETPLACES
    )
    hidden_at_first = "" if variants.accounts_open else "hidden"
    rows = "".join(
        '<div class="full-page-account-switcher-account">'
        f'<button type="button" class="full-page-account-switcher-account-details" data-account="{escape(account)}">'
        f"<b>{escape(account)}</b></button>"
        f'<div data-marketplaces="{escape(account)}" {hidden_at_first}>{marketplaces}</div></div>'
        for account in accounts
    )
    body = (
        f'<h1>{title}</h1><div class="full-page-account-switcher-accounts" id="sandbox-rows"></div>'
        f'{_form(return_to, csrf)}<p><kat-button label="{say("pick_button", language)}" variant="primary" disabled>'
        f"</kat-button></p>{_script(rows, variants)}"
    )
    return seller_page(title, body, language=language, csrf=csrf, navigation=False)


def older_picker_page(accounts: Sequence[str], return_to: str, variants: SiteVariants, *, csrf: str) -> str:
    """``/merchant-picker``: one column of accounts, one of marketplaces, then "Select account"."""
    language = variants.language
    title = say("pick_account", language)
    columns = "".join(
        f'<button type="button" class="picker-button" data-account="{escape(account)}">'
        f'<span class="picker-name">{escape(account)}</span></button>'
        for account in accounts
    )
    marketplaces = "".join(
        f'<button type="button" class="picker-button" data-choice="{code}">'
        f'<span class="picker-name">{say(code, language)}</span></button>'
        for code in MARKETPLACES
    )
    rows = (
        f'<div class="picker-column">{columns}</div>'
        f'<div class="picker-column" data-marketplaces hidden>{marketplaces}</div>'
    )
    body = (
        f'<h1>{title}</h1><div class="picker-app" id="sandbox-rows"></div>{_form(return_to, csrf)}<p>'
        f'<button type="button" class="picker-switch-accounts-button primary" disabled>{say("pick_button", language)}'
        f"</button></p>{_script(rows, variants)}"
    )
    return seller_page(title, body, language=language, csrf=csrf, navigation=False)


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
    fields = hidden(**{"anti-csrftoken-a2z": csrf, "marketplace": "", "account": "", "returnTo": return_to})
    return f'<form id="sandbox-pick" method="post" action="/account-switcher/select">{fields}</form>'


def _script(rows: str, variants: SiteVariants) -> str:
    """The rows are drawn by a script, as on the real site: at once, or a while after the page is there."""
    return (
        f'<template id="sandbox-late">{rows}</template>'
        f"<script>const drawAfter = {variants.drawing.milliseconds};{PICKER}</script>"
    )
