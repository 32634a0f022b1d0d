"""The interfaces of a store and of its parts: which questions they answer, and what they are told. No I/O.

Questions are flows: memory answers without a step, other stores ask for a Call or an Await, so that no event loop is
ever blocked. What a store is *told* (``record``, ``release``, ``give_back``, ``pause``) takes no step and must not
raise, since it also follows an interruption. Later questions see what was told. The store owns the clock: its callers
pass only durations.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal, Protocol

from smsbridge.flow import Flow
from smsbridge.messages import DeliveryReport

from .caps import Full
from .entries import EVERY_ENTRY, Change, Claim, Entry, EntryFilters
from .gcra import Rate
from .opt_outs import OptOut
from .sqlite_file import Sync

Part = Literal["entries", "counters", "opt_outs"]


@dataclass(frozen=True, slots=True)
class Turn:
    """The answer to :meth:`Counters.reserve`: whether places are kept, and the seconds until the first may be used.

    ``pause`` is how many seconds are left of a pause that the vendor asked for; no place may be used during the pause.
    """

    kept: bool
    wait: float
    pause: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Cap:
    """A cap: at most ``rate`` texts may be sent under ``key``, in any window of the length that ``rate`` names.

    ``scope`` and ``kind`` name the cap. ``remembers`` is the maximum number of texts that a store in memory remembers
    for each scope and kind; the store refuses texts beyond that.
    """

    scope: str
    kind: str
    key: str
    rate: Rate
    remembers: int = 100_000


class Entries(Protocol):
    """The part of a store for ledgers: it keeps one entry for each reference, across all accounts.

    A question raises Unwritable if the store cannot answer, and ConfigurationError if the hashes in the store were made
    with another key.
    """

    def identify(self, key: bytes | None) -> Flow[bytes]:
        """Return the key with which this store hashes numbers and messages.

        That is ``key``; or if ``key`` is None, a random key that the store made and keeps. Raises ConfigurationError if
        the hashes in the store were made with another key.
        """
        ...

    def claim(self, claims: Sequence[Claim]) -> Flow[list[Entry | None]]:
        """Record each claim (the intention to send a text) in turn.

        Returns, for each claim, None if it was recorded, or the existing entry with the same reference that blocks it.
        An entry that :meth:`Entry.gives_way_to` the claim does not block it, but is replaced. If this raises, no claim
        is made.
        """
        ...

    def record(self, entries: Sequence[Entry]) -> None:
        """Keep the outcomes in ``entries``. A failure is logged, and the entries stay without an outcome.

        An outcome is ignored if its claim was replaced by another claim, or if the text is already accepted or refused.
        The outcome *accepted* replaces *refused* too.
        """
        ...

    def release(self, claims: Sequence[Claim]) -> None:
        """Give up claims whose texts were not sent.

        The claims may come from an interrupted :meth:`claim`, whether or not the store had recorded them.
        """
        ...

    def settle(self, entries: Sequence[Entry]) -> Flow[int]:
        """Keep the outcomes in ``entries``, by the rules of :meth:`record`. Returns how many outcomes were kept."""
        ...

    def find(self, reference: str) -> Flow[Entry | None]:
        """Return the entry of the text with this reference; None if there is no entry. Creates no file and no table."""
        ...

    def note(self, reports: Sequence[DeliveryReport]) -> Flow[None]:
        """Keep delivery reports for good. Each report must have a key.

        A report is ignored if the store already has a report of the same account with the same key. A report without a
        time gets the time at which it came.
        """
        ...

    def fold(
        self,
        references: Collection[str],
        ids: Collection[tuple[str, str]] = (),
        *,
        ticket: str | None = None,
        lease: float = 0.0,
    ) -> Flow[list[Change]]:
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

    def reports(self, reference: str) -> Flow[list[DeliveryReport]]:
        """Return the delivery reports of the text with this reference, the oldest first.

        Creates no file and no table.
        """
        ...

    def page(
        self, filters: EntryFilters = EVERY_ENTRY, *, after: int = 0, limit: int = 1000
    ) -> Flow[list[tuple[int, Entry]]]:
        """Return the entries that match all ``filters``, each with its number, in the order of their first claims.

        At most ``limit`` are returned; ``after`` is the number of the last entry already seen.
        """
        ...

    def prune(self, older_than: float, limit: int, *, account: str | None = None) -> Flow[int]:
        """Delete up to ``limit`` settled (accepted or refused) entries, of ``account`` only if that is given.

        Only entries that were settled more than ``older_than`` seconds ago, by the clock of the store, are deleted.
        Their reports are deleted too, and so are reports of that age that belong to no entry. Returns how many entries
        were deleted.
        """
        ...

    def close(self) -> None:
        """Wait until all pending work of the store is done, and close files and connections.

        A later question opens them again.
        """
        ...


class Counters(Protocol):
    """The part of a store for limits and caps: it counts texts and keeps places."""

    def reserve(self, key: str, interval: float, count: int, longest: float) -> Flow[Turn]:
        """Keep the next ``count`` places under ``key``, which are ``interval`` seconds apart.

        No place is kept if the first comes after more than ``longest`` seconds, or if ``count`` is 0.
        """
        ...

    def take(self, ticket: str, caps: Sequence[Cap], lease: float) -> Flow[Full | None]:
        """Take a place at each of ``caps`` and return None. If a cap is full, take no place and return its answer.

        ``ticket`` identifies the text. The places are held until :meth:`give_back`. If the process ends without that,
        the places count after ``lease`` seconds as if the text had been sent at that time.
        """
        ...

    def peek(self, caps: Sequence[Cap]) -> Flow[Full | None]:
        """Return the answer of the first full cap in ``caps``; None if each cap has a place. Takes no place."""
        ...

    def give_back(self, ticket: str, *, sent: bool) -> None:
        """End the text with this ``ticket``.

        If the text was ``sent``, or may have been, its places count until the window of the cap has passed. Otherwise
        the places are free again. This is also called after an interrupted :meth:`take`, whether or not that took
        places. A second call does nothing.
        """
        ...

    def pause(self, key: str, seconds: float) -> None:
        """Let no place under ``key`` be used for ``seconds``, since the vendor asked for a pause."""
        ...

    def close(self) -> None:
        """Wait until all pending work of the store is done, and close files and connections.

        A later question opens them again.
        """
        ...


class OptOuts(Protocol):
    """The part of a store for opt-outs. Its questions are flows.

    They follow the rules of :class:`smsbridge.optouts.OptOuts`, whose methods have no steps.
    """

    def holds(self, senders: Iterable[str] | None, recipient: str) -> Flow[bool]:
        """Return whether ``recipient`` has opted out of texts from one of ``senders``; None means any sender."""
        ...

    def confirm(
        self, senders: Iterable[str] | None, recipient: str, *, within: timedelta, take: bool = True
    ) -> Flow[bool]:
        """Return whether the opt-out of ``recipient`` may be confirmed with a text.

        It may be if ``recipient`` opted out in a text at most ``within`` ago, and no confirmation was sent yet.
        ``take`` records that the confirmation is sent now, so that the next call returns false.
        """
        ...

    def add(
        self, sender: str | None, recipient: str, *, at: datetime | None = None, source: str = "", event: str = ""
    ) -> Flow[None]:
        """Record that ``recipient`` has opted out of texts from ``sender``; None stands for all senders."""
        ...

    def remove(
        self, sender: str | None, recipient: str, *, at: datetime | None = None, source: str = "", event: str = ""
    ) -> Flow[None]:
        """Record that ``recipient`` has opted in again to texts from ``sender``; None stands for all senders."""
        ...

    def add_all(self, rows: Sequence[tuple[str | None, str]], *, source: str = "") -> Flow[None]:
        """Record several opt-outs together: all of them, or none if that fails.

        Each of ``rows`` is a sender (None: all senders) and a recipient.
        """
        ...

    def everyone(self) -> Flow[list[OptOut]]:
        """Return all opt-outs in force, ordered by recipient."""
        ...


class Store(Protocol):
    """A store, which keeps data of texts in up to three parts: entries, counters and opt-outs.

    Each part is None if the store cannot keep it. A process opens a store once for each URL; threads, tasks and clients
    may share the store, and a forked process may use it. Opening a store connects to nothing and creates nothing.
    """

    def entries(self, *, keep: timedelta, sync: Sync = "normal") -> Entries | None:
        """Return the part for ledgers, or None. Settled (accepted or refused) entries are dropped after ``keep``.

        A record survives the death of every process if ``sync`` is ``normal``, and also a crash of the machine if it is
        ``full``.
        """
        ...

    def counters(self) -> Counters | None:
        """Return the part for limits and caps; None if the store cannot keep them."""
        ...

    def opt_outs(self) -> OptOuts | None:
        """Return the part for opt-outs; None if the store cannot keep them."""
        ...

    def problem(self, part: Part) -> str | None:
        """Return why ``part`` of the store cannot be used; None if no problem is known.

        The answer shows no secret. Nothing is created.
        """
        ...

    def init(self, part: Part) -> bool:
        """Create ``part`` of the store now, without waiting for its first use.

        Returns false if it exists already. Raises ConfigurationError if it cannot be created.
        """
        ...
