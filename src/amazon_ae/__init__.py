"""Integrate a seller's warehouse with Amazon.ae and Amazon Easy Ship.

Every public name can be imported from here. Each is loaded when it is first used, so that importing the library costs
little and loads neither a browser library nor a database driver.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from amazon_ae.clocks import SystemClock
    from amazon_ae.core.lanes import FeedPolicy
    from amazon_ae.core.pickups import PickupDays, PickupPolicy
    from amazon_ae.exceptions import (
        AccessDenied,
        AmazonAeError,
        AmazonError,
        BrowserLost,
        BrowserNotFound,
        ChallengeRequired,
        ConfigurationError,
        DocumentInvalid,
        DocumentNotReady,
        InvalidRequest,
        LoginRejected,
        NotSent,
        NotSupported,
        OutcomeUnknown,
        PageChanged,
        PermissionMissing,
        PickupRejected,
        PickupUnknown,
        PortalError,
        PortalStopped,
        PortalTimeout,
        PortalUnavailable,
        QuotaExceeded,
        QuotaTimeout,
        RegionNotSupported,
        RequestExpired,
        RequestThrottled,
        SchemaTooNew,
        ServiceUnavailable,
        SignatureMismatch,
        StaleLease,
        StorageError,
        UnreadableResponse,
    )
    from amazon_ae.inventory import InventoryBuffer, SkuStatus
    from amazon_ae.models.documents import Document, DocumentKind, DocumentSet
    from amazon_ae.models.easy_ship import PackageDimensions, PackageItem, PackageWeight
    from amazon_ae.models.events import Event, EventSink
    from amazon_ae.models.feeds import InventoryUpdate, ItemKind, ItemOutcome, Outcome, PickupRequest, QuotaRule
    from amazon_ae.models.marketplaces import AE, EG, SA, Marketplace, MwsCredentials, PortalCredentials
    from amazon_ae.models.money import Money
    from amazon_ae.models.orders import Address, Order, OrderItem, OrderPage
    from amazon_ae.models.pickups import Forecast, PickupOutcome, SchedulerStats
    from amazon_ae.models.sellers import SellerParticipations
    from amazon_ae.models.stored import ItemState, QueueStats, Receipt, ReceiptState
    from amazon_ae.models.submissions import FeedSubmission
    from amazon_ae.mws.client import MwsClient
    from amazon_ae.mws.documents import PickupFormat
    from amazon_ae.mws.easy_ship_documents import EasyShipDocumentsFeed
    from amazon_ae.mws.gateway import MwsGateway
    from amazon_ae.mws.retries import RetryPolicy
    from amazon_ae.mws.routes import EasyShipPickup, SchedulePickupFeed
    from amazon_ae.order_sync import OrderSync, SyncedOrder
    from amazon_ae.portal.browser import BrowserOptions
    from amazon_ae.portal.pages import SITE, SiteMap
    from amazon_ae.portal.pdf import save_documents
    from amazon_ae.portal.scraper import SellerPortalScraper
    from amazon_ae.portal.sessions import FileSessionStore, MemorySessionStore, SessionStore
    from amazon_ae.ports import Clock, DocumentSource, FeedGateway, OrderGateway, PickupRoute, Storage
    from amazon_ae.scheduling import FeedScheduler, SchedulerTiming
    from amazon_ae.storage.memory import MemoryStorage
    from amazon_ae.storage.postgres import PostgresStorage
    from amazon_ae.storage.sqlite import SQLiteStorage

__all__ = [
    "AE",
    "EG",
    "SA",
    "SITE",
    "AccessDenied",
    "Address",
    "AmazonAeError",
    "AmazonError",
    "BrowserLost",
    "BrowserNotFound",
    "BrowserOptions",
    "ChallengeRequired",
    "Clock",
    "ConfigurationError",
    "Document",
    "DocumentInvalid",
    "DocumentKind",
    "DocumentNotReady",
    "DocumentSet",
    "DocumentSource",
    "EasyShipDocumentsFeed",
    "EasyShipPickup",
    "Event",
    "EventSink",
    "FeedGateway",
    "FeedPolicy",
    "FeedScheduler",
    "FeedSubmission",
    "FileSessionStore",
    "Forecast",
    "InvalidRequest",
    "InventoryBuffer",
    "InventoryUpdate",
    "ItemKind",
    "ItemOutcome",
    "ItemState",
    "LoginRejected",
    "Marketplace",
    "MemorySessionStore",
    "MemoryStorage",
    "Money",
    "MwsClient",
    "MwsCredentials",
    "MwsGateway",
    "NotSent",
    "NotSupported",
    "Order",
    "OrderGateway",
    "OrderItem",
    "OrderPage",
    "OrderSync",
    "Outcome",
    "OutcomeUnknown",
    "PackageDimensions",
    "PackageItem",
    "PackageWeight",
    "PageChanged",
    "PermissionMissing",
    "PickupDays",
    "PickupFormat",
    "PickupOutcome",
    "PickupPolicy",
    "PickupRejected",
    "PickupRequest",
    "PickupRoute",
    "PickupUnknown",
    "PortalCredentials",
    "PortalError",
    "PortalStopped",
    "PortalTimeout",
    "PortalUnavailable",
    "PostgresStorage",
    "QueueStats",
    "QuotaExceeded",
    "QuotaRule",
    "QuotaTimeout",
    "Receipt",
    "ReceiptState",
    "RegionNotSupported",
    "RequestExpired",
    "RequestThrottled",
    "RetryPolicy",
    "SQLiteStorage",
    "SchedulePickupFeed",
    "SchedulerStats",
    "SchedulerTiming",
    "SchemaTooNew",
    "SellerParticipations",
    "SellerPortalScraper",
    "ServiceUnavailable",
    "SessionStore",
    "SignatureMismatch",
    "SiteMap",
    "SkuStatus",
    "StaleLease",
    "Storage",
    "StorageError",
    "SyncedOrder",
    "SystemClock",
    "UnreadableResponse",
    "save_documents",
]

_HOMES: Final = {
    "clocks": "SystemClock",
    "core.lanes": "FeedPolicy",
    "core.pickups": "PickupDays PickupPolicy",
    "exceptions": (
        "AccessDenied AmazonAeError AmazonError BrowserLost BrowserNotFound ChallengeRequired "
        "ConfigurationError DocumentInvalid DocumentNotReady InvalidRequest LoginRejected NotSent "
        "NotSupported OutcomeUnknown PageChanged PermissionMissing PickupRejected PickupUnknown "
        "PortalError PortalStopped PortalTimeout PortalUnavailable QuotaExceeded QuotaTimeout "
        "RegionNotSupported RequestExpired RequestThrottled SchemaTooNew ServiceUnavailable "
        "SignatureMismatch StaleLease StorageError UnreadableResponse"
    ),
    "inventory": "InventoryBuffer SkuStatus",
    "models.documents": "Document DocumentKind DocumentSet",
    "models.easy_ship": "PackageDimensions PackageItem PackageWeight",
    "models.events": "Event EventSink",
    "models.feeds": "InventoryUpdate ItemKind ItemOutcome Outcome PickupRequest QuotaRule",
    "models.marketplaces": "AE EG Marketplace MwsCredentials PortalCredentials SA",
    "models.money": "Money",
    "models.orders": "Address Order OrderItem OrderPage",
    "models.pickups": "Forecast PickupOutcome SchedulerStats",
    "models.sellers": "SellerParticipations",
    "models.stored": "ItemState QueueStats Receipt ReceiptState",
    "models.submissions": "FeedSubmission",
    "mws.client": "MwsClient",
    "mws.documents": "PickupFormat",
    "mws.easy_ship_documents": "EasyShipDocumentsFeed",
    "mws.gateway": "MwsGateway",
    "mws.retries": "RetryPolicy",
    "mws.routes": "EasyShipPickup SchedulePickupFeed",
    "order_sync": "OrderSync SyncedOrder",
    "portal.browser": "BrowserOptions",
    "portal.pages": "SITE SiteMap",
    "portal.pdf": "save_documents",
    "portal.scraper": "SellerPortalScraper",
    "portal.sessions": "FileSessionStore MemorySessionStore SessionStore",
    "ports": "Clock DocumentSource FeedGateway OrderGateway PickupRoute Storage",
    "scheduling": "FeedScheduler SchedulerTiming",
    "storage.memory": "MemoryStorage",
    "storage.postgres": "PostgresStorage",
    "storage.sqlite": "SQLiteStorage",
}
_HOME_OF: Final = {name: home for home, names in _HOMES.items() for name in names.split()}


if not TYPE_CHECKING:  # a type checker that saw it would take every misspelt name for a good one

    def __getattr__(name: str) -> object:
        home = _HOME_OF.get(name)
        if home is None:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value = globals()[name] = getattr(import_module(f"{__name__}.{home}"), name)
        return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
