"""What ``import amazon_ae`` gives, and what it does not load."""

from __future__ import annotations

import pkgutil
import subprocess
import sys

import pytest

import amazon_ae


@pytest.mark.parametrize("name", vars(amazon_ae)["__all__"])
def test_every_public_name_can_be_imported_from_the_root(name: str) -> None:
    """And it says where it lives."""
    assert getattr(amazon_ae, name) is not None
    assert name in dir(amazon_ae)


def test_the_public_names_come_from_internal_modules_only() -> None:
    """A path with a leading underscore is internal; users import these two, and `amazon_ae` itself."""
    public = {module.name for module in pkgutil.iter_modules(amazon_ae.__path__) if not module.name.startswith("_")}
    assert public == {"storage_kit", "testing"}


def test_a_name_that_does_not_exist_is_an_attribute_error() -> None:
    """As of any module."""
    with pytest.raises(AttributeError, match="Refunds"):
        getattr(amazon_ae, "Refunds")  # noqa: B009


HEAVY = ["playwright", "psycopg", "psycopg_pool", "sqlite3", "pypdf", "starlette", "uvicorn", "jinja2", "matplotlib"]


@pytest.mark.parametrize(
    "code", ["import amazon_ae", "from amazon_ae import SQLiteStorage, PostgresStorage, SellerPortalScraper, MwsClient"]
)
def test_importing_the_library_loads_no_browser_library_and_no_driver(code: str) -> None:
    """Not even when the names are imported: they load their tools when they are used."""
    program = f"import sys\n{code}\nprint([name for name in {HEAVY!r} if name in sys.modules])"
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert loaded.strip() == "[]"
