"""A batch of stock as patches: one request per SKU, each with its own outcome, durable as it comes.

1. What concerns one SKU (400, 404, ``INVALID``) is that SKU's outcome.
2. What concerns all of them (no connection, no token, a throttle that outlasts the batch) ends the batch: what is left
   waits again. If nothing was done before, the error is raised.
3. 403 may be either: the role is missing, or something is wrong with one SKU. So may a fault of Amazon's own. They
   count against one SKU only if Amazon took another one of the same batch.
4. What may pass is sent again, as often as the gateway's budget allows.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from typing import Final

from amazon_ae._exceptions import (
    AccessDenied,
    AmazonAeError,
    ConfigurationError,
    InvalidRequest,
    ServiceUnavailable,
    UnreadableResponse,
)
from amazon_ae._models.feeds import InventoryUpdate, ItemOutcome, Outcome
from amazon_ae._models.refusals import RetryBudget
from amazon_ae._spapi.listings import Listings
from amazon_ae._spapi.models import ListingSubmission
from amazon_ae._spapi.stock_outcomes import refusal_of, submission_outcome
from amazon_ae._spapi.stock_values import StockFormat

__all__ = ["PatchBatch", "Settle"]

Settle = Callable[[Sequence[ItemOutcome]], Awaitable[None]]
"""Makes outcomes durable; see ``FeedGateway.submit``."""

_PARALLEL: Final = 5
# So many SKUs that Amazon fails with, and none that it takes, are an outage.
_MOST_FAULTS: Final = 5
_ONE_PATCH: Final = timedelta(seconds=45)


class PatchBatch:
    """Performs one batch.

    Args:
        listings: of the client.
        form: how stock is written.
        settle: gets outcomes as they come; ``None``: all are returned.
        budget: bounds how often one SKU is sent again because Amazon's words say so.
        faults: bounds how often one SKU is sent again that Amazon answers with a fault of its own.
    """

    def __init__(
        self,
        listings: Listings,
        form: StockFormat,
        settle: Settle | None,
        *,
        budget: RetryBudget,
        faults: RetryBudget,
    ) -> None:
        self._listings = listings
        self._form = form
        self._settle = settle
        self._budget = budget
        self._faults = faults
        self._ready: list[ItemOutcome] = []
        self._denied: dict[str, AccessDenied] = {}
        self._failed: dict[str, ServiceUnavailable] = {}
        self._left: list[InventoryUpdate] = []
        self._done = 0
        self._telling = asyncio.Lock()
        self._fault: AmazonAeError | None = None

    async def perform(self, updates: Sequence[InventoryUpdate]) -> tuple[ItemOutcome, ...]:
        """Send them all.

        Returns:
            The outcomes that ``settle`` did not get.

        Raises:
            AmazonAeError: nothing was taken, for a reason that concerns every SKU.
        """
        self._left = list(reversed(updates))
        workers = [asyncio.ensure_future(self._work()) for _ in range(min(_PARALLEL, len(updates)))]
        try:
            await asyncio.gather(*workers)
        finally:
            for worker in workers:
                worker.cancel()
        return self._rest()

    async def _work(self) -> None:
        while self._left and self._fault is None:
            update = self._left.pop()
            try:
                found = await self._one(update)
            except AccessDenied as error:
                self._denied[update.sku] = error
            except ServiceUnavailable as error:
                self._failed[update.sku] = error
                if not self._done and len(self._failed) >= _MOST_FAULTS:
                    self._fault = self._fault or error
            except AmazonAeError as error:
                self._left.append(update)
                self._fault = self._fault or error
            else:
                self._done += 1
                self._faults.apply([ItemOutcome(update.sku, Outcome.ACCEPTED)])  # no fault: count anew
                self._ready += self._budget.apply([found])
                await self._tell()

    async def _one(self, update: InventoryUpdate) -> ItemOutcome:
        try:
            found: ListingSubmission = await self._listings.patch_stock(update, form=self._form, deadline=_ONE_PATCH)
            return submission_outcome(update.sku, found)
        except InvalidRequest as error:
            return refusal_of(update.sku, error.code, error.message)
        except ConfigurationError as error:
            return ItemOutcome(update.sku, Outcome.REJECTED, "NotWritable", str(error))
        except UnreadableResponse as error:
            return ItemOutcome(update.sku, Outcome.RETRY, "UnreadableResponse", str(error))

    async def _tell(self) -> None:
        """Store the outcomes that are ready. Those that come meanwhile go with the next call."""
        if self._settle is None:
            return
        async with self._telling:
            final = [outcome for outcome in self._ready if outcome.outcome is not Outcome.RETRY]
            if final:
                self._ready = [outcome for outcome in self._ready if outcome.outcome is Outcome.RETRY]
                await self._settle(final)

    def _rest(self) -> tuple[ItemOutcome, ...]:
        fault = self._fault or next(iter([*self._denied.values(), *self._failed.values()]), None)
        if fault is not None and not self._done:
            raise fault
        code = getattr(self._fault, "code", "") or type(self._fault).__name__
        left = [ItemOutcome(update.sku, Outcome.RETRY, code, str(self._fault)) for update in self._left]
        denied = [ItemOutcome(sku, Outcome.REJECTED, error.code, error.message) for sku, error in self._denied.items()]
        failed = [
            ItemOutcome(sku, Outcome.RETRY, error.code or "ServiceUnavailable", error.message)
            for sku, error in self._failed.items()
        ]
        return (*self._ready, *denied, *self._faults.apply(failed), *left)
