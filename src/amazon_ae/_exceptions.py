"""Every error this library raises, split by what the caller does next.

::

    AmazonAeError
     ├ ConfigurationError(ValueError)   a rule was broken before anything was sent: fix the call
     ├ NotSupported                     the library does not do this (returns, for one)
     ├ NotSent                          never reached Amazon: retry freely
     ├ OutcomeUnknown                   may have reached Amazon: do not resend; it is reconciled
     ├ AmazonError                      Amazon refused: status, code, message, request_id, timestamp, retryable
     │   ├ RequestThrottled             the bucket is empty: wait until retry_at
     │   ├ QuotaExceeded                the hour is used up: wait until retry_at
     │   ├ AccessDenied                 credentials or authorisation: ask the seller
     │   ├ SignatureMismatch            the secret key is wrong
     │   ├ RequestExpired               this machine's clock is wrong by .skew_seconds
     │   ├ InvalidRequest               Amazon refused the parameters: fix the call
     │   │   └ RegionNotSupported       not offered in this marketplace
     │   └ ServiceUnavailable           Amazon has an internal fault: retry later
     ├ UnreadableResponse               bad XML, wrong MD5, unexpected shape
     ├ QuotaTimeout(TimeoutError)       no quota slot before the deadline: retry_at; the item stays queued
     ├ PickupRejected                   this order's pickup was refused: code, message, order_id
     ├ PickupUnknown                    unknown whether Amazon has this pickup: check Seller Central
     ├ StorageError                     the database failed; nothing was half-written
     │   ├ StaleLease                   this work was taken over by another process: drop it
     │   └ SchemaTooNew                 the store was written by a newer library: upgrade
     ├ DocumentError                    one document of one order, whatever its source: .step, .retryable
     │   ├ DocumentNotReady             not made yet: ask again after .retry_after_seconds
     │   ├ NotDelivered                 no source of a chain delivered it: .reasons has each source's reason
     │   └ DocumentInvalid              what came back is not that order's document; .retryable: ask once more
     └ PortalError                      Seller Central: .step, .retryable
         ├ BrowserNotFound              no Chromium: the message names the commands that get one
         ├ BrowserLost                  the browser ended: call again, a new one is started
         ├ PortalUnavailable            Seller Central is down (5xx, connection cut): retry later
         ├ LoginRejected                e-mail, password or code refused: do not loop
         ├ ChallengeRequired            a person must pass .kind once: login(headed=True)
         ├ PermissionMissing            this user may not see the page: ask the account's owner
         ├ PageChanged                  the site is not as known: run check(), override the selector
         ├ PortalStopped                the kill switch is on
         └ PortalTimeout(TimeoutError)  the site did not answer in time
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

__all__ = [
    "AccessDenied",
    "AmazonAeError",
    "AmazonError",
    "BrowserLost",
    "BrowserNotFound",
    "ChallengeRequired",
    "ConfigurationError",
    "DocumentError",
    "DocumentInvalid",
    "DocumentNotReady",
    "InvalidRequest",
    "LoginRejected",
    "NotDelivered",
    "NotSent",
    "NotSupported",
    "OutcomeUnknown",
    "PageChanged",
    "PermissionMissing",
    "PickupRejected",
    "PickupUnknown",
    "PortalError",
    "PortalStopped",
    "PortalTimeout",
    "PortalUnavailable",
    "QuotaExceeded",
    "QuotaTimeout",
    "RegionNotSupported",
    "RequestExpired",
    "RequestThrottled",
    "SchemaTooNew",
    "ServiceUnavailable",
    "SignatureMismatch",
    "StaleLease",
    "StorageError",
    "UnreadableResponse",
]


class AmazonAeError(Exception):
    """The root: ``except AmazonAeError`` catches everything this library raises.

    Every error survives ``pickle`` and ``copy`` with its text and attributes, so that it can cross a process.
    ``__cause__`` doesn't: it may be a driver's error that no other process knows.
    """

    def __reduce__(self) -> tuple[Any, ...]:
        return _restored, (type(self), self.args, dict(self.__dict__))


def _restored(kind: type[AmazonAeError], args: tuple[Any, ...], state: dict[str, Any]) -> AmazonAeError:
    # Not by kind(*args): the constructor builds the text from its arguments, so args no longer has them.
    error = kind.__new__(kind, *args)
    error.args = args
    error.__dict__.update(state)
    return error


class ConfigurationError(AmazonAeError, ValueError):
    """A rule was broken before anything was sent; the message names the rule. Fix the call."""


class NotSupported(AmazonAeError):
    """The library does not do this; the message says what to use instead."""


class NotSent(AmazonAeError):
    """The request surely never reached Amazon (no connection was made). Retry freely."""


class OutcomeUnknown(AmazonAeError):
    """The request may have reached Amazon. Do not resend: the scheduler reconciles it; after a call of your own, look
    the order or the feed up.
    """


class AmazonError(AmazonAeError):
    """Amazon answered with an error.

    Attributes:
        status: the HTTP status, e.g. 503; 0 where no answer came.
        code: Amazon's code, e.g. ``"AccessDenied"``; ``""`` where the answer had none.
        message: Amazon's text.
        request_id: what Amazon's support asks for; ``None`` where the answer had none.
        timestamp: when Amazon answered, aware UTC; the other thing support asks for.
        retryable: the same request may succeed later.
        retry_at: the instant (aware UTC) before which a retry is pointless, where known.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int = 0,
        code: str = "",
        request_id: str | None = None,
        timestamp: datetime | None = None,
        retryable: bool = False,
        retry_at: datetime | None = None,
        action: str | None = None,
    ) -> None:
        where = f"{action}: " if action else ""
        what = f"{code} ({status})" if code else f"HTTP {status}" if status else "no answer"
        super().__init__(f"{where}{what}: {message}" + (f" [request {request_id}]" if request_id else ""))
        self.message = message
        self.status = status
        self.code = code
        self.request_id = request_id
        self.timestamp = timestamp
        self.retryable = retryable
        self.retry_at = retry_at
        self.action = action


class RequestThrottled(AmazonError):
    """The operation's bucket is empty: wait until ``retry_at`` (one restore interval)."""


class QuotaExceeded(AmazonError):
    """The operation's hourly quota is used up: wait until ``retry_at``."""


class AccessDenied(AmazonError):
    """The seller has not authorised this developer, or the keys are unknown. Ask the seller; a retry is pointless."""


class SignatureMismatch(AmazonError):
    """The signature does not fit: nearly always a wrong secret key."""


class InvalidRequest(AmazonError):
    """Amazon refused the request's content. Fix the call; ``code`` says what is wrong."""


class RegionNotSupported(InvalidRequest):
    """The operation is not offered in this marketplace (Easy Ship's API is documented for India only)."""


class RequestExpired(AmazonError):
    """The timestamp was more than 15 minutes off: set this machine's clock.

    Attributes:
        skew_seconds: local clock minus Amazon's ``Date`` header; positive when the local clock is ahead.
            ``None`` where the answer carried no date.
    """

    def __init__(
        self,
        message: str,
        *,
        skew_seconds: float | None = None,
        status: int = 400,
        code: str = "RequestExpired",
        request_id: str | None = None,
        timestamp: datetime | None = None,
        action: str | None = None,
    ) -> None:
        if skew_seconds is not None:
            message += (
                f" (this machine's clock is {abs(skew_seconds):.0f} s {'ahead' if skew_seconds > 0 else 'behind'})"
            )
        super().__init__(message, status=status, code=code, request_id=request_id, timestamp=timestamp, action=action)
        self.skew_seconds = skew_seconds


class ServiceUnavailable(AmazonError):
    """Amazon has an internal fault (500, 503), or a read got no answer (status 0).

    Reads were retried already; later is the only remedy.
    """


class UnreadableResponse(AmazonAeError):
    """The answer could not be read: bad XML, wrong MD5, unexpected shape, too large.

    Attributes:
        excerpt: at most 200 characters of the answer, scrubbed of values; ``""`` where none is safe to keep.
        retryable: it was damaged on its way (cut off, wrong MD5): the same read may succeed now.
    """

    def __init__(
        self,
        message: str,
        *,
        excerpt: str = "",
        status: int = 0,
        request_id: str | None = None,
        retryable: bool = False,
    ) -> None:
        super().__init__(message)
        self.excerpt: str = excerpt[:200]
        self.status = status
        self.request_id = request_id
        self.retryable = retryable


class QuotaTimeout(AmazonAeError, TimeoutError):
    """No quota slot before the deadline. What was queued stays queued; ``retry_at`` is when a slot is free."""

    def __init__(self, message: str, *, retry_at: datetime | None = None) -> None:
        super().__init__(message)
        self.retry_at = retry_at


class PickupRejected(AmazonAeError):
    """This order's pickup was refused, by Amazon's report or by the look-up before it.

    Attributes:
        order_id: the channel (Amazon) order id.
        code: Amazon's code, or the look-up's: ``OrderUnknown``, ``OrderCanceled``, ``NotEasyShip``,
            ``AlreadyScheduled``.
        message: the reason in words, fit to show at the bench.
        retryable: Amazon names a fault of its own: the same request may be accepted later. Otherwise correct what
            ``message`` names first.
    """

    def __init__(self, order_id: str, code: str, message: str, *, retryable: bool = False) -> None:
        super().__init__(f"pickup of {order_id} refused: {code}: {message}")
        self.order_id = order_id
        self.code = code
        self.message = message
        self.retryable = retryable


class PickupUnknown(AmazonAeError):
    """It can't be determined whether Amazon has this pickup.

    Look at the order in Seller Central, then call ``FeedScheduler.resolve``.
    """

    def __init__(self, order_id: str, message: str) -> None:
        super().__init__(f"pickup of {order_id}: {message}")
        self.order_id = order_id
        self.message = message


class StorageError(AmazonAeError):
    """The database failed; ``__cause__`` is its own error.

    Nothing was half-written; the store works again when the fault is gone.
    """


class StaleLease(StorageError):
    """The lease of this work ran out and another process took it over: drop it; the other process settles it."""


class SchemaTooNew(StorageError):
    """The store was written by a newer version of this library: upgrade the library, never downgrade the store."""


class DocumentError(AmazonAeError):
    """One document of one order could not be obtained, from any kind of source.

    Attributes:
        step: the document's kind, or what was being done, e.g. ``"invoice"``.
        retryable: the same call may succeed later without a person's help.
    """

    def __init__(self, message: str, *, retryable: bool = False, step: str = "") -> None:
        super().__init__(f"{step}: {message}" if step else message)
        self.step = step
        self.retryable = retryable


class DocumentNotReady(DocumentError):
    """The document is not made yet. Ask again after ``retry_after_seconds``."""

    def __init__(self, message: str, *, retry_after_seconds: float, step: str = "") -> None:
        super().__init__(message, retryable=True, step=step)
        self.retry_after_seconds = retry_after_seconds


class NotDelivered(DocumentError):
    """None of several sources delivered this document.

    Attributes:
        reasons: each source's reason by its name, in the order in which they were asked.
        retry_after_seconds: when the first of them may have it; ``None`` where none states it.
    """

    def __init__(
        self,
        message: str,
        *,
        reasons: Mapping[str, str],
        retryable: bool = False,
        retry_after_seconds: float | None = None,
        step: str = "",
    ) -> None:
        super().__init__(message, retryable=retryable, step=step)
        self.reasons: dict[str, str] = dict(reasons)
        self.retry_after_seconds = retry_after_seconds


class DocumentInvalid(DocumentError):
    """What came back is not that order's document: not a PDF, empty, cut short, another order's, another kind.

    Ask once more if ``retryable`` (it was damaged on its way). Otherwise the source would return the same again: look
    at the order in Seller Central.
    """


class PortalError(AmazonAeError):
    """Seller Central failed, or refused something.

    Attributes:
        step: what was being done, e.g. ``"sign-in"`` or ``"invoice"``.
        retryable: the same call may succeed later without a person's help.
        picture: a scrubbed PNG of the page (no text of the page is readable), where one could be taken.
    """

    retryable = False

    def __init__(self, message: str, *, step: str = "", picture: bytes | None = None) -> None:
        super().__init__(f"{step}: {message}" if step else message)
        self.step = step
        self.picture = picture


class BrowserNotFound(PortalError):
    """No Chromium or Chrome was found; the message names the commands that get one."""


class BrowserLost(PortalError):
    """The browser ended during the call (killed, crashed, out of memory). Call again: a new one is started."""

    retryable = True


class PortalUnavailable(PortalError):
    """Seller Central is down: 5xx, a bare 403 twice, no connection, or one cut in the middle. Retry later.

    Attributes:
        status: the HTTP status; 0 where no whole answer came.
        retry_after_seconds: how long the site asks to wait (``Retry-After``); ``None`` where it states none.
    """

    retryable = True

    def __init__(
        self, message: str, *, status: int = 0, retry_after_seconds: float | None = None, step: str = ""
    ) -> None:
        super().__init__(message, step=step)
        self.status = status
        self.retry_after_seconds = retry_after_seconds


class LoginRejected(PortalError):
    """E-mail, password or one-time code was refused. Never loops: correct the credentials, then try once."""


class ChallengeRequired(PortalError):
    """A person must act once. ``kind`` says what Amazon asks for; ``login(headed=True)`` shows the page to a person.

    Attributes:
        kind: ``captcha``, ``waf``, ``passkey``, ``device_approval``, ``sms_code``, ``password_change``,
            ``agent_policy``, ...
    """

    def __init__(self, kind: str, message: str, *, step: str = "sign-in", picture: bytes | None = None) -> None:
        super().__init__(message, step=step, picture=picture)
        self.kind = kind


class PermissionMissing(PortalError):
    """The signed-in user may not open this page: the account's owner grants it under Settings, User Permissions."""


class PageChanged(PortalError):
    """The site is not as this version knows it. Run ``check()``; selectors can be overridden without a release."""


class PortalStopped(PortalError):
    """The kill switch is on: nothing was sent."""


class PortalTimeout(PortalError, TimeoutError):
    """The site did not answer in time at ``step``. Try again."""

    retryable = True
