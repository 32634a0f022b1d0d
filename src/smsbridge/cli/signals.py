"""Turn signals that ask a command to end into exceptions, as Python does for Ctrl-C, so that the command can finish."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from .exits import Exit

_EXITS = {"SIGINT": Exit.INTERRUPTED, "SIGTERM": Exit.TERMINATED, "SIGHUP": Exit.HUNG_UP}


class Ended(KeyboardInterrupt):
    """Raised for Ctrl-C (SIGINT), and for signals that mean the same: SIGTERM of a supervisor, SIGHUP of a terminal."""

    def __init__(self, code: Exit) -> None:
        super().__init__()
        self.code = code


def code_of(interrupt: BaseException | None) -> Exit:
    """Return the exit code of a command that was ended by ``interrupt``, such as Ctrl-C or SIGTERM."""
    return interrupt.code if isinstance(interrupt, Ended) else Exit.INTERRUPTED


class _Held:
    """The signals that came while they were held; None while they are not held."""

    def __init__(self) -> None:
        self.pending: list[Exit] | None = None


_held = _Held()


@contextmanager
def as_interrupts() -> Iterator[None]:
    """Make SIGINT, SIGTERM and SIGHUP raise Ended in the main thread inside the ``with`` block.

    A signal that other code ignores or handles already stays as it is.
    """
    before = {}
    if threading.current_thread() is threading.main_thread():
        for number in _numbers():
            if signal.getsignal(number) in (signal.SIG_DFL, signal.default_int_handler):
                before[number] = signal.signal(number, _raise)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def held() -> Iterator[None]:
    """Delay the first signal that arrives in the ``with`` block until the block ends.

    The block is then not interrupted halfway.
    """
    pending: list[Exit] = []
    _held.pending = pending
    try:
        yield
    finally:
        _held.pending = None
        if pending:
            raise Ended(pending[0])


@contextmanager
def ignored() -> Iterator[None]:
    """Ignore SIGINT, SIGTERM and SIGHUP inside the ``with`` block."""
    before = {}
    if threading.current_thread() is threading.main_thread():
        before = {number: signal.signal(number, signal.SIG_IGN) for number in _numbers()}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _numbers() -> list[signal.Signals]:
    return [signal.Signals[name] for name in _EXITS if name in signal.Signals.__members__]


def _raise(number: int, _frame: FrameType | None) -> None:
    code = _EXITS[signal.Signals(number).name]
    if _held.pending is not None:
        _held.pending.append(code)
        if len(_held.pending) == 1:
            return
    raise Ended(code)
