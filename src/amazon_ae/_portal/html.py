"""Fetched HTML as a browser would read it: selectolax's HTML5 parser and CSS engine, and the form a click would send.

The parser follows the HTML standard with scripting on, like the browser that opens the same page: optional end tags,
misnested tags and ``<noscript>`` give the tree that Chromium has. ``test_portal_html_browser`` asks both.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Final
from urllib.parse import urljoin, urlsplit

import attrs

from amazon_ae._exceptions import ConfigurationError, PageChanged

if TYPE_CHECKING:
    from selectolax.lexbor import LexborHTMLParser, LexborNode

__all__ = ["Element", "Form", "HtmlDocument", "check_selector", "leads_to_a_page", "parse_html", "read_form"]

_INVISIBLE: Final = frozenset(["head", "meta", "link", "script", "style", "template", "title", "noscript"])
_HIDDEN_STYLE: Final = re.compile(r"display\s*:\s*none|visibility\s*:\s*hidden", re.IGNORECASE)
# Pseudo-classes whose answer is in the markup. The others (:hover, :focus, ...) match nothing in a fetched page, and
# lexbor's own are unknown to a browser.
_MARKUP_PSEUDO_CLASS: Final = re.compile(
    "checked|disabled|empty|enabled|has|is|not|optional|required|root|where"
    "|(nth|nth-last|first|last|only)-(child|of-type)",
    re.IGNORECASE,
)
_ROWS: Final = ("tr", "li", "kat-table-row")
_CONTROLS: Final = "input, select, textarea"
_QUOTED: Final = re.compile(r"\"[^\"]*\"|'[^']*'|\[[^\]]*\]")
_PSEUDO: Final = re.compile(r":([\w-]+)")


@attrs.frozen(eq=False)
class Element:
    """One element of a document."""

    _node: LexborNode = attrs.field(repr=False)

    @property
    def tag(self) -> str:
        """Its name in lower case."""
        return self._node.tag or ""

    @property
    def attributes(self) -> dict[str, str]:
        """Its attributes; one without a value has ``""``."""
        return {name: value or "" for name, value in self._node.attributes.items()}

    @property
    def text(self) -> str:
        """All text in it, scripts included."""
        return self._node.text()

    @property
    def label(self) -> str:
        """The text of a button, or the attribute in its place."""
        attributes = self.attributes
        text = attributes.get("value", "") if self.tag == "input" else self.text
        return " ".join((text or attributes.get("label", "") or attributes.get("aria-label", "")).split())

    @property
    def parent(self) -> Element | None:
        """The element around it."""
        above = self._node.parent
        return None if above is None else Element(above)

    @property
    def row(self) -> Element | None:
        """The row of a table or list around it."""
        above = self.parent
        while above is not None and above.tag not in _ROWS and above.attributes.get("role") != "row":
            above = above.parent
        return above

    @property
    def form(self) -> Element | None:
        """The form around it."""
        above = self.parent
        while above is not None and above.tag != "form":
            above = above.parent
        return above

    @property
    def visible(self) -> bool:
        """Whether the markup alone leaves it visible; style sheets and scripts are not considered."""
        attributes = self.attributes
        if self.tag == "input" and attributes.get("type", "").lower() == "hidden":
            return False
        element: Element | None = self
        while element is not None:
            attributes = element.attributes
            hidden = "hidden" in attributes or _HIDDEN_STYLE.search(attributes.get("style", ""))
            if hidden or element.tag in _INVISIBLE:
                return False
            element = element.parent
        return True

    def find(self, selectors: Sequence[str]) -> Iterator[Element]:
        """All elements below it that a selector matches: those of the first selector first."""
        return _find(self._node, selectors)


@attrs.frozen(eq=False)
class HtmlDocument:
    """A parsed page. Use it in one thread at a time."""

    _parser: LexborHTMLParser = attrs.field(repr=False)

    def find(self, selectors: Sequence[str]) -> Iterator[Element]:
        """All elements that a selector matches: those of the first selector first.

        Raises:
            ConfigurationError: a selector cannot be read; see ``check_selector``.
        """
        return _find(self._parser, selectors)

    def first(self, selectors: Sequence[str]) -> Element | None:
        """The first of them."""
        return next(self.find(selectors), None)


@attrs.frozen
class Form:
    """What a browser would send for a form: a method in capitals, an absolute address and the successful controls."""

    method: str
    url: str
    fields: dict[str, str] = attrs.field(repr=False)


def parse_html(content: str | bytes) -> HtmlDocument:
    """The page's tree; broken markup gives the tree a browser would make of it, never an error.

    Takes about 40 ms of processor time per megabyte; the interpreter's lock is released meanwhile, so that a thread
    keeps an event loop free.

    Args:
        content: bytes are decoded by the HTML standard; without a declaration they are UTF-8.

    Raises:
        ConfigurationError: selectolax is not installed: ``pip install 'amazon-ae[portal]'``.
    """
    try:
        from selectolax.lexbor import LexborHTMLParser
    except ImportError:
        raise ConfigurationError("pages are read with selectolax: pip install 'amazon-ae[portal]'") from None
    return HtmlDocument(LexborHTMLParser(content, scripting=True, encoding=True))


def check_selector(selector: str) -> None:
    """Refuse a selector that the two CSS engines, Chromium's and selectolax's, would not read alike.

    Raises:
        ConfigurationError: it is not CSS, or uses a pseudo-class that a fetched page does not have (``:hover``,
            ``:visible``).
    """
    names = _PSEUDO.findall(_QUOTED.sub("", selector))
    if foreign := [name for name in names if not _MARKUP_PSEUDO_CLASS.fullmatch(name)]:
        raise ConfigurationError(f"selector {selector!r}: ':{foreign[0]}' does not work on a fetched page; take it out")
    parse_html("").first([selector])


def read_form(form: Element, page_url: str, *, button: Element | None = None) -> Form:
    """Serialise a form as a click on ``button`` (or on its first named button) would.

    Raises:
        PageChanged: its address is none.
    """
    fields: dict[str, str] = {}
    for element in _controls(form):
        name, value = element.attributes.get("name", ""), _successful_value(element)
        if name and value is not None:
            fields[name] = value
    if button is None:
        button = next(form.find(["input[type=submit][name]", "button[name]"]), None)
    if button is not None and button.attributes.get("name"):
        fields[button.attributes["name"]] = button.attributes.get("value", "")
    method = form.attributes.get("method", "get").upper()
    try:
        url = urljoin(page_url, form.attributes.get("action") or page_url)
    except ValueError:
        raise PageChanged("the address of a form cannot be read; run check()", step="form") from None
    return Form(method, url, fields)


def leads_to_a_page(href: str) -> bool:
    """Whether a link's address can be followed: it is one, and neither an anchor nor a script."""
    try:
        return href != "" and not href.startswith("#") and urlsplit(href).scheme in ("", "http", "https")
    except ValueError:  # "//[" is none
        return False


def _controls(form: Element) -> Iterator[Element]:
    """The controls of a form: inside it, naming it by ``form=``, or in the table around a form that cannot hold them.

    ``<table><form><tr>...``: a form is not allowed there, so the parser leaves it empty, with its controls beside it.
    """
    above = form.parent
    in_table = above is not None and above.tag in ("table", "thead", "tbody", "tr")
    for element in above.find([_CONTROLS]) if in_table and above is not None else form.find([_CONTROLS]):
        if "form" not in element.attributes:
            yield element
    root = form
    while root.parent is not None:
        root = root.parent
    if form_id := form.attributes.get("id"):
        yield from (item for item in root.find([_CONTROLS]) if item.attributes.get("form") == form_id)


def _is_disabled(control: Element) -> bool:
    if "disabled" in control.attributes:
        return True
    above = control.parent
    while above is not None and not (above.tag == "fieldset" and "disabled" in above.attributes):
        above = above.parent
    return above is not None


def _successful_value(control: Element) -> str | None:
    """What a control adds to its form; ``None`` if nothing (HTML standard, "constructing the entry list")."""
    attributes = control.attributes
    kind = attributes.get("type", "").lower()
    if _is_disabled(control) or kind in ("submit", "image", "button", "reset", "file"):
        return None
    if control.tag == "textarea":
        return control.text
    if control.tag == "select":
        options = list(control.find(["option"]))
        chosen = next((item for item in options if "selected" in item.attributes), options[0] if options else None)
        return None if chosen is None else chosen.attributes.get("value", chosen.text.strip())
    if kind in ("checkbox", "radio"):
        return attributes.get("value", "on") if "checked" in attributes else None
    return attributes.get("value", "")


def _find(root: LexborHTMLParser | LexborNode, selectors: Sequence[str]) -> Iterator[Element]:
    from selectolax.lexbor import SelectolaxError

    for selector in selectors:
        try:
            nodes = root.css(selector)
        except SelectolaxError:
            raise ConfigurationError(f"selector {selector!r} is not CSS that this library can read") from None
        for node in nodes:
            yield Element(node)
