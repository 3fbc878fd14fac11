"""Maps XML elements to attributes, derived from the value's class: ``order_total: Money | None`` is ``OrderTotal``.

The attribute's type chooses the reader. Exceptions to that rule are listed where the class is read. Pure.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Any, Final, TypeVar, get_args, get_type_hints

import attrs

from amazon_ae._models.money import Money
from amazon_ae._mws.parsing import Fields, boolean, children, fields, instant, integer, money, text

__all__ = ["Reader", "element_name", "list_of", "structure", "table_of"]

T = TypeVar("T")
Reader = Callable[[Any], Any]
_READERS: Final[Mapping[Any, Reader]] = MappingProxyType(
    {str: text, bool: boolean, int: integer, datetime: instant, Money: money}
)
_NOTHING: Final[Mapping[str, Any]] = MappingProxyType({})


def element_name(attribute: str) -> str:
    """``amazon_order_id`` as ``AmazonOrderId``."""
    return "".join(part[:1].upper() + part[1:] for part in attribute.split("_"))


def table_of(
    kind: type,
    *,
    names: Mapping[str, str | tuple[str, ...]] = _NOTHING,
    readers: Mapping[str, Reader] = _NOTHING,
    leave_out: Collection[str] = (),
) -> Fields:
    """The table of an attrs class.

    Args:
        names: elements of attributes whose name is irregular; several where Amazon spells it in several ways.
        readers: of attributes whose type does not say how they are read.
        leave_out: attributes that no element of this structure fills.

    Raises:
        TypeError: an attribute whose type needs a reader.
    """
    hints = get_type_hints(kind)
    table: dict[str, tuple[str, Reader]] = {}
    for field in attrs.fields(kind):
        if field.name in leave_out:
            continue
        reader = readers.get(field.name) or _reader_of(kind, field.name, hints[field.name])
        spelled = names.get(field.name, element_name(field.name))
        for name in (spelled,) if isinstance(spelled, str) else spelled:
            table[name] = (field.name, reader)
    return table


def structure(kind: Callable[..., T], table: Fields) -> Callable[[Any], T | None]:
    """A reader of a nested element; ``None`` where it is empty."""

    def read(node: Any) -> T | None:
        node = node[0] if isinstance(node, list) and node else node
        return kind(**fields(node, table)) if isinstance(node, dict) else None

    return read


def list_of(element: str, read: Callable[[Any], T | None]) -> Callable[[Any], tuple[T, ...]]:
    """A reader of an element that wraps any number of ``element``."""
    return lambda node: tuple(value for each in children(node, element) if (value := read(each)) is not None)


def _reader_of(kind: type, name: str, hint: Any) -> Reader:
    wanted = [each for each in (get_args(hint) or (hint,)) if each is not type(None)]
    if len(wanted) == 1 and wanted[0] in _READERS:
        return _READERS[wanted[0]]
    if len(wanted) == 1 and attrs.has(wanted[0]):
        return structure(wanted[0], table_of(wanted[0]))
    raise TypeError(f"{kind.__name__}.{name}: {hint} needs a reader")
