"""SqliteBook: a ledger's entries in a SQLite file, which threads, tasks and processes of a machine share."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from smsbridge.attempts import utc_now
from smsbridge.errors import ConfigurationError
from smsbridge.messages import Money, Status
from smsbridge.own_file import Kind as FileKind

from .entries import Claim, Entry, Kind, Outcome, State
from .sqlite_file import SqliteFile, Sync

_VERSION = "2"
_PROOF = b"smsbridge ledger"

_CLAIM = ("account", "reference", "kind", "content", "recipient", "purpose", "claim", "claimed_at")
_OUTCOME = (
    "state",
    "recorded_at",
    "taker",
    "provider",
    "id",
    "status",
    "segments",
    "price",
    "unit",
    "accepted_at",
    "expires_at",
    "error",
    "code",
    "reason",
)
_SCHEMA = (
    """CREATE TABLE IF NOT EXISTS smsbridge_ledger_about (name TEXT PRIMARY KEY, value) WITHOUT ROWID""",
    """CREATE TABLE IF NOT EXISTS smsbridge_ledger (
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
        reason TEXT
    )""",
    """CREATE INDEX IF NOT EXISTS smsbridge_ledger_settled ON smsbridge_ledger (recorded_at)
        WHERE state IN ('accepted', 'refused')""",
    f"INSERT OR IGNORE INTO smsbridge_ledger_about VALUES ('version', '{_VERSION}')",  # noqa: S608  # values of ours
)
LEDGER = FileKind(
    what="ledger",
    proof="SELECT value FROM smsbridge_ledger_about WHERE name = 'version'",
    schema=_SCHEMA,
    made="it knows of no text that was sent before",
    command="smsbridge ledger init",
)
_COLUMNS = ", ".join(("number", *_CLAIM, "claims", *_OUTCOME))
_INSERT = f"""INSERT INTO smsbridge_ledger ({", ".join(_CLAIM)}) VALUES ({", ".join("?" * len(_CLAIM))})
    ON CONFLICT (reference) DO NOTHING"""  # noqa: S608  # names of ours
_FIND = f"SELECT {_COLUMNS} FROM smsbridge_ledger WHERE reference = ?"  # noqa: S608
_CLAIM_ANEW = f"""UPDATE smsbridge_ledger SET claims = claims + 1, state = 'open',
    account = ?, recipient = ?, claim = ?, claimed_at = ?, {", ".join(f"{name} = NULL" for name in _OUTCOME if name != "state")} WHERE reference = ?"""  # noqa: S608
_RECORD = f"""UPDATE smsbridge_ledger SET {", ".join(f"{name} = ?" for name in _OUTCOME)}
    WHERE reference = ? AND claim = ? AND (state IN ('open', 'uncertain') OR ? = 'accepted')"""  # noqa: S608
_PRUNE = """DELETE FROM smsbridge_ledger WHERE number IN (SELECT number FROM smsbridge_ledger
    WHERE state IN ('accepted', 'refused') AND recorded_at < ? AND account = COALESCE(?, account)
    ORDER BY recorded_at LIMIT ?)"""


class SqliteBook(SqliteFile):
    """Entries in the SQLite file at ``path``, created with mode 0600 unless ``create`` is false.

    For the other arguments see :class:`SqliteFile`.
    """

    about = "smsbridge_ledger_about"
    version = _VERSION

    def __init__(
        self,
        path: Path,
        *,
        sync: Sync = "normal",
        patience: float = 5.0,
        create: bool = True,
        joins: bool = False,
    ) -> None:
        super().__init__(path, LEDGER, sync=sync, patience=patience, create=create, joins=joins)

    def identify(self, key: bytes | None) -> bytes:
        about = dict(self._db.execute("SELECT name, value FROM smsbridge_ledger_about"))
        if "proof" not in about:
            kept = {} if key is not None else {"key": secrets.token_bytes(32)}
            proof = {"proof": _proof(key if key is not None else kept["key"])}
            self._db.executemany("INSERT INTO smsbridge_ledger_about VALUES (?, ?)", (kept | proof).items())
            return key if key is not None else kept["key"]
        found = key if key is not None else about.get("key")
        if found is None:
            raise ConfigurationError("the ledger was made with a key, but no key is set now: set that key")
        if not hmac.compare_digest(_proof(found), about["proof"]):
            raise ConfigurationError("the ledger was made with another key, so it cannot tell one text from another")
        return found

    def claim(self, claims: Sequence[Claim]) -> list[Entry | None]:
        rows = [_claim_row(one) for one in claims]
        self._changed = True
        made = self._db.executemany(_INSERT, rows).rowcount
        return [None] * len(rows) if made == len(rows) else [self._claim(one) for one in claims]

    def _claim(self, claim: Claim) -> Entry | None:
        there = self.find(claim.reference)
        if there is None or there.claim.token == claim.token:
            return None
        if not there.gives_way_to(claim):
            return there
        values = (claim.account, claim.to, claim.token, claim.at.timestamp(), claim.reference)
        self._db.execute(_CLAIM_ANEW, values)
        return None

    def record(self, entries: Sequence[Entry]) -> int:
        return self._db.executemany(_RECORD, [_record_row(one) for one in entries]).rowcount

    def find(self, reference: str) -> Entry | None:
        row = self._db.execute(_FIND, (reference,)).fetchone()
        return None if row is None else _entry(row)[1]

    def entries(
        self,
        *,
        account: str | None = None,
        reference: str | None = None,
        states: Collection[State] = (),
        within: float | None = None,
        after: int = 0,
        limit: int = 1000,
    ) -> list[tuple[int, Entry]]:
        wanted: dict[str, Sequence[Any]] = {"number > ?": (after,)}
        if account is not None:
            wanted["account = ?"] = (account,)
        if reference is not None:
            wanted["reference = ?"] = (reference,)
        if states:
            wanted[f"state IN ({', '.join('?' * len(states))})"] = [one.value for one in states]
        if within is not None:
            wanted["claimed_at >= ?"] = (utc_now().timestamp() - within,)
        values = [value for given in wanted.values() for value in given]
        query = f"SELECT {_COLUMNS} FROM smsbridge_ledger WHERE {' AND '.join(wanted)} ORDER BY number LIMIT ?"  # noqa: S608
        return [_entry(row) for row in self._db.execute(query, (*values, limit))]

    def prune(self, older_than: float, limit: int, *, account: str | None = None) -> int:
        return self._db.execute(_PRUNE, (utc_now().timestamp() - older_than, account, limit)).rowcount


def _proof(key: bytes) -> bytes:
    return hmac.digest(key, _PROOF, hashlib.sha256)


def _seconds(at: datetime | None) -> float | None:
    return None if at is None else at.timestamp()


def _moment(seconds: float | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)


def _claim_row(one: Claim) -> tuple[Any, ...]:
    return (
        one.account,
        one.reference,
        one.kind.value,
        one.content,
        one.to,
        one.purpose,
        one.token,
        one.at.timestamp(),
    )


def _record_row(entry: Entry) -> tuple[Any, ...]:
    claim, one = entry.claim, entry.outcome
    if one is None:
        raise ValueError("there is no outcome to record")
    return (
        one.state.value,
        one.at.timestamp(),
        one.taker,
        one.provider,
        one.id,
        one.status and one.status.value,
        one.segments,
        one.price and str(one.price.amount),
        one.price and one.price.unit,
        _seconds(one.accepted_at),
        _seconds(one.expires_at),
        one.error,
        one.code,
        one.reason,
        claim.reference,
        claim.token,
        one.state.value,
    )


def _entry(row: Sequence[Any]) -> tuple[int, Entry]:
    """Return the number and the entry of a row of ``_COLUMNS``."""
    number, account, reference, kind, content, to, purpose, token, claimed_at, claims, state, recorded_at, *more = row
    taker, provider, id_, status, segments, price, unit, accepted_at, expires_at, error, code, reason = more
    claim = Claim(
        account=account,
        reference=reference,
        kind=Kind(kind),
        content=content,
        to=to,
        purpose=purpose,
        token=token,
        at=datetime.fromtimestamp(claimed_at, UTC),
    )
    if state == State.OPEN:
        return number, Entry(claim=claim, claims=claims)
    outcome = Outcome(
        state=State(state),
        at=datetime.fromtimestamp(recorded_at, UTC),
        taker=taker,
        provider=provider,
        id=id_,
        status=Status(status) if status else None,
        segments=segments,
        price=Money(amount=Decimal(price), unit=unit) if price is not None else None,
        accepted_at=_moment(accepted_at),
        expires_at=_moment(expires_at),
        error=error,
        code=code,
        reason=reason,
    )
    return number, Entry(claim=claim, outcome=outcome, claims=claims)
