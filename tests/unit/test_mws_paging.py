"""Lists in pages: nothing lost, nothing twice, positions that another process can use."""

from __future__ import annotations

import json
from collections.abc import AsyncIterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from hypothesis import example, given, settings, strategies as st
from mws_support import NOW, Amazon, client_of, envelope, error, order, orders_page

from amazon_ae._exceptions import (
    AccessDenied,
    ConfigurationError,
    InvalidRequest,
    ServiceUnavailable,
    UnreadableResponse,
)
from amazon_ae._mws.client import MwsClient

SINCE = NOW - timedelta(days=1)


def ids(begin: int, end: int) -> list[str]:
    return [f"403-0000000-{n:07d}" for n in range(begin, end)]


class Store:
    """ListOrders as Amazon does it: pages of two behind tokens, and tokens that may go bad."""

    def __init__(self, order_ids: list[str]) -> None:
        self.order_ids = order_ids
        self.bad_tokens = 0
        self.generation = 0
        self.asked: list[str] = []

    def __call__(self, params: Mapping[str, str]) -> httpx.Response:
        self.asked.append(params["Action"])
        begin = 0
        if params["Action"] == "ListOrdersByNextToken":
            generation, _, place = params["NextToken"].partition(":")
            if int(generation) != self.generation or self.bad_tokens:
                self.bad_tokens = max(0, self.bad_tokens - 1)
                return error("NextTokenCorrupted", 400)
            begin = int(place)
        more = begin + 2 < len(self.order_ids)
        token = f"{self.generation}:{begin + 2}" if more else None
        body = orders_page(self.order_ids[begin : begin + 2], token, params["Action"])
        return httpx.Response(200, content=body)


async def collect(iterable: AsyncIterable[Any], into: list[Any]) -> None:
    """What came before an error is kept."""
    async for one in iterable:
        into.append(one)  # noqa: PERF401


def store_client(store: Any) -> MwsClient:
    from amazon_ae._transport.throttles import Throttle, ThrottleTable

    return client_of(Amazon(store), throttles=ThrottleTable((), unlisted=Throttle(("*",), 10_000, 1, source="test")))


async def test_every_order_of_every_page_is_handed_over_once() -> None:
    """Seven orders, pages of two."""
    store = Store(ids(0, 7))
    found = [one.amazon_order_id async for one in store_client(store).orders.list(created_after=SINCE)]
    assert found == ids(0, 7)
    assert store.asked == ["ListOrders"] + ["ListOrdersByNextToken"] * 3


async def test_pages_say_up_to_when_they_are_complete() -> None:
    """Amazon's returned instant is the next cursor; the last page has no position."""
    pages = [page async for page in store_client(Store(ids(0, 3))).orders.list(last_updated_after=SINCE).pages()]
    assert [len(page.orders) for page in pages] == [2, 1]
    assert {page.complete_until for page in pages} == {datetime(2021, 11, 18, 8, 58, tzinfo=UTC)}
    assert [page.position is None for page in pages] == [False, True]
    assert pages[0].meta.request_id == "req-1"


async def test_an_empty_listing_is_one_empty_page() -> None:
    """With its instant, so that a cursor can move on."""
    (page,) = [page async for page in store_client(Store([])).orders.list(created_after=SINCE).pages()]
    assert (page.orders, page.position, page.complete_until) == ((), None, datetime(2021, 11, 18, 8, 58, tzinfo=UTC))


@pytest.mark.parametrize("stop_after", [1, 2, 3])
async def test_a_position_goes_on_in_another_process(stop_after: int) -> None:
    """Another client, the same filters: exactly what is behind the page."""
    store = Store(ids(0, 8))
    found, position = [], None
    async for page in store_client(store).orders.list(created_after=SINCE).pages():
        found += [one.amazon_order_id for one in page.orders]
        position = page.position
        if len(found) == 2 * stop_after:
            break
    json.dumps(position)
    async for page in store_client(store).orders.list(created_after=SINCE).pages(position):
        found += [one.amazon_order_id for one in page.orders]
    assert found == ids(0, 8)


async def test_a_corrupted_token_starts_again_without_repeating_or_losing() -> None:
    """An order that became visible meanwhile is handed over too."""
    store = Store(ids(0, 6))
    client = store_client(store)
    found = []
    async for page in client.orders.list(created_after=SINCE).pages():
        found += [one.amazon_order_id for one in page.orders]
        if len(found) == 4:
            store.generation += 1
            store.order_ids = [ids(99, 100)[0], *ids(0, 6)]
    assert sorted(found) == sorted([*ids(0, 6), *ids(99, 100)])
    assert store.asked.count("ListOrders") == 2


async def test_a_corrupted_token_in_another_process_repeats_nothing_either() -> None:
    """The position remembers what was handed over."""
    store = Store(ids(0, 8))
    pages = store_client(store).orders.list(created_after=SINCE).pages()
    first, second = await anext(pages), await anext(pages)
    store.generation += 1
    rest = [
        one.amazon_order_id
        async for page in store_client(store).orders.list(created_after=SINCE).pages(second.position)
        for one in page.orders
    ]
    assert [one.amazon_order_id for one in (*first.orders, *second.orders)] + rest == ids(0, 8)
    assert second.position is not None
    assert len(second.position) < 250


async def test_a_listing_is_complete_up_to_its_first_beginning() -> None:
    """What changed between two beginnings may be passed over, so the cursor stays at the first."""
    later = orders_page(ids(0, 4), "t2").replace(b"08:58:00", b"09:30:00")
    amazon = Amazon(orders_page(ids(0, 2), "t"), error("NextTokenCorrupted", 400), later, orders_page(ids(4, 5)))
    pages = [page async for page in client_of(amazon).orders.list(last_updated_after=SINCE).pages()]
    assert [one.amazon_order_id for page in pages for one in page.orders] == ids(0, 5)
    assert {page.complete_until for page in pages} == {datetime(2021, 11, 18, 8, 58, tzinfo=UTC)}


async def test_tokens_that_stay_corrupted_end_in_the_error() -> None:
    """Three beginnings without a single new order are enough."""
    store = Store(ids(0, 6))
    store.bad_tokens = 10**6
    found: list[Any] = []
    with pytest.raises(InvalidRequest, match="NextTokenCorrupted"):
        await collect(store_client(store).orders.list(created_after=SINCE), found)
    assert [one.amazon_order_id for one in found] == ids(0, 2)
    assert store.asked.count("ListOrders") == 4


async def test_tokens_that_lead_in_a_circle_end_in_an_error() -> None:
    """A server that gives the same pages for ever is not followed for ever."""
    pages = {None: orders_page(ids(0, 2), "a"), "a": orders_page(ids(2, 4), "b"), "b": orders_page(ids(0, 2), "a")}
    found: list[Any] = []
    listing = store_client(lambda params: pages[params.get("NextToken")]).orders.list(created_after=SINCE)
    with pytest.raises(UnreadableResponse, match="leads back"):
        await collect(listing, found)
    assert [one.amazon_order_id for one in found] == ids(0, 4)


async def test_an_error_in_mid_iteration_reaches_the_caller_and_the_position_is_still_good() -> None:
    """The pages before are dealt with; the rest comes from the last position."""
    amazon = Amazon(orders_page(ids(0, 2), "t"), error("AccessDenied", 401), orders_page(ids(2, 3)))
    client = client_of(amazon)
    listing = client.orders.list(created_after=SINCE)
    seen: list[Any] = []
    with pytest.raises(AccessDenied):
        await collect(listing.pages(), seen)
    (first,) = seen
    rest = [one.amazon_order_id async for page in listing.pages(first.position) for one in page.orders]
    assert rest == ids(2, 3)
    assert amazon.asked[-1]["NextToken"] == "t"


async def test_a_throttle_in_mid_iteration_neither_repeats_nor_loses() -> None:
    """The retry sits below the iterator: the same token, one interval later."""
    amazon = Amazon(
        orders_page(ids(0, 2), "t"), error("RequestThrottled", 503), error("InternalError", 500), orders_page(ids(2, 3))
    )
    found = [one.amazon_order_id async for one in client_of(amazon).orders.list(created_after=SINCE)]
    assert found == ids(0, 3)
    assert [params.get("NextToken") for params in amazon.asked] == [None, "t", "t", "t"]


async def test_an_order_that_moves_to_a_later_page_is_not_repeated() -> None:
    """Amazon sorts by what changes while we read."""
    amazon = Amazon(orders_page(ids(0, 2), "t"), orders_page([*ids(1, 2), *ids(2, 3)]))
    found = [one.amazon_order_id async for one in client_of(amazon).orders.list(created_after=SINCE)]
    assert found == ids(0, 3)


@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, 15),
    st.lists(st.sampled_from(["ok", "corrupt", "throttle", "ill", "leave"]), max_size=30),
)
@example(0, ["ill"] * 6)
@example(5, ["ok", *["ill"] * 6, "leave"])
async def test_no_mischief_repeats_or_loses_an_order(count: int, mischief: list[str]) -> None:
    """Corrupted tokens, throttles, faults and processes that leave, in any order."""
    store = Store(ids(0, count))
    plan = list(mischief)

    def amazon(params: Mapping[str, str]) -> httpx.Response:
        step = plan.pop(0) if plan else "ok"
        if step == "corrupt" and "NextToken" in params:
            store.generation += 1
        if step == "throttle":
            return error("RequestThrottled", 503)
        if step == "ill":
            return error("InternalError", 500)
        return store(params)

    found: list[str] = []
    position: str | None = None
    done = False
    for _ in range(200):
        if done:
            break
        pages = store_client(amazon).orders.list(created_after=SINCE).pages(position)
        try:
            async for page in pages:
                found += [one.amazon_order_id for one in page.orders]
                position = page.position
                if position is None:
                    done = True
                    break
                if plan and plan[0] == "leave":
                    plan.pop(0)
                    break
        except (InvalidRequest, ServiceUnavailable):  # six faults in a row end the client's own retries
            continue
    assert done
    assert found == ids(0, count)


@pytest.mark.parametrize(
    "position", ["", "{}", "null", "[]", '{"query":1}', "token", '{"seen":"*","token":"t","until":null}']
)
async def test_a_foreign_position_is_refused(position: str) -> None:
    """Before anything is asked."""
    amazon = Amazon(b"")
    with pytest.raises(ConfigurationError, match="position"):
        await anext(client_of(amazon).orders.list(created_after=SINCE).pages(position))
    assert not amazon.asked


async def test_a_position_belongs_to_its_filters() -> None:
    """Going on with other filters would mix two listings."""
    page = await anext(store_client(Store(ids(0, 4))).orders.list(created_after=SINCE).pages())
    with pytest.raises(ConfigurationError, match="other filters"):
        await anext(store_client(Store(ids(0, 4))).orders.list(created_after=NOW).pages(page.position))


def feeds_page(feed_ids: list[int], *, has_next: str, token: str = "") -> bytes:
    rows = "".join(
        f"<FeedSubmissionInfo><FeedSubmissionId>{one}</FeedSubmissionId></FeedSubmissionInfo>" for one in feed_ids
    )
    return envelope("GetFeedSubmissionList", f"{token}<HasNext>{has_next}</HasNext>{rows}", section="Feeds/2009-01-01")


async def test_feeds_are_paged_by_has_next() -> None:
    """A token beside ``false`` is the end; ``true`` without a token would lose feeds, so it is an error."""
    token = "<NextToken>t</NextToken>"
    amazon = Amazon(feeds_page([1], has_next="true", token=token), feeds_page([2], has_next="false", token=token))
    assert [feed.feed_submission_id async for feed in client_of(amazon).feeds.list()] == ["1", "2"]
    assert amazon.actions == ["GetFeedSubmissionList", "GetFeedSubmissionListByNextToken"]
    with pytest.raises(UnreadableResponse, match="HasNext"):
        await client_of(Amazon(feeds_page([1], has_next="true"))).feeds.list().all()


@pytest.mark.parametrize("has_next", ["<HasNext>True</HasNext>", "<HasNext>1</HasNext>", ""])
async def test_a_page_that_words_has_next_otherwise_loses_no_feed(has_next: str) -> None:
    """Another spelling of true; where the element is missing, the token says that there is more."""
    first = feeds_page([1], has_next="true", token="<NextToken>t</NextToken>").replace(
        b"<HasNext>true</HasNext>", has_next.encode()
    )
    amazon = Amazon(first, feeds_page([2], has_next="").replace(b"<HasNext></HasNext>", b""))
    assert [feed.feed_submission_id async for feed in client_of(amazon).feeds.list()] == ["1", "2"]


async def test_items_of_a_long_order_are_paged() -> None:
    """ListOrderItemsByNextToken, and each item once."""

    def item(n: int) -> str:
        content = f"<ASIN>B{n}</ASIN><OrderItemId>{n}</OrderItemId><QuantityOrdered>1</QuantityOrdered>"
        return f"<OrderItem>{content}</OrderItem>"

    first = envelope("ListOrderItems", f"<NextToken>t</NextToken><OrderItems>{item(1)}{item(2)}</OrderItems>")
    second = envelope("ListOrderItemsByNextToken", f"<OrderItems>{item(2)}{item(3)}</OrderItems>")
    amazon = Amazon(first, second)
    items = await client_of(amazon).orders.items("403-0000000-0000001")
    assert [one.order_item_id for one in items] == ["1", "2", "3"]
    assert amazon.actions == ["ListOrderItems", "ListOrderItemsByNextToken"]


async def test_nothing_is_asked_before_somebody_iterates() -> None:
    """A listing that nobody reads costs no quota; one that is left early costs what was read."""
    amazon = Amazon(orders_page(ids(0, 2), "t"))
    listing = client_of(amazon).orders.list(created_after=SINCE)
    assert not amazon.asked
    async for one in listing:
        assert order(one.amazon_order_id)
        break
    assert len(amazon.asked) == 1
