"""The table of operations: Amazon's own paths and rates, and paths that no SKU can break."""

from __future__ import annotations

import json
import random
from pathlib import Path
from urllib.parse import unquote

import attrs
import pytest
from hypothesis import given, strategies as st

from amazon_ae import InventoryUpdate, SpApiClient, spapi_throttles
from amazon_ae._exceptions import ConfigurationError
from amazon_ae._spapi.operations import OPERATIONS, find_operation
from amazon_ae.testing import FakeSpApi, serve

PRINTABLE = st.text(st.characters(exclude_categories=("Cc", "Cs", "Zl", "Zp")), min_size=1, max_size=40).filter(
    lambda sku: sku == sku.strip()
)


@given(PRINTABLE)
def test_every_printable_sku_is_one_segment_of_the_path(sku: str) -> None:
    """And comes out of it unchanged; no character of it is left that a path could mean something by."""
    path = find_operation("patchListingsItem").url_path({"sellerId": "A1", "sku": sku})
    segments = path.split("/")
    assert len(segments) == 6
    assert unquote(segments[5]) == sku
    assert segments[5] not in (".", "..")
    assert not set(segments[5]) & set("/?#&+ ;=")


def test_a_dot_alone_is_escaped() -> None:
    """Written out, it would be removed on its way, and another path would be asked for."""
    operation = find_operation("getListingsItem")
    assert operation.url_path({"sellerId": "A1", "sku": ".."}).endswith("/A1/%2E%2E")


@pytest.mark.parametrize(
    "fields", [{}, {"sellerId": "A1"}, {"sellerId": "A1", "sku": ""}, {"sellerId": "A1", "id": "1"}]
)
def test_a_path_without_all_its_fields_is_refused(fields: dict[str, str]) -> None:
    """An empty one would ask for something else."""
    with pytest.raises(ConfigurationError, match="getListingsItem"):
        find_operation("getListingsItem").url_path(fields)


def test_a_lone_surrogate_is_refused_before_anything_is_sent() -> None:
    """It has no UTF-8 form."""
    with pytest.raises(ConfigurationError, match="lone surrogate"):
        find_operation("getListingsItem").url_path({"sellerId": "A1", "sku": "a\ud800"})


def test_an_unknown_operation_is_named() -> None:
    """The message says what may be given instead."""
    with pytest.raises(ConfigurationError, match="no operation 'getOrders'"):
        find_operation("getOrders")


def test_each_operation_is_amazons_own(spapi_material: Path) -> None:
    """Method and path stand in Amazon's models under the same name."""
    theirs = {}
    for file in (spapi_material / "models").glob("*.json"):
        for path, methods in json.loads(file.read_text())["paths"].items():
            for method, operation in methods.items():
                if method != "parameters":
                    theirs[method.upper(), path] = operation["operationId"]
    assert {row.name: theirs.get((row.method, row.path)) for row in OPERATIONS} == {
        row.name: row.name for row in OPERATIONS
    }


def test_only_what_may_arrive_twice_is_sent_again() -> None:
    """A feed, a package and a report would be made twice; an absolute quantity would not."""
    once = {row.name for row in OPERATIONS if not row.repeatable}
    assert {"createFeed", "createScheduledPackage", "createScheduledPackageBulk", "createReport"} <= once
    assert find_operation("patchListingsItem").repeatable
    assert {row.name for row in OPERATIONS if row.restricted} == {"createScheduledPackageBulk"}


@pytest.mark.slow
async def test_every_printable_sku_arrives_as_it_is_through_a_real_server() -> None:
    """Each character alone, in the middle and among others, over a socket and a server's own URL parser."""
    codes = (*range(0x20, 0x7F), *range(0xA0, 0x100), 0x621, 0x64A, 0x200D, 0x4E2D, 0x1F600)
    characters, chance = [chr(code) for code in codes], random.Random(14)
    wanted = [f"a{each}b" for each in characters] + [each for each in characters if each.isprintable()]
    wanted += ["x" + "".join(chance.choices(characters, k=chance.randint(1, 38))) + "y" for _ in range(100)]
    wanted += [".", "..", "%2F", "%", "a%20b", "../x", "a/../b", "a?b=c", "a#b", "a;b", "a+b", "a&b", "\\", "//", "/"]
    skus = {sku for sku in wanted if sku == sku.strip()}
    fake = FakeSpApi()
    for sku in skus:
        fake.add_sku(sku, 0)
    unpaced = spapi_throttles(attrs.evolve(row, rate=1e6, burst=100_000) for row in OPERATIONS)
    fake.set_rate("patchListingsItem", 1e6, 100_000)
    async with serve(fake) as origin:
        market = attrs.evolve(fake.marketplace, spapi_endpoint=origin, lwa_endpoint=origin)
        async with SpApiClient(fake.credentials, market, throttles=unpaced) as client:
            for sku in sorted(skus):
                found = await client.listings.patch_stock(InventoryUpdate(sku, 7))
                assert (found.status, found.sku) == ("ACCEPTED", sku)
    assert fake.stock == dict.fromkeys(skus, 7)
