"""The reference page of the fake says what the code does."""

from __future__ import annotations

import re
from pathlib import Path

from amazon_ae.testing._mws.quotas import SECTIONS

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "reference" / "fake-mws.md").read_text(encoding="utf-8")


def test_every_operation_is_listed() -> None:
    """Under its section and version, and no other one is."""
    rows = re.findall(r"^\| (\w+) (\d{4}-\d{2}-\d{2}) \| (.*) \|$", PAGE, re.MULTILINE)
    listed = {}
    for section, version, text in rows:
        names: list[str] = []
        for name in text.split(", "):
            names.append(name.replace("...", names[-1]) if name.startswith("...") else name)
        listed[section, version] = sorted(names)
    assert listed == {(name, section.version): sorted(section.operations) for name, section in SECTIONS.items()}


def test_every_code_is_explained() -> None:
    """Each code that processing can give stands in the table."""
    source = (ROOT / "src" / "amazon_ae" / "testing" / "_mws" / "processing.py").read_text(encoding="utf-8")
    given = set(re.findall(r'"(\d{4,5})"', source))
    table = PAGE.split("| code |")[1].split("\n\n")[0]
    assert set(re.findall(r"\b\d{4,5}\b", table)) == given
