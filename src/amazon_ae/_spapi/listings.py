"""Listings Items 2021-08-01: stock as sent and as shown.

Source: ``listingsItems_2021-08-01.json``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from amazon_ae._exceptions import ConfigurationError, UnreadableResponse
from amazon_ae._models.checks import check_count, check_text, listed
from amazon_ae._models.feeds import InventoryUpdate
from amazon_ae._models.responses import ResponseMeta
from amazon_ae._spapi.calls import SpApiCall, SpApiExecutor
from amazon_ae._spapi.errors import scrub
from amazon_ae._spapi.models import ListingIssue, ListingsItem, ListingSubmission
from amazon_ae._spapi.operations import find_operation
from amazon_ae._spapi.stock_values import StockFormat
from amazon_ae._spapi.values import Node, every, integer, node, nodes, same, same_name, text, texts
from amazon_ae._transport.calls import WaitPolicy

__all__ = ["Listings"]

_PATCH: Final = find_operation("patchListingsItem")
_GET: Final = find_operation("getListingsItem")
_SEARCH: Final = find_operation("searchListingsItems")
_MOST_SKUS: Final = 20


class Listings:
    """The listings of one seller in one marketplace."""

    def __init__(self, calls: SpApiExecutor, *, seller_id: str, marketplace_id: str) -> None:
        self._calls = calls
        self._seller_id = seller_id
        self._marketplace_id = marketplace_id

    async def patch(
        self,
        sku: str,
        patches: Sequence[Mapping[str, Any]],
        *,
        product_type: str = "PRODUCT",
        preview: bool = False,
        issue_locale: str = "en_US",
        wait: bool = True,
        deadline: datetime | timedelta | None = None,
    ) -> ListingSubmission:
        """patchListingsItem: change whole attributes of one SKU. The patches are absolute, so it may be sent again.

        Args:
            sku: any text; it is encoded.
            patches: ``{"op": ..., "path": "/attributes/...", "value": [...]}``.
            preview: only have it validated: nothing changes, and the status is ``VALID`` or ``INVALID``.
            wait, deadline: how long a slot (5 a second) may be waited for.

        Returns:
            Look at ``status``: ``INVALID`` comes without an error. ``ACCEPTED`` is queued; ``get`` shows what is live.

        Raises:
            InvalidRequest: Amazon refused the request: fix it.
            AccessDenied: the role "Product Listing" is missing, or the seller did not authorise it.
            AmazonAeError: as every call.
        """
        body = {"productType": product_type, "patches": list(patches)}
        return await self._send(sku, body, preview, issue_locale, WaitPolicy(wait=wait, deadline=deadline))

    async def patch_stock(
        self,
        update: InventoryUpdate,
        *,
        form: StockFormat | None = None,
        preview: bool = False,
        wait: bool = True,
        deadline: datetime | timedelta | None = None,
    ) -> ListingSubmission:
        """patchListingsItem for the stock of one SKU; see ``patch``.

        Args:
            form: how stock is written; see ``StockFormat``.
        """
        form = form or StockFormat()
        policy = WaitPolicy(wait=wait, deadline=deadline)
        return await self._send(update.sku, form.patch_body(update), preview, form.issue_locale, policy)

    async def get(
        self,
        sku: str,
        *,
        included: Sequence[str] = ("summaries", "fulfillmentAvailability", "issues"),
        issue_locale: str = "en_US",
        wait: bool = True,
        deadline: datetime | timedelta | None = None,
    ) -> ListingsItem:
        """getListingsItem: one SKU as Amazon shows it.

        Args:
            included: which of Amazon's data sets; ``fulfillmentAvailability`` has the live quantity.

        Raises:
            InvalidRequest: code ``NOT_FOUND``: Amazon does not know the SKU.
            AmazonAeError: as every call.
        """
        call = SpApiCall(
            row=_GET,
            fields=self._fields(sku),
            query={
                "marketplaceIds": [self._marketplace_id],
                "issueLocale": issue_locale,
                "includedData": listed("included", included),
            },
        )

        def read(body: Any, meta: ResponseMeta) -> ListingsItem:
            same(text(node(body).get("sku")), sku, "SKU")
            return _read_item(body, meta)

        return await self._calls.json(call, read, WaitPolicy(wait=wait, deadline=deadline))

    async def search(
        self,
        skus: Sequence[str],
        *,
        included: Sequence[str] = ("fulfillmentAvailability",),
        issue_locale: str = "en_US",
        wait: bool = True,
        deadline: datetime | timedelta | None = None,
    ) -> tuple[ListingsItem, ...]:
        """searchListingsItems by SKU, up to 20 in one request; those that Amazon does not know are left out.

        Args:
            skus: without commas, since Amazon would take one SKU for two. Use ``get`` for a SKU with a comma.
        """
        check_count("skus", listed("skus", skus), most=_MOST_SKUS)
        if strange := [sku for sku in skus if "," in sku]:
            raise ConfigurationError(f"searchListingsItems cannot look for a SKU with a comma: {strange[0]!r}; use get")
        call = SpApiCall(
            row=_SEARCH,
            fields={"sellerId": self._seller_id},
            query={
                "marketplaceIds": [self._marketplace_id],
                "issueLocale": issue_locale,
                "includedData": listed("included", included),
                "identifiers": list(skus),
                "identifiersType": "SKU",
                "pageSize": _MOST_SKUS,
            },
        )

        def read(body: Any, meta: ResponseMeta) -> tuple[ListingsItem, ...]:
            found = _read_items(body, meta)
            for item in found:
                if not any(same_name(item.sku, sku) for sku in skus):
                    raise UnreadableResponse("the answer is about another SKU than the asked ones")
            return found

        return await self._calls.json(call, read, WaitPolicy(wait=wait, deadline=deadline))

    def _fields(self, sku: str) -> dict[str, str]:
        return {"sellerId": self._seller_id, "sku": check_text("sku", sku)}

    async def _send(self, sku: str, body: object, preview: bool, locale: str, policy: WaitPolicy) -> ListingSubmission:
        query = {"marketplaceIds": [self._marketplace_id], "issueLocale": locale, "includedData": ["issues"]}
        if preview:
            query["mode"] = "VALIDATION_PREVIEW"
        call = SpApiCall(row=_PATCH, fields=self._fields(sku), query=query, body=body)

        def read(body: Any, meta: ResponseMeta) -> ListingSubmission:
            same(text(node(body).get("sku")), sku, "SKU")
            return _read_submission(body, meta)

        return await self._calls.json(call, read, policy)


def _read_submission(body: Any, meta: ResponseMeta) -> ListingSubmission:
    status = text(node(body).get("status"))
    if status is None:
        raise UnreadableResponse("patchListingsItem: an answer without status", request_id=meta.request_id)
    return ListingSubmission(
        sku=text(node(body).get("sku")) or "",
        status=status,
        submission_id=text(node(body).get("submissionId")),
        issues=_issues(body),
        meta=meta,
    )


def _read_items(body: Any, meta: ResponseMeta) -> tuple[ListingsItem, ...]:
    return tuple(_read_item(each, meta) for each in every(body, "items", "an answer"))


def _read_item(body: Any, meta: ResponseMeta) -> ListingsItem:
    sku = text(node(body).get("sku"))
    if sku is None:
        raise UnreadableResponse("a listing without sku", request_id=meta.request_id)
    summary: Node = next(iter(nodes(body, "summaries")), {})
    quantities = {
        channel: quantity
        for each in nodes(body, "fulfillmentAvailability")
        if (channel := text(each.get("fulfillmentChannelCode"))) is not None
        and (quantity := integer(each.get("quantity"))) is not None
    }
    return ListingsItem(
        sku=sku,
        asin=text(summary.get("asin")),
        title=text(summary.get("itemName")),
        statuses=texts(summary.get("status")),
        quantities=quantities,
        attributes=node(body, "attributes"),
        issues=_issues(body),
        meta=meta,
    )


def _issues(body: Any) -> tuple[ListingIssue, ...]:
    return tuple(
        ListingIssue(
            code=text(each.get("code")) or "",
            message=scrub(text(each.get("message")) or ""),
            severity=text(each.get("severity")) or "",
            attribute_names=texts(each.get("attributeNames")),
            categories=texts(each.get("categories")),
        )
        for each in nodes(body, "issues")
    )
