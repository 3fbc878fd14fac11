"""Amazon's notifications in business words: an order changed, a feed ended, a stock figure changed.

Source: Selling Partner API, Notifications schemas ``ORDER_CHANGE``, ``FEED_PROCESSING_FINISHED`` and
``LISTINGS_ITEM_MFN_QUANTITY_CHANGE``. Notifications may come twice, late and in any order: each is a reason to check,
never a source of truth.
"""

from __future__ import annotations

from datetime import datetime

import attrs

__all__ = ["FeedFinished", "Notification", "OrderChanged", "QuantityChanged"]


@attrs.frozen(kw_only=True)
class Notification:
    """The root of all notifications.

    Attributes:
        seller_id: whose; ``""`` where the notification does not say.
        marketplace_id: where; ``""`` where the notification does not say.
        at: the instant of the event, aware UTC; ``None`` where the notification does not say.
    """

    seller_id: str = ""
    marketplace_id: str = ""
    at: datetime | None = None


@attrs.frozen(kw_only=True)
class OrderChanged(Notification):
    """An order is new or changed. ``order_status`` and ``easy_ship_shipment_status`` are in the library's words.

    Give it to ``OrderSync.notify``, which fetches the order.
    """

    order_id: str
    order_status: str = ""
    easy_ship_shipment_status: str | None = None
    programs: tuple[str, ...] = ()


@attrs.frozen(kw_only=True)
class FeedFinished(Notification):
    """A feed ended; give it to ``FeedScheduler.notify``, which then asks for its report instead of polling.

    Attributes:
        feed_type: Amazon's name, e.g. ``"JSON_LISTINGS_FEED"``.
        processing_status: Amazon's: ``"DONE"``, ``"CANCELLED"`` or ``"FATAL"``.
        result_document_id: of the processing report; ``None`` where there is none.
    """

    feed_id: str
    feed_type: str = ""
    processing_status: str = ""
    result_document_id: str | None = None


@attrs.frozen(kw_only=True)
class QuantityChanged(Notification):
    """Amazon now shows this quantity of a SKU that the seller ships.

    Give it to ``InventoryBuffer.notify``, which compares it with what Amazon accepted last.
    """

    sku: str
    quantity: int
