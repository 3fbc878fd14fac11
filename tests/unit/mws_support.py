"""A client on a virtual clock whose other side is a plain function or a script of answers."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl

import httpx

from amazon_ae._models.marketplaces import AE, Marketplace, MwsCredentials
from amazon_ae._mws.client import MwsClient
from amazon_ae.testing._clocks import VirtualClock

CREDENTIALS = MwsCredentials(
    seller_id="A1SELLER", access_key_id="AKIAUNIT", secret_key="top/secret+key", auth_token="amzn.mws.0000-unit"
)
NOW = datetime(2021, 11, 18, 9, 0, tzinfo=UTC)
ORDER_ID = "403-1234567-7654321"


def envelope(action: str, content: str, *, section: str = "Orders/2013-09-01", request_id: str = "req-1") -> bytes:
    """An answer as Amazon wraps it."""
    return (
        f'<?xml version="1.0"?><{action}Response xmlns="https://mws.amazonservices.com/{section}">'
        f"<{action}Result>{content}</{action}Result>"
        f"<ResponseMetadata><RequestId>{request_id}</RequestId></ResponseMetadata></{action}Response>"
    ).encode()


def error(code: str, status: int, message: str = "no", **headers: str) -> httpx.Response:
    """An error as Amazon words it."""
    body = (
        '<?xml version="1.0"?><ErrorResponse xmlns="https://mws.amazonservices.com/"><Error><Type>Sender</Type>'
        f"<Code>{code}</Code><Message>{message}</Message><Detail/></Error><RequestID>err-1</RequestID></ErrorResponse>"
    )
    return httpx.Response(status, content=body.encode(), headers={k.replace("_", "-"): v for k, v in headers.items()})


def order(order_id: str, extra: str = "") -> str:
    """A small ``<Order>``."""
    return (
        f"<Order><AmazonOrderId>{order_id}</AmazonOrderId><PurchaseDate>2021-11-17T08:00:00Z</PurchaseDate>"
        f"<LastUpdateDate>2021-11-17T09:00:00Z</LastUpdateDate><OrderStatus>Unshipped</OrderStatus>{extra}</Order>"
    )


def orders_page(ids: Iterable[str], token: str | None = None, action: str = "ListOrders") -> bytes:
    """A page of small orders."""
    next_token = f"<NextToken>{token}</NextToken>" if token else ""
    return envelope(
        action,
        f"{next_token}<LastUpdatedBefore>2021-11-18T08:58:00Z</LastUpdatedBefore>"
        f"<Orders>{''.join(order(one) for one in ids)}</Orders>",
    )


class Amazon:
    """The other side: gives the scripted answers in turn (the last one for ever), and remembers what it was asked.

    An answer is bytes (200), an ``httpx.Response``, an exception to raise, or a function of the parameters.
    """

    def __init__(self, *answers: Any) -> None:
        self.answers = list(answers)
        self.requests: list[httpx.Request] = []
        self.asked: list[dict[str, str]] = []
        self.at: list[datetime] = []
        self.clock: VirtualClock | None = None

    async def __call__(self, request: httpx.Request) -> httpx.Response:
        params = dict(parse_qsl((request.url.query or request.content).decode(), keep_blank_values=True))
        self.requests.append(request)
        self.asked.append(params)
        if self.clock:
            self.at.append(self.clock.now())
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if callable(answer) and not isinstance(answer, (httpx.Response, type)):
            answer = answer(params)
        if isinstance(answer, Exception):
            raise answer
        if isinstance(answer, bytes):
            return httpx.Response(200, content=answer)
        # A response can be read once only: each request gets its own.
        return httpx.Response(answer.status_code, content=answer.content, headers=answer.headers)

    @property
    def actions(self) -> list[str]:
        """The operations that were asked for."""
        return [params["Action"] for params in self.asked]

    @property
    def seconds(self) -> list[float]:
        """When they were asked for, in seconds from the start."""
        return [(moment - NOW).total_seconds() for moment in self.at]


def client_of(
    amazon: Callable[[httpx.Request], Any],
    *,
    marketplace: Marketplace = AE,
    clock: VirtualClock | None = None,
    **options: Any,
) -> MwsClient:
    """A client whose other side is ``amazon``."""
    clock = clock or VirtualClock(NOW)
    if isinstance(amazon, Amazon):
        amazon.clock = clock
    options.setdefault("random", lambda: 0.0)
    http = httpx.AsyncClient(transport=httpx.MockTransport(amazon))
    return MwsClient(CREDENTIALS, marketplace, http=http, clock=clock, **options)
