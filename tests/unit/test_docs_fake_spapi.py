"""The reference page of the fake Selling Partner API says what the code does."""

from __future__ import annotations

import re
from pathlib import Path

import attrs

from amazon_ae.testing import FakeSpApiSettings
from amazon_ae.testing._spapi.plans import OPERATIONS

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "reference" / "fake-spapi.md").read_text(encoding="utf-8")
SOURCE = ROOT / "src" / "amazon_ae" / "testing" / "_spapi"


def table(head: str) -> str:
    return PAGE.split(f"| {head} |")[1].split("\n\n")[0]


def test_every_operation_is_listed() -> None:
    names = re.findall(r"\b(?:create|get|search|cancel|patch|list|update)[A-Z]\w+", table("API"))
    assert sorted(names) == sorted(operation.name for operation in OPERATIONS)


def test_every_setting_is_explained() -> None:
    names = re.findall(r"^\| `(\w+)` \|", table("setting"), re.MULTILINE)
    assert names == [field.name for field in attrs.fields(FakeSpApiSettings)]


def test_every_code_is_explained() -> None:
    text = "".join((SOURCE / f"{name}.py").read_text() for name in ("listings", "processing", "easy_ship_documents"))
    assert set(re.findall(r'"(\d{4,7})"', text)) == set(re.findall(r"\b\d{4,7}\b", table("code")))


def test_the_examples_run() -> None:
    exec("\n".join(re.findall(r"^```python\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)), {})
