"""The statements of a ledger, of the columns that all stores which speak SQL have in common.

Values come as :mod:`smsbridge.stores.rows` gives them: times are seconds since 1970, and flags are numbers. Many rows
are told in one statement, as an array for each column.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from smsbridge.stores import rows

_TIMES = {
    "claimed_at",
    "recorded_at",
    "accepted_at",
    "expires_at",
    "reported_at",
    "sent_at",
    "delivered_at",
    "at",
}
_FLAGS = {"final", "disputed", "part"}
_TYPES = {
    **dict.fromkeys(_TIMES, "double precision"),
    **dict.fromkeys((*_FLAGS, "segments", "report_segments", "rank", "told"), "integer"),
    **dict.fromkeys(("content", "person"), "bytea"),
}


def _list(names: Iterable[str], each: str = "{}") -> str:
    return ", ".join(each.format(name) for name in names)


def _read(name: str) -> str:
    """A column, as rows are read."""
    return f"extract(epoch FROM {name})::float8" if name in _TIMES else name


def _kept(name: str, value: str) -> str:
    """A value, as its column keeps it."""
    if name in _TIMES:
        return f"to_timestamp({value})"
    if name in _FLAGS:
        return f"({value})::integer::boolean"
    return f"({value})::jsonb" if name == "context" else value


def _told(names: Sequence[str]) -> str:
    """Arrays of values, one for each of ``names``, as the rows of a table ``told``."""
    return f"unnest({_list([_TYPES.get(name, 'text') for name in names], '%s::{}[]')}) AS told({_list(names)})"


_CLAIMED = _list(_kept(name, f"told.{name}") for name in rows.CLAIM)
_SET_TOLD = {name: _kept(name, f"told.{name}") for name in (*rows.OUTCOME, *rows.STANDING)}
_ENTRY = _list(map(_read, rows.ENTRY))
_REPORT = _list(map(_read, rows.REPORT))
RECORDED = (*rows.OUTCOME, *rows.STANDING, "told", "reference", "claim")
"""What is told of an outcome."""

# Numbers are given in the order of the claims, and rows are made in the order of their references: so of two processes
# with the same ones, one waits for the other, and they do not lock each other out.
INSERT = f"""WITH given AS MATERIALIZED (
        SELECT nextval('smsbridge_ledger_number_seq') AS number, {_CLAIMED}
        FROM {_told(rows.CLAIM)}
    )
    INSERT INTO smsbridge_ledger (number, {_list(rows.CLAIM)})
    SELECT * FROM given AS row (number, {_list(rows.CLAIM)}) ORDER BY reference, number
    ON CONFLICT (reference) DO NOTHING RETURNING claim"""
FIND = f"SELECT {_ENTRY} FROM smsbridge_ledger WHERE reference = ANY(%s)"
LOCKED = "ORDER BY number FOR UPDATE"
CLAIM_ANEW = f"""UPDATE smsbridge_ledger SET claims = claims + 1, state = 'open',
    {_list(f"{name} = {_kept(name, '%s')}" for name in rows.CLAIM)},
    {_list([name for name in rows.OUTCOME if name != "state"], "{} = NULL")},
    {_list([name for name in rows.STANDING if name not in ("rank", "disputed")], "{} = NULL")},
    rank = 0, disputed = false, told = 0, telling = NULL
    WHERE reference = %s AND claim = %s AND state = 'refused'"""
_RECORD = f"""UPDATE smsbridge_ledger AS entry SET {_list(f"{name} = {value}" for name, value in _SET_TOLD.items())},
    told = greatest(entry.told, told.told)
    FROM {_told(RECORDED)} WHERE entry.reference = told.reference AND entry.claim = told.claim"""
RECORD_FIRST = f"{_RECORD} AND entry.state = 'open' RETURNING entry.claim"
RECORD_AGAIN = f"{_RECORD} AND (entry.state IN ('open', 'uncertain') OR told.state = 'accepted')"
PUT = f"""UPDATE smsbridge_ledger
    SET {_list(f"{name} = {_kept(name, '%s')}" for name in (*rows.OUTCOME, *rows.STANDING))} WHERE number = %s"""

NOTE = f"""INSERT INTO smsbridge_reports ({_list(rows.REPORT)})
    SELECT {_list(_kept(name, f"told.{name}") for name in rows.REPORT)} FROM {_told(rows.REPORT)}
    ORDER BY told.account, told.key ON CONFLICT (account, key) DO NOTHING"""
_EARLY = "statement_timestamp() - interval '1 hour'"
"""A report that came before was not early for a text that is sent now."""
EARLY = f"""SELECT {_ENTRY} FROM smsbridge_ledger AS entry WHERE reference = ANY(%s) AND (rank > told OR EXISTS (
        SELECT FROM smsbridge_reports AS report WHERE waiting AND came_at > {_EARLY}
            AND report.reference = entry.reference AND report.reference <> ''
    ) OR EXISTS (
        SELECT FROM smsbridge_reports AS report WHERE waiting AND came_at > {_EARLY}
            AND report.id = entry.id AND report.account = entry.taker AND report.id <> ''
    )) {LOCKED}"""
FIND_BY_IDS = f"""SELECT {_ENTRY} FROM smsbridge_ledger WHERE number IN (
        SELECT number FROM smsbridge_ledger WHERE reference = ANY(%s)
        UNION SELECT number FROM smsbridge_ledger AS entry
        JOIN unnest(%s::text[], %s::text[]) AS told(account, id) ON entry.taker = told.account AND entry.id = told.id
        WHERE entry.id <> ''
    ) {LOCKED}"""
REPORTS = f"""SELECT number, {_REPORT} FROM smsbridge_reports WHERE reference = %s AND reference <> ''
    UNION SELECT number, {_REPORT} FROM smsbridge_reports WHERE id = %s AND account = %s AND id <> ''
    ORDER BY number"""
FOLDED = "UPDATE smsbridge_reports SET waiting = false WHERE number = ANY(%s) AND waiting"
TELL = """UPDATE smsbridge_ledger SET telling = %s, telling_until = clock_timestamp() + make_interval(secs => %s)
    WHERE number = %s AND told < %s AND (telling IS NULL OR telling_until < clock_timestamp())"""
LET_GO = """UPDATE smsbridge_ledger AS entry SET telling = NULL WHERE telling = %s AND number IN (
        SELECT number FROM smsbridge_ledger WHERE reference = ANY(%s)
        UNION SELECT number FROM smsbridge_ledger AS taken
        JOIN unnest(%s::text[], %s::text[]) AS told(account, id) ON taken.taker = told.account AND taken.id = told.id
        WHERE taken.id <> ''
    )"""
TOLD = "UPDATE smsbridge_ledger SET telling = NULL, told = greatest(told, %s) WHERE number = %s AND telling = %s"
NOT_TOLD = "UPDATE smsbridge_ledger SET told = %s WHERE number = %s AND told < %s"

# Not clock_timestamp(): it is another at each row, so no index is of use.
AGO = "statement_timestamp() - make_interval(secs => %s)"
PRUNE = f"""DELETE FROM smsbridge_ledger WHERE number IN (SELECT number FROM smsbridge_ledger
    WHERE state IN ('accepted', 'refused') AND recorded_at < {AGO} AND (%s::text IS NULL OR account = %s)
    ORDER BY recorded_at LIMIT %s FOR UPDATE SKIP LOCKED) RETURNING reference, coalesce(id, ''), coalesce(taker, '')"""
PRUNE_REPORTS = """DELETE FROM smsbridge_reports AS report
    USING unnest(%s::text[], %s::text[], %s::text[]) AS gone(reference, id, account)
    WHERE report.reference = gone.reference AND report.reference <> ''
        OR report.id = gone.id AND report.account = gone.account AND report.id <> ''"""
PRUNE_WAITING = f"""DELETE FROM smsbridge_reports WHERE number IN (SELECT number FROM smsbridge_reports AS report
    WHERE waiting AND came_at < {AGO} AND NOT EXISTS (
        SELECT FROM smsbridge_ledger AS entry WHERE entry.reference = report.reference)
    ORDER BY came_at LIMIT %s FOR UPDATE SKIP LOCKED)"""


def page(wanted: Iterable[str]) -> str:
    """Return the SQL query for a page of the ledger's entries that meet all conditions in ``wanted``.

    Each condition is an SQL expression. The last parameter of the query is the maximum number of entries.
    """
    return f"SELECT {_ENTRY} FROM smsbridge_ledger WHERE {' AND '.join(wanted)} ORDER BY number LIMIT %s"
