"""Open an address in a browser page and get the site's answer, also one that the browser will not show.

Chromium shows an error page of its own for an answer of 400 and above without a body, and ``goto`` raises, as if the
connection had failed. But the site did answer, and 401, 403 and 404 mean three different things.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Collection
from typing import TYPE_CHECKING, Final, Literal

import attrs

from amazon_ae._exceptions import PageChanged, PortalUnavailable
from amazon_ae._portal.pace import call
from amazon_ae._portal.snapshot import origin_of

if TYPE_CHECKING:
    from types import TracebackType

    from playwright.async_api import Frame, Page, Request, Response

__all__ = ["RETRY_SECONDS", "Landing", "Traffic", "visit"]

RETRY_SECONDS: Final = 0.3
"""Between a fault of the site and the one time it is asked again."""
_ERROR_PAGE: Final = "chrome-error:"
_ERROR_PAGE_SECONDS: Final = 1.0


@attrs.frozen
class Landing:
    """The site's last answer. Where it is not ``shown``, it had no body and the page holds the browser's own."""

    answer: Response
    shown: bool


async def visit(
    page: Page, url: str, *, until: Literal["domcontentloaded", "load"], step: str, timeout_seconds: float
) -> Landing:
    """Go to ``url``, once.

    Raises:
        PortalUnavailable: the connection failed before there was an answer.
        PortalTimeout, BrowserLost, PageChanged: as ``call``.
    """
    answers: list[Response] = []

    def note(response: Response) -> None:
        if response.request.is_navigation_request() and response.frame == page.main_frame:
            answers.append(response)

    error_page = asyncio.Event()

    def arrived(frame: Frame) -> None:
        if frame == page.main_frame and frame.url.startswith(_ERROR_PAGE):
            error_page.set()

    page.on("response", note)
    page.on("framenavigated", arrived)
    try:
        answer = await call(page.goto(url, wait_until=until, timeout=timeout_seconds * 1000), step, timeout_seconds)
    except PortalUnavailable:
        # The error page comes a moment later, and would break off the next visit of this page.
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_ERROR_PAGE_SECONDS):
                await error_page.wait()
        if not answers or answers[-1].status < 400:
            raise
        return Landing(answers[-1], shown=False)
    finally:
        page.remove_listener("response", note)
        page.remove_listener("framenavigated", arrived)
    if answer is None:
        raise PageChanged("the browser got no answer for the page", step=step)
    return Landing(answer, shown=True)


class Traffic:
    """What a page, its scripts and frames ask ``origins`` for. A page that still waits for it is slow, not changed.

    Attributes:
        ill: the last status of 500 and above; 0 without one.
    """

    def __init__(self, page: Page, origins: Collection[str]) -> None:
        self._page = page
        self._origins = frozenset(origins)
        self._waiting: set[Request] = set()
        self.ill: int = 0

    def __enter__(self) -> Traffic:
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
    def waits(self) -> bool:
        """Whether an answer is still to come."""
        return bool(self._waiting)

    def _asked(self, request: Request) -> None:
        if request.is_navigation_request() and request.frame == self._page.main_frame:
            self._waiting.clear()  # the page that asked for them goes away
            self.ill = 0
        if request.resource_type in ("fetch", "xhr", "document") and origin_of(request.url) in self._origins:
            self._waiting.add(request)

    def _ended(self, request: Request) -> None:
        self._waiting.discard(request)

    def _answered(self, response: Response) -> None:
        if response.request in self._waiting and response.status >= 500:
            self.ill = response.status
