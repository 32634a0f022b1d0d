"""Book: what keeps entries and reports, asked by one thread at a time. No I/O."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from contextlib import AbstractContextManager
from typing import Protocol

from smsbridge.messages import DeliveryReport, Status

from .entries import Change, Claim, Entry, State


class Book(Protocol):
    """Where entries are kept: one per reference, whatever the account. Used by one thread at a time; raises Unwritable.

    Everything else is called within :meth:`together`.
    """

    def together(self) -> AbstractContextManager[None]:
        """One transaction that excludes all other writers: kept for good at its end, undone if something is raised."""
        ...

    def identify(self, key: bytes | None) -> bytes:
        """The key of the hashes.

        ``key``, or one that is kept in the store. ConfigurationError if they were made with another.
        """
        ...

    def claim(self, claims: Sequence[Claim]) -> list[Entry | None]:
        """Claim each in turn: None if that was done, or the entry that is in its way.

        An entry that :meth:`Entry.gives_way_to` a claim becomes that claim's.
        """
        ...

    def record(self, entries: Sequence[Entry]) -> int:
        """Keep the outcomes of claims; returns how many were kept.

        Ignored is an outcome whose claim has given way to another, or is settled already; but *accepted* is always
        kept.
        """
        ...

    def note(self, reports: Sequence[DeliveryReport]) -> None:
        """Keep delivery reports, each of which has a key. One whose account and key are there is ignored.

        One without a time gets that at which it came.
        """
        ...

    def fold(
        self,
        references: Collection[str],
        ids: Collection[tuple[str, str]],
        *,
        ticket: str | None = None,
        lease: float = 0.0,
    ) -> list[Change]:
        """Move the entries of these references, or of these ids at the accounts that took them, as their reports say.

        Every store follows :mod:`smsbridge.stores.folding`. An entry that is open stays, and its reports wait: ask
        again once its outcome is recorded. Returns those entries; without ``ids``, only if reports of the last hour
        wait. With a ``ticket``, an entry that came further since that was last :meth:`told` is to be told by one asker
        for ``lease`` seconds. Without one, nothing has to be told of them.
        """
        ...

    def told(self, changes: Sequence[Change], ticket: str, *, done: bool) -> None:
        """The changes that were returned under ``ticket`` were told, or are to be returned again."""
        ...

    def let_go(self, references: Collection[str], ids: Collection[tuple[str, str]], ticket: str) -> None:
        """Whatever :meth:`fold` may have returned for these under ``ticket`` is to be returned again.

        Said after an interrupted question, done or not.
        """
        ...

    def reports(self, reference: str) -> list[DeliveryReport]:
        """The reports of the text under a reference, the oldest first."""
        ...

    def find(self, reference: str) -> Entry | None:
        """The entry of a reference."""
        ...

    def entries(
        self,
        *,
        account: str | None = None,
        reference: str | None = None,
        states: Collection[State] = (),
        statuses: Collection[Status] = (),
        final: bool | None = None,
        person: bytes | None = None,
        within: float | None = None,
        beyond: float | None = None,
        after: int = 0,
        limit: int = 1000,
    ) -> list[tuple[int, Entry]]:
        """Entries that match all that is given, each with its number, in the order in which they were first claimed.

        They were claimed ``within`` so many seconds, and ``beyond`` so many seconds ago, by the clock of the store.
        ``person`` is the keyed hash of a number, as claims have it; ``statuses`` and ``final`` are of accepted texts.
        """
        ...

    def prune(self, older_than: float, limit: int, *, account: str | None = None) -> int:
        """Drop settled entries (of ``account``), ``limit`` at most; returns how many.

        They were recorded more than ``older_than`` seconds ago, by the clock of the store. Their reports go with them,
        and so do reports that came as long ago and wait for no entry that is there.
        """
        ...

    def close(self) -> None:
        """Let go of files and connections; whatever is asked next takes hold of them again."""
        ...
