"""Writer: one thread that owns a ledger's store, and keeps together what threads and tasks hand in meanwhile.

It starts when there is something to do and ends when there has been nothing for a while. It never waits for anything
that a thread which hands something in may hold: an exception of a signal handler can end that thread's work at any
moment. A process that forks lets go of the store before: SQLite must not be taken along into the child, which opens its
own.
"""

from __future__ import annotations

import _thread
import atexit
import contextlib
import os
import queue
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from datetime import timedelta
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

from smsbridge.logs import logger
from smsbridge.promise import Overdue, Promise

from .entries import Entry, Unwritable

T = TypeVar("T")


class Shelf(Protocol):
    """What a writer writes to; see :class:`Book` and :class:`SqliteCounts`."""

    def together(self) -> AbstractContextManager[None]: ...

    def record(self, entries: Sequence[Entry]) -> int: ...

    def prune(self, older_than: float, limit: int) -> int: ...

    def close(self) -> None: ...


S = TypeVar("S", bound=Shelf)

_PATIENCE = 0.01
_IDLE = 2.0
_MOST_TOGETHER = 1000
_PRUNED_AT_ONCE = 500
_BETWEEN_PRUNINGS = 3600.0
_LONGEST_CLOSE = 20.0
_LONGEST_WORD = 1.0
"""Seconds that a log record is waited for."""

_LONGEST_FORK = 10.0
"""Seconds that a fork waits for the store, and that the store waits for a fork."""

_AFTER_THE_WORK = -100
"""Among the last of what multiprocessing does when a process ends, which begins with the highest number."""
_log = logger("smsbridge.ledger")


class _Job(NamedTuple):
    work: Callable[[Any], Any]
    promise: Promise[Any]
    closes: bool = False
    """Whether the store is let go of, once all that was handed in before is done."""


class Writer(Generic[S]):
    """Works for any thread or task, each of whose orders returns at once. Settled entries are dropped after ``keep``.

    Outcomes wait for whatever is to be done next, but for no longer than ``_PATIENCE``; they are never behind it.
    """

    def __init__(self, store: S, *, keep: timedelta, clock: Callable[[], float] = time.monotonic) -> None:
        self._store = store
        self._keep = keep
        self._clock = clock
        self._prune_at = clock()
        self._reset()
        _writers.append(self)

    def _reset(self) -> None:
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._outcomes: deque[Entry] = deque()
        self._running = threading.Lock()  # of the thread that works, for as long as it does
        self._at_work = threading.Lock()  # of the thread that uses the store: that one, or one that forks
        self._thread: threading.Thread | None = None
        self._asleep = False

    def do(self, work: Callable[[S], T]) -> Promise[T]:
        """Have ``work`` done, within one transaction with whatever else is to do. The promise is kept once that is.

        It fails with Unwritable where the store cannot be written. Works are done in the order in which they were
        handed in; one that is cancelled before is not done.
        """
        promise: Promise[T] = Promise()
        self._jobs.put(_Job(work, promise))
        self._see_to_it()
        return promise

    def record(self, entries: Iterable[Entry]) -> None:
        """Have outcomes recorded. If that fails it is logged, and they stay open."""
        self._outcomes.extend(list(entries))
        if self._asleep:
            self._jobs.put(None)
        self._see_to_it()

    def close(self) -> None:
        """Wait for what was handed in, and let go of the store. The writer may be used again."""
        if not self._running.locked() and self._jobs.empty() and not self._outcomes:
            return  # to close a store that is not in use must not open it, or even make it
        closed: Promise[None] = Promise()
        self._jobs.put(_Job(_nothing, closed, closes=True))
        self._see_to_it()
        try:
            closed.result(_LONGEST_CLOSE)
        except Overdue as error:
            _log.error("the ledger could not be closed, so outcomes of texts may stay open in it: %s", error)

    # --- the thread ---------------------------------------------------------------------------------------------------

    def _see_to_it(self) -> None:
        """Make sure that a thread is at it.

        One that is about to end looks again for work after it let go of ``_running``.
        """
        if _going:
            self._run(stays=False)
        elif not self._running.locked():
            _flush_with_child()
            try:
                _thread.start_new_thread(self._start, ())
            except RuntimeError:  # the interpreter is going
                self._run(stays=False)

    def _start(self) -> None:
        """Start the thread, from one without a name.

        To wait until a Thread has begun takes a lock, which could be left taken.
        """
        try:
            threading.Thread(target=self._run, name="smsbridge-ledger", daemon=True).start()
        except RuntimeError:
            self._run(stays=False)

    def _run(self, *, stays: bool = True) -> None:
        """Work, unless another thread does; if it ``stays``, until there has been nothing to do for a while."""
        while self._running.acquire(blocking=False):
            try:
                self._thread = threading.current_thread()
                self._serve() if stays else self._work()
            finally:
                with self._store_in_use():
                    self._store.close()
                self._thread, self._asleep = None, False
                self._running.release()
            if self._jobs.empty() and not self._outcomes:
                return

    def _serve(self) -> None:
        while True:
            try:
                first = self._jobs.get(timeout=_IDLE if self._asleep else _PATIENCE)
            except queue.Empty:
                first = None
                if not self._outcomes:
                    if self._asleep:
                        return
                    self._asleep = True
                    if not self._outcomes:  # looked for again: who handed them in may not have seen it fall asleep
                        continue
            else:
                if first is None:  # woken for outcomes, which wait for what comes next
                    self._asleep = False
                    continue
            self._asleep = False
            if self._work(first):
                return

    def _work(self, first: _Job | None = None) -> bool:
        """Do all that there is to do.

        Whether that is all for now. Outcomes come first, but are looked for last: what is asked must not be ahead of
        them.
        """
        with self._store_in_use():
            jobs = [first] if first is not None else []
            with contextlib.suppress(queue.Empty):
                while len(jobs) < _MOST_TOGETHER:
                    if (job := self._jobs.get_nowait()) is not None:
                        jobs.append(job)
            outcomes = [self._outcomes.popleft() for _ in range(len(self._outcomes))]
            # A claim that was given up before it was made is not made; from here on it can only be released.
            todo = [job for job in jobs if not job.promise.cancelled and not job.closes]
            if outcomes or todo:
                self._do(outcomes, todo)
                if self._clock() >= self._prune_at:
                    self._prune()
            closing = [job for job in jobs if job.closes]
            if closing:
                self._store.close()
        for job in closing:
            job.promise.set_result(None)
        return bool(closing)

    @contextlib.contextmanager
    def _store_in_use(self) -> Iterator[None]:
        """Keeps forks away; and is kept by one, but not for ever, as its thread may have been interrupted."""
        lock = self._at_work
        if not lock.acquire(timeout=_LONGEST_FORK):
            self._at_work = lock = threading.Lock()
            lock.acquire()
        try:
            yield
        finally:
            lock.release()

    def _do(self, outcomes: Sequence[Entry], jobs: Sequence[_Job]) -> None:
        answers: list[Any] | None = None
        try:
            with self._store.together():
                if outcomes:
                    self._store.record(outcomes)
                answers = [job.work(self._store) for job in jobs]
            for job, answer in zip(jobs, answers, strict=True):
                job.promise.set_result(answer)
        except Unwritable as error:
            if outcomes:
                log_lost(error, len(outcomes))
            for job in jobs:
                job.promise.set_exception(Unwritable(str(error)))  # one each: whoever raises it adds to it
        except Exception as error:  # noqa: BLE001  # it belongs to the one who handed it in
            self._blame(outcomes, jobs, error)
        finally:
            for job in jobs:  # those that are left where the thread is interrupted
                if not job.promise.done():
                    job.promise.set_exception(Unwritable("interrupted"))

    def _blame(self, outcomes: Sequence[Entry], jobs: Sequence[_Job], error: Exception) -> None:
        """``error`` is of one of these: if there are several, each is done by itself."""
        if len(outcomes) + len(jobs) > 1:
            for outcome in outcomes:
                self._do([outcome], [])
            for job in jobs:
                self._do([], [job])
        elif jobs:
            jobs[0].promise.set_exception(error)
        else:
            log_lost(error)

    def _prune(self) -> None:
        pruned: Promise[int] = Promise()
        age = self._keep.total_seconds()
        self._do([], [_Job(lambda store: store.prune(age, _PRUNED_AT_ONCE), pruned)])
        more = pruned.exception() is None and pruned.result() >= _PRUNED_AT_ONCE
        self._prune_at = self._clock() + (0.0 if more else _BETWEEN_PRUNINGS)

    # --- around a fork ------------------------------------------------------------------------------------------------

    def pause(self) -> bool:
        """Let go of the store, and keep the thread from it; false if it is busy with it for too long."""
        if not self._at_work.acquire(timeout=_LONGEST_FORK):
            return False
        self._store.close()
        return True

    def go_on(self) -> None:
        """After :meth:`pause`."""
        self._at_work.release()

    def begin_anew(self) -> None:
        """In a forked process: the thread, and what it was to do, are the parent's."""
        self._reset()


def _nothing(_: Any) -> None:
    """The work of a job that only closes."""


def log_lost(error: BaseException, count: int = 1) -> None:
    """Say that outcomes could not be recorded. Of an error other than ours, not its text: that may quote anything."""
    why = str(error) if isinstance(error, Unwritable) else type(error).__name__
    words = "the outcomes of %d texts could not be recorded, so they stay open in the ledger: %s"
    said: Promise[None] = Promise()

    def say() -> None:
        _log.error(words, count, why)
        said.set_result(None)

    threading.Thread(target=say, name="smsbridge-ledger-log", daemon=True).start()  # a handler's lock may be left taken
    with contextlib.suppress(Overdue):
        said.result(_LONGEST_WORD)


# --- all writers of this process --------------------------------------------------------------------------------------

_going = False
"""Whether the interpreter is: then whoever hands something in does it himself, at once."""

_writers: list[Writer[Any]] = []
_paused: list[Writer[Any]] = []
_shared: dict[tuple[Any, ...], Writer[Any]] = {}
_flushed: set[int] = set()
"""Processes in which :func:`close_all` is registered with multiprocessing."""


def shared(which: tuple[Any, ...], make: Callable[[], Writer[S]]) -> Writer[S]:
    """The one writer of this process for what ``which`` says, made if need be."""
    return _shared.get(which) or _shared.setdefault(which, make())


def close_all() -> None:
    """Wait for all that was handed in to any writer."""
    for writer in _writers:
        writer.close()


def _before_fork() -> None:
    for writer in _writers:
        if writer.pause():
            _paused.append(writer)  # noqa: PERF401  # each at once, as the next may be interrupted


def _after_fork_in_parent() -> None:
    while _paused:
        _paused.pop().go_on()


def _after_fork_in_child() -> None:
    _paused.clear()
    for writer in _writers:
        writer.begin_anew()


def _flush_with_child() -> None:
    """A child of multiprocessing ends without what is registered with atexit: flush before, as its own module does."""
    util = sys.modules.get("multiprocessing.util")
    if util is not None and os.getpid() not in _flushed:
        _flushed.add(os.getpid())
        util.Finalize(None, close_all, exitpriority=_AFTER_THE_WORK)


def _at_exit() -> None:
    global _going  # noqa: PLW0603  # it goes once
    _going = True
    close_all()


atexit.register(_at_exit)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_parent=_after_fork_in_parent, after_in_child=_after_fork_in_child)
