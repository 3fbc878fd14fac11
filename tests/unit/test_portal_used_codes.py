"""A one-time code is typed once, whoever shares the secret."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path

from amazon_ae._portal.totp import TotpSecret
from amazon_ae._portal.used_codes import UsedCodes
from amazon_ae.testing._clocks import ScaledClock, VirtualClock

SECRET = TotpSecret(key=b"twenty bytes of a key")
ORIGIN = datetime(2026, 1, 1, tzinfo=UTC)


class Still(ScaledClock):
    """A clock that stands ten seconds inside a step, and is moved by hand."""

    def __init__(self, now: datetime = ORIGIN + timedelta(seconds=10)) -> None:
        super().__init__(speed=1.0, origin=ORIGIN)
        self.time = now

    def now(self) -> datetime:
        return self.time


async def test_two_scrapers_take_turns_and_share_no_store(tmp_path: Path) -> None:
    """The second waits for the next step, inside which it may type."""
    clock = Still()
    one, two = (UsedCodes(SECRET, clock, folder=tmp_path / "codes") for _ in range(2))
    first = await one.reserve(None)
    assert first.wait_seconds == 0.0
    second = await two.reserve(None)
    assert (second.counter, second.wait_seconds) == (first.counter + 1, 22.0)
    clock.time += timedelta(seconds=second.wait_seconds)
    again = await two.reserve(None)
    assert (again.counter, again.wait_seconds) == (second.counter, 0.0)


async def test_many_at_once_never_get_one_code_twice(tmp_path: Path) -> None:
    """Of twenty that ask in the same step exactly one may type."""
    clock = Still()
    plans = await asyncio.gather(
        *(UsedCodes(SECRET, clock, folder=tmp_path / "codes").reserve(None) for _ in range(20))
    )
    assert sum(plan.wait_seconds == 0 for plan in plans) == 1


async def test_other_secrets_and_other_times_do_not_disturb(tmp_path: Path) -> None:
    """A file is a secret's on one time line; one that a wrong clock wrote is not believed."""
    folder = tmp_path / "codes"
    clock = Still()
    assert (await UsedCodes(SECRET, clock, folder=folder).reserve(None)).wait_seconds == 0
    other = TotpSecret(key=b"another key, twenty b")
    assert (await UsedCodes(other, clock, folder=folder).reserve(None)).wait_seconds == 0
    ahead = Still(ORIGIN + timedelta(days=3, seconds=10))
    assert (await UsedCodes(SECRET, ahead, folder=folder).reserve(None)).wait_seconds == 0
    assert (await UsedCodes(SECRET, Still(), folder=folder).reserve(None)).wait_seconds == 0


async def test_what_is_kept_names_nobody(tmp_path: Path) -> None:
    """A number in a file whose name is a digest, in a folder that is its owner's alone."""
    folder = tmp_path / "codes"
    await UsedCodes(SECRET, Still(), folder=folder).reserve(None)
    files = sorted(path for path in folder.iterdir() if path.suffix != ".lock")
    assert [path.read_text().isdigit() for path in files] == [True]
    assert folder.stat().st_mode & 0o077 == 0


async def test_a_folder_that_others_may_enter_is_not_used(tmp_path: Path) -> None:
    """Then the session store alone says which codes were typed."""
    folder = tmp_path / "codes"
    folder.mkdir(mode=0o777)
    folder.chmod(0o777)
    for _ in range(2):
        assert (await UsedCodes(SECRET, Still(), folder=folder).reserve(None)).wait_seconds == 0
    assert list(folder.iterdir()) == []


async def test_a_test_clock_shares_nothing(tmp_path: Path) -> None:
    """Its time is its own."""
    for _ in range(2):
        clock = VirtualClock(ORIGIN + timedelta(seconds=10))
        assert (await UsedCodes(SECRET, clock, folder=tmp_path / "codes").reserve(None)).wait_seconds == 0
    assert not (tmp_path / "codes").exists()
