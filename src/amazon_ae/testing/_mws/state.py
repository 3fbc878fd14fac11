"""What MWS itself keeps: feeds, reports and page tokens, changed by the operations and read by tests."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final

import attrs

from amazon_ae._models.marketplaces import Marketplace
from amazon_ae.testing._mws.wire import Refused, instant
from amazon_ae.testing._seller import SellerState

__all__ = ["FakeFeed", "FakeReport", "FeedMessage", "SeenRequest", "State"]

_FIRST_FEED_ID: Final = 50_000_018_547
_FIRST_REPORT_ID: Final = 3_538_561_173


@attrs.frozen(kw_only=True)
class FeedMessage:
    """One message of a feed: ``key`` is a SKU or an order id, ``fields`` its other values as text."""

    message_id: int
    key: str
    fields: Mapping[str, str]


@attrs.define(kw_only=True, eq=False)
class FakeFeed:
    """A feed that was accepted.

    Attributes:
        feed_id: its FeedSubmissionId.
        digest: hex SHA-256 of the body; ``md5`` is the Base64 MD5 that the sender gave.
        status: its FeedProcessingStatus when it was last read.
        parameters: ``AmazonOrderId``, ``DocumentType`` and the like.
        starts_at, ends_at: when processing starts and ends on the clock; ``None`` for "never, unless released".
        report: the processing report, once the feed is ``_DONE_``.
    """

    feed_id: str
    feed_type: str
    submitted_at: datetime
    body: bytes = attrs.field(repr=False)
    content_type: str = ""
    md5: str = ""
    digest: str = attrs.field(init=False)
    parameters: Mapping[str, str] = attrs.field(factory=dict)
    status: str = "_SUBMITTED_"
    starts_at: datetime | None = None
    ends_at: datetime | None = None
    end_status: str = "_DONE_"
    message_count: int = 0
    """How many messages were processed; 0 until the feed ends."""
    report: bytes | None = attrs.field(default=None, repr=False)
    report_type: str = "text/xml;charset=UTF-8"

    def __attrs_post_init__(self) -> None:
        self.digest = hashlib.sha256(self.body).hexdigest()

    @property
    def is_held(self) -> bool:
        """Whether it never ends by itself."""
        return self.end_status not in ("_DONE_", "_CANCELLED_")

    @property
    def messages(self) -> tuple[FeedMessage, ...]:
        """What the feed asks for, read from its body now; empty where the body cannot be read."""
        from amazon_ae.testing._mws.documents import Unreadable, read_feed

        try:
            return tuple(read_feed(self.feed_type, self.body).messages)
        except Unreadable:
            return ()


@attrs.define(kw_only=True)
class FakeReport:
    """A report: asked for by RequestReport, or made by an Easy Ship documents feed."""

    request_id: str
    report_id: str
    report_type: str
    requested_at: datetime
    started_at: datetime
    ready_at: datetime
    content: bytes = attrs.field(repr=False)
    content_type: str
    start_date: datetime | None = None
    end_date: datetime | None = None
    has_data: bool = True


@attrs.frozen(kw_only=True)
class SeenRequest:
    """One request that reached the marketplace.

    Attributes:
        action: the operation; ``""`` where there was none.
        at: when, on the fake's clock.
        status: of the answer, whether or not the answer arrived.
        code: the error's code; ``""`` for a good answer.
        parameters: the operation's own parameters, without keys, token and signature.
        is_authentic: false where keys, token, signature or time were refused. MWS does not count such a request.
        answered: false where a fault lost the answer on its way back.
    """

    section: str
    action: str
    at: datetime
    status: int
    code: str = ""
    access_key_id: str = ""
    parameters: Mapping[str, str] = attrs.field(factory=dict, repr=False)
    is_authentic: bool = True
    answered: bool = True


@attrs.define(kw_only=True, eq=False)
class State:
    """What MWS keeps of one seller besides the shared state: feeds, reports, tokens."""

    seller: SellerState
    stock_feeds: dict[str, tuple[Mapping[str, str], str]] = attrs.field(factory=dict)
    """By SKU: the last accepted values, and the feed that brought them."""
    feeds: dict[str, FakeFeed] = attrs.field(factory=dict)
    reports: dict[str, FakeReport] = attrs.field(factory=dict)
    token_key: bytes = b"amazon-ae sandbox"
    ids: int = 0

    @property
    def marketplace(self) -> Marketplace:
        """The seller's marketplace."""
        return self.seller.marketplace

    @property
    def seller_id(self) -> str:
        """The seller's id."""
        return self.seller.seller_id

    def next_feed_id(self) -> str:
        """A new FeedSubmissionId."""
        return str(_FIRST_FEED_ID + len(self.feeds))

    def next_report_id(self) -> str:
        """A new ReportRequestId or ReportId."""
        self.ids += 1
        return str(_FIRST_REPORT_ID + self.ids)

    def token(self, action: str, content: Mapping[str, Any]) -> str:
        """An opaque NextToken: it holds the query and the position in it, sealed against changes."""
        text = json.dumps([action, content], separators=(",", ":")).encode()
        seal = hmac.new(self.token_key, text, hashlib.sha256).digest()[:12]
        return base64.b64encode(seal + text).decode()

    def open_token(self, action: str, token: str) -> dict[str, Any]:
        """What ``token`` put in.

        Raises:
            Refused: ``NextTokenCorrupted``: not a token of this operation, or changed on its way.
        """
        try:
            data = base64.b64decode(token, validate=True)
        except ValueError:
            data = b""
        seal, text = data[:12], data[12:]
        if not hmac.compare_digest(seal, hmac.new(self.token_key, text, hashlib.sha256).digest()[:12]):
            raise Refused(400, "NextTokenCorrupted", "The NextToken is corrupted.")
        made_for, content = json.loads(text)
        if made_for != action:
            raise Refused(400, "NextTokenCorrupted", "The NextToken belongs to another operation.")
        return dict(content)


def ceiling(now: datetime) -> datetime:
    """The latest instant that order lists are complete for: two minutes ago, as recorded answers show."""
    return now - timedelta(minutes=2)


def iso(value: datetime | None) -> str | None:
    """An instant for a token."""
    return None if value is None else instant(value)
