"""The statements of ``PostgresStorage``: the rules of ``transitions``, in SQL, for whole sets of rows.

``{s}`` is the schema, quoted. Every statement that may meet another process locks in one order (documents, then a
batch, then items by key), so that two of them cannot wait for each other. ``at`` is the injected clock's instant, or
NULL for the database's: ``clock_timestamp()`` where a lock is held by then, since ``now()`` is the instant at which the
transaction began to wait for it.
"""

from __future__ import annotations

from typing import Final

from amazon_ae._storage.postgres.schema import quoted

__all__ = ["COUNT_CAP", "Statements"]

COUNT_CAP: Final = 10_000
"""``stats`` counts no further: its cost stays that of 10,000 index entries, however much waits."""

_ITEM: Final = (
    "i.key, i.state, i.version, i.value, i.urgent, i.reference, i.put_at, i.batch_id, b.feed_id, "
    "i.accepted_value, i.accepted_version, i.accepted_at, i.code, i.message"
)
_ITEMS: Final = "{s}.items AS i LEFT JOIN {s}.batches AS b USING (batch_id)"
_BATCH: Final = "batch_id, account, kind, fence, opened_at, lease_until, feed_id, submitted_at, size, route"
# The condition of the partial index items_waiting: the planner uses the index only where it finds the same text.
_CAN_LEAVE: Final = "account = %(account)s AND kind = %(kind)s AND state = 'waiting' AND batch_id IS NULL"

_INSERT: Final = """
INSERT INTO {s}.items AS i (account, kind, key, state, version, value, urgent, put_at, reference)
SELECT %(account)s, %(kind)s, c.k, 'waiting', 1, c.v, c.u::boolean,
    COALESCE(%(at)s::timestamptz, statement_timestamp()), c.r
FROM (SELECT %(changes)s::json AS j) AS given, ROWS FROM (
    json_array_elements_text(j -> 'k'), json_array_elements_text(j -> 'v'),
    json_array_elements_text(j -> 'u'), json_array_elements_text(j -> 'r')
) AS c(k, v, u, r)
ON CONFLICT (account, kind, key) DO UPDATE SET
"""
# Amazon surely has this value (as in transitions.put); and then, with nothing else waiting, nothing changes.
_AMAZON_HAS_IT: Final = "i.batch_id IS NULL AND NOT i.in_doubt AND i.accepted_value IS NOT DISTINCT FROM EXCLUDED.value"
# The items that could leave before this statement: its own rows are not in its snapshot.
_HAD: Final = (
    f"EXISTS (SELECT FROM {{s}}.items WHERE {_CAN_LEAVE} AND urgent), "
    f"EXISTS (SELECT FROM {{s}}.items WHERE {_CAN_LEAVE} AND NOT urgent)"
)
_PUT_ANSWER: Final = f"i.key, i.version, i.state, i.urgent, i.batch_id IS NULL, {_HAD}"
_NOTHING_NEW: Final = f"WHEN i.state = 'accepted' AND {_AMAZON_HAS_IT} THEN"

_PUT: Final = (
    _INSERT
    + f"""
    state = CASE WHEN {_AMAZON_HAS_IT} THEN 'accepted' ELSE 'waiting' END,
    version = CASE {_NOTHING_NEW} i.version ELSE i.version + 1 END,
    value = EXCLUDED.value,
    urgent = CASE {_NOTHING_NEW} i.urgent ELSE EXCLUDED.urgent END,
    reference = CASE {_NOTHING_NEW} i.reference ELSE EXCLUDED.reference END,
    put_at = CASE {_NOTHING_NEW} i.put_at WHEN i.state = 'waiting' THEN i.put_at ELSE EXCLUDED.put_at END,
    code = CASE {_NOTHING_NEW} i.code ELSE '' END,
    message = CASE {_NOTHING_NEW} i.message ELSE '' END
RETURNING {_PUT_ANSWER}"""
)

# An unchanged row is locked all the same, so that PUT_EARLIER finds it in the same transaction.
_PUT_FIRST: Final = (
    _INSERT
    + f"""
    state = CASE WHEN {_AMAZON_HAS_IT} THEN 'accepted' ELSE 'waiting' END,
    version = i.version + 1, value = EXCLUDED.value, urgent = EXCLUDED.urgent, reference = EXCLUDED.reference,
    put_at = EXCLUDED.put_at, code = '', message = ''
WHERE i.state = 'rejected'
RETURNING {_PUT_ANSWER}"""
)
_PUT_EARLIER: Final = """
SELECT key, version FROM {s}.items WHERE account = %(account)s AND kind = %(kind)s AND key = ANY(%(keys)s)"""

# MATERIALIZED keeps the planner from asking the clock before the lock is held: the outer row exists only afterwards.
_LOCK_DOCUMENT: Final = """
WITH document AS MATERIALIZED (SELECT body FROM {s}.documents WHERE name = %(name)s FOR UPDATE)
SELECT body, clock_timestamp() FROM document"""
# A row must exist to be locked; a second process waits here for the first.
_MAKE_DOCUMENT: Final = "INSERT INTO {s}.documents (name) VALUES (%(name)s) ON CONFLICT DO NOTHING"
_SAVE_DOCUMENT: Final = "UPDATE {s}.documents SET body = %(body)s WHERE name = %(name)s"
_DROP_DOCUMENT: Final = "DELETE FROM {s}.documents WHERE name = %(name)s"

# Reading all rows, or sorting or hashing them, is never right for a queue; but that is what the planner does on the old
# statistics of a table that was filled a moment ago. These settings last for the running transaction only.
_NO_FULL_SCAN: Final = "SELECT set_config('enable_seqscan', 'off', true)"
_BY_INDEX: Final = ", ".join(
    f"set_config('enable_{way}', 'off', true)" for way in ("seqscan", "bitmapscan", "hashjoin", "mergejoin")
)
_LOCK_QUEUE: Final = "SELECT pg_advisory_xact_lock(hashtextextended(%(queue)s, 0))"
_ROUTE_BUSY: Final = """
SELECT EXISTS (
    SELECT FROM {s}.batches WHERE account = %(account)s AND kind = %(kind)s AND route = %(route)s
)"""

# The keys as one array, not as a table to join with: whatever the statistics say, each is one search of the primary
# key, where a join may run in the wrong order, 10,000 times 10,000.
_TAKE_REST: Final = """
UPDATE {s}.items AS i
SET state = 'in_flight', batch_id = %(batch_id)s, flight_version = i.version, flight_value = i.value,
    flight_put_at = i.put_at
WHERE i.account = %(account)s AND i.kind = %(kind)s AND i.key = ANY(ARRAY(SELECT key FROM taken))
RETURNING i.key, i.version, i.value"""
_BEGIN_TAKE: Final = f"SELECT {_BY_INDEX}, set_config('enable_sort', 'off', true)"
_TAKE: Final = (
    f"""
WITH taken AS MATERIALIZED (
    SELECT key FROM {{s}}.items WHERE {_CAN_LEAVE}
    ORDER BY urgent DESC, put_at LIMIT %(limit)s FOR UPDATE SKIP LOCKED
)"""
    + _TAKE_REST
)
_BEGIN_TAKE_KEYS: Final = f"SELECT {_BY_INDEX}"
_TAKE_KEYS: Final = (
    f"""
WITH taken AS MATERIALIZED (
    SELECT key FROM {{s}}.items WHERE {_CAN_LEAVE} AND key = ANY(%(keys)s)
    ORDER BY urgent DESC, put_at LIMIT %(limit)s FOR UPDATE SKIP LOCKED
)"""
    + _TAKE_REST
)
_OPEN_BATCH: Final = f"""
INSERT INTO {{s}}.batches (batch_id, account, kind, route, fence, size, opened_at, lease_until)
VALUES (%(batch_id)s, %(account)s, %(kind)s, %(route)s, 1, %(size)s, %(at)s, %(lease_until)s)
RETURNING {_BATCH}"""

_SUBMITTED: Final = """
UPDATE {s}.batches SET feed_id = %(feed_id)s, submitted_at = %(submitted_at)s,
    lease_until = COALESCE(%(at)s::timestamptz, clock_timestamp()) + %(lease)s
WHERE batch_id = %(batch_id)s AND fence = %(fence)s"""
_RENEW: Final = """
UPDATE {s}.batches SET lease_until = COALESCE(%(at)s::timestamptz, clock_timestamp()) + %(lease)s
WHERE batch_id = %(batch_id)s AND fence = %(fence)s"""
_TAKE_OVER: Final = f"""
UPDATE {{s}}.batches SET fence = fence + 1,
    lease_until = COALESCE(%(at)s::timestamptz, clock_timestamp()) + %(lease)s
WHERE batch_id = %(batch_id)s AND lease_until <= COALESCE(%(at)s::timestamptz, clock_timestamp())
RETURNING {_BATCH}"""
_IN_FLIGHT: Final = "SELECT key, flight_version, flight_value FROM {s}.items WHERE batch_id = %(batch_id)s"
_UNFINISHED: Final = f"SELECT {_BATCH} FROM {{s}}.batches WHERE account = %(account)s ORDER BY opened_at, batch_id"

_CLOSE_BATCH: Final = """
DELETE FROM {s}.batches WHERE batch_id = %(batch_id)s AND fence = %(fence)s RETURNING account, kind"""
_HOLD_BATCH: Final = """
UPDATE {s}.batches SET lease_until = COALESCE(%(at)s::timestamptz, clock_timestamp()) + %(lease)s
WHERE batch_id = %(batch_id)s AND fence = %(fence)s RETURNING account, kind"""
_SHRINK_BATCH: Final = "UPDATE {s}.batches SET size = size - %(count)s WHERE batch_id = %(batch_id)s"
_LOCK_IN_FLIGHT: Final = """
SELECT count(*) FROM (
    SELECT FROM {s}.items WHERE batch_id = %(batch_id)s AND (%(keys)s::text[] IS NULL OR key = ANY(%(keys)s))
    ORDER BY key FOR UPDATE
) AS locked"""
# transitions.settle, for all items at once. "alone": the newest value is the one in flight; behind any other value in
# flight a newer one waits, and "done" says that it is equal to what was accepted. "dead" becomes a dead letter.
_SETTLE: Final = """
UPDATE {s}.items AS i
SET (state, code, message, put_at, in_doubt, accepted_version, accepted_value, accepted_at) = (
        SELECT
            CASE WHEN r.done THEN 'accepted' WHEN r.dead THEN r.outcome ELSE 'waiting' END,
            CASE WHEN r.done OR r.dead THEN COALESCE(r.outcomes ->> 1, '') ELSE i.code END,
            CASE WHEN r.done OR r.dead THEN COALESCE(r.outcomes ->> 2, '') ELSE i.message END,
            CASE WHEN r.outcome = 'retry' THEN i.flight_put_at
                 WHEN r.accepted AND r.alone AND i.resend THEN COALESCE(%(at)s::timestamptz, clock_timestamp())
                 ELSE i.put_at END,
            CASE WHEN r.accepted THEN i.resend
                 ELSE i.in_doubt OR i.resend OR r.outcome IN ('retry', 'unknown') END,
            CASE WHEN r.accepted THEN i.flight_version ELSE i.accepted_version END,
            CASE WHEN r.accepted THEN i.flight_value ELSE i.accepted_value END,
            CASE WHEN r.accepted THEN COALESCE(%(at)s::timestamptz, clock_timestamp()) ELSE i.accepted_at END
        FROM (
            SELECT q.*, q.accepted AND NOT i.resend AND (q.alone OR i.value = i.flight_value) AS done,
                q.alone AND q.outcome IN ('rejected', 'unknown') AS dead
            FROM (
                SELECT p.*, p.outcome IN ('accepted', 'accepted_with_warnings') AS accepted
                FROM (
                    SELECT o.outcomes, COALESCE(o.outcomes ->> 0, 'retry') AS outcome, i.state = 'in_flight' AS alone
                    FROM (SELECT %(outcomes)s::jsonb -> i.key AS outcomes) AS o
                ) AS p
            ) AS q
        ) AS r
    ),
    batch_id = NULL, flight_version = NULL, flight_value = NULL, flight_put_at = NULL, resend = false
WHERE i.batch_id = %(batch_id)s AND (%(keys)s::text[] IS NULL OR i.key = ANY(%(keys)s))
RETURNING i.key"""

_GET: Final = f"SELECT {_ITEM} FROM {_ITEMS} WHERE i.account = %(account)s AND i.kind = %(kind)s AND i.key = %(key)s"
_WAITING: Final = f"""
SELECT {_ITEM} FROM (
    SELECT * FROM {{s}}.items WHERE {_CAN_LEAVE} ORDER BY urgent DESC, put_at LIMIT %(limit)s
) AS i LEFT JOIN {{s}}.batches AS b USING (batch_id) ORDER BY i.urgent DESC, i.put_at"""
# The state that a process that cannot listen compares with its last one, for all accounts that it watches.
_QUEUES: Final = """
SELECT a, k,
    (SELECT count(*) FROM (
        SELECT FROM {s}.items WHERE account = a AND kind = k AND state = 'waiting' AND batch_id IS NULL LIMIT 100
    ) AS counted),
    EXISTS (SELECT FROM {s}.items WHERE account = a AND kind = k AND state = 'waiting' AND batch_id IS NULL AND urgent),
    (SELECT md5(string_agg(batch_id || ' ' || size, ',')) FROM (
        SELECT batch_id, size FROM {s}.batches WHERE account = a AND kind = k ORDER BY opened_at LIMIT 100
    ) AS unsettled)
FROM unnest(%(accounts)s::text[]) AS a CROSS JOIN unnest(%(kinds)s::text[]) AS k"""
_DEAD: Final = f"""
SELECT {_ITEM} FROM (
    (SELECT * FROM {{s}}.items WHERE account = %(account)s AND kind = %(kind)s AND state = 'rejected'
     AND key > %(after)s ORDER BY key LIMIT %(limit)s)
    UNION ALL
    (SELECT * FROM {{s}}.items WHERE account = %(account)s AND kind = %(kind)s AND state = 'unknown'
     AND key > %(after)s ORDER BY key LIMIT %(limit)s)
) AS i LEFT JOIN {{s}}.batches AS b USING (batch_id) ORDER BY i.key LIMIT %(limit)s"""

_COUNT: Final = "(SELECT count(*) FROM (SELECT FROM {{s}}.items WHERE {where} LIMIT {cap}) AS counted)"
_OLDEST: Final = "(SELECT put_at FROM {{s}}.items WHERE {where} ORDER BY put_at LIMIT 1)"
_QUEUE: Final = "account = %(account)s AND kind = %(kind)s"
_STATS: Final = "SELECT " + ", ".join(
    (
        _COUNT.format(where=f"{_CAN_LEAVE} AND NOT urgent", cap=COUNT_CAP),
        _COUNT.format(where=f"{_CAN_LEAVE} AND urgent", cap=COUNT_CAP),
        f"(SELECT COALESCE(sum(size), 0) FROM {{s}}.batches WHERE {_QUEUE})",
        _COUNT.format(where=f"{_QUEUE} AND state = 'rejected'", cap=COUNT_CAP),
        _COUNT.format(where=f"{_QUEUE} AND state = 'unknown'", cap=COUNT_CAP),
        _OLDEST.format(where=f"{_CAN_LEAVE} AND NOT urgent"),
        _OLDEST.format(where=f"{_CAN_LEAVE} AND urgent"),
    )
)

_LOCK_KEYS: Final = """
SELECT count(*) FROM (
    SELECT FROM {s}.items WHERE account = %(account)s AND kind = %(kind)s AND key = ANY(%(keys)s)
    ORDER BY key FOR UPDATE
) AS locked"""
_REJECT: Final = f"""
UPDATE {{s}}.items AS i
SET state = 'rejected', code = %(outcomes)s::jsonb -> i.key ->> 1, message = %(outcomes)s::jsonb -> i.key ->> 2
WHERE {_CAN_LEAVE} AND key = ANY(%(keys)s)
RETURNING i.key"""
_IS_DEAD: Final = f"{_QUEUE} AND key = ANY(%(keys)s) AND state IN ('rejected', 'unknown')"
_RESOLVE_RETRY: Final = (
    f"UPDATE {{s}}.items SET state = 'waiting', code = '', message = '' WHERE {_IS_DEAD} RETURNING key"
)
_RESOLVE_ACCEPTED: Final = f"""
UPDATE {{s}}.items SET state = 'accepted', code = '', message = '', in_doubt = false, accepted_version = version,
    accepted_value = value, accepted_at = COALESCE(%(at)s::timestamptz, clock_timestamp())
WHERE {_IS_DEAD} RETURNING key"""
_RESOLVE_DROP: Final = f"""
UPDATE {{s}}.items SET state = 'accepted', code = '', message = '', value = accepted_value
WHERE {_IS_DEAD} AND accepted_value IS NOT NULL RETURNING key"""
_RESOLVE_FORGET: Final = f"DELETE FROM {{s}}.items WHERE {_IS_DEAD} AND accepted_value IS NULL RETURNING key"
_REQUEUE: Final = f"""
UPDATE {{s}}.items SET resend = batch_id IS NOT NULL, in_doubt = in_doubt OR batch_id IS NULL,
    state = CASE WHEN state = 'accepted' THEN 'waiting' ELSE state END,
    code = CASE WHEN state = 'accepted' THEN '' ELSE code END,
    message = CASE WHEN state = 'accepted' THEN '' ELSE message END,
    put_at = CASE WHEN state = 'accepted' THEN COALESCE(%(at)s::timestamptz, clock_timestamp()) ELSE put_at END
WHERE {_QUEUE} AND key = ANY(%(keys)s) AND state IN ('waiting', 'in_flight', 'accepted')
RETURNING key"""
_WITHDRAW: Final = f"""
UPDATE {{s}}.items SET state = 'accepted', value = accepted_value, code = '', message = ''
WHERE {_CAN_LEAVE} AND key = ANY(%(keys)s) AND accepted_value IS NOT NULL RETURNING key"""
_WITHDRAW_FORGET: Final = f"""
DELETE FROM {{s}}.items WHERE {_CAN_LEAVE} AND key = ANY(%(keys)s) AND accepted_value IS NULL RETURNING key"""

_LOAD: Final = "SELECT body FROM {s}.documents WHERE name = %(name)s"
_NAMES: Final = """
SELECT name FROM {s}.documents
WHERE name >= %(prefix)s AND (%(end)s::text IS NULL OR name < %(end)s) AND body IS NOT NULL ORDER BY name"""
# Skips what is locked: it is being changed just now, so it is not old.
_PURGE: Final = f"""
WITH old AS MATERIALIZED (
    SELECT key FROM {{s}}.items WHERE {_QUEUE} AND key > %(after)s AND state = 'accepted' AND accepted_at < %(before)s
    ORDER BY key LIMIT %(limit)s FOR UPDATE SKIP LOCKED
)
DELETE FROM {{s}}.items AS i
WHERE i.account = %(account)s AND i.kind = %(kind)s AND i.key = ANY(ARRAY(SELECT key FROM old))
RETURNING i.key"""

# One page of all items in the order of their keys: where it ends, and what of it is old. What is locked is being
# changed just now, so it is not old.
_PAGE_END: Final = """
SELECT account, kind, key FROM {s}.items
WHERE (account, kind, key) > (%(account)s, %(kind)s, %(key)s)
ORDER BY account, kind, key OFFSET %(skip)s LIMIT 1"""
_FORGET: Final = """
WITH old AS MATERIALIZED (
    SELECT i.account, i.kind, i.key FROM {s}.items AS i
    WHERE (i.account, i.kind, i.key) > (%(account)s, %(kind)s, %(key)s)
        AND (%(to_end)s OR (i.account, i.kind, i.key) <= (%(last_account)s, %(last_kind)s, %(last_key)s))
        AND (i.state = 'accepted' AND i.accepted_at < (%(limits)s::jsonb ->> i.kind)::timestamptz
            OR i.state = 'rejected' AND i.kind = 'pickup' AND i.put_at < (%(limits)s::jsonb ->> i.kind)::timestamptz)
    FOR UPDATE SKIP LOCKED
)
DELETE FROM {s}.items AS i USING old WHERE i.account = old.account AND i.kind = old.kind AND i.key = old.key"""


class Statements:
    """Every statement with the schema's name in it, ready for ``execute``."""

    def __init__(self, schema: str) -> None:
        def ready(text: str) -> bytes:
            return text.replace("{s}", quoted(schema)).encode()

        self.put: bytes = ready(_PUT)
        self.put_first: bytes = ready(_PUT_FIRST)
        self.put_earlier: bytes = ready(_PUT_EARLIER)
        self.lock_document: bytes = ready(_LOCK_DOCUMENT)
        self.make_document: bytes = ready(_MAKE_DOCUMENT)
        self.save_document: bytes = ready(_SAVE_DOCUMENT)
        self.drop_document: bytes = ready(_DROP_DOCUMENT)
        self.no_full_scan: bytes = ready(_NO_FULL_SCAN)
        self.begin_take: bytes = ready(_BEGIN_TAKE)
        self.begin_take_keys: bytes = ready(_BEGIN_TAKE_KEYS)
        self.lock_queue: bytes = ready(_LOCK_QUEUE)
        self.route_busy: bytes = ready(_ROUTE_BUSY)
        self.take: bytes = ready(_TAKE)
        self.take_keys: bytes = ready(_TAKE_KEYS)
        self.open_batch: bytes = ready(_OPEN_BATCH)
        self.submitted: bytes = ready(_SUBMITTED)
        self.renew: bytes = ready(_RENEW)
        self.take_over: bytes = ready(_TAKE_OVER)
        self.in_flight: bytes = ready(_IN_FLIGHT)
        self.unfinished: bytes = ready(_UNFINISHED)
        self.hold_batch: bytes = ready(_HOLD_BATCH)
        self.shrink_batch: bytes = ready(_SHRINK_BATCH)
        self.close_batch: bytes = ready(_CLOSE_BATCH)
        self.lock_in_flight: bytes = ready(_LOCK_IN_FLIGHT)
        self.settle: bytes = ready(_SETTLE)
        self.get: bytes = ready(_GET)
        self.waiting: bytes = ready(_WAITING)
        self.queues: bytes = ready(_QUEUES)
        self.dead: bytes = ready(_DEAD)
        self.stats: bytes = ready(_STATS)
        self.lock_keys: bytes = ready(_LOCK_KEYS)
        self.reject: bytes = ready(_REJECT)
        self.resolve_retry: bytes = ready(_RESOLVE_RETRY)
        self.resolve_accepted: bytes = ready(_RESOLVE_ACCEPTED)
        self.resolve_drop: bytes = ready(_RESOLVE_DROP)
        self.resolve_forget: bytes = ready(_RESOLVE_FORGET)
        self.requeue: bytes = ready(_REQUEUE)
        self.withdraw: bytes = ready(_WITHDRAW)
        self.withdraw_forget: bytes = ready(_WITHDRAW_FORGET)
        self.load: bytes = ready(_LOAD)
        self.names: bytes = ready(_NAMES)
        self.purge: bytes = ready(_PURGE)
        self.page_end: bytes = ready(_PAGE_END)
        self.forget: bytes = ready(_FORGET)
