"""The durations that a host may set for a scheduler."""

from __future__ import annotations

import attrs

from amazon_ae._exceptions import ConfigurationError

__all__ = ["SchedulerTiming"]


@attrs.frozen(kw_only=True)
class SchedulerTiming:
    """A scheduler's timeouts and intervals, all in seconds. The defaults suit a warehouse.

    How long a submit may take, and when a feed's status is first asked for, comes from the gateway (``BatchTerms``).

    Attributes:
        answer_seconds: limit for a status poll, a report or a list of feeds, the client's own pacing included; a
            request that takes longer is cancelled and made again later. Timeouts of your HTTP client are not relied on.
        lookup_seconds: the same limit for one look-up of orders.
        lease_seconds: how long a batch belongs to a process without a sign of life, at least. A route whose answer may
            take more than half of this has a longer lease.
        visible_after_seconds: Amazon lists every feed that it received at the latest this long afterwards. Not
            published: **UNVERIFIED**. Amazon refuses a request 15 minutes after its signature, so after the default
            nothing is still on its way. An unanswered pickup that Amazon does not have waits this long before it is
            sent again; one that Amazon has is recognised earlier, by its order.
        retry_unanswered_seconds: a route without feeds is asked again this long after an unanswered request; it
            recognises what Amazon has already.
        stuck_after_seconds: a feed that has not ended at this age is reported by an event. Pickups and urgent stock no
            longer wait for it.
        pass_after_seconds: ordinary stock no longer waits for a feed of this age: its SKUs are sent again with their
            newest values, and once more when that feed ends after all. At least ``stuck_after_seconds``.
        probe_seconds: while Amazon cannot be reached, a read is tried this often; nothing is submitted before one is
            answered.
        idle_seconds: an idle scheduler reads its queues this often.
        wake_seconds: puts by others wake a scheduler at most once in this time.
        recheck_seconds: how often a waiting call reads its pickup's outcome in the store.
        drain_seconds: how long leaving ``async with`` waits for requests that are under way.
    """

    answer_seconds: float = 900.0
    lookup_seconds: float = 120.0
    lease_seconds: float = 300.0
    visible_after_seconds: float = 900.0
    retry_unanswered_seconds: float = 180.0
    stuck_after_seconds: float = 3600.0
    pass_after_seconds: float = 7200.0
    probe_seconds: float = 45.0
    idle_seconds: float = 900.0
    wake_seconds: float = 1.0
    recheck_seconds: float = 30.0
    drain_seconds: float = 30.0

    def __attrs_post_init__(self) -> None:
        if min(attrs.astuple(self)) <= 0:
            raise ConfigurationError("every duration of a SchedulerTiming must be above 0")
        if self.pass_after_seconds < self.stuck_after_seconds:
            raise ConfigurationError("pass_after_seconds must be at least stuck_after_seconds")
