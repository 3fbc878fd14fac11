"""The feeds about orders: ship confirmation, acknowledgement and cancelling, Easy Ship documents.

Sources: OrderFulfillment.xsd and OrderAcknowledgement.xsd (2017, with what the newest copies add); for
``EasyShipDocument`` Amazon's own sample for the present API, since no copy of ``easyship-documents.xsd`` is public.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Final, Literal

import attrs

from amazon_ae._exceptions import ConfigurationError
from amazon_ae._models.text import check_order_id, refuse_blank_edges, refuse_control
from amazon_ae._mws.feed_bodies.envelope import chunks_of, xml_feed, xml_text
from amazon_ae._mws.feed_bodies.order_rules import (
    CANCEL_REASONS,
    check_carrier,
    check_id_number,
    check_item_code,
    check_pieces,
    check_string,
    one_of,
)

__all__ = [
    "EASY_SHIP_DOCUMENT_TYPES",
    "AcknowledgedItem",
    "EasyShipDocumentRequest",
    "FulfilledItem",
    "OrderAcknowledgement",
    "OrderFulfillment",
    "easy_ship_document_feed",
    "order_acknowledgement_feed",
    "order_fulfillment_feed",
]

#: ``DocumentType`` (SubmitFeed, Easy Ship documents).
EASY_SHIP_DOCUMENT_TYPES: Final = frozenset({"ShippingLabel", "Invoice", "Warranty"})


@attrs.frozen(kw_only=True)
class FulfilledItem:
    """One shipped order item; exactly one of the two codes names it.

    Attributes:
        amazon_order_item_code: ``OrderItem.order_item_id``, 14 digits.
        merchant_order_item_id: the seller's own id, known to Amazon from an acknowledgement.
        quantity: pieces shipped, >= 1; ``None`` means all.
        transparency_codes: at most 10.
    """

    amazon_order_item_code: str | None = None
    merchant_order_item_id: str | None = None
    merchant_fulfillment_item_id: str | None = None
    quantity: int | None = None
    transparency_codes: tuple[str, ...] = ()

    def __attrs_post_init__(self) -> None:
        one_of(self.amazon_order_item_code, self.merchant_order_item_id, "AmazonOrderItemCode and MerchantOrderItemID")
        if self.amazon_order_item_code:
            check_item_code(self.amazon_order_item_code)
        check_string("MerchantOrderItemID", self.merchant_order_item_id)
        check_id_number("MerchantFulfillmentItemID", self.merchant_fulfillment_item_id)
        check_pieces(self.quantity)
        if isinstance(self.transparency_codes, str):
            raise ConfigurationError("transparency_codes is a tuple of texts, not one text")
        if len(self.transparency_codes) > 10:
            raise ConfigurationError(f"at most 10 transparency codes an item, not {len(self.transparency_codes)}")
        for code in self.transparency_codes:
            if not isinstance(code, str) or not code.strip():
                raise ConfigurationError(f"a TransparencyCode must be a text and not empty, not {code!r}")
            refuse_control(code, "TransparencyCode", carrier="Amazon's schema")
            refuse_blank_edges(code, "TransparencyCode")


@attrs.frozen(kw_only=True)
class OrderFulfillment:
    """A ship confirmation. Never for Easy Ship orders: Amazon confirms those itself at pickup.

    Attributes:
        amazon_order_id, merchant_order_id: exactly one names the order.
        fulfilled_at: when it was shipped, aware.
        merchant_fulfillment_id: the seller's own number of this shipment, 1 to 20 digits.
        carrier_code: one of ``CARRIER_CODES``, e.g. ``"Aramex"``; ``"Other"`` together with ``carrier_name``.
        carrier_name: a carrier that has no code; at most 50 characters, as every text here.
        tracking_number: only together with a carrier.
        cash_on_delivery: ``DirectPayment`` as ``CODCollectionMethod``.
        items: empty means the whole order.
    """

    amazon_order_id: str | None = None
    merchant_order_id: str | None = None
    merchant_fulfillment_id: str | None = None
    fulfilled_at: datetime
    carrier_code: str | None = None
    carrier_name: str | None = None
    shipping_method: str | None = None
    tracking_number: str | None = None
    cash_on_delivery: bool = False
    items: tuple[FulfilledItem, ...] = ()

    def __attrs_post_init__(self) -> None:
        one_of(self.amazon_order_id, self.merchant_order_id, "AmazonOrderID and MerchantOrderID")
        if self.amazon_order_id:
            check_order_id(self.amazon_order_id)
        if not isinstance(self.fulfilled_at, datetime) or self.fulfilled_at.tzinfo is None:
            raise ConfigurationError(f"fulfilled_at of order {self._name} must be a datetime with a time zone")
        check_id_number("MerchantFulfillmentID", self.merchant_fulfillment_id)
        check_carrier(self.carrier_code, self.carrier_name, self.tracking_number, owner=self._name)
        texts = {
            "MerchantOrderID": self.merchant_order_id,
            "CarrierName": self.carrier_name,
            "ShippingMethod": self.shipping_method,
            "ShipperTrackingNumber": self.tracking_number,
        }
        for name, text in texts.items():
            check_string(name, text, owner=self._name)

    @property
    def _name(self) -> str:
        return self.amazon_order_id or repr(self.merchant_order_id)


@attrs.frozen(kw_only=True)
class AcknowledgedItem:
    """One order item of an acknowledgement; ``cancel_reason`` is one of ``CANCEL_REASONS``."""

    amazon_order_item_code: str
    merchant_order_item_id: str | None = None
    cancel_reason: str | None = None
    quantity: int | None = None

    def __attrs_post_init__(self) -> None:
        check_item_code(self.amazon_order_item_code)
        check_string("MerchantOrderItemID", self.merchant_order_item_id)
        check_pieces(self.quantity)
        if self.cancel_reason is not None and self.cancel_reason not in CANCEL_REASONS:
            known = ", ".join(sorted(CANCEL_REASONS))
            raise ConfigurationError(f"CancelReason is one of {known}; not {self.cancel_reason!r}")


@attrs.frozen(kw_only=True)
class OrderAcknowledgement:
    """Accepts an order (``"Success"``) or cancels it (``"Failure"``).

    ``Success`` with a ``merchant_order_id`` is what later lets the order be found by the seller's own id.
    """

    amazon_order_id: str
    status_code: Literal["Success", "Failure"]
    merchant_order_id: str | None = None
    items: tuple[AcknowledgedItem, ...] = ()

    def __attrs_post_init__(self) -> None:
        check_order_id(self.amazon_order_id)
        if self.status_code not in ("Success", "Failure"):
            raise ConfigurationError(f"StatusCode is Success or Failure, not {self.status_code!r}")
        check_string("MerchantOrderID", self.merchant_order_id, owner=self.amazon_order_id)
        if self.status_code == "Success" and any(item.cancel_reason for item in self.items):
            raise ConfigurationError(f"order {self.amazon_order_id}: a CancelReason goes with StatusCode Failure only")


@attrs.frozen
class EasyShipDocumentRequest:
    """Asks for one document of one Easy Ship order (documented for India only): see ``EASY_SHIP_DOCUMENT_TYPES``."""

    amazon_order_id: str
    document_type: str

    def __attrs_post_init__(self) -> None:
        check_order_id(self.amazon_order_id)
        if self.document_type not in EASY_SHIP_DOCUMENT_TYPES:
            raise ConfigurationError(
                f"DocumentType is one of {', '.join(sorted(EASY_SHIP_DOCUMENT_TYPES))}; not {self.document_type!r}"
            )


def order_fulfillment_feed(seller_id: str, fulfillments: Iterable[OrderFulfillment]) -> Iterator[bytes]:
    """``_POST_ORDER_FULFILLMENT_DATA_`` in UTF-8, chunk by chunk; one message per fulfillment, numbered from 1.

    Raises:
        ConfigurationError: nothing to send, or a text holds what XML cannot carry (the message says whose).
    """
    return xml_feed(seller_id, "OrderFulfillment", _messages(_fulfillment(each) for each in fulfillments))


def order_acknowledgement_feed(seller_id: str, acknowledgements: Iterable[OrderAcknowledgement]) -> Iterator[bytes]:
    """``_POST_ORDER_ACKNOWLEDGEMENT_DATA_`` in UTF-8, chunk by chunk; one message per order, numbered from 1.

    Raises:
        ConfigurationError: nothing to send, or a text holds what XML cannot carry (the message says whose).
    """
    return xml_feed(seller_id, "OrderAcknowledgement", _messages(_acknowledgement(each) for each in acknowledgements))


def easy_ship_document_feed(seller_id: str, requests: Iterable[EasyShipDocumentRequest]) -> Iterator[bytes]:
    """``_POST_EASYSHIP_DOCUMENTS_`` in UTF-8, chunk by chunk; one message per document, numbered from 1.

    Raises:
        ConfigurationError: nothing to send.
    """
    return xml_feed(
        seller_id,
        "EasyShipDocument",
        _messages(
            f"<EasyShipDocument><AmazonOrderID>{each.amazon_order_id}</AmazonOrderID>"
            f"<DocumentType>{each.document_type}</DocumentType></EasyShipDocument>"
            for each in requests
        ),
    )


def _messages(bodies: Iterable[str]) -> Iterator[str]:
    # OperationType belongs to product messages, not to these.
    number = 0
    for chunk in chunks_of(bodies, 100):
        yield "".join(
            f"<Message><MessageID>{number + index}</MessageID>{body}</Message>\n" for index, body in enumerate(chunk, 1)
        )
        number += len(chunk)


def _element(name: str, text: str | None, owner: str) -> str:
    if text is None:
        return ""
    if not isinstance(text, str) or not text.strip():
        raise ConfigurationError(f"{name} of order {owner} must be a text and not empty (None leaves it out): {text!r}")
    return f"<{name}>{xml_text(text, f'{name} of order {owner}')}</{name}>"


def _fulfillment(order: OrderFulfillment) -> str:
    name = order._name
    data = "".join(
        (
            _element("CarrierCode", order.carrier_code, name),
            _element("CarrierName", order.carrier_name, name),
            _element("ShippingMethod", order.shipping_method, name),
            _element("ShipperTrackingNumber", order.tracking_number, name),
        )
    )
    return "".join(
        (
            "<OrderFulfillment>",
            _element("AmazonOrderID", order.amazon_order_id, name),
            _element("MerchantOrderID", order.merchant_order_id, name),
            _element("MerchantFulfillmentID", order.merchant_fulfillment_id, name),
            f"<FulfillmentDate>{order.fulfilled_at.astimezone(UTC):%Y-%m-%dT%H:%M:%S}Z</FulfillmentDate>",
            f"<FulfillmentData>{data}</FulfillmentData>" if data else "",
            "<CODCollectionMethod>DirectPayment</CODCollectionMethod>" if order.cash_on_delivery else "",
            *(_fulfilled_item(item, name) for item in order.items),
            "</OrderFulfillment>",
        )
    )


def _fulfilled_item(item: FulfilledItem, name: str) -> str:
    return "".join(
        (
            "<Item>",
            _element("AmazonOrderItemCode", item.amazon_order_item_code, name),
            _element("MerchantOrderItemID", item.merchant_order_item_id, name),
            _element("MerchantFulfillmentItemID", item.merchant_fulfillment_item_id, name),
            f"<Quantity>{item.quantity}</Quantity>" if item.quantity is not None else "",
            *(_element("TransparencyCode", code, name) for code in item.transparency_codes),
            "</Item>",
        )
    )


def _acknowledgement(order: OrderAcknowledgement) -> str:
    name = order.amazon_order_id
    items = (
        "".join(
            (
                f"<Item><AmazonOrderItemCode>{item.amazon_order_item_code}</AmazonOrderItemCode>",
                _element("MerchantOrderItemID", item.merchant_order_item_id, name),
                _element("CancelReason", item.cancel_reason, name),
                f"<Quantity>{item.quantity}</Quantity>" if item.quantity is not None else "",
                "</Item>",
            )
        )
        for item in order.items
    )
    return "".join(
        (
            f"<OrderAcknowledgement><AmazonOrderID>{name}</AmazonOrderID>",
            _element("MerchantOrderID", order.merchant_order_id, name),
            f"<StatusCode>{order.status_code}</StatusCode>",
            *items,
            "</OrderAcknowledgement>",
        )
    )
