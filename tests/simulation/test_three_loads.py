"""The floors of the default policy: one policy, three loads, the real client against ``FakeMws``.

Half a day and one seed here, so that the suite stays quick; ``benchmarks/bench_pace.py`` runs two days and ten seeds,
and ``docs/explanation/quota.md`` holds its table.
"""

from __future__ import annotations

import random
import subprocess
import sys
from pathlib import Path

import pytest

from amazon_ae._models.feeds import ItemKind
from amazon_ae._scheduling.policy import FeedPolicy
from amazon_ae.testing._simulation import Load, Processing, Trade, command, main, simulate
from amazon_ae.testing._simulation.loads import pack_instants
from amazon_ae.testing._simulation.wire import wire

pytestmark = pytest.mark.slow

HOURS = 12.0


def assert_documented_quotas_were_kept(trade: Trade) -> None:
    """Nothing throttled, never more than thirty feeds in any hour, polls and look-ups within their own quotas."""
    assert trade.refused == {}
    instants = [at for at, _, _ in trade.feeds]
    assert max(sum(at <= other <= at + 3600 for other in instants[n:]) for n, at in enumerate(instants)) <= 30
    assert trade.requests["GetFeedSubmissionList"] <= 80 * trade.hours
    assert trade.requests["GetFeedSubmissionResult"] <= 60 * trade.hours
    assert trade.requests["GetOrder"] <= 6 + 60 * trade.hours


@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    ("load", "pickup_mean", "pickup_p99", "stock_mean"),
    [
        (Load(packs_per_hour=8, changes_per_hour=600), 12.0, 200.0, 110.0),
        (Load(packs_per_hour=60, changes_per_hour=6000), 122.0, 250.0, 150.0),
        (Load(packs_per_hour=20, changes_per_hour=6000, burst_packs=200), 100.0, 240.0, 145.0),
    ],
    ids=["quiet", "busy", "bursts"],
)
def test_one_default_policy_meets_all_three_floors(
    load: Load, pickup_mean: float, pickup_p99: float, stock_mean: float
) -> None:
    """Delays from asking to Amazon's acceptance, Poisson arrivals, 60 s of processing."""
    trade = simulate(load, hours=HOURS, seed=0, market=wire)
    assert_documented_quotas_were_kept(trade)
    assert trade.pickups.mean <= pickup_mean
    assert trade.pickups.p99 <= pickup_p99
    assert trade.stock.mean <= stock_mean
    assert trade.waiting < load.changes_per_hour / 6


def test_the_hourly_flush_is_one_option() -> None:
    """The classic way for comparison: half an hour of mean stock delay, pickups at once."""
    load = Load(packs_per_hour=8, changes_per_hour=600)
    trade = simulate(load, hours=HOURS, seed=0, policy=FeedPolicy.hourly_flush())
    assert trade.pickups.mean < 1
    assert 1500 < trade.stock.mean < 2100
    assert sum(kind is ItemKind.INVENTORY for _, kind, _ in trade.feeds) <= HOURS + 1


def test_equal_arguments_give_equal_results() -> None:
    """A simulation can be repeated to the last digit."""
    load = Load(packs_per_hour=30, changes_per_hour=300)
    assert simulate(load, hours=2, seed=7) == simulate(load, hours=2, seed=7)


def test_the_command_prints_and_plots(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """``amazon-ae simulate``: a table on the screen, a picture in the file."""
    pytest.importorskip("matplotlib")
    picture = tmp_path / "trade.png"
    assert main(["--hours", "2", "--packs-per-hour", "20", "--plot", str(picture)]) == 0
    printed = capsys.readouterr().out
    assert "pickups" in printed
    assert "0 requests" in printed
    assert picture.read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    "wrong", ["--hours=0", "--skus=0", "--stock-every=90", "--packs-per-hour=-1", "--processing=60:30"]
)
def test_the_command_refuses_nonsense(wrong: str, capsys: pytest.CaptureFixture[str]) -> None:
    """With a sentence and exit code 2, not a traceback."""
    assert main([wrong]) == 2
    assert "amazon-ae simulate:" in capsys.readouterr().err


def test_the_command_takes_amazons_pace_and_a_day(capsys: pytest.CaptureFixture[str]) -> None:
    """Processing time, both day profiles and another program's feeds."""
    options = ["--hours=3", "--packs-per-hour=20", "--foreign-per-hour=5", "--day-profile=1-2", "--processing=300:900"]
    assert main([*options, "--processing-profile", ",".join(["1"] * 12 + ["0.5"] * 12)]) == 0
    printed = capsys.readouterr().out
    assert "20 packs/h + day profile + 5 foreign feeds/h, 600 changes/h; processing 300 s, p95 900 s" in printed


def test_packs_keep_to_the_hours_of_the_profile() -> None:
    """None outside, every day."""
    load = Load(packs_per_hour=100, changes_per_hour=0, day_profile=(0.0,) * 8 + (1.0,) * 2 + (0.0,) * 14)
    hours = {int(at // 3600) % 24 for at in pack_instants(load, 48 * 3600, random.Random(1))}
    assert hours == {8, 9}


def test_processing_times_have_the_median_and_the_percentile_that_were_asked_for() -> None:
    """Lognormal, drawn per feed."""
    processing, rng = Processing(seconds=60, p95_seconds=180), random.Random(1)
    drawn = sorted(processing.draw(0.0, rng) for _ in range(20_000))
    assert drawn[10_000] == pytest.approx(60, rel=0.05)
    assert drawn[19_000] == pytest.approx(180, rel=0.05)


def test_percentiles_over_time_are_drawn_and_not_every_point() -> None:
    """Two days of trade are 48 intervals."""
    pytest.importorskip("matplotlib")
    from amazon_ae.testing._simulation.plot import percentiles

    points = [(float(at), float(at % 100)) for at in range(172_800)]
    rows = percentiles(points, 172_800.0, (0.5, 0.99))
    assert len(rows) == 48
    assert rows[0] == (1800.0, [50.0, 99.0])


def test_ctrl_c_ends_the_command_quietly(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 130 and one sentence, whenever it comes."""

    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(command, "simulate", interrupted)
    assert main(["--hours=48"]) == 130
    assert capsys.readouterr().err == "amazon-ae simulate: stopped, nothing was written\n"


def test_a_closed_pipe_ends_the_command_quietly() -> None:
    """Its reader has left (`| head`): exit code 0, no traceback."""
    words = [sys.executable, "-m", "amazon_ae._cli", "simulate", "--hours=0.1"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        said = process.stderr.read()
    assert (process.returncode, said) == (0, b"")


@pytest.mark.parametrize("wrong", ["--day-profile=1,2", "--day-profile=18-8", "--processing=fast", "--processing=60:x"])
def test_the_command_refuses_options_that_it_cannot_read(wrong: str) -> None:
    """As every command does."""
    with pytest.raises(SystemExit) as ended:
        main([wrong])
    assert ended.value.code == 2
