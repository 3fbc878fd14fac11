"""A stateful fake of Amazon MWS that shares no code with the client: see ``FakeMws``."""

from __future__ import annotations

from amazon_ae.testing._mws.fake import FAKE_CREDENTIALS, FAKE_PICKUP_FEED_TYPE, FakeMws
from amazon_ae.testing._mws.faults import MwsFault
from amazon_ae.testing._mws.state import FakeFeed, FakeReport, FeedMessage, SeenRequest

__all__ = [
    "FAKE_CREDENTIALS",
    "FAKE_PICKUP_FEED_TYPE",
    "FakeFeed",
    "FakeMws",
    "FakeReport",
    "FeedMessage",
    "MwsFault",
    "SeenRequest",
]
