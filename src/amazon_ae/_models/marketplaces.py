"""Marketplaces and credentials."""

from __future__ import annotations

from datetime import date, datetime
from typing import TYPE_CHECKING, Any, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import attrs

from amazon_ae._exceptions import ConfigurationError
from amazon_ae._models.hidden import sealed, sealed_init
from amazon_ae._models.qr_pictures import QR_PICTURE, looks_like_picture
from amazon_ae._models.text import clean_pasted, invisible_edge

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["AE", "EG", "SA", "Marketplace", "MwsCredentials", "PortalCredentials", "SpApiCredentials"]


def _required(instance: object, attribute: attrs.Attribute[str], value: str) -> None:
    what = f"{type(instance).__name__}: {attribute.name}"
    if not isinstance(value, str):  # the value itself may be a secret: only its type is named
        raise ConfigurationError(f"{what} must be a text, not {type(value).__name__}")
    if not value.strip():
        raise ConfigurationError(f"{what} is empty")


def _visible(instance: object, attribute: attrs.Attribute[str], value: str) -> None:
    # A blank may belong to a password; an invisible character never does.
    if (found := invisible_edge(value)) and not found.startswith("a blank"):
        raise ConfigurationError(f"{type(instance).__name__}: {attribute.name} begins or ends with {found}: strip it")


def _pasted(value: str) -> str:
    """A secret that people paste: cleaned where that is safe."""
    return clean_pasted(value) if isinstance(value, str) else value


def _no_picture(instance: object, attribute: attrs.Attribute[str], value: object) -> None:
    if looks_like_picture(value):
        raise ConfigurationError(f"{type(instance).__name__}: {attribute.name} is {QR_PICTURE}")


def _key(instance: object, attribute: attrs.Attribute[Any], value: Any) -> None:
    if not isinstance(value, str) or not value.strip():
        raise ConfigurationError(f"{type(instance).__name__}: {attribute.name} is empty")
    if found := invisible_edge(value):
        # Signed as it is, it would make a wrong signature, and Amazon's answer would not name the reason.
        raise ConfigurationError(
            f"{type(instance).__name__}: {attribute.name} begins or ends with {found} (read out of a file?): strip it"
        )
    if not value.isprintable():
        raise ConfigurationError(
            f"{type(instance).__name__}: {attribute.name} holds a control character or a byte that is no text: copy it "
            "again"
        )


def _seller(instance: object, attribute: attrs.Attribute[Any], value: Any) -> None:
    _key(instance, attribute, value)
    if "/" in value or any(character.isspace() for character in value):
        raise ConfigurationError(
            f"{type(instance).__name__}: {attribute.name} is the merchant token alone, e.g. 'A1SELLER', not {value!r}"
        )


def _token(instance: object, attribute: attrs.Attribute[Any], value: Any) -> None:
    if value:
        _key(instance, attribute, value)


@attrs.frozen(kw_only=True)
class Marketplace:
    """One Amazon store. To use a sandbox, ``attrs.evolve(AE, mws_endpoint=..., spapi_endpoint=...)``.

    Attributes:
        code: ISO 3166 country code, e.g. ``"AE"``.
        marketplace_id: Amazon's id (MWS developer guide, "Amazon MWS endpoints and MarketplaceId values").
        mws_endpoint: scheme and host, no path.
        portal_origin: Seller Central's scheme and host; credentials are typed there and nowhere else.
        currency: ISO 4217.
        time_zone: IANA name; pickup days are counted in it.
        sales_channel: the ``SalesChannel`` of its orders; by analogy with recorded marketplaces, UNVERIFIED.
        spapi_endpoint: the Selling Partner API's host, by default the one of Amazon's EU region, which AE, SA and EG
            belong to (developer guide, "SP-API endpoints").
        lwa_endpoint: where Login with Amazon exchanges tokens; one host for all regions.
    """

    code: str
    marketplace_id: str
    mws_endpoint: str
    portal_origin: str
    currency: str
    time_zone: str
    sales_channel: str
    spapi_endpoint: str = "https://sellingpartnerapi-eu.amazon.com"
    lwa_endpoint: str = "https://api.amazon.com"

    @property
    def zone(self) -> ZoneInfo:
        """The time zone as ``ZoneInfo``.

        Raises:
            ConfigurationError: this machine has no time-zone data: ``pip install 'amazon-ae[tz]'``.
        """
        try:
            return ZoneInfo(self.time_zone)
        except ZoneInfoNotFoundError as error:
            raise ConfigurationError(
                f"no time-zone data for {self.time_zone} on this machine: pip install 'amazon-ae[tz]'"
            ) from error


AE: Final = Marketplace(
    code="AE",
    marketplace_id="A2VIGQ35RCS4UG",
    mws_endpoint="https://mws.amazonservices.ae",
    portal_origin="https://sellercentral.amazon.ae",
    currency="AED",
    time_zone="Asia/Dubai",
    sales_channel="Amazon.ae",
)
EG: Final = Marketplace(
    code="EG",
    marketplace_id="ARBP9OOSHTCHU",
    mws_endpoint="https://mws-eu.amazonservices.com",
    portal_origin="https://sellercentral.amazon.eg",
    currency="EGP",
    time_zone="Africa/Cairo",
    sales_channel="Amazon.eg",
)
SA: Final = Marketplace(
    code="SA",
    marketplace_id="A17E79C6D8DWNP",
    mws_endpoint="https://mws-eu.amazonservices.com",
    portal_origin="https://sellercentral.amazon.sa",
    currency="SAR",
    time_zone="Asia/Riyadh",
    sales_channel="Amazon.sa",
)


@sealed_init
@attrs.frozen(kw_only=True)
class MwsCredentials:
    """Credentials of MWS: the developer's keys and the seller who authorised them.

    Attributes:
        seller_id: the seller's id (Merchant token).
        access_key_id: the developer's AWS access key id.
        secret_key: the developer's secret key; never shown.
        auth_token: the MWS auth token that the seller's authorisation gave; ``None`` only for a seller's own keys.

    Raises:
        ConfigurationError: one of them is empty, or begins or ends with a blank or a line end.
    """

    seller_id: str = attrs.field(validator=_seller)
    access_key_id: str = attrs.field(validator=_key)
    secret_key: str = attrs.field(repr=False, validator=_key)
    auth_token: str | None = attrs.field(default=None, repr=False, validator=_token)

    @classmethod
    @sealed
    def from_env(cls, env: Mapping[str, str], prefix: str = "AMAZON_AE_") -> MwsCredentials:
        """Read ``<prefix>SELLER_ID``, ``ACCESS_KEY_ID``, ``SECRET_KEY`` and, if set, ``AUTH_TOKEN`` out of ``env``.

        Args:
            env: normally ``os.environ``; passed in, because the library itself reads no environment.

        Raises:
            ConfigurationError: a name is missing; the message says which.
        """
        return cls(
            seller_id=_read(env, f"{prefix}SELLER_ID"),
            access_key_id=_read(env, f"{prefix}ACCESS_KEY_ID"),
            secret_key=_read(env, f"{prefix}SECRET_KEY"),
            auth_token=env.get(f"{prefix}AUTH_TOKEN") or None,
        )


def _day(instance: object, attribute: attrs.Attribute[Any], value: Any) -> None:
    if value is not None and (not isinstance(value, date) or isinstance(value, datetime)):
        raise ConfigurationError(f"{type(instance).__name__}: {attribute.name} must be a date, not {value!r}")


@sealed_init
@attrs.frozen(kw_only=True)
class SpApiCredentials:
    """Credentials of the Selling Partner API: the application's keys and the seller who authorised it.

    Attributes:
        seller_id: the seller's id (merchant token). No answer of the API contains it.
        client_id: the application's Login with Amazon client id.
        client_secret: its secret; never shown. Amazon refuses **all** calls once it is 180 days old and not rotated.
        refresh_token: from the seller's authorisation (``Atzr|...``); never shown. It survives a rotation.
        rotate_by: the day on which the secret ends; the client warns from 30 days before. ``None``: no warning.

    Raises:
        ConfigurationError: one of them is empty, or begins or ends with a blank or a line end.
    """

    seller_id: str = attrs.field(validator=_seller)
    client_id: str = attrs.field(validator=_key)
    client_secret: str = attrs.field(repr=False, validator=_key)
    refresh_token: str = attrs.field(repr=False, validator=_key)
    rotate_by: date | None = attrs.field(default=None, validator=_day)

    @classmethod
    @sealed
    def from_env(cls, env: Mapping[str, str], prefix: str = "AMAZON_AE_SPAPI_") -> SpApiCredentials:
        """Read ``<prefix>SELLER_ID``, ``CLIENT_ID``, ``CLIENT_SECRET``, ``REFRESH_TOKEN`` and, if set, ``ROTATE_BY``.

        Args:
            env: normally ``os.environ``; passed in, so that nothing is read behind your back.

        Raises:
            ConfigurationError: a name is missing, or ``ROTATE_BY`` is not a date (``YYYY-MM-DD``); the message names
                it.
        """
        day = env.get(f"{prefix}ROTATE_BY") or None
        try:
            rotate_by = None if day is None else date.fromisoformat(day)
        except ValueError as error:
            raise ConfigurationError(f"{prefix}ROTATE_BY must be a day such as 2027-03-01, not {day!r}") from error
        return cls(
            seller_id=_read(env, f"{prefix}SELLER_ID"),
            client_id=_read(env, f"{prefix}CLIENT_ID"),
            client_secret=_read(env, f"{prefix}CLIENT_SECRET"),
            refresh_token=_read(env, f"{prefix}REFRESH_TOKEN"),
            rotate_by=rotate_by,
        )


@sealed_init
@attrs.frozen(kw_only=True)
class PortalCredentials:
    """A Seller Central user, best a dedicated secondary one with order and shipping permissions only.

    Attributes:
        email: the user's e-mail.
        password: never shown.
        totp: the authenticator secret as spaced Base32, ``otpauth://`` or ``otpauth-migration://``; never shown.

    Raises:
        ConfigurationError: one of them is empty, or ``totp`` is a picture of the QR code; the message says how to get
            its text.
    """

    email: str = attrs.field(repr=False, validator=[_required, _visible])
    password: str = attrs.field(repr=False, validator=[_required, _visible])
    totp: str = attrs.field(repr=False, converter=_pasted, validator=[_no_picture, _required])

    @classmethod
    @sealed
    def from_env(cls, env: Mapping[str, str], prefix: str = "AMAZON_AE_PORTAL_") -> PortalCredentials:
        """Read ``<prefix>EMAIL``, ``PASSWORD`` and ``TOTP`` out of ``env`` (normally ``os.environ``).

        Raises:
            ConfigurationError: a name is missing; the message says which.
        """
        return cls(
            email=_read(env, f"{prefix}EMAIL"),
            password=_read(env, f"{prefix}PASSWORD"),
            totp=_read(env, f"{prefix}TOTP"),
        )


def _read(env: Mapping[str, str], name: str) -> str:
    value = env.get(name, "")
    if not value:
        raise ConfigurationError(f"{name} is not set")
    return value
