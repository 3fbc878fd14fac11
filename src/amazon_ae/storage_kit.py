"""The parts of the library's own stores, for a store of your own; see "Write your own storage" in the documentation.

The rules of an item's life are plain functions from a row to the next row: `first_put`, `put`, `take`, `settle`,
`reject`, `resolve`, `requeue`, `withdraw`. `ItemRow` and `BatchRow` are the rows. The checks refuse values that a
database cannot keep, and `Watchers` calls back the watchers of an account.
"""

from amazon_ae._storage.notices import Leaving, Notice, Watchers, news, queued, settled
from amazon_ae._storage.rows import (
    BatchRow,
    ItemRow,
    by_key,
    check_changes,
    check_ledger,
    check_resolution,
    check_storable,
    from_micros,
    lease_end,
    micros,
    outcomes_of,
    receipts_in_order,
)
from amazon_ae._storage.transitions import first_put, put, reject, requeue, resolve, settle, take, withdraw

__all__ = [
    "BatchRow",
    "ItemRow",
    "Leaving",
    "Notice",
    "Watchers",
    "by_key",
    "check_changes",
    "check_ledger",
    "check_resolution",
    "check_storable",
    "first_put",
    "from_micros",
    "lease_end",
    "micros",
    "news",
    "outcomes_of",
    "put",
    "queued",
    "receipts_in_order",
    "reject",
    "requeue",
    "resolve",
    "settle",
    "settled",
    "take",
    "withdraw",
]
