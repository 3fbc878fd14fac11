"""What ``import amazon_ae`` gives, and what it does not load."""

from __future__ import annotations

import subprocess
import sys

import pytest

import amazon_ae


@pytest.mark.parametrize("name", amazon_ae.__all__)
def test_every_public_name_can_be_imported_from_the_root(name: str) -> None:
    """And it says where it lives."""
    assert getattr(amazon_ae, name) is not None
    assert name in dir(amazon_ae)


def test_each_public_name_is_listed_once_and_has_a_home() -> None:
    """``__all__`` and the lazy table agree; the linter keeps the list sorted."""
    assert len(amazon_ae.__all__) == len(set(amazon_ae.__all__))
    assert set(amazon_ae.__all__) == set(amazon_ae._HOME_OF)


def test_a_name_that_does_not_exist_is_an_attribute_error() -> None:
    """As of any module."""
    with pytest.raises(AttributeError, match="no attribute 'Refunds'"):
        amazon_ae.Refunds  # noqa: B018


HEAVY = ["playwright", "psycopg", "psycopg_pool", "sqlite3", "pypdf", "starlette", "uvicorn", "matplotlib"]


@pytest.mark.parametrize(
    "code", ["import amazon_ae", "from amazon_ae import SQLiteStorage, PostgresStorage, SellerPortalScraper, MwsClient"]
)
def test_importing_the_library_loads_no_browser_library_and_no_driver(code: str) -> None:
    """Not even when the names are imported: they load their tools when they are used."""
    program = f"import sys\n{code}\nprint([name for name in {HEAVY!r} if name in sys.modules])"
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert loaded.strip() == "[]"
