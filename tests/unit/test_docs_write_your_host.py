"""The how-to "Write your host program": its code packs parcels on the fakes, and its tables are true."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import attrs
import httpx
import pytest

import amazon_ae
from amazon_ae import ConfigurationError, DocumentKind, DocumentNotReady, MwsCredentials, PortalCredentials
from amazon_ae.testing import FAKE_CREDENTIALS, FakeMws, FakeSellerPortal, VirtualClock, make_order
from amazon_ae.testing.pytest import fake_mws, fake_portal, memory_storage, virtual_clock

__all__ = ["fake_mws", "fake_portal", "memory_storage", "virtual_clock"]

PAGE = (Path(__file__).parents[2] / "docs" / "how-to" / "write-your-host.md").read_text(encoding="utf-8")
VARIABLES = set(re.findall(r"AMAZON_AE_[A-Z_]+", PAGE))
ENV = {
    "AMAZON_AE_SELLER_ID": FAKE_CREDENTIALS.seller_id,
    "AMAZON_AE_ACCESS_KEY_ID": FAKE_CREDENTIALS.access_key_id,
    "AMAZON_AE_SECRET_KEY": FAKE_CREDENTIALS.secret_key,
    "AMAZON_AE_AUTH_TOKEN": FAKE_CREDENTIALS.auth_token or "",
    "AMAZON_AE_PORTAL_EMAIL": "packer@example.ae",
    "AMAZON_AE_PORTAL_PASSWORD": "open sesame",
    "AMAZON_AE_PORTAL_TOTP": "JBSWY3DPEHPK3PXP",
}
PACKED, REFUSED, UNSETTLED = (f"171-0000000-000000{number}" for number in (1, 2, 3))


def test_every_variable_is_read_and_no_other_is_needed() -> None:
    """Without any one but the token, the error has its name."""
    assert set(ENV) == VARIABLES
    for name in VARIABLES - {"AMAZON_AE_AUTH_TOKEN"}:
        env = {key: value for key, value in ENV.items() if key != name}
        with pytest.raises(ConfigurationError, match=f"{name} is not set"):
            (MwsCredentials.from_env(env), PortalCredentials.from_env(env))


def test_every_error_of_the_table_can_be_imported_from_the_root() -> None:
    """And is one of ours."""
    names = re.findall(r"^\| `(\w+)` \|", PAGE.split("## What to catch")[1], re.MULTILINE)
    assert len(names) == 9
    assert all(issubclass(getattr(amazon_ae, name), amazon_ae.AmazonAeError) for name in names)


async def test_the_pack_station_answers_on_good_and_bad_days(
    tmp_path: Path, virtual_clock: VirtualClock, fake_mws: FakeMws, fake_portal: FakeSellerPortal, memory_storage: Any
) -> None:
    """A parcel without an invoice yet, one that Amazon refuses, and one that is not settled in time."""
    names: dict[str, Any] = {}
    for block in re.findall(r"^```python\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE):
        exec(compile(block, "write-your-host.md", "exec", dont_inherit=True), names)
    for order_id in (PACKED, REFUSED, UNSETTLED):
        fake_mws.add_order(make_order(order_id))
    fake_mws.refuse(REFUSED, "90099", "too heavy")
    fake_portal.fail(DocumentKind.INVOICE, DocumentNotReady("no invoice yet", retry_after_seconds=60))
    async with httpx.AsyncClient(transport=fake_mws) as http:
        on_the_fakes = {"market": fake_mws.marketplace, "http": http, "clock": virtual_clock}
        async with names["connect"](ENV, memory_storage, fake_mws.pickup_feed_type, **on_the_fakes) as amazon:
            amazon = attrs.evolve(amazon, portal=fake_portal)
            said = await names["pack"](amazon, PACKED, 500, tmp_path)
            assert said == "pickup on 2021-11-19, 2 papers, no invoice: no invoice yet"
            assert len(list((tmp_path / PACKED).iterdir())) == 2
            assert await names["pack"](amazon, REFUSED, 500, tmp_path) == "Amazon refuses: too heavy"
            fake_mws.end_feeds("_IN_SAFETY_NET_")
            said = await names["pack"](amazon, UNSETTLED, 500, tmp_path)
            assert said.startswith(f"not settled yet: no outcome of {UNSETTLED} before the deadline")
