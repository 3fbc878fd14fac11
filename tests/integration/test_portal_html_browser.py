"""Chromium and the parser of fetched pages give the same answers to the same questions about the same pages."""

from __future__ import annotations

from typing import Any

import attrs
import pytest

from amazon_ae._models.marketplaces import AE
from amazon_ae._portal.browser import new_page, start_browser
from amazon_ae._portal.browser_options import BrowserOptions
from amazon_ae._portal.html import parse_html, read_form
from amazon_ae._portal.sign_in_rules import classify, snapshot_of_document
from amazon_ae._portal.site_map import SITE
from amazon_ae._portal.snapshot import observe

pytestmark = pytest.mark.browser

ORIGIN = "https://portal.example"
APP = '<meta name="anti-csrftoken-a2z" content="t">'
PAGES = (
    # Optional tags left out
    "<html><head><title>x</title><body><form name=signIn><input id=ap_email name=email></form>",
    "<title>x</title><form name=signIn><input id=ap_email name=email><input type=submit id=continue></form>",
    "<!doctype html><title>x</title>" + APP + "<p>one<p>two",
    "<!doctype html>" + APP + "<ul><li><a href=/easyship/label/download?orderId=1>a<li><a href='/x'>b</ul>",
    "<!doctype html><table id=orders-table><tr><td><a href='/orders-v3/order/1'>1</a><tr><td>2</table>",
    "<table id=orders-table><tbody><tr><td><a href=/orders-v3/order/408-1234567-1234567>x</table>",
    "<dl><dt>a<dd><input name=password type=password id=ap_password><dt>b<dd>c</dl>",
    (
        "<form id=auth-select-device-form><div class=auth-TOTP><input type=radio name=otpDeviceContext value=x,TOTP>"
        "<div class=auth-SMS><input type=radio name=otpDeviceContext value=x,SMS checked></form>"
    ),
    "<select id=sc-mkt-picker-switcher-select><option value=AE selected>a<option value=SA>b</select>" + APP,
    "<form action=/send><select name=day><option>1<option selected>2</select><input name=a value=1></form>",
    "<ruby>a<rt>b</ruby><form id=auth-mfa-form><p><input name=otpCode><p><input type=submit></form>",
    "<body><head>" + APP + "</head><p>a second head",
    "<p><form id=verification-code-form><p><input name=code></form>",
    # Misnested and broken
    "<b><form name=signIn><input name=email></b></form>",
    "<table><form name=signIn action=/a><tr><td><input name=email value=e><input id=ap_password name=password></table>",
    "<table><input id=ap_email name=email><tr><td>x</table>",
    "<form id=one action=/one><form id=two action=/two><input name=a value=1></form></form>",
    "<a href=/invoice/download?x=1>one<a href=/invoice/download?x=2>two",
    "<button class=picker-button>one<button class=picker-button>two</button>" + APP,
    "<div class=picker-app><p><div class=picker-name>x</p></div>",
    "<span class='a-button' data-test-id=manage-idu-invoice-button><input type=submit value=x",
    "<div id='a\"b'><p class='captcha'><img id=auth-captcha-image>",
    "<p id=x id=y><a data-test-id=print-shipping-label href='/a' href='/b'>x</a>",
    "<div hidden><input id=ap_email name=email></div><input id=ap_password>",
    "<div style='display:none'><input id=ap_email name=email></div>" + APP,
    "<div style='visibility: hidden'><form id=intent-confirmation-form><input></form></div>",
    "</p></br><input name=email></body></html><input id=ap_password name=password>",
    "<image src=x><form action='/documents/download/1'><input type=hidden name=t value=1></form>",
    "<DIV CLASS=Full-Page><INPUT ID=ap_email NAME=email TYPE=EMAIL></DIV>",
    "<svg><a href='/invoice/download'>x</a></svg>" + APP,
    "<math><mi>x</mi></math><kat-link href='/documents/download/1/document.pdf'>x</kat-link>",
    # Text that looks like markup
    "<noscript><form name=signIn><input name=email id=ap_email></form></noscript>" + APP,
    "<head><noscript><img src=x></noscript>" + APP + "</head><body>x",
    "<template><input id=ap_email name=email></template>" + APP,
    "<script>var a = '<input id=ap_email name=email>'</script>" + APP,
    "<script>window.gokuProps = {key: '1'}</script><h1>one</h1>",
    "<style>#ap_email {}</style><title><input id=ap_email></title>" + APP,
    "<textarea><input id=ap_email></textarea><xmp><input id=ap_password></xmp>" + APP,
    "<!-- <input id=ap_email> --><!-- a > b -->" + APP,
    "<![CDATA[<input id=ap_email>]]>" + APP,
    "<iframe srcdoc='<input id=ap_email>'></iframe>" + APP,
    "<plaintext><input id=ap_email name=email>",
    "<h3>unauthorized AI agent</h3>" + APP,
    "<h1>Continued access by an unauthorized <b>AI agent</b></h1>",
    # Forms
    (
        "<form action='/invoice/download?a=1&amp;b=2' method=POST><input type=hidden name=t value='a&amp;b'>"
        "<input type=checkbox name=c><input type=checkbox name=d checked>"
        "<textarea name=e>\nlong\ntext</textarea></form>"
    ),
    "<form action=/x><fieldset disabled><input name=off value=1></fieldset><input name=on value=2></form>",
    "<form id=f action=/x><input name=a value=1></form><input name=outside form=f value=2>",
    "<form action=/x><select name=s></select><select name=t><optgroup><option>a</optgroup><option>b</select></form>",
    "<form action=/x><input name=s value=1 disabled><input name='' value=2><input name=f type=file></form>",
    "<base href='https://portal.example/deep/'><form action=x><input name=a></form><a href='invoice/download'>x</a>",
    "<form name=signIn><label>E<input name=email type=hidden value=e></label><input id=ap_password type=password>",
)
_FORMS = """() => [...document.forms].map(form => [
  (form.getAttribute('method') || 'get').toUpperCase(),
  Object.fromEntries([...new FormData(form)].filter(([, value]) => typeof value === 'string'))])"""
_LINKS = "() => [...document.querySelectorAll('a[href], kat-link[href]')].map(item => item.getAttribute('href'))"


def test_there_are_enough_pages() -> None:
    """At least forty, each once."""
    assert len(set(PAGES)) == len(PAGES) >= 40


async def test_chromium_and_the_parser_agree_on_every_page() -> None:
    """Names present and visible, phrases, the page's name, form fields and links."""
    running = await start_browser(
        BrowserOptions(), headless=True, time_zone="Asia/Dubai", state=None, timeout_seconds=30.0
    )
    differences: list[tuple[str, Any, Any]] = []
    try:
        page = await new_page(running.context, 30.0)
        shown = ""

        async def answer(route: Any) -> None:
            await route.fulfill(status=200, content_type="text/html; charset=utf-8", body=shown)

        await page.route("**/*", answer)
        for html in PAGES:
            shown = html
            await page.goto(f"{ORIGIN}/home")
            seen = await observe(page, SITE, AE)
            theirs = (
                sorted(seen.snapshot.present),
                sorted(seen.snapshot.visible),
                sorted(seen.snapshot.phrases),
                classify(attrs.evolve(seen.snapshot, marketplace=None)),
                await page.evaluate(_FORMS),
                await page.evaluate(_LINKS),
            )
            document = parse_html(html.encode())
            snapshot = snapshot_of_document("/home", document, SITE)
            forms = [read_form(form, f"{ORIGIN}/home") for form in document.find(["form"])]
            ours = (
                sorted(snapshot.present),
                sorted(snapshot.visible),
                sorted(snapshot.phrases),
                classify(snapshot),
                [[form.method, form.fields] for form in forms],
                [link.attributes["href"] for link in document.find(["a[href], kat-link[href]"])],
            )
            if ours != theirs:
                differences.append((html, ours, theirs))
    finally:
        await running.aclose()
    report = "\n".join(f"{html}\n  ours   {ours}\n  theirs {theirs}" for html, ours, theirs in differences)
    assert not differences, report
