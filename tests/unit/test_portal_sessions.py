"""Where sessions are kept: readable by their owner only, replaced whole, locked across processes."""

from __future__ import annotations

import asyncio
import stat
import sys
from pathlib import Path

import pytest

from amazon_ae._exceptions import ConfigurationError, PortalTimeout, StorageError
from amazon_ae._portal.session_store import FileSessionStore, MemorySessionStore, SavedSession, SessionStore
from amazon_ae.testing._clocks import VirtualClock

STATE = {"cookies": [{"name": "at-main", "value": "very-secret", "domain": "x", "path": "/"}], "origins": []}


@pytest.fixture(params=["memory", "file"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> SessionStore:
    """Both stores that ship."""
    return MemorySessionStore() if request.param == "memory" else FileSessionStore(tmp_path / "sessions")


async def test_what_was_saved_is_loaded(store: SessionStore) -> None:
    """Per account; nothing saved is None."""
    assert await store.load("AE-1") is None
    async with store.lock("AE-1"):
        await store.save("AE-1", b"one")
        await store.save("AE-1", b"two")
    assert await store.load("AE-1") == b"two"
    assert await store.load("AE-2") is None


async def test_one_holder_at_a_time(store: SessionStore) -> None:
    """Ten tasks that count under the lock lose nothing."""

    async def add() -> None:
        async with store.lock("AE-1"):
            count = int((await store.load("AE-1") or b"0").decode())
            await asyncio.sleep(0)
            await store.save("AE-1", str(count + 1).encode())

    await asyncio.gather(*(add() for _ in range(10)))
    assert await store.load("AE-1") == b"10"


async def test_other_accounts_are_not_held_up(store: SessionStore) -> None:
    """The lock is the account's."""
    async with store.lock("AE-1"), store.lock("AE-2"):
        pass


async def test_a_cancelled_waiter_takes_nothing(store: SessionStore) -> None:
    """The lock is free again when its holder leaves."""
    async with store.lock("AE-1"):

        async def wait() -> None:
            async with store.lock("AE-1"):
                pass

        waiter = asyncio.ensure_future(wait())
        await asyncio.sleep(0.01)
        waiter.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiter
    async with asyncio.timeout(2), store.lock("AE-1"):
        pass


async def test_files_are_their_owners_only(tmp_path: Path) -> None:
    """0600 in a folder of 0700, and no temporary file is left."""
    store = FileSessionStore(tmp_path / "sessions")
    async with store.lock("AE-1"):
        await store.save("AE-1", b"secret")
    folder = tmp_path / "sessions"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {path.name for path in folder.iterdir()} == {"AE-1.json", "AE-1.lock"}
    assert all(stat.S_IMODE(path.stat().st_mode) == 0o600 for path in folder.iterdir())


async def test_an_account_name_cannot_lead_out_of_the_folder(tmp_path: Path) -> None:
    """Separators and leading dots are replaced."""
    store = FileSessionStore(tmp_path / "sessions")
    async with store.lock("../../etc/passwd"):
        await store.save("../../etc/passwd", b"x")
    assert await store.load("../../etc/passwd") == b"x"
    assert {path.parent for path in await asyncio.to_thread(lambda: list(tmp_path.rglob("*.json")))} == {
        tmp_path / "sessions"
    }


HOLDER = """
import asyncio, sys
from amazon_ae._portal.session_store import FileSessionStore
async def main():
    async with FileSessionStore(sys.argv[1]).lock("AE-1"):
        print("held", flush=True)
        await asyncio.sleep(60)  # until it is killed
asyncio.run(main())
"""


async def test_the_lock_holds_across_processes_and_ends_with_its_process(tmp_path: Path) -> None:
    """Another process holds it: waiting ends with a typed error; it is killed: the lock is free."""
    clock = VirtualClock(grace_seconds=0.02)
    store = FileSessionStore(tmp_path, clock=clock, lock_timeout=30)
    other = await asyncio.create_subprocess_exec(
        sys.executable, "-c", HOLDER, str(tmp_path), stdout=asyncio.subprocess.PIPE
    )
    assert other.stdout is not None
    assert await other.stdout.readline() == b"held\n"
    started = clock.now()
    with pytest.raises(PortalTimeout, match="another process"):
        async with store.lock("AE-1"):
            pass
    assert (clock.now() - started).total_seconds() >= 30
    other.kill()
    await other.wait()
    async with store.lock("AE-1"):
        pass


async def test_a_file_that_cannot_be_written_is_typed(tmp_path: Path) -> None:
    """A file stands where the folder should be."""
    (tmp_path / "taken").write_bytes(b"")
    store = FileSessionStore(tmp_path / "taken")
    with pytest.raises(StorageError):
        await store.save("AE-1", b"x")
    with pytest.raises(StorageError):
        async with store.lock("AE-1"):
            pass


def test_windows_is_told_what_to_use_instead(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its files have neither these rights nor these locks."""
    monkeypatch.setattr("amazon_ae._portal.session_store.os.name", "nt")
    with pytest.raises(ConfigurationError, match="MemorySessionStore"):
        FileSessionStore("sessions")


def test_a_session_survives_its_bytes() -> None:
    """State, stamp and counter come back."""
    saved = SavedSession(state=STATE, signed_in_at="2021-11-18T09:00:00+00:00", last_counter=54_000_000)
    assert SavedSession.from_bytes(saved.to_bytes()) == saved


@pytest.mark.parametrize("data", [None, b"", b"\x00\xff", b"[]", b'{"state": 1}', b'{"state": {"cookies": 2}}'])
def test_bytes_that_are_no_session_mean_a_new_sign_in(data: bytes | None) -> None:
    """A damaged file never stops a packer."""
    assert SavedSession.from_bytes(data) == SavedSession()


def test_a_session_shows_no_cookie() -> None:
    """It is as good as a password."""
    assert "very-secret" not in repr(SavedSession(state=STATE))


async def test_a_tilde_is_the_home_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And not a folder of that name where the program happens to run."""
    monkeypatch.setenv("HOME", str(tmp_path))
    store = FileSessionStore("~/sessions")
    await store.save("AE-1", b"one")
    assert (tmp_path / "sessions" / "AE-1.json").read_bytes() == b"one"
