"""The interface of a store: the questions it answers, and the outcomes it is told. No I/O.

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
    """The answer to ``reserve``: whether places are kept, and after how many seconds the first of them may be used.

    ``pause``: seconds left of a pause that the vendor asked for; until then, no place may be used.
    """

    kept: bool
    wait: float
    pause: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Cap:
    """A cap of at most ``rate`` texts under ``key``, in any window of its time. ``scope`` and ``kind`` name the cap.

    A store in memory remembers ``remembers`` texts for each scope and kind, then refuses others.
    """

    scope: str
    kind: str
    key: str
    rate: Rate
    remembers: int = 100_000


class Entries(Protocol):
    """The entries of a ledger: one for each reference, across all accounts.

    A question raises Unwritable if the store cannot answer, and ConfigurationError for another key.
    """

    def identify(self, key: bytes | None) -> Flow[bytes]:
        """Return the key of the hashes: ``key``, or the key kept in the store.

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
        """Give up claims whose texts never left, also the claims of an interrupted question, made or not."""
        ...

    def settle(self, entries: Sequence[Entry]) -> Flow[int]:
        """Do the same as :meth:`record`; returns how many were kept."""
        ...

    def find(self, reference: str) -> Flow[Entry | None]:
        """Return the entry of a reference. Creates no file and no table."""
        ...

    def note(self, reports: Sequence[DeliveryReport]) -> Flow[None]:
        """Keep delivery reports, each of which has a key, for good. One whose account and key are there is ignored.

        One without a time gets that at which it came.
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

    def reports(self, reference: str) -> Flow[list[DeliveryReport]]:
        """The reports of the text under a reference, the oldest first. Makes no file and no table."""
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
        """Entries that match all that is given, each with its number, in the order in which they were first claimed.

        They were claimed ``within`` so many seconds, and ``beyond`` so many seconds ago, by the clock of the store.
        ``person`` is the keyed hash of a number, as claims have it; ``statuses`` and ``final`` are of accepted texts.
        """
        ...

    def prune(self, older_than: float, limit: int, *, account: str | None = None) -> Flow[int]:
        """Drop settled entries (of ``account``), ``limit`` at most; returns how many.

        They were recorded more than ``older_than`` seconds ago, by the clock of the store. Their reports go with them,
        and so do reports that came as long ago and wait for no entry that is there.
        """
        ...

    def close(self) -> None:
        """Wait for what was told, and close files and connections; a later question opens them again."""
        ...


class Counters(Protocol):
    """The counters of limits and caps."""

    def reserve(self, key: str, interval: float, count: int, longest: float) -> Flow[Turn]:
        """Keep the next ``count`` places under ``key``, which are ``interval`` seconds apart.

        No place is kept if the first comes after more than ``longest`` seconds, or if ``count`` is 0.
        """
        ...

    def take(self, ticket: str, caps: Sequence[Cap], lease: float) -> Flow[Full | None]:
        """Take a place at each of ``caps`` and return None; if a cap is full, take no place and return that cap.

        A place is held until :meth:`give_back`. If its process is gone and does not give it back within ``lease``
        seconds, it counts as if its text had been sent then.
        """
        ...

    def peek(self, caps: Sequence[Cap]) -> Flow[Full | None]:
        """Return the answer of :meth:`take` without taking a place."""
        ...

    def give_back(self, ticket: str, *, sent: bool) -> None:
        """End a text. If it was ``sent``, or may have been, its places count until the window has passed.

        This also follows an interrupted :meth:`take`, whether or not that took places. A second call does nothing.
        """
        ...

    def pause(self, key: str, seconds: float) -> None:
        """Block all places under ``key`` for ``seconds``, since the vendor asked for a pause."""
        ...

    def close(self) -> None:
        """Do the same as :meth:`Entries.close`."""
        ...


class OptOuts(Protocol):
    """A list of opt-outs as flows, by the rules of :class:`smsbridge.optouts.OptOuts`, whose methods have no steps."""

    def holds(self, senders: Iterable[str] | None, recipient: str) -> Flow[bool]:
        """Return whether ``recipient`` has opted out from at least one of ``senders``; None means any sender."""
        ...

    def confirm(
        self, senders: Iterable[str] | None, recipient: str, *, within: timedelta, take: bool = True
    ) -> Flow[bool]:
        """Return whether a text that confirms the opt-out may be sent. With ``take``, this is its only such text."""
        ...

    def add(
        self, sender: str | None, recipient: str, *, at: datetime | None = None, source: str = "", event: str = ""
    ) -> Flow[None]:
        """Record that ``recipient`` has opted out."""
        ...

    def remove(
        self, sender: str | None, recipient: str, *, at: datetime | None = None, source: str = "", event: str = ""
    ) -> Flow[None]:
        """Record that ``recipient`` has opted in again; with sender None to texts from all senders."""
        ...

    def add_all(self, rows: Sequence[tuple[str | None, str]], *, source: str = "") -> Flow[None]:
        """Record several opt-outs together, each a sender and a recipient: all of them, or none if it fails."""
        ...

    def everyone(self) -> Flow[list[OptOut]]:
        """Return all opt-outs in force, ordered by recipient."""
        ...


class Store(Protocol):
    """A store, which remembers things in up to three parts. Each part is None if the store cannot keep it.

    A store is opened once in a process for each URL, and safe to share between threads, tasks and clients. Opening it
    connects to nothing and creates nothing. It has to be usable in a forked process.
    """

    def entries(self, *, keep: timedelta, sync: Sync = "normal") -> Entries | None:
        """Return the part for ledgers. Settled entries are dropped after ``keep``.

        ``sync`` is what a record survives: ``normal`` the death of every process, ``full`` also that of the machine.
        """
        ...

    def counters(self) -> Counters | None:
        """Return the part for limits and caps."""
        ...

    def opt_outs(self) -> OptOuts | None:
        """Return the part for opt-outs."""
        ...

    def problem(self, part: Part) -> str | None:
        """Return why that part cannot be used, without a secret; None if no problem is known. Creates nothing."""
        ...

    def init(self, part: Part) -> bool:
        """Create that part on purpose; returns false if it exists. Raises ConfigurationError."""
        ...
