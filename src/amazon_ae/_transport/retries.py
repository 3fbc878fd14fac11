"""When a read is sent again. Pure.

Source: MWS developer guide, "Errors": for 500 and 503 one retry at once, then waits of 1, 4, 10 and 30 s. Throttles are
not retries: they are waited for, and waiting is not an attempt.
"""

from __future__ import annotations

import attrs

from amazon_ae._exceptions import (
    AmazonAeError,
    AmazonError,
    NotSent,
    OutcomeUnknown,
    QuotaExceeded,
    RequestThrottled,
    ServiceUnavailable,
    UnreadableResponse,
)
from amazon_ae._mws.responses import WrongMd5

__all__ = ["ClosedClient", "RetryPolicy", "is_transient"]


class ClosedClient(NotSent):
    """The client was closed, by the host or by itself: no retry will open it."""


@attrs.frozen(kw_only=True)
class RetryPolicy:
    """How often and after which waits a failed read is sent again.

    Attributes:
        delays_seconds: the wait before each retry; as many retries as there are delays. ``()`` never retries.
        jitter: up to this share of a wait is added at random, so that many clients do not return together.
    """

    delays_seconds: tuple[float, ...] = (0.0, 1.0, 4.0, 10.0, 30.0)
    jitter: float = 0.25

    def delay(self, retry: int, random: float) -> float | None:
        """Seconds before retry number ``retry`` (from 0), given a random number in [0, 1); ``None``: give up."""
        if retry >= len(self.delays_seconds):
            return None
        return self.delays_seconds[retry] * (1.0 + self.jitter * random)


def is_transient(error: AmazonAeError) -> bool:
    """Whether the same read may succeed within a minute."""
    if isinstance(error, (RequestThrottled, QuotaExceeded, ClosedClient)):
        return False
    if isinstance(error, (NotSent, OutcomeUnknown, ServiceUnavailable)):
        return True
    if isinstance(error, UnreadableResponse):
        # Documents with a wrong MD5 have their own rule and their own count.
        return error.retryable and not isinstance(error, WrongMd5)
    return isinstance(error, AmazonError) and (error.status >= 500 or error.code == "InputStreamDisconnected")
