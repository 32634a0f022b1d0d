"""Writer: a thread that owns a store, and does the work of other threads and tasks in shared transactions.

The thread starts when there is work and ends after a time without work. It never waits for a lock that a calling thread
may hold: an exception of a signal handler can interrupt that thread at any moment. A process closes the store before it
forks: a child must not inherit SQLite connections, and opens its own.
"""

from __future__ import annotations

import _thread
import atexit
import contextlib
import os
import queue
import random
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

from .entries import Clash, Entry, Unwritable

T = TypeVar("T")


class Shelf(Protocol):
    """The storage that a Writer uses, such as :class:`Book` and :class:`SqliteCounts`."""

    def together(self) -> AbstractContextManager[None]: ...

    def record(self, entries: Sequence[Entry]) -> int: ...

    def prune(self, older_than: float, limit: int) -> int: ...

    def close(self) -> None: ...


S = TypeVar("S", bound=Shelf)

_PATIENCE = 0.01
_IDLE = 2.0
_MOST_TOGETHER = 1000
_MOST_TRIES = 20
_LONGEST_PAUSE = 0.02
"""Seconds between two tries at most, each after another while, so that two processes do not clash again."""
_PRUNED_AT_ONCE = 500
_BETWEEN_PRUNINGS = 3600.0
_LONGEST_CLOSE = 20.0
_LONGEST_WORD = 1.0
"""Seconds to wait for a log record."""

_LONGEST_FORK = 10.0
"""Seconds for which a fork waits for the store, and the store for a fork."""

_AFTER_THE_WORK = -100
"""A low priority: at the end of a process, multiprocessing runs its finalizers from the highest number down."""
_log = logger("smsbridge.ledger")


class _Job(NamedTuple):
    work: Callable[[Any], Any]
    promise: Promise[Any]
    closes: bool = False
    """Whether the store is let go of, once all that was handed in before is done."""
    apart: bool = False
    """Whether it is done in a transaction that holds nothing but its like."""


class Writer(Generic[S]):
    """A thread that does all work on the storage ``store``, so that only this thread uses it.

    The methods may be called from any thread or task, and return immediately, except that :meth:`close` waits. Outcomes
    are written together with the next work, or after ``_PATIENCE`` seconds if no work comes. Settled (accepted or
    refused) entries are deleted when they are older than ``keep``.
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
        # Held by the working thread for as long as it works.
        self._running = threading.Lock()
        # Held by the thread that uses the store: the working thread, or a thread that forks.
        self._at_work = threading.Lock()
        self._thread: threading.Thread | None = None
        self._asleep = False

    def do(self, work: Callable[[S], T], *, apart: bool = False) -> Promise[T]:
        """Have ``work`` done by the thread that owns the store. Returns a Promise of the result of ``work``.

        Work is done in the order of the calls, and several pieces of work may share a transaction. The promise is kept
        after that transaction; it fails with Unwritable if the store cannot be written. If the promise is cancelled
        before, the work is not done. Work that is ``apart`` shares a transaction only with other such work, and is done
        before the rest.
        """
        promise: Promise[T] = Promise()
        self._jobs.put(_Job(work, promise, apart=apart))
        self._see_to_it()
        return promise

    def record(self, entries: Iterable[Entry]) -> None:
        """Have the outcomes in ``entries`` recorded by the thread that owns the store.

        A failure is logged, and the entries stay without an outcome.
        """
        self._outcomes.extend(list(entries))
        if self._asleep:
            self._jobs.put(None)
        self._see_to_it()

    def close(self) -> None:
        """Wait until all pending work is done and the store is closed. The writer may be used again."""
        # Closing a store that is not in use must not open or create it.
        if not self._running.locked() and self._jobs.empty() and not self._outcomes:
            return
        closed: Promise[None] = Promise()
        self._jobs.put(_Job(_nothing, closed, closes=True))
        self._see_to_it()
        try:
            closed.result(_LONGEST_CLOSE)
        except Overdue as error:
            _log.error("the ledger could not be closed, so outcomes of texts may stay open in it: %s", error)

    # --- the thread ---------------------------------------------------------------------------------------------------

    def _see_to_it(self) -> None:
        """Make sure that a thread does the work.

        A thread that is about to end looks for work again after it releases ``_running``.
        """
        if _going:
            self._run(stays=False)
        elif not self._running.locked():
            _flush_with_child()
            try:
                _thread.start_new_thread(self._start, ())
            # The interpreter is ending.
            except RuntimeError:
                self._run(stays=False)

    def _start(self) -> None:
        """Start the named thread, from a helper thread.

        ``Thread.start`` takes a lock, which an interruption of the calling thread could leave taken.
        """
        try:
            threading.Thread(target=self._run, name="smsbridge-ledger", daemon=True).start()
        except RuntimeError:
            self._run(stays=False)

    def _run(self, *, stays: bool = True) -> None:
        """Work, unless another thread works; with ``stays``, until there is no work for a while."""
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
                    # Checked again: the caller of record() may not have seen _asleep yet.
                    if not self._outcomes:
                        continue
            else:
                # Woken for outcomes, which wait for the next work.
                if first is None:
                    self._asleep = False
                    continue
            self._asleep = False
            if self._work(first):
                return

    def _work(self, first: _Job | None = None) -> bool:
        """Do all pending work. Returns whether the store was closed.

        Outcomes are written first, but collected last: no question may be ahead of an earlier outcome.
        """
        with self._store_in_use():
            jobs = [first] if first is not None else []
            with contextlib.suppress(queue.Empty):
                while len(jobs) < _MOST_TOGETHER:
                    if (job := self._jobs.get_nowait()) is not None:
                        jobs.append(job)
            outcomes = [self._outcomes.popleft() for _ in range(len(self._outcomes))]
            # A claim that was cancelled before it was made is not made; from here on it can only be released.
            todo = [job for job in jobs if not job.promise.cancelled and not job.closes]
            if outcomes or todo:
                self._do_all(outcomes, todo)
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
        """Hold the store against forks. Waits for a fork, but not forever: its thread may have been interrupted."""
        lock = self._at_work
        if not lock.acquire(timeout=_LONGEST_FORK):
            self._at_work = lock = threading.Lock()
            lock.acquire()
        try:
            yield
        finally:
            lock.release()

    def _do_all(self, outcomes: Sequence[Entry], jobs: Sequence[_Job]) -> None:
        apart = [job for job in jobs if job.apart]
        if apart:
            self._do([], apart)
        if outcomes or len(apart) < len(jobs):
            self._do(outcomes, [job for job in jobs if not job.apart])

    def _do(self, outcomes: Sequence[Entry], jobs: Sequence[_Job]) -> None:
        answers: list[Any] | None = None
        try:
            answers = self._done(outcomes, jobs)
            for job, answer in zip(jobs, answers, strict=True):
                job.promise.set_result(answer)
        except Unwritable as error:
            if outcomes:
                log_lost(error, len(outcomes))
            for job in jobs:
                # An error for each job, since raising an error adds to it.
                job.promise.set_exception(Unwritable(str(error)))
        # The error belongs to the caller whose work raised it.
        except Exception as error:  # noqa: BLE001
            self._blame(outcomes, jobs, error)
        finally:
            # Jobs without an answer are left only if the thread is interrupted.
            for job in jobs:
                if not job.promise.done():
                    job.promise.set_exception(
                        Unwritable("the work was interrupted, so it is not known whether it was done")
                    )

    def _done(self, outcomes: Sequence[Entry], jobs: Sequence[_Job]) -> list[Any]:
        """The answers to ``jobs``, done in one transaction: again, where another process was in the way."""
        for left in range(_MOST_TRIES, 0, -1):
            try:
                with self._store.together():
                    if outcomes:
                        self._store.record(outcomes)
                    return [job.work(self._store) for job in jobs]
            except Clash:
                if left == 1:
                    raise
                time.sleep(random.uniform(0, _LONGEST_PAUSE))  # noqa: S311  # no secret
        raise AssertionError("it is done, or raises")

    def _blame(self, outcomes: Sequence[Entry], jobs: Sequence[_Job], error: Exception) -> None:
        """Find the job or outcome that raised ``error``: if there are several, do each of them alone."""
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
        """Close the store before a fork, and keep the writer's thread away from it until :meth:`go_on`.

        Returns false if the thread does not let go of the store in time.
        """
        if not self._at_work.acquire(timeout=_LONGEST_FORK):
            return False
        self._store.close()
        return True

    def go_on(self) -> None:
        """Let the thread use the store again, after :meth:`pause`."""
        self._at_work.release()

    def begin_anew(self) -> None:
        """Prepare the writer in a forked process: the thread and the pending work stay in the parent process."""
        self._reset()


def _nothing(_: Any) -> None:
    """Do nothing: the work of a job that only closes the store."""


def log_lost(error: BaseException, count: int = 1) -> None:
    """Log that ``count`` outcomes could not be recorded because of ``error``.

    If the error is not of smsbridge, only its class is logged, because its text may quote private data.
    """
    why = str(error) if isinstance(error, Unwritable) else type(error).__name__
    words = "the outcomes of %d texts could not be recorded, so they stay open in the ledger: %s"
    said: Promise[None] = Promise()

    def say() -> None:
        _log.error(words, count, why)
        said.set_result(None)

    # In a thread of its own: an interruption may have left the lock of a log handler taken.
    threading.Thread(target=say, name="smsbridge-ledger-log", daemon=True).start()
    with contextlib.suppress(Overdue):
        said.result(_LONGEST_WORD)


# --- all writers of this process --------------------------------------------------------------------------------------

_going = False
"""Whether the interpreter is ending: then the calling thread writes to the store itself, immediately."""

_writers: list[Writer[Any]] = []
_paused: list[Writer[Any]] = []
_shared: dict[tuple[Any, ...], Writer[Any]] = {}
_flushed: set[int] = set()
"""The numbers of processes in which :func:`close_all` is registered with multiprocessing."""


def shared(which: tuple[Any, ...], make: Callable[[], Writer[S]]) -> Writer[S]:
    """Return the writer that this process has for the key ``which``. At the first call, ``make`` makes the writer."""
    return _shared.get(which) or _shared.setdefault(which, make())


def close_all() -> None:
    """Wait until all writers of this process have done their work and closed their stores."""
    for writer in _writers:
        writer.close()


def _before_fork() -> None:
    for writer in _writers:
        if writer.pause():
            _paused.append(writer)  # noqa: PERF401  # added one by one, since the next pause may be interrupted


def _after_fork_in_parent() -> None:
    while _paused:
        _paused.pop().go_on()


def _after_fork_in_child() -> None:
    _paused.clear()
    for writer in _writers:
        writer.begin_anew()


def _flush_with_child() -> None:
    """Close all writers when a child of multiprocessing ends: it does not run functions registered with atexit."""
    util = sys.modules.get("multiprocessing.util")
    if util is not None and os.getpid() not in _flushed:
        _flushed.add(os.getpid())
        util.Finalize(None, close_all, exitpriority=_AFTER_THE_WORK)


def _at_exit() -> None:
    global _going  # noqa: PLW0603  # set once, at the end
    _going = True
    close_all()


atexit.register(_at_exit)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_parent=_after_fork_in_parent, after_in_child=_after_fork_in_child)
