"""Fixtures for a host's own tests. Opt in with one line in ``conftest.py``::

    pytest_plugins = ["amazon_ae.testing.pytest"]

Nothing here sleeps, opens a socket or starts a browser.
"""

from __future__ import annotations

import httpx
import pytest

from amazon_ae._mws.client import MwsClient
from amazon_ae._mws.gateway import MwsGateway
from amazon_ae._mws.pickup_routes import SchedulePickupFeed
from amazon_ae._storage.memory import MemoryStorage
from amazon_ae.testing._clocks import VirtualClock
from amazon_ae.testing._fake_portal import FakeSellerPortal
from amazon_ae.testing._mws import FakeMws
from amazon_ae.testing._seller import SellerState
from amazon_ae.testing._spapi import FakeSpApi

__all__ = ["fake_mws", "fake_portal", "fake_spapi", "memory_storage", "mws_gateway", "seller_state", "virtual_clock"]


@pytest.fixture
def virtual_clock() -> VirtualClock:
    """A clock that jumps as soon as all tasks sleep: an hour of quota passes in a millisecond."""
    return VirtualClock()


@pytest.fixture
def fake_mws(virtual_clock: VirtualClock) -> FakeMws:
    """A marketplace without orders and SKUs, on ``virtual_clock``; also a transport for ``httpx.AsyncClient``."""
    return FakeMws(clock=virtual_clock)


@pytest.fixture
def fake_spapi(fake_mws: FakeMws) -> FakeSpApi:
    """The Selling Partner API of the seller of ``fake_mws``; also a transport for ``httpx.AsyncClient``."""
    return FakeSpApi(state=fake_mws.state)


@pytest.fixture
def seller_state(fake_mws: FakeMws) -> SellerState:
    """The seller that ``fake_mws`` and ``fake_spapi`` serve."""
    return fake_mws.state


@pytest.fixture
def mws_gateway(virtual_clock: VirtualClock, fake_mws: FakeMws) -> MwsGateway:
    """The real gateway on the real client, over ``fake_mws``. Pickups go by feed."""
    http = httpx.AsyncClient(transport=fake_mws)  # opens nothing, so that nothing has to be closed
    client = MwsClient(fake_mws.credentials, fake_mws.marketplace, http=http, clock=virtual_clock)
    return MwsGateway(client, pickup_route=SchedulePickupFeed(feed_type=fake_mws.pickup_feed_type))


@pytest.fixture
def fake_portal(virtual_clock: VirtualClock, fake_mws: FakeMws) -> FakeSellerPortal:
    """A ``DocumentSource`` over ``fake_mws``: a booked pickup has a label here at once."""
    return FakeSellerPortal(clock=virtual_clock, orders=fake_mws.portal_orders)


@pytest.fixture
def memory_storage(virtual_clock: VirtualClock) -> MemoryStorage:
    """An empty storage on ``virtual_clock``."""
    return MemoryStorage(clock=virtual_clock)
