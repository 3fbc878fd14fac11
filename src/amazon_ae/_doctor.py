"""``amazon-ae doctor``: checks this machine, and the credentials in the environment."""

from __future__ import annotations

import json
import platform
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

import attrs
import httpx

from amazon_ae._clocks import SystemClock
from amazon_ae._exceptions import AmazonAeError, ConfigurationError, RequestExpired
from amazon_ae._models.marketplaces import AE, EG, SA, Marketplace, MwsCredentials, PortalCredentials, SpApiCredentials
from amazon_ae._models.text import check_order_id
from amazon_ae._mws.client import MwsClient
from amazon_ae._ports import Clock
from amazon_ae._transport.retries import RetryPolicy

if TYPE_CHECKING:
    from amazon_ae._spapi.probe import ProbeLine

__all__ = [
    "Finding",
    "Verdict",
    "check_amazon",
    "check_browser",
    "check_database",
    "check_machine",
    "check_portal_user",
    "check_selling_partner",
    "examine",
]

# One module of each extra, whose absence shows that the extra is missing.
_EXTRAS: Final = {
    "portal": ("pypdf",),
    "postgres": ("psycopg", "psycopg_pool"),
    "sandbox": ("uvicorn", "starlette", "jinja2"),
    "plot": ("matplotlib",),
    "cli": ("rich",),
}
_MARKETPLACES: Final = {marketplace.code: marketplace for marketplace in (AE, EG, SA)}
# The variables that show which credentials are configured.
_VARIABLES: Final = {
    "spapi": tuple(f"AMAZON_AE_SPAPI_{name}" for name in ("SELLER_ID", "CLIENT_ID", "CLIENT_SECRET", "REFRESH_TOKEN")),
    "mws": (
        "AMAZON_AE_SELLER_ID",
        "AMAZON_AE_ACCESS_KEY_ID",
        "AMAZON_AE_SECRET_KEY",
        "AMAZON_AE_AUTH_TOKEN",
    ),
}
_PORTAL_VARIABLES: Final = tuple(f"AMAZON_AE_PORTAL_{name}" for name in ("EMAIL", "PASSWORD", "TOTP"))
# A person waits for the report: nothing is retried, and no answer is awaited longer than this.
_LONGEST_WAIT: Final = timedelta(seconds=20)
_ONCE: Final = RetryPolicy(delays_seconds=())
_UNREACHABLE: Final = "cannot be reached"
# Amazon refuses what is more than 15 minutes off; one-time codes suffer from much less (a code lives 30 s).
_SKEW_WARNING_SECONDS: Final = 10.0


class Verdict(StrEnum):
    """The result of one check."""

    GOOD = "ok"
    MISSING = "--"  # not there, and not needed by everybody
    BAD = "BAD"


@attrs.frozen
class Finding:
    """One line of the doctor's report; where the verdict is not good, ``text`` states what to do."""

    verdict: Verdict
    name: str
    text: str


async def examine(
    *,
    env: Mapping[str, str],
    database: str | None = None,
    backend: str | None = None,
    probe_order: str | None = None,
    try_sign_in: bool = False,
    as_json: bool = False,
    write: Callable[[str], object],
    progress: Callable[[str], object] = lambda _: None,
    clock: Clock | None = None,
    http: httpx.AsyncClient | None = None,
) -> int:
    """Check everything and write one line per finding.

    Args:
        env: where both credentials are looked for (``from_env``), normally ``os.environ``. Optional there:
            ``AMAZON_AE_MARKETPLACE`` (``AE``, ``EG``, ``SA``) and ``AMAZON_AE_ENDPOINT`` (a sandbox's address).
        database: a SQLite file to open.
        backend: whose credentials are tried: ``"mws"`` or ``"spapi"``; ``None`` for those that ``env`` has, and for
            the Selling Partner API where it has none.
        probe_order: an Easy Ship order whose pickup slots are listed (``spapi`` only); it schedules nothing.
        try_sign_in: also sign in to Seller Central once, with the user of ``env``.
        as_json: write one JSON list instead of lines.
        progress: gets what is being checked, for a line that a person watches.

    Returns:
        0, or 1 if something is bad.
    """
    clock = clock or SystemClock()
    progress("the browser")
    findings = [*check_machine(), await check_browser()]
    if database is not None:
        progress("the database")
        findings.append(await check_database(database))
    if (unknown := _unknown_marketplace(env)) is not None:
        findings.append(unknown)
    else:
        for name in [backend] if backend is not None else _configured(env, probe_order):
            if name == "spapi":
                progress("the Selling Partner API")
                findings += await check_selling_partner(env, clock=clock, http=http, order_id=probe_order)
            else:
                progress("Amazon MWS")
                findings += await check_amazon(env, clock=clock, http=http)
    findings.append(check_portal_user(env))
    if try_sign_in and findings[-1].verdict is Verdict.GOOD:
        progress("the sign-in to Seller Central")
        findings.append(await check_sign_in(env))
    elif try_sign_in:
        findings.append(Finding(Verdict.BAD, "sign-in", f"not tried: {findings[-1].text}"))
    if as_json:
        write(json.dumps([attrs.asdict(finding) for finding in findings], ensure_ascii=False))
    else:
        width = max(len(finding.name) for finding in findings)
        for finding in findings:
            write(f"{finding.verdict:<4} {finding.name:<{width}}  {finding.text}")
    return 1 if any(finding.verdict is Verdict.BAD for finding in findings) else 0


def _configured(env: Mapping[str, str], probe_order: str | None) -> list[str]:
    """The backends whose credentials, or a part of them, are there; today's where there are none."""
    found = [name for name, variables in _VARIABLES.items() if any(env.get(variable) for variable in variables)]
    if probe_order is not None and "spapi" not in found:
        found.append("spapi")
    return found or ["spapi"]


def _marketplace(env: Mapping[str, str]) -> Marketplace | None:
    return _MARKETPLACES.get(env.get("AMAZON_AE_MARKETPLACE") or "AE")


def _unknown_marketplace(env: Mapping[str, str]) -> Finding | None:
    if _marketplace(env) is not None:
        return None
    code = env["AMAZON_AE_MARKETPLACE"]
    text = f"AMAZON_AE_MARKETPLACE is {code!r}: it must be one of {', '.join(_MARKETPLACES)}"
    return Finding(Verdict.BAD, "marketplace", text)


def check_machine() -> list[Finding]:
    """Python, this package, its extras, the time zones."""
    is_new = sys.version_info >= (3, 11)
    findings = [
        Finding(
            Verdict.GOOD if is_new else Verdict.BAD,
            "python",
            platform.python_version() + ("" if is_new else ": 3.11 or newer is needed"),
        ),
        Finding(Verdict.GOOD, "amazon-ae", _version("amazon-ae")),
    ]
    for extra, modules in _EXTRAS.items():
        missing = [name for name in modules if find_spec(name) is None]
        text = f"pip install 'amazon-ae[{extra}]'  (without: {', '.join(missing)})" if missing else "installed"
        findings.append(Finding(Verdict.MISSING if missing else Verdict.GOOD, f"extra {extra}", text))
    findings.append(_time_zone())
    return findings


async def check_browser() -> Finding:
    """Whether a Chromium or Chrome is installed, or Playwright's own was downloaded."""
    from amazon_ae._exceptions import BrowserNotFound
    from amazon_ae._portal.browser_options import find_browser

    try:
        return Finding(Verdict.GOOD, "browser", find_browser())
    except BrowserNotFound:
        pass
    from playwright.async_api import async_playwright

    try:
        async with async_playwright() as playwright:
            return Finding(Verdict.GOOD, "browser", find_browser(bundled=playwright.chromium.executable_path))
    except BrowserNotFound as error:
        return Finding(Verdict.MISSING, "browser", str(error).removeprefix(f"{error.step}: "))


async def check_database(path: str) -> Finding:
    """Whether a SQLite file can be opened and written."""
    from amazon_ae._storage.sqlite.store import SQLiteStorage

    storage = SQLiteStorage(path)
    try:
        # Any write proves it; the document is deleted again.
        await storage.change("doctor", lambda text, now: ("written", None))
        await storage.change("doctor", lambda text, now: (None, None))
    except AmazonAeError as error:
        return Finding(Verdict.BAD, "database", f"{path}: {error}")
    finally:
        await storage.aclose()
    return Finding(Verdict.GOOD, "database", f"{path} is writable")


async def check_amazon(env: Mapping[str, str], *, clock: Clock, http: httpx.AsyncClient | None = None) -> list[Finding]:
    """The credentials, the marketplace and the clocks, by three small requests; nothing without credentials."""
    try:
        credentials = MwsCredentials.from_env(env)
    except ConfigurationError as error:
        return [_no_credentials(env, _VARIABLES["mws"], error)]
    marketplace = _marketplace(env)
    if marketplace is None:
        return [found] if (found := _unknown_marketplace(env)) else []
    if endpoint := env.get("AMAZON_AE_ENDPOINT"):
        marketplace = attrs.evolve(marketplace, mws_endpoint=endpoint)
    owned = httpx.AsyncClient(timeout=_LONGEST_WAIT.total_seconds()) if http is None else None
    http = http or owned
    assert http is not None
    try:
        client = MwsClient(credentials, marketplace, http=http, clock=clock, retries=_ONCE, max_wait=_LONGEST_WAIT)
        findings = [*_switched_off(marketplace.mws_endpoint), await _clock_skew(http, marketplace, clock)]
        if _UNREACHABLE in findings[-1].text:
            return findings  # the other requests would fail the same way
        return [
            *findings,
            await _ask("service", lambda: _service(client)),
            await _ask("account", lambda: _account(client, marketplace)),
            await _ask("quota", lambda: _quota(client)),
        ]
    except ConfigurationError as error:
        return [Finding(Verdict.BAD, "endpoint", f"AMAZON_AE_ENDPOINT: {error}")]
    finally:
        if owned is not None:
            await owned.aclose()


async def check_selling_partner(
    env: Mapping[str, str], *, clock: Clock, http: httpx.AsyncClient | None = None, order_id: str | None = None
) -> list[Finding]:
    """What the Selling Partner API offers this seller; nothing without credentials.

    Args:
        env: ``SpApiCredentials.from_env``, ``AMAZON_AE_MARKETPLACE``, and for a sandbox ``AMAZON_AE_SPAPI_ENDPOINT``,
            which then answers for Login with Amazon too.
        order_id: see ``probe``.
    """
    from amazon_ae._spapi.client import SpApiClient
    from amazon_ae._spapi.probe import probe

    try:
        credentials = SpApiCredentials.from_env(env)
    except ConfigurationError as error:
        return [_no_credentials(env, _VARIABLES["spapi"], error)]
    marketplace = _marketplace(env)
    if marketplace is None:
        return [found] if (found := _unknown_marketplace(env)) else []
    if endpoint := env.get("AMAZON_AE_SPAPI_ENDPOINT"):
        marketplace = attrs.evolve(marketplace, spapi_endpoint=endpoint, lwa_endpoint=endpoint)
    try:
        if order_id is not None:
            check_order_id(order_id)
    except ConfigurationError as error:
        return [Finding(Verdict.BAD, "probe order", str(error))]
    try:
        async with SpApiClient(
            credentials, marketplace, http=http, clock=clock, retries=_ONCE, max_wait=_LONGEST_WAIT
        ) as client:
            return [_finding_of(line) for line in await probe(client, order_id=order_id)]
    except ConfigurationError as error:
        return [Finding(Verdict.BAD, "endpoint", f"AMAZON_AE_SPAPI_ENDPOINT: {error}")]


def _finding_of(line: ProbeLine) -> Finding:
    # A question that was not asked is no fault; an account that Amazon did not answer for is one.
    unknown = Verdict.BAD if line.name == "account" else Verdict.MISSING
    verdicts = {"yes": Verdict.GOOD, "unknown": unknown}
    text = line.fact + "".join(f"; {more}" for more in (line.consequence, line.route) if more)
    return Finding(verdicts.get(line.verdict, Verdict.BAD), line.name, text)


def check_portal_user(env: Mapping[str, str]) -> Finding:
    """Whether Seller Central's user is complete and its authenticator secret readable. Nothing is sent or typed."""
    from amazon_ae._portal.totp import TotpSecret

    if not env.get("AMAZON_AE_PORTAL_EMAIL"):
        if given := [name for name in _PORTAL_VARIABLES if env.get(name)]:
            return Finding(Verdict.BAD, "portal user", f"{given[0]} is set, but AMAZON_AE_PORTAL_EMAIL is not")
        return Finding(Verdict.MISSING, "portal user", "AMAZON_AE_PORTAL_EMAIL is not set")
    try:
        user = PortalCredentials.from_env(env)
        TotpSecret.parse(user.totp, account=user.email)
    except ConfigurationError as error:
        return Finding(Verdict.BAD, "portal user", str(error))
    return Finding(Verdict.GOOD, "portal user", "complete, its authenticator secret can be read; nobody signed in")


async def check_sign_in(env: Mapping[str, str]) -> Finding:
    """Sign in to Seller Central once, without a screen. A challenge needs a person, and says so."""
    from amazon_ae._portal.scraper import SellerPortalScraper

    marketplace = _marketplace(env) or AE
    if origin := env.get("AMAZON_AE_PORTAL"):
        marketplace = attrs.evolve(marketplace, portal_origin=origin)
    try:
        async with SellerPortalScraper(marketplace, PortalCredentials.from_env(env)) as scraper:
            await scraper.login()
    except AmazonAeError as error:
        return Finding(Verdict.BAD, "sign-in", f"{type(error).__name__}: {error}")
    return Finding(Verdict.GOOD, "sign-in", f"signed in to {marketplace.portal_origin}")


def _no_credentials(env: Mapping[str, str], variables: Sequence[str], error: ConfigurationError) -> Finding:
    """Nothing was configured, which is fine for a machine without Amazon; or half of it, which never is."""
    if given := [name for name in variables if env.get(name)]:
        return Finding(Verdict.BAD, "credentials", f"{', '.join(given)} set, but {error}")
    return Finding(Verdict.MISSING, "credentials", f"{error}: Amazon was not asked")


def _switched_off(endpoint: str) -> list[Finding]:
    """An address that Amazon has switched off is named, and asked all the same."""
    host = urlsplit(endpoint).hostname or ""
    if not (host.startswith("mws") and ".amazonservices." in host):
        return []
    text = f"Amazon switched {host} off on 31 March 2024: take the Selling Partner API (--backend spapi)"
    return [Finding(Verdict.MISSING, "endpoint", text)]


async def _ask(name: str, check: Callable[[], Awaitable[Finding]]) -> Finding:
    try:
        return await check()
    except RequestExpired as error:
        return Finding(Verdict.BAD, name, f"set this machine's clock: {error}")
    except AmazonAeError as error:
        return Finding(Verdict.BAD, name, f"{type(error).__name__}: {error}")


async def _service(client: MwsClient) -> Finding:
    status = (await client.sellers.service_status(wait=False)).status
    return Finding(Verdict.GOOD if status in ("GREEN", "GREEN_I") else Verdict.BAD, "service", status)


async def _account(client: MwsClient, marketplace: Marketplace) -> Finding:
    found = await client.sellers.participations(wait=False)
    ids = [row.marketplace_id for row in found.participations]
    if marketplace.marketplace_id not in ids:
        text = f"the seller does not sell in {marketplace.code}, but in: {', '.join(ids)}"
        return Finding(Verdict.BAD, "account", text)
    return Finding(Verdict.GOOD, "account", f"sells in {marketplace.code}")


async def _quota(client: MwsClient) -> Finding:
    """What Amazon's own headers say of the hourly quota of feed status requests; asking costs one of them."""
    seen = None
    async for page in client.feeds.list(max_count=1, wait=False).pages():
        seen = page.meta.quota
        break
    if seen is None:
        return Finding(Verdict.MISSING, "quota", "Amazon's answer says nothing of the hourly quota")
    return Finding(Verdict.GOOD, "quota", f"{seen.remaining:g} of {seen.maximum:g} status requests left this hour")


async def _clock_skew(http: httpx.AsyncClient, marketplace: Marketplace, clock: Clock) -> Finding:
    """Compare this machine's clock with the ``Date`` header of an unsigned request (developer guide, "Timestamps")."""
    from email.utils import parsedate_to_datetime

    try:
        answer = await http.get(f"{marketplace.mws_endpoint}/")
        theirs: datetime = parsedate_to_datetime(answer.headers["Date"])
    except (httpx.HTTPError, KeyError, ValueError) as error:
        return Finding(Verdict.BAD, "clock", f"{marketplace.mws_endpoint} {_UNREACHABLE}: {type(error).__name__}")
    # The header has whole seconds.
    skew = (clock.now() - theirs).total_seconds() - 0.5
    text = f"{abs(skew):.0f} s {'ahead of' if skew > 0 else 'behind'} Amazon's"
    if abs(skew) > _SKEW_WARNING_SECONDS:
        return Finding(Verdict.BAD, "clock", f"{text}: set this machine's clock")
    return Finding(Verdict.GOOD, "clock", text)


def _time_zone() -> Finding:
    try:
        return Finding(Verdict.GOOD, "time zone", AE.zone.key)
    except ConfigurationError as error:
        return Finding(Verdict.BAD, "time zone", str(error))


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed as a package"
