"""Faults on purpose: once, a few times, or until they are cleared."""

from __future__ import annotations

from enum import StrEnum

import attrs

from amazon_ae._models.documents import DocumentKind

__all__ = ["Fault", "FaultBook", "PlannedFault"]


class Fault(StrEnum):
    """One fault of a request."""

    DELAY = "delay"  # the answer comes after `seconds`
    HANG = "hang"  # no answer, for as long as the client waits
    DROP = "drop"  # the connection is closed before a byte of the answer
    STATUS_500 = "status_500"
    STATUS_503 = "status_503"
    BARE_403 = "bare_403"  # an empty 403, as a bot wall gives once in a while
    SIGN_OUT = "sign_out"  # the session is lost just before this request
    CUT = "cut"  # the connection breaks in the middle of the body
    EMPTY = "empty"  # 200 and no body
    HTML_AS_PDF = "html_as_pdf"  # a web page that is named .pdf and calls itself a PDF
    STRANGE_PAGE = "strange_page"  # 200 with an unknown page
    WRONG_ORDER = "wrong_order"  # another order's document
    NO_TEXT = "no_text"  # a document that holds no text at all
    ERROR_PAGE = "error_page"  # 200 with a page that names the order and reports a failure
    CUT_SHORT = "cut_short"  # half of the body, without a sign that it is cut
    THROTTLED = "throttled"  # 429 with Retry-After: `seconds`
    BUSY = "busy"  # 503 with Retry-After: `seconds`
    WAF_CHALLENGE = "waf_challenge"  # AWS WAF's 202 with a page that needs a script
    WAF_BLOCK = "waf_block"  # AWS WAF's 403
    NOT_READY = "not_ready"  # 202 with Retry-After: `seconds`


DOCUMENT_FAULTS = frozenset({Fault.WRONG_ORDER, Fault.NO_TEXT})
"""These change what a document holds, so they mean nothing for other paths."""


@attrs.define(eq=False)
class PlannedFault:
    """A fault that waits for its request.

    Attributes:
        where: a kind of document, or the beginning of a path such as ``"/orders-v3"``.
        seconds: for ``DELAY`` how long; for ``NOT_READY``, ``THROTTLED`` and ``BUSY`` the ``Retry-After``.
        times: how many more requests it hits; ``None``: forever.
        order_id: hits only this order's requests, where not ``None``.
    """

    fault: Fault
    where: DocumentKind | str
    seconds: float
    times: int | None
    order_id: str | None

    def fits(self, path: str, kind: DocumentKind | None, order_id: str | None) -> bool:
        """Whether it is meant for this request; several order ids are separated by semicolons, as in the address."""
        if self.order_id is not None and self.order_id not in (order_id or "").split(";"):
            return False
        return self.where is kind if isinstance(self.where, DocumentKind) else path.startswith(self.where)


class FaultBook:
    """The faults that are still to come."""

    def __init__(self) -> None:
        self._planned: list[PlannedFault] = []

    @property
    def planned(self) -> tuple[PlannedFault, ...]:
        """What is still to come, oldest first."""
        return tuple(self._planned)

    def add(self, planned: PlannedFault) -> None:
        """Plan one more.

        Raises:
            ValueError: it could never happen: a document's fault on a path, or no times at all.
        """
        if planned.fault in DOCUMENT_FAULTS and not isinstance(planned.where, DocumentKind):
            raise ValueError(f"{planned.fault} is about a document: give a DocumentKind, not a path")
        if planned.times is not None and planned.times < 1:
            raise ValueError("times must be at least 1, or None for no limit")
        self._planned.append(planned)

    def take(self, path: str, kind: DocumentKind | None, order_id: str | None) -> list[PlannedFault]:
        """What hits this request: every fitting delay and the first fitting fault that is not a delay."""
        hits: list[PlannedFault] = []
        for planned in self.planned:
            if not planned.fits(path, kind, order_id):
                continue
            if planned.fault is not Fault.DELAY and any(hit.fault is not Fault.DELAY for hit in hits):
                continue
            hits.append(planned)
            if planned.times is not None:
                planned.times -= 1
                if planned.times == 0:
                    self._planned.remove(planned)
        return hits

    def clear(self) -> None:
        """Forget them all."""
        self._planned.clear()
