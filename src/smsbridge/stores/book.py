"""Book: the interface of a ledger's storage, which keeps entries and reports. One thread at a time uses it. No I/O."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from contextlib import AbstractContextManager
from typing import Protocol

from smsbridge.messages import DeliveryReport

from .entries import EVERY_ENTRY, Change, Claim, Entry, EntryFilters


class Book(Protocol):
    """The storage of a ledger: it keeps one entry for each reference, across all accounts, and the delivery reports.

    Only one thread at a time may use it. All methods but :meth:`together` and :meth:`close` are called within
    :meth:`together`. They raise Unwritable if the storage cannot be read or written.
    """

    def together(self) -> AbstractContextManager[None]:
        """Open a transaction that excludes all other writers: committed at its end, undone if an error is raised."""
        ...

    def identify(self, key: bytes | None) -> bytes:
        """Return the key with which this store hashes numbers and messages.

        That is ``key``; or if ``key`` is None, a random key that the store made and keeps. Raises ConfigurationError if
        the hashes in the store were made with another key.
        """
        ...

    def claim(self, claims: Sequence[Claim]) -> list[Entry | None]:
        """Record each claim (the intention to send a text) in turn.

        Returns, for each claim, None if it was recorded, or the existing entry with the same reference that blocks it.
        An entry that :meth:`Entry.gives_way_to` the claim does not block it, but is replaced.
        """
        ...

    def record(self, entries: Sequence[Entry]) -> int:
        """Keep the outcomes in ``entries``. Returns how many outcomes were kept.

        An outcome is ignored if its claim was replaced by another claim, or if the text is already accepted or refused.
        The outcome *accepted* replaces *refused* too.
        """
        ...

    def note(self, reports: Sequence[DeliveryReport]) -> None:
        """Keep delivery reports. Each report must have a key.

        A report is ignored if the store already has a report of the same account with the same key. A report without a
        time gets the time at which it came.
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

        ``references`` are the references of texts; ``ids`` has, for other texts, the account that accepted the text and
        the id of the text there. Without ``ids``, the list may be empty if no report of the last hour waits. An entry
        without an outcome stays as it is, and its reports wait: call this again after the outcome is recorded. The
        rules are those of :mod:`smsbridge.stores.folding`.

        With a ``ticket``, which identifies the caller, a Change is ``to_tell`` if the text has come further than the
        hooks were :meth:`told`, and no other caller is telling them. The caller then has ``lease`` seconds to tell the
        hooks. Without a ticket, the hooks are not told about these changes.
        """
        ...

    def told(self, changes: Sequence[Change], ticket: str, *, done: bool) -> None:
        """Record that the hooks were told about the ``changes`` that :meth:`fold` returned under ``ticket``.

        If ``done`` is false, the hooks were not told, and a later :meth:`fold` returns the changes again.
        """
        ...

    def let_go(self, references: Collection[str], ids: Collection[tuple[str, str]], ticket: str) -> None:
        """Give up telling the hooks about these texts under ``ticket``: a later :meth:`fold` returns them again.

        This is called after an interrupted ``fold``, whether or not the store had finished it.
        """
        ...

    def reports(self, reference: str) -> list[DeliveryReport]:
        """Return the delivery reports of the text with this reference, the oldest first."""
        ...

    def find(self, reference: str) -> Entry | None:
        """Return the entry of the text with this reference; None if there is no entry."""
        ...

    def entries(
        self, filters: EntryFilters = EVERY_ENTRY, *, after: int = 0, limit: int = 1000
    ) -> list[tuple[int, Entry]]:
        """Return the entries that match all ``filters``, each with its number, in the order of their first claims.

        At most ``limit`` are returned; ``after`` is the number of the last entry already seen.
        """
        ...

    def prune(self, older_than: float, limit: int, *, account: str | None = None) -> int:
        """Delete up to ``limit`` settled (accepted or refused) entries, of ``account`` only if that is given.

        Only entries that were settled more than ``older_than`` seconds ago, by the clock of the store, are deleted.
        Their reports are deleted too, and so are reports of that age that belong to no entry. Returns how many entries
        were deleted.
        """
        ...

    def close(self) -> None:
        """Close files and connections. A later question opens them again."""
        ...
