"""One document source out of several: per kind the first that delivers, a failing one left alone for a while."""

from __future__ import annotations

import asyncio
import pickle
from collections.abc import Callable, Collection
from typing import Any

import pytest
from hypothesis import given, strategies as st

from amazon_ae import (
    ChallengeRequired,
    CircuitPolicy,
    CircuitState,
    ConfigurationError,
    Document,
    DocumentError,
    DocumentInvalid,
    DocumentKind,
    DocumentNotReady,
    DocumentSet,
    DocumentSourceChain,
    DocumentSourceState,
    Event,
    NotDelivered,
    PortalTimeout,
    PortalUnavailable,
    ServiceUnavailable,
    StorageError,
)
from amazon_ae.testing import VirtualClock, make_order_id

LABEL, INVOICE, SLIP = DocumentKind.SHIPPING_LABEL, DocumentKind.INVOICE, DocumentKind.PACKING_SLIP
ORDER = make_order_id(1)


class Source:
    """Gives what it is told to."""

    def __init__(self, clock: VirtualClock, **results: Any) -> None:
        self.clock = clock
        self.results = results
        self.asked: list[list[DocumentKind]] = []
        self.raises: BaseException | None = None

    async def documents(self, order_id: str, kinds: Collection[DocumentKind] = tuple(DocumentKind)) -> DocumentSet:
        self.asked.append(list(kinds))
        if self.raises is not None:
            raise self.raises
        return DocumentSet(order_id, {kind: self._result(order_id, kind) for kind in kinds})

    def _result(self, order_id: str, kind: DocumentKind) -> Any:
        result = self.results.get(kind, DocumentError("not here", step=kind))
        if result != "paper":
            return result
        return Document(
            order_id=order_id,
            kind=kind,
            content=b"%PDF",
            pages=1,
            width_mm=1,
            height_mm=1,
            fetched_at=self.clock.now(),
        )


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock(autojump=False)


async def test_each_kind_comes_from_the_first_that_delivers(clock: VirtualClock) -> None:
    """A later source is asked only for what is missing."""
    api = Source(clock, shipping_label="paper")
    panel = Source(clock, shipping_label="paper", invoice="paper")
    own = Source(clock, packing_slip="paper")
    chain = DocumentSourceChain({"api": api, "panel": panel, "own": own}, clock=clock)
    papers = await chain.documents(ORDER)
    assert set(papers.ready) == set(DocumentKind)
    assert api.asked == [[SLIP, INVOICE, LABEL]]
    assert panel.asked == [[SLIP, INVOICE]]
    assert own.asked == [[SLIP]]


async def test_a_kind_that_nobody_delivers_has_every_reason(clock: VirtualClock) -> None:
    """The others are not lost; it survives pickling."""
    api = Source(clock, invoice=DocumentError("Amazon makes none", step="invoice"))
    panel = Source(clock, invoice=DocumentNotReady("not uploaded yet", retry_after_seconds=300), shipping_label="paper")
    papers = await DocumentSourceChain({"api": api, "panel": panel}, clock=clock).documents(ORDER, [INVOICE, LABEL])
    assert LABEL in papers.ready
    error = papers.failed[INVOICE]
    assert isinstance(error, NotDelivered)
    assert error.reasons == {"api": "invoice: Amazon makes none", "panel": "not uploaded yet"}
    assert (error.retryable, error.retry_after_seconds) == (True, 300)
    assert str(error) == "invoice: api: invoice: Amazon makes none; panel: not uploaded yet"
    copy = pickle.loads(pickle.dumps(error))
    assert (str(copy), copy.reasons) == (str(error), error.reasons)


async def test_the_host_says_another_order_per_kind(clock: VirtualClock) -> None:
    """And leaves sources out."""
    one, two = (
        Source(clock, **dict.fromkeys(DocumentKind, "paper")),
        Source(clock, **dict.fromkeys(DocumentKind, "paper")),
    )
    order = {SLIP: ["two", "one"], INVOICE: []}
    chain = DocumentSourceChain({"one": one, "two": two}, order=order, clock=clock)
    papers = await chain.documents(ORDER)
    assert (one.asked, two.asked) == ([[LABEL]], [[SLIP]])
    assert "no source is asked" in str(papers.failed[INVOICE])


async def test_a_source_that_fails_again_and_again_is_left_alone_and_tried_again(clock: VirtualClock) -> None:
    """60 s, then twice as long after each failed trial, at most 900 s; an answer closes the circuit."""
    events: list[Event] = []
    panel = Source(clock, shipping_label=PortalTimeout("too slow", step="label"))
    chain = DocumentSourceChain({"panel": panel}, clock=clock, on_event=events.append, account="A1SELLER/AE")
    for _ in range(10):
        error = (await chain.documents(ORDER, [LABEL])).failed[LABEL]
    assert len(panel.asked) == 3
    assert "not asked after 3 failures in a row (PortalTimeout); again in 60 s" in str(error)
    pauses = []
    for _ in range(6):
        retry_at = chain.circuits["panel"].retry_at
        assert retry_at is not None
        pauses.append((retry_at - clock.now()).total_seconds())
        clock.jump(pauses[-1])
        await chain.documents(ORDER, [LABEL])
        await chain.documents(ORDER, [LABEL])
    assert pauses == [60, 120, 240, 480, 900, 900]
    assert len(panel.asked) == 3 + 6
    clock.jump(900)
    panel.results = {"shipping_label": "paper"}
    assert LABEL in (await chain.documents(ORDER, [LABEL])).ready
    assert chain.circuits["panel"] == CircuitState()
    states = [event for event in events if isinstance(event, DocumentSourceState)]
    assert [(event.source, event.asked, event.reason) for event in states] == [
        ("panel", False, "PortalTimeout"),
        ("panel", True, ""),
    ]


async def test_one_call_tries_while_the_others_go_on_without(clock: VirtualClock) -> None:
    """A bench does not wait for the trial of another."""
    panel = Source(clock, shipping_label=PortalUnavailable("down"))
    chain = DocumentSourceChain({"panel": panel}, clock=clock)
    for _ in range(3):
        await chain.documents(ORDER, [LABEL])
    clock.jump(60)
    await asyncio.gather(*(chain.documents(ORDER, [LABEL]) for _ in range(5)))
    assert len(panel.asked) == 4


async def test_what_only_a_person_can_mend_opens_at_once(clock: VirtualClock) -> None:
    """Signing in again and again would lock the account; ``close_circuit`` when it is done."""
    panel = Source(clock)
    panel.raises = ChallengeRequired("captcha", "a picture")
    chain = DocumentSourceChain({"panel": panel}, clock=clock)
    await chain.documents(ORDER, [LABEL])
    await chain.documents(ORDER, [LABEL])
    assert len(panel.asked) == 1
    retry_at = chain.circuits["panel"].retry_at
    assert retry_at is not None
    assert (retry_at - clock.now()).total_seconds() == 900
    chain.close_circuit("panel")
    await chain.documents(ORDER, [LABEL])
    assert len(panel.asked) == 2
    with pytest.raises(ConfigurationError):
        chain.close_circuit("panels")


def _caused(cause: BaseException) -> DocumentError:
    error = DocumentError("failed")
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("result", "counts"),
    [
        (lambda: DocumentError("no such document"), False),
        (lambda: DocumentNotReady("later", retry_after_seconds=5), False),
        (lambda: DocumentInvalid("another order's"), False),
        (lambda: _caused(ServiceUnavailable("down", status=503)), True),
        (lambda: _caused(StorageError("full")), True),
        (lambda: _caused(ValueError("?")), False),
        (lambda: PortalTimeout("too slow"), True),
    ],
)
async def test_an_answer_about_one_order_is_no_failure_of_the_source(
    clock: VirtualClock, result: Callable[[], Any], counts: bool
) -> None:
    """Only the source's own troubles open its circuit."""
    source = Source(clock, shipping_label=result())
    chain = DocumentSourceChain({"one": source}, clock=clock)
    for _ in range(5):
        await chain.documents(ORDER, [LABEL])
    assert chain.circuits["one"].is_open is counts


async def test_a_cancelled_trial_leaves_the_next_one_free(clock: VirtualClock) -> None:
    """Nothing is known of the source then."""
    panel = Source(clock, shipping_label=PortalTimeout("too slow"))
    chain = DocumentSourceChain({"panel": panel}, clock=clock)
    for _ in range(3):
        await chain.documents(ORDER, [LABEL])
    clock.jump(60)
    panel.raises = asyncio.CancelledError()
    with pytest.raises(asyncio.CancelledError):
        await chain.documents(ORDER, [LABEL])
    panel.raises = None
    await chain.documents(ORDER, [LABEL])
    assert len(panel.asked) == 5


async def test_what_cannot_work_is_refused(clock: VirtualClock) -> None:
    """Before a source is asked."""
    source = Source(clock)
    for make in (
        lambda: DocumentSourceChain({}),
        lambda: DocumentSourceChain({"one": source}, order={LABEL: ["two"]}),
        lambda: CircuitPolicy(failures=0),
        lambda: CircuitPolicy(pause_seconds=60, limit_seconds=30),
    ):
        with pytest.raises(ConfigurationError):
            make()
    with pytest.raises(ConfigurationError):
        await DocumentSourceChain({"one": source}).documents("171-1")
    assert dict(await DocumentSourceChain({"one": source}).documents(ORDER, [])) == {}
    assert source.asked == []


async def test_one_order_that_fails_again_and_again_leaves_the_source_to_the_others(clock: VirtualClock) -> None:
    """It alone is not asked for; a second order that fails shows that it is the source."""
    panel = Source(clock, shipping_label=PortalTimeout("too slow", step="label"))
    chain = DocumentSourceChain({"panel": panel}, clock=clock)
    for _ in range(5):
        await chain.documents(ORDER, [LABEL])
    assert len(panel.asked) == 3
    panel.results = {"shipping_label": "paper"}
    assert LABEL in (await chain.documents(make_order_id(2), [LABEL])).ready
    panel.results = {"shipping_label": PortalTimeout("too slow", step="label")}
    for _ in range(5):
        await chain.documents(ORDER, [LABEL])
    assert len(panel.asked) == 7
    await chain.documents(make_order_id(2), [LABEL])
    assert len(panel.asked) == 8
    error = (await chain.documents(make_order_id(3), [LABEL])).failed[LABEL]
    assert len(panel.asked) == 8
    assert "not asked after 4 failures in a row" in str(error)


@given(st.lists(st.sampled_from(["fail", "person", "answer", "wait"]), max_size=60))
def test_a_circuit_never_stays_open_forever(steps: list[str]) -> None:
    """Whatever happens, the next trial is at most the limit away."""
    clock, policy, state = VirtualClock(autojump=False), CircuitPolicy(), CircuitState()
    for step in steps:
        now = clock.now()
        if step == "wait":
            clock.jump(100)
        elif state.may_ask(now):
            asked = state.asked()
            error = PortalTimeout("slow") if step == "fail" else ChallengeRequired("captcha", "picture")
            state = asked.answered() if step == "answer" else asked.failed_with(error, policy, now)
        assert not state.trying
        if state.retry_at is not None:
            assert (state.retry_at - clock.now()).total_seconds() <= policy.limit_seconds
