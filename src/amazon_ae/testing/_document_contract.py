"""The contract of ``ports.DocumentSource`` as code: plain functions that raise ``AssertionError``.

Prove a source in one call::

    await check_document_source(DocumentTrial(source=mine, ready=..., another=..., unscheduled=..., unknown=...))

or check by check in your own runner, e.g. ``@pytest.mark.parametrize("check", DOCUMENT_CHECKS)``. Reading the PDFs
needs the extra ``portal`` (pypdf).
"""

from __future__ import annotations

import asyncio
import hashlib
import io
from collections.abc import Awaitable, Callable
from typing import Any, Final

import attrs

from amazon_ae._exceptions import ConfigurationError, DocumentError, DocumentNotReady, PortalError
from amazon_ae._models.documents import Document, DocumentKind
from amazon_ae._ports import DocumentSource

__all__ = ["DOCUMENT_CHECKS", "DocumentTrial", "check_document_source"]

_POINTS_PER_MM: Final = 72 / 25.4


@attrs.frozen(kw_only=True)
class DocumentTrial:
    """A source under test and three orders it can be asked about.

    Attributes:
        ready: an order with an invoice and with a pickup whose label is made.
        another: a second one of that sort.
        unscheduled: an order with an invoice and without a pickup.
        unknown: a well-formed order id that no order has.
    """

    source: DocumentSource
    ready: str
    another: str
    unscheduled: str
    unknown: str


async def check_all_kinds_arrive(trial: DocumentTrial) -> None:
    """An order that is ready gives all its papers, each of them its own."""
    papers = await trial.source.documents(trial.ready)
    _equal(papers.order_id, trial.ready, "the set's order id")
    _equal(dict(papers.failed), {}, "nothing failed")
    _equal(set(papers.ready), set(DocumentKind), "every kind arrived")
    for kind, document in papers.ready.items():
        _check_document(document, kind, trial.ready)


async def check_only_asked_kinds_arrive(trial: DocumentTrial) -> None:
    """Exactly the kinds that were asked for come back; for none, an empty set."""
    for kind in DocumentKind:
        papers = await trial.source.documents(trial.ready, [kind])
        _equal(list(papers), [kind], "the kinds that came back")
        _check_document(papers[kind], kind, trial.ready)
    _equal(dict(await trial.source.documents(trial.ready, ())), {}, "no kind was asked for")


async def check_repeated_kinds_count_once(trial: DocumentTrial) -> None:
    """A kind that is named twice comes back once."""
    papers = await trial.source.documents(trial.ready, [DocumentKind.INVOICE, DocumentKind.INVOICE])
    _equal(list(papers), [DocumentKind.INVOICE], "the kinds that came back")


async def check_unknown_kinds_are_refused(trial: DocumentTrial) -> None:
    """A misspelt kind is an error of the call: an empty answer would look like a parcel without papers."""
    wrong: Any  # what a type checker would have stopped
    for wrong in (["label"], [DocumentKind.INVOICE, "receipt"], "invoice"):
        try:
            await trial.source.documents(trial.ready, wrong)
        except ConfigurationError:
            continue
        raise AssertionError(f"kinds={wrong!r} must raise ConfigurationError")


async def check_label_needs_a_pickup(trial: DocumentTrial) -> None:
    """Without a pickup the label is not ready, states when to ask again, and does not delay the others."""
    papers = await trial.source.documents(trial.unscheduled)
    _equal(set(papers.ready), {DocumentKind.PACKING_SLIP, DocumentKind.INVOICE}, "the kinds that are ready")
    try:
        papers[DocumentKind.SHIPPING_LABEL]
    except DocumentNotReady as error:
        _true(error.retry_after_seconds > 0, f"retry_after_seconds is {error.retry_after_seconds}, it must be above 0")
        _true(error.retryable, "a document that is not ready yet is worth asking for again")
    else:
        raise AssertionError("asking for a label without a pickup must raise DocumentNotReady")


async def check_unknown_orders_fail_by_kind(trial: DocumentTrial) -> None:
    """An order that does not exist gives an error per kind and raises none by itself."""
    papers = await trial.source.documents(trial.unknown)
    _equal(dict(papers.ready), {}, "no document of an order that does not exist")
    for kind, error in papers.failed.items():
        typed = isinstance(error, DocumentError | PortalError)
        _true(typed, f"{kind} failed with {error!r}, which is neither a DocumentError nor a PortalError")
    _equal(set(papers.failed), set(DocumentKind), "every kind holds its error")


async def check_malformed_order_ids_are_refused(trial: DocumentTrial) -> None:
    """What is no order id is refused before anything is sent."""
    ready = trial.ready
    for order_id in ("", "408-1-1", "../../home", f"{ready}\n", f" {ready}", f"{ready};{trial.another}"):
        try:
            await trial.source.documents(order_id)
        except ConfigurationError:
            continue
        raise AssertionError(f"{order_id!r} must raise ConfigurationError")


async def check_orders_side_by_side(trial: DocumentTrial) -> None:
    """Orders that are asked for at the same time get their own papers."""
    asked = [trial.ready, trial.another, trial.ready, trial.another]
    answers = await asyncio.gather(*(trial.source.documents(order_id) for order_id in asked))
    for order_id, papers in zip(asked, answers, strict=True):
        _equal(papers.order_id, order_id, "the set's order id")
        for kind in DocumentKind:
            _check_document(papers[kind], kind, order_id)


DOCUMENT_CHECKS: Final[tuple[Callable[[DocumentTrial], Awaitable[None]], ...]] = (
    check_all_kinds_arrive,
    check_only_asked_kinds_arrive,
    check_repeated_kinds_count_once,
    check_unknown_kinds_are_refused,
    check_label_needs_a_pickup,
    check_unknown_orders_fail_by_kind,
    check_malformed_order_ids_are_refused,
    check_orders_side_by_side,
)
"""Every check of the contract: ``async def check_...(trial: DocumentTrial) -> None``. The docstring states the fact."""


async def check_document_source(trial: DocumentTrial) -> None:
    """Run every check against one source.

    Raises:
        AssertionError: the first check that failed; its notes name the check and the fact it states.
    """
    for check in DOCUMENT_CHECKS:
        try:
            await check(trial)
        except AssertionError as error:
            error.add_note(f"{getattr(check, '__name__', check)}: {check.__doc__}")
            raise


def _check_document(document: Document, kind: DocumentKind, order_id: str) -> None:
    import pypdf

    _equal(document.kind, kind, "the document's kind")
    _equal(document.order_id, order_id, "the document's order id")
    _true(document.content.startswith(b"%PDF-"), f"{kind} does not begin with %PDF-")
    _equal(document.sha256, hashlib.sha256(document.content).hexdigest(), "the digest")
    _true(document.fetched_at.tzinfo is not None, "fetched_at must be aware")
    reader = pypdf.PdfReader(io.BytesIO(document.content))
    _equal(document.pages, len(reader.pages), f"the page count of {kind}")
    paper = reader.pages[0].mediabox
    for name, said, points in (
        ("width", document.width_mm, float(paper.width)),
        ("height", document.height_mm, float(paper.height)),
    ):
        _true(abs(said - points / _POINTS_PER_MM) < 0.5, f"the {name} of {kind} is {points} points, not {said} mm")
    text = "".join(page.extract_text() for page in reader.pages)
    _true(order_id in text, f"{kind} does not hold the order id {order_id}")


def _equal(found: object, expected: object, what: str) -> None:
    _true(found == expected, f"{what}: expected {expected!r}, found {found!r}")


def _true(holds: bool, what: str) -> None:
    # A plain assert would vanish under `python -O` in a host's own test run.
    if not holds:
        raise AssertionError(what)
