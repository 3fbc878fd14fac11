"""One seller's truth: orders, SKUs, pickups and parcels, below every fake that shows them."""

from __future__ import annotations

from amazon_ae.testing._seller.processing_times import ProcessingTimes
from amazon_ae.testing._seller.records import FakeListing, FakeOrder, FakePackage, FakePickup, StockChange
from amazon_ae.testing._seller.state import SellerState

__all__ = ["FakeListing", "FakeOrder", "FakePackage", "FakePickup", "ProcessingTimes", "SellerState", "StockChange"]
