"""The how-to "Use the Selling Partner API": its code takes an order, sends stock and books a pickup on the fake."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import httpx
import pytest

import amazon_ae
from amazon_ae import AmazonAeError, ConfigurationError, MemoryStorage, SpApiClient, SpApiCredentials
from amazon_ae.testing import FakeSpApi, VirtualClock, make_item, make_order

PAGE = (Path(__file__).parents[2] / "docs" / "how-to" / "use-the-selling-partner-api.md").read_text(encoding="utf-8")
ORDER, OTHER = "404-1234567-1234567", "404-1234567-1234568"
SHIPPING = "Direct to Consumer Shipping (Restricted)"


def env_of(fake: FakeSpApi) -> dict[str, str]:
    return {
        "AMAZON_AE_SPAPI_SELLER_ID": fake.credentials.seller_id,
        "AMAZON_AE_SPAPI_CLIENT_ID": fake.credentials.client_id,
        "AMAZON_AE_SPAPI_CLIENT_SECRET": fake.credentials.client_secret,
        "AMAZON_AE_SPAPI_REFRESH_TOKEN": fake.credentials.refresh_token,
    }


def names_of_the_page() -> dict[str, Any]:
    names: dict[str, Any] = {"__name__": "use_the_selling_partner_api"}
    exec(
        compile(
            "\n\n".join(re.findall(r"^```python\n(.*?)^```$", PAGE, re.DOTALL | re.M)),
            "page",
            "exec",
            dont_inherit=True,
        ),
        names,
    )
    return names


def test_every_variable_is_read_and_no_other_is_needed() -> None:
    """Without any one but the rotation's day, the error has its name."""
    env = env_of(FakeSpApi())
    assert {*env, "AMAZON_AE_SPAPI_ROTATE_BY"} == set(re.findall(r"AMAZON_AE_SPAPI_[A-Z_]+", PAGE))
    assert SpApiCredentials.from_env(env | {"AMAZON_AE_SPAPI_ROTATE_BY": "2027-03-01"}).rotate_by is not None
    for name in env:
        with pytest.raises(ConfigurationError, match=f"{name} is not set"):
            SpApiCredentials.from_env({key: value for key, value in env.items() if key != name})


def test_every_error_of_the_table_is_one_of_ours() -> None:
    """And can be imported from the root."""
    names = re.findall(r"^\| `(\w+)`", PAGE.split("## When something fails")[1], re.MULTILINE)
    assert len(names) == 5
    assert all(issubclass(getattr(amazon_ae, name), AmazonAeError) for name in names)


async def test_from_keys_to_the_first_order_stock_change_and_pickup() -> None:
    """In the page's own words, with and without the role for addresses and pickups."""
    clock = VirtualClock()
    fake, names = FakeSpApi(clock=clock), names_of_the_page()
    fake.add_sku("BOTTLE/1 blue")
    for order_id in (ORDER, OTHER):
        fake.add_order(make_order(order_id), [make_item("BOTTLE/1 blue")])
    await clock.sleep(300)  # Amazon's search shows an order after two minutes
    async with httpx.AsyncClient(transport=fake) as http:
        on_the_fake = {"market": fake.marketplace, "http": http, "clock": clock}
        async with names["connect"](env_of(fake), MemoryStorage(clock=clock), **on_the_fake) as amazon:
            lines = await names["first_orders"](amazon)
            assert [line[:32] for line in lines] == [f"{each} (Unshipped):" for each in (ORDER, OTHER)]
            assert "the role is missing" not in "".join(lines)
            assert await names["first_orders"](amazon) == []
            await names["first_stock"](amazon)
            await clock.sleep(10)
            assert fake.stock["BOTTLE/1 blue"] == 7
            assert await names["how_it_went"](amazon, "BOTTLE/1 blue") == "accepted: 7"
            assert (await names["first_pickup"](amazon, ORDER)).startswith("collected on 20")
            fake.settings.easy_ship = "none"
            said = await names["first_pickup"](amazon, OTHER)
            assert said.startswith("still queued:")
            assert "RegionNotSupported" in said
            fake.settings.easy_ship = "all"
        client = SpApiClient(fake.credentials, fake.marketplace, http=http, clock=clock)
        assert re.fullmatch(r"[1-9]\d* slots", await names["can_book"](client, OTHER))
        fake.roles.discard(SHIPPING)
        assert (await names["can_book"](client, OTHER)).startswith("add the role")
        async with names["connect"](env_of(fake), MemoryStorage(clock=clock), **on_the_fake) as amazon:
            assert all(line.endswith("no address: the role is missing") for line in await names["first_orders"](amazon))
