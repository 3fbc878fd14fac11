"""The life of a batch as a table: what can happen in each phase, and nothing else."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from amazon_ae._models.feeds import BatchTerms, FeedBatch, ItemKind
from amazon_ae._models.stored import StoredBatch
from amazon_ae._scheduling.batch_phases import TRANSITIONS, BatchEvent, BatchPhase, IllegalTransition, next_phase
from amazon_ae._scheduling.in_flight import InFlightBatch, read_batch

NOW = datetime(2021, 11, 18, 9, 0, tzinfo=UTC)
PAIRS = [(phase, event) for phase in BatchPhase for event in BatchEvent]


def in_flight(phase: BatchPhase) -> InFlightBatch:
    stored = StoredBatch(
        batch_id="b", account="A", kind=ItemKind.PICKUP, fence=1, opened_at=NOW, lease_until=NOW, size=0
    )
    return InFlightBatch(
        stored=stored,
        feed=FeedBatch(batch_id="b", kind=ItemKind.PICKUP, items=()),
        terms=BatchTerms(route="r", quota=None, max_items=1),
        since=NOW,
        leased_at=NOW,
        due_at=NOW,
        phase=phase,
    )


@pytest.mark.parametrize(("phase", "event"), PAIRS, ids=lambda each: each.name)
def test_every_phase_and_event_moves_or_raises(phase: BatchPhase, event: BatchEvent) -> None:
    """An illegal move raises and changes nothing."""
    batch = in_flight(phase)
    if event in TRANSITIONS[phase]:
        batch.decide(event)
        assert batch.phase is TRANSITIONS[phase][event] is next_phase(phase, event)
    else:
        before = repr(batch)
        with pytest.raises(IllegalTransition, match=event.name):
            batch.decide(event, [])
        assert repr(batch) == before


def test_the_table_is_complete() -> None:
    """Every phase is in it; every event can happen; the end is reached from everywhere."""
    assert set(TRANSITIONS) == set(BatchPhase)
    assert {event for moves in TRANSITIONS.values() for event in moves} == set(BatchEvent)
    ends = {BatchPhase.SETTLED, BatchPhase.LOST}
    assert {phase for phase, moves in TRANSITIONS.items() if not moves} == ends
    for phase in set(BatchPhase) - ends:
        reached, new = {phase}, {phase}
        while new:
            new = {following for each in new for following in TRANSITIONS[each].values()} - reached
            reached |= new
        assert BatchPhase.SETTLED in reached
        assert TRANSITIONS[phase][BatchEvent.LEASE_LOST] is BatchPhase.LOST


def test_only_what_was_sent_can_be_at_amazon() -> None:
    """No way leads from a batch that never left to a feed."""
    after = set(TRANSITIONS[BatchPhase.DECIDED].values())
    assert after == {BatchPhase.SETTLED, BatchPhase.LOST}
    assert TRANSITIONS[BatchPhase.OPENED][BatchEvent.NOT_SENT] is BatchPhase.DECIDED


def test_values_that_cannot_be_read_are_refused_and_the_others_kept() -> None:
    """Message ids stay those of the stored order."""
    stored = StoredBatch(
        batch_id="b",
        account="A",
        kind=ItemKind.INVENTORY,
        fence=1,
        opened_at=NOW,
        lease_until=NOW,
        items=(("A", 1, '{"quantity":1}'), ("B", 1, "nonsense"), ("C", 1, '{"quantity":3}')),
        size=3,
    )
    feed, unreadable = read_batch(stored, "r")
    assert [(item.message_id, item.key) for item in feed.items] == [(1, "A"), (3, "C")]
    assert [(each.key, each.code) for each in unreadable] == [("B", "Unreadable")]
