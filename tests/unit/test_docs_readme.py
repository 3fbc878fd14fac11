"""README and quickstart say what is true: their code is the example's own, or is executed."""

from __future__ import annotations

import re
import textwrap
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
REPOSITORY = "https://github.com/amazon-ae/amazon-ae/blob/main/"


def code_of(page: str) -> list[str]:
    """The Python blocks of a page."""
    return re.findall(r"^```python\n(.*?)^```$", (ROOT / page).read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)


def test_the_code_in_the_readme_is_the_examples_own() -> None:
    """Each block stands in the program that ``nox -s demo`` runs, line by line."""
    example = (ROOT / "examples" / "warehouse.py").read_text(encoding="utf-8")
    blocks = code_of("README.md")
    assert len(blocks) == 2
    for block in blocks:
        assert block in example or textwrap.indent(block, "    ") in example


def test_the_two_commands_are_the_first_code_in_the_readme() -> None:
    """And they are sessions of the noxfile."""
    commands = re.findall(r"^\$ (.*)$", (ROOT / "README.md").read_text(encoding="utf-8"), re.MULTILINE)[:2]
    assert commands == [f"python3 -m pip install nox && python3 -m nox -s {name}" for name in ("demo", "tests")]
    noxfile = (ROOT / "noxfile.py").read_text(encoding="utf-8")
    assert all(f"def {name}(session" in noxfile for name in ("demo", "tests"))


def test_every_link_of_the_readme_leads_somewhere() -> None:
    """Links are absolute, so that they also work on the package index; those into the repository name a file of it."""
    links = re.findall(r"\]\(([^)]+)\)", (ROOT / "README.md").read_text(encoding="utf-8"))
    inside = [link.removeprefix(REPOSITORY) for link in links if link.startswith(REPOSITORY)]
    assert [link for link in links if not link.startswith("https://")] == []
    assert [path for path in inside if not (ROOT / path).exists()] == []
    assert len(inside) > 10


def test_the_quickstart_runs(capsys: pytest.CaptureFixture[str]) -> None:
    """All of its blocks, pasted into one file, are a program that prints what the page says."""
    exec(
        compile("\n\n".join(code_of("docs/quickstart.md")), "quickstart.md", "exec", dont_inherit=True),
        {"__name__": "__main__"},
    )
    said = re.findall(r"^```text\n(.*?)^```$", (ROOT / "docs/quickstart.md").read_text(), re.DOTALL | re.MULTILINE)
    assert capsys.readouterr().out == said[0]
