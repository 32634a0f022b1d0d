"""Counters and opt-outs as flows, asked through the thread that owns their connection."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from typing import TypeVar

from smsbridge.flow import Await, Flow
from smsbridge.logs import logger
from smsbridge.promise import Promise
from smsbridge.stores.caps import Full
from smsbridge.stores.entries import Unwritable
from smsbridge.stores.opt_outs import OptOut
from smsbridge.stores.seam import Cap, Turn
from smsbridge.stores.writer import Writer

from .counts import PostgresCounts
from .opt_outs import PostgresOptOuts

T = TypeVar("T")
_log = logger("smsbridge.stores")


class AskedCounters:
    """Counters of limits and caps in PostgreSQL, which only the thread of ``writer`` uses.

    A question is a flow that waits for that thread. The calls without an answer return immediately, except ``close``.
    """

    def __init__(self, writer: Writer[PostgresCounts]) -> None:
        self._writer = writer

    def reserve(self, key: str, interval: float, count: int, longest: float) -> Flow[Turn]:
        return (yield from Await(self._writer.do(lambda counts: counts.reserve(key, interval, count, longest))))

    def take(self, ticket: str, caps: Sequence[Cap], lease: float) -> Flow[Full | None]:
        return (yield from Await(self._writer.do(lambda counts: counts.take(ticket, caps, lease))))

    def peek(self, caps: Sequence[Cap]) -> Flow[Full | None]:
        return (yield from Await(self._writer.do(lambda counts: counts.peek(caps))))

    def give_back(self, ticket: str, *, sent: bool) -> None:
        self._tell(lambda counts: counts.give_back(ticket, sent=sent))

    def pause(self, key: str, seconds: float) -> None:
        self._tell(lambda counts: counts.pause(key, seconds))

    def close(self) -> None:
        self._writer.close()

    def _tell(self, work: Callable[[PostgresCounts], None]) -> None:
        """In its turn among the questions, whose answers it may follow."""
        self._writer.do(work).add_done_callback(_log_failure)


class AskedOptOuts:
    """A list of opt-outs in PostgreSQL, which only the thread of ``writer`` uses.

    Each question is a flow that waits for that thread.
    """

    def __init__(self, writer: Writer[PostgresOptOuts]) -> None:
        self._writer = writer

    def holds(self, senders: Iterable[str] | None, recipient: str) -> Flow[bool]:
        return self._ask(lambda known: known.holds(senders, recipient))

    def confirm(
        self, senders: Iterable[str] | None, recipient: str, *, within: timedelta, take: bool = True
    ) -> Flow[bool]:
        return self._ask(lambda known: known.confirm(senders, recipient, within=within, take=take))

    def add(
        self, sender: str | None, recipient: str, *, at: datetime | None = None, source: str = "", event: str = ""
    ) -> Flow[None]:
        return self._ask(lambda known: known.add(sender, recipient, at=at, source=source, event=event))

    def remove(
        self, sender: str | None, recipient: str, *, at: datetime | None = None, source: str = "", event: str = ""
    ) -> Flow[None]:
        return self._ask(lambda known: known.remove(sender, recipient, at=at, source=source, event=event))

    def add_all(self, rows: Sequence[tuple[str | None, str]], *, source: str = "") -> Flow[None]:
        return self._ask(lambda known: known.add_all(rows, source=source))

    def everyone(self) -> Flow[list[OptOut]]:
        return self._ask(lambda known: known.everyone())

    def close(self) -> None:
        """Wait until all pending work is done and the connection to the database is closed."""
        self._writer.close()

    def _ask(self, work: Callable[[PostgresOptOuts], T]) -> Flow[T]:
        return (yield from Await(self._writer.do(work)))


def _log_failure(told: Promise[None]) -> None:
    error = told.exception()
    if error is not None:
        why = str(error) if isinstance(error, Unwritable) else type(error).__name__
        _log.error("what was told to a store of counts is not kept, so it may count a text too long: %s", why)
