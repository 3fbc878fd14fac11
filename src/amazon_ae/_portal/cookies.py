"""The cookies of a context: all of them where the library opened it, the marketplace's only where the host did."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

import attrs

from amazon_ae._exceptions import BrowserLost, PortalError
from amazon_ae._portal.playwright_calls import run_step

if TYPE_CHECKING:
    from playwright.async_api import BrowserContext

__all__ = ["SessionCookies", "belongs"]

_log = logging.getLogger(__name__)
_SECONDS: Final = 10.0


@attrs.frozen
class SessionCookies:
    """The cookies that are the session.

    Attributes:
        hosts: whose cookies are the session; ``None`` for every cookie, in a context of the library's own. In a host's
            context the others are its own business: they are neither saved nor touched.
    """

    context: BrowserContext = attrs.field(repr=False)
    hosts: frozenset[str] | None = None

    async def state(self, timeout_seconds: float = _SECONDS) -> dict[str, Any]:
        """The session, in the shape of Playwright's ``storage_state``."""
        if self.hosts is None:
            # A plain dict to everybody but the type checker.
            whole: Any = await run_step(self.context.storage_state(), "session", timeout_seconds)
            return dict(whole)
        cookies: Any = await run_step(self.context.cookies(), "session", timeout_seconds)
        return {"cookies": self._ours(cookies), "origins": []}

    async def replace(self, state: dict[str, Any]) -> None:
        """Put another session in the place of this one."""
        if self.hosts is None:
            await run_step(self.context.clear_cookies(), "session", _SECONDS)
        else:
            cookies: Any = await run_step(self.context.cookies(), "session", _SECONDS)
            for domain in {cookie["domain"] for cookie in self._ours(cookies)}:
                await run_step(self.context.clear_cookies(domain=domain), "session", _SECONDS)
        await self.add(state["cookies"])

    async def add(self, cookies: Sequence[Any]) -> None:
        """Add cookies. One that the browser does not take is left out: at worst a sign-in is due."""
        ours = self._ours(cookies)
        if not await self._takes(ours):
            refused = [cookie for cookie in ours if not await self._takes([cookie])]
            _log.warning("portal: the browser did not take %d of the session's %d cookies", len(refused), len(ours))

    async def _takes(self, cookies: list[Any]) -> bool:
        """Add all of them or none."""
        try:
            await run_step(self.context.add_cookies(cookies), "session", _SECONDS)
        except BrowserLost:
            raise
        except (PortalError, TypeError, KeyError, AttributeError):  # a damaged file may hold any shape
            return False
        return True

    def _ours(self, cookies: Sequence[Any]) -> list[Any]:
        found = [cookie for cookie in cookies if isinstance(cookie, dict)]
        if self.hosts is None:
            return found
        return [cookie for cookie in found if any(belongs(host, cookie.get("domain")) for host in self.hosts)]


def belongs(host: str, domain: object) -> bool:
    """Whether a cookie of ``domain`` is sent to ``host``."""
    if not isinstance(domain, str):
        return False
    domain = domain.lstrip(".").lower()
    return bool(domain) and (host == domain or host.endswith(f".{domain}"))
