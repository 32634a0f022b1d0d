"""MemoryBook: a ledger in memory. It opens no file and starts no thread."""

from __future__ import annotations

import secrets
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

from smsbridge.attempts import utc_now
from smsbridge.errors import ConfigurationError

from .entries import Claim, Entry, State


class MemoryBook:
    """A Book in memory. Its work cannot fail half-way, so nothing has to be undone."""

    def __init__(self) -> None:
        self._key = b""
        self._entries: dict[str, Entry] = {}

    @contextmanager
    def together(self) -> Iterator[None]:
        yield

    def identify(self, key: bytes | None) -> bytes:
        if not self._key:
            self._key = key or secrets.token_bytes(32)
        elif key not in (None, self._key):
            raise ConfigurationError("the ledger was made with another key, so it cannot tell one text from another")
        return self._key

    def claim(self, claims: Sequence[Claim]) -> list[Entry | None]:
        return [self._claim(claim) for claim in claims]

    def _claim(self, claim: Claim) -> Entry | None:
        there = self.find(claim.reference)
        if there is None:
            self._entries[claim.reference] = Entry(claim=claim)
        elif there.claim.token == claim.token:
            return None
        elif there.gives_way_to(claim):
            self._entries[claim.reference] = Entry(claim=claim, claims=there.claims + 1)
        else:
            return there
        return None

    def record(self, entries: Sequence[Entry]) -> int:
        kept = 0
        for entry in entries:
            there = self.find(entry.claim.reference)
            if there is None or there.claim.token != entry.claim.token:
                continue
            if not there.state.settled or entry.state is State.ACCEPTED:
                self._entries[entry.claim.reference] = replace(there, outcome=entry.outcome)
                kept += 1
        return kept

    def find(self, reference: str) -> Entry | None:
        return self._entries.get(reference)

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
        now = utc_now()
        found = [
            (number, entry)
            for number, entry in enumerate(self._entries.values(), 1)
            if number > after
            and account in (None, entry.claim.account)
            and reference in (None, entry.claim.reference)
            and (not states or entry.state in states)
            and (within is None or (now - entry.claim.at).total_seconds() <= within)
        ]
        return found[:limit]

    def prune(self, older_than: float, limit: int, *, account: str | None = None) -> int:
        return 0  # it ends before anything in it is old

    def close(self) -> None:
        pass
