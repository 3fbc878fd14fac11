"""The Schedule Pickup tab file: one line per order, at most 500 orders.

Source: Amazon's help for the UAE, "Schedule pickups in bulk for multiple orders using feeds" (sellercentral.amazon.ae,
item 201383340), and the template published in June 2017 with its newer variants. UNVERIFIED for the UAE, hence the
host's choice in ``PickupFormat``: which columns, the format of dates and times, the character set.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from decimal import Decimal
from types import MappingProxyType
from typing import Final, Literal

import attrs

from amazon_ae._easy_ship.slots import clock_time
from amazon_ae._exceptions import ConfigurationError
from amazon_ae._models.feeds import PickupRequest
from amazon_ae._models.text import check_order_id, refuse_control
from amazon_ae._mws.feed_bodies.envelope import chunks_of

__all__ = [
    "COLUMNS_2017",
    "COLUMNS_WITH_INVOICE",
    "COLUMNS_WITH_TRANSPARENCY",
    "MAX_PICKUPS",
    "PickupFormat",
    "schedule_pickup_file",
]

#: "At most 500 orders per file."
MAX_PICKUPS: Final = 500
#: The template of June 2017.
COLUMNS_2017: Final = (
    "order_id",
    "package_weight",
    "package_length",
    "package_width",
    "package_height",
    "schedule_pickup_date",
    "schedule_pickup_time",
    "merchant_additional_identifier",
)
#: Newer variant: ``invoice_id`` behind ``order_id``.
COLUMNS_WITH_INVOICE: Final = ("order_id", "invoice_id", *COLUMNS_2017[1:])
#: Newest variant: also a last column ``transparency_code``, which this library leaves empty.
COLUMNS_WITH_TRANSPARENCY: Final = (*COLUMNS_WITH_INVOICE, "transparency_code")


def _measures(request: PickupRequest) -> tuple[Decimal | None, Decimal | None, Decimal | None]:
    """Length, width and height in the template's order: the largest first, the smallest last."""
    sides = (request.length_cm, request.width_cm, request.height_cm)
    if None in sides:
        return sides
    length, width, height = sorted((side for side in sides if side is not None), reverse=True)
    return length, width, height


def _number(value: Decimal | None) -> str:
    return "" if value is None else f"{value.normalize():f}"


_CELLS: Final[Mapping[str, Callable[[PickupRequest, PickupFormat], str]]] = MappingProxyType(
    {
        "order_id": lambda request, _: request.order_id,
        "invoice_id": lambda request, _: request.invoice_id or "",
        "package_weight": lambda request, _: _number(request.weight_grams),
        "package_length": lambda request, _: _number(_measures(request)[0]),
        "package_width": lambda request, _: _number(_measures(request)[1]),
        "package_height": lambda request, _: _number(_measures(request)[2]),
        "schedule_pickup_date": lambda request, form: request.pickup_date.strftime(form.date_format),
        "schedule_pickup_time": lambda request, form: _time(request.pickup_time or form.default_time, form.clock_hours),
        "merchant_additional_identifier": lambda request, _: request.package_identifier or "",
        "transparency_code": lambda _request, _format: "",
    }
)


def _time(text: str | None, clock_hours: int | None) -> str:
    if text is None:
        return ""
    moment = clock_time(text) if clock_hours is not None else None
    if moment is None:
        return text
    if clock_hours == 24:
        return f"{moment:%H:%M}"
    return f"{moment.hour % 12 or 12:02d}:{moment:%M} {'PM' if moment.hour >= 12 else 'AM'}"


@attrs.frozen(kw_only=True)
class PickupFormat:
    """The marketplace's template. Every default is the published template's; for the UAE all are UNVERIFIED.

    Attributes:
        columns: the column names in their order: ``COLUMNS_2017``, ``COLUMNS_WITH_INVOICE``,
            ``COLUMNS_WITH_TRANSPARENCY`` or your own choice among their names.
        headings: other spellings of column names for the heading line, e.g. ``{"order_id": "order-id"}``.
        date_format: ``strftime`` format; ``%Y-%m-%d`` and ``%Y/%m/%d`` were seen.
        clock_hours: 12 writes times as ``"10:00 AM"``, 24 as ``"10:00"``; ``None`` writes ``pickup_time`` as it is.
        default_time: for requests without a ``pickup_time``.
        charset: Python's name; Arabic needs UTF-8 or another that has it.
        max_orders: Amazon's 500, or fewer.
    """

    columns: tuple[str, ...] = COLUMNS_2017
    headings: Mapping[str, str] = attrs.field(factory=dict)
    date_format: str = "%Y-%m-%d"
    clock_hours: Literal[12, 24] | None = None
    default_time: str | None = None
    charset: str = "utf-8"
    max_orders: int = MAX_PICKUPS

    def __attrs_post_init__(self) -> None:
        if unknown := [name for name in self.columns if name not in _CELLS]:
            raise ConfigurationError(f"unknown column {unknown[0]!r}; known are {', '.join(_CELLS)}")
        if "order_id" not in self.columns or len(set(self.columns)) != len(self.columns):
            raise ConfigurationError("the columns must hold order_id, and each name once")
        for name in self.heading_line:
            refuse_control(name, f"heading {name!r}")
        try:
            plain = "\t\n".encode(self.charset) == b"\t\n"
        except LookupError:
            raise ConfigurationError(f"unknown charset {self.charset!r}") from None
        if not plain:
            raise ConfigurationError(f"charset {self.charset!r} does not write a tab as one byte")
        if not 1 <= self.max_orders <= MAX_PICKUPS:
            raise ConfigurationError(f"max_orders must be 1-{MAX_PICKUPS}, not {self.max_orders}")

    @property
    def heading_line(self) -> tuple[str, ...]:
        """The heading line of the file."""
        return tuple(self.headings.get(name, name) for name in self.columns)

    @property
    def content_type(self) -> str:
        """The HTTP content type of the file."""
        return f"text/tab-separated-values; charset={self.charset}"

    def line(self, request: PickupRequest) -> bytes:
        """One order's line.

        Raises:
            ConfigurationError: the order id is not Amazon's, or a cell holds a tab, a line end, another control
                character or one that ``charset`` lacks; the message names order, column and character.
        """
        check_order_id(request.order_id)
        cells = []
        for name in self.columns:
            cell = _CELLS[name](request, self)
            refuse_control(cell, f"{name} of order {request.order_id}")
            cells.append(cell)
        try:
            return ("\t".join(cells) + "\n").encode(self.charset)
        except UnicodeEncodeError as error:
            character = error.object[error.start]
            column = self.columns["\t".join(cells)[: error.start].count("\t")]
            raise ConfigurationError(
                f"{column} of order {request.order_id} holds U+{ord(character):04X}, which {self.charset} lacks"
            ) from None


def schedule_pickup_file(requests: Iterable[PickupRequest], form: PickupFormat | None = None) -> Iterator[bytes]:
    """The Schedule Pickup file, chunk by chunk: a heading line, then one line per order in the order of ``requests``.

    Args:
        requests: 1 to ``form.max_orders`` pickups, each order once.
        form: the marketplace's template; ``None`` is the published one of 2017.

    Raises:
        ConfigurationError: none, too many, one order twice, or a cell that the file cannot carry.
    """
    form = form or PickupFormat()
    seen: set[str] = set()
    yield ("\t".join(form.heading_line) + "\n").encode(form.charset)
    for chunk in chunks_of(requests, 100):
        lines = []
        for request in chunk:
            if request.order_id in seen:
                raise ConfigurationError(f"order {request.order_id} is in the batch twice")
            seen.add(request.order_id)
            if len(seen) > form.max_orders:
                raise ConfigurationError(f"at most {form.max_orders} orders in one Schedule Pickup file")
            lines.append(form.line(request))
        yield b"".join(lines)
    if not seen:
        raise ConfigurationError("a Schedule Pickup file needs at least one order")
