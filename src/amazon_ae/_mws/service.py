"""The base of every section of MWS: calls, listings and GetServiceStatus."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import ClassVar, TypeVar

from amazon_ae._models.responses import ResponseMeta, ServiceMessage, ServiceStatus
from amazon_ae._mws.calls import MwsCall, MwsExecutor
from amazon_ae._mws.paging import Listing, RawPage, fingerprint
from amazon_ae._mws.parsing import Node, children, instant, required, text
from amazon_ae._transport.calls import WaitPolicy

__all__ = ["Section", "read_service_status"]

T = TypeVar("T")


class Section:
    """One section of one client.

    Args:
        calls: performs the calls.
    """

    name: ClassVar[str]

    def __init__(self, calls: MwsExecutor) -> None:
        self._calls = calls

    async def service_status(self, *, wait: bool = True, deadline: datetime | timedelta | None = None) -> ServiceStatus:
        """GetServiceStatus of this section (2, then one in five minutes)."""
        call = MwsCall(section=self.name, action="GetServiceStatus")
        return await self._calls.result(call, read_service_status, WaitPolicy(wait=wait, deadline=deadline))

    def _listing(
        self,
        action: str,
        params: Mapping[str, str],
        read: Callable[[Node, ResponseMeta], RawPage[T]],
        *,
        key: Callable[[T], str],
        policy: WaitPolicy,
    ) -> Listing[T]:
        """``action`` for the first page, ``<action>ByNextToken`` for the others."""

        async def page(action: str, params: Mapping[str, str]) -> RawPage[T]:
            call = MwsCall(section=self.name, action=action, params=params)
            return await self._calls.result(call, read, policy)

        return Listing(
            start=lambda: page(action, params),
            follow=lambda token: page(f"{action}ByNextToken", {"NextToken": token}),
            key=key,
            query=fingerprint(action, params),
        )


def read_service_status(node: Node, meta: ResponseMeta) -> ServiceStatus:
    """The content of ``<GetServiceStatusResult>``."""
    return ServiceStatus(
        status=required(node, "Status", "a service status"),
        timestamp=instant(node.get("Timestamp")),
        message_id=text(node.get("MessageId")),
        messages=tuple(
            ServiceMessage(locale=text(message.get("Locale")), text=text(message.get("Text")))
            for message in children(node.get("Messages"), "Message")
            if isinstance(message, dict)
        ),
        meta=meta,
    )
