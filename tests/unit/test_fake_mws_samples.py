"""``FakeMws`` beside recorded and official answers: the same namespaces, and elements in the same order.

The samples are data beside the checkout; without ``--samples`` these tests skip.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from pathlib import Path
from xml.etree import ElementTree

import attrs
import pytest
from test_fake_mws import call, first, inventory, submit

from amazon_ae._models.orders import Address, BuyerTaxInfo, TaxClassification
from amazon_ae.testing._builders import make_item, make_order, make_order_id
from amazon_ae.testing._clocks import VirtualClock
from amazon_ae.testing._mws import FakeMws
from amazon_ae.testing._mws.wire import Answer

MARKET = "A2VIGQ35RCS4UG"
ORDER = make_order_id(1)
SIZE = {
    "PackageDimensions.Length": "30",
    "PackageDimensions.Width": "20",
    "PackageDimensions.Height": "10",
    "PackageDimensions.Unit": "cm",
}


@pytest.fixture
def fake() -> FakeMws:
    fake = FakeMws(clock=VirtualClock(autojump=False), easy_ship_api=True)
    item = make_item()
    order = attrs.evolve(
        make_order(ORDER, items=[item]),
        shipped_by_amazon_tfm=False,
        is_premium_order=False,
        buyer_tax_info=BuyerTaxInfo(taxing_region="AE", tax_classifications=(TaxClassification("VATNumber", "1"),)),
        shipping_address=Address(
            name="N",
            address_line1="1",
            address_line2="2",
            city="Dubai",
            state_or_region="S",
            postal_code="0",
            country_code="AE",
            phone="1",
        ),
    )
    fake.add_order(order, [item])
    fake.add_order(attrs.evolve(order, amazon_order_id=make_order_id(2)), [item])
    fake.add_sku("S")
    return fake


def list_orders(fake: FakeMws) -> Answer:
    return call(fake, "Orders", "ListOrders", {"CreatedAfter": "2021-11-01", "MarketplaceId.Id.1": MARKET})


def list_no_orders(fake: FakeMws) -> Answer:
    fake.orders.clear()
    return list_orders(fake)


def feed_list(fake: FakeMws) -> Answer:
    submit(fake, inventory(("S", 1)))
    fake.clock.jump(60)  # type: ignore[attr-defined]
    submit(fake, inventory(("S", 2)))
    return call(fake, "Feeds", "GetFeedSubmissionList")


def cancelled(fake: FakeMws) -> Answer:
    submit(fake, inventory(("S", 1)))
    submit(fake, inventory(("S", 2)))
    return call(fake, "Feeds", "CancelFeedSubmissions")


def processing_report(fake: FakeMws) -> Answer:
    submit(fake, inventory(("S", 1), ("X", 1)))
    fake.clock.jump(60)  # type: ignore[attr-defined]
    return call(fake, "Feeds", "GetFeedSubmissionResult", {"FeedSubmissionId": fake.feeds[0].feed_id})


def slots(fake: FakeMws) -> Answer:
    given = {"AmazonOrderId": ORDER, "MarketplaceId": MARKET, "PackageWeight.Value": "500", "PackageWeight.Unit": "g"}
    return call(fake, "EasyShip", "ListPickupSlots", {**given, **SIZE})


def package(fake: FakeMws) -> Answer:
    slot = first(slots(fake).body, "SlotId")
    prefix = "PackageRequestDetails."
    given = {f"{prefix}{name}": value for name, value in SIZE.items()}
    given |= {f"{prefix}PackageWeight.Value": "500", f"{prefix}PackageWeight.Unit": "g"}
    given |= {"AmazonOrderId": ORDER, "MarketplaceId": MARKET, f"{prefix}PackagePickupSlot.SlotId": slot}
    return call(fake, "EasyShip", "CreateScheduledPackage", given)


def requested_report(fake: FakeMws) -> Answer:
    return call(fake, "Reports", "RequestReport", {"ReportType": "_GET_EASYSHIP_WAITING_FOR_PICKUP_"})


def report_requests(fake: FakeMws) -> Answer:
    fake.schedule_pickup(ORDER, date(2021, 11, 19))
    requested_report(fake)
    fake.clock.jump(60)  # type: ignore[attr-defined]
    return call(fake, "Reports", "GetReportRequestList")


def report_list(fake: FakeMws) -> Answer:
    report_requests(fake)
    return call(fake, "Reports", "GetReportList")


def unknown_key(fake: FakeMws) -> Answer:
    return call(fake, "Orders", "GetOrder", {"AmazonOrderId.Id.1": "bar"}, AWSAccessKeyId="foo")


RECORDED: dict[str, Callable[[FakeMws], Answer]] = {
    "peddler_http/orders_list_orders_eu.http": list_orders,
    "peddler_http/orders_list_orders_empty.http": list_no_orders,
    "peddler_http/orders_get_order.http": lambda fake: call(fake, "Orders", "GetOrder", {"AmazonOrderId.Id.1": ORDER}),
    "peddler_http/orders_get_service_status.http": lambda fake: call(fake, "Orders", "GetServiceStatus"),
    "peddler_http/sellers_get_service_status_eu.http": lambda fake: call(fake, "Sellers", "GetServiceStatus"),
    "peddler_http/easyship_get_service_status_eu.http": lambda fake: call(fake, "EasyShip", "GetServiceStatus"),
    "peddler_http/feeds_submit_feed_flat_us.http": lambda fake: submit(fake, inventory(("S", 1))),
    "peddler_http/feeds_get_feed_submission_list_paged.http": feed_list,
    "peddler_http/feeds_get_feed_submission_count.http": lambda fake: call(fake, "Feeds", "GetFeedSubmissionCount"),
    "peddler_http/cancel_feed_submissions_mixed_TRIMMED.xml": cancelled,
    "peddler_http/errors_invalid_access_key_id_403.http": unknown_key,
    "processing_reports/interchange_00_error_6024_6025_6026.xml": processing_report,
    "docs/ListMarketplaceParticipations.response.xml": lambda fake: call(
        fake, "Sellers", "ListMarketplaceParticipations"
    ),
    "amazon_java_sdk/orders_ListOrderItemsResponse.xml": lambda fake: call(
        fake, "Orders", "ListOrderItems", {"AmazonOrderId": ORDER}
    ),
    "amazon_java_sdk/easyship_ListPickupSlotsResponse.xml": slots,
    "docs/CreateScheduledPackage.response.xml": package,
    "docs/RequestReport.response.xml": requested_report,
    "docs/GetReportRequestList.response.xml": report_requests,
    "docs/GetReportList.response.xml": report_list,
}
# Where the sample is a document's example, its namespace is not the one of real answers (reference, sections 4 to 7).
OTHER_NAMESPACE = ("docs/CreateScheduledPackage", "docs/GetReport", "amazon_java_sdk/orders_ListOrderItems")


def body_of(sample: Path) -> bytes:
    text = sample.read_bytes()
    return text[text.rindex(b"<?xml") :] if sample.suffix == ".http" else text


def shape(body: bytes) -> tuple[str, dict[str, list[str]]]:
    """The root's namespace, and for each element the names of its children in order, each once."""
    root = ElementTree.fromstring(body)
    orders: dict[str, list[str]] = {}
    for parent in root.iter():
        names = orders.setdefault(local(parent.tag), [])
        for child in parent:
            if local(child.tag) not in names:
                names.append(local(child.tag))
    return root.tag.partition("}")[0].lstrip("{"), orders


def local(tag: str) -> str:
    return tag.rpartition("}")[2]


@pytest.mark.parametrize("name", RECORDED)
def test_an_answer_has_the_shape_of_its_sample(fake: FakeMws, samples: Path, name: str) -> None:
    """The same root and namespace; what both have stands in the same order under the same parent."""
    namespace, wanted = shape(body_of(samples / name))
    answer = RECORDED[name](fake)
    ours, found = shape(answer.body)
    if not name.startswith(OTHER_NAMESPACE):
        assert ours == namespace
    common = wanted.keys() & found.keys()
    assert len(common) >= 3
    for parent in common:
        both = set(wanted[parent]) & set(found[parent])
        assert [child for child in found[parent] if child in both] == [
            child for child in wanted[parent] if child in both
        ], parent
    assert next(iter(found)) == next(iter(wanted))
