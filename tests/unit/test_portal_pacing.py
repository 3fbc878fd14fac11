"""The pacer, and the translation of foreign errors."""

from __future__ import annotations

import asyncio
import traceback

import pytest
from playwright.async_api import Error, TimeoutError as PlaywrightTimeout

from amazon_ae._exceptions import BrowserLost, PageChanged, PortalError, PortalStopped, PortalTimeout, PortalUnavailable
from amazon_ae._portal.pacing import RequestPacer
from amazon_ae._portal.playwright_calls import PageClosed, run_step
from amazon_ae.testing._clocks import VirtualClock


async def test_the_pace_is_kept() -> None:
    """A burst at once, then one request per interval."""
    clock = VirtualClock()
    pacer = RequestPacer(clock, burst=3, restore_seconds=2.0)
    started = clock.now()
    for _ in range(6):
        await pacer.acquire("x")
    assert (clock.now() - started).total_seconds() == pytest.approx(6.0, abs=0.1)


async def test_nothing_passes_a_stopped_gate() -> None:
    """Until it is resumed."""
    pacer = RequestPacer(VirtualClock(), burst=3, restore_seconds=1.0)
    pacer.stop()
    with pytest.raises(PortalStopped, match="kill switch"):
        await pacer.acquire("invoice")
    pacer.resume()
    await pacer.acquire("invoice")


async def test_a_switch_that_comes_on_during_the_wait_counts() -> None:
    """A request that waited for its place is not sent."""
    clock = VirtualClock()
    pacer = RequestPacer(clock, burst=1, restore_seconds=10.0)
    await pacer.acquire("x")
    waiting = asyncio.ensure_future(pacer.acquire("x"))
    await asyncio.sleep(0)
    pacer.stop()
    with pytest.raises(PortalStopped):
        await waiting


async def test_the_hosts_own_switch_is_asked_every_time() -> None:
    """A file, a row, an event: any function."""
    answers = iter([False, False, True])
    pacer = RequestPacer(VirtualClock(), burst=9, restore_seconds=1.0, stopped=lambda: next(answers))
    await pacer.acquire("x")
    with pytest.raises(PortalStopped):
        await pacer.acquire("x")


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (PlaywrightTimeout("Timeout 30000ms exceeded."), PortalTimeout),
        (Error("Target page, context or browser has been closed"), PageClosed),
        (Error("Page crashed"), PageClosed),
        (Error("Connection closed while reading from the driver"), BrowserLost),
        (Error("Page.goto: net::ERR_CONNECTION_RESET at https://x"), PortalUnavailable),
        (Error("APIRequestContext.fetch: read ECONNRESET"), PortalUnavailable),
        (Error("APIRequestContext.fetch: socket hang up"), PortalUnavailable),
        (Error("APIRequestContext.fetch: aborted"), PortalUnavailable),
        (Error("Element is not an <input>"), PageChanged),
    ],
)
async def test_a_browser_error_becomes_ours_without_a_trace_of_it(error: Error, expected: type[PortalError]) -> None:
    """Playwright's texts and frames can hold what was typed: nothing leads to them."""

    async def work() -> None:
        typed = "very-secret"
        raise type(error)(f"{error} filling {typed}")

    with pytest.raises(expected) as caught:
        await run_step(work(), "sign-in", 30.0)
    assert caught.value.step == "sign-in"
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None
    assert "very-secret" not in "".join(traceback.format_exception(caught.value))


async def test_work_that_never_ends_is_ended() -> None:
    """Some of Playwright's calls have no time-out of their own."""
    with pytest.raises(PortalTimeout):
        await run_step(asyncio.Event().wait(), "observe", -0.99)


async def test_our_own_errors_and_foreign_bugs_pass_unchanged() -> None:
    """Only Playwright's errors are translated."""

    async def ours() -> None:
        raise PortalTimeout("x", step="inner")

    async def bug() -> None:
        raise KeyError("x")

    with pytest.raises(PortalTimeout) as caught:
        await run_step(ours(), "outer", 1.0)
    assert caught.value.step == "inner"
    with pytest.raises(KeyError):
        await run_step(bug(), "outer", 1.0)
