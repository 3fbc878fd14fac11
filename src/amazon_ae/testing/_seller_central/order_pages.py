"""The pages behind the sign-in: home, the order list, one order, its packing slip, its invoices and its label."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from html import escape

import attrs

from amazon_ae.testing._papers import PortalOrder, money_text
from amazon_ae.testing._seller_central.assets import INVOICE_MODAL
from amazon_ae.testing._seller_central.html import hidden, narrow_page, seller_page
from amazon_ae.testing._seller_central.picker_pages import older_switcher
from amazon_ae.testing._seller_central.state import LabelBatch
from amazon_ae.testing._seller_central.texts import say
from amazon_ae.testing._seller_central.variants import (
    AccountPicker,
    InvoiceForm,
    LabelForm,
    Language,
    SiteVariants,
    Tour,
)

__all__ = [
    "Frame",
    "batch_page",
    "home_page",
    "invoice_rows",
    "order_list_page",
    "order_page",
    "packing_slip_page",
    "sentence_page",
]


@attrs.frozen(kw_only=True)
class Frame:
    """The data of a visitor that every page behind the sign-in shows."""

    variants: SiteVariants
    csrf: str = attrs.field(repr=False)
    marketplace: str | None = None
    closed: frozenset[str] = frozenset()

    @property
    def language(self) -> Language:
        """The language of the page."""
        return self.variants.language

    def page(self, title: str, body: str, *, tours: bool = False) -> str:
        """The whole page; with ``tours`` those that are on lie over it."""
        shown = self.variants.tour if tours else Tour.NONE
        has_switcher = self.variants.account_picker in (AccountPicker.OLDER, AccountPicker.HEADER)
        return seller_page(
            title,
            body,
            language=self.language,
            csrf=self.csrf,
            switcher=older_switcher(self.marketplace, self.language) if has_switcher else "",
            tours=shown,
            closed=self.closed,
        )


def home_page(frame: Frame) -> str:
    """``/home``."""
    language = frame.language
    body = f'<h1>{say("welcome", language)}</h1><p><a href="/orders-v3">{say("orders", language)}</a></p>'
    if frame.variants.decoys:
        body += (
            "<h3>News: Continued access by an unauthorized AI agent</h3>"
            '<script type="application/json">{"news": "unauthorized AI agent"}</script>'
            f'<form><label>{say("invite", language)}<input type="email" name="email"></label></form>'
        )
    return frame.page(say("home", language), body, tours=True)


def order_list_page(frame: Frame, orders: Sequence[PortalOrder], *, page: int, last_page: int, path: str) -> str:
    """``/orders-v3`` and its filtered forms; ``page`` counts from 1."""
    language = frame.language
    rows = "".join(
        f'<tr><td><a href="/orders-v3/order/{order.order_id}">{order.order_id}</a></td>'
        f"<td>{_instant(order.purchased_at)}</td>"
        f"<td>{_instant(order.ship_by)}</td><td>{_status(order, language)}</td></tr>"
        for order in orders
    )
    head = "".join(f"<th>{say(name, language)}</th>" for name in ("order_id", "purchased", "ship_by", "status"))
    more = say("next", language)
    if page < last_page:
        more = f'<a href="{path}?page={page + 1}">{more}</a>'
    body = (
        f'<h1>{say("orders", language)}</h1><p><a href="/orders-v3/mfn/unshipped">{say("Unshipped", language)}</a> · '
        f'<a href="/orders-v3/mfn/shipped">{say("Shipped", language)}</a></p><table id="orders-table"><thead>'
        f"<tr>{head}</tr></thead>"
        f'<tbody>{rows}</tbody></table><ul class="pagination-controls">'
        f"<li>{page} / {last_page}</li>"
        f'<li class="a-last{"" if page < last_page else " a-disabled"}">{more}</li></ul>'
    )
    return frame.page(say("orders", language), body, tours=True)


def order_page(frame: Frame, order: PortalOrder) -> str:
    """``/orders-v3/order/{id}``."""
    language = frame.language

    def row(label: str, test_id: str, value: str) -> str:
        return f'<dt>{say(label, language)}</dt><dd data-test-id="{test_id}">{escape(value)}</dd>'

    summary = "".join(
        (
            row("ship_by", "order-summary-shipby-value", _instant(order.ship_by)),
            row("deliver_by", "order-summary-deliverby-value", _instant(order.deliver_by) if order.deliver_by else "-"),
            row("purchased", "order-summary-purchase-date-value", _instant(order.purchased_at)),
            row("service", "order-summary-shipping-service-value", order.ship_service),
            row("fulfilment", "order-summary-fulfillment-channel-value", say("seller", language)),
            row("channel", "order-summary-sales-channel-value", order.sales_channel),
        )
    )
    items = "".join(
        f'<tr><td><span data-test-id="item-status-label">{_status(order, language)}</span></td><td>{escape(item.title)}'
        f"<br>SKU {escape(item.sku)}</td><td>{item.quantity}</td><td>{money_text(item.unit_price)}</td></tr>"
        for item in order.items
    )
    head = "".join(f"<th>{say(name, language)}</th>" for name in ("status", "product", "quantity", "price"))
    address = "<br>".join(escape(line) for line in (*order.address, order.phone) if line)
    body = (
        f"<h1>{say('order', language)}</h1><p>{say('order_id', language)}: "
        f'<b data-test-id="order-id-value" dir="ltr">{order.order_id}</b></p>'
        '<div class="actions" data-test-id="order-details-header-action-buttons">'
        f"{_drawn(frame, _actions(frame, order))}</div>"
        f"<h2>{say('order', language)}</h2><dl>{summary}</dl><h2>{say('ship_to', language)}</h2>"
        f'<div data-test-id="shipping-section-buyer-address">{escape(order.buyer_name)}<br>{address}</div>'
        f'<p>{say("buyer", language)}: <a href="#" data-test-id="buyer-name-with-link">{escape(order.buyer_name)}</a>'
        "</p>"
        f"<h2>{say('items', language)}</h2><table><thead><tr>{head}</tr></thead><tbody>{items}</tbody>"
        f"</table>{_modal(frame, order)}"
    )
    return frame.page(say("order", language), body, tours=True)


def _actions(frame: Frame, order: PortalOrder) -> str:
    language = frame.language
    slip = (
        '<a data-test-id="print-packing-slip-button" target="_blank" '
        f'href="/orders/packing-slip?orderIds={order.order_id}">'
        f"{say('packing_slip', language)}</a>"
    )
    return slip + _invoice_action(frame, order) + _label_action(frame, order)


def _drawn(frame: Frame, html: str) -> str:
    """The markup, or a script that draws it later."""
    milliseconds = frame.variants.drawing.milliseconds
    if not milliseconds:
        return html
    draw = "const late = document.getElementById('sandbox-late'); late.replaceWith(late.content)"
    return (
        f'<template id="sandbox-late">{html}</template><script>setTimeout(() => {{ {draw} }}, {milliseconds})</script>'
    )


def _invoice_action(frame: Frame, order: PortalOrder) -> str:
    language = frame.language
    if frame.variants.invoice is InvoiceForm.LINK and order.invoice_number:
        return (
            f'<a data-test-id="download-invoice-link" href="/invoice/download?orderId={order.order_id}">'
            f"{say('download', language)}: {say('invoices', language)}</a>"
        )
    missing = frame.variants.invoice is InvoiceForm.MISSING or order.invoice_number is None
    return (
        f'<span data-test-id="manage-idu-invoice-button" class="a-button{" a-button-primary" if missing else ""}">'
        '<span class="a-button-inner"><input type="submit" class="a-button-input" '
        f'value="{say("upload_invoice" if missing else "manage_invoice", language)}"></span></span>'
    )


def _label_action(frame: Frame, order: PortalOrder) -> str:
    # The UAE's own addresses are UNVERIFIED; what is known is that an unscheduled Easy Ship order offers nothing but
    # "Schedule Pickup", and that the label is printed again from the order's page.
    if not order.easy_ship or order.status == "Canceled":
        return ""
    if order.pickup is None:
        return f'<a href="/easyship/schedule?orderId={order.order_id}">{say("schedule", frame.language)}</a>'
    href = f"/easyship/label/batch?orderIds={order.order_id}"
    if frame.variants.label is LabelForm.LINK:
        href = f"/easyship/label/download?orderId={order.order_id}&amp;packageId={order.pickup.tracking_id}"
    return f'<a data-test-id="print-shipping-label-button" href="{href}">{say("print_label", frame.language)}</a>'


def _modal(frame: Frame, order: PortalOrder) -> str:
    in_frame = ' data-frame="1"' if frame.variants.invoice is InvoiceForm.MODAL_FRAME else ""
    return (
        f'<div class="a-popover-modal" aria-hidden="true"{in_frame} '
        f'data-address="/orders-v3/order/{order.order_id}/invoices"><div class="a-popover-inner" role="dialog">'
        f'<button type="button" name="close">{say("close", frame.language)}</button>'
        f'<h2>{say("invoices", frame.language)}</h2><div class="a-popover-content"></div></div></div>'
        f"<script>{INVOICE_MODAL}</script>"
    )


def invoice_rows(frame: Frame, order: PortalOrder, invoice_id: str) -> str:
    """What the modal shows."""
    language, form = frame.language, frame.variants.invoice
    address = f"/documents/download/{invoice_id}/document.pdf"
    if form is InvoiceForm.MODAL_FORM:
        way = (
            f'<form method="post" action="{address}">{hidden(**{"anti-csrftoken-a2z": frame.csrf})}'
            f'<input type="submit" value="{say("download", language)}"></form>'
        )
    elif form in (InvoiceForm.MODAL_CLICK, InvoiceForm.MODAL_POPUP):
        target = ' data-target="_blank"' if form is InvoiceForm.MODAL_POPUP else ""
        way = f'<button type="button" data-invoice="{invoice_id}"{target}>{say("download", language)}</button>'
    else:
        host = "https://sellercentral.sandbox.invalid" if form is InvoiceForm.MODAL_SIBLING else ""
        way = f'<a href="{host}{address}">{say("download", language)}</a>'
    credit = ""
    if form is InvoiceForm.MODAL_CREDIT_NOTE:
        credit = (
            '<kat-table-row role="row"><kat-table-cell>0</kat-table-cell><kat-table-cell></kat-table-cell>'
            f'<kat-table-cell>CN-1</kat-table-cell><kat-table-cell><a href="{address}?credit=1">'
            f"{say('download', language)}</a></kat-table-cell></kat-table-row>"
        )
    return (
        "<kat-table><kat-table-head><kat-table-row><kat-table-cell></kat-table-cell>"
        f"<kat-table-cell>{say('purchased', language)}</kat-table-cell>"
        f"<kat-table-cell>{say('invoice_number', language)}</kat-table-cell><kat-table-cell></kat-table-cell>"
        "</kat-table-row></kat-table-head>"
        f'<kat-table-body>{credit}<kat-table-row role="row"><kat-table-cell>1</kat-table-cell>'
        f"<kat-table-cell>{order.purchased_at:%Y-%m-%d}</kat-table-cell>"
        f"<kat-table-cell>{escape(order.invoice_number or '')}</kat-table-cell><kat-table-cell>{way}</kat-table-cell>"
        "</kat-table-row>"
        "</kat-table-body></kat-table>"
    )


def packing_slip_page(language: Language, orders: Iterable[PortalOrder]) -> str:
    """``/orders/packing-slip``: a page to be printed, one sheet per order."""
    sheets = ""
    for order in orders:
        rows = "".join(
            f"<tr><td>{item.quantity}</td><td>{escape(item.title)}<br>SKU {escape(item.sku)} ASIN {escape(item.asin)}"
            "</td>"
            f"<td>{money_text(item.unit_price)}</td></tr>"
            for item in order.items
        )
        head = "".join(f"<th>{say(name, language)}</th>" for name in ("quantity", "product", "price"))
        address = "<br>".join(escape(line) for line in (order.buyer_name, *order.address) if line)
        sheets += (
            f'<section class="packing-slip"><h1>{say("slip_title", language)}</h1><h2>{say("ship_to", language)}'
            f"</h2><p>{address}</p>"
            f'<p>{say("order_id", language)}: <b dir="ltr">{order.order_id}</b></p><table><thead><tr>{head}</tr>'
            "</thead>"
            f"<tbody>{rows}</tbody></table><p>{say('thanks', language)}</p></section>"
        )
    style = (
        "<style>@page { size: A4; margin: 14mm } main.narrow { max-width: 760px } "
        "section + section { break-before: page }</style>"
    )
    return narrow_page(say("slip_title", language), sheets, language=language, head=style)


def batch_page(frame: Frame, address: str, batches: Sequence[LabelBatch], *, now: datetime) -> str:
    """The page on which labels are made in the background; ``address`` is the last part of its own."""
    language = frame.language
    rows = ""
    for number, batch in enumerate(batches, start=1):
        done = now >= batch.ready_at
        link = f"/easyship/label/batch/{batch.batch_id}/labels.pdf"
        download = f'<a href="{link}">{say("download_labels", language)}</a>' if done else ""
        whose = batch.order_id if frame.variants.label is LabelForm.BATCH else f"{number} - 1"
        rows += (
            f'<tr><td dir="ltr">{whose}</td><td class="batch-status">{say("done" if done else "in_progress", language)}'
            f"</td><td>{download}</td></tr>"
        )
    body = (
        f'<h1>{say("batch_title", language)}</h1><form method="get" action="/easyship/label/batch/{address}">'
        f'<input type="submit" name="refresh" value="{say("refresh", language)}"></form>'
        f'<table id="label-batches"><tbody>{rows}</tbody></table>'
    )
    return frame.page(say("batch_title", language), body)


def sentence_page(frame: Frame, title: str, sentence: str, extra: str = "") -> str:
    """A page with one sentence."""
    return frame.page(title, f'<h1>{escape(title)}</h1><div class="a-alert-content">{escape(sentence)}</div>{extra}')


def _status(order: PortalOrder, language: Language) -> str:
    scheduled = order.pickup is not None and order.status == "Unshipped"
    return escape(say("scheduled" if scheduled else order.status, language))


def _instant(instant: datetime) -> str:
    return f"{instant:%Y-%m-%d %H:%M} UTC"
