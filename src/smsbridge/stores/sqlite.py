"""SqliteBook: the storage of a ledger in a SQLite file, which threads, tasks and processes of a machine share."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import time
from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from smsbridge.attempts import utc_now
from smsbridge.errors import ConfigurationError
from smsbridge.messages import DeliveryReport

from . import rows
from .entries import EVERY_ENTRY, Change, Claim, Entry, EntryFilters, Outcome
from .folding import folded, recorded, taker_of
from .sqlite_file import SqliteFile, Sync
from .sqlite_schema import LEDGER, VERSION

_PROOF = b"smsbridge ledger"
"""Hashed with the key. With other words, every ledger that is there would be refused."""


def _list(names: Sequence[str], each: str = "{}") -> str:
    return ", ".join(each.format(name) for name in names)


_ENTRY = _list(rows.ENTRY)
_INSERT = f"""INSERT INTO smsbridge_ledger ({_list(rows.CLAIM)}) VALUES ({_list(rows.CLAIM, "?")})
    ON CONFLICT (reference) DO NOTHING"""
_FIND = f"SELECT {_ENTRY} FROM smsbridge_ledger WHERE reference = ?"
_FIND_BY_ID = f"SELECT {_ENTRY} FROM smsbridge_ledger WHERE id = ? AND taker = ? AND id != ''"
_CLAIM_ANEW = f"""UPDATE smsbridge_ledger SET claims = claims + 1, state = 'open',
    {_list([name for name in rows.CLAIM if name != "reference"], "{0} = :{0}")},
    {_list([name for name in rows.OUTCOME if name != "state"], "{} = NULL")},
    {_list([name for name in rows.STANDING if name not in ("rank", "disputed")], "{} = NULL")},
    rank = 0, disputed = 0, told = 0, telling = NULL WHERE reference = :reference"""
_RECORD = f"""UPDATE smsbridge_ledger SET {_list((*rows.OUTCOME, *rows.STANDING), "{} = ?")}, told = MAX(told, ?)
    WHERE reference = ? AND claim = ? AND (state IN ('open', 'uncertain') OR ? = 'accepted')"""
_RECORD_FIRST = f"{_RECORD} AND state = 'open'"
_PUT = f"UPDATE smsbridge_ledger SET {_list((*rows.OUTCOME, *rows.STANDING), '{} = ?')} WHERE number = ?"
_NOTE = f"""INSERT INTO smsbridge_ledger_report ({_list(rows.REPORT)}, came_at)
    VALUES ({_list(rows.REPORT, "?")}, ?) ON CONFLICT (account, key) DO NOTHING"""
_WAITING = "SELECT 1 FROM smsbridge_ledger_report WHERE waiting = 1 AND came_at > ? LIMIT 1"
_EARLY = 3600.0
"""Seconds: a report that came longer ago was not early for a text that is sent now."""
_REPORTS = f"""SELECT number, {_list(rows.REPORT)} FROM smsbridge_ledger_report WHERE reference = ? AND reference != ''
    UNION SELECT number, {_list(rows.REPORT)} FROM smsbridge_ledger_report WHERE id = ? AND account = ? AND id != ''
    ORDER BY number"""
_FOLDED = "UPDATE smsbridge_ledger_report SET waiting = 0 WHERE number = ?"
_TELL = """UPDATE smsbridge_ledger SET telling = ?, telling_until = ?
    WHERE number = ? AND told < ? AND (telling IS NULL OR telling_until < ?)"""
_TOLD = "UPDATE smsbridge_ledger SET telling = NULL, told = MAX(told, ?) WHERE number = ? AND telling = ?"
_LET_GO = "UPDATE smsbridge_ledger SET telling = NULL WHERE reference = ? AND telling = ?"
_LET_GO_BY_ID = "UPDATE smsbridge_ledger SET telling = NULL WHERE id = ? AND id != '' AND taker = ? AND telling = ?"
_NOT_TOLD = "UPDATE smsbridge_ledger SET told = MAX(told, ?) WHERE number = ?"
_PRUNE = """DELETE FROM smsbridge_ledger WHERE number IN (SELECT number FROM smsbridge_ledger
    WHERE state IN ('accepted', 'refused') AND recorded_at < ? AND account = COALESCE(?, account)
    ORDER BY recorded_at LIMIT ?) RETURNING reference, id, taker"""
_PRUNE_REPORTS = """DELETE FROM smsbridge_ledger_report
    WHERE reference = ? AND reference != '' OR id = ? AND account = ? AND id != ''"""
_PRUNE_WAITING = """DELETE FROM smsbridge_ledger_report WHERE number IN (SELECT number FROM smsbridge_ledger_report
    WHERE waiting = 1 AND came_at < ? AND NOT EXISTS (
        SELECT 1 FROM smsbridge_ledger WHERE smsbridge_ledger.reference = smsbridge_ledger_report.reference)
    LIMIT ?)"""


class SqliteBook(SqliteFile):
    """The storage of a ledger in the SQLite file at ``path``.

    The file is created with mode 0600 unless ``create`` is false. For the other arguments see :class:`SqliteFile`.
    """

    about = "smsbridge_ledger_about"
    version = VERSION

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
            raise ConfigurationError(
                "the ledger was made with a key, but none is set now: set SMSBRIDGE_LEDGER_KEY to that key"
            )
        if not hmac.compare_digest(_proof(found), about["proof"]):
            raise ConfigurationError(
                "the ledger was made with another key, so it cannot tell texts apart: set the key that made it"
            )
        return found

    def claim(self, claims: Sequence[Claim]) -> list[Entry | None]:
        made = [rows.claim_row(claim) for claim in claims]
        self._changed = True
        count = self._db.executemany(_INSERT, made).rowcount
        return [None] * len(made) if count == len(made) else [self._claim(claim) for claim in claims]

    def _claim(self, claim: Claim) -> Entry | None:
        there = self.find(claim.reference)
        if there is None or there.claim.token == claim.token:
            return None
        if not there.gives_way_to(claim):
            return there
        row: dict[str, Any] = dict(zip(rows.CLAIM, rows.claim_row(claim), strict=True))
        self._db.execute(_CLAIM_ANEW, row)
        return None

    def record(self, entries: Sequence[Entry]) -> int:
        return sum(self._record(entry.claim, _outcome_of(entry)) for entry in entries)

    def _record(self, claim: Claim, outcome: Outcome) -> int:
        """Keep an outcome. A text that has another is read first: what its reports said stays."""
        kept = self._db.execute(_RECORD_FIRST, _record_row(claim, outcome)).rowcount
        there = None if kept else self.find(claim.reference)
        if there is None or there.outcome is None:
            return kept
        standing = rows.standing_row(recorded(there, outcome).standing)
        return self._db.execute(_RECORD, _record_row(claim, outcome, standing)).rowcount

    # --- reports ------------------------------------------------------------------------------------------------------

    def note(self, reports: Sequence[DeliveryReport]) -> None:
        now = time.time()
        self._changed = True
        self._db.executemany(_NOTE, [(*rows.report_row(report, now=now), now) for report in reports])

    def fold(
        self,
        references: Collection[str],
        ids: Collection[tuple[str, str]],
        *,
        ticket: str | None = None,
        lease: float = 0.0,
    ) -> list[Change]:
        if not ids and self._db.execute(_WAITING, (time.time() - _EARLY,)).fetchone() is None:
            return []
        found: dict[int, Entry] = {}
        for reference in references:
            found.update(map(rows.entry, self._db.execute(_FIND, (reference,))))
        for account, id_ in ids:
            found.update(map(rows.entry, self._db.execute(_FIND_BY_ID, (id_, account))))
        return [self._folded(number, entry, ticket, lease) for number, entry in found.items()]

    def _folded(self, number: int, before: Entry, ticket: str | None, lease: float) -> Change:
        if before.outcome is None:
            return Change(number, before, to_tell=False)
        there = self._reports_of(before)
        entry = folded(before, [report for _, report in there])
        if entry != before:
            self._put(number, entry)
        of_taker = [place for place, report in there if report.account == taker_of(entry)]
        self._db.executemany(_FOLDED, [(place,) for place in of_taker])
        change, now = Change(number, entry, to_tell=False), time.time()
        if ticket is None:
            self._db.execute(_NOT_TOLD, (change.rank, number))
            return change
        taken = self._db.execute(_TELL, (ticket, now + lease, number, change.rank, now)).rowcount
        return replace(change, to_tell=taken > 0)

    def _put(self, number: int, entry: Entry) -> None:
        values = (*rows.outcome_row(_outcome_of(entry)), *rows.standing_row(entry.standing), number)
        self._db.execute(_PUT, values)

    def told(self, changes: Sequence[Change], ticket: str, *, done: bool) -> None:
        told = [(change.rank if done else 0, change.number, ticket) for change in changes]
        self._db.executemany(_TOLD, told)

    def let_go(self, references: Collection[str], ids: Collection[tuple[str, str]], ticket: str) -> None:
        self._db.executemany(_LET_GO, [(reference, ticket) for reference in references])
        self._db.executemany(_LET_GO_BY_ID, [(id_, account, ticket) for account, id_ in ids])

    def reports(self, reference: str) -> list[DeliveryReport]:
        entry = self.find(reference)
        if entry is not None:
            return [report for _, report in self._reports_of(entry)]
        return [rows.report(row[1:]) for row in self._db.execute(_REPORTS, (reference, "", ""))]

    def _reports_of(self, entry: Entry) -> list[tuple[int, DeliveryReport]]:
        """The reports of a text, each with its number."""
        id_ = entry.outcome.id if entry.outcome is not None else ""
        found = self._db.execute(_REPORTS, (entry.claim.reference, id_, taker_of(entry)))
        return [(row[0], rows.report(row[1:])) for row in found]

    # --- looking ------------------------------------------------------------------------------------------------------

    def find(self, reference: str) -> Entry | None:
        row = self._db.execute(_FIND, (reference,)).fetchone()
        return None if row is None else rows.entry(row)[1]

    def entries(
        self, filters: EntryFilters = EVERY_ENTRY, *, after: int = 0, limit: int = 1000
    ) -> list[tuple[int, Entry]]:
        now = utc_now().timestamp()
        states = [state.value for state in filters.states]
        statuses = [status.value for status in filters.statuses]
        wanted: dict[str, Sequence[Any]] = {
            "number > ?": (after,),
            "account = ?": _given(filters.account),
            "reference = ?": _given(filters.reference),
            f"state IN ({_list(states, '?')})": states,
            f"reported IN ({_list(statuses, '?')})": statuses,
            "state = 'accepted' AND final = ?": _given(filters.final),
            "person = ?": _given(filters.person),
            "claimed_at >= ?": () if filters.within is None else (now - filters.within,),
            "claimed_at < ?": () if filters.beyond is None else (now - filters.beyond,),
        }
        given = {clause: values for clause, values in wanted.items() if values}
        query = f"SELECT {_ENTRY} FROM smsbridge_ledger WHERE {' AND '.join(given)} ORDER BY number LIMIT ?"
        values = [value for clause_values in given.values() for value in clause_values]
        return [rows.entry(row) for row in self._db.execute(query, (*values, limit))]

    def prune(self, older_than: float, limit: int, *, account: str | None = None) -> int:
        before = utc_now().timestamp() - older_than
        gone = self._db.execute(_PRUNE, (before, account, limit)).fetchall()
        self._db.executemany(_PRUNE_REPORTS, gone)
        self._db.execute(_PRUNE_WAITING, (before, limit))
        return len(gone)


def _given(value: Any) -> Sequence[Any]:
    return () if value is None else (value,)


def _proof(key: bytes) -> bytes:
    return hmac.digest(key, _PROOF, hashlib.sha256)


def _outcome_of(entry: Entry) -> Outcome:
    if entry.outcome is None:
        raise ValueError("there is no outcome to record")
    return entry.outcome


def _record_row(claim: Claim, outcome: Outcome, standing: tuple[Any, ...] | None = None) -> tuple[Any, ...]:
    answer = rows.answer_row(outcome)
    told = answer[rows.STANDING.index("rank")]
    return (
        *rows.outcome_row(outcome),
        *(answer if standing is None else standing),
        told,
        claim.reference,
        claim.token,
        outcome.state.value,
    )
