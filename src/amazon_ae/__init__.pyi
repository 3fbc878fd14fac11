"""Every public name of `amazon_ae`, listed once. `__init__.py` imports each on first access."""

from ._clocks import (
    SystemClock as SystemClock,
)
from ._document_files import (
    save_documents as save_documents,
)
from ._documents.chain import (
    DocumentSourceChain as DocumentSourceChain,
)
from ._documents.circuit import (
    CircuitPolicy as CircuitPolicy,
    CircuitState as CircuitState,
)
from ._documents.kept_labels import (
    KeptLabels as KeptLabels,
)
from ._documents.packing_slip import (
    OrderLookup as OrderLookup,
    PackingSlips as PackingSlips,
    PdfPrinter as PdfPrinter,
)
from ._documents.slip_html import (
    SlipSeller as SlipSeller,
    SlipTemplate as SlipTemplate,
)
from ._easy_ship.archive_folder import (
    LabelArchiveFolder as LabelArchiveFolder,
    LabelArchives as LabelArchives,
)
from ._easy_ship.archives import (
    ArchiveLimits as ArchiveLimits,
    MediaType as MediaType,
)
from ._easy_ship.labels import (
    KeptArchive as KeptArchive,
    LabelTexts as LabelTexts,
)
from ._exceptions import (
    AccessDenied as AccessDenied,
    AmazonAeError as AmazonAeError,
    AmazonError as AmazonError,
    BrowserLost as BrowserLost,
    BrowserNotFound as BrowserNotFound,
    ChallengeRequired as ChallengeRequired,
    ConfigurationError as ConfigurationError,
    DocumentError as DocumentError,
    DocumentInvalid as DocumentInvalid,
    DocumentNotReady as DocumentNotReady,
    InvalidRequest as InvalidRequest,
    LoginRejected as LoginRejected,
    NotDelivered as NotDelivered,
    NotSent as NotSent,
    NotSupported as NotSupported,
    OutcomeUnknown as OutcomeUnknown,
    PageChanged as PageChanged,
    PermissionMissing as PermissionMissing,
    PickupRejected as PickupRejected,
    PickupUnknown as PickupUnknown,
    PortalError as PortalError,
    PortalStopped as PortalStopped,
    PortalTimeout as PortalTimeout,
    PortalUnavailable as PortalUnavailable,
    QuotaExceeded as QuotaExceeded,
    QuotaTimeout as QuotaTimeout,
    RegionNotSupported as RegionNotSupported,
    RequestExpired as RequestExpired,
    RequestThrottled as RequestThrottled,
    SchemaTooNew as SchemaTooNew,
    ServiceUnavailable as ServiceUnavailable,
    SignatureMismatch as SignatureMismatch,
    StaleLease as StaleLease,
    StorageError as StorageError,
    UnreadableResponse as UnreadableResponse,
)
from ._inventory import (
    InventoryBuffer as InventoryBuffer,
    SkuStatus as SkuStatus,
)
from ._models.documents import (
    Document as Document,
    DocumentKind as DocumentKind,
    DocumentSet as DocumentSet,
)
from ._models.easy_ship import (
    EasyShipInvoice as EasyShipInvoice,
    PackageDimensions as PackageDimensions,
    PackageItem as PackageItem,
    PackageWeight as PackageWeight,
    PickupSlot as PickupSlot,
    PickupSlots as PickupSlots,
    ScheduledPackage as ScheduledPackage,
)
from ._models.events import (
    ClockRefused as ClockRefused,
    DocumentEvent as DocumentEvent,
    DocumentSourceState as DocumentSourceState,
    Event as Event,
    EventSink as EventSink,
    FeedCancelled as FeedCancelled,
    FeedDelayed as FeedDelayed,
    FeedEvent as FeedEvent,
    FeedOfOtherRoute as FeedOfOtherRoute,
    FeedPassed as FeedPassed,
    FeedReconciled as FeedReconciled,
    FeedRefused as FeedRefused,
    FeedSentTwice as FeedSentTwice,
    FeedSettled as FeedSettled,
    FeedSubmitted as FeedSubmitted,
    FeedUnanswered as FeedUnanswered,
    LateFeedEnded as LateFeedEnded,
    LateFeedFound as LateFeedFound,
    LookupFailed as LookupFailed,
    OrderCancelled as OrderCancelled,
    OrderUnreadable as OrderUnreadable,
    PickupJoined as PickupJoined,
    PickupSentTwice as PickupSentTwice,
    PickupSettled as PickupSettled,
    QuotaCorrected as QuotaCorrected,
    SignInEvent as SignInEvent,
    StockDiffers as StockDiffers,
)
from ._models.feeds import (
    BatchTerms as BatchTerms,
    FeedBatch as FeedBatch,
    FeedItem as FeedItem,
    FeedReceipt as FeedReceipt,
    FeedReport as FeedReport,
    FeedState as FeedState,
    FeedStatus as FeedStatus,
    InventoryUpdate as InventoryUpdate,
    ItemKind as ItemKind,
    ItemOutcome as ItemOutcome,
    Outcome as Outcome,
    PickupRequest as PickupRequest,
    QuotaRule as QuotaRule,
    QuotaSeen as QuotaSeen,
)
from ._models.marketplaces import (
    AE as AE,
    EG as EG,
    SA as SA,
    Marketplace as Marketplace,
    MwsCredentials as MwsCredentials,
    PortalCredentials as PortalCredentials,
    SpApiCredentials as SpApiCredentials,
)
from ._models.money import (
    Money as Money,
)
from ._models.notifications import (
    FeedFinished as FeedFinished,
    Notification as Notification,
    OrderChanged as OrderChanged,
    QuantityChanged as QuantityChanged,
)
from ._models.orders import (
    Address as Address,
    AutomatedShippingSettings as AutomatedShippingSettings,
    BuyerRequestedCancel as BuyerRequestedCancel,
    BuyerTaxInfo as BuyerTaxInfo,
    InvoiceData as InvoiceData,
    Order as Order,
    OrderItem as OrderItem,
    OrderPage as OrderPage,
    PaymentExecutionDetail as PaymentExecutionDetail,
    PointsGranted as PointsGranted,
    TaxClassification as TaxClassification,
    TaxCollection as TaxCollection,
    TaxRegistration as TaxRegistration,
    UnreadableOrder as UnreadableOrder,
)
from ._models.pickups import (
    Forecast as Forecast,
    PickupOutcome as PickupOutcome,
    SchedulerStats as SchedulerStats,
)
from ._models.plain import (
    to_dict as to_dict,
)
from ._models.reports import (
    ReportInfo as ReportInfo,
    ReportRequest as ReportRequest,
)
from ._models.responses import (
    Download as Download,
    Page as Page,
    ResponseMeta as ResponseMeta,
    ServiceMessage as ServiceMessage,
    ServiceStatus as ServiceStatus,
)
from ._models.sellers import (
    MarketplaceInfo as MarketplaceInfo,
    Participation as Participation,
    SellerParticipations as SellerParticipations,
)
from ._models.stored import (
    Change as Change,
    ItemState as ItemState,
    QueueStats as QueueStats,
    Receipt as Receipt,
    ReceiptState as ReceiptState,
    StoredBatch as StoredBatch,
    StoredItem as StoredItem,
)
from ._models.submissions import (
    FeedCancellation as FeedCancellation,
    FeedSubmission as FeedSubmission,
)
from ._mws.client import (
    MwsClient as MwsClient,
)
from ._mws.easy_ship_documents import (
    EasyShipDocumentsFeed as EasyShipDocumentsFeed,
)
from ._mws.feed_bodies import (
    CANCEL_REASONS as CANCEL_REASONS,
    CARRIER_CODES as CARRIER_CODES,
    AcknowledgedItem as AcknowledgedItem,
    EasyShipDocumentRequest as EasyShipDocumentRequest,
    FulfilledItem as FulfilledItem,
    OrderAcknowledgement as OrderAcknowledgement,
    OrderFulfillment as OrderFulfillment,
    PickupFormat as PickupFormat,
    easy_ship_document_feed as easy_ship_document_feed,
    inventory_feed as inventory_feed,
    join_feed as join_feed,
    order_acknowledgement_feed as order_acknowledgement_feed,
    order_fulfillment_feed as order_fulfillment_feed,
    schedule_pickup_file as schedule_pickup_file,
)
from ._mws.gateway import (
    MwsGateway as MwsGateway,
)
from ._mws.pickup_routes import (
    EasyShipPickup as EasyShipPickup,
    SchedulePickupFeed as SchedulePickupFeed,
)
from ._mws.report_parsing import (
    ProcessingReport as ProcessingReport,
    ReportRow as ReportRow,
    read_report as read_report,
)
from ._mws.throttles import (
    MWS_THROTTLES as MWS_THROTTLES,
    mws_throttles as mws_throttles,
)
from ._orders.sync import (
    DeadOrder as DeadOrder,
    OrderSync as OrderSync,
    SyncedOrder as SyncedOrder,
)
from ._portal.browser_options import (
    BrowserOptions as BrowserOptions,
)
from ._portal.printer import (
    ChromiumPrinter as ChromiumPrinter,
)
from ._portal.scraper import (
    SellerPortalScraper as SellerPortalScraper,
)
from ._portal.session_store import (
    FileSessionStore as FileSessionStore,
    MemorySessionStore as MemorySessionStore,
    SavedSession as SavedSession,
    SessionStore as SessionStore,
)
from ._portal.site_map import (
    SITE as SITE,
    SiteMap as SiteMap,
)
from ._ports import (
    Clock as Clock,
    DocumentSource as DocumentSource,
    FeedGateway as FeedGateway,
    OrderGateway as OrderGateway,
    PickupRescheduling as PickupRescheduling,
    PickupRoute as PickupRoute,
    Storage as Storage,
)
from ._scheduling import (
    FeedScheduler as FeedScheduler,
    SchedulerTiming as SchedulerTiming,
)
from ._scheduling.pickup_days import (
    PickupCalendar as PickupCalendar,
    PickupDays as PickupDays,
)
from ._scheduling.policy import (
    FeedPolicy as FeedPolicy,
)
from ._spapi.bulk_pickups import (
    EasyShipBulkPickup as EasyShipBulkPickup,
)
from ._spapi.client import (
    SpApiClient as SpApiClient,
)
from ._spapi.documents_feed import (
    SpApiDocumentsFeed as SpApiDocumentsFeed,
)
from ._spapi.easy_ship_bulk import (
    BulkSchedule as BulkSchedule,
    RejectedOrder as RejectedOrder,
)
from ._spapi.gateway import (
    SpApiGateway as SpApiGateway,
)
from ._spapi.models import (
    ListingIssue as ListingIssue,
    ListingsItem as ListingsItem,
    ListingSubmission as ListingSubmission,
    RestrictedToken as RestrictedToken,
    SignedDocument as SignedDocument,
    SpApiFeed as SpApiFeed,
    SpApiReport as SpApiReport,
)
from ._spapi.notifications import (
    read_notification as read_notification,
)
from ._spapi.operations import (
    Operation as Operation,
)
from ._spapi.pickups import (
    HandoverPickup as HandoverPickup,
)
from ._spapi.probe import (
    ProbeLine as ProbeLine,
    ProbeVerdict as ProbeVerdict,
    probe as probe,
)
from ._spapi.stock_audit import (
    StockAudit as StockAudit,
)
from ._spapi.stock_terms import (
    StockRouting as StockRouting,
)
from ._spapi.stock_values import (
    StockFormat as StockFormat,
)
from ._spapi.throttles import (
    spapi_throttles as spapi_throttles,
)
from ._storage.memory import (
    MemoryStorage as MemoryStorage,
)
from ._storage.postgres.store import (
    PostgresStorage as PostgresStorage,
)
from ._storage.sqlite.store import (
    SQLiteStorage as SQLiteStorage,
)
from ._transport.calls import (
    RequestRecord as RequestRecord,
)
from ._transport.pacing import (
    Pacer as Pacer,
)
from ._transport.retries import (
    RetryPolicy as RetryPolicy,
)
from ._transport.throttles import (
    Throttle as Throttle,
    ThrottleTable as ThrottleTable,
)

__version__: str
