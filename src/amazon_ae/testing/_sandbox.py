"""The whole sandbox on loopback: MWS, the Selling Partner API and Seller Central, one seller behind three servers.

It needs the extra ``sandbox`` (uvicorn, starlette, jinja2). ``amazon-ae sandbox`` is this module on the command line; a
test or a demonstration opens it in its own process::

    async with open_sandbox(clock=clock) as sandbox:
        client = MwsClient(sandbox.credentials, sandbox.marketplace, clock=clock)
"""

from __future__ import annotations

import contextlib
import random
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any, Final

import attrs

from amazon_ae._clocks import SystemClock
from amazon_ae._models.marketplaces import AE, Marketplace, MwsCredentials, PortalCredentials, SpApiCredentials
from amazon_ae._ports import Clock
from amazon_ae.testing._builders import make_item, make_order, make_order_id
from amazon_ae.testing._mws import FakeMws
from amazon_ae.testing._sandbox_control import with_control
from amazon_ae.testing._seller_central import SellerCentralSite, SiteUser
from amazon_ae.testing._serving import serve
from amazon_ae.testing._spapi import FakeSpApi

__all__ = ["SANDBOX_USER", "Sandbox", "fill", "open_sandbox"]

SANDBOX_USER: Final = PortalCredentials(
    email="packer@sandbox.example", password="sandbox-password", totp="JBSW Y3DP EHPK 3PXP JBSW Y3DP EHPK 3PXP"
)
"""The look-alike's user: it signs in nowhere else."""


@attrs.frozen(kw_only=True)
class Sandbox:
    """A running sandbox.

    Attributes:
        mws, spapi, site: the three fakes of one seller, to be changed while they run.
        marketplace: the marketplace with the sandbox's own addresses: give it to clients and scraper.
        credentials, spapi_credentials, portal_credentials: what opens each.
        clock: what it runs on.
    """

    mws: FakeMws
    spapi: FakeSpApi
    site: SellerCentralSite
    marketplace: Marketplace
    credentials: MwsCredentials
    spapi_credentials: SpApiCredentials
    portal_credentials: PortalCredentials
    clock: Clock

    def describe(self) -> dict[str, Any]:
        """How to reach it, ready for JSON. The credentials are the sandbox's own and open nothing else."""
        return {
            "mws_endpoint": self.marketplace.mws_endpoint,
            "portal_origin": self.marketplace.portal_origin,
            "marketplace_id": self.marketplace.marketplace_id,
            "seller_id": self.credentials.seller_id,
            "access_key_id": self.credentials.access_key_id,
            "secret_key": self.credentials.secret_key,
            "auth_token": self.credentials.auth_token,
            "pickup_feed_type": self.mws.pickup_feed_type,
            "spapi_endpoint": self.marketplace.spapi_endpoint,
            "lwa_endpoint": self.marketplace.lwa_endpoint,
            "client_id": self.spapi_credentials.client_id,
            "client_secret": self.spapi_credentials.client_secret,
            "refresh_token": self.spapi_credentials.refresh_token,
            "portal_email": self.portal_credentials.email,
            "portal_password": self.portal_credentials.password,
            "portal_totp": self.portal_credentials.totp,
            "speed": getattr(self.clock, "speed", 1),
            "clock_origin": origin.isoformat() if (origin := getattr(self.clock, "origin", None)) else None,
            "state": f"{self.marketplace.mws_endpoint}/__sandbox/state",
            "faults": f"{self.marketplace.mws_endpoint}/__sandbox/faults",
            "spapi_faults": f"{self.marketplace.spapi_endpoint}/__sandbox/faults",
            "portal_control": f"{self.marketplace.portal_origin}/__sandbox",
        }


@contextlib.asynccontextmanager
async def open_sandbox(
    *,
    clock: Clock | None = None,
    fake: FakeMws | None = None,
    spapi: FakeSpApi | None = None,
    port: int = 0,
    portal_port: int = 0,
    spapi_port: int = 0,
    orders: int = 120,
    skus: int = 1000,
    seed: int = 0,
) -> AsyncIterator[Sandbox]:
    """Serve MWS, the Selling Partner API and Seller Central of one seller while the block runs.

    Args:
        clock: what both run on; the fake's own if ``fake`` is given, else the machine's.
        fake: a ``FakeMws`` that is filled already; without it one with ``orders`` and ``skus`` is made.
        spapi: a ``FakeSpApi`` of the same state; without it one is made.
        port, portal_port, spapi_port: 0 takes a free one.
        orders, skus, seed: see ``fill``.
    """
    if fake is None:
        fake = FakeMws(clock=clock or SystemClock(), marketplace=AE)
        fill(fake, orders=orders, skus=skus, seed=seed)
    mws = fake
    spapi = spapi or FakeSpApi(state=mws.state)
    user = SiteUser(email=SANDBOX_USER.email, password=SANDBOX_USER.password, totp_secret=SANDBOX_USER.totp)
    site = SellerCentralSite(clock=mws.clock, users=[user], orders=mws.portal_orders, schedule=mws.schedule_pickup)
    async with (
        serve(with_control(mws, mws=mws, spapi=spapi), port=port) as mws_endpoint,
        serve(with_control(spapi, mws=mws, spapi=spapi), port=spapi_port) as spapi_endpoint,
        serve(site, port=portal_port) as portal_origin,
    ):
        mws.marketplace = attrs.evolve(
            mws.marketplace,
            mws_endpoint=mws_endpoint,
            portal_origin=portal_origin,
            spapi_endpoint=spapi_endpoint,
            lwa_endpoint=spapi_endpoint,
        )
        yield Sandbox(
            mws=mws,
            spapi=spapi,
            site=site,
            marketplace=mws.marketplace,
            credentials=mws.credentials,
            spapi_credentials=spapi.credentials,
            portal_credentials=SANDBOX_USER,
            clock=mws.clock,
        )


def fill(fake: FakeMws, *, orders: int = 120, skus: int = 1000, seed: int = 0) -> None:
    """Fill a fake with SKUs (``SKU-0001`` on, all at 0) and unshipped orders of two days, equal for equal seeds."""
    chance = random.Random(seed)
    for number in range(1, skus + 1):
        fake.add_sku(f"SKU-{number:04d}")
    now = fake.clock.now()
    for number in range(1, orders + 1):
        # The newest is older than what order lists leave out (two minutes).
        bought = now - timedelta(minutes=5) - timedelta(seconds=chance.randrange(2 * 86_400))
        items = [
            make_item(
                f"SKU-{chance.randint(1, max(1, skus)):04d}",
                chance.choice((1, 1, 1, 2, 3)),
                price=f"{chance.randint(15, 400)}.{chance.choice(('00', '50', '75'))}",
                order_item_id=f"{number:07d}{line:07d}",
                marketplace=fake.marketplace,
            )
            for line in range(1, chance.choice((2, 2, 2, 3, 4)))
        ]
        order = make_order(
            make_order_id(number),
            items=items,
            purchased_at=bought,
            status="PartiallyShipped" if number % 40 == 0 else "Unshipped",
            marketplace=fake.marketplace,
        )
        fake.add_order(order, items)
