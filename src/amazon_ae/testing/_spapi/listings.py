"""Listings Items 2021-08-01: patch and get, and what a submission does to a SKU.

Sources: the model; "Merge a listing" (which attributes ``merge`` keeps); models#4554 (no channel code is
``BAD_REQUEST``), models#4841 (no latency without quantity), models#5327 (accepted and never live). Codes from 90000 are
the sandbox's own.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, Final

import attrs

from amazon_ae.testing._seller import SellerState
from amazon_ae.testing._spapi.account import Account
from amazon_ae.testing._spapi.wire import Refused, Reply, Request, instant, invalid, unauthorized

__all__ = ["OPERATIONS", "Issue", "ListingData", "are_patches", "listing_data", "submit_patches"]

_ATTRIBUTE: Final = "fulfillment_availability"
_PREFIX: Final = "/attributes/"
# What a patch without a value leaves: a deleted attribute is nothing to sell.
_EMPTY: Final = {"fulfillment_channel_code": "DEFAULT", "quantity": 0}
_INCLUDED: Final = (
    "summaries",
    "attributes",
    "issues",
    "offers",
    "fulfillmentAvailability",
    "procurement",
    "relationships",
    "productTypes",
)
ListingData = dict[str, Any]


@attrs.frozen
class Issue:
    """One issue with a submission; ``severity`` is ERROR, WARNING or INFO."""

    code: str
    message: str
    severity: str = "ERROR"
    attribute: str = _ATTRIBUTE
    category: str = "INVALID_ATTRIBUTE"

    def data(self) -> dict[str, Any]:
        """As the API writes it."""
        return {
            "code": self.code,
            "message": self.message,
            "severity": self.severity,
            "attributeNames": [self.attribute],
            "categories": [self.category],
        }


def patch_listings_item(account: Account, request: Request) -> Reply:
    """patchListingsItem."""
    sku, mode = _sku(account, request), request.query.get("mode")
    patches = _patches(request.body)
    if patches is None or mode not in (None, "VALIDATION_PREVIEW"):
        raise _bad_request()
    if sku not in account.seller.stock and account.settings.unknown_sku == "bad_request":
        raise Refused(400, "BAD_REQUEST", "Invalid input", f"The SKU {sku} does not exist.")
    issues = submit_patches(account.seller, sku, patches, request.now, source="patch", preview=mode is not None)
    failed = any(issue.severity == "ERROR" for issue in issues)
    accepted = "ACCEPTED" if mode is None else "VALID"
    body: dict[str, Any] = {
        "sku": sku,
        "status": "INVALID" if failed else accepted,
        "submissionId": account.next_submission_id(),
        "issues": [issue.data() for issue in issues],
    }
    if "identifiers" in request.texts("includedData"):
        asins = [{"marketplaceId": account.seller.marketplace.marketplace_id, "asin": _asin(sku)}]
        body["identifiers"] = [] if failed else asins
    return Reply(200, body)


def _patches(body: Any) -> list[dict[str, Any]] | None:
    """The patches of a body; ``None`` where it has none that can be read."""
    product_type = body.get("productType") if isinstance(body, dict) else None
    patches: Any = body.get("patches") if isinstance(body, dict) else None
    return patches if isinstance(product_type, str) and product_type and are_patches(patches) else None


def get_listings_item(account: Account, request: Request) -> Reply:
    """getListingsItem."""
    sku = _sku(account, request)
    if sku not in account.seller.stock:
        raise Refused(
            404, "NOT_FOUND", f"SKU '{sku}' not found in marketplace {request.texts('marketplaceIds')[0]}", ""
        )
    included = request.texts("includedData") or ["summaries"]
    if any(name not in _INCLUDED for name in included):
        raise _bad_request()
    return Reply(200, listing_data(account.seller, sku, included))


def search_listings_items(account: Account, request: Request) -> Reply:
    """searchListingsItems, by SKU identifiers or all of them in the order of their SKUs."""
    _check_seller(account, request)
    included = request.texts("includedData") or ["summaries"]
    size = request.number("pageSize", 10, low=1, high=20)
    wanted = set(request.texts("identifiers"))
    skus = sorted(sku for sku in account.seller.stock if not wanted or sku in wanted)
    after = request.query.get("pageToken", "")
    rest = [sku for sku in skus if sku > after]
    body: dict[str, Any] = {
        "numberOfResults": len(skus),
        "items": [listing_data(account.seller, sku, included) for sku in rest[:size]],
    }
    if len(rest) > size:
        body["pagination"] = {"nextToken": rest[size - 1]}
    return Reply(200, body)


OPERATIONS: Final[dict[str, Callable[[Account, Request], Reply]]] = {
    "patchListingsItem": patch_listings_item,
    "getListingsItem": get_listings_item,
    "searchListingsItems": search_listings_items,
}


def submit_patches(
    seller: SellerState, sku: str, patches: Sequence[dict[str, Any]], now: datetime, *, source: str, preview: bool
) -> list[Issue]:
    """Check patches of one SKU and, if none of the issues is an error, carry them out.

    Raises:
        Refused: ``BAD_REQUEST``: a value without its channel code.
    """
    if sku not in seller.stock:
        return [Issue("13013", f"There is no record of the SKU {sku}.", attribute="sku")]
    refusal = seller.refusal_of(sku)
    if refusal is not None:
        return [Issue(*refusal)]
    changes = [
        (patch["op"], value)
        for patch in patches
        if patch["path"].removeprefix(_PREFIX) == _ATTRIBUTE
        for value in patch.get("value") or [_EMPTY]
    ]
    issues = [issue for _, value in changes for issue in _problems(value)]
    if sku in seller.warnings:
        code, text = seller.warnings[sku]
        issues.append(Issue(code, text, "WARNING"))
    if not preview and all(issue.severity != "ERROR" for issue in issues):
        for op, value in changes:
            _apply(seller, sku, value, now, source=source, keep=op == "merge")
    return issues


def _apply(seller: SellerState, sku: str, value: dict[str, Any], now: datetime, *, source: str, keep: bool) -> None:
    seller.set_stock(
        sku,
        int(value["quantity"]),
        now,
        source=source,
        lead_time_days=value.get("lead_time_to_ship_max_days"),
        restock_date=value.get("restock_date"),
        keep=keep,
    )


def _problems(value: dict[str, Any]) -> list[Issue]:
    if not value.get("fulfillment_channel_code"):
        raise Refused(400, "BAD_REQUEST", "Invalid parameters provided.", "")
    found = []
    quantity = value.get("quantity")
    if not _is_whole(quantity):
        found.append(Issue("90000", f"The quantity {quantity!r} is not a whole number of at least 0."))
    lead_time = value.get("lead_time_to_ship_max_days")
    if lead_time is not None and not _is_whole(lead_time):
        found.append(Issue("90001", f"lead_time_to_ship_max_days {lead_time!r} is not a whole number of at least 0."))
    if not isinstance(value.get("restock_date"), (str, type(None))):
        found.append(Issue("90001", "restock_date is not a date."))
    return found


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def are_patches(patches: object) -> bool:
    """Whether this is a list of patches as the model has them."""
    return isinstance(patches, list) and bool(patches) and all(_is_patch(patch) for patch in patches)


def _is_patch(patch: object) -> bool:
    if not isinstance(patch, dict) or patch.get("op") not in ("add", "replace", "merge", "delete"):
        return False
    prefix, _, name = str(patch.get("path", "")).rpartition("/")
    value = patch.get("value", [])
    if f"{prefix}/" != _PREFIX or not name or not isinstance(value, list):
        return False
    return all(isinstance(row, dict) for row in value)


def listing_data(seller: SellerState, sku: str, included: Sequence[str]) -> ListingData:
    """A listing as getListingsItem writes it."""
    marketplace_id = seller.marketplace.marketplace_id
    listing = seller.listings[sku]
    changed = instant(listing.updated_at or seller.now())
    data: ListingData = {"sku": sku}
    if "summaries" in included:
        data["summaries"] = [
            {
                "marketplaceId": marketplace_id,
                "asin": _asin(sku),
                "productType": "PRODUCT",
                "conditionType": "new_new",
                "status": ["BUYABLE", "DISCOVERABLE"] if seller.stock[sku] else ["DISCOVERABLE"],
                "itemName": f"Sample article {sku}",
                "createdDate": "2021-01-01T00:00:00Z",
                "lastUpdatedDate": changed,
            }
        ]
    if "attributes" in included:
        row: dict[str, Any] = {"fulfillment_channel_code": "DEFAULT", "quantity": listing.quantity}
        if listing.lead_time_days is not None:
            row["lead_time_to_ship_max_days"] = listing.lead_time_days
        if listing.restock_date is not None:
            row["restock_date"] = listing.restock_date
        data["attributes"] = {_ATTRIBUTE: [{**row, "marketplace_id": marketplace_id}]}
    if "issues" in included:
        warned = seller.warnings.get(sku)
        data["issues"] = [Issue(*warned, "WARNING").data()] if warned else []
    if "fulfillmentAvailability" in included:
        data["fulfillmentAvailability"] = [{"fulfillmentChannelCode": "DEFAULT", "quantity": seller.stock[sku]}]
    if "productTypes" in included:
        data["productTypes"] = [{"marketplaceId": marketplace_id, "productType": "PRODUCT"}]
    return data


def _asin(sku: str) -> str:
    return f"B0{int.from_bytes(sku.encode(), 'big') % 100_000_000:08d}"


def _sku(account: Account, request: Request) -> str:
    _check_seller(account, request)
    return request.parts["sku"]


def _check_seller(account: Account, request: Request) -> None:
    if request.parts["sellerId"] != account.seller.seller_id:
        raise unauthorized()
    marketplaces = request.texts("marketplaceIds")
    if not marketplaces:
        raise invalid("'marketplaceIds' is required.")
    if account.seller.marketplace.marketplace_id not in marketplaces:
        raise unauthorized()


def _bad_request() -> Refused:
    return Refused(400, "BAD_REQUEST", "Invalid parameters provided.", "")
