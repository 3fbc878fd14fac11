"""A misspelt public name is an error for a type checker, although the names are loaded lazily.

mypy warns of an ignore that nothing needs, so this file fails as soon as such a name passes.
"""

from __future__ import annotations

import amazon_ae
from amazon_ae import FeedSchedular  # type: ignore[attr-defined]
from amazon_ae.testing import FakeAmazon  # type: ignore[attr-defined]

print(FeedSchedular, FakeAmazon)
print(amazon_ae.InventoryBufer)  # type: ignore[attr-defined]
