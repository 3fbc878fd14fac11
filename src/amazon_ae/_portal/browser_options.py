"""Which browser: the host's choice, or one that is found; and why there is none."""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Final

import attrs

from amazon_ae._exceptions import BrowserNotFound, ConfigurationError

if TYPE_CHECKING:
    from playwright.async_api import BrowserContext

__all__ = ["BrowserOptions", "find_browser", "why_not", "without_passwords"]

_NAMES: Final = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome", "msedge")
_PLACES: Final = {
    "darwin": (
        "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
        "/Applications/Chromium.app/Contents/MacOS/Chromium",
        "/Applications/Microsoft Edge.app/Contents/MacOS/Microsoft Edge",
    ),
    "win32": (
        r"C:\Program Files\Google\Chrome\Application\chrome.exe",
        r"C:\Program Files (x86)\Google\Chrome\Application\chrome.exe",
        r"C:\Program Files (x86)\Microsoft\Edge\Application\msedge.exe",
    ),
}
_HOW_TO_GET_ONE: Final = (
    "no Chromium or Chrome was found. Get one with 'playwright install chromium', 'apt install chromium' (Debian), "
    "'brew install --cask chromium' (macOS) or from google.com/chrome; or name yours: "
    "BrowserOptions(executable_path=...), channel='chrome', cdp_url='http://127.0.0.1:9222' or context=..."
)
_USER_INFO: Final = re.compile(r"(?<=//)[^/\s\"'@]*@|(?<=[=;,])[^/\s\"'@:;,=]+:[^/\s\"'@]*@")
_QUERY: Final = re.compile(r"(?<=[\w/])\?[^\s\"')]+")


def _switches(args: Iterable[str]) -> tuple[str, ...]:
    return tuple(args)


@attrs.frozen(kw_only=True)
class BrowserOptions:
    """Which browser. At most one of the first four; with none of them an installed one is looked for.

    Attributes:
        executable_path: a Chromium or Chrome binary.
        channel: a channel Playwright knows, e.g. ``"chrome"`` or ``"msedge"``.
        cdp_url: a running browser's debugging address, e.g. ``"http://127.0.0.1:9222"``; it is left running. Its own
            profile is used, with the session that is signed in there; as with ``context``, only the marketplace's
            cookies are read, saved and replaced.
        context: a Playwright ``BrowserContext`` of the host; it is left open, and only its pages of ours are closed. Of
            its cookies only those of the marketplace (and of ``sign_in_origins``) are read, saved and replaced.
        args: further command-line switches.
        locale: the language that the browser asks for; no page is recognised by its words, so any works.
    """

    executable_path: str | None = None
    channel: str | None = None
    cdp_url: str | None = attrs.field(default=None, repr=lambda url: repr(url and without_passwords(url)))
    context: BrowserContext | None = attrs.field(default=None, repr=False)
    args: tuple[str, ...] = attrs.field(
        default=(), converter=_switches, repr=lambda args: repr(tuple(without_passwords(item) for item in args))
    )
    locale: str = "en-AE"

    def __attrs_post_init__(self) -> None:
        given = [
            name for name in ("executable_path", "channel", "cdp_url", "context") if getattr(self, name) is not None
        ]
        if len(given) > 1:
            raise ConfigurationError(f"BrowserOptions: give one of {', '.join(given)}, not several")


def find_browser(
    *,
    which: Callable[[str], str | None] = shutil.which,
    exists: Callable[[str], bool] = os.path.exists,
    platform: str = sys.platform,
    bundled: str | None = None,
) -> str:
    """The path of an installed browser: on the search path, in the platform's usual folder, or Playwright's own.

    Args:
        bundled: the path of Playwright's own.

    Raises:
        BrowserNotFound: there is none; the message names the commands that get one.
    """
    for name in _NAMES:
        if path := which(name):
            return path
    places: tuple[str | None, ...] = (*_PLACES.get(platform, ()), bundled)
    for place in places:
        if place and exists(place):
            return place
    raise BrowserNotFound(_HOW_TO_GET_ONE, step="browser")


def without_passwords(text: str) -> str:
    """A text without the user and password of an address, and without its query."""
    return _QUERY.sub("?***", _USER_INFO.sub("***@", text))


def why_not(options: BrowserOptions, headless: bool, text: str) -> str:
    """The reason why there is no browser, in terms of the options."""
    reason = without_passwords(text.partition("\n")[0])
    if options.cdp_url is not None:
        return (
            f"no browser answers at cdp_url={without_passwords(options.cdp_url)!r}: start it with "
            f"--remote-debugging-port, and check the address ({reason})"
        )
    if not headless and ("XServer" in text or "headed browser" in text or "DISPLAY" in text):
        return (
            "a window was asked for (headed=True) and this machine has no display: run the program under 'xvfb-run' "
            "with a remote view, or sign in on another machine and use import_session()"
        )
    if "No usable sandbox" in text or "zygote" in text:
        return (
            "Chromium's sandbox does not work here (a container without user namespaces?): allow them, e.g. with "
            "docker run --security-opt seccomp=..., or pass BrowserOptions(args=['--no-sandbox'])"
        )
    if options.executable_path is not None:
        path = options.executable_path
        state = "is no browser, or does not start" if os.path.exists(path) else "does not exist"
        return f"executable_path={path!r} {state} ({reason}). {_HOW_TO_GET_ONE}"
    return f"the browser does not start: {reason}. {_HOW_TO_GET_ONE}"
