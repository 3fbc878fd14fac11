"""Everything a host needs to try its own code without Amazon: fakes, a virtual clock, contracts for its own parts.

Nothing here is imported by the library itself, and nothing here imports pytest, except ``amazon_ae.testing.pytest``.
A name is loaded when it is first asked for, so that a host that wants a clock gets no web server.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from amazon_ae.testing.builders import make_item, make_order, make_order_id, make_updates
    from amazon_ae.testing.clocks import ScaledClock, VirtualClock
    from amazon_ae.testing.document_contract import check_document_source
    from amazon_ae.testing.fake_portal import FakeSellerPortal
    from amazon_ae.testing.mws import (
        FAKE_CREDENTIALS,
        FAKE_PICKUP_FEED_TYPE,
        FakeFeed,
        FakeMws,
        FakeOrder,
        FakePickup,
        FeedMessage,
        MwsFault,
        SeenRequest,
    )
    from amazon_ae.testing.papers import PortalItem, PortalOrder, PortalPickup, sample_order
    from amazon_ae.testing.sandbox import Sandbox, open_sandbox
    from amazon_ae.testing.seller_central import SellerCentralSite, SiteUser
    from amazon_ae.testing.serving import serve, serve_in_thread
    from amazon_ae.testing.storage_contract import check_storage

__all__ = [
    "FAKE_CREDENTIALS",
    "FAKE_PICKUP_FEED_TYPE",
    "FakeFeed",
    "FakeMws",
    "FakeOrder",
    "FakePickup",
    "FakeSellerPortal",
    "FeedMessage",
    "MwsFault",
    "PortalItem",
    "PortalOrder",
    "PortalPickup",
    "Sandbox",
    "ScaledClock",
    "SeenRequest",
    "SellerCentralSite",
    "SiteUser",
    "VirtualClock",
    "check_document_source",
    "check_storage",
    "make_item",
    "make_order",
    "make_order_id",
    "make_updates",
    "open_sandbox",
    "sample_order",
    "serve",
    "serve_in_thread",
]

_NAMES_IN: Final = {
    "builders": ("make_item", "make_order", "make_order_id", "make_updates"),
    "clocks": ("ScaledClock", "VirtualClock"),
    "document_contract": ("check_document_source",),
    "fake_portal": ("FakeSellerPortal",),
    "mws": (
        "FAKE_CREDENTIALS",
        "FAKE_PICKUP_FEED_TYPE",
        "FakeFeed",
        "FakeMws",
        "FakeOrder",
        "FakePickup",
        "FeedMessage",
        "MwsFault",
        "SeenRequest",
    ),
    "papers": ("PortalItem", "PortalOrder", "PortalPickup", "sample_order"),
    "sandbox": ("Sandbox", "open_sandbox"),
    "seller_central": ("SellerCentralSite", "SiteUser"),
    "serving": ("serve", "serve_in_thread"),
    "storage_contract": ("check_storage",),
}
_HOME_OF: Final = {name: home for home, names in _NAMES_IN.items() for name in names}


if not TYPE_CHECKING:  # a type checker that saw it would take every misspelt name for a good one

    def __getattr__(name: str) -> object:
        home = _HOME_OF.get(name)
        if home is None:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        try:
            value = globals()[name] = getattr(import_module(f"{__name__}.{home}"), name)
        except ModuleNotFoundError as error:
            missing = (error.name or __name__).partition(".")[0]
            if missing == "amazon_ae":
                raise
            raise ModuleNotFoundError(
                f"{name} needs {missing}: pip install 'amazon-ae[sandbox]'", name=missing
            ) from error
        return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
