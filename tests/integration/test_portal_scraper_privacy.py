"""What was typed, and what is a buyer's, is in no log, error, trace, event or picture; and is typed nowhere else."""

from __future__ import annotations

import logging
import re
import traceback
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import attrs
import pytest
from portal_stage import EMAIL, PASSWORD, SECRET, Stage, complete, running_browser, stage
from starlette.types import Receive, Scope, Send

from amazon_ae._exceptions import PageChanged, PortalError
from amazon_ae._models.documents import DocumentKind
from amazon_ae._portal.browser_options import find_browser
from amazon_ae._portal.snapshot import picture
from amazon_ae.testing._seller_central import Challenge, Fault, InvoiceForm
from amazon_ae.testing._seller_central.codes import code_of, step_of
from amazon_ae.testing._serving import serve

pytestmark = pytest.mark.browser

SIGN_IN = """<!doctype html><form name="signIn" method="post" action="{action}"><input id="ap_email" name="email">
<input id="ap_password" type="password" name="password"><input id="signInSubmit" type="submit"></form>"""


class OnePage:
    """An origin with one page (or one redirect) for every address; it keeps what was posted to it."""

    def __init__(self, body: str = "", location: str = "") -> None:
        self.body = body
        self.location = location
        self.posted: list[bytes] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] == "POST":
            self.posted.append((await receive()).get("body", b""))
        headers = [(b"content-type", b"text/html")]
        if self.location:
            headers.append((b"location", self.location.encode()))
        await send({"type": "http.response.start", "status": 302 if self.location else 200, "headers": headers})
        await send({"type": "http.response.body", "body": self.body.encode()})


@asynccontextmanager
async def two_origins(first: OnePage, second: OnePage) -> AsyncIterator[tuple[str, str]]:
    """Two servers: the marketplace's and somebody else's."""
    async with serve(first) as ours, serve(second) as theirs:
        yield ours, theirs


@pytest.mark.parametrize("trick", ["redirect", "form action", "look-alike host"])
async def test_credentials_are_typed_on_the_marketplaces_origin_only(trick: str) -> None:
    """A sign-in page on another origin, and a form that would post to one, get nothing."""
    ours, theirs = OnePage(), OnePage(SIGN_IN.format(action="/steal"))
    async with stage() as on, two_origins(ours, theirs) as (our_origin, their_origin):
        if trick == "redirect":
            ours.location = f"{their_origin}/ap/signin"
        elif trick == "form action":
            ours.body = SIGN_IN.format(action=f"{their_origin}/steal")
        else:
            ours.location = f"{our_origin.replace('127.0.0.1', '127.0.0.2')}/ap/signin"
            ours.body = SIGN_IN.format(action="/steal")
        marketplace = attrs.evolve(on.marketplace, portal_origin=our_origin)
        async with on.scraper(marketplace=marketplace) as portal:
            with pytest.raises(PortalError) as caught:
                await portal.documents(on.order_ids[0])
        if trick != "look-alike host":
            assert isinstance(caught.value, PageChanged)
            assert "nothing was typed" in str(caught.value)
        assert not on.sign_ins[0].typed
        assert ours.posted == theirs.posted == []


async def test_a_sign_in_origin_the_host_names_is_allowed() -> None:
    """Where Amazon signs in elsewhere, the host says where; nothing else is allowed by it."""
    ours, theirs = OnePage(), OnePage(SIGN_IN.format(action="/ap/signin"))
    async with stage() as on, two_origins(ours, theirs) as (our_origin, their_origin):
        ours.location = f"{their_origin}/ap/signin"
        marketplace = attrs.evolve(on.marketplace, portal_origin=our_origin)
        async with on.scraper(marketplace=marketplace, sign_in_origins=[their_origin]) as portal:
            with pytest.raises(PortalError):
                await portal.documents(on.order_ids[0])
        assert len(theirs.posted) == 1


PEOPLE = """<!doctype html><title>{0}</title><style>body,input,button,select,textarea{{font:16px monospace;color:#000}}
p::before{{content:"{0}"}}.bg{{background-image:linear-gradient(90deg,red 0 {1}px,blue 0)}}</style>
<p>{0}</p><input value="{0}"><input type="password" value="{0}"><input placeholder="{0}"><textarea>{0}</textarea>
<select><option>{0}</select><p style="color:red !important">{0}</p><button>{0}</button><a href="#">{0}</a>
<p style="-webkit-text-fill-color:blue !important;text-shadow:1px 1px red !important">{0}</p>
<svg width="200" height="20"><text y="15">{0}</text></svg><ul><li>{0}</ul><div contenteditable>{0}</div>
<div class="bg" style="height:9px"></div><details open><summary>{0}</summary></details>
<span id="host"></span><iframe srcdoc="<p>{0}</p>" height="40"></iframe><canvas width="200" height="20"></canvas>
<script>const root=document.querySelector('#host').attachShadow({{mode:'open'}});
root.innerHTML='<b style="font:16px monospace">{0}</b>';const pen=document.querySelector('canvas').getContext('2d');
pen.font='16px monospace';pen.fillText('{0}',0,15)</script>"""


async def test_a_picture_does_not_depend_on_a_letter_of_the_page() -> None:
    """Two pages that differ in their texts, fields and drawings only give the same bytes: nothing of them is in it."""
    from playwright.async_api import async_playwright

    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=find_browser(), chromium_sandbox=False)
        pictures = []
        for text, width in (("aisha.r@mail.ae", 10), ("omarh#87.pw!Xyz", 60)):
            page = await browser.new_page()
            await page.set_content(PEOPLE.format(text, width))
            pictures.append(await picture(page))
            await page.close()
        blank = await browser.new_page()
        pictures.append(await picture(blank))
        await browser.close()
    assert pictures[0] is not None
    assert pictures[0] == pictures[1]
    assert pictures[0] != pictures[2], "the layout is still there"


def _shown(on: Stage, errors: list[BaseException], caplog: pytest.LogCaptureFixture) -> str:
    """Everything a host might log or show."""
    texts = [caplog.text, repr(on.events)]
    for error in errors:
        texts.append("".join(traceback.TracebackException.from_exception(error, capture_locals=False).format()))
        seen: BaseException | None = error
        while seen is not None:
            texts.append(repr(seen) + repr(vars(seen).get("args")))
            seen = seen.__cause__ or seen.__context__
    return "\n".join(texts)


async def test_secrets_and_buyers_are_in_no_log_error_or_event(caplog: pytest.LogCaptureFixture) -> None:
    """With every logger at DEBUG, through failures of each sort."""
    caplog.set_level(logging.DEBUG)
    errors: list[BaseException] = []
    async with stage() as on:
        started = on.clock.now()
        async with on.scraper(timeout=6.0) as portal:
            on.show(invoice=InvoiceForm.LINK)
            papers = await portal.documents(on.order_ids[0])
            assert complete(papers)
            texts = [repr(portal), repr(papers), str(papers.ready)]
            for fault in (Fault.CUT, Fault.HTML_AS_PDF, Fault.WRONG_ORDER, Fault.DROP, Fault.HANG, Fault.STRANGE_PAGE):
                on.site.fail(DocumentKind.INVOICE, fault, times=None)
                errors.extend((await portal.documents(on.order_ids[0])).failed.values())
                on.site.clear_faults()
            running = running_browser(portal)
            cookies = {item["value"] for item in await running.context.cookies()}
            texts.append(repr(running))
        for face in ({"challenge": Challenge.SMS_CODE}, {"may_see_orders": False}):
            on.show(**{"challenge": Challenge.NONE, **face})
            async with on.scraper() as portal:
                try:
                    errors.extend((await portal.documents(on.order_ids[0])).failed.values())
                except PortalError as error:
                    errors.append(error)
        async with on.scraper(password=PASSWORD[::-1]) as portal:
            on.show(challenge=Challenge.NONE)
            with pytest.raises(PortalError) as caught:
                await portal.login()
            errors.append(caught.value)
        shown = _shown(on, errors, caplog) + "\n".join(texts)
        order = on.orders[on.order_ids[0]]
    assert len(errors) >= 8
    buyer = {order.buyer_name, order.phone, *(line for line in order.address if len(line) > 4)}
    secret = {SECRET.replace(" ", ""), SECRET}
    forbidden = {EMAIL, PASSWORD, PASSWORD[::-1], *secret, *buyer, *(item for item in cookies if len(item) > 7)}
    assert [text for text in forbidden if text in shown] == []
    codes = {code_of(SECRET, step) for step in range(step_of(started) - 1, step_of(on.clock.now()) + 2)}
    assert codes & set(re.findall(r"\w+", shown)) == set()
