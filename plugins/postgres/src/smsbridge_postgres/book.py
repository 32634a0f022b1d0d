"""PostgresBook: a ledger's entries in a database, which threads, tasks, processes and machines share."""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
import time
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from smsbridge.errors import ConfigurationError
from smsbridge.messages import DeliveryReport
from smsbridge.stores import rows
from smsbridge.stores.entries import EVERY_ENTRY, Change, Claim, Clash, Entry, EntryFilters, Outcome, Unwritable
from smsbridge.stores.folding import folded, recorded, taker_of
from smsbridge.stores.writer import log_lost

from . import statements as sql
from .shelf import Shelf
from .words import Unstorable, storable

if TYPE_CHECKING:
    from smsbridge.stores.sqlite_file import Sync

_PROOF = b"smsbridge ledger"
"""Hashed with the key. With other words, every ledger that is there would be refused."""
_MOST_OWED = 10_000
_TRIES = 3


class PostgresBook(Shelf):
    """The storage of a ledger in the PostgreSQL database at ``url``. For the other arguments see :class:`Shelf`.

    With ``sync="full"``, each commit waits until the database server has written it to disk, even if the server does
    not do so by default.

    Outcomes that cannot be recorded while the database is away are recorded once it is back, if this process still
    runs.
    """

    def __init__(self, url: str, *, sync: Sync = "normal", create: bool = True, patience: float = 5.0) -> None:
        super().__init__(url, create=create, patience=patience)
        if sync == "full":
            self.settings = {"synchronous_commit": "on"}
        self._told: list[Entry] = []
        """What was recorded in this transaction."""
        self._owed: dict[tuple[str, str], Entry] = {}
        """What has to be recorded still, by the token of its claim and its state."""
        self._claims: list[Claim] = []
        """Those that were asked for in this transaction."""
        self._doubtful: dict[str, Claim] = {}
        """Those of a transaction that may have been kept or not, by token."""

    @contextmanager
    def together(self) -> Iterator[None]:
        if self._process != os.getpid():
            self._owed, self._doubtful = {}, {}  # they are the parent's
        self._claims, self._told = [], []
        try:
            with super().together():
                yield
        except Unwritable:
            self._owe(self._told)
            raise

    def close(self) -> None:
        """Record the outcomes that still wait, if the database can be reached now, and close the connection."""
        for _ in range(2):  # what is in doubt before the first is owed after it
            if (self._owed or self._doubtful) and self._process == os.getpid():
                with suppress(Unwritable, Unstorable), self.together():
                    self._begin()
        super().close()

    def identify(self, key: bytes | None) -> bytes:
        """Return the key of the hashes in this store, see :meth:`smsbridge.stores.book.Book.identify`.

        The other methods without a docstring are described in :class:`smsbridge.stores.book.Book` too.
        """
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
            raise ConfigurationError(
                "the ledger was made with a key, but none is set now: set SMSBRIDGE_LEDGER_KEY to that key"
            )
        if not hmac.compare_digest(_proof(found), about["proof"]):
            raise ConfigurationError("the ledger was made with another key, so it cannot tell one text from another")
        return found

    # --- claims and outcomes ------------------------------------------------------------------------------------------

    def claim(self, claims: Sequence[Claim]) -> list[Entry | None]:
        self._claims += claims
        self._need()
        made = self._insert(claims)
        if len(made) == len(claims):
            return [None] * len(claims)
        others = [claim for claim in claims if claim.token not in made]
        there = self._found(claim.reference for claim in others)
        return [None if claim.token in made else self._claim(claim, there) for claim in claims]

    def _claim(self, claim: Claim, there: dict[str, Entry]) -> Entry | None:
        """Claim what an entry was in the way of, as far as is known from ``there``, which is kept true."""
        reference = storable(claim.reference)
        for _ in range(_TRIES):
            entry = there.get(reference)
            if entry is None:  # it was forgotten meanwhile
                done = claim.token in self._insert([claim])
            elif entry.claim.token == claim.token:
                return None
            elif entry.gives_way_to(claim):
                values = [*_claim_row(claim), reference, entry.claim.token]
                done = self._ask(sql.CLAIM_ANEW, values).rowcount > 0
            else:
                return entry
            there.pop(reference, None)
            there.update(self._found([claim.reference]))
            if done:
                return None
        raise Clash("other processes claim and forget the same reference all the time")

    def _insert(self, claims: Sequence[Claim]) -> set[str]:
        """Make entries of ``claims`` whose references are new; the tokens of those."""
        return {token for (token,) in self._ask(sql.INSERT, _columns(map(_claim_row, claims)))} if claims else set()

    def record(self, entries: Sequence[Entry]) -> int:
        self._told += entries
        self._need()
        return self._record(entries)

    def _record(self, entries: Iterable[Entry]) -> int:
        return sum(map(self._record_each, _rounds(entries)))

    def _record_each(self, entries: Sequence[Entry]) -> int:
        """Keep outcomes of different texts. One that has another is read first: what its reports said stays."""
        first = [_record_row(entry, rows.answer_row(_outcome_of(entry))) for entry in entries]
        kept = {token for (token,) in self._ask(sql.RECORD_FIRST, _columns(first))}
        left = {storable(entry.claim.reference): entry for entry in entries if entry.claim.token not in kept}
        again = []
        for reference, there in (self._found(left, locks=True) if left else {}).items():
            entry = left[reference]
            if there.outcome is not None and there.claim.token == entry.claim.token:
                standing = recorded(there, _outcome_of(entry)).standing
                again.append(_record_row(entry, rows.standing_row(standing)))
        return len(kept) + (self._ask(sql.RECORD_AGAIN, _columns(again)).rowcount if again else 0)

    # --- reports ------------------------------------------------------------------------------------------------------

    def note(self, reports: Sequence[DeliveryReport]) -> None:
        self._need()
        if reports:
            now = time.time()
            self._ask(sql.NOTE, _columns(_clean(rows.report_row(report, now=now)) for report in reports))

    def fold(
        self,
        references: Collection[str],
        ids: Collection[tuple[str, str]],
        *,
        ticket: str | None = None,
        lease: float = 0.0,
    ) -> list[Change]:
        self._need()
        if self._told and not ids:
            self._part()
        wanted = _wanted(references, ids)
        found = (self._ask(sql.FIND_BY_IDS, wanted) if ids else self._ask(sql.EARLY, wanted[:1])).fetchall()
        return [self._folded(*rows.entry(row), ticket, lease) for row in found]

    def _folded(self, number: int, before: Entry, ticket: str | None, lease: float) -> Change:
        if before.outcome is None:
            return Change(number, before, to_tell=False)
        there = self._reports_of(before)
        entry = folded(before, [report for _, report in there])
        if entry != before:
            outcome = rows.outcome_row(_outcome_of(entry))
            self._ask(sql.PUT, [*_clean((*outcome, *rows.standing_row(entry.standing))), number])
        of_taker = [place for place, report in there if report.account == taker_of(entry)]
        if of_taker:
            self._ask(sql.FOLDED, [of_taker])
        change = Change(number, entry, to_tell=False)
        if ticket is None:
            self._ask(sql.NOT_TOLD, [change.rank, number, change.rank])
            return change
        return replace(change, to_tell=self._ask(sql.TELL, [ticket, lease, number, change.rank]).rowcount > 0)

    def told(self, changes: Sequence[Change], ticket: str, *, done: bool) -> None:
        for change in sorted(changes, key=lambda change: change.number):
            self._ask(sql.TOLD, [change.rank if done else 0, change.number, ticket])

    def let_go(self, references: Collection[str], ids: Collection[tuple[str, str]], ticket: str) -> None:
        if not self._is_absent():
            self._ask(sql.LET_GO, [ticket, *_wanted(references, ids)])

    def reports(self, reference: str) -> list[DeliveryReport]:
        if self._is_absent():
            return []
        entry = self.find(reference)
        if entry is not None:
            return [report for _, report in self._reports_of(entry)]
        return [rows.report(row[1:]) for row in self._ask(sql.REPORTS, [storable(reference), "", ""])]

    def _reports_of(self, entry: Entry) -> list[tuple[int, DeliveryReport]]:
        """The reports of a text, each with its number."""
        id_ = entry.outcome.id if entry.outcome is not None else ""
        found = self._ask(sql.REPORTS, [entry.claim.reference, id_, taker_of(entry)])
        return [(row[0], rows.report(row[1:])) for row in found]

    # --- looking ------------------------------------------------------------------------------------------------------

    def find(self, reference: str) -> Entry | None:
        return None if self._is_absent() else self._found([reference]).get(storable(reference))

    def entries(
        self, filters: EntryFilters = EVERY_ENTRY, *, after: int = 0, limit: int = 1000
    ) -> list[tuple[int, Entry]]:
        self._need()
        reference = filters.reference
        wanted = {
            "number > %s": after,
            "account = %s": filters.account,
            "reference = %s": None if reference is None else storable(reference),
            "state = ANY(%s)": [state.value for state in filters.states] or None,
            "reported = ANY(%s)": [status.value for status in filters.statuses] or None,
            "state = 'accepted' AND final = %s": filters.final,
            "person = %s": filters.person,
            f"claimed_at >= {sql.AGO}": filters.within,
            f"claimed_at < {sql.AGO}": filters.beyond,
        }
        given = {clause: value for clause, value in wanted.items() if value is not None}
        return [rows.entry(row) for row in self._ask(sql.page(given), [*given.values(), limit])]

    def prune(self, older_than: float, limit: int, *, account: str | None = None) -> int:
        if self._is_absent():
            return 0
        gone = self._ask(sql.PRUNE, [older_than, account, account, limit]).fetchall()
        if gone:
            self._ask(sql.PRUNE_REPORTS, _columns(gone))
        self._ask(sql.PRUNE_WAITING, [older_than, limit])
        return len(gone)

    # --- inside -------------------------------------------------------------------------------------------------------

    def _first(self) -> None:
        """Record what is owed."""
        if not self._owed:
            return
        owed, self._owed = [*self._owed.values()], {}
        self._told = [*owed, *self._told]
        try:
            self._record(owed)
        except Unstorable as error:  # they are never tried again, or nothing would be kept any more
            log_lost(error, len(owed))
            raise

    def _keep(self) -> None:
        """Commit. If the connection is lost on the way, the claims are in doubt: to ask for them again settles it.

        If they are not asked for again, their texts were refused, and the claims are given up.
        """
        try:
            super()._keep()
        except Clash:
            self._doubtful.update({claim.token: claim for claim in self._claims})
            raise
        for claim in self._claims:
            self._doubtful.pop(claim.token, None)
        given_up = Outcome.refused("cancelled")
        self._owe(Entry(claim=claim, outcome=given_up) for claim in self._doubtful.values())
        self._doubtful = {}

    def _part(self) -> None:
        """Let others see what was recorded, and begin another transaction.

        A process that keeps a report looks for its text afterwards. If it could not see that yet, while this one could
        not see the report, neither would move the text.
        """
        self._keep()
        self._claims, self._told, self._is_begun = [], [], False

    def _about(self) -> dict[str, bytes]:
        asked = "SELECT name, value FROM smsbridge_about WHERE name IN ('key', 'proof')"
        return {name: bytes.fromhex(value) for name, value in self._ask(asked)}

    def _found(self, references: Iterable[str], *, locks: bool = False) -> dict[str, Entry]:
        """The entries of ``references``, by reference; ``locks`` keeps others from changing them."""
        query = f"{sql.FIND} {sql.LOCKED}" if locks else sql.FIND
        found = self._ask(query, [[storable(reference) for reference in references]])
        return {entry.claim.reference: entry for _, entry in map(rows.entry, found)}

    def _owe(self, entries: Iterable[Entry]) -> None:
        """Remember what has to be recorded later, but not without end."""
        for entry in entries:
            if len(self._owed) < _MOST_OWED:
                self._owed[entry.claim.token, entry.state.value] = entry


def _proof(key: bytes) -> bytes:
    return hmac.digest(key, _PROOF, hashlib.sha256)


def _rounds(entries: Iterable[Entry]) -> Iterator[list[Entry]]:
    """In turn, with each reference once at a time: of two outcomes, the second must see the first."""
    left = list(entries)
    while left:
        now: dict[str, Entry] = {}
        later = [entry for entry in left if now.setdefault(entry.claim.reference, entry) is not entry]
        yield list(now.values())
        left = later


def _wanted(references: Collection[str], ids: Collection[tuple[str, str]]) -> list[list[str]]:
    """The references, and the accounts and the ids of texts."""
    accounts, found = ([storable(pair[place]) for pair in ids] for place in (0, 1))
    return [[storable(reference) for reference in references], accounts, found]


def _columns(found: Iterable[Sequence[Any]]) -> list[list[Any]]:
    """Rows as an array for each column."""
    return [list(column) for column in zip(*found, strict=True)]


def _clean(row: Sequence[Any]) -> tuple[Any, ...]:
    """A row of values that can be kept."""
    return tuple(storable(value) if isinstance(value, str) else value for value in row)


def _claim_row(claim: Claim) -> tuple[Any, ...]:
    context = {storable(name): storable(value) for name, value in claim.context.items()}
    return _clean(rows.claim_row(replace(claim, context=context) if context else claim))


def _outcome_of(entry: Entry) -> Outcome:
    if entry.outcome is None:
        raise ValueError("there is no outcome to record")
    return entry.outcome


def _record_row(entry: Entry, standing: Sequence[Any]) -> tuple[Any, ...]:
    """What is told of an outcome: the caller of ``send`` knows how far the text is by its answer."""
    outcome = _outcome_of(entry)
    told = rows.answer_row(outcome)[rows.STANDING.index("rank")]
    return _clean((*rows.outcome_row(outcome), *standing, told, entry.claim.reference, entry.claim.token))
