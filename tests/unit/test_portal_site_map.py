"""The site as data: complete, readable by both sides, and replaceable by a host."""

from __future__ import annotations

import copy
import pickle

import pytest

from amazon_ae._exceptions import ConfigurationError
from amazon_ae._portal.html import parse_html
from amazon_ae._portal.site_map import PAGE_SIGNATURES, SITE, PageKind


def test_every_selector_is_in_the_subset_that_fetched_html_is_read_with() -> None:
    """A selector that only the browser understands would make the two ways disagree."""
    tree = parse_html("<p>")
    for name, selectors in SITE.selectors.items():
        assert selectors, name
        assert list(tree.find(selectors)) == []


def test_every_name_in_a_mark_is_in_the_map() -> None:
    """A typing error in a signature would make a page unrecognisable."""
    for signature in PAGE_SIGNATURES:
        for name in (*signature.visible, *signature.present, *signature.absent, *signature.missing):
            assert name in SITE.selectors, signature
        for phrase in signature.phrases:
            assert phrase in SITE.phrases, signature


def test_every_page_has_a_mark() -> None:
    """Except the unknown page, and another marketplace, which is a state of the app's page."""
    assert {signature.page for signature in PAGE_SIGNATURES} == set(PageKind) - {
        PageKind.UNKNOWN,
        PageKind.WRONG_MARKETPLACE,
    }


def test_a_host_overrides_single_entries() -> None:
    """What is not named stays, and the original is not changed."""
    site = SITE.override(
        urls={"order": "/orders-v4/{order_id}"}, selectors={"email": ["#new"]}, marketplace_names={"AE": ["Emirates"]}
    )
    assert site.urls["order"] == "/orders-v4/{order_id}"
    assert site.urls["home"] == SITE.urls["home"]
    assert site.selectors["email"] == ("#new",)
    assert site.selectors["password"] == SITE.selectors["password"]
    assert site.marketplace_names["AE"] == ("Emirates",)
    assert SITE.selectors["email"] != ("#new",)


def test_an_unknown_name_is_refused() -> None:
    """Otherwise a typing error would change nothing, silently."""
    with pytest.raises(ConfigurationError, match="there is no 'e-mail'"):
        SITE.override(selectors={"e-mail": ["#x"]})


def test_an_empty_value_is_refused() -> None:
    """A name without selectors could never match."""
    with pytest.raises(ConfigurationError, match="is empty"):
        SITE.override(selectors={"email": []})


def test_one_text_instead_of_a_list_is_refused() -> None:
    """It would be read letter by letter."""
    with pytest.raises(ConfigurationError, match="not one text"):
        SITE.override(selectors={"email": "#x"})


@pytest.mark.parametrize("selector", ["text=Go", "a:visible", "a["])
def test_a_selector_that_cannot_match_is_refused_at_once(selector: str) -> None:
    """Not days later, as a page that seems to have changed."""
    with pytest.raises(ConfigurationError, match="selector"):
        SITE.override(selectors={"email": ["#good", selector]})


@pytest.mark.parametrize(
    ("name", "url"),
    [("order", "/orders-v4/order/"), ("home", "https://elsewhere.example/home"), ("home", "//elsewhere/home")],
)
def test_a_url_that_cannot_work_is_refused_at_once(name: str, url: str) -> None:
    """Paths below the portal's origin, with the order id where the order is named by it."""
    with pytest.raises(ConfigurationError, match="urls"):
        SITE.override(urls={name: url})


def test_a_map_can_be_copied_and_pickled() -> None:
    """A host keeps it in its own settings, or hands it to another process."""
    site = SITE.override(selectors={"email": ["#new"]})
    assert copy.deepcopy(site) == site == pickle.loads(pickle.dumps(site))


def test_the_map_cannot_be_changed_in_place() -> None:
    """It is shared by everybody who imports it."""
    with pytest.raises(TypeError):
        SITE.urls["home"] = "/x"  # type: ignore[index]
