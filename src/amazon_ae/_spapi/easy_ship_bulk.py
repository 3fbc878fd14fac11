"""createScheduledPackageBulk: book up to 100 pickups in one call, and get one archive of their labels, once.

1. Amazon chooses the earliest slot of each order; day, time and measures of the request are not sent.
2. The answer is 200 also where every order is refused; each refusal has its own reason.
3. The archive's URL is short-lived and may never come again: download and keep it at once.

Source: ``easyShip_2022-03-23.json``; which marketplaces offer it is UNVERIFIED (some offer nothing else, some refuse).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

import attrs

from amazon_ae._easy_ship.archives import MediaType
from amazon_ae._exceptions import (
    ConfigurationError,
    InvalidRequest,
    RegionNotSupported,
    UnreadableResponse,
)
from amazon_ae._models.checks import check_count, deadline_at
from amazon_ae._models.easy_ship import ScheduledPackage
from amazon_ae._models.responses import ResponseMeta
from amazon_ae._models.text import check_order_id
from amazon_ae._spapi.calls import SpApiCall, SpApiExecutor
from amazon_ae._spapi.easy_ship import read_package
from amazon_ae._spapi.models import SignedDocument
from amazon_ae._spapi.operations import find_operation
from amazon_ae._spapi.tokens import Tokens
from amazon_ae._spapi.transfers import Transfers
from amazon_ae._spapi.values import node, nodes, text
from amazon_ae._transport.calls import WaitPolicy

__all__ = ["LABEL_FORMATS", "MOST_ORDERS", "BulkSchedule", "EasyShipBulk", "RejectedOrder"]

MOST_ORDERS: Final = 100
LABEL_FORMATS: Final[Mapping[str, str]] = {MediaType.PDF: "PDF", MediaType.ZPL: "ZPL"}


@attrs.frozen(kw_only=True)
class RejectedOrder:
    """One order that was not scheduled, with Amazon's reason."""

    order_id: str
    code: str = ""
    message: str = ""


@attrs.frozen(kw_only=True)
class BulkSchedule:
    """The answer to a bulk call.

    Attributes:
        scheduled: the packages that were booked.
        rejected: the orders that were not.
        archive: the labels, for a short time; ``None`` where Amazon gives none. Download it at once.
    """

    scheduled: tuple[ScheduledPackage, ...]
    rejected: tuple[RejectedOrder, ...] = ()
    archive: SignedDocument | None = attrs.field(default=None, repr=False)
    meta: ResponseMeta = attrs.field(default=ResponseMeta(), eq=False)


class EasyShipBulk:
    """The bulk call of one seller in one marketplace; one a second, burst 5."""

    def __init__(self, calls: SpApiExecutor, transfers: Transfers, tokens: Tokens, *, marketplace_id: str) -> None:
        self._calls = calls
        self._transfers = transfers
        self._tokens = tokens
        self._marketplace_id = marketplace_id

    async def schedule(
        self,
        order_ids: Sequence[str],
        *,
        media_type: str = MediaType.PDF,
        wait: bool = True,
        deadline: datetime | timedelta | None = None,
    ) -> BulkSchedule:
        """createRestrictedDataToken, then createScheduledPackageBulk, which is sent once.

        It books pickups: there is no preview, and nothing withdraws one.

        Args:
            order_ids: 1 to 100.
            media_type: of the labels: ``MediaType.PDF`` or ``MediaType.ZPL``.

        Raises:
            ConfigurationError: too many orders, an unknown format; nothing was sent.
            RegionNotSupported: this marketplace does not offer it.
            AccessDenied: the role "Direct to Consumer Shipping (Restricted)" is missing.
            OutcomeUnknown: it may have arrived; send it again: booked orders are then refused as scheduled already.
        """
        check_count("order_ids", order_ids, most=MOST_ORDERS)
        if media_type not in LABEL_FORMATS:
            raise ConfigurationError(f"media_type is one of {', '.join(LABEL_FORMATS)}, not {media_type!r}")
        row = find_operation("createScheduledPackageBulk")
        body = {
            "marketplaceId": self._marketplace_id,
            "orderScheduleDetailsList": [{"amazonOrderId": check_order_id(order_id)} for order_id in order_ids],
            "labelFormat": LABEL_FORMATS[media_type],
        }
        token = await self._tokens.restricted(row.method, row.url_path({}), wait=wait, deadline=deadline)
        call = SpApiCall(row=row, body=body, token=token.value)
        try:
            return await self._calls.json(call, _read_schedule, WaitPolicy(wait=wait, deadline=deadline))
        except RegionNotSupported:
            raise
        except InvalidRequest as error:
            if not _says_not_here(error):
                raise
            raise RegionNotSupported(
                error.message, status=error.status, code=error.code, request_id=error.request_id, action=error.action
            ) from error

    async def download(self, archive: SignedDocument, *, deadline: datetime | timedelta | None = None) -> bytes:
        """The archive, as Amazon made it.

        Raises:
            AccessDenied: its URL has expired: these labels cannot be downloaded any more.
            ServiceUnavailable, UnreadableResponse, NotSent: as every download.
        """
        return await self._transfers.download(archive, deadline=deadline_at(deadline, self._calls.clock.now()))


def _says_not_here(error: InvalidRequest) -> bool:
    """India answers ``InvalidInput`` for the whole call (selling-partner-api-models issue 4263)."""
    message = (error.message or "").lower()
    return error.code == "InvalidInput" and ("current marketplace" in message or "not supported" in message)


def _read_schedule(body: Any, meta: ResponseMeta) -> BulkSchedule:
    found = node(body)
    if not isinstance(found.get("scheduledPackages"), list) and not isinstance(found.get("rejectedOrders"), list):
        del body, found  # they may contain a URL, and a traceback with locals would show it
        raise UnreadableResponse(
            "createScheduledPackageBulk: an answer without scheduledPackages", request_id=meta.request_id
        )
    packages = [read_package(each, meta) for each in nodes(body, "scheduledPackages")]
    url = text(found.get("printableDocumentsUrl"))
    return BulkSchedule(
        scheduled=tuple(package for package in packages if package is not None),
        rejected=tuple(
            RejectedOrder(
                order_id=order_id,
                code=text(node(each, "error").get("code")) or "",
                message=text(node(each, "error").get("message")) or "",
            )
            for each in nodes(body, "rejectedOrders")
            if (order_id := text(each.get("amazonOrderId"))) is not None
        ),
        archive=SignedDocument(document_id="bulk", url=url)
        if url and url.startswith(("https://", "http://"))
        else None,
        meta=meta,
    )
