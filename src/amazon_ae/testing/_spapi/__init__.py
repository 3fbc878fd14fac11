"""A stateful fake of the Selling Partner API that shares no code with the client: see ``FakeSpApi``."""

from __future__ import annotations

from amazon_ae.testing._spapi.account import FakeSpApiFeed, FakeSpApiReport, Settings as FakeSpApiSettings
from amazon_ae.testing._spapi.fake import FAKE_SPAPI_CREDENTIALS, FakeSpApi
from amazon_ae.testing._spapi.faults import SpApiFault
from amazon_ae.testing._spapi.notifications import FakeNotificationQueue
from amazon_ae.testing._spapi.visits import SeenSpApiRequest

__all__ = [
    "FAKE_SPAPI_CREDENTIALS",
    "FakeNotificationQueue",
    "FakeSpApi",
    "FakeSpApiFeed",
    "FakeSpApiReport",
    "FakeSpApiSettings",
    "SeenSpApiRequest",
    "SpApiFault",
]
