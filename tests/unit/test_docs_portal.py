"""The examples of the panel's reference run."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from amazon_ae._portal.sign_in_rules import TABLE
from amazon_ae._portal.site_map import PageKind

DOCS = Path(__file__).parents[2] / "docs"
TEXT = (DOCS / "reference" / "portal.md").read_text(encoding="utf-8")


def _names() -> dict[str, Any]:
    names: dict[str, Any] = {}
    for code in re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL):
        exec(compile(code, "portal.md", "exec", dont_inherit=True), names)
    return names


async def test_a_store_that_encrypts_keeps_the_contract(tmp_path: Path) -> None:
    """What is on the disk is not what was saved; what is loaded is."""
    store = _names()["EncryptedSessionStore"](str(tmp_path), lambda data: data[::-1], lambda data: data[::-1])
    assert await store.load("AE-1") is None
    async with store.lock("AE-1"):
        await store.save("AE-1", b"cookies")
    assert await store.load("AE-1") == b"cookies"
    assert (tmp_path / "AE-1.json").read_bytes() == b"seikooc"


def test_every_example_is_code_that_loads() -> None:
    """Their names are importable and their functions are there."""
    assert {"print_papers", "sign_in_with_a_person", "look"} <= set(_names())


def test_the_table_of_pages_says_what_the_code_does() -> None:
    """One row per page, in the order of the marks, with the table's own numbers."""
    rows = re.findall(r"^\| ([^|]+?) \| [^|]* \| [^|]* \| (\d*) \| [^|]* \|$", TEXT, re.MULTILINE)
    counts = {name: count for name, count in rows if count}
    named = {page.value: page for page in PageKind}
    named |= {"reminder": PageKind.REMIND_NAG, "the same without an authenticator": PageKind.NO_AUTHENTICATOR}
    for name, count in counts.items():
        assert TABLE[named[name]].at_most == int(count), name
    assert len(counts) == len(PageKind) - 2  # without the app and the unknown page
