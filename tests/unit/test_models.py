"""Values check themselves, keep their secrets, and survive storage."""

from __future__ import annotations

import traceback
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import attrs
import pytest
from hypothesis import given, strategies as st

from amazon_ae._exceptions import ConfigurationError, DocumentInvalid
from amazon_ae._models.documents import Document, DocumentKind, DocumentSet
from amazon_ae._models.feeds import InventoryUpdate, PickupRequest
from amazon_ae._models.marketplaces import AE, EG, SA, MwsCredentials, PortalCredentials, SpApiCredentials
from amazon_ae._models.text import invisible_edge


def test_the_uae_is_the_first_marketplace() -> None:
    """Id, endpoint and zone as Amazon's developer guide lists them."""
    assert AE.marketplace_id == "A2VIGQ35RCS4UG"
    assert AE.mws_endpoint == "https://mws.amazonservices.ae"
    noon = datetime(2021, 11, 18, 8, 0, tzinfo=UTC)
    assert noon.astimezone(AE.zone).hour == 12
    assert {market.code for market in (AE, EG, SA)} == {"AE", "EG", "SA"}


def test_a_zone_that_the_machine_does_not_know_names_the_remedy() -> None:
    """Slim containers come without time-zone data."""
    with pytest.raises(ConfigurationError, match=r"amazon-ae\[tz\]"):
        _ = attrs.evolve(AE, time_zone="Asia/Nowhere").zone


SECRETS = {
    "secret_key": "s3cr3t-key",
    "auth_token": "amzn.mws.t0ken",
    "password": "p4ssword",
    "totp": "JBSWY3DPEHPK3PXP",
}


def test_secrets_are_in_no_repr_and_no_traceback() -> None:
    """Also when the credentials are in a frame that fails."""
    api = MwsCredentials(
        seller_id="A1SELLER",
        access_key_id="AKIAEXAMPLE",
        secret_key=SECRETS["secret_key"],
        auth_token=SECRETS["auth_token"],
    )
    panel = PortalCredentials(email="packer@example.com", password=SECRETS["password"], totp=SECRETS["totp"])
    try:
        raise ValueError(api, panel)
    except ValueError as error:
        shown = repr(api) + repr(panel) + str(panel) + "".join(traceback.format_exception(error))
    assert not [secret for secret in (*SECRETS.values(), "packer@example.com") if secret in shown]
    assert "A1SELLER" in shown


def test_credentials_come_from_a_given_environment_only() -> None:
    """A missing name is named; an empty value is a missing one."""
    env = {"AMAZON_AE_SELLER_ID": "A1", "AMAZON_AE_ACCESS_KEY_ID": "AKIA", "AMAZON_AE_SECRET_KEY": "k"}
    assert MwsCredentials.from_env(env).auth_token is None
    with pytest.raises(ConfigurationError, match="AMAZON_AE_SECRET_KEY is not set"):
        MwsCredentials.from_env(env | {"AMAZON_AE_SECRET_KEY": ""})
    with pytest.raises(ConfigurationError, match="SHOP_TOTP is not set"):
        PortalCredentials.from_env({"SHOP_EMAIL": "a", "SHOP_PASSWORD": "b"}, prefix="SHOP_")
    with pytest.raises(ConfigurationError, match="seller_id is empty"):
        MwsCredentials(seller_id=" ", access_key_id="a", secret_key="b")


@pytest.mark.parametrize("field", ["seller_id", "access_key_id", "secret_key", "auth_token"])
def test_a_key_with_a_line_end_is_refused_without_being_shown(field: str) -> None:
    """Read out of a file, it would only be a wrong signature; an empty token is none."""
    keys: dict[str, Any] = {"seller_id": "A1", "access_key_id": "AKIA", "secret_key": "hidden", "auth_token": ""}
    assert MwsCredentials(**keys).secret_key == "hidden"
    for broken in ("hidden\n", " hidden", " "):
        with pytest.raises(ConfigurationError, match=f"MwsCredentials: {field}") as caught:
            MwsCredentials(**(keys | {field: broken}))
        assert "hidden" not in str(caught.value)
    if field != "auth_token":
        for missing in ("", None):
            with pytest.raises(ConfigurationError, match=f"{field} is empty"):
                MwsCredentials(**(keys | {field: missing}))


@pytest.mark.parametrize(
    ("sku", "quantity", "latency", "rule"),
    [
        ("", 1, None, "1-40 characters"),
        ("x" * 41, 1, None, "1-40 characters"),
        ("A", -1, None, ">= 0"),
        ("A", 1.5, None, "whole number"),
        ("A", True, None, "whole number"),
        ("A", 2**63, None, "63 bits"),
        pytest.param("A", 10**5000, None, "63 bits", id="a number too long to print"),
        ("A", 1, 0, ">= 1 day"),
        (" ", 1, None, "begins or ends with a blank"),
        (" A", 1, None, "begins or ends with a blank"),
        ("A\u00a0", 1, None, "begins or ends with a blank"),
        ("A\nB", 1, None, r"U\+000A \(line feed\) at position 2"),
        ("A\tB", 1, None, r"U\+0009 \(tab\) at position 2"),
        ("A\u2028B", 1, None, r"U\+2028 at position 2"),
    ],
)
def test_a_stock_update_that_breaks_a_rule_says_which(sku: str, quantity: int, latency: int | None, rule: str) -> None:
    """Before anything is stored or sent."""
    with pytest.raises(ConfigurationError, match=rule):
        InventoryUpdate(sku, quantity, fulfillment_latency_days=latency)


@pytest.mark.parametrize(
    ("options", "rule"),
    [
        # Its text would be that of an instant, which nobody could read back out of the store as a day.
        ({"restock_date": datetime(2021, 12, 1, 8, tzinfo=UTC)}, "restock_date of 'A' must be a date"),
        ({"restock_date": "2021-12-01"}, "restock_date of 'A' must be a date"),
        ({"reference": 4711}, "reference of 'A' must be a text"),
    ],
)
def test_what_a_store_could_not_give_back_is_refused(options: dict[str, Any], rule: str) -> None:
    """It would never be sent, and nobody could list the dead letters that it became one of."""
    with pytest.raises(ConfigurationError, match=rule):
        InventoryUpdate("A", 1, **options)


# What a feed can carry: no control characters, no lone surrogates, no noncharacters (the models refuse them).
plain = st.characters(exclude_categories=["Cc", "Cs"], exclude_characters="\u2028\u2029\ufffe\uffff")


@given(
    st.text(plain, min_size=1, max_size=40).filter(lambda sku: not invisible_edge(sku)),
    st.integers(0, 10**9),
    st.none() | st.integers(1, 30),
    st.none() | st.dates(),
)
def test_a_stock_update_survives_storage(sku: str, quantity: int, latency: int | None, restock: date | None) -> None:
    """Equal values are equal texts, so a store can compare them without reading them."""
    update = InventoryUpdate(sku, quantity, fulfillment_latency_days=latency, restock_date=restock)
    assert InventoryUpdate.from_text(sku, update.to_text()) == update
    assert attrs.evolve(update, reference="order 7").to_text() == update.to_text()


@given(
    st.dates(),
    st.none() | st.decimals(1, 30000, places=2),
    st.none() | st.text(plain, min_size=1, max_size=20).filter(lambda text: not invisible_edge(text)),
)
def test_a_pickup_request_survives_storage(day: date, weight: Decimal | None, identifier: str | None) -> None:
    """Decimals and dates come back as they went in."""
    request = PickupRequest(
        order_id="171-0000000-0000001", pickup_date=day, weight_grams=weight, package_identifier=identifier
    )
    assert PickupRequest.from_text(request.order_id, request.to_text()) == request


def test_two_good_documents_are_not_lost_to_a_bad_third() -> None:
    """The failed kind raises its own error when asked for; the others are there."""
    slip = Document(
        order_id="171-0000000-0000001", kind=DocumentKind.PACKING_SLIP, content=b"%PDF-", pages=1, width_mm=210,
        height_mm=297,
        fetched_at=datetime(2021, 11, 18, tzinfo=UTC),
    )  # fmt: skip
    papers = DocumentSet(
        slip.order_id,
        {DocumentKind.PACKING_SLIP: slip, DocumentKind.INVOICE: DocumentInvalid("zero bytes", step="invoice")},
    )
    assert papers.ready == {DocumentKind.PACKING_SLIP: slip}
    assert papers[DocumentKind.PACKING_SLIP].file_name == "packing_slip.pdf"
    with pytest.raises(DocumentInvalid, match="zero bytes"):
        _ = papers[DocumentKind.INVOICE]
    assert list(papers.failed) == [DocumentKind.INVOICE]
    assert "%PDF" not in repr(papers)


@pytest.mark.parametrize(
    "wrong",
    [
        {"order_id": None},
        {"order_id": ""},
        {"pickup_date": "2021-11-19"},
        {"pickup_date": datetime(2021, 11, 19, tzinfo=UTC)},
    ],
)
def test_a_pickup_needs_an_order_id_and_a_day(wrong: dict[str, Any]) -> None:
    """A text or a datetime in place of a date would be read differently when it comes back from storage."""
    with pytest.raises(ConfigurationError):
        PickupRequest(**{"order_id": "171-0000000-0000001", "pickup_date": date(2021, 11, 19), **wrong})


def test_a_credential_that_is_no_text_is_named_and_not_shown() -> None:
    """Bytes, or a number out of a settings file: the message has the type, never the value."""
    wrong: Any = b"hidden-key"
    with pytest.raises(ConfigurationError, match="PortalCredentials: password must be a text, not bytes") as caught:
        PortalCredentials(email="a@example.ae", password=wrong, totp="JBSWY3DPEHPK3PXP")
    assert "hidden-key" not in "".join(traceback.format_exception(caught.value))


SELLING_PARTNER: dict[str, Any] = {
    "seller_id": "A1SELLER",
    "client_id": "amzn1.application-oa2-client.1",
    "client_secret": "amzn1.oa2-cs.v1.hidden",
    "refresh_token": "Atzr|hidden",
}


def test_the_selling_partner_secrets_are_in_no_repr() -> None:
    """Client secret and refresh token are keys to the seller's shop."""
    shown = repr(SpApiCredentials(**SELLING_PARTNER))
    assert "A1SELLER" in shown
    assert "hidden" not in shown


def test_selling_partner_credentials_come_from_a_given_environment() -> None:
    """With the day on which the secret ends, where it is set."""
    env = {f"AMAZON_AE_SPAPI_{name.upper()}": value for name, value in SELLING_PARTNER.items()}
    assert SpApiCredentials.from_env(env) == SpApiCredentials(**SELLING_PARTNER)
    assert SpApiCredentials.from_env(env | {"AMAZON_AE_SPAPI_ROTATE_BY": "2027-03-01"}).rotate_by == date(2027, 3, 1)
    with pytest.raises(ConfigurationError, match="AMAZON_AE_SPAPI_ROTATE_BY must be a day"):
        SpApiCredentials.from_env(env | {"AMAZON_AE_SPAPI_ROTATE_BY": "soon"})
    with pytest.raises(ConfigurationError, match="AMAZON_AE_SPAPI_REFRESH_TOKEN is not set"):
        SpApiCredentials.from_env(env | {"AMAZON_AE_SPAPI_REFRESH_TOKEN": ""})


@pytest.mark.parametrize("field", SELLING_PARTNER)
def test_a_selling_partner_key_with_a_line_end_is_refused_without_being_shown(field: str) -> None:
    """Read out of a file, it would only be an unknown client or token."""
    with pytest.raises(ConfigurationError, match=f"SpApiCredentials: {field}") as caught:
        SpApiCredentials(**(SELLING_PARTNER | {field: "hidden\n"}))
    assert "hidden" not in str(caught.value)
