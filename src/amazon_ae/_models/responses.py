"""Values that every answer carries besides its content."""

from __future__ import annotations

from datetime import datetime
from typing import Generic, TypeVar

import attrs

from amazon_ae._models.feeds import QuotaSeen

__all__ = ["Download", "Page", "ResponseMeta", "ServiceMessage", "ServiceStatus"]

T = TypeVar("T")


@attrs.frozen(kw_only=True)
class ResponseMeta:
    """Identifies an answer for Amazon's support; keep it for 30 days (MWS developer guide, "Errors").

    Attributes:
        request_id: Amazon's id of the request; ``None`` where the answer had none.
        timestamp: Amazon's instant of the answer, aware UTC.
        quota: the operation's hourly quota, where the answer carried it (Feeds and Reports do, Orders does not).
    """

    request_id: str | None = None
    timestamp: datetime | None = None
    quota: QuotaSeen | None = None


@attrs.frozen(kw_only=True)
class Page(Generic[T]):
    """One page of a list.

    Attributes:
        items: 0 to 100.
        position: pass it to continue after this page, also in another process; ``None`` on the last page.
        meta: of the answer that this page came in.
    """

    items: tuple[T, ...]
    position: str | None = attrs.field(default=None, repr=False)
    meta: ResponseMeta = attrs.field(default=ResponseMeta(), eq=False)


@attrs.frozen(kw_only=True)
class ServiceMessage:
    """A note that Amazon attached to a service status."""

    locale: str | None = None
    text: str | None = None


@attrs.frozen(kw_only=True)
class ServiceStatus:
    """The status of one section of MWS.

    Attributes:
        status: ``GREEN``, ``GREEN_I`` (with a message), ``YELLOW`` or ``RED``; an unknown value is kept as it is.
        timestamp: of the status, aware UTC.
    """

    status: str
    timestamp: datetime | None = None
    message_id: str | None = None
    messages: tuple[ServiceMessage, ...] = ()
    meta: ResponseMeta = attrs.field(default=ResponseMeta(), eq=False)


@attrs.frozen(kw_only=True)
class Download:
    """A document as Amazon sent it; its MD5 was checked against ``Content-MD5`` where the answer had one.

    Attributes:
        content: the bytes.
        content_type: Amazon's header, e.g. ``"text/plain;charset=ISO-8859-1"``; ``""`` where absent.
    """

    content: bytes = attrs.field(repr=False)
    content_type: str = ""
    meta: ResponseMeta = attrs.field(default=ResponseMeta(), eq=False)
