"""``FakeSellerPortal``: errors on demand, the clock, and the host's own orders."""

from __future__ import annotations

from datetime import timedelta

import attrs
import pytest
from site_visitor import ANOTHER, READY, START, UNSCHEDULED, make_orders

from amazon_ae._exceptions import ConfigurationError, DocumentInvalid, DocumentNotReady, PortalTimeout
from amazon_ae._models.documents import DocumentKind
from amazon_ae.testing._clocks import VirtualClock
from amazon_ae.testing._fake_portal import FakeSellerPortal
from amazon_ae.testing._papers import PortalOrder

SLIP, INVOICE, LABEL = DocumentKind.PACKING_SLIP, DocumentKind.INVOICE, DocumentKind.SHIPPING_LABEL


def make_portal(clock: VirtualClock, *, label_seconds: float = 0.0) -> FakeSellerPortal:
    """A portal that knows three orders of its own."""
    portal = FakeSellerPortal(clock=clock, label_seconds=label_seconds)
    for order in make_orders().values():
        portal.add_order(order)
    return portal


async def test_a_label_comes_some_seconds_after_the_pickup() -> None:
    """Not ready before the pickup, not ready while it is made, then there."""
    clock = VirtualClock(START)
    portal = make_portal(clock, label_seconds=90.0)
    with pytest.raises(DocumentNotReady):
        (await portal.documents(UNSCHEDULED))[LABEL]
    portal.schedule_pickup(UNSCHEDULED)
    clock.jump(60)
    papers = await portal.documents(UNSCHEDULED)
    error = papers.failed[LABEL]
    assert isinstance(error, DocumentNotReady)
    assert error.retry_after_seconds == 30
    await clock.sleep(error.retry_after_seconds)
    papers = await portal.documents(UNSCHEDULED)
    assert (papers[LABEL].width_mm, papers[LABEL].height_mm) == (99.1, 139.0)
    assert papers[LABEL].fetched_at == START + timedelta(seconds=90)


async def test_an_invoice_that_was_not_uploaded_is_not_ready() -> None:
    """The other two are."""
    portal = make_portal(VirtualClock(START))
    portal.add_order(attrs.evolve(make_orders()[READY], invoice_number=None))
    papers = await portal.documents(READY)
    assert isinstance(papers.failed[INVOICE], DocumentNotReady)
    assert set(papers.ready) == {SLIP, LABEL}


async def test_a_planned_error_hits_its_kind_so_many_times() -> None:
    """The other kinds arrive, and the kind itself does afterwards."""
    portal = make_portal(VirtualClock(START))
    portal.fail(INVOICE, PortalTimeout("too slow", step="invoice"), times=2)
    for _ in range(2):
        papers = await portal.documents(READY)
        assert set(papers.ready) == {SLIP, LABEL}
        with pytest.raises(PortalTimeout, match="too slow"):
            papers[INVOICE]
    assert not (await portal.documents(READY)).failed


async def test_a_planned_error_can_be_for_one_order_and_for_ever() -> None:
    """Until it is cleared."""
    portal = make_portal(VirtualClock(START))
    portal.fail(LABEL, DocumentInvalid("smudged"), times=None, order_id=READY)
    for _ in range(3):
        assert (await portal.documents(READY)).failed
        assert not (await portal.documents(ANOTHER)).failed
    portal.clear_faults()
    assert not (await portal.documents(READY)).failed


def test_a_fault_for_no_time_at_all_is_refused() -> None:
    """It could never happen."""
    with pytest.raises(ConfigurationError, match="at least 1"):
        make_portal(VirtualClock(START)).fail(LABEL, DocumentInvalid("smudged"), times=0)


async def test_three_kinds_take_the_time_of_one() -> None:
    """``delay_seconds`` passes on the clock, once per call."""
    clock = VirtualClock(START)
    portal = make_portal(clock)
    portal.delay_seconds = 5.0
    await portal.documents(READY)
    assert clock.now() - START == timedelta(seconds=5)


async def test_requests_are_remembered() -> None:
    """In their order, with the kinds that were asked for."""
    portal = make_portal(VirtualClock(START))
    await portal.documents(READY, [LABEL, SLIP])
    assert [(request.order_id, request.kind) for request in portal.requests] == [(READY, SLIP), (READY, LABEL)]


async def test_the_hosts_own_orders_are_a_live_view() -> None:
    """Another fake's orders are read at each call and changed there only."""
    orders: dict[str, PortalOrder] = {}
    portal = FakeSellerPortal(clock=VirtualClock(START), orders=orders)
    assert set((await portal.documents(READY)).failed) == set(DocumentKind)
    orders.update(make_orders())
    assert not (await portal.documents(READY)).failed
    with pytest.raises(ConfigurationError, match="own orders"):
        portal.add_order(orders[READY])
    with pytest.raises(ConfigurationError, match="own orders"):
        portal.schedule_pickup(UNSCHEDULED)
