"""Find elements in fetched HTML by the same selectors the browser uses, with nothing but the standard library.

A page that needs no script is fetched without opening one; this module reads it. The selectors are the subset of CSS
that ``site_map`` promises: tag, ``#id``, ``.class``, ``[attribute]`` with ``= ~= ^= $= *=``, ``:not()``,
descendant and ``>``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from html.parser import HTMLParser
from typing import Final
from urllib.parse import urljoin

import attrs

from amazon_ae._exceptions import ConfigurationError

__all__ = ["Document", "Element", "Form", "parse_html", "read_form"]

_VOID: Final = frozenset(
    ["area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"]
)
_INVISIBLE: Final = frozenset(["head", "meta", "link", "script", "style", "template", "title", "noscript"])
_HIDDEN_STYLE: Final = re.compile(r"display\s*:\s*none|visibility\s*:\s*hidden", re.IGNORECASE)
_SIMPLE: Final = re.compile(
    r"""(?P<tag>[a-zA-Z][\w-]*|\*)
      | \#(?P<id>[\w-]+)
      | \.(?P<class>[\w-]+)
      | \[\s*(?P<name>[\w-]+)\s*(?:(?P<op>[~^$*]?=)\s*(?:"(?P<dq>[^"]*)"|'(?P<sq>[^']*)'|(?P<bare>[\w./:-]+))\s*)?\]
      | :not\((?P<not>[^()]*)\)""",
    re.VERBOSE,
)
_GAP: Final = re.compile(r"\s*>\s*|\s+")


@attrs.define(eq=False)
class Element:
    """One element: its tag, attributes, parent and children, and the text directly inside it."""

    tag: str
    attributes: dict[str, str]
    parent: Element | None = attrs.field(default=None, repr=False)
    children: list[Element] = attrs.field(factory=list, repr=False)
    texts: list[str] = attrs.field(factory=list, repr=False)

    def __iter__(self) -> Iterator[Element]:
        """This element and all below it, in the document's order."""
        waiting: list[Element] = [self]
        while waiting:
            element = waiting.pop()
            yield element
            waiting.extend(reversed(element.children))

    @property
    def visible(self) -> bool:
        """Whether the markup alone leaves it visible; style sheets and scripts are not considered."""
        if self.tag == "input" and self.attributes.get("type", "").lower() == "hidden":
            return False
        element: Element | None = self
        while element is not None:
            hidden = "hidden" in element.attributes or _HIDDEN_STYLE.search(element.attributes.get("style", ""))
            if hidden or element.tag in _INVISIBLE:
                return False
            element = element.parent
        return True

    def find(self, selectors: Sequence[str]) -> Iterator[Element]:
        """All elements that a selector matches: those of the first selector first.

        Raises:
            ConfigurationError: a selector is outside the subset.
        """
        for selector in selectors:
            steps = _compile(selector)
            for element in self._candidates(steps):
                if _fits(element, steps):
                    yield element

    def _candidates(self, steps: _Steps) -> Iterable[Element]:
        return self


@attrs.define(eq=False)
class Document(Element):
    """The root. It knows its elements by tag, id, class and attribute: a selector looks at a few of them only."""

    index: dict[tuple[str, str], list[Element]] = attrs.field(factory=dict, repr=False)

    def add(self, element: Element) -> None:
        """Note an element; called in the document's order."""
        keys = {("", element.tag)}
        for name, value in element.attributes.items():
            keys.add((name, ""))
            if name in ("id", "class"):
                keys.update((name, word) for word in value.split())
        for key in keys:
            self.index.setdefault(key, []).append(element)

    def _candidates(self, steps: _Steps) -> Iterable[Element]:
        lists = [self.index.get(test.key, []) for test in steps[0][0] if test.key]
        return sorted(lists, key=len)[0] if lists else self


@attrs.frozen
class Form:
    """What a browser would send for a form: a method in capitals, an absolute address and the successful controls."""

    method: str
    url: str
    fields: dict[str, str] = attrs.field(repr=False)


class _Parser(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.root = Document("", {})
        self._open: Element = self.root

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        element = Element(tag, {name: value or "" for name, value in attrs}, self._open)
        self._open.children.append(element)
        self.root.add(element)
        if tag not in _VOID:
            self._open = element

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        # In HTML the slash of "<div/>" means nothing; only void elements end at once.
        self.handle_starttag(tag, attrs)

    def handle_endtag(self, tag: str) -> None:
        element: Element | None = self._open
        while element is not None and element.tag != tag:
            element = element.parent
        if element is not None and element.parent is not None:
            self._open = element.parent

    def handle_data(self, data: str) -> None:
        self._open.texts.append(data)


def parse_html(text: str) -> Document:
    """The document's tree; broken markup gives a tree as good as possible, never an error."""
    parser = _Parser()
    parser.feed(text)
    parser.close()
    return parser.root


def read_form(form: Element, page_url: str, *, button: Element | None = None) -> Form:
    """Serialise a form as a click on ``button`` (or on its first named button) would."""
    fields: dict[str, str] = {}
    for element in form:
        name = element.attributes.get("name", "")
        if not name or "disabled" in element.attributes:
            continue
        kind = element.attributes.get("type", "").lower()
        if element.tag in ("button", "input") and kind in ("submit", "image", "button", "reset", "file"):
            continue
        if element.tag == "input" and not (kind in ("checkbox", "radio") and "checked" not in element.attributes):
            fields[name] = element.attributes.get("value", "on" if kind in ("checkbox", "radio") else "")
        elif element.tag == "select":
            options = [item for item in element if item.tag == "option"]
            chosen = next((item for item in options if "selected" in item.attributes), options[0] if options else None)
            if chosen is not None:
                fields[name] = chosen.attributes.get("value", "".join(chosen.texts).strip())
        elif element.tag == "textarea":
            fields[name] = "".join(element.texts)
    if button is None:
        button = next(form.find(["input[type=submit][name]", "button[name]"]), None)
    if button is not None and button.attributes.get("name"):
        fields[button.attributes["name"]] = button.attributes.get("value", "")
    method = form.attributes.get("method", "get").upper()
    return Form(method, urljoin(page_url, form.attributes.get("action") or page_url), fields)


@attrs.frozen
class _Test:
    name: str  # "" is the tag
    op: str
    value: str
    negated: tuple[_Test, ...] = ()

    @property
    def key(self) -> tuple[str, str] | None:
        """Where ``Document.index`` lists everything that may fit."""
        if self.negated or self.value == "*":
            return None
        if not self.name or (self.name, self.op) in (("id", "="), ("class", "~=")):
            return self.name, self.value
        return self.name, ""

    def fits(self, element: Element) -> bool:
        if self.negated:
            return not all(test.fits(element) for test in self.negated)
        if not self.name:
            return self.value in ("*", element.tag)
        actual = element.attributes.get(self.name)
        if actual is None or not self.op:
            return actual is not None
        if self.op == "=":
            return actual == self.value
        if self.op == "~=":
            return self.value in actual.split()
        # As in CSS, an empty value matches nothing here.
        return bool(self.value) and (
            actual.startswith(self.value)
            if self.op == "^="
            else actual.endswith(self.value)
            if self.op == "$="
            else self.value in actual
        )


# A selector is its compounds from right to left, each with whether its parent must be the very next one.
_Steps = tuple[tuple[tuple[_Test, ...], bool], ...]


@lru_cache(maxsize=512)
def _compile(selector: str) -> _Steps:
    steps: list[tuple[tuple[_Test, ...], bool]] = []
    at, child = 0, False
    text = selector.strip()
    while at < len(text):
        tests: list[_Test] = []
        while match := _SIMPLE.match(text, at):
            tests.append(_test(match, selector))
            at = match.end()
        if not tests:
            raise ConfigurationError(f"selector {selector!r} is outside the subset that amazon_ae._portal.html reads")
        steps.append((tuple(tests), child))
        gap = _GAP.match(text, at)
        if gap is not None:
            at, child = gap.end(), ">" in gap.group()
    if not steps:
        raise ConfigurationError("a selector is empty")
    return tuple(reversed(steps))


def _test(match: re.Match[str], selector: str) -> _Test:
    if match["tag"]:
        return _Test("", "=", match["tag"].lower())
    if match["id"]:
        return _Test("id", "=", match["id"])
    if match["class"]:
        return _Test("class", "~=", match["class"])
    if match["name"]:
        value = next((match[group] for group in ("dq", "sq", "bare") if match[group] is not None), "")
        return _Test(match["name"].lower(), match["op"] or "", value)
    inner = _compile(match["not"])
    if len(inner) != 1:
        raise ConfigurationError(f"selector {selector!r}: :not() takes one simple selector")
    return _Test("", "", "", inner[0][0])


def _fits(element: Element, steps: _Steps) -> bool:
    tests, child = steps[0]
    if not element.tag or not all(test.fits(element) for test in tests):
        return False
    if len(steps) == 1:
        return True
    above = element.parent
    while above is not None:
        if _fits(above, steps[1:]):
            return True
        if child:
            return False
        above = above.parent
    return False
