"""The controls of a page by name only: ids, attributes and paths, never a text or a value."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import attrs

from amazon_ae._portal.site_map import SiteMap

if TYPE_CHECKING:
    from playwright.async_api import Frame

__all__ = ["Control", "PageContent", "alike", "path_shape", "paths_alike", "read_content", "words_of"]

# An attribute's value counts as a name, not as personal data, if it looks like one.
_NAME: Final = re.compile(r"[A-Za-z][\w.:-]{0,60}")
_DIGITS: Final = re.compile(r"\d{3,}(-\d+)*")
_WORDS: Final = re.compile(r"[A-Z]?[a-z]{2,}|[A-Z]{2,}|[0-9]+")
# Words that many names have in common.
_COMMON: Final = frozenset(
    {"button", "div", "form", "href", "id", "input", "link", "name", "span", "submit", "type", "test", "data", "class"}
    | {"not", "aria", "kat", "com", "www", "http", "https"}
)
# The kind of element of an entry, by the ending of the entry's name.
_KINDS: Final[Mapping[str, frozenset[str]]] = {
    **dict.fromkeys(("_link", "orders_row"), frozenset({"link"})),
    "_form": frozenset({"form"}),
    **dict.fromkeys(("email", "password", "code"), frozenset({"field"})),
    **dict.fromkeys(("_next", "_submit", "sign_in", "_confirm", "_send"), frozenset({"button"})),
    **dict.fromkeys(("_button", "_schedule", "_refresh", "_skip", "_click", "_close"), frozenset({"button", "link"})),
}
_READ: Final = """arg => {
  const roots = [document];
  for (let i = 0; i < roots.length; i++)
    for (const element of roots[i].querySelectorAll('*')) if (element.shadowRoot) roots.push(element.shadowRoot);
  const all = selector => {
    try { return roots.flatMap(root => [...root.querySelectorAll(selector)]) } catch { return [] }
  };
  const present = {}, known = new Set();
  for (const [name, selectors] of Object.entries(arg.selectors))
    selectors.forEach((selector, index) => {
      for (const element of all(selector)) { known.add(element); if (!(name in present)) present[name] = index }
    });
  const kinds = 'a[href], button, input:not([type=hidden]), select, textarea, form, kat-button, kat-link, iframe,'
    + ' [role=button], [data-test-id], meta[name], main [id]';
  const names = ['id', 'data-test-id', 'name', 'type', 'role'];
  const controls = [...new Set(all(kinds))].slice(0, 400).map(element => ({
    known: known.has(element),
    tag: element.tagName.toLowerCase(),
    attributes: Object.fromEntries(names.map(name => [name, element.getAttribute(name)]).filter(([, value]) => value)),
    classes: [...element.classList].slice(0, 4),
    path: element.getAttribute('href') || element.getAttribute('action') || '',
  }));
  return {present, controls, named: arg.orderId ? document.documentElement.innerHTML.includes(arg.orderId) : false};
}"""


@attrs.frozen(kw_only=True)
class Control:
    """One control, by what a selector can name; ``known`` if some entry of the site map matches it."""

    tag: str
    known: bool = False
    attributes: Mapping[str, str]
    classes: tuple[str, ...] = ()
    path: str = ""

    @property
    def selector(self) -> str:
        """CSS that names it, the most specific way first; ``""`` if nothing on it is a name."""
        if "id" in self.attributes:
            return f"{self.tag}#{self.attributes['id']}"
        for name in ("data-test-id", "name"):
            if name in self.attributes:
                return f"{self.tag}[{name}={self.attributes[name]}]"
        if path := self.path.partition("…")[0].rstrip("/"):
            return f"{self.tag}[{'action' if self.tag == 'form' else 'href'}*='{path}']"
        return f"{self.tag}.{self.classes[0]}" if self.classes else ""

    @property
    def kind(self) -> str:
        """``link``, ``form``, ``field``, ``choice``, ``button``, or its tag."""
        if self.tag == "input":
            type_ = self.attributes.get("type", "")
            if type_ in ("submit", "button", "image"):
                return "button"
            return "choice" if type_ in ("checkbox", "radio") else "field"
        return {"a": "link", "kat-link": "link", "kat-button": "button"}.get(self.tag, self.tag)

    @property
    def words(self) -> frozenset[str]:
        """The words of its names."""
        return words_of(" ".join([*self.attributes.values(), *self.classes, self.path]))


@attrs.frozen(kw_only=True)
class PageContent:
    """A page without its texts.

    Attributes:
        present: per name of the site map that matches something, which of its selectors does.
        controls: what a person or a script can use, and what has an id.
        names_order: whether the order's id is somewhere in the markup.
    """

    present: Mapping[str, int] = attrs.field(factory=dict)
    controls: tuple[Control, ...] = ()
    names_order: bool = False


async def read_content(frame: Frame, site: SiteMap, order_id: str = "") -> PageContent:
    """Read one frame, in one round trip."""
    selectors = {name: list(value) for name, value in site.selectors.items()}
    found: dict[str, Any] = await frame.evaluate(_READ, {"selectors": selectors, "orderId": order_id})
    return PageContent(
        present=found["present"],
        controls=tuple(_control(item) for item in found["controls"]),
        names_order=found["named"],
    )


def alike(name: str, selectors: Sequence[str], controls: Sequence[Control], *, at_most: int = 3) -> list[Control]:
    """The controls of the entry's kind that share most words with its name and selectors, if any does."""
    wanted = words_of(" ".join([name, *selectors]))
    kinds = next((kinds for ending, kinds in _KINDS.items() if name.endswith(ending)), None)
    fitting = [control for control in controls if control.selector and (kinds is None or control.kind in kinds)]
    fitting.sort(key=lambda control: (-len(wanted & control.words), control.known))
    best = {control.selector: control for control in fitting if wanted & control.words}
    return list(best.values())[:at_most]


def paths_alike(name: str, url: str, controls: Sequence[Control]) -> list[str]:
    """The paths of controls that share most words with an address's name and path."""
    wanted = words_of(f"{name} {url}")
    paths = dict.fromkeys(control.path for control in controls if control.path.startswith("/"))
    scored = sorted(((len(wanted & words_of(path)), path) for path in paths), key=lambda item: -item[0])
    return [path for score, path in scored if score][:3]


def path_shape(url: str) -> str:
    """A path without numbers, query and fragment: ``/orders-v3/order/…``."""
    path = re.sub(r"^[a-z]+://[^/]*", "", url).partition("?")[0].partition("#")[0]
    parts = [("…" if len(part) > 12 and re.search(r"\d", part) else _DIGITS.sub("…", part)) for part in path.split("/")]
    return "/".join(parts)[:80]


def _control(item: dict[str, Any]) -> Control:
    attributes = {
        name: value
        for name, value in item["attributes"].items()
        if _NAME.fullmatch(value) and not _DIGITS.search(value)
    }
    classes = tuple(text for text in item["classes"] if _NAME.fullmatch(text) and not _DIGITS.search(text))
    return Control(
        tag=item["tag"], known=item["known"], attributes=attributes, classes=classes, path=path_shape(item["path"])
    )


def words_of(text: str) -> frozenset[str]:
    """The words in a name or selector, but for those that every page has."""
    return frozenset(word.lower() for word in _WORDS.findall(text)) - _COMMON
