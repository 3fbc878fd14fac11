"""The own packing slip: its HTML in both languages, templates of the seller's, and what a source owes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import attrs
import pytest
from slip_support import ARABIC, SELLER, picture, slip_order

from amazon_ae import (
    ConfigurationError,
    Document,
    DocumentError,
    DocumentInvalid,
    DocumentKind,
    Order,
    OrderItem,
    PackingSlips,
    PortalTimeout,
    ServiceUnavailable,
    SlipSeller,
    SlipTemplate,
)
from amazon_ae.testing import make_order_id
from amazon_ae.testing._pdf import text_pages, write_pdf

SLIP, LABEL = DocumentKind.PACKING_SLIP, DocumentKind.SHIPPING_LABEL


class PaperPrinter:
    """Prints the order id that the HTML names, or fails."""

    def __init__(self, text: str | None = None) -> None:
        self.text = text
        self.printed: list[str] = []
        self.error: Exception | None = None

    async def print(self, html: str) -> bytes:
        self.printed.append(html)
        if self.error is not None:
            raise self.error
        return write_pdf(text_pages([self.text or make_order_id(1)]))


def slips(orders: Any, printer: PaperPrinter | None = None, **options: Any) -> PackingSlips:
    return PackingSlips(orders, printer or PaperPrinter(), seller=SELLER, **options)


async def found(_: str) -> tuple[Order, Sequence[OrderItem]]:
    return slip_order()


def html(language: str = "en", count: int = 2, **options: Any) -> str:
    return slips(found, language=language, **options).html(*slip_order(count))


@pytest.mark.parametrize(
    ("language", "direction", "title"), [("en", "ltr", "Packing slip"), ("ar", "rtl", "قائمة التعبئة")]
)
def test_a_slip_is_written_in_the_language_and_its_direction(language: str, direction: str, title: str) -> None:
    """With everything that a packer needs."""
    text = html(language)
    assert f'<html lang="{language}" dir="{direction}">' in text
    for part in (
        title,
        make_order_id(1),
        ARABIC,
        "SKU/0 a",
        "شارع الشيخ زايد",
        "Happy birthday!",
        "2026-11-28",
        "Classic",
    ):
        assert part in text
    assert "AED" not in text, "prices are off: a gift's receiver sees them"
    assert "AED 297.00" in html(language, prices=True)


def test_whatever_comes_from_a_buyer_is_escaped() -> None:
    """No markup of theirs reaches the browser."""
    text = html()
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text
    assert "<script" not in text
    assert "الزهراء &lt;b&gt;" in text


def test_an_order_without_address_has_a_slip_all_the_same() -> None:
    """Amazon leaves it out where a role is missing."""
    order, items = slip_order()
    text = slips(found).html(attrs.evolve(order, shipping_address=None, buyer_name=None), items)
    assert "See the shipping label" in text
    assert "Buyer" not in text


def test_the_language_may_depend_on_the_order() -> None:
    """A function chooses it."""
    text = slips(found, language=lambda order: "ar" if order.buyer_name == "Fatima" else "en").html(*slip_order())
    assert 'dir="rtl"' in text


def test_a_template_and_words_of_the_sellers_own() -> None:
    """In a sandbox: it sees the order and nothing of this process."""
    words = {"fr": {"title": "Bon de livraison"}}
    template = SlipTemplate(
        "<p>{{ words.title }} {{ order.amazon_order_id }} {{ words.pieces }} {{ pieces }}</p>", words=words
    )
    text = slips(found, template=template, language="fr").html(*slip_order())
    assert text == f"<p>Bon de livraison {make_order_id(1)} pieces in total 4</p>"
    for source, problem in (
        ("{% for %}", "line 1"),
        ("{{ oder.amazon_order_id }}", "'oder' is undefined"),
        ("{{ order.__class__.__mro__ }}", "SecurityError"),
        ("{{ 1 / 0 }}", "ZeroDivisionError"),
    ):
        with pytest.raises(ConfigurationError, match=problem):
            slips(found, template=SlipTemplate(source)).html(*slip_order())


@pytest.mark.parametrize(
    ("logo", "media_type"),
    [
        (picture(), "image/png"),
        (b"\xff\xd8\xff\xe0", "image/jpeg"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "image/svg+xml"),
        (b"<?xml version='1.0'?><svg/>", "image/svg+xml"),
    ],
)
def test_a_logo_is_part_of_the_page(logo: bytes, media_type: str) -> None:
    """Nothing is fetched while it is printed."""
    seller = SlipSeller(name="Shop", logo=logo)
    text = PackingSlips(found, PaperPrinter(), seller=seller).html(*slip_order())
    assert f'<img src="data:{media_type};base64,' in text


@pytest.mark.parametrize("logo", [b"<html>", b"", b"\x89PNG\r\n\x1a\n" + bytes(2_000_001)])
def test_what_is_no_logo_is_refused(logo: bytes) -> None:
    """At construction."""
    with pytest.raises(ConfigurationError):
        SlipSeller(name="Shop", logo=logo)
    with pytest.raises(ConfigurationError):
        slips(found, language="xx")


class Gateway:
    """Orders by id, items beside them or in them."""

    poll_seconds = 120.0

    def __init__(self, *, with_items: bool) -> None:
        self.with_items = with_items
        self.error: Exception | None = None

    async def get(self, order_ids: Sequence[str]) -> Sequence[Order]:
        if self.error is not None:
            raise self.error
        order, items = slip_order()
        if order_ids != [order.amazon_order_id]:
            return ()
        return (attrs.evolve(order, items=tuple(items)) if self.with_items else order,)

    async def items(self, order_id: str) -> Sequence[OrderItem]:
        assert not self.with_items, f"the items of {order_id} came with it"
        return slip_order()[1]


@pytest.mark.parametrize("with_items", [True, False])
async def test_a_gateway_or_a_table_of_the_hosts_gives_the_order(with_items: bool) -> None:
    """The source makes slips and nothing else."""
    for orders in (Gateway(with_items=with_items), found):
        papers = await slips(orders).documents(make_order_id(1), [SLIP, LABEL])
        slip = papers[SLIP]
        assert (slip.order_id, slip.kind, slip.pages) == (make_order_id(1), SLIP, 1)
        assert "only packing slips" in str(papers.failed[LABEL])


async def test_what_fails_is_the_slips_own_error() -> None:
    """An unknown order, an outage, a browser that ended, a paper of another order."""
    gateway, printer = Gateway(with_items=True), PaperPrinter()
    source = slips(gateway, printer)
    assert "does not know" in str((await source.documents(make_order_id(2))).failed[SLIP])
    gateway.error = ServiceUnavailable("down", status=503, retryable=True)
    failed = (await source.documents(make_order_id(1))).failed[SLIP]
    assert type(failed) is DocumentError
    assert failed.retryable
    assert failed.__cause__ is gateway.error
    gateway.error = None
    printer.error = PortalTimeout("too slow", step="printing")
    assert (await source.documents(make_order_id(1))).failed[SLIP] is printer.error
    printer.error, printer.text = None, make_order_id(9)
    assert isinstance((await source.documents(make_order_id(1))).failed[SLIP], DocumentInvalid)
    with pytest.raises(ConfigurationError):
        await source.documents("171-1")
    document = await slips(found).render(*slip_order())
    assert isinstance(document, Document)
