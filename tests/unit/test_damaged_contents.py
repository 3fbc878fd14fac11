"""Fuzzed edges: damaged rows and files of SQLite, of sessions and of used codes, and pages that are no pages.

Whatever stands there, the library answers or raises one of its documented errors, in bounded time.
"""

# The damaged files are the test, so its coroutines touch them directly.
# ruff: noqa: ASYNC240
from __future__ import annotations

import asyncio
import contextlib
import json
import sqlite3
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st
from shop_support import INVENTORY, Shop

from amazon_ae._exceptions import AmazonAeError, PageChanged, PortalError, QuotaTimeout
from amazon_ae._models.feeds import InventoryUpdate, ItemOutcome, Outcome
from amazon_ae._models.hidden import Hidden
from amazon_ae._models.stored import Change
from amazon_ae._portal.cookies import SessionCookies
from amazon_ae._portal.html import leads_to_a_page, parse_html, read_form
from amazon_ae._portal.session_store import SavedSession
from amazon_ae._portal.sign_in_rules import FetchedPage, SignInProgress, decide
from amazon_ae._portal.site_map import SITE
from amazon_ae._portal.totp import TotpSecret
from amazon_ae._portal.used_codes import UsedCodes
from amazon_ae._storage.sqlite.store import SQLiteStorage
from amazon_ae.testing._clocks import VirtualClock

ACCOUNT = "A1SELLER/AE"
fuzzed = settings(max_examples=40)
PATIENCE_SECONDS = 20.0
FOLDER = "/dev/shm" if Path("/dev/shm").is_dir() else None  # many small files, none of which must outlive the machine

# What may stand in a column: of any type that SQLite keeps.
cells = st.one_of(
    st.none(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(),
    st.text(max_size=30),
    st.binary(max_size=30),
    st.sampled_from(
        ["waiting", "in_flight", "accepted", "rejected", "unknown", "pickup", "inventory", "{}", "[]", 0, 1]
    ),
)
json_values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=12)),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=12,
)


async def fill(path: Path) -> None:
    """A file with an item in every state, a batch in flight and a document."""
    clock = VirtualClock()
    store = SQLiteStorage(path, clock=clock, watch_seconds=None)
    changes = [Change(key, InventoryUpdate(key, 1).to_text()) for key in "abcd"]
    await store.put(ACCOUNT, INVENTORY, changes)
    taken: dict[str, Any] = {"limit": 2, "lease_seconds": 0.0, "exclusive": False}
    await store.open(ACCOUNT, INVENTORY, batch_id="one", **taken)
    outcomes = [ItemOutcome("a", Outcome.ACCEPTED), ItemOutcome("b", Outcome.REJECTED, "1", "no")]
    await store.settle("one", 1, outcomes)
    await store.open(ACCOUNT, INVENTORY, batch_id="two", limit=1, lease_seconds=0.0, exclusive=False, route="mws:feed")
    await store.mark_submitted("two", 1, feed_id="500", submitted_at=clock.now(), lease_seconds=0.0)
    await store.change("ledger", lambda text, now: ("{}", None))
    await store.aclose()


def _columns() -> list[tuple[str, str]]:
    """Every table and column of the schema."""
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.executescript(SQLiteStorage.schema_sql())
        tables = [row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        return [
            (table.removeprefix("amazon_ae_"), row[1])
            for table in tables
            for row in connection.execute(f"PRAGMA table_info({table})")
        ]


COLUMNS = _columns()


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Such a file."""
    path = tmp_path_factory.mktemp("sound") / "store.sqlite"
    asyncio.run(fill(path))
    return path


@contextlib.contextmanager
def damaged(content: bytes) -> Iterator[Path]:
    """A file with this content."""
    with tempfile.TemporaryDirectory(dir=FOLDER) as folder:
        path = Path(folder) / "store.sqlite"
        path.write_bytes(content)
        yield path


def verbs_of(store: SQLiteStorage, clock: VirtualClock) -> list[Callable[[], Awaitable[Any]]]:
    """Every verb, on what is there."""
    change = [Change(key, InventoryUpdate(key, 2).to_text()) for key in "abcde"]
    outcomes = [ItemOutcome(key, Outcome.RETRY) for key in "abcd"]
    admit: dict[str, Any] = {"ledger": "ledger", "admit": lambda text, now: text or "{}"}
    return [
        *(lambda key=key: store.item(ACCOUNT, INVENTORY, key) for key in "abcd"),
        lambda: store.waiting(ACCOUNT, INVENTORY, limit=10),
        lambda: store.dead(ACCOUNT, INVENTORY),
        lambda: store.stats(ACCOUNT, INVENTORY),
        lambda: store.unfinished(ACCOUNT),
        lambda: store.take_over("two", lease_seconds=1.0),
        lambda: store.renew("two", 2, lease_seconds=1.0),
        lambda: store.settle_some("two", 2, outcomes[:1], lease_seconds=1.0),
        lambda: store.settle("two", 2, outcomes),
        lambda: store.requeue(ACCOUNT, INVENTORY, list("abcd")),
        lambda: store.resolve(ACCOUNT, INVENTORY, ["b"], outcome=Outcome.RETRY),
        lambda: store.reject(ACCOUNT, INVENTORY, [ItemOutcome("d", Outcome.REJECTED)]),
        lambda: store.put(ACCOUNT, INVENTORY, change),
        lambda: store.open(ACCOUNT, INVENTORY, batch_id="three", limit=9, lease_seconds=1.0, exclusive=False, **admit),
        lambda: store.withdraw(ACCOUNT, INVENTORY, list("abcd")),
        lambda: store.load("ledger"),
        lambda: store.names(""),
        lambda: store.change("ledger", lambda text, now: (text, None)),
        lambda: store.purge(ACCOUNT, INVENTORY, settled_before=clock.now() + timedelta(days=1)),
    ]


async def use(path: Path) -> int:
    """Every verb of a fresh store; returns how many of them could not read what is there."""
    clock = VirtualClock()
    store, failed = SQLiteStorage(path, clock=clock, watch_seconds=None, busy_seconds=0.1), 0
    try:
        for verb in verbs_of(store, clock):
            try:
                async with asyncio.timeout(PATIENCE_SECONDS):
                    await verb()
            except AmazonAeError:
                failed += 1
    finally:
        await store.aclose()
    return failed


@fuzzed
@given(damage=st.lists(st.tuples(st.sampled_from(COLUMNS), cells), min_size=1, max_size=3))
async def test_a_damaged_row_is_a_storage_error(sound: Path, damage: list[tuple[tuple[str, str], Any]]) -> None:
    """Any cell of any table holds anything that SQLite keeps."""
    with damaged(sound.read_bytes()) as path:
        with closing(sqlite3.connect(path, isolation_level=None)) as connection:
            for (table, column), cell in damage:
                with contextlib.suppress(sqlite3.Error):  # SQLite itself keeps this out
                    connection.execute(f"UPDATE OR IGNORE amazon_ae_{table} SET {column} = ?", (cell,))
        await use(path)


@fuzzed
@given(places=st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.binary(min_size=1, max_size=40)), max_size=4))
async def test_a_damaged_file_is_a_storage_error(sound: Path, places: list[tuple[float, bytes]]) -> None:
    """Bytes of the file are overwritten, its header included."""
    now = bytearray(sound.read_bytes())
    for place, damage in places:
        at = int(place * len(now))
        now[at : at + len(damage)] = damage
    with damaged(bytes(now)) as path:
        await use(path)


@fuzzed
@given(length=st.floats(0, 1))
async def test_a_file_that_was_cut_is_a_storage_error(sound: Path, length: float) -> None:
    """As a full disk or a bad copy leaves it."""
    content = sound.read_bytes()
    with damaged(content[: int(length * len(content))]) as path:
        await use(path)


@settings(max_examples=6)
@given(data=st.data())
async def test_a_scheduler_gets_along_with_damaged_documents(
    data: st.DataObject,
) -> None:
    """Ledger, status cache, claims and paces are rubbish: the next pickup leaves once, or stays queued and says so."""
    shop = Shop()
    first, second = shop.orders(2)
    async with shop.scheduler() as scheduler:
        await scheduler.schedule_pickup(first)
    names = list(await shop.storage.names(""))
    assert len(names) > 3
    chosen = data.draw(st.lists(st.sampled_from(names), min_size=1, unique=True))
    for name in chosen:
        text = await shop.storage.load(name)
        await _write(shop, name, data.draw(_damaged(text or "")))
    async with shop.open() as scheduler:
        try:
            await scheduler.schedule_pickup(second, deadline=timedelta(hours=1))
        except QuotaTimeout:  # what was spent cannot be read: nothing leaves, and the caller learns why
            assert any("SubmitFeed" in name for name in chosen)
        else:
            assert second in shop.fake.pickups
    assert shop.fake.pickups_sent.get(first) == 1
    assert shop.fake.pickups_sent.get(second, 1) == 1


async def _write(shop: Shop, name: str, text: str) -> None:
    await shop.storage.change(name, lambda _, __: (text, None))


def _damaged(text: str) -> st.SearchStrategy[str]:
    """Rubbish; other JSON; the document with some values replaced."""
    document = json.loads(text)
    if not isinstance(document, dict):
        document = {}
    replaced = st.dictionaries(st.sampled_from([*document, "v"]), json_values, min_size=1).map(
        lambda values: json.dumps({**document, **values})
    )
    return st.one_of(st.text(max_size=40), json_values.map(json.dumps), replaced)


# Sessions


class PickyBrowser:
    """A browser context that takes only what Playwright's own types admit."""

    def __init__(self) -> None:
        self.taken: list[Any] = []

    async def add_cookies(self, cookies: list[Any]) -> None:
        for cookie in cookies:
            if not (isinstance(cookie["name"], str) and isinstance(cookie["value"], str)):
                raise TypeError("expected string")
            if not isinstance(cookie["domain"], str):
                raise AttributeError("domain")
        self.taken += cookies

    async def cookies(self) -> list[Any]:
        return []

    async def clear_cookies(self, **_: Any) -> None:
        return None


@fuzzed
@given(
    saved=st.one_of(
        st.binary(max_size=80),
        json_values.map(lambda value: json.dumps(value).encode()),
        st.fixed_dictionaries(
            {
                "state": st.fixed_dictionaries({"cookies": json_values}),
                "signed_in_at": json_values,
                "last_counter": json_values,
            }
        ).map(lambda value: json.dumps(value).encode()),
        st.just(b"[" * 1_000),
    ),
    own=st.booleans(),
)
async def test_a_damaged_session_means_a_sign_in(saved: bytes, own: bool) -> None:
    """It is an empty session, or one whose cookies the browser takes or leaves; a code is planned either way."""
    session = SavedSession.from_bytes(saved)
    assert SavedSession.from_bytes(session.to_bytes()) == session
    if session.state is not None:
        browser: Any = PickyBrowser()
        cookies = SessionCookies(browser, None if own else frozenset({"sellercentral.amazon.ae"}))
        await cookies.replace(Hidden(session.state))
    codes = UsedCodes(TotpSecret.parse("JBSWY3DPEHPK3PXP"), VirtualClock())
    await codes.reserve(session.last_counter)


# Pages

tags = st.sampled_from(
    ["html", "body", "form", "input", "a", "div", "table", "tr", "select", "script", "template", "svg"]
)
attributes = st.sampled_from(
    [
        "id=ap_email",
        "id=ap_password",
        "name=email type=text",
        "type=password",
        "type=hidden value=x",
        "action='//['",
        "action='http://[::1'",
        "href='javascript:1'",
        "href='//['",
        "hidden",
        "style='display:none'",
        "form=f",
        "disabled",
        "value='\N{REPLACEMENT CHARACTER}'",
        "class=captcha",
        "id=auth-mfa-otpcode",
    ]
)
pieces = st.one_of(
    st.builds(lambda tag, attribute: f"<{tag} {attribute}>", tags, attributes),
    st.builds(lambda tag: f"</{tag}>", tags),
    st.text(alphabet="<>/=\"' abc&;!-#\x00\ufeff", max_size=30),
)
pages = st.one_of(
    st.lists(pieces, max_size=40).map(lambda parts: "".join(parts).encode()),
    st.binary(max_size=300),
    st.builds(lambda part, times: part.encode() * times, pieces, st.integers(1, 200)),
)


@fuzzed
@given(path=st.text(max_size=40), content=pages)
def test_any_page_is_recognised_or_unknown(path: str, content: bytes) -> None:
    """What to do with it is decided, or it is a portal error; forms can be read; all in bounded time."""
    began = time.process_time()
    fetched = FetchedPage.read(path, content, SITE)
    with contextlib.suppress(PortalError):
        decide(fetched.page, SignInProgress())
    for link in fetched.document.find(["a"]):
        leads_to_a_page(link.attributes.get("href", ""))
    for form in fetched.document.find(["form"]):
        with contextlib.suppress(PortalError):
            read_form(form, "https://sellercentral.amazon.ae/orders")
    assert time.process_time() - began < PATIENCE_SECONDS


def test_a_form_without_an_address_is_a_changed_page() -> None:
    """And a link without one is passed over."""
    page = parse_html(b"<form action='//['><a href='//['>")
    with pytest.raises(PageChanged):
        read_form(next(page.find(["form"])), "https://sellercentral.amazon.ae/")
    assert not leads_to_a_page("//[")
    assert leads_to_a_page("/orders?x=1")


def test_a_deep_page_is_no_stack_overflow() -> None:
    """Ten thousand open elements; a browser makes 512 of them."""
    page = FetchedPage.read("/", b"<div>" * 10_000 + b"<form><input name=a value=b>", SITE)
    assert parse_html(b"<p>x").first(["p"]) is not None
    assert page.page is not None
