"""The picture of the architecture is the source tree and the layers that are checked."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "explanation" / "architecture.md").read_text(encoding="utf-8")
PICTURE = PAGE.split("```text\n")[1].split("```")[0]


def test_the_picture_has_every_package() -> None:
    """Each package and module directly below ``amazon_ae``, and no other."""
    source = ROOT / "src" / "amazon_ae"
    packages = {path.stem for path in source.iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()}
    shown = set(re.findall(r"(?<!\S)(_?[a-z]+(?:_[a-z]+)*)(?= ·|\s{2,}|\n)", PICTURE))
    assert {name for name in shown if name.startswith("_") or name in ("storage_kit", "testing")} == packages - {
        "__init__",
        "__main__",
    }


def test_the_picture_has_the_checked_layers_from_top_to_bottom() -> None:
    """Line by line what ``lint-imports`` holds."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"][
        "contracts"
    ]
    layers = [
        [name.strip().removeprefix("amazon_ae.") for name in layer.split("|")] for layer in contracts[0]["layers"]
    ]
    drawn = [re.split(r" · ", re.split(r"\s{2,}", line)[0]) for line in PICTURE.splitlines()]
    assert [sorted(line) for line in drawn] == [sorted(layer) for layer in layers]


def test_each_package_is_described_once() -> None:
    """In the table below the picture."""
    table = PAGE.split("| package | what is in it |")[1].split("\n\n")[0]
    described = re.findall(r"`(\w+)`", "\n".join(row.split("|")[1] for row in table.splitlines() if row.count("|") > 2))
    assert len(described) == len(set(described))
    assert set(described) == set(re.findall(r"\b_[a-z]+(?:_[a-z]+)*\b", PICTURE))
