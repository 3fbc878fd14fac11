"""The command line: what each command loads, says and returns."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from datetime import timedelta
from importlib.metadata import version
from pathlib import Path

import attrs
import httpx
import pytest

from amazon_ae import _cli as cli
from amazon_ae._doctor import (
    Verdict,
    check_amazon,
    check_database,
    check_machine,
    check_portal_user,
    check_selling_partner,
    examine,
)
from amazon_ae._progress import bar, spinner
from amazon_ae.testing import FAKE_CREDENTIALS, FakeMws, FakeSpApi, MwsFault, VirtualClock

ENV = {
    "AMAZON_AE_SELLER_ID": FAKE_CREDENTIALS.seller_id,
    "AMAZON_AE_ACCESS_KEY_ID": FAKE_CREDENTIALS.access_key_id,
    "AMAZON_AE_SECRET_KEY": FAKE_CREDENTIALS.secret_key,
    "AMAZON_AE_AUTH_TOKEN": FAKE_CREDENTIALS.auth_token or "",
}


SPAPI = ("SELLER_ID", "CLIENT_ID", "CLIENT_SECRET", "REFRESH_TOKEN", "ROTATE_BY", "ENDPOINT")
PORTAL = {
    "AMAZON_AE_PORTAL_EMAIL": "packer@example.ae",
    "AMAZON_AE_PORTAL_PASSWORD": "open sesame",
    "AMAZON_AE_PORTAL_TOTP": "JBSW Y3DP EHPK 3PXP",
}


def test_help_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    """And exits with 0."""
    with pytest.raises(SystemExit) as ended:
        cli.main(["--help"])
    assert ended.value.code == 0
    text = capsys.readouterr().out
    for command in ("sandbox", "demo", "simulate", "doctor"):
        assert command in text


def test_no_command_and_an_unknown_one_are_errors(capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 2, as argparse has it."""
    for words in ([], ["fly"]):
        with pytest.raises(SystemExit) as ended:
            cli.main(words)
        assert ended.value.code == 2
    assert "fly" in capsys.readouterr().err


def test_help_loads_no_heavy_module() -> None:
    """Neither a web server nor a browser driver, a database driver or httpx."""
    heavy = ["uvicorn", "starlette", "jinja2", "playwright", "sqlite3", "psycopg"]
    code = (
        "import sys; from amazon_ae import _cli as cli\n"
        "try: cli.main(['--help'])\nexcept SystemExit: pass\n"
        f"print([name for name in {heavy!r} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize("module", ["starlette", "uvicorn", "jinja2"])
def test_a_missing_extra_is_named(
    module: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The sandbox needs each of them; without one the message has the command that gets it."""
    monkeypatch.setitem(sys.modules, module, None)
    assert cli.main(["sandbox"]) == 2
    assert capsys.readouterr().err == f"amazon-ae: {module} missing: pip install 'amazon-ae[sandbox]'\n"


def test_simulate_hands_its_options_on(capsys: pytest.CaptureFixture[str]) -> None:
    """The simulation reads them itself; a wrong one is its error."""
    words = ["simulate", "--packs-per-hour", "8", "--changes-per-hour", "60", "--skus", "50", "--hours", "1"]
    assert cli.main(words) == 0
    assert "pickups" in capsys.readouterr().out
    with pytest.raises(SystemExit) as ended:
        cli.main(["simulate", "--packs-per-hour", "many"])
    assert ended.value.code == 2


@pytest.mark.parametrize(
    "words",
    [
        ["sandbox", "--port", "70000"],
        ["sandbox", "--portal-port", "-1"],
        ["sandbox", "--port", "http"],
        ["sandbox", "--speed", "0"],
        ["sandbox", "--speed", "fast"],
        ["sandbox", "--speed", "nan"],
        ["sandbox", "--orders", "-3"],
        ["sandbox", "--skus", "many"],
    ],
)
def test_an_option_out_of_range_is_named(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 2 and a line about the option, before anything listens."""
    with pytest.raises(SystemExit) as ended:
        cli.main(words)
    assert ended.value.code == 2
    said = capsys.readouterr().err
    assert f"argument {words[1]}: " in said
    assert f"{words[2]!r} is no " in said


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--hours", "nan"], "--hours"),
        (["--stock-every", "0"], "stock_every"),
        (["--plot", "nowhere/trade.png"], "nowhere"),
        (["--plot", "trade.xyz"], ".png or .svg"),
    ],
)
def test_the_simulation_refuses_at_once(words: list[str], told: str, capsys: pytest.CaptureFixture[str]) -> None:
    """What it cannot draw or run is said before the trade is computed."""
    assert cli.main(["simulate", *words]) == 2
    said = capsys.readouterr()
    assert told in said.err
    assert said.out == ""


@pytest.mark.parametrize(
    ("words", "work"),
    [
        (["simulate"], "amazon_ae.testing._simulation.command.simulate"),
        (["sandbox"], "amazon_ae.testing._sandbox_command.run"),
        (["doctor"], "amazon_ae._doctor.examine"),
        (["demo"], "subprocess.run"),
    ],
)
def test_ctrl_c_ends_a_command_without_a_traceback(
    words: list[str], work: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exit code 130, as shells have it; also before the sandbox listens for signals."""

    def interrupted(*_: object, **__: object) -> int:
        raise KeyboardInterrupt

    (tmp_path / "examples").mkdir()
    (tmp_path / "examples" / "demo.py").touch()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(work, interrupted)
    assert cli.main(words) == 130


def test_the_version_is_the_packages(capsys: pytest.CaptureFixture[str]) -> None:
    """What an issue should name."""
    with pytest.raises(SystemExit) as ended:
        cli.main(["--version"])
    assert ended.value.code == 0
    assert capsys.readouterr().out == f"amazon-ae {version('amazon-ae')}\n"


def test_demo_runs_the_example_of_a_checkout(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """With its options and its exit code; elsewhere it says where the demonstration is."""
    monkeypatch.chdir(tmp_path)
    assert cli.main(["demo"]) == 2
    assert "python3 -m nox -s demo" in capfd.readouterr().err
    (tmp_path / "examples").mkdir()
    (tmp_path / "examples" / "demo.py").write_text("import sys\nprint(sys.argv[1:])\nsys.exit(3)\n")
    assert cli.main(["demo", "--speed", "5"]) == 3
    assert capfd.readouterr().out.strip() == "['--speed', '5']"


async def test_the_doctor_says_line_by_line_what_it_found(tmp_path: Path) -> None:
    """Machine, database and, without credentials, that Amazon was not asked."""
    lines: list[str] = []
    code = await examine(env={}, database=str(tmp_path / "a.db"), write=lines.append)
    assert code == 0
    text = "\n".join(lines)
    for name in ("python", "amazon-ae", "extra sandbox", "browser", "time zone", "database", "credentials"):
        assert name in text
    assert "AMAZON_AE_SPAPI_SELLER_ID is not set" in text


async def test_a_database_that_cannot_be_written_is_bad(tmp_path: Path) -> None:
    """The folder does not exist."""
    finding = await check_database(str(tmp_path / "missing" / "a.db"))
    assert finding.verdict is Verdict.BAD
    assert (await check_database(str(tmp_path / "a.db"))).verdict is Verdict.GOOD


def test_the_machine_has_what_these_tests_run_on() -> None:
    """Python is new enough, and nothing is bad."""
    findings = {finding.name: finding for finding in check_machine()}
    assert findings["python"].verdict is Verdict.GOOD
    assert Verdict.BAD not in [finding.verdict for finding in findings.values()]


async def verdicts(fake: FakeMws, clock: VirtualClock, env: dict[str, str]) -> dict[str, tuple[Verdict, str]]:
    async with httpx.AsyncClient(transport=fake) as http:
        findings = await check_amazon(env, clock=clock, http=http)
    return {finding.name: (finding.verdict, finding.text) for finding in findings}


async def test_good_credentials_are_good() -> None:
    """Clock, service, account and quota, by four requests; an address that Amazon has switched off is named."""
    clock = VirtualClock()
    fake = FakeMws(clock=clock)
    found = await verdicts(fake, clock, ENV)
    assert {name: verdict for name, (verdict, _) in found.items()} == {
        "endpoint": Verdict.MISSING,
        **dict.fromkeys(("clock", "service", "account", "quota"), Verdict.GOOD),
    }
    assert "31 March 2024" in found["endpoint"][1]
    assert found["quota"][1] == "79 of 80 status requests left this hour"
    asked = ["GetServiceStatus", "ListMarketplaceParticipations", "GetFeedSubmissionList"]
    assert [seen.action for seen in fake.requests] == asked


async def test_half_a_configuration_is_bad() -> None:
    """A seller id without keys, a one-time secret without an e-mail, an address that is none."""
    clock = VirtualClock()
    fake = FakeMws(clock=clock)
    half = await verdicts(fake, clock, {"AMAZON_AE_SELLER_ID": "A1SELLER"})
    assert half["credentials"][0] is Verdict.BAD
    assert "AMAZON_AE_SELLER_ID set, but AMAZON_AE_ACCESS_KEY_ID is not set" in half["credentials"][1]
    assert (await verdicts(fake, clock, {}))["credentials"][0] is Verdict.MISSING
    for endpoint in ("mws.example", "ftp://mws.example", "https://", "http://[", "http://example.com:99999"):
        assert (await verdicts(fake, clock, {**ENV, "AMAZON_AE_ENDPOINT": endpoint}))["endpoint"][0] is Verdict.BAD
    lonely = check_portal_user({"AMAZON_AE_PORTAL_TOTP": "JBSW Y3DP EHPK 3PXP"})
    assert (lonely.verdict, "AMAZON_AE_PORTAL_EMAIL is not" in lonely.text) == (Verdict.BAD, True)


async def test_the_doctor_speaks_json(tmp_path: Path) -> None:
    """The same findings, for programs."""
    lines: list[str] = []
    assert await examine(env={}, as_json=True, write=lines.append) == 0
    (text,) = lines
    assert {"verdict": "ok", "name": "amazon-ae", "text": version("amazon-ae")} in json.loads(text)


def test_a_reader_that_left_is_no_error() -> None:
    """``amazon-ae simulate | head -1``: no traceback, and the exit code that shells give."""
    command = f"{sys.executable} -m amazon_ae simulate --hours 1 --changes-per-hour 60 | head -1"
    done = subprocess.run(command, shell=True, capture_output=True, text=True, check=False)
    assert done.stderr == ""


async def test_a_wrong_secret_and_a_wrong_clock_are_told_apart() -> None:
    """The secret is never repeated; the clock's error says by how much it is wrong."""
    clock = VirtualClock()
    wrong = await verdicts(FakeMws(clock=clock), clock, {**ENV, "AMAZON_AE_SECRET_KEY": "my-wrong-secret"})
    assert wrong["clock"][0] is Verdict.GOOD
    assert wrong["account"][0] is Verdict.BAD
    assert "SignatureMismatch" in wrong["account"][1]
    assert "my-wrong-secret" not in str(wrong)
    skewed = await verdicts(FakeMws(clock=clock, skew_seconds=timedelta(hours=1).total_seconds()), clock, ENV)
    assert skewed["clock"] == (Verdict.BAD, "3600 s behind Amazon's: set this machine's clock")
    assert "set this machine's clock" in skewed["account"][1]


async def test_an_ill_service_and_an_unreachable_one_are_bad() -> None:
    """An internal error, and an endpoint where nobody answers."""
    clock = VirtualClock()
    fake = FakeMws(clock=clock)
    fake.fail("GetServiceStatus", MwsFault.INTERNAL_ERROR, times=10)
    found = await verdicts(fake, clock, ENV)
    assert found["service"][0] is Verdict.BAD
    assert found["account"][0] is Verdict.GOOD
    found = await verdicts(fake, clock, {**ENV, "AMAZON_AE_ENDPOINT": "https://mws.nowhere.example"})
    assert found["clock"] == (Verdict.BAD, "https://mws.nowhere.example cannot be reached: ConnectError")


async def test_a_seller_without_this_marketplace_is_bad() -> None:
    """The account is good but sells elsewhere; an unknown marketplace is named."""
    clock = VirtualClock()
    fake = FakeMws(clock=clock)
    fake.marketplace = attrs.evolve(fake.marketplace, marketplace_id="ATVPDKIKX0DER")
    found = await verdicts(fake, clock, ENV)
    assert found["account"][0] is Verdict.BAD
    assert "ATVPDKIKX0DER" in found["account"][1]
    assert (await verdicts(fake, clock, {**ENV, "AMAZON_AE_MARKETPLACE": "XX"}))["marketplace"][0] is Verdict.BAD


async def test_the_page_on_the_doctor_names_what_it_says_and_reads(tmp_path: Path) -> None:
    """Every finding and every variable of the how-to is real, and none is left out."""
    page = (Path(__file__).parents[2] / "docs" / "how-to" / "check-your-machine.md").read_text(encoding="utf-8")
    lines: list[str] = []
    await examine(env={}, database=str(tmp_path / "a.db"), write=lines.append)
    shown = page.split("--database warehouse.sqlite\n")[1].split("```")[0].splitlines()
    width = len("extra postgres")
    assert [line[5 : 5 + width].strip() for line in shown] == [line[5 : 5 + width].strip() for line in lines]
    named = set(re.findall(r"AMAZON_AE_[A-Z_]+", page))
    spapi = {f"AMAZON_AE_SPAPI_{name}" for name in SPAPI}
    assert named == {*ENV, *PORTAL, *spapi, "AMAZON_AE_MARKETPLACE", "AMAZON_AE_ENDPOINT"}


def test_the_portals_user_is_read_and_never_shown() -> None:
    """Nothing set is no fault; a missing password, or a secret that is none, is one."""
    assert check_portal_user({}).verdict is Verdict.MISSING
    assert check_portal_user(PORTAL).verdict is Verdict.GOOD
    incomplete = check_portal_user({**PORTAL, "AMAZON_AE_PORTAL_PASSWORD": ""})
    assert (incomplete.verdict, incomplete.text) == (Verdict.BAD, "AMAZON_AE_PORTAL_PASSWORD is not set")
    unreadable = check_portal_user({**PORTAL, "AMAZON_AE_PORTAL_TOTP": "not-a-secret-1890"})
    assert unreadable.verdict is Verdict.BAD
    assert "Base32" in unreadable.text
    for finding in (check_portal_user(PORTAL), incomplete, unreadable):
        assert not any(secret in str(finding) for secret in (*PORTAL.values(), "not-a-secret-1890"))


async def ask_selling_partner(fake: FakeSpApi, env: dict[str, str]) -> dict[str, tuple[Verdict, str]]:
    async with httpx.AsyncClient(transport=fake) as http:
        findings = await check_selling_partner(env, clock=fake.clock, http=http)
    return {finding.name: (finding.verdict, finding.text) for finding in findings}


def selling_partner(fake: FakeSpApi) -> dict[str, str]:
    names = ("seller_id", "client_id", "client_secret", "refresh_token")
    return {f"AMAZON_AE_SPAPI_{name.upper()}": getattr(fake.credentials, name) for name in names}


async def test_the_doctor_says_what_the_selling_partner_api_offers() -> None:
    """Each line a fact; a missing role is bad, an unasked question is not."""
    fake = FakeSpApi(clock=VirtualClock())
    fake.add_sku("SKU-1")
    found = await ask_selling_partner(fake, selling_partner(fake))
    assert found["account"][0] is Verdict.GOOD
    assert found["pickup slots"][0] is Verdict.MISSING
    fake.roles.discard("Product Listing")
    found = await ask_selling_partner(fake, selling_partner(fake))
    assert found["stock"][0] is Verdict.BAD
    assert "add the role" in found["stock"][1]


async def test_the_doctor_refuses_an_order_id_that_is_none() -> None:
    """Before it asks Amazon anything."""
    fake = FakeSpApi(clock=VirtualClock())
    async with httpx.AsyncClient(transport=fake) as http:
        (finding,) = await check_selling_partner(selling_partner(fake), clock=fake.clock, http=http, order_id="123")
    assert (finding.verdict, finding.name) == (Verdict.BAD, "probe order")
    assert "3-7-7" in finding.text
    assert not fake.requests


async def test_the_doctor_asks_nobody_without_selling_partner_credentials() -> None:
    """It names what is missing."""
    fake = FakeSpApi(clock=VirtualClock())
    found = await ask_selling_partner(fake, {})
    assert "AMAZON_AE_SPAPI_SELLER_ID is not set" in found["credentials"][1]
    found = await ask_selling_partner(fake, selling_partner(fake) | {"AMAZON_AE_MARKETPLACE": "US"})
    assert found["marketplace"][0] is Verdict.BAD
    endpoint = {"AMAZON_AE_SPAPI_ENDPOINT": "http://example.com"}
    found = await ask_selling_partner(fake, selling_partner(fake) | endpoint)
    assert "https" in found["endpoint"][1]
    assert not fake.requests


async def report(env: dict[str, str], *, code: int, backend: str | None = None) -> dict[str, tuple[str, str]]:
    """What the doctor says of an environment whose credentials are not complete: it asks nobody."""
    lines: list[str] = []
    assert await examine(env=env, backend=backend, as_json=True, write=lines.append) == code
    return {finding["name"]: (finding["verdict"], finding["text"]) for finding in json.loads(lines[0])}


async def test_the_doctor_looks_at_the_backends_that_are_configured() -> None:
    """Half a configuration of either is bad without naming it; where there is none, today's backend is meant."""
    assert "AMAZON_AE_SPAPI_SELLER_ID is not set" in (await report({}, code=0))["credentials"][1]
    assert "AMAZON_AE_SELLER_ID is not set" in (await report({}, code=0, backend="mws"))["credentials"][1]
    for name in ("AMAZON_AE_SPAPI_SELLER_ID", "AMAZON_AE_SPAPI_REFRESH_TOKEN", "AMAZON_AE_AUTH_TOKEN"):
        verdict, text = (await report({name: "x"}, code=1))["credentials"]
        assert verdict == "BAD"
        assert text.startswith(f"{name} set, but ")


async def test_an_unknown_marketplace_is_bad_without_credentials_too() -> None:
    """It is named, with those that exist; an empty one is the default."""
    verdict, text = (await report({"AMAZON_AE_MARKETPLACE": "DE"}, code=1))["marketplace"]
    assert (verdict, text) == ("BAD", "AMAZON_AE_MARKETPLACE is 'DE': it must be one of AE, EG, SA")
    assert "marketplace" not in await report({"AMAZON_AE_MARKETPLACE": ""}, code=0)


@pytest.mark.parametrize("backend", ["mws", "spapi"])
async def test_an_amazon_that_cannot_be_reached_is_bad_and_asked_once(backend: str) -> None:
    """Nobody waits for retries that end the same, and one line says it all."""
    clock, asked = VirtualClock(), []

    def refuse(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.path)
        raise httpx.ConnectError("refused")

    env = ENV if backend == "mws" else selling_partner(FakeSpApi(clock=clock))
    lines: list[str] = []
    began = clock.now()
    async with httpx.AsyncClient(transport=httpx.MockTransport(refuse)) as http:
        assert await examine(env=env, as_json=True, write=lines.append, clock=clock, http=http) == 1
    bad = [finding["name"] for finding in json.loads(lines[0]) if finding["verdict"] == "BAD"]
    assert bad == ["clock" if backend == "mws" else "account"]
    assert len(asked) == 1
    assert clock.now() == began


async def test_no_sign_in_is_tried_with_half_a_user() -> None:
    """The portal's line says what is missing, and the sign-in's that it was not tried."""
    lines: list[str] = []
    env = {"AMAZON_AE_PORTAL_EMAIL": "packer@example.ae"}
    assert await examine(env=env, try_sign_in=True, as_json=True, write=lines.append) == 1
    last = json.loads(lines[0])[-1]
    assert (last["name"], last["verdict"]) == ("sign-in", "BAD")
    assert last["text"] == "not tried: AMAZON_AE_PORTAL_PASSWORD is not set"


def test_a_probe_of_an_order_is_the_selling_partner_apis(capsys: pytest.CaptureFixture[str]) -> None:
    """With the other backend it would be dropped without a word."""
    assert cli.main(["doctor", "--backend", "mws", "--probe-order", "171-0000000-0000001"]) == 2
    assert "leave out --backend mws" in capsys.readouterr().err


def test_progress_is_for_a_terminal_only(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """A pipe gets nothing; a terminal gets a spinner and a bar, or lines where ``rich`` is missing."""
    with spinner("asking") as show, bar(3, "seeds") as progress:
        show("waiting")
        assert progress is None
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    with spinner("asking") as show:
        show("waiting")
    with bar(3, "seeds") as progress:
        assert progress is not None
        progress(3)
    capsys.readouterr()
    monkeypatch.setitem(sys.modules, "rich.console", None)
    with spinner("asking") as show, bar(3, "seeds") as progress:
        show("waiting")
        assert progress is None
    assert capsys.readouterr().err == "asking ...\nwaiting ...\n"
