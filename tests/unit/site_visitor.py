"""A visitor of the Seller Central look-alike without a browser: reads forms, fills them in, keeps cookies."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from email.utils import parsedate_to_datetime
from html.parser import HTMLParser
from typing import TYPE_CHECKING

import attrs
import httpx

from amazon_ae.testing._clocks import VirtualClock
from amazon_ae.testing._papers import PortalOrder, PortalPickup, sample_order
from amazon_ae.testing._seller_central import SellerCentralSite, SiteUser
from amazon_ae.testing._seller_central.codes import code_of, step_of

if TYPE_CHECKING:
    from types import TracebackType

START = datetime(2021, 11, 18, 9, 0, tzinfo=UTC)
SECRET = "gezd gnbv gy3t qojq gezd gnbv gy3t qojq"
USER = SiteUser(email="packer@example.ae", password="right & proper", totp_secret=SECRET)
READY, ANOTHER, UNSCHEDULED = "408-0007919-0000001", "408-0015838-0000002", "408-0023757-0000003"
UNKNOWN = "408-9999999-9999999"


def make_orders() -> dict[str, PortalOrder]:
    """Three orders: two have a pickup that was scheduled a minute ago, one has none."""
    pickup = PortalPickup(scheduled_at=START - timedelta(minutes=1), day=date(2021, 11, 19), tracking_id="AE4711")
    orders = [
        sample_order(1, purchased_at=START - timedelta(hours=3), pickup=pickup),
        sample_order(2, purchased_at=START - timedelta(hours=2), pickup=attrs.evolve(pickup, tracking_id="AE4712")),
        sample_order(3, purchased_at=START - timedelta(hours=1)),
    ]
    return {order.order_id: order for order in orders}


def make_site(
    clock: VirtualClock | None = None, *, user: SiteUser = USER, orders: dict[str, PortalOrder] | None = None
) -> SellerCentralSite:
    """A site with one user and, by default, three orders, on a clock that stands still."""
    clock = clock or VirtualClock(START, autojump=False)
    return SellerCentralSite(clock=clock, users=[user], orders=make_orders() if orders is None else orders)


@attrs.define
class Form:
    """One form of a page, with the values it has."""

    attributes: dict[str, str]
    fields: dict[str, str]

    @property
    def action(self) -> str:
        """Where it goes."""
        return self.attributes.get("action", "")


class Page(HTMLParser):
    """What a page holds, as far as the tests ask."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.html = html
        self.forms: list[Form] = []
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attributes}
        self.elements.append((tag, values))
        if tag == "form":
            self.forms.append(Form(values, {}))
        elif tag == "input" and self.forms and "name" in values:
            self.forms[-1].fields.setdefault(values["name"], values.get("value", ""))

    @property
    def csrf(self) -> str:
        """The token by which a page behind the sign-in is known."""
        return next(values["content"] for tag, values in self.elements if values.get("name") == "anti-csrftoken-a2z")

    def has(self, element_id: str) -> bool:
        """Whether an element has this id."""
        return any(values.get("id") == element_id for _, values in self.elements)

    def links(self, part: str) -> list[str]:
        """The addresses of all links that hold ``part``."""
        return [values["href"] for tag, values in self.elements if tag == "a" and part in values.get("href", "")]

    def test_ids(self) -> set[str]:
        """Every ``data-test-id``."""
        return {values["data-test-id"] for _, values in self.elements if "data-test-id" in values}

    def texts(self) -> str:
        """The text without tags, scripts and styles."""
        bare = re.sub(r"<(script|style).*?</\1>", " ", self.html, flags=re.DOTALL)
        return re.sub(r"<[^>]*>", " ", bare)


class Visitor:
    """One cookie jar."""

    def __init__(self, site: SellerCentralSite, *, origin: str = "http://site.test") -> None:
        self.site = site
        transport = httpx.ASGITransport(app=site) if origin == "http://site.test" else None
        self.http = httpx.AsyncClient(transport=transport, base_url=origin, follow_redirects=True)
        self.answer: httpx.Response

    async def __aenter__(self) -> Visitor:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.http.aclose()

    @property
    def page(self) -> Page:
        """The page that was answered last."""
        return Page(self.answer.text)

    @property
    def path(self) -> str:
        """Where redirects have led."""
        return self.answer.url.path

    async def go(self, path: str) -> Page:
        """Open an address."""
        self.answer = await self.http.get(path)
        return self.page

    async def submit(self, changes: dict[str, str], *, form: int = 0) -> Page:
        """Fill in a form of the last page and send it."""
        found = self.page.forms[form]
        fields = {**found.fields, **changes}
        action = found.action or str(self.answer.url)
        if found.attributes.get("method") == "post":
            self.answer = await self.http.post(action, data=fields)
        else:
            self.answer = await self.http.get(action, params=fields)
        return self.page

    async def type_credentials(self, *, password: str = USER.password) -> Page:
        """E-mail and password, on one page or two."""
        if "password" not in self.page.forms[0].fields:
            await self.submit({"email": USER.email})
            return await self.submit({"password": password})
        return await self.submit({"email": USER.email, "password": password})

    async def type_code(self, *, steps: int = 0, trust: bool = False) -> Page:
        """The code of the present 30-second step, or of one ``steps`` later."""
        now = parsedate_to_datetime(self.answer.headers["date"])
        code = code_of(SECRET, step_of(now) + steps)
        fields = {"otpCode": code, "rememberDevice": "true" if trust else ""}
        return await self.submit(fields)

    async def sign_in(self, *, trust: bool = False) -> Page:
        """From ``/home`` to ``/home``, through password and code."""
        await self.go("/home")
        await self.type_credentials()
        return await self.type_code(trust=trust)
