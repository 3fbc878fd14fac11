"""Finds this order's link on a page that makes labels and lists those of other orders too."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final
from urllib.parse import parse_qsl, urlsplit

import attrs

from amazon_ae._models.text import ORDER_ID
from amazon_ae._portal.html import Element, HtmlDocument, leads_to_a_page

__all__ = ["BatchLinks", "batch_links", "poll_pause_seconds"]

_FIRST_PAUSE_SECONDS: Final = 0.1
_GROWTH: Final = 1.5
_LONGEST_PAUSE_SECONDS: Final = 2.0
_ID: Final = re.compile(r"(?=.*\d)[\w-]{6,}|[\w-]{20,}")


@attrs.frozen
class BatchLinks:
    """Links to follow, the surest first.

    Attributes:
        sure: their row names the order, or their address the batch.
        unsure: nothing on the page shows whose they are; the document does.
    """

    sure: tuple[str, ...] = ()
    unsure: tuple[str, ...] = ()


def batch_links(page: HtmlDocument, selectors: Sequence[str], *, page_url: str, order_id: str) -> BatchLinks:
    """The links of a batch page that may be this order's. None is, as long as its own row has no link yet."""
    sure: dict[str, None] = {}
    unsure: dict[str, None] = {}
    batch_ids = _ids(page_url) - {order_id}
    for element in page.find(selectors):
        href = element.attributes.get("href", "")
        if not leads_to_a_page(href):
            continue
        orders = _orders(element)
        if order_id in orders or (not orders and batch_ids & _ids(href)):
            sure[href] = None
        elif not orders:
            unsure[href] = None
    if not sure and any(order_id in row.text for row in page.find(["tr, li, kat-table-row, [role=row]"])):
        return BatchLinks()
    return BatchLinks(tuple(sure), tuple(href for href in unsure if href not in sure))


def poll_pause_seconds(asked: int) -> float:
    """The pause after the ``asked``-th poll, which grows: most labels are made at once."""
    return min(_FIRST_PAUSE_SECONDS * _GROWTH**asked, _LONGEST_PAUSE_SECONDS)


def _orders(link: Element) -> set[str]:
    """The orders that a link's address or row names."""
    row = link.row
    return set(ORDER_ID.findall(link.attributes.get("href", "") + " " + (row.text if row is not None else "")))


def _ids(url: str) -> set[str]:
    """The parts of an address that look like an id."""
    parts = urlsplit(url)
    values = [*parts.path.split("/"), *(value for _, value in parse_qsl(parts.query))]
    return {value for value in values if _ID.fullmatch(value)}
