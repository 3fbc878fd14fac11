"""The floors of the default policy: one policy, three loads, the real client against ``FakeMws``.

Half a day and one seed here, so that the suite stays quick; ``benchmarks/three_loads.py`` runs two days and five seeds,
and ``docs/explanation/quota.md`` holds its table.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from amazon_ae._models.feeds import ItemKind
from amazon_ae._scheduling.policy import FeedPolicy
from amazon_ae.testing._simulation import Load, Trade, main, simulate
from amazon_ae.testing._simulation.wire import wire

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


@pytest.mark.parametrize("wrong", ["--hours=0", "--skus=0", "--stock-every=90", "--packs-per-hour=-1"])
def test_the_command_refuses_nonsense(wrong: str, capsys: pytest.CaptureFixture[str]) -> None:
    """With a sentence and exit code 2, not a traceback."""
    assert main([wrong]) == 2
    assert "amazon-ae simulate:" in capsys.readouterr().err
