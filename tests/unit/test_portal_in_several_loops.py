"""One scraper over several ``asyncio.run``: a second loop is refused before anything is opened there."""

from __future__ import annotations

import asyncio

import pytest

from amazon_ae import AE, BrowserNotFound, BrowserOptions, ConfigurationError
from amazon_ae._portal.browser_pool import BrowserPool


def test_a_second_event_loop_is_refused_and_closing_there_ends_quietly() -> None:
    """A browser belongs to the loop that started it; without the check the second loop would hang."""

    async def state() -> None:
        return None

    pool = BrowserPool(
        BrowserOptions(executable_path="/no/such/chromium"),
        state=state,
        hosts=frozenset(),
        time_zone=AE.time_zone,
        timeout_seconds=5,
        max_pages=1,
    )
    with pytest.raises(BrowserNotFound):
        asyncio.run(pool.get())
    with pytest.raises(ConfigurationError, match="event loop"):
        asyncio.run(pool.get())
    asyncio.run(pool.aclose())
    with pytest.raises(ConfigurationError, match="closed"):
        asyncio.run(pool.get())
