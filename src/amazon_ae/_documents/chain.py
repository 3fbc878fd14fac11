"""``DocumentSourceChain``: one document source out of several; per kind the first that delivers."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Collection, Mapping, Sequence

from amazon_ae._clocks import SystemClock
from amazon_ae._documents.circuit import CircuitPolicy, CircuitState
from amazon_ae._exceptions import (
    AmazonAeError,
    AmazonError,
    ConfigurationError,
    DocumentError,
    DocumentNotReady,
    NotDelivered,
    NotSent,
    OutcomeUnknown,
    PortalError,
    QuotaTimeout,
    StorageError,
    UnreadableResponse,
)
from amazon_ae._models.documents import Document, DocumentKind, DocumentSet, kinds_asked
from amazon_ae._models.events import DocumentSourceState, EventSink
from amazon_ae._models.text import check_order_id
from amazon_ae._ports import Clock, DocumentSource

__all__ = ["DocumentSourceChain"]

_log = logging.getLogger(__name__)

Result = Document | DocumentError | PortalError


class DocumentSourceChain:
    """Asks several document sources in your order, and only for what is still missing.

    ::

        documents = DocumentSourceChain(
            {"kept labels": KeptLabels(folder), "panel": scraper, "own slip": PackingSlips(gateway, printer)}
        )

    A kind that no source delivered holds a ``NotDelivered`` with every source's reason. A source that keeps failing is
    not asked for a while (``CircuitPolicy``), so that packing does not wait for it with each parcel. While only one
    order fails, it is skipped for that order alone.

    Args:
        sources: by the name that reasons and events give them, the preferred one first.
        order: another order for some kinds, as names; a source that it leaves out is not asked for that kind.
        circuit: when a failing source is skipped, and when it is asked again.
        account: named in events, e.g. the gateway's.
        on_event: a typed sink for ``DocumentSourceState``.
        clock: times the pauses.

    Raises:
        ConfigurationError: no source, or ``order`` names an unknown one.
    """

    def __init__(
        self,
        sources: Mapping[str, DocumentSource],
        *,
        order: Mapping[DocumentKind, Sequence[str]] | None = None,
        circuit: CircuitPolicy | None = None,
        account: str = "",
        on_event: EventSink | None = None,
        clock: Clock | None = None,
    ) -> None:
        if not sources:
            raise ConfigurationError("DocumentSourceChain needs at least one source")
        unknown = {name for names in (order or {}).values() for name in names} - set(sources)
        if unknown:
            raise ConfigurationError(f"order names sources that are not there: {', '.join(sorted(unknown))}")
        kinds_asked(tuple(order or ()))
        self._sources = dict(sources)
        self._names = {kind: tuple((order or {}).get(kind, sources)) for kind in DocumentKind}
        self._policy = circuit or CircuitPolicy()
        self._account = account
        self._on_event = on_event
        self._clock = clock or SystemClock()
        self._circuits = {name: CircuitState() for name in sources}

    @property
    def circuits(self) -> Mapping[str, CircuitState]:
        """The circuit of each source, by name."""
        return dict(self._circuits)

    def close_circuit(self, name: str) -> None:
        """Ask this source again from now on, e.g. after a person signed in.

        Raises:
            ConfigurationError: there is no such source.
        """
        if name not in self._circuits:
            raise ConfigurationError(f"there is no source {name!r}: {', '.join(self._sources)}")
        self._note(name, CircuitState())

    async def documents(self, order_id: str, kinds: Collection[DocumentKind] = tuple(DocumentKind)) -> DocumentSet:
        """The documents of one order, each from the first source that delivers it.

        Raises:
            ConfigurationError: an unknown kind, or no Amazon order id.
        """
        wanted = kinds_asked(kinds)
        check_order_id(order_id)
        reasons: dict[DocumentKind, dict[str, AmazonAeError]] = {kind: {} for kind in wanted}
        ready: dict[DocumentKind, Document] = {}
        left = {kind: list(self._names[kind]) for kind in wanted}
        while groups := self._next_sources(left):
            answers = await asyncio.gather(*(self._ask(name, order_id, some) for name, some in groups.items()))
            for (name, some), answer in zip(groups.items(), answers, strict=True):
                for kind in some:
                    result = answer[kind]
                    if isinstance(result, Document):
                        ready[kind] = result
                        left[kind].clear()
                    else:
                        reasons[kind][name] = result
        results: dict[DocumentKind, Result] = {
            kind: ready[kind] if kind in ready else _not_delivered(kind, reasons[kind]) for kind in wanted
        }
        return DocumentSet(order_id, results)

    def _next_sources(self, left: dict[DocumentKind, list[str]]) -> dict[str, list[DocumentKind]]:
        """The next source of each kind that is still missing, each source with all its kinds."""
        groups: dict[str, list[DocumentKind]] = {}
        for kind, names in left.items():
            if names:
                groups.setdefault(names.pop(0), []).append(kind)
        return groups

    async def _ask(
        self, name: str, order_id: str, kinds: Sequence[DocumentKind]
    ) -> Mapping[DocumentKind, Document | AmazonAeError]:
        """One source, behind its circuit. Never raises an error of the source's."""
        circuit = self._circuits[name]
        if not circuit.may_ask(self._clock.now(), order_id):
            return {kind: self._left_alone(circuit, kind) for kind in kinds}
        self._circuits[name] = circuit.asked()
        try:
            found = (await self._sources[name].documents(order_id, kinds)).results
            answer: dict[DocumentKind, Document | AmazonAeError] = {
                kind: found.get(kind) or DocumentError("the source said nothing of it", step=kind) for kind in kinds
            }
        except AmazonAeError as raised:
            answer = dict.fromkeys(kinds, raised)
        except BaseException:
            self._circuits[name] = self._circuits[name].given_up()
            raise
        failure = _failure_of(answer.values())
        state = self._circuits[name]
        now = self._clock.now()
        self._note(
            name, state.answered() if failure is None else state.failed_with(failure, self._policy, now, order_id)
        )
        return answer

    def _left_alone(self, circuit: CircuitState, kind: DocumentKind) -> DocumentError:
        seconds = 0.0
        if circuit.retry_at is not None:
            seconds = max(0.0, (circuit.retry_at - self._clock.now()).total_seconds())
        text = f"not asked after {circuit.failed} failures in a row ({circuit.reason}); again in {seconds:.0f} s"
        return DocumentNotReady(text, retry_after_seconds=max(seconds, 1.0), step=kind)

    def _note(self, name: str, circuit: CircuitState) -> None:
        """Store the state of a source's circuit, and emit an event if it changed."""
        before, self._circuits[name] = self._circuits[name], circuit
        if before.is_open == circuit.is_open:
            return
        word = f"is left alone until {circuit.retry_at} ({circuit.reason})" if circuit.is_open else "answers again"
        _log.warning("document source %r %s", name, word)
        if self._on_event is None:
            return
        event = DocumentSourceState(
            at=self._clock.now(),
            account=self._account,
            source=name,
            asked=not circuit.is_open,
            reason=circuit.reason,
            retry_at=circuit.retry_at,
        )
        try:
            self._on_event(event)
        except Exception:
            _log.exception("the event sink failed on %s", type(event).__name__)


def _failure_of(results: Collection[Document | AmazonAeError]) -> AmazonAeError | None:
    """The source's failure; ``None`` where it delivered something, or answered about this one order."""
    if any(isinstance(result, Document) for result in results):
        return None
    return next((result for result in results if not isinstance(result, Document) and _is_failure(result)), None)


def _is_failure(result: AmazonAeError) -> bool:
    """Whether the source itself failed, not this one document."""
    if isinstance(result, DocumentError):
        cause = result.__cause__
        return isinstance(cause, AmazonAeError) and _is_failure(cause)
    failures = (PortalError, AmazonError, NotSent, OutcomeUnknown, QuotaTimeout, StorageError, UnreadableResponse)
    return isinstance(result, failures)


def _not_delivered(kind: DocumentKind, reasons: Mapping[str, AmazonAeError]) -> DocumentError:
    if not reasons:
        return DocumentError("no source is asked for it", step=kind)
    waits = [error.retry_after_seconds for error in reasons.values() if isinstance(error, DocumentNotReady)]
    undelivered = NotDelivered(
        "; ".join(f"{name}: {_short(error)}" for name, error in reasons.items()),
        step=kind,
        retryable=any(bool(getattr(error, "retryable", False)) for error in reasons.values()),
        reasons={name: str(error) for name, error in reasons.items()},
        retry_after_seconds=min(waits, default=None),
    )
    undelivered.__cause__ = list(reasons.values())[-1]
    return undelivered


def _short(error: AmazonAeError) -> str:
    text = str(error)
    return text if len(text) <= 200 else text[:199] + "…"
