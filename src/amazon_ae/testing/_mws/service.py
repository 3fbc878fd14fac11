"""Answering one request of MWS: signature, quota, operation, headers."""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Final, Literal

from amazon_ae.testing._faults import OrderedFault
from amazon_ae.testing._mws import sellers
from amazon_ae.testing._mws.answers import (
    common_headers,
    error_answer,
    good_answer,
    quota_exceeded,
    quota_headers,
    refusal_of,
    spoil,
    throttled,
)
from amazon_ae.testing._mws.faults import NOT_DONE, MwsFault
from amazon_ae.testing._mws.quotas import Meters
from amazon_ae.testing._mws.signature import authenticate
from amazon_ae.testing._mws.state import SeenRequest, State
from amazon_ae.testing._mws.wire import Refused, Request, Result
from amazon_ae.testing._network import Answer

__all__ = ["Service"]

_PRIVATE: Final = frozenset(
    [
        "AWSAccessKeyId",
        "Action",
        "MWSAuthToken",
        "Signature",
        "SignatureMethod",
        "SignatureVersion",
        "Timestamp",
        "Version",
    ]
)


class Service:
    """The endpoint of one seller.

    Args:
        state: what it shows and changes.
        operations: by section and action.
        hour: how the hourly quota counts.

    Attributes:
        has_easy_ship: whether the Easy Ship operations work here.
        secrets: secret keys by access key id.
        tokens: auth tokens by access key id and seller id.
    """

    def __init__(
        self,
        state: State,
        operations: Mapping[str, Mapping[str, Callable[[State, Request], Result]]],
        *,
        hour: Literal["rolling", "fixed"],
    ) -> None:
        self._state = state
        self._operations = operations
        self.has_easy_ship = False
        self.meters: Meters = Meters(hour)
        self.secrets: dict[str, str] = {}
        self.tokens: dict[tuple[str, str], str | None] = {}
        self.requests: deque[SeenRequest] = deque(maxlen=100_000)
        self._count = 0

    def perform(self, request: Request, ordered: OrderedFault | None = None, *, answered: bool = True) -> Answer:
        """Check a request, carry it out and answer it."""
        outcome: Result | Refused
        try:
            authenticate(request, self.secrets, self.tokens)
        except Refused as refused:
            outcome, is_authentic = refused, False
        else:
            outcome, is_authentic = self._outcome(request, ordered), True
        return self.answer(request, outcome, request.now, ordered, is_authentic=is_authentic, answered=answered)

    def _outcome(self, request: Request, ordered: OrderedFault | None) -> Result | Refused:
        if ordered is not None and ordered.fault in NOT_DONE:
            return refusal_of(MwsFault(ordered.fault), request, request.now)
        try:
            self._throttle(request)
            return self._carry_out(request)
        except Refused as refused:
            return refused

    def answer(
        self,
        request: Request | None,
        outcome: Result | Refused,
        now: datetime,
        ordered: OrderedFault | None = None,
        *,
        is_authentic: bool = False,
        answered: bool = True,
    ) -> Answer:
        """Write an answer and remember the request; ``None`` is one that could not be read."""
        request_id = self._request_id(now)
        if isinstance(outcome, Refused):
            answer, code = error_answer(outcome, request, request_id), outcome.code
        else:
            assert request is not None  # only a request that could be read has a result
            answer, code = good_answer(outcome, request, request_id), ""
        if request is not None and is_authentic:
            meter = self.meters.of(request.params["AWSAccessKeyId"], request.limit)
            answer.headers.extend(quota_headers(meter, now))
        answer.headers.extend(common_headers(now, request_id, len(answer.body)))
        if ordered is not None:
            answer = spoil(answer, MwsFault(ordered.fault))
        self._remember(request, now, answer.status, code, is_authentic=is_authentic, answered=answered)
        return answer

    def _request_id(self, now: datetime) -> str:
        self._count += 1
        seed = f"{self._state.seller_id} {self._count} {now.isoformat()}".encode()
        text = hashlib.sha256(seed).hexdigest()
        return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:32]}"

    def _throttle(self, request: Request) -> None:
        """Count the request. One that is refused later, for its content, has been counted too (UNVERIFIED)."""
        meter = self.meters.of(request.params["AWSAccessKeyId"], request.limit)
        if meter.left(request.now) == 0:
            raise quota_exceeded(request, meter.resets_at(request.now))
        if not meter.free(request.now):
            raise throttled()
        meter.spend(request.now)

    def _carry_out(self, request: Request) -> Result:
        if request.action == "GetServiceStatus":
            return sellers.service_status(self._state, request)
        if request.section == "EasyShip" and not self.has_easy_ship:
            raise Refused(404, "RegionNotSupported", "This operation is not supported in this region.")
        return self._operations[request.section][request.action](self._state, request)

    def _remember(
        self, request: Request | None, now: datetime, status: int, code: str, *, is_authentic: bool, answered: bool
    ) -> None:
        params = request.params if request is not None else {}
        self.requests.append(
            SeenRequest(
                section=request.section if request is not None else "",
                action=request.action if request is not None else "",
                at=now,
                status=status,
                code=code,
                access_key_id=params.get("AWSAccessKeyId", ""),
                parameters={name: value for name, value in params.items() if name not in _PRIVATE},
                is_authentic=is_authentic,
                answered=answered,
            )
        )
