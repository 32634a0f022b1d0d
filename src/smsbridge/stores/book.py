"""Book: the interface of a ledger's storage, which keeps entries and reports. One thread at a time uses it. No I/O."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from contextlib import AbstractContextManager
from typing import Protocol

from smsbridge.messages import DeliveryReport, Status

from .entries import Change, Claim, Entry, State


class Book(Protocol):
    """The storage of a ledger: it keeps one entry for each reference, across all accounts, and the delivery reports.

    One thread at a time uses it. All methods but :meth:`together` and :meth:`close` are called within :meth:`together`.
    Raises Unwritable if it cannot be read or written.
    """

    def together(self) -> AbstractContextManager[None]:
        """Open a transaction that excludes all other writers: committed at its end, undone if an error is raised."""
        ...

    def identify(self, key: bytes | None) -> bytes:
        """Return the key of the hashes in this store: ``key``, or if that is None, a key that the store keeps.

        Raises ConfigurationError if the hashes were made with another key.
        """
        ...

    def claim(self, claims: Sequence[Claim]) -> list[Entry | None]:
        """Make each claim in turn. Returns None for each claim that was made, or the entry that blocks it.

        An entry that :meth:`Entry.gives_way_to` a claim becomes that claim's.
        """
        ...

    def record(self, entries: Sequence[Entry]) -> int:
        """Keep the outcomes of claims. Returns how many outcomes were kept.

        An outcome is ignored if its claim has given way to another, or is already settled; but *accepted* is always
        kept.
        """
        ...

    def note(self, reports: Sequence[DeliveryReport]) -> None:
        """Keep delivery reports, each of which has a key. A report is ignored if its account and key are there already.

        A report without a time gets the time at which it came.
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
        """Bring the entries of some texts up to date with their delivery reports. Returns a Change for each entry.

        A text is given by its reference, or in ``ids`` by the account that took it and its id there. Every store
        follows :mod:`smsbridge.stores.folding`. An open entry stays as it is, and its reports wait: ask again once its
        outcome is recorded. Without ``ids``, the list may be empty if no report of the last hour waits. With a
        ``ticket``, a Change is ``to_tell`` if its text has come further than was last :meth:`told`, and no other asker
        is telling it; the asker then has ``lease`` seconds to tell it. Without a ticket, nothing is to be told.
        """
        ...

    def told(self, changes: Sequence[Change], ticket: str, *, done: bool) -> None:
        """Record that the ``changes`` returned by :meth:`fold` under ``ticket`` were told to the hooks.

        If ``done`` is false, they were not told, and are returned to be told again.
        """
        ...

    def let_go(self, references: Collection[str], ids: Collection[tuple[str, str]], ticket: str) -> None:
        """Give up telling what :meth:`fold` may have returned for these texts under ``ticket``: it is to be told again.

        This is called after an interrupted ``fold``, whether or not that was done.
        """
        ...

    def reports(self, reference: str) -> list[DeliveryReport]:
        """Return the delivery reports of the text with this reference, the oldest first."""
        ...

    def find(self, reference: str) -> Entry | None:
        """Return the entry of the text with this reference; None if there is no entry."""
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
        """Return the entries that match all given filters, each with its number, in the order of their first claims.

        At most ``limit`` are returned; ``after`` is the number of the last entry already seen. The texts were claimed
        at most ``within`` and more than ``beyond`` seconds ago, by the clock of the store. ``person`` is the keyed hash
        of a number, as claims have it; ``statuses`` and ``final`` match accepted texts only.
        """
        ...

    def prune(self, older_than: float, limit: int, *, account: str | None = None) -> int:
        """Delete up to ``limit`` settled entries (of ``account``, if given). Returns how many entries were deleted.

        They were recorded more than ``older_than`` seconds ago, by the clock of the store. Their reports are deleted
        too, and so are reports that came as long ago and wait for no existing entry.
        """
        ...

    def close(self) -> None:
        """Close files and connections. A later question opens them again."""
        ...
