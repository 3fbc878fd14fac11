"""What a pack station gets: outcomes, forecasts and numbers."""

from __future__ import annotations

from datetime import date, datetime

import attrs

from amazon_ae._models.feeds import ItemKind
from amazon_ae._models.stored import ItemState, QueueStats

__all__ = ["Forecast", "PickupOutcome", "SchedulerStats"]


@attrs.frozen(kw_only=True)
class PickupOutcome:
    """One order's pickup.

    Attributes:
        order_id: the channel (Amazon) order id.
        state: ``ACCEPTED`` once Amazon's report confirms it; ``WAITING`` and ``IN_FLIGHT`` before; ``REJECTED`` or
            ``UNKNOWN``.
        pickup_date: the day that was asked for, in the marketplace's time zone.
        pickup_time: the slot that was asked for, if any.
        asked_at: when the pickup was first asked for, aware UTC (the store's time).
        feed_id: Amazon's feed that carries it; ``None`` while no feed does.
        reference: the host's own.
        code, message: why it was rejected, is unknown, or was accepted with a warning; else ``""``.
    """

    order_id: str
    state: ItemState
    pickup_date: date
    pickup_time: str | None = None
    asked_at: datetime
    feed_id: str | None = None
    reference: str | None = None
    code: str = ""
    message: str = ""


@attrs.frozen(kw_only=True)
class Forecast:
    """When an item will leave, if nothing else happens.

    Attributes:
        leaves_at: aware UTC, on the scheduler's clock; ``None`` where only an event decides it, or where nothing waits.
        why: what it waits for, in words fit to show at the bench.
    """

    leaves_at: datetime | None
    why: str


@attrs.frozen(kw_only=True)
class SchedulerStats:
    """A snapshot for a dashboard.

    Attributes:
        queues: counts and ages of what waits, by kind.
        quota_free: slots that could be spent now, by the quota's name.
        quota_used: slots of the rolling window that are taken, by the quota's name.
        feeds_in_flight: unsettled feeds of this account, whichever process carries them, by kind.
        blocked: by kind, the reason why nothing of it may leave at present; other kinds are left out.
        passed_at: when this scheduler last read its queues, aware UTC, its own clock; an idle one does every
            ``SchedulerTiming.idle_seconds``. ``None``: never, so it sends nothing.
    """

    queues: dict[ItemKind, QueueStats]
    quota_free: dict[str, int]
    quota_used: dict[str, int]
    feeds_in_flight: dict[ItemKind, int]
    blocked: dict[ItemKind, str]
    passed_at: datetime | None = None
