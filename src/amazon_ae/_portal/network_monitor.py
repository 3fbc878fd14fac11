"""Which requests of a page are still unanswered: a page that waits for one is slow, not changed."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

from amazon_ae._portal.snapshot import origin_of

if TYPE_CHECKING:
    from types import TracebackType

    from playwright.async_api import Page, Request, Response

__all__ = ["NetworkMonitor"]


class NetworkMonitor:
    """Tracks the requests of a page, its scripts and frames to ``origins``. A page that still waits for it is slow, not
    changed.

    Attributes:
        server_error: the last status of 500 and above; 0 without one.
    """

    def __init__(self, page: Page, origins: Collection[str]) -> None:
        self._page = page
        self._origins = frozenset(origins)
        self._waiting: set[Request] = set()
        self.server_error: int = 0

    def __enter__(self) -> NetworkMonitor:
        self._page.on("request", self._asked)
        self._page.on("requestfinished", self._ended)
        self._page.on("requestfailed", self._ended)
        self._page.on("response", self._answered)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._page.remove_listener("request", self._asked)
        self._page.remove_listener("requestfinished", self._ended)
        self._page.remove_listener("requestfailed", self._ended)
        self._page.remove_listener("response", self._answered)

    @property
    def busy(self) -> bool:
        """Whether an answer is still to come."""
        return bool(self._waiting)

    def _asked(self, request: Request) -> None:
        if request.is_navigation_request() and request.frame == self._page.main_frame:
            self._waiting.clear()  # their page has been left
            self.server_error = 0
        if request.resource_type in ("fetch", "xhr", "document") and origin_of(request.url) in self._origins:
            self._waiting.add(request)

    def _ended(self, request: Request) -> None:
        self._waiting.discard(request)

    def _answered(self, response: Response) -> None:
        if response.request in self._waiting and response.status >= 500:
            self.server_error = response.status
