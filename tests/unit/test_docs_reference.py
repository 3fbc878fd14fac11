"""The reference has every public name, and what the pages name exists."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import amazon_ae
from amazon_ae import testing

ROOT = Path(__file__).parents[2]
PAGES = ROOT / "docs" / "reference"


def test_the_reference_has_every_public_name() -> None:
    """On the pages of the API; those of ``amazon_ae.testing`` there or on the fakes' pages."""
    shown = set().union(*(names_on(page) for page in PAGES.glob("api/*.md")))
    assert set(amazon_ae.__all__) - shown == set()
    assert set(testing.__all__) - shown.union(*(names_on(page) for page in PAGES.glob("fake-*.md"))) == set()


def test_every_option_that_a_page_names_exists() -> None:
    """Where a page says ``OrderSync(..., claim_seconds=600)`` in running text, the class takes that argument."""
    checked, wrong = 0, []
    for page in (ROOT / "README.md", *(ROOT / "docs").rglob("*.md")):
        for call in calls_in(page.read_text(encoding="utf-8")):
            assert isinstance(call.func, ast.Name)
            home = amazon_ae if call.func.id in amazon_ae.__all__ else testing
            taken = inspect.signature(getattr(home, call.func.id)).parameters
            checked += len(call.keywords)
            wrong += [f"{page.name}: {call.func.id}({word.arg}=)" for word in call.keywords if word.arg not in taken]
    assert wrong == []
    assert checked > 20


def calls_in(text: str) -> Iterator[ast.Call]:
    """The calls of public names that stand between single backticks."""
    public = {*amazon_ae.__all__, *testing.__all__}
    prose = re.sub(r"^```.*?^```$", "", text, flags=re.DOTALL | re.MULTILINE)
    for span in re.findall(r"`([^`\n]+)`", prose):
        try:
            tree = ast.parse(span, mode="eval")
        except SyntaxError:
            continue
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in public:
                yield node


def names_on(page: Path) -> set[str]:
    """What Sphinx is told to show there, each looked up."""
    names: set[str] = set()
    text = page.read_text(encoding="utf-8")
    for module, wanted in re.findall(r"automodule:: (\S+)(?:\n   :members:(.*))?", text):
        home = import_module(module)
        shown = [name.strip() for name in wanted.split(",")] if wanted.strip() else home.__all__
        assert [name for name in shown if not hasattr(home, name)] == []
        names.update(shown)
    for home_name, name in re.findall(r"(?:autoclass|autodata|autofunction|py:data):: (\S+)\.(\w+)", text):
        assert hasattr(import_module(home_name), name)
        names.add(name)
    return names
