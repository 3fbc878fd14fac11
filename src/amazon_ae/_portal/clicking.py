"""Clicks like a person: tours, consent banners and pop-ups over the element are closed first.

A browser holds back mouse events for pages in the background, for some two seconds each (measured in Chromium 150). So
a page is brought to the front for its click, and the clicks of one browser take turns.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Final

from amazon_ae._exceptions import PortalTimeout
from amazon_ae._portal.playwright_calls import run_step
from amazon_ae._portal.site_map import BUTTONS, SiteMap

if TYPE_CHECKING:
    from playwright.async_api import ElementHandle, Locator, Page

__all__ = ["click", "in_front"]

_CLICK_SECONDS: Final = 2.0
_MOST_OVERLAYS: Final = 6
# What lies over the element's centre: the outermost part of the page that covers it and does not hold it. In it, else
# in any open dialog, the control that closes it: one that the site map names, else one that says so in a whole word.
_CLOSER: Final = """(element, arg) => {
  const up = node => node.parentNode || node.host || null;
  const inside = (node, outer) => { for (; node; node = up(node)) if (node === outer) return true; return false };
  const deep = root => {
    const found = [];
    const walk = node => {
      found.push(node);
      if (node.shadowRoot) [...node.shadowRoot.children].forEach(walk);
      [...node.children].forEach(walk);
    };
    walk(root);
    return found;
  };
  const seen = node => node.getClientRects().length > 0 && getComputedStyle(node).visibility !== 'hidden';
  const label = node => ((node.tagName === 'INPUT' ? node.value : node.textContent) || node.getAttribute('label')
    || '').split(/\\s+/).join(' ').trim().toLowerCase();
  const matches = (node, selectors) => selectors.some(selector => {
    try { return node.matches(selector) } catch { return false }
  });
  element.scrollIntoView({block: 'center', inline: 'center', behavior: 'instant'});
  const box = element.getBoundingClientRect();
  const x = box.x + box.width / 2, y = box.y + box.height / 2;
  let top = document.elementFromPoint(x, y);
  while (top && top.shadowRoot && top.shadowRoot.elementFromPoint(x, y) !== top) {
    const inner = top.shadowRoot.elementFromPoint(x, y);
    if (!inner) break;
    top = inner;
  }
  if (!top || inside(top, element) || inside(element, top)) return null;
  let cover = top;
  for (let node = top; node && node !== document; node = up(node))
    if (node instanceof Element && !inside(element, node)) cover = node;
  const open = '[role=dialog], [role=alertdialog], [aria-modal=true], kat-modal, dialog';
  const dialogs = [...document.querySelectorAll(open)];
  for (const root of [cover, ...dialogs.reverse().filter(dialog => !inside(element, dialog))]) {
    const controls = deep(root).filter(node => seen(node));
    const named = controls.find(node => matches(node, arg.selectors));
    if (named) return named;
    const words = controls.filter(node => matches(node, [arg.buttons])).find(node => arg.texts.includes(label(node))
      || arg.texts.includes((node.getAttribute('aria-label') || node.getAttribute('title') || '').toLowerCase())
      || ['close', 'dismiss', 'skip'].includes((node.getAttribute('name') || node.dataset.action || '').toLowerCase()));
    if (words) return words;
  }
  return null;
}"""


@contextlib.asynccontextmanager
async def in_front(page: Page, turn: asyncio.Lock, step: str, timeout_seconds: float) -> AsyncIterator[None]:
    """Have a page in front of the others of its browser."""
    async with turn:
        await run_step(page.bring_to_front(), step, timeout_seconds)
        yield


async def click(
    page: Page, target: Locator, site: SiteMap, *, turn: asyncio.Lock, step: str, timeout_seconds: float
) -> None:
    """Click on ``target`` with a trusted click; overlays that cover it are closed first, one after the other.

    Consent is never given on the seller's behalf: an overlay that offers only "Accept" stays, and the element below it
    is clicked by script.

    Args:
        turn: held while a page of the browser is clicked on.

    Raises:
        PortalTimeout, BrowserLost, PageChanged: as ``run_step``.
    """
    first = target.first
    await run_step(first.wait_for(state="visible", timeout=timeout_seconds * 1000), step, timeout_seconds)
    async with in_front(page, turn, step, timeout_seconds):
        await _click_in_front(first, site, step=step, timeout_seconds=timeout_seconds)


async def _click_in_front(first: Locator, site: SiteMap, *, step: str, timeout_seconds: float) -> None:
    for _ in range(_MOST_OVERLAYS):
        closer = await _closer(first, site, step, timeout_seconds)
        if closer is None:
            break
        with contextlib.suppress(PortalTimeout):
            await run_step(closer.click(timeout=_CLICK_SECONDS * 1000), step, timeout_seconds)
    try:
        await run_step(first.click(timeout=_CLICK_SECONDS * 1000, no_wait_after=True), step, timeout_seconds)
    except PortalTimeout:
        await run_step(first.dispatch_event("click", timeout=_CLICK_SECONDS * 1000), step, timeout_seconds)


async def _closer(target: Locator, site: SiteMap, step: str, timeout_seconds: float) -> ElementHandle | None:
    arguments = {
        "selectors": list(site.selectors["tour_close"]),
        "texts": [text.lower() for text in site.phrases["close_overlay"]],
        "buttons": BUTTONS,
    }
    found = await run_step(target.evaluate_handle(_CLOSER, arguments), step, timeout_seconds)
    return found.as_element()
