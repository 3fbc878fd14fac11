"""Awaits Playwright with a time limit, and turns its errors into this library's."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable
from typing import Final, TypeVar

from amazon_ae._exceptions import (
    AmazonAeError,
    BrowserLost,
    PageChanged,
    PortalError,
    PortalTimeout,
    PortalUnavailable,
)

__all__ = ["PageClosed", "run_step"]

_log = logging.getLogger(__name__)
T = TypeVar("T")

# Playwright distinguishes these by text only. "Target page, context or browser has been closed" does not say which.
_CLOSED: Final = ("has been closed", "crashed", "Target closed", "frame was detached")
_LOST: Final = ("Connection closed", "browser has disconnected")
_NETWORK: Final = (
    "net::",
    "NS_ERROR",
    "ECONN",
    "ENOTFOUND",
    "EAI_AGAIN",
    "EPIPE",
    "ETIMEDOUT",
    "socket hang up",
    "aborted",
    "Parse Error",
    "network",
    "disconnected before secure",
)
_ASYNCIO_GRACE: Final = 1.0


class PageClosed(PortalUnavailable):
    """A page ended during the call: closed, crashed, or its browser ended. Only a check of the browser shows which."""


async def run_step(work: Awaitable[T], step: str, timeout_seconds: float) -> T:
    """Await Playwright's work for at most ``timeout_seconds`` of real time; raise nothing but this library's errors.

    Playwright's own error is dropped, not chained: its text and its frames can hold what was typed.

    Raises:
        PortalTimeout: it took too long; at ``step``.
        PageClosed: the page, or all of the browser, is gone.
        BrowserLost: the connection to the browser is gone.
        PortalUnavailable: the network failed.
        PageChanged: the page did not do what was expected of it.
    """
    failure: PortalError | asyncio.CancelledError
    try:
        # Playwright's own time-outs come first and are cheaper; some of its calls have none.
        async with asyncio.timeout(timeout_seconds + _ASYNCIO_GRACE):
            return await work
    except AmazonAeError:
        raise
    except asyncio.CancelledError:
        failure = asyncio.CancelledError()  # the original's frames are Playwright's, with what was typed
    except TimeoutError:
        failure = PortalTimeout(f"no answer within {timeout_seconds:g} s; try again", step=step)
    except Exception as error:
        # A driver that died is reported as a bare Exception.
        if type(error).__module__.partition(".")[0] != "playwright" and type(error) is not Exception:
            raise
        failure = _translate(error, step, timeout_seconds)
    # Raised outside of the handlers, so that no traceback leads to the original.
    raise failure


def _translate(error: Exception, step: str, timeout_seconds: float) -> PortalError:
    text = str(error)
    if type(error).__name__ == "TimeoutError" or "Timeout" in text.partition("\n")[0]:
        return PortalTimeout(f"no answer within {timeout_seconds:g} s; try again", step=step)
    if any(sign in text for sign in _LOST):
        return BrowserLost("the browser ended; call again, a new one is started", step=step)
    if type(error).__name__ == "TargetClosedError" or any(sign in text for sign in _CLOSED):
        return PageClosed("the page was closed underneath; call again", step=step)
    if any(sign in text for sign in _NETWORK):
        return PortalUnavailable("the connection failed or broke off; try again later", step=step)
    _log.warning("portal: %s: %s", step, type(error).__name__)
    return PageChanged("the page did not take an action; run check()", step=step)
