"""Sellers, Easy Ship and Reports: what is asked and what is understood."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import httpx
import pytest
from mws_support import NOW, ORDER_ID, Amazon, client_of, envelope, error

from amazon_ae._exceptions import (
    ConfigurationError,
    InvalidRequest,
    OutcomeUnknown,
    RegionNotSupported,
    UnreadableResponse,
)
from amazon_ae._models.easy_ship import PackageDimensions, PackageItem, PackageWeight, PickupSlot
from amazon_ae._mws.client import MwsClient
from amazon_ae._mws.easy_ship import ALREADY_SCHEDULED, NEEDS_NEW_SLOTS
from amazon_ae._mws.signing import content_md5

BOX = PackageDimensions(Decimal("30.50"), Decimal(20), Decimal("1E+1"))
GRAMS = PackageWeight(Decimal("1250"))
START = datetime(2021, 11, 19, 6, tzinfo=UTC)
SLOT = PickupSlot(slot_id="Xyt+/=", pickup_time_start=START, pickup_time_end=START + timedelta(hours=2))
PACKAGE = (
    f"<ScheduledPackageId><AmazonOrderId>{ORDER_ID}</AmazonOrderId><PackageId>p-1</PackageId></ScheduledPackageId>"
    "<PackageDimensions><Length>30.5</Length><Width>20</Width><Height>10</Height><Unit>cm</Unit></PackageDimensions>"
    "<PackageWeight><Value>1250</Value><Unit>g</Unit></PackageWeight><{items}><Item><OrderItemId>68</OrderItemId>"
    "<OrderItemSerialNumberList><member>S1</member><member>S2</member></OrderItemSerialNumberList></Item></{items}>"
    "<PackagePickupSlot><SlotId>Xyt</SlotId><PickupTimeStart>2021-11-19T10:00:00.50+04:00</PickupTimeStart>"
    "</PackagePickupSlot><PackageIdentifier>BENCH-7</PackageIdentifier><Invoice><InvoiceNumber>AE-1</InvoiceNumber>"
    "<InvoiceDate>2021-11-18T09:00:00Z</InvoiceDate></Invoice><PackageStatus>ReadyForPickup</PackageStatus>"
)


def sent(params: dict[str, str]) -> dict[str, str]:
    """Without the common ones."""
    common = {
        "AWSAccessKeyId",
        "MWSAuthToken",
        "SellerId",
        "Signature",
        "SignatureMethod",
        "SignatureVersion",
        "Timestamp",
    }
    return {name: value for name, value in params.items() if name not in common | {"Version", "Action"}}


async def test_slots_are_asked_for_with_value_and_unit_the_right_way_round() -> None:
    """The reference's example swaps them; decimals travel without exponent."""
    amazon = Amazon(
        envelope(
            "ListPickupSlots",
            f"<AmazonOrderId>{ORDER_ID}</AmazonOrderId><PickupSlotList>"
            "<PickupSlot><SlotId>late</SlotId><PickupTimeStart>2021-11-20T14:00:00+04:00</PickupTimeStart></PickupSlot>"
            "<PickupSlot><SlotId>early</SlotId><PickupTimeStart>2021-11-19T10:00:00+04:00</PickupTimeStart></PickupSlot>"
            "<PickupSlot><SlotId>timeless</SlotId></PickupSlot></PickupSlotList>",
        )
    )
    slots = await client_of(amazon).easy_ship.list_pickup_slots(ORDER_ID, dimensions=BOX, weight=GRAMS)
    assert sent(amazon.asked[0]) == {
        "AmazonOrderId": ORDER_ID,
        "MarketplaceId": "A2VIGQ35RCS4UG",
        "PackageDimensions.Length": "30.50",
        "PackageDimensions.Width": "20",
        "PackageDimensions.Height": "10",
        "PackageDimensions.Unit": "cm",
        "PackageWeight.Value": "1250",
        "PackageWeight.Unit": "g",
    }
    assert [slot.slot_id for slot in slots.slots] == ["late", "early", "timeless"]
    assert slots.slots[1].pickup_time_start == START
    assert slots.earliest(not_before=NOW) == slots.slots[1]
    assert slots.earliest(not_before=START) == slots.slots[1]
    assert slots.earliest(not_before=START + timedelta(seconds=1)) == slots.slots[0]
    assert slots.earliest(not_before=NOW + timedelta(days=9)) is None
    assert (slots.amazon_order_id, slots.meta.request_id) == (ORDER_ID, "req-1")


@pytest.mark.parametrize("items", ["PackageItemList", "PackageItemsList"])
async def test_a_package_is_booked_and_read_with_all_its_parts(items: str) -> None:
    """Both names of the item list are understood."""
    content = f"<ScheduledPackage>{PACKAGE.format(items=items)}</ScheduledPackage>"
    amazon = Amazon(envelope("CreateScheduledPackage", content))
    package = await client_of(amazon).easy_ship.create_scheduled_package(
        ORDER_ID,
        SLOT,
        dimensions=BOX,
        weight=GRAMS,
        items=[PackageItem(order_item_id="68", serial_numbers=("S1", "S2")), PackageItem(order_item_id="69")],
        package_identifier="BENCH-7",
    )
    prefix = "PackageRequestDetails."
    assert {name.removeprefix(prefix): value for name, value in sent(amazon.asked[0]).items()} == {
        "AmazonOrderId": ORDER_ID,
        "MarketplaceId": "A2VIGQ35RCS4UG",
        "PackageDimensions.Length": "30.50",
        "PackageDimensions.Width": "20",
        "PackageDimensions.Height": "10",
        "PackageDimensions.Unit": "cm",
        "PackageWeight.Value": "1250",
        "PackageWeight.Unit": "g",
        "PackageItemList.Item.1.OrderItemId": "68",
        "PackageItemList.Item.1.OrderItemSerialNumberList.member.1": "S1",
        "PackageItemList.Item.1.OrderItemSerialNumberList.member.2": "S2",
        "PackageItemList.Item.2.OrderItemId": "69",
        "PackagePickupSlot.SlotId": "Xyt+/=",
        "PackagePickupSlot.PickupTimeStart": "2021-11-19T06:00:00Z",
        "PackagePickupSlot.PickupTimeEnd": "2021-11-19T08:00:00Z",
        "PackageIdentifier": "BENCH-7",
    }
    assert (package.amazon_order_id, package.package_id, package.package_status) == (ORDER_ID, "p-1", "ReadyForPickup")
    assert package.package_dimensions == PackageDimensions(Decimal("30.5"), Decimal(20), Decimal(10))
    assert package.package_weight == PackageWeight(Decimal(1250))
    assert package.package_items == (PackageItem(order_item_id="68", serial_numbers=("S1", "S2")),)
    assert package.package_pickup_slot is not None
    assert package.package_pickup_slot.pickup_time_start == START + timedelta(milliseconds=500)
    assert package.invoice is not None
    assert (package.invoice.invoice_number, package.invoice.invoice_date) == ("AE-1", NOW)
    assert package.package_identifier == "BENCH-7"


async def test_a_slot_may_be_given_by_its_id_alone() -> None:
    """And an answer with the least of a package is enough."""
    least = f"<ScheduledPackageId><AmazonOrderId>{ORDER_ID}</AmazonOrderId></ScheduledPackageId>"
    amazon = Amazon(envelope("CreateScheduledPackage", f"<ScheduledPackage>{least}</ScheduledPackage>"))
    package = await client_of(amazon).easy_ship.create_scheduled_package(ORDER_ID, "slot-1")
    assert set(sent(amazon.asked[0])) == {
        "AmazonOrderId", "MarketplaceId", "PackageRequestDetails.PackagePickupSlot.SlotId",
    }  # fmt: skip
    assert (package.package_weight, package.package_items, package.package_pickup_slot) == (None, (), None)


async def test_a_booking_without_a_package_in_its_answer_is_unknown() -> None:
    """It may be booked."""
    with pytest.raises(OutcomeUnknown):
        await client_of(Amazon(envelope("CreateScheduledPackage", ""))).easy_ship.create_scheduled_package(
            ORDER_ID, "s"
        )


async def test_a_package_is_looked_up_and_moved() -> None:
    """The list's element may be named as Amazon's Java client names it: UNVERIFIED which one the server takes."""
    package = PACKAGE.format(items="PackageItemList")
    amazon = Amazon(
        envelope("GetScheduledPackage", f"<ScheduledPackage>{package}</ScheduledPackage>"),
        envelope(
            "UpdateScheduledPackages", f"<ScheduledPackageList><Package>{package}</Package></ScheduledPackageList>"
        ),
        envelope("UpdateScheduledPackages", "<ScheduledPackageList/>"),
    )
    easy_ship = client_of(amazon).easy_ship
    assert (await easy_ship.get_scheduled_package(ORDER_ID)).package_id == "p-1"
    (moved,) = await easy_ship.update_scheduled_packages(ORDER_ID, "p-1", SLOT)
    assert moved.package_identifier == "BENCH-7"
    assert await easy_ship.update_scheduled_packages(ORDER_ID, "p-1", "s", member="ScheduledPackageUpdateDetails") == ()
    looked_up, update, other = (sent(params) for params in amazon.asked)
    assert looked_up == {"ScheduledPackageId.AmazonOrderId": ORDER_ID, "MarketplaceId": "A2VIGQ35RCS4UG"}
    prefix = "ScheduledPackageUpdateDetailsList.PackageUpdateDetails.1."
    assert update == {
        "MarketplaceId": "A2VIGQ35RCS4UG",
        f"{prefix}ScheduledPackageId.AmazonOrderId": ORDER_ID,
        f"{prefix}ScheduledPackageId.PackageId": "p-1",
        f"{prefix}PackagePickupSlot.SlotId": "Xyt+/=",
        f"{prefix}PackagePickupSlot.PickupTimeStart": "2021-11-19T06:00:00Z",
        f"{prefix}PackagePickupSlot.PickupTimeEnd": "2021-11-19T08:00:00Z",
    }
    assert "ScheduledPackageUpdateDetailsList.ScheduledPackageUpdateDetails.1.PackagePickupSlot.SlotId" in other


async def test_easy_ships_refusals_keep_their_codes() -> None:
    """Elsewhere than in India, already booked (in both spellings), slot gone."""
    for code, status in (
        ("RegionNotSupported", 404),
        ("SchedulesdPackageAlreadyExists", 400),
        ("PickupSlotNotAvailable", 404),
    ):
        with pytest.raises(InvalidRequest) as caught:
            await client_of(Amazon(error(code, status))).easy_ship.create_scheduled_package(ORDER_ID, "s")
        assert caught.value.code == code
        assert isinstance(caught.value, RegionNotSupported) is (code == "RegionNotSupported")
    assert {"SchedulesdPackageAlreadyExists", "ScheduledPackageAlreadyExists"} == ALREADY_SCHEDULED
    assert {"PickupSlotNotAvailable", "RetryableAfterGettingNewSlots"} <= NEEDS_NEW_SLOTS


@pytest.mark.parametrize(
    "broken",
    [
        lambda c: PackageDimensions(Decimal(0), Decimal(1), Decimal(1)),
        lambda c: PackageDimensions(Decimal(1), Decimal("NaN"), Decimal(1)),
        lambda c: PackageWeight(Decimal(-1)),
        lambda c: PackageWeight(1.5),  # type: ignore[arg-type]
        lambda c: c.easy_ship.create_scheduled_package("1", "s"),
        lambda c: c.easy_ship.create_scheduled_package(ORDER_ID, ""),
        lambda c: c.easy_ship.update_scheduled_packages(ORDER_ID, "", "s"),
        lambda c: c.reports.request(""),
        lambda c: c.reports.request("_X_", end_date=NOW + timedelta(seconds=1)),
        lambda c: c.reports.request("_X_", start_date=NOW, end_date=NOW - timedelta(days=1)),
        lambda c: c.reports.get(""),
        lambda c: c.reports.list(max_count=101).all(),
        lambda c: c.reports.requests(report_request_ids=["1"], statuses=["_DONE_"]).all(),
    ],
)
async def test_a_broken_rule_sends_nothing(broken: Any) -> None:
    """Measures, ids, windows."""
    amazon = Amazon(b"")
    with pytest.raises(ConfigurationError):
        await broken(client_of(amazon))
    assert not amazon.asked


def participations(marketplace: str, token: str = "") -> bytes:
    return envelope(
        "ListMarketplaceParticipations",
        f"{token}<ListParticipations><Participation><MarketplaceId>{marketplace}</MarketplaceId><SellerId>A1</SellerId>"
        "<HasSellerSuspendedListings>No</HasSellerSuspendedListings></Participation></ListParticipations>"
        f"<ListMarketplaces><Marketplace><MarketplaceId>{marketplace}</MarketplaceId><Name>Amazon.ae</Name>"
        "<DefaultCountryCode>AE</DefaultCountryCode><DefaultCurrencyCode>AED</DefaultCurrencyCode>"
        "<DefaultLanguageCode>ar_AE</DefaultLanguageCode><DomainName>www.amazon.ae</DomainName></Marketplace>"
        "</ListMarketplaces>",
    )


async def test_a_seller_is_told_where_it_may_sell() -> None:
    """All pages together; a corrupted token starts again and doubles nothing."""
    token = "<NextToken>t</NextToken>"
    amazon = Amazon(
        participations("A2VIGQ35RCS4UG", token), error("NextTokenCorrupted", 400),
        participations("A2VIGQ35RCS4UG", token), participations("ARBP9OOSHTCHU"),
    )  # fmt: skip
    found = await client_of(amazon).sellers.participations()
    assert [one.marketplace_id for one in found.participations] == ["A2VIGQ35RCS4UG", "ARBP9OOSHTCHU"]
    assert found.participates("A2VIGQ35RCS4UG")
    assert not found.participates("ATVPDKIKX0DER")
    assert found.participations[0].has_seller_suspended_listings is False
    market = found.marketplaces[0]
    assert (market.default_currency_code, market.default_language_code, market.domain_name) == (
        "AED",
        "ar_AE",
        "www.amazon.ae",
    )
    assert amazon.actions[1:] == [
        "ListMarketplaceParticipationsByNextToken", "ListMarketplaceParticipations",
        "ListMarketplaceParticipationsByNextToken",
    ]  # fmt: skip
    with pytest.raises(InvalidRequest, match="NextTokenCorrupted"):
        await client_of(
            Amazon(lambda p: error("NextTokenCorrupted", 400) if "NextToken" in p else participations("A", token))
        ).sellers.participations()


async def test_a_sellers_pages_that_lead_back_end_in_an_error() -> None:
    """The same token for ever would be followed for ever, one request a minute."""
    amazon = Amazon(participations("A2VIGQ35RCS4UG", "<NextToken>t</NextToken>"))
    with pytest.raises(UnreadableResponse, match="leads back"):
        await client_of(amazon).sellers.participations()
    assert len(amazon.asked) == 2


async def test_a_report_is_requested_followed_and_fetched() -> None:
    """The way of a pickup report."""
    info = (
        "<ReportRequestInfo><ReportRequestId>229</ReportRequestId><ReportType>_GET_EASYSHIP_PICKEDUP_</ReportType>"
        "<Scheduled>false</Scheduled><SubmittedDate>2021-11-18T09:00:00+00:00</SubmittedDate>"
        "<ReportProcessingStatus>{}</ReportProcessingStatus>{}</ReportRequestInfo>"
    )
    pdf = b"%PDF-1.4 ..."
    amazon = Amazon(
        envelope("RequestReport", info.format("_SUBMITTED_", "")),
        envelope(
            "GetReportRequestList", "<HasNext>true</HasNext><NextToken>t</NextToken>" + info.format("_IN_PROGRESS_", "")
        ),
        envelope(
            "GetReportRequestListByNextToken",
            "<HasNext>false</HasNext>"
            + info.replace("229", "230").format("_DONE_", "<GeneratedReportId>353</GeneratedReportId>"),
        ),
        envelope(
            "GetReportList",
            "<HasNext>false</HasNext><ReportInfo><ReportId>353</ReportId><ReportType>_X_</ReportType>"
            "<AvailableDate>2021-11-18T09:00:00+00:00</AvailableDate><Acknowledged>false</Acknowledged></ReportInfo>",
        ),
        httpx.Response(200, content=pdf[:5], headers={"Content-MD5": content_md5(pdf)}),
        httpx.Response(200, content=pdf, headers={"Content-MD5": content_md5(pdf), "Content-Type": "application/pdf"}),
    )
    reports = client_of(amazon).reports
    request = await reports.request("_GET_EASYSHIP_PICKEDUP_", start_date=NOW - timedelta(days=1), end_date=NOW)
    assert (request.report_request_id, request.scheduled, request.generated_report_id) == ("229", False, None)
    requests = await reports.requests(statuses=["_DONE_", "_IN_PROGRESS_"]).all()
    assert [one.generated_report_id for one in requests] == [None, "353"]
    (listed,) = await reports.list(report_request_ids=["229"], acknowledged=False).all()
    assert (listed.report_id, listed.acknowledged, listed.available_date) == ("353", False, NOW)
    download = await reports.get("353")
    assert (download.content, download.content_type) == (pdf, "application/pdf")
    assert amazon.actions == [
        "RequestReport", "GetReportRequestList", "GetReportRequestListByNextToken", "GetReportList", "GetReport",
        "GetReport",
    ]  # fmt: skip
    assert sent(amazon.asked[0]) == {
        "ReportType": "_GET_EASYSHIP_PICKEDUP_", "StartDate": "2021-11-17T09:00:00Z", "EndDate": "2021-11-18T09:00:00Z",
        "MarketplaceIdList.Id.1": "A2VIGQ35RCS4UG",
    }  # fmt: skip
    assert amazon.asked[3]["Acknowledged"] == "false"


async def test_a_read_that_lacks_what_it_is_about_is_unreadable() -> None:
    """A package without an order, a report without an id."""
    reads: list[tuple[bytes, Callable[[MwsClient], Awaitable[object]]]] = [
        (envelope("GetScheduledPackage", "<ScheduledPackage/>"), lambda c: c.easy_ship.get_scheduled_package(ORDER_ID)),
        (envelope("GetReportList", "<HasNext>false</HasNext><ReportInfo/>"), lambda c: c.reports.list().all()),
    ]
    for body, ask in reads:
        with pytest.raises(UnreadableResponse):
            await ask(client_of(Amazon(body)))
