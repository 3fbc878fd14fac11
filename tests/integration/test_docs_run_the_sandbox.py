"""The how-to "Run the sandbox": its Python runs, and what it says of the command is so."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from amazon_ae._cli import main
from amazon_ae._models.marketplaces import AE
from amazon_ae.testing._mws import MwsFault

PAGE = (Path(__file__).parents[2] / "docs" / "how-to" / "run-the-sandbox.md").read_text(encoding="utf-8")


async def test_the_examples_run() -> None:
    """All blocks in one namespace; the last one opens a sandbox and asks it."""
    names: dict[str, Any] = {}
    for block in re.findall(r"^```python\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE):
        exec(compile(block, "run-the-sandbox.md", "exec", dont_inherit=True), names)
    assert AE.marketplace_id in await names["over_sockets"]()
    await names["client"].aclose()


def test_every_fault_is_explained() -> None:
    """The table names all of them and no other."""
    table = PAGE.split("| fault |")[1].split("\n\n")[0]
    assert sorted(re.findall(r"`(\w+)`", re.sub(r"`seconds`", "", table))) == sorted(MwsFault)


def test_every_option_exists(capsys: pytest.CaptureFixture[str]) -> None:
    """The options of the table are those of ``--help``."""
    with pytest.raises(SystemExit):
        main(["sandbox", "--help"])
    offered = set(re.findall(r"--[a-z]+[a-z-]*", capsys.readouterr().out)) - {"--help"}
    table = PAGE.split("| option |")[1].split("\n\n")[0]
    assert set(re.findall(r"--[a-z]+[a-z-]*", table)) == offered
