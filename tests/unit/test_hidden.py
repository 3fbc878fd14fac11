"""What error trackers collect: hidden values, and functions whose frames are left out."""

from __future__ import annotations

import asyncio
import inspect
import pickle
import traceback
from collections.abc import Callable
from pathlib import Path
from types import FrameType

import pytest

from amazon_ae._document_files import write_atomically
from amazon_ae._exceptions import ConfigurationError, DocumentInvalid, StorageError
from amazon_ae._models.hidden import Hidden, sealed
from amazon_ae._models.marketplaces import MwsCredentials, PortalCredentials, SpApiCredentials
from amazon_ae._pdf import inspect_pdf, page_texts, with_pages

SECRET = "Camel-Date-Palm-7"
ENV = {f"AMAZON_AE_{name}": SECRET for name in ("SECRET_KEY", "SPAPI_CLIENT_SECRET", "PORTAL_PASSWORD")}


def collected(error: BaseException | None) -> str:
    """Every variable of every frame of an error and of what it came from, but for this file's."""
    if error is None:
        return ""
    stack = traceback.TracebackException.from_exception(error, capture_locals=True).stack
    frames = [repr(frame.locals) for frame in stack if not frame.filename.endswith("test_hidden.py")]
    return "".join([*frames, str(error), collected(error.__cause__), collected(error.__context__)])


REFUSALS: dict[str, Callable[[], object]] = {
    "portal": lambda: PortalCredentials(email="", password=SECRET, totp="A"),
    "portal, positions": lambda: PortalCredentials("me", SECRET, "A"),  # type: ignore[call-arg]
    "mws": lambda: MwsCredentials(seller_id=" A", access_key_id="A", secret_key=SECRET),
    "spapi": lambda: SpApiCredentials(seller_id="", client_id="A", client_secret=SECRET, refresh_token=SECRET),
    "portal env": lambda: PortalCredentials.from_env(ENV),
    "mws env": lambda: MwsCredentials.from_env(ENV),
    "spapi env": lambda: SpApiCredentials.from_env({**ENV, "AMAZON_AE_SPAPI_ROTATE_BY": "soon"}),
    "a PDF": lambda: inspect_pdf(b"%PDF-1.4 " + SECRET.encode(), "408-1234567-1234567"),
    "a PDF's texts": lambda: page_texts(b"%PDF-1.4 " + SECRET.encode()),
    "a PDF's pages": lambda: with_pages(b"%PDF-1.4 " + SECRET.encode(), [0]),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_a_refusal_shows_no_other_value(name: str) -> None:
    """Neither a constructor nor ``from_env`` leaves its arguments in a frame; no checker of papers its bytes."""
    with pytest.raises((ConfigurationError, DocumentInvalid, TypeError)) as caught:
        REFUSALS[name]()
    assert SECRET not in collected(caught.value)


def test_a_full_disk_shows_no_document(tmp_path: Path) -> None:
    """The bytes that could not be written are in no frame."""
    (tmp_path / "file").mkdir()
    with pytest.raises(StorageError) as caught:
        write_atomically(tmp_path / "file", SECRET.encode())
    assert SECRET not in collected(caught.value)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


async def test_a_sealed_coroutine_shows_nothing_when_it_is_cancelled() -> None:
    """A time-out is raised from where it struck."""

    @sealed
    async def wait(secret: str) -> None:
        await asyncio.sleep(len(secret) * 100)

    with pytest.raises(TimeoutError) as caught:
        async with asyncio.timeout(0):
            await wait(SECRET)
    shown = [frame.f_locals for error in (caught.value, caught.value.__cause__) for frame, _ in _walk(error)]
    assert not any("secret" in variables for variables in shown)


def _walk(error: BaseException | None) -> list[tuple[FrameType, int]]:
    return [] if error is None else list(traceback.walk_tb(error.__traceback__))


def test_a_sealed_constructor_is_the_same_constructor() -> None:
    """Signature, pickling and the message stay."""
    assert list(inspect.signature(PortalCredentials).parameters) == ["email", "password", "totp"]
    user = PortalCredentials(email="me", password=SECRET, totp="AAAA")
    assert pickle.loads(pickle.dumps(user)) == user
    with pytest.raises(ConfigurationError, match="PortalCredentials: email is empty"):
        PortalCredentials(email="", password=SECRET, totp="A")


def test_a_hidden_value_is_in_no_repr() -> None:
    """Also not inside of something else."""
    assert SECRET not in repr({"cookies": [Hidden(SECRET)]})
    assert Hidden(SECRET).value == SECRET
