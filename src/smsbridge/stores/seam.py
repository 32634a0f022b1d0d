"""The seam under everything that has to be remembered: what a store is asked, and what it is told.

Questions are flows: memory answers without a step, other stores ask for a Call or an Await, so that no event loop is
ever blocked. What a store is *told* (``record``, ``release``, ``give_back``, ``pause``) takes no step, since it also
follows an interruption, and must not raise; what is asked later sees it. The store owns the clock: only durations cross
the seam. No I/O.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal, Protocol

from smsbridge.flow import Flow

from .caps import Full
from .entries import Claim, Entry, State
from .gcra import Rate
from .opt_outs import OptOut
from .sqlite_file import Sync

Part = Literal["entries", "counters", "opt_outs"]


@dataclass(frozen=True, slots=True)
class Turn:
    """The answer to ``reserve``: whether places are kept, and after how many seconds the first of them may be used.

    ``pause``: seconds that are left of a pause which the vendor asked for; until then, no place may be used.
    """

    kept: bool
    wait: float
    pause: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Cap:
    """At most ``rate`` texts under ``key``, in any window of its time. ``scope`` and ``kind`` name it.

    A store in memory remembers ``remembers`` texts for each scope and kind, and refuses others then.
    """

    scope: str
    kind: str
    key: str
    rate: Rate
    remembers: int = 100_000


class Entries(Protocol):
    """What a ledger asks: one entry for each reference, whatever the account.

    A question raises Unwritable, or ConfigurationError for another key, where it cannot be answered.
    """

    def identify(self, key: bytes | None) -> Flow[bytes]:
        """The key of the hashes: ``key``, or one that is kept in the store.

        Raises ConfigurationError if the hashes were made with another.
        """
        ...

    def claim(self, claims: Sequence[Claim]) -> Flow[list[Entry | None]]:
        """Claim each in turn: None if that was done, or the entry in its way; all of them or none if it raises.

        An entry that :meth:`Entry.gives_way_to` a claim becomes that claim's.
        """
        ...

    def record(self, entries: Sequence[Entry]) -> None:
        """Keep the outcomes of claims. If that fails it is logged, and they stay open.

        Ignored is an outcome whose claim has given way to another, or is settled already; but *accepted* is kept.
        """
        ...

    def release(self, claims: Sequence[Claim]) -> None:
        """Give up claims whose texts never left: also those of a question that was interrupted, made or not."""
        ...

    def settle(self, entries: Sequence[Entry]) -> Flow[int]:
        """The same as :meth:`record`; returns how many were kept."""
        ...

    def find(self, reference: str) -> Flow[Entry | None]:
        """The entry of a reference. Makes no file and no table."""
        ...

    def page(
        self,
        *,
        account: str | None = None,
        reference: str | None = None,
        states: Collection[State] = (),
        within: float | None = None,
        after: int = 0,
        limit: int = 1000,
    ) -> Flow[list[tuple[int, Entry]]]:
        """Entries that match all that is given, each with its number, in the order in which they were first claimed.

        ``within``: they were claimed no more than so many seconds ago, by the clock of the store.
        """
        ...

    def prune(self, older_than: float, limit: int, *, account: str | None = None) -> Flow[int]:
        """Drop settled entries (of ``account``), ``limit`` at most; returns how many.

        They were recorded more than ``older_than`` seconds ago, by the clock of the store.
        """
        ...

    def close(self) -> None:
        """Wait for what was told, and let go of files and connections; a later question takes hold of them again."""
        ...


class Counters(Protocol):
    """What limits and caps ask."""

    def reserve(self, key: str, interval: float, count: int, longest: float) -> Flow[Turn]:
        """Keep the next ``count`` places under ``key``, which are ``interval`` seconds apart.

        None is kept if the first comes after more than ``longest`` seconds, and no ``count`` of 0 keeps any.
        """
        ...

    def take(self, ticket: str, caps: Sequence[Cap], lease: float) -> Flow[Full | None]:
        """Take a place at each of ``caps``, or none: then, which cap is full.

        A place is held until :meth:`give_back`. One that is not given back within ``lease`` seconds, as its process is
        gone, counts as if its text had been sent then.
        """
        ...

    def peek(self, caps: Sequence[Cap]) -> Flow[Full | None]:
        """What :meth:`take` would say, without taking a place."""
        ...

    def give_back(self, ticket: str, *, sent: bool) -> None:
        """The text has ended. If it was ``sent``, or may have been, its places count until the window has passed.

        Also told after an interrupted :meth:`take`, whether or not that was done. A second time, nothing happens.
        """
        ...

    def pause(self, key: str, seconds: float) -> None:
        """Let no place under ``key`` be used for so long: the vendor asked for it."""
        ...

    def close(self) -> None:
        """As :meth:`Entries.close`."""
        ...


class OptOuts(Protocol):
    """Who opted out of texts, by the rules of :class:`smsbridge.optouts.OptOuts`, whose methods have no steps."""

    def holds(self, senders: Iterable[str] | None, recipient: str) -> Flow[bool]:
        """Whether ``recipient`` has opted out from one of ``senders``; None asks for any sender."""
        ...

    def confirm(
        self, senders: Iterable[str] | None, recipient: str, *, within: timedelta, take: bool = True
    ) -> Flow[bool]:
        """Whether one text that confirms the opt-out may still go there. With ``take``, no other one may after it."""
        ...

    def add(
        self, sender: str | None, recipient: str, *, at: datetime | None = None, source: str = "", event: str = ""
    ) -> Flow[None]:
        """``recipient`` has opted out."""
        ...

    def remove(
        self, sender: str | None, recipient: str, *, at: datetime | None = None, source: str = "", event: str = ""
    ) -> Flow[None]:
        """``recipient`` has opted in again; with sender None to texts from all senders."""
        ...

    def add_all(self, rows: Sequence[tuple[str | None, str]], *, source: str = "") -> Flow[None]:
        """Several at once, each a sender and a recipient; all of them, or none if it fails."""
        ...

    def everyone(self) -> Flow[list[OptOut]]:
        """All opt-outs that are in force, by recipient."""
        ...


class Store(Protocol):
    """Where things are remembered. Each part is None where the store cannot keep it.

    It is opened once in a process for each URL, and safe to share between threads, tasks and clients. To open it
    connects to nothing and makes nothing. A forked process has to find it usable.
    """

    def entries(self, *, keep: timedelta, sync: Sync = "normal") -> Entries | None:
        """Where a ledger is kept. Settled entries are dropped after ``keep``; ``sync`` is what a record survives.

        ``normal`` is the death of every process, ``full`` also that of the machine.
        """
        ...

    def counters(self) -> Counters | None:
        """Where limits and caps count."""
        ...

    def opt_outs(self) -> OptOuts | None:
        """Where opt-outs are kept."""
        ...

    def problem(self, part: Part) -> str | None:
        """What keeps that part from being used, without a secret; None if nothing is known. It makes nothing."""
        ...

    def init(self, part: Part) -> bool:
        """Make that part, on purpose; false if it is there. Raises ConfigurationError."""
        ...
