"""The cookies of a context: all of them where the library opened it, the marketplace's only where the host did.

They are as good as a password, so they are `Hidden` in whatever frame an error passes through.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import attrs

from amazon_ae._exceptions import BrowserLost, ConfigurationError, PortalError
from amazon_ae._models.hidden import Hidden, sealed
from amazon_ae._portal.playwright_calls import run_step

if TYPE_CHECKING:
    from playwright.async_api import BrowserContext

__all__ = ["SessionCookies", "SessionState", "belongs", "read_session"]

_log = logging.getLogger(__name__)
_SECONDS: Final = 10.0

SessionState = Hidden[dict[str, Any]]
"""A session: cookies and local storage, in the shape of Playwright's ``storage_state``."""


@attrs.frozen
class SessionCookies:
    """The cookies that are the session.

    Attributes:
        hosts: the hosts whose cookies are the session; ``None``: every cookie, in a context of the library's own. In
            a host's context other cookies are neither saved nor changed.
    """

    context: BrowserContext = attrs.field(repr=False)
    hosts: frozenset[str] | None = None

    async def state(self, timeout_seconds: float = _SECONDS) -> SessionState:
        """The session."""
        if self.hosts is None:
            # A plain dict to everybody but the type checker.
            whole: Any = await run_step(self.context.storage_state(), "session", timeout_seconds)
            return Hidden(dict(whole))
        cookies: Any = await run_step(self.context.cookies(), "session", timeout_seconds)
        return Hidden({"cookies": self._ours(cookies), "origins": []})

    async def replace(self, state: SessionState) -> None:
        """Replace this session by another one."""
        if self.hosts is None:
            await run_step(self.context.clear_cookies(), "session", _SECONDS)
        else:
            for domain in await self._domains():
                await run_step(self.context.clear_cookies(domain=domain), "session", _SECONDS)
        await self.add(state)

    async def add(self, state: SessionState, *, fits: Callable[[Any], bool] = lambda cookie: True) -> None:
        """Add the cookies that ``fits``. One that the browser does not take is left out: at worst a sign-in is due."""
        ours = [Hidden(cookie) for cookie in self._ours(state.value["cookies"]) if fits(cookie)]
        if not await self._takes(ours):
            refused = [cookie for cookie in ours if not await self._takes([cookie])]
            _log.warning("portal: the browser did not take %d of the session's %d cookies", len(refused), len(ours))

    async def _takes(self, cookies: Sequence[Hidden[Any]]) -> bool:
        """Add all of them or none."""
        try:
            adding = self.context.add_cookies([cookie.value for cookie in cookies])
            await run_step(adding, "session", _SECONDS)
        except BrowserLost:
            raise
        except (PortalError, TypeError, KeyError, AttributeError):  # a damaged file may hold any shape
            return False
        return True

    async def _domains(self) -> set[str]:
        cookies: Any = await run_step(self.context.cookies(), "session", _SECONDS)
        return {cookie["domain"] for cookie in self._ours(cookies)}

    def _ours(self, cookies: Sequence[Any]) -> list[Any]:
        found = [cookie for cookie in cookies if isinstance(cookie, dict)]
        if self.hosts is None:
            return found
        return [cookie for cookie in found if any(belongs(host, cookie.get("domain")) for host in self.hosts)]


@sealed
async def read_session(source: Mapping[str, Any] | str | Path, host: str) -> SessionState:
    """A session that a person made in another browser: what ``storage_state()`` gave, or the file it wrote.

    Raises:
        ConfigurationError: it is no such session, or holds no cookie of ``host``.
    """
    values: Any = source
    if isinstance(source, str | Path):
        try:
            values = json.loads(await asyncio.to_thread(lambda: Path(source).expanduser().read_bytes()))
        except (OSError, ValueError, RecursionError) as error:
            raise ConfigurationError(f"the session file cannot be read: {type(error).__name__}") from None
    cookies = values.get("cookies") if isinstance(values, Mapping) else None
    if not isinstance(cookies, list):
        raise ConfigurationError(
            "this is no session: pass what BrowserContext.storage_state() gave, or its file's path"
        )
    if not any(isinstance(cookie, dict) and belongs(host, cookie.get("domain")) for cookie in cookies):
        raise ConfigurationError(f"the session holds no cookie of {host}: sign in there, then export it again")
    return Hidden(dict(values))


def belongs(host: str, domain: object) -> bool:
    """Whether a cookie of ``domain`` is sent to ``host``."""
    if not isinstance(domain, str):
        return False
    domain = domain.lstrip(".").lower()
    return bool(domain) and (host == domain or host.endswith(f".{domain}"))
