"""What happens to a batch while a step of it waits for the store or for Amazon."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import pytest
from shop_support import Shop

from amazon_ae import MemoryStorage, StaleLease
from amazon_ae._models import events
from amazon_ae._models.feeds import FeedStatus
from amazon_ae._models.notifications import FeedFinished

Meanwhile = Callable[[], Awaitable[Any]]


class BusyAmazon:
    """The shop's gateway; while it gives a status for the first time, something else happens."""

    def __init__(self, shop: Shop) -> None:
        self._gateway = shop.gateway
        self.meanwhile: Meanwhile | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._gateway, name)

    async def status(self, feed_ids: Sequence[str]) -> Sequence[FeedStatus]:
        found = await self._gateway.status(feed_ids)
        if self.meanwhile is not None:
            meanwhile, self.meanwhile = self.meanwhile, None
            await meanwhile()
        return found


def errors(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR]


async def test_a_batch_that_is_settled_while_its_lease_is_renewed_was_not_lost(
    caplog: pytest.LogCaptureFixture,
) -> None:
    shop = Shop(processing_seconds=60)

    class SlowReport:
        """Amazon takes more than half a lease to give the report."""

        def __getattr__(self, name: str) -> Any:
            return getattr(shop.gateway, name)

        async def report(self, *args: Any) -> Any:
            await shop.clock.sleep(400)
            return await shop.gateway.report(*args)

    class SlowRenewal(MemoryStorage):
        """A renewal that waits for a lock until the batch was settled."""

        renewals = 0

        async def renew(self, *args: Any, **options: Any) -> Any:
            self.renewals += 1
            while await self.unfinished(shop.gateway.account):
                await shop.clock.sleep(1)
            return await super().renew(*args, **options)

    storage = SlowRenewal(clock=shop.clock)
    shop.storage = storage
    async with shop.open(gateway=SlowReport()):
        await shop.stock("MUG", 3)
        await shop.clock.sleep(1200)
        assert storage.renewals
        await shop.stock("MUG", 4)
        await shop.clock.sleep(130)  # a pass that failed would make this wait
        assert len(shop.submitted()) == 2
    assert errors(caplog) == []


async def test_a_feed_may_be_abandoned_while_its_status_is_asked(caplog: pytest.LogCaptureFixture) -> None:
    shop = Shop(processing_seconds=60)
    amazon = BusyAmazon(shop)
    async with shop.open(gateway=amazon) as scheduler:
        await shop.stock("MUG", 3)
        await shop.clock.sleep(30)
        (feed,) = shop.fake.feeds

        async def abandon() -> None:
            assert await scheduler.abandon(feed.feed_id)

        amazon.meanwhile = abandon
        await shop.clock.sleep(600)
    assert errors(caplog) == []
    first, second = shop.said(events.FeedSettled)
    assert (first.feed_id, first.retried) == (feed.feed_id, 1)  # given up at once
    assert second.warned == 1  # and sent again: Amazon had the value


async def test_a_batch_may_be_lost_while_its_status_is_asked(caplog: pytest.LogCaptureFixture) -> None:
    shop = Shop(processing_seconds=30)
    taken, denied = False, 0

    class Robbed(MemoryStorage):
        """Another process has the batch from some instant on."""

        async def renew(self, batch_id: str, *args: Any, **options: Any) -> Any:
            nonlocal denied
            if taken:
                denied += 1
                raise StaleLease("another process has it")
            return await super().renew(batch_id, *args, **options)

        async def settle(self, batch_id: str, *args: Any, **options: Any) -> Any:
            if taken:
                raise StaleLease("another process has it")
            return await super().settle(batch_id, *args, **options)

    shop.storage = Robbed(clock=shop.clock)
    amazon = BusyAmazon(shop)
    async with shop.open(gateway=amazon):
        await shop.stock("MUG", 3)

        async def lose() -> None:
            nonlocal taken
            taken = True
            for _ in range(100):  # seconds; half of the lease may be over meanwhile
                if not denied:
                    await shop.clock.sleep(1)
            amazon.meanwhile = None if denied else lose

        amazon.meanwhile = lose
        await shop.clock.sleep(1200)
    assert denied
    assert errors(caplog) == []


async def test_a_notification_during_a_poll_is_not_forgotten() -> None:
    shop = Shop()
    shop.fake.end_feeds("_IN_PROGRESS_")
    amazon = BusyAmazon(shop)
    async with shop.open(gateway=amazon) as scheduler:
        await shop.stock("MUG", 3)
        await shop.clock.sleep(30)
        (feed,) = shop.fake.feeds
        finished = FeedFinished(feed_id=feed.feed_id, at=shop.clock.now())
        ended_at = 0.0

        async def end() -> None:
            nonlocal ended_at
            await shop.clock.sleep(1)  # its status was read before
            shop.fake.release(feed.feed_id)
            ended_at = shop.seconds()
            assert scheduler.notify(finished)

        amazon.meanwhile = end
        while not shop.said(events.FeedSettled):
            await shop.clock.sleep(1)
        assert shop.seconds() - ended_at < 10
