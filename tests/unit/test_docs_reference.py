"""The reference has every public name, and everything that it names exists."""

from __future__ import annotations

import re
from importlib import import_module
from pathlib import Path

import amazon_ae
from amazon_ae import testing

PAGES = Path(__file__).parents[2] / "docs" / "reference"


def test_the_reference_has_every_public_name() -> None:
    """Those of ``amazon_ae`` on the page of the API; those of ``amazon_ae.testing`` there or on the fakes' pages."""
    api = names_on("api.md")
    assert set(amazon_ae.__all__) - api == set()
    assert set(testing.__all__) - api - names_on("fake-mws.md") - names_on("fake-seller-central.md") == set()


def names_on(page: str) -> set[str]:
    """What Sphinx is told to show there, each looked up."""
    names: set[str] = set()
    text = (PAGES / page).read_text(encoding="utf-8")
    for module, wanted in re.findall(r"automodule:: (\S+)(?:\n   :members:(.*))?", text):
        home = import_module(module)
        shown = [name.strip() for name in wanted.split(",")] if wanted.strip() else home.__all__
        assert [name for name in shown if not hasattr(home, name)] == []
        names.update(shown)
    for home_name, name in re.findall(r"auto(?:class|data|function):: (\S+)\.(\w+)", text):
        assert hasattr(import_module(home_name), name)
        names.add(name)
    return names
