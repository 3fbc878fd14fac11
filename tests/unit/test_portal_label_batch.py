"""Of the labels that a page lists, only this order's counts."""

from __future__ import annotations

import pytest

from amazon_ae._portal.html import parse_html
from amazon_ae._portal.label_batch import BatchLinks, batch_links, poll_pause_seconds
from amazon_ae._portal.packing_slip import is_cut_short
from amazon_ae._portal.site_map import SITE

OURS, OTHER = "408-1234567-1234567", "408-7654321-7654321"
BATCH = "https://portal.example/easyship/label/batch/b4c8d2e1"


def links(html: str, url: str = BATCH) -> BatchLinks:
    """The links of a batch page."""
    return batch_links(parse_html(html), SITE.selectors["batch_link"], page_url=url, order_id=OURS)


def row(text: str, href: str = "") -> str:
    """A row of the table."""
    return f"<tr><td>{text}<td>{f'<a href={href}>Download</a>' if href else 'In progress'}"


@pytest.mark.parametrize(
    ("html", "expected"),
    [
        ("<table>" + row(OURS, "/x/labels/download/9"), BatchLinks(("/x/labels/download/9",))),
        ("<table>" + row(OTHER, "/download/1") + row(OURS, "/download/2"), BatchLinks(("/download/2",))),
        ("<table>" + row(OTHER, "/download/1") + row(OURS), BatchLinks()),
        ("<table>" + row("1 order", "/download/1") + row(OURS), BatchLinks()),
        ("<table>" + row(OTHER, "/download/1"), BatchLinks()),
        ("<a href=/download/1>Download</a>", BatchLinks((), ("/download/1",))),
        (
            "<table>" + row("old", "/easyship/label/batch/a1a1a1a1/labels.pdf") + row("new", f"{BATCH}/labels.pdf"),
            BatchLinks((f"{BATCH}/labels.pdf",), ("/easyship/label/batch/a1a1a1a1/labels.pdf",)),
        ),
        (f"<a href='/download?order={OURS}'>x</a><a href='#'>x</a>", BatchLinks((f"/download?order={OURS}",))),
        ("<p>Working on it</p>", BatchLinks()),
    ],
)
def test_the_label_of_this_order_comes_first(html: str, expected: BatchLinks) -> None:
    """By its row or its batch; what names another order is never followed, and one in the making is waited for."""
    assert links(html) == expected


def test_the_pause_between_looks_starts_short_and_grows() -> None:
    """A tenth of a second at first, two seconds at most."""
    pauses = [poll_pause_seconds(asked) for asked in range(20)]
    assert pauses[0] == 0.1
    assert pauses == sorted(pauses)
    assert pauses[-1] == 2.0
    assert sum(pauses[:5]) < 1.5


@pytest.mark.parametrize(
    ("body", "cut"),
    [
        (b"<html><body><p>x</p></body></html>", False),
        (b"<html><BODY><p>x</p></BODY >", False),
        (b"<html><body><p>x", True),
        (b"<p>no frame at all", False),
        (b"", False),
    ],
)
def test_a_page_that_ends_in_its_middle_is_seen(body: bytes, cut: bool) -> None:
    """A packing slip that lost its last rows must not be printed."""
    assert is_cut_short(body) is cut
