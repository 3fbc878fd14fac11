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
from api_pages import PAGES, api_of, how_to_pages, public_names, with_api_links  # noqa: E402  # the documentation is no package

# The stubs that state the types have no `__all__`; the modules make theirs out of the stubs.
PUBLIC, PUBLIC_FOR_TESTS = (vars(module)["__all__"] for module in (amazon_ae, testing))


def test_every_public_name_stands_on_one_page_of_the_api() -> None:
    """The pages are made from the stubs, by the module that defines each name: a new module needs a page."""
    names = [name for page in public_names().values() for name in page]
    wanted = [f"amazon_ae.{name}" for name in PUBLIC]
    assert sorted(names) == sorted(wanted + [f"amazon_ae.testing.{name}" for name in PUBLIC_FOR_TESTS])


def test_how_to_pages_and_api_pages_link_to_each_other() -> None:
    """Made from the names in code and backticks, when the site is built: the API that a page uses, and back."""
    folder = ROOT / "docs" / "how-to"
    for page in folder.glob("*.md"):
        text = page.read_text(encoding="utf-8")
        slugs = api_of(text)
        assert slugs, f"{page.name} names nothing of the library"
        assert all(f"](../reference/api/{slug}.md)" in with_api_links(text) for slug in slugs)
        assert all(page.name in [name for name, _ in how_to_pages(slug, folder)] for slug in slugs)


def test_no_page_imports_what_is_internal() -> None:
    """What a reader pastes must go on working."""
    pages = [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]
    blocks = [
        (page.name, block)
        for page in pages
        for block in re.findall(r"```python\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
    ]
    found = {name for name, block in blocks if re.search(r"^\s*(from|import) amazon_ae\S*\._", block, re.MULTILINE)}
    assert found == set()


def test_no_page_of_the_api_has_too_much_on_it() -> None:
    """A piece per page; what was ever one page of everything was 161,000 pixels high."""
    assert {slug: len(names) for slug, names in public_names().items() if len(names) > 35} == {}
    assert all(names for names in public_names().values())
    assert len(PAGES) > 20


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
