"""PostgresBook: a ledger's entries in a database, which threads, tasks, processes and machines share."""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
import time
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from smsbridge.errors import ConfigurationError
from smsbridge.messages import Money, Status
from smsbridge.stores.entries import Claim, Entry, Kind, Outcome, State, Unwritable
from smsbridge.stores.writer import log_lost

from .shelf import Shelf
from .words import InDoubt, Unstorable, storable

if TYPE_CHECKING:
    from smsbridge.stores.sqlite_file import Sync

_PROOF = b"smsbridge ledger"
_MOST_OWED = 10_000
_TRIES = 3
_AGAIN = 0.05

_CLAIM = {
    "account": "text",
    "reference": "text",
    "kind": "text",
    "content": "bytea",
    "recipient": "text",
    "purpose": "text",
    "claim": "text",
    "claimed_at": "timestamptz",
}
"""The columns of a claim, each with its type."""
_OUTCOME = {
    "state": "text",
    "recorded_at": "timestamptz",
    "taker": "text",
    "provider": "text",
    "id": "text",
    "status": "text",
    "segments": "integer",
    "price": "text",
    "unit": "text",
    "accepted_at": "timestamptz",
    "expires_at": "timestamptz",
    "error": "text",
    "code": "text",
    "reason": "text",
}
_NAMED = {"reference": "text", "claim": "text"}


def _rows_of(columns: dict[str, str], name: str) -> str:
    """Arrays, one for each column, as rows."""
    return f"unnest({', '.join(f'%s::{kind}[]' for kind in columns.values())}) AS {name}({', '.join(columns)})"


_COLUMNS = ", ".join(("number", *_CLAIM, "claims", *_OUTCOME))
_SELECT = f"SELECT {_COLUMNS} FROM smsbridge_ledger"  # noqa: S608  # of our own names, as all below
# Numbers are given in the order of the claims, and rows are made in the order of their references: so of two processes
# with the same ones, one waits for the other, and they do not lock each other out.
_INSERT = f"""WITH given AS MATERIALIZED (
        SELECT nextval('smsbridge_ledger_number_seq') AS number, told.* FROM {_rows_of(_CLAIM, "told")}
    )
    INSERT INTO smsbridge_ledger (number, {", ".join(_CLAIM)}) SELECT * FROM given ORDER BY reference, number
    ON CONFLICT (reference) DO NOTHING RETURNING claim, pg_current_xact_id()::text"""  # noqa: S608
_FORGOTTEN = ", ".join(f"{name} = NULL" for name in _OUTCOME if name != "state")
_CLAIM_ANEW = f"""UPDATE smsbridge_ledger SET claims = claims + 1, state = 'open',
    account = %s, recipient = %s, claim = %s, claimed_at = %s, {_FORGOTTEN}
    WHERE reference = %s AND claim = %s AND state = 'refused' RETURNING pg_current_xact_id()::text"""  # noqa: S608
_RECORD = f"""UPDATE smsbridge_ledger AS entry SET {", ".join(f"{name} = told.{name}" for name in _OUTCOME)}
    FROM {_rows_of(_NAMED | _OUTCOME, "told")}
    WHERE entry.reference = told.reference AND entry.claim = told.claim
        AND (entry.state IN ('open', 'uncertain') OR told.state = 'accepted')"""  # noqa: S608
# A number that is still to come is of a transaction that the server forgot in a crash.
_GOES_ON = """SELECT CASE
    WHEN %s::xid8 >= pg_snapshot_xmax(pg_current_snapshot()) THEN false
    ELSE coalesce(pg_xact_status(%s::xid8) = 'in progress', false) END"""
_PRUNE = """DELETE FROM smsbridge_ledger WHERE number IN (SELECT number FROM smsbridge_ledger
    WHERE state IN ('accepted', 'refused') AND recorded_at < %s AND (%s::text IS NULL OR account = %s)
    ORDER BY recorded_at LIMIT %s FOR UPDATE SKIP LOCKED)"""


class PostgresBook(Shelf):
    """Entries in the database at ``url``. For the arguments see :class:`Shelf`.

    ``sync`` full lets a commit be on the disk of the server even where its own default is less.

    What cannot be recorded since the database is away is recorded once it is back, if this process still is there.
    """

    def __init__(self, url: str, *, sync: Sync = "normal", create: bool = True, patience: float = 5.0) -> None:
        super().__init__(url, create=create, patience=patience)
        if sync == "full":
            self.settings = {"synchronous_commit": "on"}
        self._claims: list[Claim] = []
        """Those that were made in this transaction."""
        self._xid = ""
        """Its number, once a claim was made."""
        self._told: list[Entry] = []
        """What was recorded in it."""
        self._owed: list[Entry] = []
        """What was not kept of transactions before, and has to be."""

    @contextmanager
    def together(self) -> Iterator[None]:
        if self._process != os.getpid():
            self._owed = []  # they are the parent's
        self._claims, self._told = [], []
        try:
            with super().together():
                yield
        except Unwritable as error:
            self._owe(self._told)
            if isinstance(error, InDoubt):  # the texts of these claims are refused, so they may be sent later
                self._owe(Entry(claim=claim, outcome=Outcome.refused("cancelled")) for claim in self._claims)
            raise

    def close(self) -> None:
        """Record what is still owed, if that can be done by now, and let go of the connection."""
        if self._owed and self._process == os.getpid():
            with suppress(Unwritable, Unstorable), self.together():
                self._begin()
        super().close()

    def identify(self, key: bytes | None) -> bytes:
        """See :class:`smsbridge.stores.entries.Book`, as for all of these."""
        self._need()
        about = self._about()
        if "proof" not in about:
            made = secrets.token_bytes(32) if key is None else key
            new = {"proof": _proof(made)} | ({"key": made} if key is None else {})
            for name, value in new.items():  # the proof first: of two processes at once, one is told of the other's
                put = "INSERT INTO smsbridge_about VALUES (%s, %s) ON CONFLICT (name) DO NOTHING"
                if not self._ask(put, [name, value.hex()]).rowcount:
                    break
            about = self._about()
        found = key if key is not None else about.get("key")
        if found is None:
            raise ConfigurationError("the ledger was made with a key, which is not set now")
        if not hmac.compare_digest(_proof(found), about["proof"]):
            raise ConfigurationError("the ledger was made with another key, so it cannot tell one text from another")
        return found

    def claim(self, claims: Sequence[Claim]) -> list[Entry | None]:
        self._need()
        made = self._insert(claims)
        if len(made) == len(claims):
            return [None] * len(claims)
        others = [claim for claim in claims if claim.token not in made]
        there = self._found(claim.reference for claim in others)
        return [None if claim.token in made else self._claim(claim, there) for claim in claims]

    def _claim(self, claim: Claim, there: dict[str, Entry]) -> Entry | None:
        """Claim what an entry was in the way of, as far as is known from ``there``, which is kept true."""
        for _ in range(_TRIES):
            entry = there.get(storable(claim.reference))
            if entry is None:  # it was forgotten meanwhile
                if claim.token in self._insert([claim]):
                    there.update(self._found([claim.reference]))
                    return None
            elif entry.claim.token == claim.token:
                return None
            elif not entry.gives_way_to(claim):
                return entry
            elif self._claim_anew(claim, entry):
                there.update(self._found([claim.reference]))
                return None
            there.pop(storable(claim.reference), None)
            there.update(self._found([claim.reference]))
        raise Unwritable("other processes claim and forget the same reference all the time")

    def _insert(self, claims: Sequence[Claim]) -> set[str]:
        """Make entries of ``claims`` whose references are new; the tokens of those."""
        columns = zip(*map(_claim_row, claims), strict=True)
        rows = self._ask(_INSERT, [list(column) for column in columns]).fetchall() if claims else []
        made = {token for token, _ in rows}
        self._claims += [claim for claim in claims if claim.token in made]
        if rows:
            self._xid = rows[0][1]
        return made

    def _claim_anew(self, claim: Claim, entry: Entry) -> bool:
        """Let ``claim`` take the place of ``entry``; false if another was faster."""
        values = [claim.account, claim.to, claim.token, claim.at, storable(claim.reference), entry.claim.token]
        row = self._ask(_CLAIM_ANEW, values).fetchone()
        if row is None:
            return False
        self._xid = row[0]
        self._claims.append(claim)
        return True

    def record(self, entries: Sequence[Entry]) -> int:
        self._told += entries
        self._need()
        return self._record(entries)

    def _record(self, entries: Sequence[Entry]) -> int:
        count = 0
        for round_ in _rounds(entries):
            columns = zip(*map(_record_row, round_), strict=True)
            count += self._ask(_RECORD, [list(column) for column in columns]).rowcount
        return count

    def find(self, reference: str) -> Entry | None:
        return None if self._is_absent() else self._found([reference]).get(storable(reference))

    def entries(
        self,
        *,
        account: str | None = None,
        reference: str | None = None,
        states: Collection[State] = (),
        since: datetime | None = None,
        after: int = 0,
        limit: int = 1000,
    ) -> list[tuple[int, Entry]]:
        self._need()
        wanted: dict[str, Any] = {"number > %s": after}
        if account is not None:
            wanted["account = %s"] = storable(account)
        if reference is not None:
            wanted["reference = %s"] = storable(reference)
        if states:
            wanted["state = ANY(%s)"] = [state.value for state in states]
        if since is not None:
            wanted["claimed_at >= %s"] = since
        query = f"{_SELECT} WHERE {' AND '.join(wanted)} ORDER BY number LIMIT %s"
        return [_entry(row) for row in self._ask(query, [*wanted.values(), limit])]

    def prune(self, before: datetime, limit: int, *, account: str | None = None) -> int:
        return 0 if self._is_absent() else self._ask(_PRUNE, [before, account, account, limit]).rowcount

    # --- inside -------------------------------------------------------------------------------------------------------

    def _was_kept(self) -> bool:
        """Whether the claims of this transaction are there, once the server is done with it."""
        if not self._claims:
            return False  # what else was told can be told again
        last, problem = self._claims[-1], InDoubt()
        until = time.monotonic() + self._patience
        while True:
            self._let_go()
            try:
                (is_going_on,) = self._ask(_GOES_ON, [self._xid, self._xid]).fetchone() or (True,)
                if not is_going_on:
                    there = self._found([last.reference]).get(storable(last.reference))
                    self._perform("COMMIT")
                    return there is not None and there.claim.token == last.token
            except Unwritable:
                if time.monotonic() >= until:
                    break
            if time.monotonic() >= until:
                break
            time.sleep(_AGAIN)
        raise problem

    def _first(self) -> None:
        """Record what is owed."""
        owed, self._owed = self._owed, []
        if owed:
            self._told = [*owed, *self._told]
            try:
                self._record(owed)
            except Unstorable as error:  # they are never tried again, or nothing would be kept any more
                log_lost(error, len(owed))
                raise

    def _about(self) -> dict[str, bytes]:
        asked = "SELECT name, value FROM smsbridge_about WHERE name IN ('key', 'proof')"
        return {name: bytes.fromhex(value) for name, value in self._ask(asked)}

    def _found(self, references: Iterable[str]) -> dict[str, Entry]:
        """The entries of ``references``, by reference."""
        rows = self._ask(f"{_SELECT} WHERE reference = ANY(%s)", [[storable(reference) for reference in references]])
        return {entry.claim.reference: entry for _, entry in map(_entry, rows)}

    def _owe(self, entries: Iterable[Entry]) -> None:
        """Remember what has to be recorded later, but not without end."""
        self._owed = [*self._owed, *entries][:_MOST_OWED]


def _proof(key: bytes) -> bytes:
    return hmac.digest(key, _PROOF, hashlib.sha256)


def _rounds(entries: Sequence[Entry]) -> Iterator[list[Entry]]:
    """In turn, with each reference once at a time: of two outcomes, the second must see the first."""
    left = list(entries)
    while left:
        now: dict[str, Entry] = {}
        later = [entry for entry in left if now.setdefault(entry.claim.reference, entry) is not entry]
        yield sorted(now.values(), key=lambda entry: entry.claim.reference)
        left = later


def _word(value: str | None) -> str | None:
    return None if value is None else storable(value)


def _claim_row(claim: Claim) -> tuple[Any, ...]:
    """Its values, in the order of ``_CLAIM``."""
    return (
        storable(claim.account),
        storable(claim.reference),
        claim.kind.value,
        claim.content,
        claim.to,
        claim.purpose,
        claim.token,
        claim.at,
    )


def _record_row(entry: Entry) -> tuple[Any, ...]:
    """Its values, in the order of ``_NAMED`` and ``_OUTCOME``."""
    claim, outcome = entry.claim, entry.outcome
    if outcome is None:
        raise ValueError("there is no outcome to record")
    return (
        storable(claim.reference),
        claim.token,
        outcome.state.value,
        outcome.at,
        storable(outcome.taker),
        storable(outcome.provider),
        storable(outcome.id),
        outcome.status and outcome.status.value,
        outcome.segments,
        outcome.price and str(outcome.price.amount),
        outcome.price and outcome.price.unit,
        outcome.accepted_at,
        outcome.expires_at,
        _word(outcome.error),
        _word(outcome.code),
        _word(outcome.reason),
    )


def _moment(at: datetime | None) -> datetime | None:
    return at and at.astimezone(UTC)


def _entry(row: Sequence[Any]) -> tuple[int, Entry]:
    """The number and the entry of a row of ``_COLUMNS``."""
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
        at=claimed_at.astimezone(UTC),
    )
    if state == State.OPEN:
        return number, Entry(claim=claim, claims=claims)
    outcome = Outcome(
        state=State(state),
        at=recorded_at.astimezone(UTC),
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
