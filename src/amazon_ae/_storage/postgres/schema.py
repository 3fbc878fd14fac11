"""The tables of ``PostgresStorage``, as text: for this library, or for the host's own migration tool.

One row per (account, kind, key) holds the newest value, what is in flight and what was last accepted, so that a put is
one upsert and an outcome is one update. Partial indexes keep each question as cheap with a million rows as with ten:

* ``items_waiting``: what may leave, in the order in which it leaves;
* ``items_in_flight``: the items of a batch;
* ``items_dead``: dead letters by key.

Text is compared by code point (``COLLATE "C"``), whatever the database's language, so that every store sorts alike.
"""

from __future__ import annotations

import re
from typing import Final

from amazon_ae._exceptions import ConfigurationError

__all__ = ["DEFAULT_SCHEMA", "SCHEMA_VERSION", "check_schema_name", "migrations", "quoted", "schema_sql"]

SCHEMA_VERSION: Final = 2
"""The newest version this library knows."""

DEFAULT_SCHEMA: Final = "amazon_ae"

_CREATE_SCHEMA: Final = "CREATE SCHEMA IF NOT EXISTS {schema};\n\n"
_VERSION_1: Final = """\
CREATE TABLE {schema}.items (
    account          text COLLATE "C" NOT NULL,
    kind             text COLLATE "C" NOT NULL,
    key              text COLLATE "C" NOT NULL,
    state            text COLLATE "C" NOT NULL
        CHECK (state IN ('waiting', 'in_flight', 'accepted', 'rejected', 'unknown')),
    version          bigint NOT NULL,
    value            text COLLATE "C" NOT NULL,
    urgent           boolean NOT NULL,
    in_doubt         boolean NOT NULL DEFAULT false,
    put_at           timestamptz NOT NULL,
    reference        text,
    batch_id         text COLLATE "C",
    flight_version   bigint,
    flight_value     text COLLATE "C",
    flight_put_at    timestamptz,
    accepted_version bigint,
    accepted_value   text COLLATE "C",
    accepted_at      timestamptz,
    code             text NOT NULL DEFAULT '',
    message          text NOT NULL DEFAULT '',
    PRIMARY KEY (account, kind, key),
    CHECK ((batch_id IS NULL) = (flight_value IS NULL)),
    CHECK (state IN ('waiting', 'in_flight') OR batch_id IS NULL),
    CHECK (state <> 'in_flight' OR batch_id IS NOT NULL)
) WITH (fillfactor = 90, autovacuum_vacuum_scale_factor = 0.02, autovacuum_analyze_scale_factor = 0.05);

CREATE INDEX items_waiting ON {schema}.items (account, kind, urgent DESC, put_at)
    WHERE state = 'waiting' AND batch_id IS NULL;

CREATE INDEX items_in_flight ON {schema}.items (batch_id, key)
    WHERE batch_id IS NOT NULL;

CREATE INDEX items_dead ON {schema}.items (account, kind, state, key)
    WHERE state IN ('rejected', 'unknown');

CREATE TABLE {schema}.batches (
    batch_id     text COLLATE "C" PRIMARY KEY,
    account      text COLLATE "C" NOT NULL,
    kind         text COLLATE "C" NOT NULL,
    fence        bigint NOT NULL,
    size         integer NOT NULL,
    opened_at    timestamptz NOT NULL,
    lease_until  timestamptz NOT NULL,
    feed_id      text,
    submitted_at timestamptz
);

CREATE INDEX batches_account ON {schema}.batches (account, kind, opened_at);

CREATE TABLE {schema}.documents (
    name text COLLATE "C" PRIMARY KEY,
    body text
);

CREATE TABLE {schema}.schema_version (
    version    integer NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now()
);

INSERT INTO {schema}.schema_version (version) VALUES (1);
"""

# Routes of batches, and keys to be sent once more. Rows of batches and documents are written far more often than they
# are made, so their tables are vacuumed by the number of dead rows, however small they are.
_VERSION_2: Final = """\
ALTER TABLE {schema}.batches ADD COLUMN route text COLLATE "C" NOT NULL DEFAULT '';
ALTER TABLE {schema}.items ADD COLUMN resend boolean NOT NULL DEFAULT false;
ALTER TABLE {schema}.batches SET
    (fillfactor = 70, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 500);
ALTER TABLE {schema}.documents SET
    (fillfactor = 70, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 500);
INSERT INTO {schema}.schema_version (version) VALUES (2);
"""

# The SQL from version n to n + 1, at index n. Released SQL never changes. Running processes of the older version
# continue through it: they name the columns that they write, and the new ones have defaults.
_STEPS: Final = (_VERSION_1, _VERSION_2)

# Lower case only: in psql the name needs no quotes, unless it is a word of SQL such as "order". In this
# library's SQL it always has them.
_SCHEMA_NAME: Final = re.compile(r"[a-z_][a-z0-9_]{0,62}")


def check_schema_name(schema: str) -> str:
    """``schema`` itself.

    Raises:
        ConfigurationError: it is not a plain lower-case PostgreSQL name of at most 63 characters, or PostgreSQL
            reserves it (``pg_...``): choose another.
    """
    if not _SCHEMA_NAME.fullmatch(schema) or schema.startswith("pg_"):
        raise ConfigurationError(
            f"schema must match [a-z_][a-z0-9_]* with at most 63 characters and not begin with pg_, not {schema!r}"
        )
    return schema


def quoted(schema: str) -> str:
    """The name in quotes, so that SQL takes any word."""
    return f'"{schema}"'


def schema_sql(schema: str = DEFAULT_SCHEMA, *, after: int = 0) -> str:
    """The SQL from version ``after`` (0: no tables) to the newest; run it in one transaction.

    Raises:
        ConfigurationError: ``schema`` is no plain name, see ``check_schema_name``.
    """
    return "\n".join(migrations(schema, after=after))


def migrations(schema: str, *, after: int = 0, schema_exists: bool = False) -> tuple[str, ...]:
    """The same, one text for each version.

    Args:
        schema_exists: leave out ``CREATE SCHEMA IF NOT EXISTS``, which asks for the right to create schemas in the
            database even where there is nothing to create.
    """
    check_schema_name(schema)
    steps: list[str] = list(_STEPS[after:])
    if after == 0 and not schema_exists:
        steps[0] = _CREATE_SCHEMA + steps[0]
    return tuple(step.format(schema=quoted(schema)) for step in steps)
