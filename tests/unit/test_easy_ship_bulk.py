"""Bulk scheduling: outcomes per order, the archive kept before them, labels out of it."""

from __future__ import annotations

import contextlib
import stat
from collections.abc import Collection, Sequence
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
from bulk_support import BulkWorld, Died, Life

from amazon_ae import (
    ConfigurationError,
    DocumentError,
    DocumentKind,
    EasyShipBulkPickup,
    FeedReceipt,
    InvalidRequest,
    ItemOutcome,
    LabelArchiveFolder,
    LabelTexts,
    MediaType,
    NotSupported,
    Outcome,
    OutcomeUnknown,
    RegionNotSupported,
    SpApiClient,
    StorageError,
)
from amazon_ae.testing import SpApiFault, make_item, make_order, make_order_id

LABEL = DocumentKind.SHIPPING_LABEL


@pytest.fixture
def world(tmp_path: Path) -> BulkWorld:
    return BulkWorld.new(tmp_path / "labels")


async def submit(world: BulkWorld, life: Life | None = None, *order_ids: str) -> FeedReceipt:
    async with world.client(life) as client:
        return await world.route(life).submit(client, world.batch(*order_ids))


async def test_every_order_has_its_outcome_and_its_own_label(world: BulkWorld) -> None:
    """One call, one archive; each label is matched by its text."""
    receipt = await submit(world)
    assert receipt.feed_id is None
    assert [outcome.outcome for outcome in receipt.outcomes or ()] == [Outcome.ACCEPTED] * 3
    assert world.fake.count("createScheduledPackageBulk") == 1
    for order_id in world.order_ids:
        papers = await world.labels().documents(order_id, [LABEL, DocumentKind.INVOICE])
        label = papers[LABEL]
        assert (label.order_id, label.pages, label.media_type) == (order_id, 1, "application/pdf")
        assert (label.width_mm, label.height_mm) == (99.1, 139.0)
        assert isinstance(papers.failed[DocumentKind.INVOICE], DocumentError)
    with pytest.raises(DocumentError, match="no archive of this order was kept"):
        _ = (await world.labels().documents(make_order_id(77), [LABEL]))[LABEL]


async def test_a_zpl_label_is_a_good_label_where_the_host_asks_for_it(world: BulkWorld) -> None:
    """And none where it does not."""
    async with world.client() as client:
        await world.route(media_type=MediaType.ZPL).submit(client, world.batch())
    papers = await world.labels(media_types=[MediaType.PDF, MediaType.ZPL]).documents(world.order_ids[1], [LABEL])
    label = papers[LABEL]
    assert (label.media_type, label.file_name) == ("application/zpl", "shipping_label.zpl")
    assert world.order_ids[1].encode() in label.content
    assert LABEL in (await world.labels().documents(world.order_ids[1], [LABEL])).failed


async def test_each_rejected_order_has_its_reason(world: BulkWorld) -> None:
    """200 also where all are refused; nothing is kept then."""
    world.fake.change_order(make_order_id(2), status="Canceled")
    receipt = await submit(world)
    told = {outcome.key: (outcome.outcome, outcome.code) for outcome in receipt.outcomes or ()}
    assert told[make_order_id(1)] == (Outcome.ACCEPTED, "")
    assert told[make_order_id(2)] == (Outcome.REJECTED, "InvalidOrderState")
    receipt = await submit(world, None, make_order_id(2))
    assert [outcome.outcome for outcome in receipt.outcomes or ()] == [Outcome.REJECTED]
    assert len(list(world.folder.glob("*.archive"))) == 1


async def test_a_day_that_amazon_chose_otherwise_is_a_warning(world: BulkWorld) -> None:
    """The bulk call takes the earliest slot."""
    async with world.client() as client:
        later = world.clock.now().date() + timedelta(days=2)
        receipt = await world.route().submit(client, world.batch(day=later))
    assert {(outcome.outcome, outcome.code) for outcome in receipt.outcomes or ()} == {
        (Outcome.ACCEPTED_WITH_WARNINGS, "OtherPickupDay")
    }


@pytest.mark.parametrize("archive", ["missing", "gone"])
async def test_a_lost_archive_is_said_and_the_pickups_stand(world: BulkWorld, archive: str) -> None:
    """They are booked: refusing them would be untrue."""
    world.fake.settings.bulk_archive = archive  # type: ignore[assignment]  # one of its literals
    receipt = await submit(world)
    assert {(outcome.outcome, outcome.code) for outcome in receipt.outcomes or ()} == {
        (Outcome.ACCEPTED_WITH_WARNINGS, "LabelArchiveLost")
    }


async def test_a_download_that_fails_for_a_while_is_repeated(world: BulkWorld) -> None:
    """The URL is good for some minutes."""
    world.fake.fail("downloadDocument", SpApiFault.INTERNAL_ERROR, times=5)
    receipt = await submit(world)
    assert [outcome.outcome for outcome in receipt.outcomes or ()] == [Outcome.ACCEPTED] * 3


@pytest.mark.parametrize("fault", [SpApiFault.HTML_PAGE, SpApiFault.EMPTY, SpApiFault.TRUNCATED])
async def test_a_damaged_archive_is_downloaded_again_and_never_kept(world: BulkWorld, fault: SpApiFault) -> None:
    """A web page in its place is no label; one that stays damaged is lost, and said to be."""
    world.fake.fail("downloadDocument", fault, times=2)
    receipt = await submit(world)
    assert [outcome.outcome for outcome in receipt.outcomes or ()] == [Outcome.ACCEPTED] * 3
    other = BulkWorld.new(world.folder / "other")
    other.fake.fail("downloadDocument", fault, times=None)
    receipt = await submit(other)
    assert {outcome.code for outcome in receipt.outcomes or ()} == {"LabelArchiveLost"}
    assert not list(other.folder.rglob("*.zip"))


async def test_a_full_disk_does_not_cost_the_pickups(world: BulkWorld) -> None:
    """Kept once it has room again; else it is said."""

    class FullDisk(LabelArchiveFolder):
        left = 2

        async def keep(self, *args: object, **options: object) -> str:
            self.left -= 1
            if self.left >= 0:
                raise StorageError("the disk is full")
            return await super().keep(*args, **options)  # type: ignore[arg-type]  # passed on as they came

    for left, outcome in ((2, Outcome.ACCEPTED), (99, Outcome.ACCEPTED_WITH_WARNINGS)):
        other = BulkWorld.new(world.folder / str(left))
        archives = FullDisk(other.folder)
        archives.left = left
        async with other.client() as client:
            receipt = await EasyShipBulkPickup(archives).submit(client, other.batch())
        assert {each.outcome for each in receipt.outcomes or ()} == {outcome}


@pytest.mark.parametrize("offers", ["single", "none"])
async def test_a_marketplace_without_the_bulk_call_says_so(world: BulkWorld, offers: str) -> None:
    """As India does, with ``InvalidInput``."""
    world.fake.settings.easy_ship = offers  # type: ignore[assignment]  # one of its literals
    with pytest.raises(RegionNotSupported):
        await submit(world)


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("This operation is not supported for the current marketplace.", RegionNotSupported),
        ("The label format is not valid.", InvalidRequest),
    ],
)
async def test_only_a_message_about_the_marketplace_says_that_it_is_not_served(
    world: BulkWorld, message: str, expected: type[Exception]
) -> None:
    """India answers with the code of every malformed request."""

    async def answer(request: httpx.Request) -> httpx.Response:
        if not request.url.path.endswith("/packages/bulk"):
            return await world.fake.handle_async_request(request)
        return httpx.Response(400, json={"errors": [{"code": "InvalidInput", "message": message}]})

    async with httpx.AsyncClient(transport=httpx.MockTransport(answer)) as http:
        client = SpApiClient(world.fake.credentials, world.fake.marketplace, http=http, clock=world.clock)
        with pytest.raises(InvalidRequest) as caught:
            await client.easy_ship_bulk.schedule(world.order_ids, media_type=MediaType.PDF)
    assert type(caught.value) is expected


@pytest.mark.parametrize("fault", [SpApiFault.ANSWER_LOST, SpApiFault.TRUNCATED])
async def test_an_unanswered_call_is_unknown_and_sending_it_again_is_safe(world: BulkWorld, fault: SpApiFault) -> None:
    """What it booked is accepted then, and its labels are said to be lost."""
    world.fake.fail("createScheduledPackageBulk", fault)
    with pytest.raises(OutcomeUnknown):
        await submit(world)
    receipt = await submit(world)
    assert {(outcome.outcome, outcome.code) for outcome in receipt.outcomes or ()} == {
        (Outcome.ACCEPTED_WITH_WARNINGS, "LabelArchiveLost")
    }


class Poisoned(httpx.AsyncBaseTransport):
    """Amazon, which fails for every bulk call with one of these orders in it."""

    def __init__(
        self, inner: httpx.AsyncBaseTransport, order_ids: Collection[str], status: int, *, books: bool
    ) -> None:
        self.inner, self.order_ids, self.status, self.books = inner, order_ids, status, books
        self.calls = 0

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        body = (await request.aread()).decode()
        if "orderScheduleDetailsList" not in body:
            return await self.inner.handle_async_request(request)
        self.calls += 1
        if not any(order_id in body for order_id in self.order_ids):
            return await self.inner.handle_async_request(request)
        if self.books:
            await (await self.inner.handle_async_request(request)).aread()
        code = "InvalidInput" if self.status == 400 else "InternalFailure"
        return httpx.Response(self.status, json={"errors": [{"code": code, "message": "no"}]})


@pytest.mark.parametrize("place", [0, 17, 29])
@pytest.mark.parametrize(("status", "books"), [(400, False), (500, False), (500, True)])
async def test_one_order_that_breaks_the_call_holds_up_no_other(
    tmp_path: Path, place: int, status: int, books: bool
) -> None:
    """It is found by halving, and the others are booked on the way; in the end it is refused, or a person must look."""
    world = BulkWorld.new(tmp_path, orders=30)
    bad = world.order_ids[place]
    amazon = Poisoned(world.fake, [bad], status, books=books)
    told: dict[str, ItemOutcome] = {}

    async def settle(outcomes: Sequence[ItemOutcome]) -> None:
        told.update({outcome.key: outcome for outcome in outcomes})

    route = world.route()
    async with SpApiClient(
        world.fake.credentials, http=httpx.AsyncClient(transport=amazon), clock=world.clock
    ) as client:
        for attempt in range(3):
            try:
                receipt = await route.submit(client, world.batch(), settle=settle)
                break
            except OutcomeUnknown:
                assert (status, attempt) == (500, 0)
        told.update({outcome.key: outcome for outcome in receipt.outcomes or ()})
        assert amazon.calls <= 14
        assert set(told) == set(world.order_ids)
        accepted = {Outcome.ACCEPTED, Outcome.ACCEPTED_WITH_WARNINGS}
        assert all(outcome.outcome in accepted for order_id, outcome in told.items() if order_id != bad)
        # Later batches: it goes alone, and last. After some more failures it is settled.
        for number in range(31, 41):
            if told[bad].outcome is not Outcome.RETRY:
                break
            late = make_order_id(number)
            world.fake.add_order(make_order(late, updated_at=world.clock.now()), [make_item()])
            before = amazon.calls
            receipt = await route.submit(client, world.batch(bad, late), settle=settle)
            told.update({outcome.key: outcome for outcome in receipt.outcomes or ()})
            assert amazon.calls == before + 2
            assert told[late].outcome is Outcome.ACCEPTED
    assert told[bad].outcome is (Outcome.REJECTED if status == 400 else Outcome.UNKNOWN)


async def test_an_outage_is_no_orders_fault(tmp_path: Path) -> None:
    """No call is answered: the batch fails as a whole, after few calls, and nothing is told of any order."""
    world = BulkWorld.new(tmp_path, orders=30)
    amazon = Poisoned(world.fake, world.order_ids, 500, books=False)
    route = world.route()
    async with SpApiClient(
        world.fake.credentials, http=httpx.AsyncClient(transport=amazon), clock=world.clock
    ) as client:
        for _ in range(5):
            with pytest.raises(OutcomeUnknown):
                await route.submit(client, world.batch())
        assert amazon.calls <= 25
        amazon.order_ids = []
        receipt = await route.submit(client, world.batch())
    assert {outcome.outcome for outcome in receipt.outcomes or ()} == {Outcome.ACCEPTED}


async def test_every_way_to_die_leaves_labels_or_says_that_they_are_lost(tmp_path: Path) -> None:
    """The crash matrix: the process dies at every step in turn and the batch is sent again by the next one.

    Whatever happened: each order is booked once and accepted; its label is kept, or the warning says that it is not.
    No outcome was told before.
    """
    seen = []
    for steps in range(1000):
        world = BulkWorld.new(tmp_path / str(steps))
        life = Life(steps=steps)
        told: FeedReceipt | None = None
        with contextlib.suppress(Died):
            told = await submit(world, life)
        if told is not None:
            break
        receipt = await submit(world)
        assert {order_id for order_id in world.order_ids if order_id in world.fake.state.packages} == set(
            world.order_ids
        )
        lost = {outcome.key for outcome in receipt.outcomes or () if outcome.code == "LabelArchiveLost"}
        accepted = {outcome.key for outcome in receipt.outcomes or () if outcome.outcome is Outcome.ACCEPTED}
        assert lost | accepted == set(world.order_ids)
        for order_id in world.order_ids:
            papers = await world.labels().documents(order_id, [LABEL])
            assert (LABEL in papers.ready) is (order_id in accepted)
        seen.append("lost" if lost else "kept")
    text = " ".join(seen)
    assert "lost" in text
    assert text.startswith("kept"), "before the call nothing is lost"
    assert text.endswith("kept"), "behind the archive nothing is lost"
    assert text.count("kept lost") == text.count("lost kept") == 1, text


async def test_the_folder_keeps_archives_for_their_owner_only(tmp_path: Path) -> None:
    """The same bytes once, the newest first; ``forget`` deletes what is old; an index alone says nothing."""
    folder = LabelArchiveFolder(tmp_path / "labels")
    world = BulkWorld.new(tmp_path)
    order_id, at = make_order_id(1), world.clock.now()
    texts = {order_id: LabelTexts(tracking_id="AE123456789")}
    assert await folder.find(order_id) == []
    for _ in range(2):
        await folder.keep(b"old", texts, at=at)
    await folder.keep(b"new", texts, at=at + timedelta(days=40))
    found = await LabelArchiveFolder(tmp_path / "labels").find(order_id)
    assert [archive.content for archive in found] == [b"new", b"old"]
    assert found[0].orders == texts
    assert {stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "labels").iterdir()} == {0o600}
    assert await folder.forget(before=at + timedelta(days=30)) == 1
    assert [archive.content for archive in await folder.find(order_id)] == [b"new"]
    for path in (tmp_path / "labels").glob("*.archive"):
        path.unlink()
    assert await LabelArchiveFolder(tmp_path / "labels").find(order_id) == []


async def test_what_cannot_be_used_is_refused(tmp_path: Path, world: BulkWorld) -> None:
    """At construction, or before anything is sent."""
    archives = LabelArchiveFolder(tmp_path / "labels")
    (tmp_path / "file").write_text("")
    for make in (
        lambda: LabelArchiveFolder(tmp_path / "file"),
        lambda: EasyShipBulkPickup(archives, media_type="image/png"),
        lambda: EasyShipBulkPickup(archives, max_pickups=101),
        lambda: world.labels(media_types=[]),
        lambda: world.labels(media_types=["text/plain"]),
        lambda: world.labels(media_types="application/pdf"),
    ):
        with pytest.raises(ConfigurationError):
            make()
    async with world.client() as client:
        with pytest.raises(ConfigurationError):
            await client.easy_ship_bulk.schedule([])
        with pytest.raises(ConfigurationError):
            await client.easy_ship_bulk.schedule(["171-1"])
        with pytest.raises(NotSupported):
            await world.route().report(client, "1", world.batch())
        with pytest.raises(NotSupported):
            await world.route().withdraw(make_order_id(1))
    with pytest.raises(ConfigurationError):
        await archives.find("../../etc/passwd")
    assert world.fake.count("createScheduledPackageBulk") == 0
