"""The tables of a ledger in SQLite, and how the tables of an earlier version are brought up to date."""

from __future__ import annotations

import sqlite3

from smsbridge.own_file import Kind

VERSION = "3"
_EARLIER = "2"
_NEW_COLUMNS = {
    "person": "BLOB",  # a keyed hash of the number, to find it by
    "context": "TEXT",  # JSON
    "full_recipient": "TEXT",  # where a setting keeps it
    "text": "TEXT",  # where a setting keeps it
    "reported": "TEXT",  # how far it has come, by its answer and its reports
    "rank": "INTEGER NOT NULL DEFAULT 0",
    "final": "INTEGER",
    "reported_at": "REAL",
    "report_code": "TEXT",
    "report_reason": "TEXT",
    "report_segments": "INTEGER",
    "report_price": "TEXT",
    "report_unit": "TEXT",
    "sent_at": "REAL",
    "delivered_at": "REAL",
    "disputed": "INTEGER NOT NULL DEFAULT 0",
    "told": "INTEGER NOT NULL DEFAULT 0",  # how far it was when that was told last
    "telling": "TEXT",  # who is about to tell
    "telling_until": "REAL",
}
"""What version 3 added."""

_SCHEMA = (
    """CREATE TABLE IF NOT EXISTS smsbridge_ledger_about (name TEXT PRIMARY KEY, value) WITHOUT ROWID""",
    f"""CREATE TABLE IF NOT EXISTS smsbridge_ledger (
        number INTEGER PRIMARY KEY,
        account TEXT NOT NULL,
        reference TEXT NOT NULL UNIQUE,
        kind TEXT NOT NULL,         -- text, code
        content BLOB NOT NULL,      -- HMAC-SHA256 of what was to be sent
        recipient TEXT NOT NULL,    -- masked
        purpose TEXT NOT NULL,
        claim TEXT NOT NULL,        -- begins with the number of the process
        claimed_at REAL NOT NULL,   -- all times are in seconds since 1970, UTC
        claims INTEGER NOT NULL DEFAULT 1,
        state TEXT NOT NULL DEFAULT 'open',
        recorded_at REAL,
        taker TEXT,                 -- the account that took it
        provider TEXT,
        id TEXT,
        status TEXT,
        segments INTEGER,
        price TEXT,
        unit TEXT,
        accepted_at REAL,
        expires_at REAL,
        error TEXT,
        code TEXT,
        reason TEXT,
        {", ".join(f"{name} {kind}" for name, kind in _NEW_COLUMNS.items())}
    )""",
    """CREATE TABLE IF NOT EXISTS smsbridge_ledger_report (
        number INTEGER PRIMARY KEY,
        account TEXT NOT NULL,
        key TEXT NOT NULL,
        provider TEXT NOT NULL,
        id TEXT NOT NULL,
        reference TEXT NOT NULL,
        status TEXT NOT NULL,
        final INTEGER NOT NULL,
        code TEXT,
        reason TEXT,
        at REAL NOT NULL,
        segments INTEGER,
        price TEXT,
        unit TEXT,
        part INTEGER NOT NULL,
        came_at REAL NOT NULL,
        waiting INTEGER NOT NULL DEFAULT 1,     -- for the outcome of its text
        UNIQUE (account, key)
    )""",
    """CREATE INDEX IF NOT EXISTS smsbridge_ledger_settled ON smsbridge_ledger (recorded_at)
        WHERE state IN ('accepted', 'refused')""",
    """CREATE INDEX IF NOT EXISTS smsbridge_ledger_ids ON smsbridge_ledger (id, taker) WHERE id != ''""",
    """CREATE INDEX IF NOT EXISTS smsbridge_ledger_people ON smsbridge_ledger (person)""",
    """CREATE INDEX IF NOT EXISTS smsbridge_ledger_under_way ON smsbridge_ledger (number)
        WHERE state = 'accepted' AND final = 0""",
    """CREATE INDEX IF NOT EXISTS smsbridge_ledger_report_references ON smsbridge_ledger_report (reference)
        WHERE reference != ''""",
    """CREATE INDEX IF NOT EXISTS smsbridge_ledger_report_ids ON smsbridge_ledger_report (id, account)""",
    """CREATE INDEX IF NOT EXISTS smsbridge_ledger_report_waiting ON smsbridge_ledger_report (came_at)
        WHERE waiting = 1""",
    f"INSERT OR IGNORE INTO smsbridge_ledger_about VALUES ('version', '{VERSION}')",  # noqa: S608  # of our own making
)


def _upgrade(database: sqlite3.Connection) -> None:
    """Give tables of the version before what they lack; its rows stay as they are."""
    there = {row[1] for row in database.execute("PRAGMA table_info(smsbridge_ledger)")}
    if not there:
        return
    for name, kind in _NEW_COLUMNS.items():
        if name not in there:
            database.execute(f"ALTER TABLE smsbridge_ledger ADD COLUMN {name} {kind}")
    database.execute(
        "UPDATE smsbridge_ledger_about SET value = ? WHERE name = 'version' AND value = ?", [VERSION, _EARLIER]
    )


LEDGER = Kind(
    what="ledger",
    proof="SELECT value FROM smsbridge_ledger_about WHERE name = 'version'",
    schema=_SCHEMA,
    made="it knows of no text that was sent before",
    command="smsbridge texts init",
    upgrade=_upgrade,
)
