"""Ways to raise an exception in this thread at some moment: at the n-th event of a kind, or whenever a real signal comes."""

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
    """Counts the events of this thread, and raises at the one that was asked for."""

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
    """Where a signal handler can raise: when a function begins, or after one in C has returned; and when any function returns.

    In ``ours`` alone, where others do not stand it: an event loop that loses a wake-up waits for ever.
    """
    counter = Counter(at, kind)

    def profile(frame, event, _):
        code = frame.f_code
        if event == "return" and (code.co_flags & _STEPS or not code.co_filename.startswith(_LIBRARIES)):
            return  # where a flow stops for a moment, or a hook ends, no Python looks for signals
        if ours and not code.co_filename.startswith(_OURS):
            return
        if code is logging.Handler.acquire.__code__:
            return  # Python's own handlers leave their lock taken where they are struck here, and hang the next record
        if event == "call" and code.co_flags & _STEPS and frame.f_lasti > code.co_code[::2].index(_BEGIN) * 2:
            return  # it goes on, perhaps with an exception, in whose place another would end it without a chance
        if event in ("call", "return", "c_return") and code.co_filename != __file__:
            counter.strike(frame, event)

    sys.setprofile(profile)
    try:
        yield counter
    finally:
        sys.setprofile(None)


@contextmanager
def at_line(at, kind, *, ours=True):  # it is always so
    """Between any two lines of ours: a debugger can raise there, and who knows where later Pythons look for signals.

    Not where a line does nothing (``try:``): the compiler leaves such a line out of the ``try`` around it.
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
    """After ``at`` microseconds, by a timer of the system; never where it has to be in ``ours``."""
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
