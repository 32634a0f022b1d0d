"""Make opt-outs whose questions are flows from a list with ordinary methods."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import TypeVar

from smsbridge.flow import Call, Flow

from .opt_outs import OptOut, OptOuts

T = TypeVar("T")


class CalledOptOuts:
    """The opt-outs in the list ``known``, whose methods may block. Each question is a flow that runs them in a Call."""

    def __init__(self, known: OptOuts) -> None:
        self.known = known

    def _ask(self, work: Callable[[], T]) -> Flow[T]:
        return (yield from Call(work))

    def holds(self, senders: Iterable[str] | None, recipient: str) -> Flow[bool]:
        return self._ask(partial(self.known.holds, senders, recipient))

    def confirm(
        self, senders: Iterable[str] | None, recipient: str, *, within: timedelta, take: bool = True
    ) -> Flow[bool]:
        return self._ask(partial(self.known.confirm, senders, recipient, within=within, take=take))

    def add(
        self, sender: str | None, recipient: str, *, at: datetime | None = None, source: str = "", event: str = ""
    ) -> Flow[None]:
        return self._ask(partial(self.known.add, sender, recipient, at=at, source=source, event=event))

    def remove(
        self, sender: str | None, recipient: str, *, at: datetime | None = None, source: str = "", event: str = ""
    ) -> Flow[None]:
        return self._ask(partial(self.known.remove, sender, recipient, at=at, source=source, event=event))

    def add_all(self, rows: Sequence[tuple[str | None, str]], *, source: str = "") -> Flow[None]:
        return self._ask(partial(self._add_all, rows, source))

    def everyone(self) -> Flow[list[OptOut]]:
        return self._ask(partial(list, self.known))

    def _add_all(self, rows: Sequence[tuple[str | None, str]], source: str) -> None:
        at_once = getattr(self.known, "add_all", None)
        if at_once is not None:
            at_once(rows, source=source)
            return
        for sender, recipient in rows:
            self.known.add(sender, recipient, source=source)


class MemoryListed(CalledOptOuts):
    """The opt-outs in ``known``, a list in memory. A question to them is a flow without steps, so it never waits."""

    def _ask(self, work: Callable[[], T]) -> Flow[T]:
        yield from ()
        return work()
