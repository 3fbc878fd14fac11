"""The contract of ``ports.Storage`` as code: plain functions that raise ``AssertionError``.

Prove a store in one call::

    await check_storage(lambda clock: MyStorage(dsn, clock=clock))

or check by check in your own runner, e.g. with pytest::

    @pytest.mark.parametrize("check", STORAGE_CHECKS, ids=lambda check: check.__name__)
    async def test_my_storage(check, tmp_path):
        await check(StorageTrial(lambda clock: MyStorage(tmp_path / "store.db", clock=clock)))
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

from amazon_ae.testing._storage_contract import batches, items, notices, routes, sharing, walk
from amazon_ae.testing._storage_contract.trial import MakeStorage, StorageTrial, Transaction

__all__ = ["STORAGE_CHECKS", "StorageTrial", "check_storage"]

STORAGE_CHECKS: Final[tuple[Callable[[StorageTrial], Awaitable[None]], ...]] = (
    *items.CHECKS,
    *walk.CHECKS,
    *batches.CHECKS,
    *routes.CHECKS,
    *sharing.CHECKS,
    *notices.CHECKS,
)
"""Every check of the contract: ``async def check_...(trial: StorageTrial) -> None``. The docstring states the fact."""


async def check_storage(
    make: MakeStorage,
    *,
    shared: bool = True,
    transaction: Transaction | None = None,
    elapse: Callable[[float], Awaitable[None]] | None = None,
    big: int = 10_000,
    on_check: Callable[[str], None] | None = None,
) -> tuple[str, ...]:
    """Run every check against one store; the arguments are those of ``StorageTrial``.

    Args:
        on_check: called with the name of each check that passed.

    Returns:
        The names of the checks, all of which passed.

    Raises:
        AssertionError: the first check that failed. Any other exception of the store is raised unchanged. A note on the
            error names the check and the fact that it states.
    """
    trial = StorageTrial(make, shared=shared, transaction=transaction, elapse=elapse, big=big)
    names: list[str] = []
    for check in STORAGE_CHECKS:
        name = getattr(check, "__name__", repr(check))
        try:
            await check(trial)
        except Exception as error:
            error.add_note(f"in {name}: {(check.__doc__ or '').strip()}")
            raise
        names.append(name)
        if on_check is not None:
            on_check(name)
    return tuple(names)
