"""Ways to raise an exception in this thread: at the n-th event of a kind, or when a real signal comes."""

from __future__ import annotations

import logging
import signal
import sys
import threading
import time
from contextlib import contextmanager
from inspect import CO_ASYNC_GENERATOR, CO_COROUTINE, CO_GENERATOR
from opcode import opmap
from pathlib import Path

import smsbridge

NEVER = 10**9
_STEPS = CO_GENERATOR | CO_COROUTINE | CO_ASYNC_GENERATOR
_NOTHING, _BEGIN = opmap["NOP"], opmap["RESUME"]
_OURS = str(Path(smsbridge.__file__).parent)
_LIBRARIES = (_OURS, str(Path(threading.__file__).parent))


class Stop(BaseException):
    """Like KeyboardInterrupt."""


class SoftLimit(Exception):
    """Like Celery's SoftTimeLimitExceeded."""


KINDS = (Stop, SoftLimit, KeyboardInterrupt)


class Counter:
    """Counts the events of this thread, and raises at a given event."""

    def __init__(self, at, kind):
        self.at = at
        self.kind = kind
        self.events = 0
        self.where = None

    def strike(self, frame, what):
        self.events += 1
        if self.events == self.at:
            self.where = f"{what} {frame.f_code.co_filename.rpartition('/')[2]}:{frame.f_lineno} {frame.f_code.co_name}"
            raise self.kind


@contextmanager
def at_call(at, kind, *, ours=False):
    """The moments at which a signal handler can raise: a function begins, a C function has returned, any function returns.

    Only in ``ours`` if other code cannot bear it: an event loop that loses a wake-up waits for ever.
    """
    counter = Counter(at, kind)

    def profile(frame, event, _):
        code = frame.f_code
        if event == "return" and (code.co_flags & _STEPS or not code.co_filename.startswith(_LIBRARIES)):
            return  # Python handles no signal where a flow yields or a hook ends
        if ours and not code.co_filename.startswith(_OURS):
            return
        if code is logging.Handler.acquire.__code__:
            return  # a strike here leaves the lock of Python's own logging handlers taken, and the next record hangs
        if event == "call" and code.co_flags & _STEPS and frame.f_lasti > code.co_code[::2].index(_BEGIN) * 2:
            return  # the generator resumes, perhaps with an exception; a second exception would end it before it can react
        if event in ("call", "return", "c_return") and code.co_filename != __file__:
            counter.strike(frame, event)

    sys.setprofile(profile)
    try:
        yield counter
    finally:
        sys.setprofile(None)


@contextmanager
def at_line(at, kind, *, ours=True):  # always true
    """The moments between any two lines of ours: a debugger can raise there, and later Pythons may handle signals there.

    Lines without an effect (``try:``) are skipped: the compiler leaves them out of the ``try`` around them.
    """
    counter = Counter(at, kind)

    def trace(frame, event, _):
        if "smsbridge" not in frame.f_code.co_filename:
            return None
        if event == "line" and frame.f_code.co_code[frame.f_lasti] != _NOTHING:
            counter.strike(frame, event)
        return trace

    sys.settrace(trace)
    try:
        yield counter
    finally:
        sys.settrace(None)


@contextmanager
def at_signal(at, kind, *, ours=False):
    """After ``at`` microseconds, by a system timer; not if it has to be in ``ours``."""
    counter = Counter(at, kind)

    def handler(_, frame):
        counter.where = f"signal {frame.f_code.co_filename.rpartition('/')[2]}:{frame.f_lineno} {frame.f_code.co_name}"
        raise kind

    before = signal.signal(signal.SIGALRM, handler)
    begun = time.perf_counter()
    signal.setitimer(signal.ITIMER_REAL, 0 if ours else at / 1e6)
    try:
        yield counter
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        counter.events = int((time.perf_counter() - begun) * 1e6)
        signal.signal(signal.SIGALRM, before)


WAYS = {"call": at_call, "line": at_line, "signal": at_signal}
