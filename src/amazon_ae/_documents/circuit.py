"""A circuit breaker per document source: when it is skipped, and when it is asked again. Plain values, no clock.

1. ``failures`` failures in a row open the circuit: the source is not asked for ``pause_seconds``.
2. A failure that waiting does not cure (a sign-in that was refused, a challenge for a person, no browser, the kill
   switch) opens it at once, for ``limit_seconds``.
3. When the pause is over, one call tries; others go on without the source meanwhile. It answers: closed. It fails: open
   again, for twice as long, at most ``limit_seconds``.
4. An answer about one order (not ready, invalid, no such document) is an answer: it closes the circuit.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

import attrs

from amazon_ae._backoff import doubling
from amazon_ae._exceptions import (
    AmazonAeError,
    BrowserNotFound,
    ChallengeRequired,
    ConfigurationError,
    LoginRejected,
    PortalStopped,
)
from amazon_ae._models.checks import check_aware

__all__ = ["CircuitPolicy", "CircuitState"]

_FOR_A_PERSON: Final = (BrowserNotFound, ChallengeRequired, LoginRejected, PortalStopped)


@attrs.frozen(kw_only=True)
class CircuitPolicy:
    """When a failing document source is skipped.

    Attributes:
        failures: failures in a row that open the circuit.
        pause_seconds: how long it stays open the first time; each failed trial doubles it.
        limit_seconds: the longest pause; also the pause where a person must act.

    Raises:
        ConfigurationError: a value outside its bounds; the message states them.
    """

    failures: int = 3
    pause_seconds: float = 60.0
    limit_seconds: float = 900.0

    def __attrs_post_init__(self) -> None:
        if self.failures < 1 or not 0 < self.pause_seconds <= self.limit_seconds:
            raise ConfigurationError("CircuitPolicy: failures >= 1, and 0 < pause_seconds <= limit_seconds")


@attrs.frozen(kw_only=True)
class CircuitState:
    """One source's circuit.

    Attributes:
        failed: failures in a row.
        opened: how often it opened in a row.
        retry_at: until then the source is not asked; ``None`` while the circuit is closed.
        trying: one call tries it now.
        reason: the name of the last failure.
        order_id: the only order that failed; the source is skipped for this one alone. ``None`` after failures of
            several, and after one that concerns all.
    """

    failed: int = 0
    opened: int = 0
    retry_at: datetime | None = None
    trying: bool = False
    reason: str = ""
    order_id: str | None = None

    @property
    def is_open(self) -> bool:
        """Whether the source is skipped."""
        return self.retry_at is not None

    def may_ask(self, now: datetime, order_id: str | None = None) -> bool:
        """Whether a call for this order may ask the source now."""
        check_aware(now=now)
        if self.retry_at is None or (order_id is not None and self.order_id not in (None, order_id)):
            return True
        return now >= self.retry_at and not self.trying

    def asked(self) -> CircuitState:
        """The circuit while a call tries the source."""
        return attrs.evolve(self, trying=True) if self.is_open else self

    def answered(self) -> CircuitState:
        """The circuit after an answer: closed."""
        return CircuitState()

    def given_up(self) -> CircuitState:
        """The circuit after a cancelled call, which shows nothing."""
        return attrs.evolve(self, trying=False)

    def failed_with(
        self, error: AmazonAeError, policy: CircuitPolicy, now: datetime, order_id: str | None = None
    ) -> CircuitState:
        """The circuit after a failure of this order."""
        check_aware(now=now)
        if self.is_open and not self.trying:
            return self  # a call that began before it opened
        failed, reason = self.failed + 1, type(error).__name__
        hopeless = isinstance(error, _FOR_A_PERSON)
        only = order_id if not hopeless and (self.failed == 0 or self.order_id == order_id) else None
        if not hopeless and not self.is_open and failed < policy.failures:
            return attrs.evolve(self, failed=failed, reason=reason, order_id=only)
        opened = self.opened + 1
        pause = doubling(opened, first=policy.pause_seconds, limit=policy.limit_seconds)
        seconds = policy.limit_seconds if hopeless else pause
        return CircuitState(
            failed=failed, opened=opened, retry_at=now + timedelta(seconds=seconds), reason=reason, order_id=only
        )
