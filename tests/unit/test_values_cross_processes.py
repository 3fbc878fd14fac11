"""Every public error and value survives pickle and copy: with its text, its attributes and its equality."""

from __future__ import annotations

import copy
import inspect
import pickle
import sys
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from multiprocessing import get_context
from typing import Any

import attrs
import pytest

import amazon_ae
from amazon_ae import AE, SITE, AmazonAeError, DocumentKind, Marketplace, QuotaTimeout, StorageError

AT = datetime(2021, 11, 18, 9, tzinfo=UTC)
WAYS: list[Callable[[Any], Any]] = [
    *(lambda value, p=protocol: pickle.loads(pickle.dumps(value, p)) for protocol in range(2, 6)),
    copy.copy,
    copy.deepcopy,
]
PUBLIC = {name: getattr(amazon_ae, name) for name in dir(amazon_ae) if not name.startswith("_")}
ERRORS = sorted(
    (kind for kind in PUBLIC.values() if inspect.isclass(kind) and issubclass(kind, AmazonAeError)), key=str
)
VALUES = sorted((kind for kind in PUBLIC.values() if inspect.isclass(kind) and attrs.has(kind)), key=str)

# Fields whose rules a plain example of their type breaks.
SPECIAL: dict[str, Any] = {
    "order_id": "403-1111111-1111111",
    "amazon_order_id": "403-1111111-1111111",
    "amazon_order_item_code": "12345678901234",
    "merchant_order_id": None,
    "merchant_fulfillment_id": "77",
    "merchant_fulfillment_item_id": "8",
    "method": "GET",
    "path": "/orders",
    "merchant_order_item_id": None,
    "document_type": "Invoice",
    "status_code": "Success",
    "cancel_reason": None,
    "carrier_code": None,
    "pickup_time": "10:00 AM",
    "sku": "SKU-1",
    "columns": ("order_id",),
    "charset": "utf-8",
    "retry_seconds": 1.0,
    "time_zone": "Asia/Dubai",
    "mws_endpoint": "https://mws.example",
    "spapi_endpoint": "https://spapi.example",
    "portal_origin": "https://portal.example",
    "working_days": frozenset({0}),
    "totp": "JBSWY3DPEHPK3PXP",
    "unit": "cm",
}


def example(hint: Any, name: str = "") -> Any:
    """Something of this type."""
    if name in SPECIAL:
        return SPECIAL[name]
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return example(next(arg for arg in args if arg is not type(None)))
    if origin is typing.Literal:
        return args[0]
    if origin in (tuple, list, frozenset, Sequence) or origin is typing.get_origin(Sequence[int]):
        return (tuple if origin not in (list, frozenset) else origin)([example(args[0])])
    if origin in (dict, Mapping) or origin is typing.get_origin(Mapping[str, int]):
        return {example(args[0]): example(args[1])}
    if isinstance(hint, type) and issubclass(hint, Enum):
        return next(iter(hint))
    if isinstance(hint, type) and attrs.has(hint):
        return make(hint)
    plain = {str: "text", int: 2, float: 2.5, bool: True, bytes: b"bytes", Decimal: Decimal("1.5"), datetime: AT,
             date: AT.date(), time: time(10), timedelta: timedelta(seconds=2), Marketplace: AE}  # fmt: skip
    return plain.get(hint)


def hint_of(kind: type, written: Any) -> Any:
    """The type that an annotation names; ``None`` for one that only a type checker sees."""
    try:
        return eval(written, {**PUBLIC, **vars(sys.modules[kind.__module__])}) if isinstance(written, str) else written
    except NameError:
        return None


def make(kind: type) -> Any:
    """An instance with a value in every field that a constructor takes."""
    arguments = {}
    for field in attrs.fields(kind):
        if field.init:
            name = field.alias or field.name
            value = example(hint_of(kind, field.type), name)
            if value is not None or field.default is attrs.NOTHING:
                arguments[name] = value
    needed = {field.alias for field in attrs.fields(kind) if field.default is attrs.NOTHING}
    for names in (set(arguments), needed, needed | {"amazon_order_id", "amazon_order_item_code"}):
        try:
            return kind(**{name: value for name, value in arguments.items() if name in names})
        except amazon_ae.ConfigurationError:
            continue
    pytest.skip(f"{kind.__name__} has rules that no plain example fits: give SPECIAL the names of its fields")


def make_error(kind: type[AmazonAeError]) -> AmazonAeError:
    """An error with every argument that its constructor takes."""
    parameters = inspect.signature(kind.__init__).parameters
    if "args" in parameters:
        return kind("what failed and what to do")
    examples = {
        "retry_at": AT, "timestamp": AT, "status": 503, "retryable": True, "skew_seconds": -7.5, "picture": b"png",
        "retry_after_seconds": 3.5, "image": b"png", "reasons": {"panel": "no answer"},
    }  # fmt: skip
    arguments = {name: examples.get(name, f"the {name}") for name in list(parameters)[1:]}
    return kind(**arguments)


def test_the_lists_are_not_empty() -> None:
    """Names are imported on first access: nothing hides."""
    assert len(ERRORS) > 30
    assert len(VALUES) > 60


@pytest.mark.parametrize("kind", ERRORS, ids=lambda kind: kind.__name__)
def test_an_error_keeps_its_text_and_attributes(kind: type[AmazonAeError]) -> None:
    """Whatever its constructor makes of them."""
    error = make_error(kind)
    error.add_note("seen by the host")
    for way in WAYS:
        twin = way(error)
        assert type(twin) is kind
        assert (str(twin), repr(twin), twin.args) == (str(error), repr(error), error.args)
        assert vars(twin) == vars(error)


@pytest.mark.parametrize("kind", VALUES, ids=lambda kind: kind.__name__)
def test_a_value_equals_its_copy(kind: type) -> None:
    """With a value in every field."""
    value = make(kind)
    for way in WAYS:
        assert way(value) == value


@pytest.mark.parametrize("name", ["AE", "EG", "SA", "SITE"])
def test_constants_can_be_copied(name: str) -> None:
    """Marketplaces and the site map, mappings inside included."""
    value = PUBLIC[name]
    for way in WAYS:
        assert way(value) == value
    assert copy.deepcopy(SITE) == SITE


def fail(kind: str) -> None:
    """Raise in another process."""
    raise make_error(getattr(amazon_ae, kind))


def test_errors_leave_a_worker_process() -> None:
    """The pool doesn't break, and the host can ask the error what to do."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        for kind in (QuotaTimeout, StorageError, amazon_ae.PickupRejected, amazon_ae.RequestExpired):
            with pytest.raises(kind) as caught:
                pool.submit(fail, kind.__name__).result(100)
            assert str(caught.value) == str(make_error(kind))
            assert vars(caught.value) == vars(make_error(kind))


def test_a_set_of_documents_crosses_with_its_errors() -> None:
    """A failed kind holds its own error."""
    error = amazon_ae.DocumentNotReady("not yet", retry_after_seconds=5, step="invoice")
    found = amazon_ae.DocumentSet("403-1111111-1111111", {DocumentKind.INVOICE: error})
    twin = pickle.loads(pickle.dumps(found))
    with pytest.raises(amazon_ae.DocumentNotReady, match="not yet"):
        twin[DocumentKind.INVOICE]
