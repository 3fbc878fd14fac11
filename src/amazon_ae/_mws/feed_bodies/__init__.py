"""Feed documents: typed inputs become bytes, escaped by construction and checked before anything is sent.

Each ``*_feed`` function is a generator of chunks; ``join_feed`` makes one body of them. Nothing here does I/O.
"""

from __future__ import annotations

from amazon_ae._mws.feed_bodies.envelope import (
    ADVISED_BYTES,
    ADVISED_RECORDS,
    MAX_BYTES,
    FeedWriter,
    join_feed,
)
from amazon_ae._mws.feed_bodies.inventory import inventory_feed
from amazon_ae._mws.feed_bodies.order_rules import CANCEL_REASONS, CARRIER_CODES
from amazon_ae._mws.feed_bodies.orders import (
    EASY_SHIP_DOCUMENT_TYPES,
    AcknowledgedItem,
    EasyShipDocumentRequest,
    FulfilledItem,
    OrderAcknowledgement,
    OrderFulfillment,
    easy_ship_document_feed,
    order_acknowledgement_feed,
    order_fulfillment_feed,
)
from amazon_ae._mws.feed_bodies.pickups import (
    COLUMNS_2017,
    COLUMNS_WITH_INVOICE,
    COLUMNS_WITH_TRANSPARENCY,
    MAX_PICKUPS,
    PickupFormat,
    schedule_pickup_file,
)

__all__ = [
    "ADVISED_BYTES",
    "ADVISED_RECORDS",
    "CANCEL_REASONS",
    "CARRIER_CODES",
    "COLUMNS_2017",
    "COLUMNS_WITH_INVOICE",
    "COLUMNS_WITH_TRANSPARENCY",
    "EASY_SHIP_DOCUMENT_TYPES",
    "MAX_BYTES",
    "MAX_PICKUPS",
    "AcknowledgedItem",
    "EasyShipDocumentRequest",
    "FeedWriter",
    "FulfilledItem",
    "OrderAcknowledgement",
    "OrderFulfillment",
    "PickupFormat",
    "easy_ship_document_feed",
    "inventory_feed",
    "join_feed",
    "order_acknowledgement_feed",
    "order_fulfillment_feed",
    "schedule_pickup_file",
]
