"""Which reads are sent again, and when. Pure.

Source: MWS developer guide, "Errors": after a 500 or 503 one immediate retry, then waits of 1, 4, 10 and 30 s. A
throttle is not a failure: waiting for its end does not count as an attempt.
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

__all__ = ["ClosedClient", "DamagedBody", "RetryPolicy", "is_transient"]


class ClosedClient(NotSent):
    """The client is closed, so a retry cannot help."""


class DamagedBody(UnreadableResponse):
    """A document's checksum is wrong: it was damaged in transit. Refetches are counted separately."""


@attrs.frozen(kw_only=True)
class RetryPolicy:
    """How often a failed read is sent again, and after which waits.

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
        return error.retryable and not isinstance(error, DamagedBody)
    return isinstance(error, AmazonError) and (error.status >= 500 or error.code == "InputStreamDisconnected")
