"""The own packing slip out of a real Chromium: both languages, forty lines, nothing fetched."""

from __future__ import annotations

from collections.abc import AsyncIterator
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from slip_support import SELLER, slip_order

from amazon_ae import ChromiumPrinter, ConfigurationError, PackingSlips

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]


@pytest.fixture
async def printer() -> AsyncIterator[ChromiumPrinter]:
    async with ChromiumPrinter() as printer:
        yield printer


async def _none(_: str) -> Any:
    return None


@pytest.mark.parametrize("language", ["en", "ar"])
async def test_a_slip_passes_the_librarys_check_and_names_every_line(printer: ChromiumPrinter, language: str) -> None:
    """Two lines on one page of A4, forty on several, each page with its number and the table's head."""
    pypdf = pytest.importorskip("pypdf")
    slips = PackingSlips(_none, printer, seller=SELLER, language=language)
    short = await slips.render(*slip_order(2))
    assert (short.pages, short.height_mm) == (1, 297.0)
    assert short.width_mm == pytest.approx(210, abs=0.2)
    order, items = slip_order(40)
    long = await slips.render(order, items)
    assert 2 <= long.pages <= 8
    pages = [page.extract_text() for page in pypdf.PdfReader(BytesIO(long.content)).pages]
    text = "".join("".join(pages).split())
    for item in items:
        assert "".join((item.seller_sku or "").split()) in text
    for number, page in enumerate(pages, start=1):
        assert f"{number}/{len(pages)}" in "".join(page.split())
        assert order.amazon_order_id in page


async def test_paper_of_another_size(printer: ChromiumPrinter) -> None:
    """A label printer's roll."""
    slips = PackingSlips(_none, printer, seller=SELLER, page_size="100mm 150mm")
    slip = await slips.render(*slip_order(1))
    assert slip.width_mm == pytest.approx(100, abs=0.5)
    assert slip.height_mm == pytest.approx(150, abs=0.5)


async def test_nothing_is_fetched_while_it_is_printed(printer: ChromiumPrinter, tmp_path: Path) -> None:
    """Neither the network nor this machine's files."""
    secret = tmp_path / "secret.txt"
    secret.write_text("no buyer should see this")
    html = (
        f'<p>171-0000000-0000001</p><iframe src="{secret.as_uri()}"></iframe><img src="{secret.as_uri()}">'
        '<img src="http://127.0.0.1:9/x.png"><link rel="stylesheet" href="https://example.com/x.css">'
    )
    pypdf = pytest.importorskip("pypdf")
    content = await printer.print(html)
    assert "buyer" not in pypdf.PdfReader(BytesIO(content)).pages[0].extract_text()


async def test_a_closed_printer_says_so(printer: ChromiumPrinter) -> None:
    """Twice is fine."""
    await printer.aclose()
    await printer.aclose()
    with pytest.raises(ConfigurationError):
        await printer.print("<p>")
