"""The how-to on metrics is executed: its sinks are given to a scheduler that meets success and trouble."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from typing import Any

import pytest

from amazon_ae._models import events
from amazon_ae._scheduling import FeedScheduler
from amazon_ae._storage.memory import MemoryStorage
from amazon_ae.testing._builders import make_order_id
from amazon_ae.testing._clocks import VirtualClock
from amazon_ae.testing._simulation import PaperMarket

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "metrics.md"


def example(containing: str) -> dict[str, Any]:
    """What one example of the page defines."""
    blocks = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    (block,) = [block for block in blocks if containing in block]
    names: dict[str, Any] = {}
    exec(compile(block, PAGE.name, "exec", dont_inherit=True), names)
    return names


async def trade(on_event: Any) -> tuple[FeedScheduler, VirtualClock]:
    clock = VirtualClock()
    market = PaperMarket(clock)
    scheduler = FeedScheduler(MemoryStorage(clock=clock), market, orders=market, clock=clock, on_event=on_event)
    async with scheduler:
        await asyncio.gather(*(scheduler.schedule_pickup(make_order_id(number)) for number in range(3)))
    return scheduler, clock


async def test_the_prometheus_example() -> None:
    """Three parcels in one feed: one wait, three accepted items, 14 places left."""
    client = pytest.importorskip("prometheus_client")
    registry = client.CollectorRegistry()
    metrics = example("PrometheusMetrics")["PrometheusMetrics"](registry)
    scheduler, _ = await trade(metrics.on_event)
    await metrics.refresh(scheduler)
    told = client.generate_latest(registry).decode()
    assert 'amazon_feed_wait_seconds_count{kind="pickup"} 1.0' in told
    assert 'amazon_items_total{kind="pickup",outcome="accepted"} 3.0' in told
    assert 'amazon_waiting_items{kind="pickup"} 0.0' in told
    assert 'amazon_quota_free{quota="A1SIMULATED/AE/SubmitFeed"} 14.0' in told


async def test_the_opentelemetry_example() -> None:
    """The same through a meter, and every troubled event is counted."""
    sdk = pytest.importorskip("opentelemetry.sdk.metrics")
    export = pytest.importorskip("opentelemetry.sdk.metrics.export")
    reader = export.InMemoryMetricReader()
    provider = sdk.MeterProvider(metric_readers=[reader])
    metrics = example("OpenTelemetryMetrics")["OpenTelemetryMetrics"](provider.get_meter("warehouse"))
    await trade(metrics.on_event)
    scopes = reader.get_metrics_data().resource_metrics[0].scope_metrics[0].metrics
    sums = {metric.name: sum(getattr(point, "value", 0) for point in metric.data.data_points) for metric in scopes}
    assert sums["amazon.items"] == 3
    assert sums["amazon.pickups"] == 3
    provider.shutdown()


async def test_the_example_for_the_bench() -> None:
    """A sentence with the reason, whatever the state."""
    scheduler, _ = await trade(None)
    sentence = await example("at_the_bench")["at_the_bench"](scheduler, make_order_id(1))
    assert sentence == f"{make_order_id(1)} waits for nothing: its outcome is accepted"


def test_the_table_names_every_event() -> None:
    """An event that is added is described."""
    others = ("Event", "FeedEvent")
    text = PAGE.read_text(encoding="utf-8")
    for name in events.__all__:
        kind = getattr(events, name)
        if isinstance(kind, type) and name not in others:
            assert f"`{name}`" in text, name
