"""The packing slip as HTML: the order's figures in a template, in English or Arabic.

The template gets ``order``, ``items``, ``seller``, ``logo`` (a data URI or ``""``), ``address`` and ``facts`` (lines
ready to print), ``words`` (the texts of the language), ``money`` (a filter function), ``prices``, ``pieces``,
``language``, ``direction`` and ``page_size``. Values from Amazon or a buyer are escaped.
"""

from __future__ import annotations

import base64
import importlib.util
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from importlib import resources
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final
from zoneinfo import ZoneInfo

import attrs

from amazon_ae._exceptions import ConfigurationError
from amazon_ae._models.hidden import sealed
from amazon_ae._models.money import Money
from amazon_ae._models.orders import Address, Order, OrderItem

if TYPE_CHECKING:
    from jinja2 import Template

__all__ = ["WORDS", "SlipSeller", "SlipTemplate"]

#: The texts of each language; a template of yours may bring its own.
WORDS: Final[Mapping[str, Mapping[str, str]]] = MappingProxyType(
    {
        "en": MappingProxyType(
            {
                "title": "Packing slip",
                "ship_to": "Ship to",
                "no_address": "See the shipping label",
                "ordered": "Ordered on",
                "ship_by": "Ship by",
                "service": "Service",
                "buyer": "Buyer",
                "quantity": "Quantity",
                "item": "Item",
                "price": "Price",
                "condition": "Condition",
                "gift": "Gift",
                "pieces": "pieces in total",
            }
        ),
        "ar": MappingProxyType(
            {
                "title": "قائمة التعبئة",
                "ship_to": "الشحن إلى",
                "no_address": "انظر ملصق الشحن",
                "ordered": "تاريخ الطلب",
                "ship_by": "الشحن قبل",
                "service": "الخدمة",
                "buyer": "المشتري",
                "quantity": "الكمية",
                "item": "المنتج",
                "price": "السعر",
                "condition": "الحالة",
                "gift": "هدية",
                "pieces": "إجمالي القطع",
            }
        ),
    }
)
_RIGHT_TO_LEFT: Final = frozenset({"ar", "fa", "he", "ur"})
_PICTURES: Final = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF8", "image/gif"),
    (b"RIFF", "image/webp"),
)
_MOST_LOGO_BYTES: Final = 2_000_000


def _lines(lines: Iterable[str]) -> tuple[str, ...]:
    if isinstance(lines, str):
        raise ConfigurationError(f"SlipSeller: lines is a list of texts, not one text: [{lines!r}]")
    return tuple(lines)


def _check_logo(_: object, __: object, logo: bytes | None) -> None:
    if logo is not None and (len(logo) > _MOST_LOGO_BYTES or not _picture(logo)):
        raise ConfigurationError("SlipSeller: logo is a PNG, JPEG, GIF, WebP or SVG of at most 2 MB, as bytes")


@attrs.frozen(kw_only=True)
class SlipSeller:
    """Who sends the parcel, as the slip shows it.

    Attributes:
        name: the shop's.
        lines: printed below the name: address, phone, web site.
        logo: the bytes of a picture (PNG, JPEG, GIF, WebP, SVG), at most 2 MB.
        note: printed below the items, e.g. how to return something.

    Raises:
        ConfigurationError: ``logo`` is no picture, or too large.
    """

    name: str
    lines: tuple[str, ...] = attrs.field(default=(), converter=_lines)
    logo: bytes | None = attrs.field(default=None, repr=False, validator=_check_logo)
    note: str = ""


class SlipTemplate:
    """A template that makes the HTML of a slip.

    Args:
        source: your own Jinja template (HTML); ``None`` is the library's.
        words: texts by language beside the library's English and Arabic.

    Raises:
        ConfigurationError: the template is no template, or Jinja is missing (``pip install 'amazon-ae[portal]'``).
    """

    def __init__(self, source: str | None = None, *, words: Mapping[str, Mapping[str, str]] | None = None) -> None:
        if source is None:
            source = (resources.files("amazon_ae._documents") / "templates" / "packing_slip.html").read_text(
                encoding="utf-8"
            )
        self._template: Template = _compile(source)
        self._words = {**WORDS, **(words or {})}

    def check_language(self, language: str) -> str:
        """Refuse a language without texts.

        Raises:
            ConfigurationError: there are none.
        """
        if language not in self._words:
            raise ConfigurationError(f"a slip has the languages {', '.join(self._words)}, not {language!r}")
        return language

    @sealed
    def html(
        self,
        order: Order,
        items: Sequence[OrderItem],
        *,
        seller: SlipSeller,
        language: str,
        zone: ZoneInfo,
        prices: bool = False,
        page_size: str = "A4",
    ) -> str:
        """The slip of one order.

        Raises:
            ConfigurationError: an unknown language, or your template failed (the message names the line).
        """
        words = {**WORDS["en"], **self._words[self.check_language(language)]}
        values = {
            "order": order,
            "items": items,
            "seller": seller,
            "logo": _data_uri(seller.logo),
            "address": _address_lines(order.shipping_address),
            "facts": _facts(order, words, zone),
            "words": words,
            "money": _money,
            "prices": prices,
            "pieces": sum(item.quantity_ordered for item in items),
            "language": language,
            "direction": "rtl" if language.partition("-")[0] in _RIGHT_TO_LEFT else "ltr",
            "page_size": page_size,
        }
        return _render(self._template, values)


def _compile(source: str) -> Template:
    if importlib.util.find_spec("jinja2") is None:
        raise ConfigurationError("packing slips are made with Jinja: pip install 'amazon-ae[portal]'")
    import jinja2
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    environment = ImmutableSandboxedEnvironment(autoescape=True, undefined=jinja2.StrictUndefined)
    try:
        return environment.from_string(source)
    except jinja2.TemplateSyntaxError as error:
        raise ConfigurationError(f"the packing slip's template, line {error.lineno}: {error.message}") from None


def _render(template: Template, values: Mapping[str, Any]) -> str:
    import jinja2

    try:
        return template.render(values)
    except (jinja2.TemplateError, TypeError, AttributeError, ValueError, ArithmeticError) as error:
        # "from None": the frames below hold a buyer's name and address.
        problem = error.message if isinstance(error, jinja2.UndefinedError) else ""
        raise ConfigurationError(
            f"the packing slip's template failed ({type(error).__name__}{': ' if problem else ''}{problem})"
        ) from None


def _facts(order: Order, words: Mapping[str, str], zone: ZoneInfo) -> list[tuple[str, str]]:
    facts = (
        (words["ordered"], _day(order.purchase_date, zone)),
        (words["ship_by"], _day(order.latest_ship_date, zone)),
        (words["service"], order.ship_service_level or order.shipment_service_level_category or ""),
        (words["buyer"], order.buyer_name or ""),
    )
    return [(name, value) for name, value in facts if value]


def _day(instant: datetime | None, zone: ZoneInfo) -> str:
    return "" if instant is None else f"{instant.astimezone(zone):%Y-%m-%d}"


def _address_lines(address: Address | None) -> list[str]:
    if address is None:
        return []
    district = ", ".join(dict.fromkeys(part for part in (address.district, address.county) if part))
    city = ", ".join(
        dict.fromkeys(
            part for part in (address.city, address.municipality, address.state_or_region, address.postal_code) if part
        )
    )
    lines = (
        address.name,
        address.address_line1,
        address.address_line2,
        address.address_line3,
        district,
        city,
        address.country_code,
        address.phone,
    )
    return [line for line in lines if line]


def _money(amount: Money | None) -> str:
    return "" if amount is None else f"{amount.currency} {amount.amount:,.2f}"


def _picture(logo: bytes) -> str:
    """The media type of a picture; ``""`` if it is none."""
    for begin, media_type in _PICTURES:
        if logo.startswith(begin):
            return media_type
    head = logo[:1000].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    return "image/svg+xml" if head.startswith((b"<svg", b"<?xml")) and b"<svg" in logo[:4000].lower() else ""


def _data_uri(logo: bytes | None) -> str:
    return "" if logo is None else f"data:{_picture(logo)};base64,{base64.b64encode(logo).decode()}"
