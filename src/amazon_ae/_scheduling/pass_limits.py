"""Bounds how many schedulers of one process read the same store at once, so that a thousand do not starve its puts."""

from __future__ import annotations

import asyncio
import zlib
from typing import Final
from weakref import WeakKeyDictionary

from amazon_ae._ports import Storage

__all__ = ["jitter", "pass_limit"]

_CONCURRENT_PASSES: Final = 4

# One entry per open store, gone with it. The schedulers of one store have no other object in common.
_limits: WeakKeyDictionary[Storage, tuple[asyncio.AbstractEventLoop, asyncio.Semaphore]] = WeakKeyDictionary()


def pass_limit(storage: Storage) -> asyncio.Semaphore:
    """The semaphore that this store's schedulers share in the running event loop."""
    loop = asyncio.get_running_loop()
    known = _limits.get(storage)
    if known is None or known[0] is not loop:
        known = _limits[storage] = (loop, asyncio.Semaphore(_CONCURRENT_PASSES))
    return known[1]


def jitter(account: str) -> float:
    """A number between 0 and 1 that differs from account to account, the same in every run."""
    return zlib.crc32(account.encode()) / 2**32
