"""See a live page in one round trip: which known selectors match; and take pictures of it that hold no text."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

import attrs

from amazon_ae._models.marketplaces import Marketplace
from amazon_ae._portal.login_rules import PHRASE_PLACES, Snapshot, classify
from amazon_ae._portal.pace import call
from amazon_ae._portal.site_map import Page, SiteMap

if TYPE_CHECKING:
    from playwright.async_api import Frame, Page as BrowserPage

__all__ = ["View", "discover", "look", "origin_of", "picture"]

# Walks open shadow roots, as Playwright's own locators do. A selector the browser cannot read matches nothing.
_ROOTS: Final = """
const roots = [document];
for (let i = 0; i < roots.length; i++)
  for (const element of roots[i].querySelectorAll('*')) if (element.shadowRoot) roots.push(element.shadowRoot);
const all = selector => {
  try { return roots.flatMap(root => [...root.querySelectorAll(selector)]) } catch { return [] }
};
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
const spoken = arg.places.flatMap(all).map(element => element.textContent).join('\\n').toLowerCase();
for (const [name, texts] of Object.entries(arg.phrases))
  if (texts.some(text => spoken.includes(text.toLowerCase()))) phrases.push(name);
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
const first = names => names.flatMap(all)[0] || null;
const link = first(arg.links);
if (link && link.getAttribute('href')) return {link: new URL(link.getAttribute('href'), document.baseURI).href};
const form = first(arg.forms);
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
class View:
    """One look at a live page.

    Attributes:
        matched: per visible name, which of its selectors fits.
        origin: scheme and host of the address.
        born: when the document was made; another number is another document.
    """

    snapshot: Snapshot
    page: Page
    matched: dict[str, int]
    origin: str
    born: float
    ready: bool

    @property
    def key(self) -> tuple[object, ...]:
        """Equal for two looks between which nothing of interest happened."""
        return self.born, self.snapshot


async def look(page: BrowserPage, site: SiteMap, marketplace: Marketplace) -> View:
    """See the page, in one round trip."""
    seen: dict[str, Any] = await page.evaluate(
        _LOOK,
        {
            "selectors": {name: list(value) for name, value in site.selectors.items()},
            "phrases": {name: list(value) for name, value in site.phrases.items()},
            "places": list(PHRASE_PLACES),
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
    return View(
        snapshot=snapshot,
        page=classify(snapshot),
        matched=seen["visible"],
        origin=seen["origin"],
        born=seen["born"],
        ready=seen["ready"] != "loading",
    )


async def discover(
    frame: Frame, *, links: tuple[str, ...], forms: tuple[str, ...], clicks: tuple[str, ...]
) -> dict[str, Any] | None:
    """The first link, else form, else thing to click: ``{"link": url}``, ``{"form": {...}}`` or ``{"click": css}``."""
    found: dict[str, Any] | None = await frame.evaluate(
        _DISCOVER, {"links": list(links), "forms": list(forms), "clicks": list(clicks)}
    )
    return found


def origin_of(url: str) -> str:
    """Scheme, host and port, in lower case; the default port is left out."""
    parts = urlsplit(url)
    default = {"http": 80, "https": 443}.get(parts.scheme)
    port = f":{parts.port}" if parts.port not in (None, default) else ""
    return f"{parts.scheme}://{(parts.hostname or '').lower()}{port}"


async def picture(page: BrowserPage) -> bytes | None:
    """A PNG that shows the page's layout and not a letter of it; ``None`` if the page gives none in time."""
    with contextlib.suppress(Exception):
        return await call(
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
