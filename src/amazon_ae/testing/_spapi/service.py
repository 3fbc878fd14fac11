"""Answering one request of any of the three hosts: token, role, usage plan, operation, headers."""

from __future__ import annotations

import hashlib
import json
from collections import deque
from collections.abc import Callable, Mapping
from datetime import datetime
from email.utils import format_datetime
from typing import Any, Final

from amazon_ae.testing._faults import OrderedFault
from amazon_ae.testing._network import Answer
from amazon_ae.testing._spapi.access import Token
from amazon_ae.testing._spapi.account import Account
from amazon_ae.testing._spapi.faults import NOT_DONE, ON_THE_WAY, refusal_of, spoil
from amazon_ae.testing._spapi.limits import Limits
from amazon_ae.testing._spapi.visits import SeenSpApiRequest, Visit
from amazon_ae.testing._spapi.wire import (
    Refused,
    Reply,
    Request,
    api_error,
    json_answer,
    lwa_error,
    s3_error,
    unauthorized,
)

__all__ = ["Service"]

_LONGEST_USER_AGENT: Final = 500
_ERRORS: Final = {"api": api_error, "lwa": lwa_error, "s3": s3_error}


class Service:
    """The three hosts of one account.

    Args:
        account: what they show and change.
        operations: the API's operations by name.
    """

    def __init__(self, account: Account, operations: Mapping[str, Callable[[Account, Request], Reply]]) -> None:
        self._account = account
        self._operations = operations
        self.limits = Limits(account.settings)
        self.requests: deque[SeenSpApiRequest] = deque(maxlen=100_000)
        self._count = 0

    def perform(self, visit: Visit, ordered: OrderedFault | None, now: datetime, *, answered: bool = True) -> Answer:
        code, client_id, refused = "", "", None
        headers: list[tuple[str, str]] = []
        try:
            if ordered is not None and ordered.fault in NOT_DONE:
                raise refusal_of(ordered.fault, visit.kind)
            if visit.kind == "lwa":
                answer = json_answer(200, self._account.access.exchange(visit.headers, visit.body, now))
            elif visit.kind == "s3":
                answer = self._account.documents.handle(visit.method, visit.url, visit.headers, visit.body, now)
            else:
                token = self._check(visit, now)
                client_id = token.client_id
                headers = self.limits.take(client_id, visit.operation, visit.feed_type, visit.parameters, now)
                answer = self._call(visit, token, now)
        except Refused as error:
            code, refused = error.code, error
            answer = _ERRORS[visit.kind](error)
            if refused.status not in (400, 404):
                headers = [] if refused.status != 429 else self.limits.headers_of_429(visit.operation)
        answer = Answer(answer.status, [*answer.headers, *headers], answer.body)
        if ordered is not None:
            answer = spoil(answer, ordered.fault)
        was_answered = answered and (ordered is None or ordered.fault not in ON_THE_WAY)
        self._remember(visit, now, answer.status, code, client_id, was_answered)
        return self._with_common_headers(answer, visit, now)

    def _check(self, visit: Visit, now: datetime) -> Token:
        if visit.operation is None:
            raise unauthorized()
        agent = visit.headers.get("user-agent", "")
        if not agent or len(agent) > _LONGEST_USER_AGENT:
            raise Refused(400, "InvalidInput", f"A user-agent of 1 to {_LONGEST_USER_AGENT} characters is required.")
        return self._account.access.check(visit.headers, visit.operation, visit.path, now)

    def _call(self, visit: Visit, token: Token, now: datetime) -> Answer:
        assert visit.operation is not None
        body: Any = None
        if visit.method in ("POST", "PUT", "PATCH"):
            if "json" not in visit.headers.get("content-type", ""):
                raise Refused(415, "UnsupportedMediaType", "The content type must be application/json.", "")
            try:
                body = json.loads(visit.body, parse_constant=_no_number)
            except ValueError:
                raise Refused(400, "InvalidInput", "The request body is not a valid JSON document.", "") from None
        request = Request(
            method=visit.method,
            path=visit.path,
            parts=visit.parts,
            query=visit.query,
            body=body,
            headers=visit.headers,
            now=now,
            origin=visit.origin,
            application=token.client_id,
            is_restricted=bool(token.resources),
        )
        reply = self._operations[visit.operation.name](self._account, request)
        return json_answer(reply.status, reply.body)

    def _with_common_headers(self, answer: Answer, visit: Visit, now: datetime) -> Answer:
        self._count += 1
        text = hashlib.sha256(f"{self._account.seller.seller_id} {self._count}".encode()).hexdigest()
        request_id = f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:32]}"
        name = "x-amz-request-id" if visit.kind == "s3" else "x-amzn-RequestId"
        headers = [
            *answer.headers,
            (name, request_id),
            ("Date", format_datetime(now, usegmt=True)),
            ("Content-Length", str(len(answer.body))),
        ]
        return Answer(answer.status, headers, answer.body)

    def _remember(self, visit: Visit, now: datetime, status: int, code: str, client_id: str, answered: bool) -> None:
        self.requests.append(
            SeenSpApiRequest(
                operation=visit.name,
                kind=visit.kind,
                at=now,
                status=status,
                code=code,
                path=visit.path,
                parameters=visit.parameters,
                body=visit.document() if visit.kind == "api" else None,
                client_id=client_id,
                answered=answered,
            )
        )


def _no_number(text: str) -> None:
    raise ValueError(f"{text} is not JSON")
