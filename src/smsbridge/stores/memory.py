"""MemoryBook: the storage of a ledger in memory. It opens no file and starts no thread."""

from __future__ import annotations

import itertools
import secrets
import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

from smsbridge.attempts import utc_now
from smsbridge.errors import ConfigurationError
from smsbridge.messages import DeliveryReport

from .entries import EVERY_ENTRY, Change, Claim, Entry, EntryFilters, Outcome, State
from .folding import begun, folded, recorded, taker_of


@dataclass(slots=True)
class _Telling:
    """How far a text was when that was told last, and who is about to tell more until when."""

    rank: int = 0
    ticket: str | None = None
    until: float = 0.0


class MemoryBook:
    """The storage of a ledger in memory. Its methods cannot fail half-way, so an error needs no change to be undone."""

    def __init__(self) -> None:
        self._key = b""
        self._entries: dict[str, Entry] = {}
        self._numbers: dict[str, int] = {}
        self._ids: dict[tuple[str, str], str] = {}
        """The reference of a text, by the account that took it and its id there."""
        self._tellings: dict[str, _Telling] = {}
        self._reports: dict[tuple[str, str], DeliveryReport] = {}
        """By account and key, in the order in which they came."""
        self._by_reference: dict[str, list[tuple[int, DeliveryReport]]] = {}
        self._by_id: dict[tuple[str, str], list[tuple[int, DeliveryReport]]] = {}
        self._came = itertools.count()

    @contextmanager
    def together(self) -> Iterator[None]:
        yield

    def identify(self, key: bytes | None) -> bytes:
        if not self._key:
            self._key = key or secrets.token_bytes(32)
        elif key not in (None, self._key):
            raise ConfigurationError(
                "the ledger was made with another key, so it cannot tell texts apart: set the key that made it"
            )
        return self._key

    def claim(self, claims: Sequence[Claim]) -> list[Entry | None]:
        return [self._claim(claim) for claim in claims]

    def _claim(self, claim: Claim) -> Entry | None:
        there = self.find(claim.reference)
        if there is None:
            self._numbers[claim.reference] = len(self._numbers) + 1
            self._entries[claim.reference] = Entry(claim=claim)
        elif there.claim.token == claim.token:
            return None
        elif there.gives_way_to(claim):
            self._entries[claim.reference] = Entry(claim=claim, claims=there.claims + 1)
            self._tellings.pop(claim.reference, None)
        else:
            return there
        return None

    def record(self, entries: Sequence[Entry]) -> int:
        kept = 0
        for entry in entries:
            there = self.find(entry.claim.reference)
            if there is None or there.claim.token != entry.claim.token or entry.outcome is None:
                continue
            if not there.state.settled or entry.state is State.ACCEPTED:
                self._put(recorded(there, entry.outcome))
                self._answered(entry.claim.reference, entry.outcome)
                kept += 1
        return kept

    def _put(self, entry: Entry) -> None:
        """Keep an entry that has an outcome."""
        reference, outcome = entry.claim.reference, entry.outcome
        self._entries[reference] = entry
        if outcome is not None and outcome.id:
            self._ids[taker_of(entry), outcome.id] = reference

    def _answered(self, reference: str, outcome: Outcome) -> None:
        """How far a text is by its answer needs no telling: the caller of ``send`` knows."""
        telling = self._tellings.setdefault(reference, _Telling())
        answer = begun(outcome)
        telling.rank = max(telling.rank, answer.rank if answer is not None else 0)

    # --- reports ------------------------------------------------------------------------------------------------------

    def note(self, reports: Sequence[DeliveryReport]) -> None:
        for report in reports:
            if (report.account, report.key) in self._reports:
                continue
            kept = replace(report, at=report.at or utc_now(), to="", raw={}, context={})
            self._reports[report.account, report.key] = kept
            place = (next(self._came), kept)
            if kept.reference:
                self._by_reference.setdefault(kept.reference, []).append(place)
            if kept.id:
                self._by_id.setdefault((kept.account, kept.id), []).append(place)

    def fold(
        self,
        references: Collection[str],
        ids: Collection[tuple[str, str]],
        *,
        ticket: str | None = None,
        lease: float = 0.0,
    ) -> list[Change]:
        found = dict.fromkeys(reference for reference in references if reference in self._entries)
        found.update(dict.fromkeys(self._ids[each] for each in ids if each in self._ids))
        return [self._folded(reference, ticket, lease) for reference in found]

    def _folded(self, reference: str, ticket: str | None, lease: float) -> Change:
        before = self._entries[reference]
        entry = folded(before, self.reports(reference))
        if entry is not before:
            self._put(entry)
        change = Change(self._numbers[reference], entry, to_tell=True)
        telling = self._tellings.setdefault(reference, _Telling())
        if ticket is None:
            telling.rank = max(telling.rank, change.rank)
        now = time.monotonic()
        if change.rank <= telling.rank or (telling.ticket is not None and now < telling.until):
            return replace(change, to_tell=False)
        telling.ticket, telling.until = ticket, now + lease
        return change

    def told(self, changes: Sequence[Change], ticket: str, *, done: bool) -> None:
        for change in changes:
            telling = self._tellings.get(change.entry.claim.reference)
            if telling is None or telling.ticket != ticket:
                continue
            telling.ticket = None
            if done:
                telling.rank = max(telling.rank, change.rank)

    def let_go(self, references: Collection[str], ids: Collection[tuple[str, str]], ticket: str) -> None:
        for reference in {*references, *(self._ids[each] for each in ids if each in self._ids)}:
            telling = self._tellings.get(reference)
            if telling is not None and telling.ticket == ticket:
                telling.ticket = None

    def reports(self, reference: str) -> list[DeliveryReport]:
        entry = self._entries.get(reference)
        found = dict(self._by_reference.get(reference, ()))
        if entry is not None and entry.outcome is not None and entry.outcome.id:
            found.update(self._by_id.get((taker_of(entry), entry.outcome.id), ()))
        return [found[place] for place in sorted(found)]

    # --- looking ------------------------------------------------------------------------------------------------------

    def find(self, reference: str) -> Entry | None:
        return self._entries.get(reference)

    def entries(
        self, filters: EntryFilters = EVERY_ENTRY, *, after: int = 0, limit: int = 1000
    ) -> list[tuple[int, Entry]]:
        numbered = enumerate(self._entries.values(), 1)
        found = (each for each in numbered if each[0] > after and _matches(each[1], filters))
        return list(itertools.islice(found, limit))

    def prune(self, older_than: float, limit: int, *, account: str | None = None) -> int:
        return 0  # it ends before anything in it is old

    def close(self) -> None:
        pass


def _matches(entry: Entry, filters: EntryFilters) -> bool:
    claim, standing = entry.claim, entry.standing
    age = (utc_now() - claim.at).total_seconds()
    return (
        filters.account in (None, claim.account)
        and filters.reference in (None, claim.reference)
        and filters.person in (None, claim.person)
        and (not filters.states or entry.state in filters.states)
        and (not filters.statuses or (standing is not None and standing.status in filters.statuses))
        and (filters.final is None or (standing is not None and standing.final is filters.final))
        and (filters.within is None or age <= filters.within)
        and (filters.beyond is None or age > filters.beyond)
    )
