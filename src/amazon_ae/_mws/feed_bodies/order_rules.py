"""The rules of the order feeds' schemas: carrier codes, cancel reasons, identifiers, lengths. Pure.

Sources: OrderFulfillment.xsd, OrderAcknowledgement.xsd and amzn-base.xsd (2017, with what newer copies add). Amazon
refuses a whole feed for one value outside them, so a value is refused where it is made.
"""

from __future__ import annotations

import re
from typing import Final

from amazon_ae._exceptions import ConfigurationError
from amazon_ae._models.text import refuse_blank_edges, refuse_control

__all__ = [
    "CANCEL_REASONS",
    "CARRIER_CODES",
    "check_carrier",
    "check_id_number",
    "check_item_code",
    "check_pieces",
    "check_string",
    "one_of",
]

#: ``CarrierCode``. Any other carrier is given as ``CarrierName``.
CARRIER_CODES: Final = frozenset(
    {"USPS", "UPS", "UPSMI", "FedEx", "DHL", "Fastway", "GLS", "GO!", "Hermes Logistik Gruppe", "Royal Mail"}
    | {"Parcelforce", "City Link", "TNT", "Target", "SagawaExpress", "NipponExpress", "YamatoTransport"}
    | {"DHL Global Mail", "UPS Mail Innovations", "FedEx SmartPost", "OSM", "OnTrac", "Streamlite"}
    | {"Newgistics", "Canada Post", "Blue Package", "Chronopost", "Deutsche Post", "DPD", "La Poste"}
    | {"Parcelnet", "Poste Italiane", "SDA", "Smartmail", "FEDEX_JP", "JP_EXPRESS", "NITTSU", "SAGAWA"}
    | {"YAMATO", "BlueDart", "AFL/Fedex", "Aramex", "India Post", "Professional", "DTDC", "Overnite Express"}
    | {"First Flight", "Delhivery", "Lasership", "Yodel", "Other", "Amazon Shipping", "ATS", "Seur"}
    | {"SF Express", "Correos", "MRW", "Endopack", "Chrono Express", "Nacex", "Correios", "China Post", "4PX"}
    | {"Asendia", "Couriers Please", "Sendle", "SFC", "Singapore Post", "Yanwen", "Yun Express"}
    | {"Australia Post", "BRT"}
)
#: ``CancelReason`` of the newest OrderAcknowledgement.xsd.
CANCEL_REASONS: Final = frozenset(
    {
        "NoInventory",
        "ShippingAddressUndeliverable",
        "CustomerExchange",
        "BuyerCanceled",
        "GeneralAdjustment",
        "CarrierCreditDecision",
        "RiskAssessmentInformationNotValid",
        "CarrierCoverageFailure",
        "CustomerReturn",
        "MerchandiseNotReceived",
        "CannotVerifyInformation",
        "PricingError",
        "RejectOrder",
        "WeatherDelay",
    }
)

_ITEM_CODE: Final = re.compile(r"[0-9]{14}")
_ID_NUMBER: Final = re.compile(r"[0-9]{1,20}")
_STRING_LENGTH: Final = 50


def one_of(first: str | None, second: str | None, what: str) -> None:
    """Refuse both, and neither."""
    if bool(first) is bool(second):
        raise ConfigurationError(f"exactly one of {what} is needed")


def check_item_code(code: str) -> None:
    """``AmazonOrderItemCode``: 14 digits."""
    if not isinstance(code, str) or not _ITEM_CODE.fullmatch(code):
        raise ConfigurationError(f"AmazonOrderItemCode has 14 digits, not {code!r}")


def check_pieces(quantity: int | None) -> None:
    """``Quantity``: a whole number from 1."""
    if quantity is not None and (type(quantity) is not int or quantity < 1):
        raise ConfigurationError(f"the quantity of an order item must be a whole number >= 1, not {quantity!r}")


def check_id_number(name: str, value: str | None) -> None:
    """``IDNumber``: 1 to 20 digits, above 0."""
    if value is not None and not (isinstance(value, str) and _ID_NUMBER.fullmatch(value) and int(value)):
        raise ConfigurationError(f"{name} is a number of 1 to 20 digits above 0, not {value!r}")


def check_string(name: str, value: str | None, *, owner: str = "") -> None:
    """``String``: 1 to 50 characters, no tab or line end among them. ``None`` leaves the element out."""
    if value is None:
        return
    what = f"{name} of order {owner}" if owner else name
    if not isinstance(value, str) or not value.strip():
        raise ConfigurationError(f"{what} must be a text and not empty (None leaves it out): {value!r}")
    if len(value) > _STRING_LENGTH:
        raise ConfigurationError(f"{what} has at most {_STRING_LENGTH} characters, this one has {len(value)}")
    refuse_control(value, what, carrier="Amazon's schema")
    refuse_blank_edges(value, what)


def check_carrier(code: str | None, name: str | None, tracking_number: str | None, *, owner: str) -> None:
    """A known code, a name alone or with the code ``Other``, and no tracking number without either."""
    if code is not None and code not in CARRIER_CODES:
        raise ConfigurationError(
            f"order {owner}: {code!r} is no CarrierCode of Amazon's (see CARRIER_CODES, capitals count): give it as "
            "carrier_name"
        )
    if code and name and code != "Other":
        raise ConfigurationError(f"order {owner}: CarrierName goes alone or with CarrierCode Other, not with {code!r}")
    if code == "Other" and not name:
        raise ConfigurationError(f"order {owner}: CarrierCode Other needs a carrier_name")
    if tracking_number is not None and not (code or name):
        raise ConfigurationError(f"order {owner}: a tracking number needs carrier_code or carrier_name")
