"""Pages that are easily taken for another one: each is recognised, and the right row is picked."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta

import pytest
from portal_stage import EMAIL, PASSWORD, SECRET, Stage, complete, stage

from amazon_ae._exceptions import ChallengeRequired, ConfigurationError, LoginRejected, PageChanged
from amazon_ae._models.documents import DocumentKind
from amazon_ae._ports import Clock
from amazon_ae.testing._seller_central import (
    AccountPicker,
    Challenge,
    Drawing,
    Fault,
    Nag,
    SignInForm,
    SiteUser,
    Tour,
)

pytestmark = pytest.mark.browser

SLIP = [DocumentKind.PACKING_SLIP]


class Behind:
    """A clock ten seconds behind another one."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def now(self) -> datetime:
        """Ten seconds ago."""
        return self._clock.now() - timedelta(seconds=10)

    async def sleep(self, seconds: float) -> None:
        """As long as there."""
        await self._clock.sleep(seconds)


ACCOUNTS = ("Dhow", "Dhow Trading Egypt", "United Arab Emirates Goods")


def users(on: Stage, *accounts: str) -> None:
    """Give the user these seller accounts; the orders are the first one's."""
    user = SiteUser(email=EMAIL, password=PASSWORD, totp_secret=SECRET, name=accounts[0], other_accounts=accounts[1:])
    on.site.users = [user]


@pytest.mark.parametrize("picker", [AccountPicker.CURRENT, AccountPicker.OLDER])
@pytest.mark.parametrize("drawing", [Drawing.LATE, Drawing.VERY_LATE])
async def test_a_picker_that_a_script_draws_late_is_waited_for(picker: AccountPicker, drawing: Drawing) -> None:
    """It stands in the app's shell and is not taken for the app."""
    async with stage() as on, on.scraper() as portal:
        on.show(account_picker=picker, drawing=drawing, decoys=True)
        await portal.login()
        assert on.site.counts.accounts == {"Dhow Trading": 1}
        assert complete(await portal.documents(on.order_ids[0], SLIP), SLIP)


@pytest.mark.parametrize("picker", [AccountPicker.CURRENT, AccountPicker.OLDER])
@pytest.mark.parametrize("first", [0, 1, 2])
async def test_the_account_with_exactly_this_name_is_picked(picker: AccountPicker, first: int) -> None:
    """Also where its name begins another's, contains a country, and all accounts are open."""
    async with stage() as on:
        users(on, *ACCOUNTS[first:], *ACCOUNTS[:first])
        on.show(account_picker=picker, accounts_open=True)
        async with on.scraper(account_name=ACCOUNTS[first]) as portal:
            assert complete(await portal.documents(on.order_ids[0], SLIP), SLIP)
        assert on.site.counts.accounts == {ACCOUNTS[first]: 1}


async def test_without_an_exact_name_nothing_is_picked_and_nothing_typed_again() -> None:
    """The error counts the accounts; further calls get it without another attempt."""
    async with stage() as on:
        users(on, *ACCOUNTS)
        on.show(account_picker=AccountPicker.CURRENT)
        for name in (None, "Dhow Trading"):
            async with on.scraper(account_name=name) as portal:
                for _ in range(3):
                    with pytest.raises(ConfigurationError, match="3 seller accounts") as caught:
                        await portal.documents(on.order_ids[0], SLIP)
                    assert "Egypt" not in str(caught.value)
        assert on.site.counts.accounts == {}
        assert on.site.counts.passwords == 2


async def test_a_colleague_never_gets_our_password() -> None:
    """A list of users without our e-mail is an error, and nothing was typed."""
    async with stage() as on, on.scraper() as portal:
        on.show(switch_accounts=True)
        on.site.remembered_emails = ("colleague@example.ae", "x" + EMAIL)
        with pytest.raises(ConfigurationError, match="2 rows"):
            await portal.login()
        assert (on.site.counts.passwords, on.site.counts.sign_ins) == (0, 0)
        on.site.remembered_emails = ("colleague@example.ae", EMAIL)
        await portal.login()


async def test_decoys_on_pages_of_the_app_change_nothing() -> None:
    """An e-mail field, a headline and inline JSON about the agent policy."""
    async with stage() as on, on.scraper() as portal:
        on.show(decoys=True)
        assert complete(await portal.documents(on.order_ids[0]))
        assert on.site.counts.sign_ins == 1


async def test_a_password_is_typed_once_whatever_page_follows() -> None:
    """An unknown page after it ends all attempts until ``login()``."""
    async with stage() as on, on.scraper(timeout=8.0) as portal:
        on.site.fail("/ap/mfa", Fault.STRANGE_PAGE, times=None)
        for _ in range(3):
            with pytest.raises(PageChanged):
                await portal.documents(on.order_ids[0], SLIP)
        assert on.site.counts.passwords == 1
        on.site.clear_faults()
        await portal.login()
        assert on.site.counts.passwords == 2


async def test_the_offer_of_a_passkey_is_declined_and_consent_is_not_given() -> None:
    """One click each; the papers follow."""
    async with stage() as on, on.scraper() as portal:
        on.show(nag=Nag.PASSKEY, tour=Tour.STACKED, account_picker=AccountPicker.CURRENT, sign_in=SignInForm.ONE_PAGE)
        assert complete(await portal.documents(on.order_ids[0]))


async def test_a_code_by_sms_on_the_authenticators_page_is_named() -> None:
    """No authenticator code is wasted on it."""
    async with stage() as on, on.scraper() as portal:
        on.show(challenge=Challenge.SMS_IN_PLACE)
        with pytest.raises(ChallengeRequired) as caught:
            await portal.login()
        assert caught.value.kind == "sms_code"
        assert on.site.counts.codes == 0


async def test_several_scrapers_never_type_one_code_twice() -> None:
    """On the default store and under different account names: they sign in one after the other."""
    async with stage(speed=20.0) as on:
        on.show(honour_trust=False)
        portals = [on.scraper(account=name) for name in ("one", "two", None)]
        try:
            await asyncio.gather(*(portal.login() for portal in portals))
        finally:
            for portal in portals:
                await portal.aclose()
        counts = on.site.counts
        assert (counts.sign_ins, counts.accepted_codes, counts.reused_codes, counts.wrong_codes) == (3, 3, 0, 0)


async def test_a_refused_code_is_not_blamed_on_the_secret_while_the_clocks_differ() -> None:
    """Ten seconds off, and both codes refused: the clock is named."""
    async with stage() as on, on.scraper(totp="GEZD GNBV GY3T QOJQ", clock=Behind(on.clock)) as portal:
        with pytest.raises(LoginRejected, match="behind Amazon's"):
            await portal.login()
