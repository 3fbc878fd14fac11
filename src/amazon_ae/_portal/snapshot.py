"""Takes a snapshot of a live page in one round trip (which known selectors match), and pictures without text."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

import attrs

from amazon_ae._models.marketplaces import Marketplace
from amazon_ae._portal.html import Form
from amazon_ae._portal.playwright_calls import run_step
from amazon_ae._portal.sign_in_rules import Snapshot, classify
from amazon_ae._portal.site_map import BUTTON_PHRASES, BUTTONS, PHRASE_SELECTORS, PageKind, SiteMap

if TYPE_CHECKING:
    from playwright.async_api import Frame, Page as BrowserPage

__all__ = ["Offer", "PageView", "discover", "observe", "origin_of", "picture"]

# Walks open shadow roots, as Playwright's own locators do. A selector the browser cannot read matches nothing.
_ROOTS: Final = """
const roots = [document];
for (let i = 0; i < roots.length; i++)
  for (const element of roots[i].querySelectorAll('*')) if (element.shadowRoot) roots.push(element.shadowRoot);
const all = selector => {
  try { return roots.flatMap(root => [...root.querySelectorAll(selector)]) } catch { return [] }
};
const label = element => ((element.tagName === 'INPUT' ? element.value : element.textContent)
  || element.getAttribute('label') || element.getAttribute('aria-label') || '').split(/\\s+/).join(' ').trim();
const seen = element => element.getClientRects().length > 0 && getComputedStyle(element).visibility !== 'hidden';
"""
_LOOK: Final = (
    "arg => {"
    + _ROOTS
    + """
const visible = {}, present = [], phrases = [];
for (const [name, selectors] of Object.entries(arg.selectors)) {
  let found = false;
  selectors.forEach((selector, index) => {
    for (const element of all(selector)) {
      found = true;
      if (!(name in visible) && seen(element)) visible[name] = index;
    }
  });
  if (found) present.push(name);
}
const first = {};
for (const [name, selectors] of Object.entries(arg.places)) {
  const said = selectors.flatMap(all).map(element => element.textContent).join('\\n').toLowerCase();
  const found = arg.phrases[name].map(text => said.indexOf(text.toLowerCase())).filter(at => at >= 0);
  first[name] = Math.min(...found);
  if (found.length) phrases.push(name);
}
const say = name => { if (!(name in visible)) visible[name] = -1; if (!present.includes(name)) present.push(name) };
const buttons = new Set(all(arg.buttons).filter(seen).map(element => label(element).toLowerCase()));
for (const name of arg.buttonPhrases)
  if (arg.phrases[name].some(text => buttons.has(text.toLowerCase()))) say(name);
if (first.code_by_message < first.code_by_app) say('code_by_message');
const list = arg.selectors.marketplace_switch.flatMap(all)[0];
const value = list && list.selectedOptions && list.selectedOptions.length ? list.selectedOptions[0].value : null;
let marketplace = null;
if (value !== null) {
  if (value === arg.code || value.includes(arg.marketplaceId)) marketplace = true;
  else if (/^[A-Z]{2}$/.test(value) || value.includes('mkid=')) marketplace = false;
}
return {path: location.pathname, origin: location.origin, born: performance.timeOrigin, ready: document.readyState,
        visible, present, phrases, marketplace};
}"""
)
_DISCOVER: Final = (
    "arg => {"
    + _ROOTS
    + """
const links = arg.links.flatMap(all).map(link => link.getAttribute('href')).filter(href => href && href[0] !== '#')
  .map(href => new URL(href, document.baseURI)).filter(url => /^https?:$/.test(url.protocol)).map(url => url.href);
if (links.length) return {links: [...new Set(links)]};
const form = arg.forms.flatMap(all)[0] || null;
if (form) {
  const data = new FormData(form), fields = {};
  for (const [name, value] of data) if (typeof value === 'string') fields[name] = value;
  const button = form.querySelector('input[type=submit][name], button[name]');
  if (button) fields[button.name] = button.value;
  return {form: {url: new URL(form.getAttribute('action') || '', document.baseURI).href,
                 method: (form.getAttribute('method') || 'get').toUpperCase(), fields}};
}
for (let index = 0; index < arg.clicks.length; index++)
  if (all(arg.clicks[index]).some(seen)) return {click: arg.clicks[index]};
return null;
}"""
)

# Everything that could be read is made transparent; what could still show (inline "!important", frames) is masked.
_UNREADABLE: Final = """
*, *::before, *::after, *::placeholder, *::marker, *::first-line, *::first-letter, ::selection {
  color: transparent !important; -webkit-text-fill-color: transparent !important; text-shadow: none !important;
  -webkit-text-stroke: 0 transparent !important; text-decoration: none !important; caret-color: transparent !important;
  background-image: none !important; border-image: none !important; list-style: none !important;
  content: none !important; mask: none !important; clip-path: none !important;
  transition: none !important; animation: none !important }
img, picture, video, canvas, svg, object, embed, iframe, frame, meter, progress, input, select, textarea, audio {
  visibility: hidden !important }
"""
_MASKED: Final = (
    "img, picture, video, canvas, svg, object, embed, iframe, frame, input, select, textarea, audio, [style*=important]"
)
_PICTURE_SECONDS: Final = 5.0


@attrs.frozen(kw_only=True)
class PageView:
    """One snapshot of a live page.

    Attributes:
        matched: per visible name, the index of its matching selector; -1 where a phrase matched.
        origin: scheme and host of the address.
        born: when the document was made; another number is another document.
    """

    snapshot: Snapshot
    page: PageKind
    matched: dict[str, int]
    origin: str
    born: float
    ready: bool

    @property
    def key(self) -> tuple[object, ...]:
        """Equal for two snapshots between which nothing relevant changed."""
        return self.born, self.snapshot


@attrs.frozen(kw_only=True)
class Offer:
    """A page's offer of a document: addresses, a form, or the selector of an element to click."""

    links: tuple[str, ...] = attrs.field(default=(), repr=False)
    form: Form | None = None
    click: str = ""

    @classmethod
    def of(cls, found: dict[str, Any]) -> Offer:
        """As the browser reports it."""
        form = found.get("form")
        return cls(
            links=tuple(found.get("links", ())),
            form=None if form is None else Form(form["method"], form["url"], form["fields"]),
            click=found.get("click", ""),
        )


async def observe(page: BrowserPage, site: SiteMap, marketplace: Marketplace) -> PageView:
    """Take a snapshot, in one round trip."""
    seen: dict[str, Any] = await page.evaluate(
        _LOOK,
        {
            "selectors": {name: list(value) for name, value in site.selectors.items()},
            "phrases": {name: list(value) for name, value in site.phrases.items()},
            "places": {name: list(value) for name, value in PHRASE_SELECTORS.items()},
            "buttons": BUTTONS,
            "buttonPhrases": list(BUTTON_PHRASES),
            "code": marketplace.code,
            "marketplaceId": marketplace.marketplace_id,
        },
    )
    snapshot = Snapshot(
        path=seen["path"],
        visible=frozenset(seen["visible"]),
        present=frozenset(seen["present"]),
        phrases=frozenset(seen["phrases"]),
        marketplace=seen["marketplace"],
    )
    return PageView(
        snapshot=snapshot,
        page=classify(snapshot),
        matched=seen["visible"],
        origin=seen["origin"],
        born=seen["born"],
        ready=seen["ready"] != "loading",
    )


async def discover(
    frame: Frame, *, links: tuple[str, ...], forms: tuple[str, ...], clicks: tuple[str, ...]
) -> Offer | None:
    """Every link, else the first form, else the first element to click; ``None`` where there is none of them."""
    found: dict[str, Any] | None = await frame.evaluate(
        _DISCOVER, {"links": list(links), "forms": list(forms), "clicks": list(clicks)}
    )
    return None if found is None else Offer.of(found)


def origin_of(url: str) -> str:
    """Scheme, host and port, in lower case; the default port is left out."""
    parts = urlsplit(url)
    default = {"http": 80, "https": 443}.get(parts.scheme)
    port = f":{parts.port}" if parts.port not in (None, default) else ""
    return f"{parts.scheme}://{(parts.hostname or '').lower()}{port}"


async def picture(page: BrowserPage) -> bytes | None:
    """A PNG of the page's layout without any text; ``None`` if the page gives none in time."""
    with contextlib.suppress(Exception):
        return await run_step(
            page.screenshot(
                style=_UNREADABLE,
                mask=[page.locator(_MASKED)],
                mask_color="#bbbbbb",
                animations="disabled",
                timeout=_PICTURE_SECONDS * 1000,
            ),
            "picture",
            _PICTURE_SECONDS,
        )
    return None
