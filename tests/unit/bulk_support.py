"""A seller with Easy Ship orders behind the fake Selling Partner API, and a host that may die anywhere."""

from __future__ import annotations

from datetime import date, datetime
from pathlib import Path
from typing import Any

import attrs
import httpx

from amazon_ae import (
    EasyShipBulkPickup,
    FeedBatch,
    FeedItem,
    ItemKind,
    KeptLabels,
    LabelArchiveFolder,
    PickupRequest,
    SpApiClient,
)
from amazon_ae.testing import FakeSpApi, VirtualClock, make_item, make_order, make_order_id


class Died(BaseException):
    """The process is gone: no ``except Exception`` sees it."""


@attrs.define
class Life:
    """How many steps are left before the process dies; ``None``: it lives."""

    steps: int | None = None
    taken: int = 0

    def step(self) -> None:
        self.taken += 1
        if self.steps is not None and self.taken > self.steps:
            raise Died


class MortalTransport(httpx.AsyncBaseTransport):
    """Dies before a request leaves or before its answer is seen."""

    def __init__(self, inner: httpx.AsyncBaseTransport, life: Life) -> None:
        self.inner, self.life = inner, life

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.life.step()
        answer = await self.inner.handle_async_request(request)
        await answer.aread()
        self.life.step()
        return answer


class MortalFolder:
    """Dies before an archive is kept, in the middle of it, or behind it."""

    def __init__(self, folder: Path, life: Life) -> None:
        self.inner, self.folder, self.life = LabelArchiveFolder(folder), folder, life

    async def keep(self, content: bytes, orders: Any, *, at: datetime) -> str:
        self.life.step()
        try:
            self.life.step()
        except Died:
            # In the middle: the index is there, the archive half written under another name.
            await self.inner.keep(content, orders, at=at)
            for path in self.folder.glob("*.archive"):
                path.rename(path.with_name("." + path.name + ".half"))
            raise
        name = await self.inner.keep(content, orders, at=at)
        self.life.step()
        return name

    async def find(self, order_id: str) -> Any:
        return await self.inner.find(order_id)


@attrs.define
class BulkWorld:
    fake: FakeSpApi
    clock: VirtualClock
    folder: Path

    @classmethod
    def new(cls, folder: Path, *, orders: int = 3) -> BulkWorld:
        clock = VirtualClock(grace_seconds=0.02)
        fake = FakeSpApi(clock=clock)
        for number in range(1, orders + 1):
            fake.add_order(make_order(make_order_id(number), updated_at=clock.now()), [make_item()])
        return cls(fake, clock, folder)

    @property
    def order_ids(self) -> list[str]:
        return list(self.fake.state.orders)

    def client(self, life: Life | None = None) -> SpApiClient:
        http = httpx.AsyncClient(transport=MortalTransport(self.fake, life or Life()))
        return SpApiClient(self.fake.credentials, http=http, clock=self.clock)

    def route(self, life: Life | None = None, **options: Any) -> EasyShipBulkPickup:
        archives = LabelArchiveFolder(self.folder) if life is None else MortalFolder(self.folder, life)
        return EasyShipBulkPickup(archives, **options)

    def labels(self, **options: Any) -> KeptLabels:
        return KeptLabels(LabelArchiveFolder(self.folder), clock=self.clock, **options)

    def batch(self, *order_ids: str, day: date | None = None) -> FeedBatch:
        ids = order_ids or tuple(self.order_ids)
        day = day or self.clock.now().date()
        return FeedBatch(
            batch_id="b1",
            kind=ItemKind.PICKUP,
            route=EasyShipBulkPickup.route,
            items=tuple(
                FeedItem(number, order_id, PickupRequest(order_id=order_id, pickup_date=day))
                for number, order_id in enumerate(ids, start=1)
            ),
        )
