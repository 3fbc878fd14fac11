"""The tables of ``SQLiteStorage``, as text: for this library, or for the host's own migration tool.

One row per (account, kind, key) holds the newest value, what is in flight and what was last accepted. Partial indexes
keep each question as cheap with a million rows as with ten: ``waiting`` in the order in which items leave (equal
instants in the order of their first put, which is also the order on disk), ``flight`` the items of a batch, ``dead``
the dead letters by key.

The version is kept in a table of our own, not in ``PRAGMA user_version``, which is the host's where it shares the file.
"""

from __future__ import annotations

import re
from typing import Final

from amazon_ae._exceptions import ConfigurationError

__all__ = ["DEFAULT_PREFIX", "SCHEMA_VERSION", "check_prefix", "schema_sql", "statements"]

SCHEMA_VERSION: Final = 2
"""The newest version this library knows."""

DEFAULT_PREFIX: Final = "amazon_ae_"

_VERSION_1: Final = (
    "CREATE TABLE {p}schema (version INTEGER NOT NULL)",
    "INSERT INTO {p}schema (version) VALUES (1)",
    """\
CREATE TABLE {p}items (
    id               INTEGER PRIMARY KEY,
    account          TEXT NOT NULL,
    kind             TEXT NOT NULL,
    key              TEXT NOT NULL,
    version          INTEGER NOT NULL,
    state            TEXT NOT NULL,             -- of the newest value: waiting, in_flight, accepted, rejected, unknown
    value            TEXT NOT NULL,             -- the newest value
    urgent           INTEGER NOT NULL,
    reference        TEXT,
    put_at           INTEGER NOT NULL,          -- instants are microseconds since 1970, UTC
    batch_id         TEXT,                      -- the batch in flight, with the value that it carries
    flight_version   INTEGER,
    flight_value     TEXT,
    flight_put_at    INTEGER,
    accepted_version INTEGER,
    accepted_value   TEXT,
    accepted_at      INTEGER,
    in_doubt         INTEGER NOT NULL,          -- Amazon may hold another value than the last accepted one
    code             TEXT NOT NULL,
    message          TEXT NOT NULL,
    UNIQUE (account, kind, key)
)""",
    """\
CREATE INDEX {p}waiting ON {p}items (account, kind, urgent DESC, put_at)
    WHERE state = 'waiting' AND batch_id IS NULL""",
    "CREATE INDEX {p}flight ON {p}items (batch_id) WHERE batch_id IS NOT NULL",
    "CREATE INDEX {p}dead ON {p}items (account, kind, key, state) WHERE state IN ('rejected', 'unknown')",
    """\
CREATE TABLE {p}batches (
    batch_id     TEXT PRIMARY KEY,
    account      TEXT NOT NULL,
    kind         TEXT NOT NULL,
    fence        INTEGER NOT NULL,
    opened_at    INTEGER NOT NULL,
    lease_until  INTEGER NOT NULL,
    feed_id      TEXT,
    submitted_at INTEGER,
    size         INTEGER NOT NULL
)""",
    "CREATE INDEX {p}batches_of ON {p}batches (account, opened_at)",
    "CREATE TABLE {p}documents (name TEXT PRIMARY KEY, text TEXT NOT NULL)",
)

# Routes of batches, keys to be sent once more, and the notices between processes (see ``notify``).
_VERSION_2: Final = (
    "ALTER TABLE {p}batches ADD COLUMN route TEXT NOT NULL DEFAULT ''",
    "ALTER TABLE {p}items ADD COLUMN resend INTEGER NOT NULL DEFAULT 0",
    """\
CREATE TABLE {p}notices (
    id      INTEGER PRIMARY KEY,
    origin  TEXT NOT NULL,              -- the store object that wrote it; empty in a host's transaction
    account TEXT NOT NULL,
    kind    TEXT NOT NULL,              -- empty: something can leave; else: these keys of this kind have an outcome
    keys    TEXT NOT NULL               -- JSON
)""",
    "UPDATE {p}schema SET version = 2",
)

# The SQL from version n to n + 1, at index n. Running processes of the older version continue through it: they name
# the columns that they write, and the new ones have defaults.
_STEPS: Final = (_VERSION_1, _VERSION_2)


def check_prefix(prefix: str) -> str:
    """The prefix of all table names, which must be a plain identifier.

    Raises:
        ConfigurationError: anything else, which would have to be quoted everywhere; or ``sqlite_``, which SQLite
            reserves: choose another.
    """
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]{0,39}", prefix):
        raise ConfigurationError(f"prefix must be letters, digits and _, not beginning with a digit: {prefix!r}")
    if prefix.lower().startswith("sqlite_"):
        raise ConfigurationError(f"prefix must not begin with sqlite_, which SQLite keeps for itself: {prefix!r}")
    return prefix


def statements(prefix: str, *, after: int = 0) -> list[str]:
    """The statements from version ``after`` (0: no tables) to the newest."""
    check_prefix(prefix)
    return [statement.format(p=prefix) for step in _STEPS[after:] for statement in step]


def schema_sql(prefix: str = DEFAULT_PREFIX, *, after: int = 0) -> str:
    """The same as one text, for the host's migration tool; run it in one transaction."""
    return "".join(f"{statement};\n" for statement in statements(prefix, after=after))
