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
from smsbridge.messages import DeliveryReport, Status

from .caps import Full
from .entries import Change, Claim, Entry, State
from .gcra import Rate
from .opt_outs import OptOut
from .sqlite_file import Sync

Part = Literal["entries", "counters", "opt_outs"]


@dataclass(frozen=True, slots=True)
class Turn:
    """The answer to :meth:`Counters.reserve`: whether places are kept, and the seconds until the first may be used.

    ``pause`` is the seconds left of a pause that the vendor asked for; until then, no place may be used.
    """

    kept: bool
    wait: float
    pause: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Cap:
    """A cap: at most ``rate`` texts may be sent under ``key``, in any window of its time.

    ``scope`` and ``kind`` name the cap. A store in memory remembers ``remembers`` texts for each scope and kind, then
    refuses others.
    """

    scope: str
    kind: str
    key: str
    rate: Rate
    remembers: int = 100_000


class Entries(Protocol):
    """The part of a store for ledgers: it keeps one entry for each reference, across all accounts.

    A question raises Unwritable if the store cannot answer, and ConfigurationError for another key.
    """

    def identify(self, key: bytes | None) -> Flow[bytes]:
        """Return the key of the hashes in this store: ``key``, or if that is None, a key that the store keeps.

        Raises ConfigurationError if the hashes were made with another key.
        """
        ...

    def claim(self, claims: Sequence[Claim]) -> Flow[list[Entry | None]]:
        """Make each claim in turn. Returns None for each claim that was made, or the entry that blocks it.

        An entry that :meth:`Entry.gives_way_to` a claim becomes that claim's. If this raises, no claim is made.
        """
        ...

    def record(self, entries: Sequence[Entry]) -> None:
        """Keep the outcomes of claims. A failure is logged, and the claims stay open.

        An outcome is ignored if its claim has given way to another, or is already settled. *Accepted* is kept also for
        a settled claim.
        """
        ...

    def release(self, claims: Sequence[Claim]) -> None:
        """Give up claims whose texts never left.

        They may be those of an interrupted question, which were made or not.
        """
        ...

    def settle(self, entries: Sequence[Entry]) -> Flow[int]:
        """Keep the outcomes of claims, by the rules of :meth:`record`. Returns how many were kept."""
        ...

    def find(self, reference: str) -> Flow[Entry | None]:
        """Return the entry of the text with this reference; None if there is no entry. Creates no file and no table."""
        ...

    def note(self, reports: Sequence[DeliveryReport]) -> Flow[None]:
        """Keep delivery reports for good, each of which has a key.

        A report is ignored if its account and key are there already. A report without a time gets the time at which it
        came.
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

    def reports(self, reference: str) -> Flow[list[DeliveryReport]]:
        """Return the delivery reports of the text with this reference, the oldest first.

        Creates no file and no table.
        """
        ...

    def page(
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
    ) -> Flow[list[tuple[int, Entry]]]:
        """Return the entries that match all given filters, each with its number, in the order of their first claims.

        At most ``limit`` are returned; ``after`` is the number of the last entry already seen. The texts were claimed
        at most ``within`` and more than ``beyond`` seconds ago, by the clock of the store. ``person`` is the keyed hash
        of a number, as claims have it; ``statuses`` and ``final`` match accepted texts only.
        """
        ...

    def prune(self, older_than: float, limit: int, *, account: str | None = None) -> Flow[int]:
        """Delete up to ``limit`` settled entries (of ``account``, if given). Returns how many entries were deleted.

        They were recorded more than ``older_than`` seconds ago, by the clock of the store. Their reports are deleted
        too, and so are reports that came as long ago and wait for no existing entry.
        """
        ...

    def close(self) -> None:
        """Finish what was told to the store, and close files and connections. A later question opens them again."""
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

        A place is held until :meth:`give_back`. If its process is gone and does not give it back within ``lease``
        seconds, it counts as if its text had been sent then.
        """
        ...

    def peek(self, caps: Sequence[Cap]) -> Flow[Full | None]:
        """Return what :meth:`take` would return for ``caps``, without taking a place."""
        ...

    def give_back(self, ticket: str, *, sent: bool) -> None:
        """End the text with this ``ticket``.

        If it was ``sent``, or may have been, its places count until the window has passed. Otherwise they are free
        again. This also follows an interrupted :meth:`take`, whether or not that took places. A second call does
        nothing.
        """
        ...

    def pause(self, key: str, seconds: float) -> None:
        """Let no place under ``key`` be used for ``seconds``, since the vendor asked for a pause."""
        ...

    def close(self) -> None:
        """Finish what was told to the store, and close files and connections. A later question opens them again."""
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

        With ``take``, this is its only such text. It may be sent if ``recipient`` opted out in a text at most
        ``within`` ago.
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
        """Record several opt-outs together, each a sender and a recipient: all of them, or none if it fails."""
        ...

    def everyone(self) -> Flow[list[OptOut]]:
        """Return all opt-outs in force, ordered by recipient."""
        ...


class Store(Protocol):
    """A store, which remembers data of texts in up to three parts: entries, counters and opt-outs.

    Each part is None if the store cannot keep it. A store is opened once in a process for each URL, and safe to share
    between threads, tasks and clients. Opening it connects to nothing and creates nothing. It has to be usable in a
    forked process.
    """

    def entries(self, *, keep: timedelta, sync: Sync = "normal") -> Entries | None:
        """Return the part for ledgers, or None. Settled entries are dropped after ``keep``.

        ``sync`` is what a record survives: ``normal`` the death of every process, ``full`` also that of the machine.
        """
        ...

    def counters(self) -> Counters | None:
        """Return the part for limits and caps; None if the store cannot keep them."""
        ...

    def opt_outs(self) -> OptOuts | None:
        """Return the part for opt-outs; None if the store cannot keep them."""
        ...

    def problem(self, part: Part) -> str | None:
        """Return why that part of the store cannot be used; None if no problem is known.

        Shows no secret, and creates nothing.
        """
        ...

    def init(self, part: Part) -> bool:
        """Create that part of the store on purpose.

        Returns false if it exists. Raises ConfigurationError if that fails.
        """
        ...
