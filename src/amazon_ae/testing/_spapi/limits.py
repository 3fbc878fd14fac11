"""Counting requests against the usage plans, by application and operation."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Final

from amazon_ae.testing._spapi.account import Settings
from amazon_ae.testing._spapi.plans import OPERATIONS, Bucket, Operation, Window
from amazon_ae.testing._spapi.wire import Refused

__all__ = ["Limits"]

_JSON_FEED: Final = "JSON_LISTINGS_FEED"
_FEEDS_PER_WINDOW: Final = 5  # changelog of 2025-05-06: 5 feeds per 5 minutes, by account and region
_FEED_WINDOW_SECONDS: Final = 300.0
_PREVIEW_RATE: Final = 20.0  # "Listings Items API rate limits": VALIDATION_PREVIEW, per application
_PREVIEW: Final = "patchListingsItem VALIDATION_PREVIEW"
_EXCEEDED: Final = "You exceeded your quota for the requested resource."


class Limits:
    """The buckets of every application, and the account's window for JSON_LISTINGS_FEED."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._plans: dict[str, tuple[float, int]] = {
            operation.name: (operation.rate, operation.burst) for operation in OPERATIONS
        }
        self._plans[_PREVIEW] = (_PREVIEW_RATE, 20)
        self._buckets: dict[tuple[str, str], Bucket] = {}
        self._window = Window(_FEEDS_PER_WINDOW, _FEED_WINDOW_SECONDS)

    def set_rate(self, operation: str, rate: float, burst: int | None) -> None:
        """Change an operation's plan for every application.

        Raises:
            ValueError: there is no such operation.
        """
        if operation not in self._plans:
            raise ValueError(f"there is no operation {operation!r}")
        self._plans[operation] = (rate, burst or self._plans[operation][1])
        for (_, name), bucket in self._buckets.items():
            if name == operation:
                bucket.rate, bucket.burst = self._plans[operation]

    def take(
        self,
        client_id: str,
        operation: Operation | None,
        feed_type: str | None,
        parameters: Mapping[str, str],
        now: datetime,
    ) -> list[tuple[str, str]]:
        """Count one request; the header that its answer carries. One refused later for its content counts too.

        Raises:
            Refused: 429 ``QuotaExceeded``.
        """
        assert operation is not None
        if feed_type == _JSON_FEED:
            self._take_json_feed(client_id, operation.name, now)
            return self._header(operation.name)
        is_preview = operation.name == "patchListingsItem" and parameters.get("mode") == "VALIDATION_PREVIEW"
        name = _PREVIEW if is_preview else operation.name
        if not self._bucket(client_id, name).take(now):
            details = "The number of requests allowed for the application was exceeded." if "Listings" in name else ""
            raise Refused(429, "QuotaExceeded", _EXCEEDED, details)
        return self._header(name)

    def _take_json_feed(self, client_id: str, name: str, now: datetime) -> None:
        limit = self._settings.json_feed_limit
        if limit != "bucket" and not self._window.has_room(now):
            raise Refused(429, "QuotaExceeded", _EXCEEDED, "JSON_LISTINGS_FEED: 5 feeds per 5 minutes.")
        if limit != "window" and not self._bucket(client_id, name).take(now):
            raise Refused(429, "QuotaExceeded", _EXCEEDED, "")
        self._window.take(now)

    def headers_of_429(self, operation: Operation | None) -> list[tuple[str, str]]:
        """The rate's header, for the few operations whose 429 has one."""
        return self._header(operation.name) if operation is not None and operation.rate_on_429 else []

    def spend(self, client_id: str, operation: str, count: int, now: datetime) -> int:
        """Count requests of another program; how many pass.

        Raises:
            ValueError: there is no such operation.
        """
        if operation not in self._plans:
            raise ValueError(f"there is no operation {operation!r}")
        bucket = self._bucket(client_id, operation)
        return sum(bucket.take(now) for _ in range(count))

    def _bucket(self, client_id: str, name: str) -> Bucket:
        return self._buckets.setdefault((client_id, name), Bucket(*self._plans[name]))

    def _header(self, name: str) -> list[tuple[str, str]]:
        return [("x-amzn-RateLimit-Limit", f"{self._plans[name][0]:g}")] if self._settings.sends_rate else []
