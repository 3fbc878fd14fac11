"""Every public name of `amazon_ae.testing`, listed once. `__init__.py` imports each on first access."""

from ._builders import (
    make_item as make_item,
    make_order as make_order,
    make_order_id as make_order_id,
    make_updates as make_updates,
)
from ._clocks import (
    ScaledClock as ScaledClock,
    VirtualClock as VirtualClock,
)
from ._document_contract import (
    check_document_source as check_document_source,
)
from ._fake_portal import (
    FakeSellerPortal as FakeSellerPortal,
)
from ._faulty_network import (
    FaultyNetwork as FaultyNetwork,
    NetworkFaults as NetworkFaults,
)
from ._hosts import (
    HostKilled as HostKilled,
    SimulatedHost as SimulatedHost,
    SimulatedHosts as SimulatedHosts,
)
from ._mws import (
    FAKE_CREDENTIALS as FAKE_CREDENTIALS,
    FAKE_PICKUP_FEED_TYPE as FAKE_PICKUP_FEED_TYPE,
    FakeFeed as FakeFeed,
    FakeMws as FakeMws,
    FeedMessage as FeedMessage,
    MwsFault as MwsFault,
    SeenRequest as SeenRequest,
)
from ._papers import (
    PortalItem as PortalItem,
    PortalOrder as PortalOrder,
    PortalPickup as PortalPickup,
    sample_order as sample_order,
)
from ._sandbox import (
    Sandbox as Sandbox,
    open_sandbox as open_sandbox,
)
from ._seller import (
    FakeListing as FakeListing,
    FakeOrder as FakeOrder,
    FakePackage as FakePackage,
    FakePickup as FakePickup,
    ProcessingTimes as ProcessingTimes,
    SellerState as SellerState,
    StockChange as StockChange,
)
from ._seller_central import (
    Fault as Fault,
    SellerCentralSite as SellerCentralSite,
    SignInForm as SignInForm,
    SiteUser as SiteUser,
)
from ._serving import (
    serve as serve,
    serve_in_thread as serve_in_thread,
)
from ._spapi import (
    FAKE_SPAPI_CREDENTIALS as FAKE_SPAPI_CREDENTIALS,
    FakeNotificationQueue as FakeNotificationQueue,
    FakeSpApi as FakeSpApi,
    FakeSpApiFeed as FakeSpApiFeed,
    FakeSpApiReport as FakeSpApiReport,
    FakeSpApiSettings as FakeSpApiSettings,
    SeenSpApiRequest as SeenSpApiRequest,
    SpApiFault as SpApiFault,
)
from ._storage_contract import (
    STORAGE_CHECKS as STORAGE_CHECKS,
    StorageTrial as StorageTrial,
    check_storage as check_storage,
)
