"""The probe: each line a fact, and a role is never taken for a region."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, Literal

import attrs
import httpx
import pytest

from amazon_ae import (
    ConfigurationError,
    InventoryUpdate,
    LabelArchiveFolder,
    ProbeLine,
    ProbeVerdict,
    SpApiClient,
    probe,
)
from amazon_ae.testing import FakeSpApi, SpApiFault, VirtualClock, make_item, make_order

NOW = datetime(2026, 11, 28, 9, tzinfo=UTC)
ORDER = "404-0000000-0000001"


class World:
    """A seller with one order and one SKU."""

    def __init__(self, http: httpx.AsyncClient, fake: FakeSpApi, clock: VirtualClock) -> None:
        self.fake, self.clock, self.http = fake, clock, http
        fake.add_sku("SKU-1", 4)
        fake.add_order(make_order(ORDER, purchased_at=NOW - timedelta(hours=3)), [make_item()])

    async def ask(self, **options: Any) -> dict[str, ProbeLine]:
        credentials = options.pop("credentials", self.fake.credentials)
        client = SpApiClient(credentials, self.fake.marketplace, http=self.http, clock=self.clock)
        return {line.name: line for line in await probe(client, **options)}


@pytest.fixture
async def world() -> AsyncIterator[World]:
    clock = VirtualClock(NOW)
    fake = FakeSpApi(clock=clock)
    async with httpx.AsyncClient(transport=fake) as http:
        yield World(http, fake, clock)


async def test_a_seller_who_may_do_everything(world: World) -> None:
    """And nothing was changed by asking."""
    lines = await world.ask()
    verdicts = {name: line.verdict for name, line in lines.items()}
    unknown = verdicts.pop("client secret")
    assert unknown is ProbeVerdict.UNKNOWN
    assert set(verdicts.values()) == {ProbeVerdict.YES}, verdicts
    assert "recipient" in lines["orders"].fact
    assert world.fake.stock == {"SKU-1": 4}
    assert world.fake.pickups == {}


@pytest.mark.parametrize("easy_ship", ["bulk", "none"])
async def test_a_region_that_is_not_served_is_no_role(world: World, easy_ship: Literal["bulk", "none"]) -> None:
    """The line names the way that is left."""
    world.fake.settings.easy_ship = easy_ship
    line = (await world.ask())["pickup slots"]
    assert line.verdict is ProbeVerdict.NO
    assert "not offered in this marketplace" in line.fact
    assert "Seller Central" in line.route


async def test_a_missing_role_is_no_region(world: World) -> None:
    """Add the role, authorise again."""
    world.fake.roles.discard("Direct to Consumer Shipping (Restricted)")
    lines = await world.ask(order_id=ORDER)
    assert lines["pickup slots"].verdict is ProbeVerdict.ROLE
    assert "authorise" in lines["pickup slots"].route
    assert lines["bulk role"].verdict is ProbeVerdict.ROLE
    assert "without:" in lines["orders"].fact
    assert lines["stock"].verdict is ProbeVerdict.YES


async def test_bulk_is_tried_with_consent_only(world: World, tmp_path: Path) -> None:
    """It schedules."""
    world.fake.settings.easy_ship = "bulk"
    assert "bulk pickups" not in await world.ask(order_id=ORDER)
    assert world.fake.pickups == {}
    archives = LabelArchiveFolder(tmp_path)
    line = (await world.ask(order_id=ORDER, allow_bulk=True, archives=archives))["bulk pickups"]
    assert line.verdict is ProbeVerdict.YES
    assert "is kept" in line.fact
    assert set(world.fake.pickups) == {ORDER}
    assert len(await archives.find(ORDER)) == 1  # Amazon gives it once
    line = (await world.ask(order_id=ORDER, allow_bulk=True, archives=archives))["bulk pickups"]
    assert "was refused: ScheduledPackageAlreadyExists" in line.fact
    for incomplete in ({"archives": archives}, {"order_id": ORDER}):
        with pytest.raises(ConfigurationError, match="archives"):
            await world.ask(allow_bulk=True, **incomplete)


async def test_an_archive_that_is_lost_is_said(world: World, tmp_path: Path) -> None:
    """The order is scheduled all the same."""
    world.fake.settings.easy_ship, world.fake.settings.bulk_archive = "bulk", "gone"
    options = {"order_id": ORDER, "allow_bulk": True, "archives": LabelArchiveFolder(tmp_path)}
    line = (await world.ask(**options))["bulk pickups"]
    assert "is scheduled, but its archive of labels is gone" in line.fact
    assert "Seller Central" in line.consequence


async def test_an_order_id_that_is_none_is_refused_before_anything_is_asked(world: World) -> None:
    """It is no answer of Amazon's."""
    with pytest.raises(ConfigurationError, match="3-7-7"):
        await world.ask(order_id="123")
    assert not world.fake.requests


async def test_wrong_keys_are_no_missing_role(world: World) -> None:
    """The line sends nobody to the roles."""
    credentials = attrs.evolve(world.fake.credentials, client_secret="another")
    line = (await world.ask(credentials=credentials))["account"]
    assert "invalid_client" in line.fact
    assert "no role is missing" in line.route


async def test_a_wrong_seller_id_is_named_where_it_shows(world: World) -> None:
    """Only paths of listings hold it."""
    lines = await world.ask(credentials=attrs.evolve(world.fake.credentials, seller_id="A1OTHER"))
    assert [name for name, line in lines.items() if line.verdict is ProbeVerdict.ROLE] == ["stock"]
    assert lines["stock"].route.startswith("check the seller id first")


async def test_the_rate_of_previews_is_not_that_of_patches(world: World) -> None:
    """Amazon gives previews 20 a second and patches 5: a probe leaves the pace of patches as it was."""
    client = SpApiClient(world.fake.credentials, world.fake.marketplace, http=world.http, clock=world.clock)
    for _ in range(2):
        await client.listings.patch_stock(InventoryUpdate("SKU-1", 4), preview=True)
    assert client.restore_seconds("patchListingsItem") == 0.2
    for number in range(30):
        await client.listings.patch_stock(InventoryUpdate("SKU-1", number))
    assert all(seen.status == 200 for seen in world.fake.requests)


async def test_where_single_orders_work_bulk_is_not_tried(world: World, tmp_path: Path) -> None:
    """Whatever was allowed."""
    await world.ask(order_id=ORDER, allow_bulk=True, archives=LabelArchiveFolder(tmp_path))
    assert world.fake.pickups == {}


async def test_without_a_token_nothing_else_is_asked(world: World) -> None:
    """The line says whose turn it is."""
    world.fake.revoke(world.fake.credentials)
    lines = await world.ask()
    assert set(lines) == {"client secret", "account"}
    assert lines["account"].verdict is ProbeVerdict.ROLE
    assert "authorise again" in lines["account"].fact


async def test_an_outage_is_no_answer(world: World) -> None:
    """Other lines come all the same."""
    world.fake.fail("searchOrders", SpApiFault.UNAVAILABLE, times=None)
    lines = await world.ask()
    assert lines["orders"].verdict is ProbeVerdict.UNKNOWN
    assert lines["stock"].verdict is ProbeVerdict.YES


async def test_stock_that_amazon_would_refuse_is_told(world: World) -> None:
    """In preview."""
    world.fake.refuse("SKU-1", "8541", "no such offer")
    line = (await world.ask())["stock"]
    assert line.verdict is ProbeVerdict.NO
    assert "no such offer" in line.fact


async def test_a_secret_that_ends_soon_is_told(world: World) -> None:
    """And one whose end is far is good."""
    for day, verdict in ((date(2026, 12, 1), ProbeVerdict.NO), (date(2027, 5, 1), ProbeVerdict.YES)):
        credentials = attrs.evolve(world.fake.credentials, rotate_by=day)
        assert (await world.ask(credentials=credentials))["client secret"].verdict is verdict


async def test_other_rates_than_the_defaults_are_told(world: World) -> None:
    """Amazon states them in its answers."""
    world.fake.set_rate("searchListingsItems", 20.0)
    assert "searchListingsItems one per 0.05 s" in (await world.ask())["rates"].fact
