"""The entries and counters of stores: in a SQLite file, reached through the thread that owns it, or in memory."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Sequence
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from smsbridge.flow import Await, Flow
from smsbridge.forks import fresh_lock, under
from smsbridge.logs import logger
from smsbridge.messages import DeliveryReport
from smsbridge.own_file import Kind, is_known
from smsbridge.promise import Promise

from .book import Book
from .caps import Full
from .entries import EVERY_ENTRY, Change, Claim, Entry, EntryFilters, Outcome, Unwritable
from .seam import Cap, Turn
from .sqlite_counts import COUNTS, SqliteCounts
from .writer import Writer

T = TypeVar("T")
_log = logger("smsbridge.stores")


class _Kept(ABC):
    """The common part of all entries; each kind reaches its book in its own way."""

    @abstractmethod
    def _ask(self, work: Callable[[Book], T]) -> Flow[T]:
        """Do ``work`` with the book, and return its result."""

    def identify(self, key: bytes | None) -> Flow[bytes]:
        return self._ask(lambda book: book.identify(key))

    def claim(self, claims: Sequence[Claim]) -> Flow[list[Entry | None]]:
        return self._ask(lambda book: book.claim(claims))

    def settle(self, entries: Sequence[Entry]) -> Flow[int]:
        return self._ask(lambda book: book.record(entries))

    def find(self, reference: str) -> Flow[Entry | None]:
        return self._ask(lambda book: book.find(reference))

    def note(self, reports: Sequence[DeliveryReport]) -> Flow[None]:
        return self._ask(lambda book: book.note(reports))

    def fold(
        self,
        references: Collection[str],
        ids: Collection[tuple[str, str]] = (),
        *,
        ticket: str | None = None,
        lease: float = 0.0,
    ) -> Flow[list[Change]]:
        return self._ask(lambda book: book.fold(references, ids, ticket=ticket, lease=lease))

    def reports(self, reference: str) -> Flow[list[DeliveryReport]]:
        return self._ask(lambda book: book.reports(reference))

    def page(
        self, filters: EntryFilters = EVERY_ENTRY, *, after: int = 0, limit: int = 1000
    ) -> Flow[list[tuple[int, Entry]]]:
        return self._ask(lambda book: book.entries(filters, after=after, limit=limit))

    def prune(self, older_than: float, limit: int, *, account: str | None = None) -> Flow[int]:
        return self._ask(lambda book: book.prune(older_than, limit, account=account))


class MemoryEntries(_Kept):
    """The entries of a ledger in memory, kept in ``book``.

    A question to them is a flow without steps, so it never waits.
    """

    def __init__(self, book: Book) -> None:
        self._book = book
        self._lock = fresh_lock()

    def _ask(self, work: Callable[[Book], T]) -> Flow[T]:
        yield from ()
        return under(self._lock, work, self._book)

    def record(self, entries: Sequence[Entry]) -> None:
        under(self._lock, self._book.record, entries)

    def release(self, claims: Sequence[Claim]) -> None:
        self.record(_given_up(claims))

    def told(self, changes: Sequence[Change], ticket: str, *, done: bool) -> None:
        under(self._lock, partial(self._book.told, changes, ticket, done=done))

    def let_go(self, references: Collection[str], ids: Collection[tuple[str, str]], ticket: str) -> None:
        under(self._lock, self._book.let_go, references, ids, ticket)

    def close(self) -> None:
        """Do nothing: there is nothing to wait for."""


class WrittenEntries(_Kept):
    """The entries of a ledger in a store that only the thread of ``writer`` uses."""

    def __init__(self, writer: Writer[Any]) -> None:
        self.writer = writer

    def _ask(self, work: Callable[[Book], T]) -> Flow[T]:
        return (yield from Await(self.writer.do(work)))

    def record(self, entries: Sequence[Entry]) -> None:
        self.writer.record(entries)

    def release(self, claims: Sequence[Claim]) -> None:
        """Give up claims whose texts were not sent.

        This waits for its turn, because the thread of the store may not have recorded these claims yet.
        """
        entries = _given_up(claims)
        self.writer.do(lambda book: book.record(entries))

    def note(self, reports: Sequence[DeliveryReport]) -> Flow[None]:
        """Keep delivery reports, in a transaction without changes of entries.

        Otherwise two processes that change entries and reports could wait for each other without end.
        """
        yield from Await(self.writer.do(lambda book: book.note(reports), apart=True))

    def told(self, changes: Sequence[Change], ticket: str, *, done: bool) -> None:
        told: Promise[None] = self.writer.do(lambda book: book.told(changes, ticket, done=done))
        told.add_done_callback(_log_untold)

    def let_go(self, references: Collection[str], ids: Collection[tuple[str, str]], ticket: str) -> None:
        self.writer.do(lambda book: book.let_go(references, ids, ticket))

    def close(self) -> None:
        self.writer.close()


class FileEntries(WrittenEntries):
    """The entries of a ledger in the file at ``path``. Reading does not create the file."""

    def __init__(self, writer: Writer[Any], path: Path, kind: Kind) -> None:
        super().__init__(writer)
        self.path, self._kind = path, kind

    @property
    def is_absent(self) -> bool:
        """Whether no file exists at the path now."""
        # A Path raises if the name is too long.
        return not os.path.exists(self.path)  # noqa: PTH110

    @property
    def is_made(self) -> bool:
        """Whether the file exists now, or was used before in this process."""
        return is_there(self.path, self._kind)

    def find(self, reference: str) -> Flow[Entry | None]:
        return (yield from super().find(reference)) if self.is_made else None


class WrittenCounters:
    """The counters of limits and caps in the file at ``path``, which only the thread of ``writer`` uses."""

    def __init__(self, writer: Writer[SqliteCounts], path: Path) -> None:
        self._writer = writer
        self._path = path

    def reserve(self, key: str, interval: float, count: int, longest: float) -> Flow[Turn]:
        if longest < 0 and not is_there(self._path, COUNTS):
            return Turn(False, 0.0)
        return (yield from Await(self._writer.do(lambda counts: counts.reserve(key, interval, count, longest))))

    def take(self, ticket: str, caps: Sequence[Cap], lease: float) -> Flow[Full | None]:
        return (yield from Await(self._writer.do(lambda counts: counts.take(ticket, caps, lease))))

    def peek(self, caps: Sequence[Cap]) -> Flow[Full | None]:
        if not is_there(self._path, COUNTS):
            return None
        return (yield from Await(self._writer.do(lambda counts: counts.peek(caps))))

    def give_back(self, ticket: str, *, sent: bool) -> None:
        self._tell(lambda counts: counts.give_back(ticket, sent=sent))

    def pause(self, key: str, seconds: float) -> None:
        self._tell(lambda counts: counts.pause(key, seconds))

    def close(self) -> None:
        self._writer.close()

    def _tell(self, work: Callable[[SqliteCounts], None]) -> None:
        """Have ``work`` done in turn with the questions: it may depend on their answers."""
        self._writer.do(work).add_done_callback(_log_failure)


def is_there(path: Path, kind: Kind) -> bool:
    """Return whether the file at ``path`` exists, or was used by this process before.

    If the file was used before, but is missing now, a question to it raises an error that says so.
    """
    # A Path raises if the name is too long.
    return os.path.exists(path) or is_known(kind, path)  # noqa: PTH110


def _given_up(claims: Sequence[Claim]) -> list[Entry]:
    return [Entry(claim=claim, outcome=Outcome.refused("cancelled")) for claim in claims]


def _log_untold(told: Promise[None]) -> None:
    error = told.exception()
    if error is not None:
        why = str(error) if isinstance(error, Unwritable) else type(error).__name__
        _log.error("it is not kept that a change of status was told, so it may be told again: %s", why)


def _log_failure(told: Promise[None]) -> None:
    error = told.exception()
    if error is not None:
        why = str(error) if isinstance(error, Unwritable) else type(error).__name__
        _log.error("the store of counts could not keep a change, so it may count a text for too long: %s", why)
