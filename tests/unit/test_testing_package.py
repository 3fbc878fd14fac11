"""``amazon_ae.testing``: its names, what they load, the builders and the fixtures."""

from __future__ import annotations

import subprocess
import sys
from datetime import date
from decimal import Decimal

import attrs
import pytest

from amazon_ae import testing
from amazon_ae._models.documents import DocumentKind
from amazon_ae._models.marketplaces import SA
from amazon_ae.testing import (
    FakeMws,
    FakeSellerPortal,
    VirtualClock,
    make_item,
    make_order,
    make_order_id,
    make_updates,
)
from amazon_ae.testing.pytest import fake_mws, fake_portal, memory_storage, virtual_clock

__all__ = ["fake_mws", "fake_portal", "memory_storage", "virtual_clock"]


@pytest.mark.parametrize("name", vars(testing)["__all__"])
def test_every_name_can_be_imported(name: str) -> None:
    """And is listed by ``dir``."""
    assert getattr(testing, name) is not None
    assert name in dir(testing)


def test_a_name_that_does_not_exist_is_an_attribute_error() -> None:
    """As of any module."""
    with pytest.raises(AttributeError, match="FakeAmazon"):
        getattr(testing, "FakeAmazon")  # noqa: B009


def test_the_fakes_load_neither_server_nor_browser_nor_pytest() -> None:
    """A host's service may use them in a demonstration."""
    heavy = ["starlette", "uvicorn", "jinja2", "playwright", "pytest", "sqlite3", "psycopg"]
    code = (
        "import sys\nfrom amazon_ae.testing import FakeMws, FakeSellerPortal, VirtualClock, make_order\n"
        f"print([name for name in {heavy!r} if name in sys.modules])"
    )
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"
    )


@pytest.mark.parametrize(
    ("module", "use"),
    [
        ("starlette", "from amazon_ae.testing import open_sandbox"),
        ("jinja2", "from amazon_ae.testing import SellerCentralSite"),
        ("uvicorn", "import asyncio\nfrom amazon_ae.testing import serve\nasyncio.run(serve(None).__aenter__())"),
    ],
)
def test_what_needs_an_extra_names_it(module: str, use: str) -> None:
    """A bare "No module named" helps nobody who installed what the page said."""
    code = f"import sys\nsys.modules[{module!r}] = None\n{use}"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    said = done.stderr.splitlines()[-1]
    assert said.startswith("ModuleNotFoundError: ")
    assert said.endswith(f"needs {module}: pip install 'amazon-ae[sandbox]'")


def test_builders_agree_with_themselves() -> None:
    """Totals and counts follow the items; equal arguments give equal orders; any field can be changed."""
    items = [make_item("A", 2, price="10.50"), make_item("B", 3, price=Decimal(1))]
    order = make_order(make_order_id(7), items=items, marketplace=SA)
    assert order == make_order(make_order_id(7), items=items, marketplace=SA)
    assert order.order_total is not None
    assert (order.order_total.amount, order.number_of_items_unshipped, order.marketplace_id) == (
        Decimal("24.00"),
        5,
        SA.marketplace_id,
    )
    assert attrs.evolve(order, is_prime=True).is_prime
    assert make_order_id(12_345_678) == "171-0000001-2345678"
    assert len({make_order_id(number) for number in range(2_000)}) == 2_000


def test_updates_repeat_their_skus() -> None:
    """Ten changes over four SKUs."""
    updates = make_updates(10, skus=4)
    assert [update.sku for update in updates[:5]] == ["SKU-0001", "SKU-0002", "SKU-0003", "SKU-0004", "SKU-0001"]


async def test_the_fixtures_share_clock_and_orders(
    virtual_clock: VirtualClock, fake_mws: FakeMws, fake_portal: FakeSellerPortal, memory_storage: object
) -> None:
    """What MWS knows, the portal shows; a booked pickup has a label."""
    assert fake_mws.clock is virtual_clock
    item = make_item()
    fake_mws.add_order(make_order(make_order_id(1), items=[item]), [item])
    early = await fake_portal.documents(make_order_id(1))
    assert set(early.failed) == {DocumentKind.SHIPPING_LABEL}
    fake_mws.schedule_pickup(make_order_id(1), date(2021, 11, 19))
    late = await fake_portal.documents(make_order_id(1))
    assert set(late.ready) == set(DocumentKind)
    hashes = fake_mws.documents()[make_order_id(1)]
    assert late[DocumentKind.SHIPPING_LABEL].sha256 == hashes["shipping_label"]
    assert late[DocumentKind.INVOICE].sha256 == hashes["invoice"]
