"""Finding a browser, and saying how to get one."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from amazon_ae._exceptions import BrowserNotFound, ConfigurationError
from amazon_ae._models.marketplaces import AE, PortalCredentials
from amazon_ae._portal.browser_options import BrowserOptions, find_browser, why_not, without_passwords
from amazon_ae._portal.scraper import SellerPortalScraper
from amazon_ae._portal.snapshot import origin_of


def test_an_installed_browser_is_found_on_the_search_path() -> None:
    """Chromium before Chrome before Edge."""
    installed = {"google-chrome": "/usr/bin/google-chrome", "chromium": "/usr/bin/chromium"}
    assert find_browser(which=installed.get, exists=lambda path: False) == "/usr/bin/chromium"
    del installed["chromium"]
    assert find_browser(which=installed.get, exists=lambda path: False) == "/usr/bin/google-chrome"


def test_the_usual_places_are_looked_at() -> None:
    """macOS and Windows keep browsers off the search path."""
    mac = "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome"
    assert find_browser(which=lambda name: None, exists=mac.__eq__, platform="darwin") == mac
    windows = r"C:\Program Files\Google\Chrome\Application\chrome.exe"
    assert find_browser(which=lambda name: None, exists=windows.__eq__, platform="win32") == windows


def test_playwrights_own_is_the_last_resort() -> None:
    """Where it was downloaded."""
    assert find_browser(which=lambda name: None, exists="/pw/chrome".__eq__, platform="linux", bundled="/pw/chrome")


def test_no_browser_names_the_commands_that_get_one() -> None:
    """For Playwright's own, Debian's and macOS's, and the options to name one."""
    with pytest.raises(BrowserNotFound) as caught:
        find_browser(which=lambda name: None, exists=lambda path: False, platform="linux", bundled="/pw/chrome")
    for words in ("playwright install chromium", "apt install chromium", "executable_path", "channel", "cdp_url"):
        assert words in str(caught.value)


def test_only_one_browser_can_be_chosen() -> None:
    """Two answers to one question are a mistake."""
    with pytest.raises(ConfigurationError, match="executable_path, channel"):
        BrowserOptions(executable_path="/x", channel="chrome")


def test_a_scraper_that_is_put_together_wrongly_says_so_at_once() -> None:
    """``MwsClient`` takes credentials first, the scraper the marketplace; and a folder is no store of sessions."""
    credentials = PortalCredentials(email="a@example.ae", password="hidden", totp="JBSWY3DPEHPK3PXP")
    swapped: Any = (credentials, AE)
    with pytest.raises(ConfigurationError, match="a Marketplace first, then PortalCredentials"):
        SellerPortalScraper(*swapped)
    folder: Any = "sessions"
    with pytest.raises(ConfigurationError, match=r"FileSessionStore\(folder\)"):
        SellerPortalScraper(AE, credentials, sessions=folder)


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("https://Seller.Example/home?x=1", "https://seller.example"),
        ("https://seller.example:443/", "https://seller.example"),
        ("http://127.0.0.1:8000/a", "http://127.0.0.1:8000"),
        ("https://seller.example.evil.example/", "https://seller.example.evil.example"),
        ("https://seller.example@evil.example/", "https://evil.example"),
    ],
)
def test_an_origin_is_scheme_host_and_port(url: str, origin: str) -> None:
    """Neither a longer host nor a user name passes for the portal."""
    assert origin_of(url) == origin


def test_importing_the_scraper_loads_neither_playwright_nor_pypdf() -> None:
    """They are loaded when a browser starts."""
    code = (
        "import sys, amazon_ae._portal.scraper as s; "
        "print([m for m in ('playwright', 'pypdf', 'sqlite3') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("--proxy-server=http://me:s3cret@proxy:3128", "--proxy-server=http://***@proxy:3128"),
        ("--proxy-server=http=me:s3cret@a:1;https=me:s3cret@b:2", "--proxy-server=http=***@a:1;https=***@b:2"),
        ("wss://me@h.example/chrome?token=s3cret&x=1", "wss://***@h.example/chrome?***"),
        ("http://127.0.0.1:9222/?token=s3cret: refused", "http://127.0.0.1:9222/?***"),
        ("--lang=de", "--lang=de"),
        ("http://127.0.0.1:9222", "http://127.0.0.1:9222"),
    ],
)
def test_passwords_in_addresses_are_not_shown(text: str, shown: str) -> None:
    """Of a proxy or a rented browser: neither in a message nor in the options' repr."""
    assert without_passwords(text).startswith(shown)
    assert "s3cret" not in repr(BrowserOptions(args=(text,))) + repr(BrowserOptions(cdp_url=text))


def test_a_sandbox_that_does_not_work_is_named() -> None:
    """As an ordinary user in a container; Playwright's first line does not say it."""
    text = "BrowserType.launch: Target page, context or browser has been closed\nBrowser logs:\n[1] No usable sandbox!"
    assert "--no-sandbox" in why_not(BrowserOptions(executable_path="/usr/bin/chromium"), True, text)
