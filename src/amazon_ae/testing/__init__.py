"""Everything a host needs to try its own code without Amazon: fakes, a virtual clock, a contract for storages.

Nothing here is imported by the library itself, and nothing here imports pytest, except ``amazon_ae.testing.pytest``.
A name is loaded when it is first asked for, so that a host that wants a clock gets no web server.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from amazon_ae.testing.builders import make_item, make_order, make_order_id, make_updates
    from amazon_ae.testing.clocks import ScaledClock, VirtualClock
    from amazon_ae.testing.fake_portal import FakeSellerPortal
    from amazon_ae.testing.mws import FAKE_CREDENTIALS, FAKE_PICKUP_FEED_TYPE, FakeMws, MwsFault

__all__ = [
    "FAKE_CREDENTIALS",
    "FAKE_PICKUP_FEED_TYPE",
    "FakeMws",
    "FakeSellerPortal",
    "MwsFault",
    "ScaledClock",
    "VirtualClock",
    "make_item",
    "make_order",
    "make_order_id",
    "make_updates",
]

_HOME: Final = {
    "FAKE_CREDENTIALS": "mws",
    "FAKE_PICKUP_FEED_TYPE": "mws",
    "FakeMws": "mws",
    "FakeSellerPortal": "fake_portal",
    "MwsFault": "mws",
    "ScaledClock": "clocks",
    "VirtualClock": "clocks",
    "make_item": "builders",
    "make_order": "builders",
    "make_order_id": "builders",
    "make_updates": "builders",
}


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
