"""``FakeMws``: quotas, ordered faults, what it demands of every request, and what it logs."""

from __future__ import annotations

from datetime import datetime, timedelta

import httpx
import pytest
from hypothesis import given, settings, strategies as st
from test_fake_mws import call, header, inventory, submit

from amazon_ae._models.marketplaces import AE
from amazon_ae.testing._clocks import VirtualClock
from amazon_ae.testing._mws import FakeMws, MwsFault
from amazon_ae.testing._mws.quotas import SECTIONS, Limit, Meter
from amazon_ae.testing._mws.user_agent import check_user_agent
from amazon_ae.testing._mws.wire import Refused

PRICES = "_POST_FLAT_FILE_PRICEANDQUANTITYONLY_UPDATE_DATA_"


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock(autojump=False)


@pytest.fixture
def fake(clock: VirtualClock) -> FakeMws:
    return FakeMws(clock=clock)


# Quotas


def test_the_throttle_table_is_the_documented_one() -> None:
    """Burst, seconds per place and requests per hour, operation by operation."""
    table = {
        action: (limit.burst, limit.restore_seconds, limit.per_hour)
        for section in SECTIONS.values()
        for action, limit in section.operations.items()
    }
    assert table["SubmitFeed"] == (15, 120, 30)
    assert table["GetFeedSubmissionResult"] == (15, 60, 60)
    assert table["GetFeedSubmissionList"] == (10, 45, 80)
    assert table["ListOrders"] == table["ListOrdersByNextToken"] == (6, 60, None)
    assert table["ListOrderItems"] == (30, 2, None)
    assert table["GetServiceStatus"] == (2, 300, None)
    assert (
        SECTIONS["Orders"].operations["ListOrders"].group
        == SECTIONS["Orders"].operations["ListOrdersByNextToken"].group
    )


@settings(deadline=None)
@given(st.lists(st.integers(min_value=0, max_value=400_000), max_size=120))
def test_both_limits_hold_exactly_for_any_arrivals(gaps: list[int]) -> None:
    """A request passes if, and only if, every window behind it keeps 15 + t/120 and the hour keeps 30."""
    start = datetime.fromisoformat("2021-11-18T09:00:00Z")
    meter = Meter(Limit("g", 15, 120, 30), offset=timedelta(0))
    passed: list[int] = []
    elapsed = 0
    for gap in gaps:
        elapsed += gap
        now = start + timedelta(milliseconds=elapsed)
        # The meter forgives one millisecond.
        fits_hour = sum(at > elapsed - 3_600_000 + 1 for at in passed) < 30
        fits_bucket = all(
            (len(passed) - place + 1 - 15) * 120_000 <= elapsed - at + 1 for place, at in enumerate(passed)
        )
        assert (meter.left(now) != 0) == fits_hour
        assert (meter.free(now) > 0) == fits_bucket
        if fits_hour and fits_bucket:
            meter.spend(now)
            passed.append(elapsed)


def test_the_hours_place_comes_back_exactly_an_hour_later() -> None:
    """Not a moment earlier, up to the meter's millisecond."""
    meter = Meter(Limit("g", 60, 1, 1), offset=timedelta(0))
    now = datetime.fromisoformat("2021-11-18T09:00:00Z")
    meter.spend(now)
    lefts = [meter.left(now + timedelta(hours=1, milliseconds=early)) for early in (-2, -1, 0)]
    assert lefts == [0, 1, 1]


def test_a_fixed_hour_begins_anew_for_everybody_at_once() -> None:
    """The other reading of Amazon's hour: 30 places come back together, at the caller's own minute."""
    meter = Meter(Limit("g", 60, 1, 30), hour="fixed", offset=timedelta(minutes=12))
    now = datetime.fromisoformat("2021-11-18T09:50:00Z")
    for _ in range(30):
        meter.spend(now)
    assert meter.left(now) == 0
    assert meter.resets_at(now) == datetime.fromisoformat("2021-11-18T10:12:00Z")
    assert meter.left(datetime.fromisoformat("2021-11-18T10:12:01Z")) == 30


def test_orders_carry_no_quota_headers(fake: FakeMws) -> None:
    """Only Feeds and Reports do; every answer has an id, an instant and a date."""
    orders = dict(call(fake, "Orders", "GetServiceStatus").headers)
    feeds = dict(call(fake, "Feeds", "GetFeedSubmissionCount").headers)
    assert {"x-mws-request-id", "x-mws-timestamp", "Date"} <= orders.keys()
    assert "x-mws-quota-max" not in orders
    assert (feeds["x-mws-quota-max"], feeds["x-mws-quota-remaining"]) == ("80.0", "79.0")


# Faults


@pytest.mark.parametrize(
    ("fault", "status", "start"),
    [
        (MwsFault.THROTTLED, 503, b"<?xml"),
        (MwsFault.QUOTA_EXCEEDED, 503, b"<?xml"),
        (MwsFault.INTERNAL_ERROR, 500, b"<?xml"),
        (MwsFault.UNAVAILABLE, 503, b"<?xml"),
        (MwsFault.HTML_ERROR, 503, b"<html>"),
        (MwsFault.HTML_PAGE, 200, b"<html>"),
    ],
)
def test_faults_that_do_nothing_leave_no_feed(fake: FakeMws, fault: MwsFault, status: int, start: bytes) -> None:
    """The fault comes as often as it was ordered, for its operation only, and the quota is not touched."""
    fake.fail("SubmitFeed", fault, times=2)
    assert call(fake, "Orders", "GetServiceStatus").status == 200
    for _ in range(2):
        answer = submit(fake, inventory(("S", 1)))
        assert (answer.status, answer.body[:5]) == (status, start[:5])
        assert header(answer.headers, "Content-Length") == str(len(answer.body))
    good = submit(fake, inventory(("S", 1)))
    assert header(good.headers, "x-mws-quota-remaining") == "29.0"
    assert len(fake.feeds) == 1


@pytest.mark.parametrize("fault", [MwsFault.EMPTY, MwsFault.TRUNCATED, MwsFault.WRONG_MD5, MwsFault.SLOW])
def test_faults_on_the_way_back_leave_the_feed(fake: FakeMws, fault: MwsFault) -> None:
    """The work was done all the same."""
    fake.fail("SubmitFeed", fault)
    submit(fake, inventory(("S", 1)))
    assert len(fake.feeds) == 1


def test_a_fault_can_wait_for_one_feed_type(fake: FakeMws) -> None:
    """Other feeds pass."""
    fake.fail("SubmitFeed", MwsFault.INTERNAL_ERROR, feed_type=PRICES)
    assert submit(fake, inventory(("S", 1))).status == 200
    assert submit(fake, b"sku\tquantity\nS\t1\n", PRICES).status == 500


@pytest.mark.parametrize(
    ("fault", "seconds", "timeout", "waited", "is_answered"),
    [
        (MwsFault.SLOW, 45, None, 45, True),
        (MwsFault.SLOW, 45, 60, 45, True),
        (MwsFault.SLOW, 45, 30, 30, False),
        (MwsFault.NEVER_ANSWERED, 0, 30, 30, False),
    ],
)
async def test_slowness_takes_the_clocks_time_and_meets_the_clients_patience(
    fault: MwsFault, seconds: float, timeout: float | None, waited: float, is_answered: bool
) -> None:
    """Both the delay and the client's read timeout pass on the injected clock."""
    clock = VirtualClock()
    fake = FakeMws(clock=clock)
    began = clock.now()
    fake.fail("*", fault, seconds=seconds)
    url = f"{AE.mws_endpoint}/Orders/2013-09-01?AWSAccessKeyId=x&Action=GetOrder&Version=2013-09-01"
    async with httpx.AsyncClient(transport=fake, timeout=timeout) as http:
        if is_answered:
            assert (await http.get(url)).status_code == 400
        else:
            with pytest.raises(httpx.ReadTimeout):
                await http.get(url)
    assert clock.now() - began == timedelta(seconds=waited)


@pytest.mark.parametrize(
    ("header", "code"),
    [
        ("curl/8.0", ""),
        ("My App/1.0 (Language=Python/3.11; Platform=Linux)", ""),
        ("My\\/App/1\\(0 (Language=Python; Key\\=x=a\\)b\\;c)", ""),
        ("My App/1.0 (Language=Python", "UserAgentHeaderMalformed"),
        ("Mozilla/5.0 (X11; Linux x86_64)", "UserAgentHeaderMalformed"),
        ("My App/1.0 (Platform=Linux)", "UserAgentHeaderLanguageAttributeMissing"),
        ("My App/1.0 (Language=" + "x" * 500 + ")", "UserAgentHeaderMaximumLengthExceeded"),
    ],
)
def test_a_user_agent_that_begins_the_form_must_end_it(header: str, code: str) -> None:
    """A plain one passes, since the header is recommended only."""
    caught = ""
    try:
        check_user_agent(header)
    except Refused as refused:
        caught = refused.code
    assert caught == code


def test_the_log_holds_no_key_token_or_signature(fake: FakeMws) -> None:
    """Neither the log of requests nor its ``repr``."""
    submit(fake, inventory(("S", 1)))
    (seen,) = fake.requests
    assert set(seen.parameters) == {"SellerId", "FeedType", "ContentMD5Value"}
    assert fake.credentials.secret_key not in repr(seen)
    assert (fake.credentials.auth_token or "") not in repr(fake.requests)
