"""The reference has every public name, and what the pages name exists."""

from __future__ import annotations

import ast
import inspect
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import amazon_ae
from amazon_ae import testing

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "docs"))
from api_pages import public_names  # noqa: E402  # the documentation is no package

# The stubs that state the types have no `__all__`; the modules make theirs out of the stubs.
PUBLIC, PUBLIC_FOR_TESTS = (vars(module)["__all__"] for module in (amazon_ae, testing))


def test_every_public_name_stands_on_one_page_of_the_api() -> None:
    """The pages are made from the stubs, by the module that defines each name: a new module needs a page."""
    names = [name for page in public_names().values() for name in page]
    wanted = [f"amazon_ae.{name}" for name in PUBLIC]
    assert sorted(names) == sorted(wanted + [f"amazon_ae.testing.{name}" for name in PUBLIC_FOR_TESTS])


def test_every_option_that_a_page_names_exists() -> None:
    """Where a page says ``OrderSync(..., claim_seconds=600)`` in running text, the class takes that argument."""
    checked, wrong = 0, []
    for page in (ROOT / "README.md", *(ROOT / "docs").rglob("*.md")):
        for call in calls_in(page.read_text(encoding="utf-8")):
            assert isinstance(call.func, ast.Name)
            home = amazon_ae if call.func.id in PUBLIC else testing
            taken = inspect.signature(getattr(home, call.func.id)).parameters
            checked += len(call.keywords)
            wrong += [f"{page.name}: {call.func.id}({word.arg}=)" for word in call.keywords if word.arg not in taken]
    assert wrong == []
    assert checked > 20


def calls_in(text: str) -> Iterator[ast.Call]:
    """The calls of public names that stand between single backticks."""
    public = {*PUBLIC, *PUBLIC_FOR_TESTS}
    prose = re.sub(r"^```.*?^```$", "", text, flags=re.DOTALL | re.MULTILINE)
    for span in re.findall(r"`([^`\n]+)`", prose):
        try:
            tree = ast.parse(span, mode="eval")
        except SyntaxError:
            continue
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in public:
                yield node
