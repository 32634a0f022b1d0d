"""Writer: one thread that owns a ledger's store, and keeps together what threads and tasks hand in meanwhile.

It starts when there is something to do and ends when there has been nothing for a while. A process that forks lets go of the
store before: SQLite must not be taken along into the child, which opens its own.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import queue
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from datetime import timedelta
from typing import Any, NamedTuple, TypeVar

from smsbridge.attempts import utc_now
from smsbridge.logs import logger

from .entries import Entry, Store, Unwritable

T = TypeVar("T")

_PATIENCE = 0.01
_IDLE = 2.0
_MOST_TOGETHER = 1000
_PRUNED_AT_ONCE = 500
_BETWEEN_PRUNINGS = 3600.0
_AFTER_THE_WORK = -100
"""Of all that multiprocessing does when a process ends, which begins with what has the highest number, among the last."""
_log = logger("smsbridge.ledger")


class _Job(NamedTuple):
    work: Callable[[Store], Any]
    future: Future[Any]


class Writer:
    """Works for any thread or task, each of whose orders returns at once. Settled entries are dropped after ``keep``.

    Outcomes wait for whatever is to be done next, but for no longer than ``_PATIENCE``; they are never behind it.
    """

    def __init__(self, store: Store, *, keep: timedelta, clock: Callable[[], float] = time.monotonic) -> None:
        self._store = store
        self._keep = keep
        self._clock = clock
        self._prune_at = clock()
        self._reset()
        _writers.append(self)

    def _reset(self) -> None:
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._outcomes: deque[Entry] = deque()
        self._lock = threading.Lock()  # of who starts, wakes and ends the thread
        self._at_work = threading.Lock()  # of whoever uses the store
        self._thread: threading.Thread | None = None
        self._asleep = False

    def do(self, work: Callable[[Store], T]) -> Future[T]:
        """Have ``work`` done, within one transaction with whatever else is to do. The future is done once that is kept.

        It fails with Unwritable where the store cannot be written. Works are done in the order in which they were handed in.
        """
        future: Future[T] = Future()
        with self._lock:
            self._jobs.put(_Job(work, future))
            alone = _going or (self._thread is None and not self._start())
        if alone:
            self._work()
        return future

    def record(self, entries: Iterable[Entry]) -> None:
        """Have outcomes recorded. If that fails it is logged, and they stay open."""
        with self._lock:
            self._outcomes.extend(entries)
            alone = _going or (self._thread is None and not self._start())
            if self._asleep:
                self._asleep = False
                self._jobs.put(None)
        if alone:
            self._work()

    def close(self) -> None:
        """Wait for what was handed in, and let go of the store. The writer may be used again."""
        with self._lock:
            idle = self._thread is None and not self._outcomes and self._jobs.empty()
        if not idle:  # a store that nobody uses is not opened, or even made, for its closing
            self.do(lambda _: None).exception()
        with self._at_work:
            self._store.close()

    # --- the thread -------------------------------------------------------------------------------------------------------

    def _start(self) -> bool:
        """Start the thread; false where that is too late, because the interpreter is going."""
        _flush_with_child()
        self._thread = threading.Thread(target=self._run, name="smsbridge-ledger", daemon=True)
        try:
            self._thread.start()
        except RuntimeError:
            self._thread = None
        return self._thread is not None

    def _run(self) -> None:
        while True:
            try:
                first = self._jobs.get(timeout=_IDLE if self._asleep else _PATIENCE)
            except queue.Empty:
                if self._outcomes:
                    self._work()
                elif self._ends():
                    return
            else:
                if first is not None:
                    self._work(first)

    def _ends(self) -> bool:
        """Whether there is nothing to do and the thread has slept already; else it goes to sleep."""
        with self._lock:
            if self._outcomes or not self._jobs.empty():
                return False
            if not self._asleep:
                self._asleep = True
                return False
            self._thread, self._asleep = None, False
        with self._at_work:
            self._store.close()
        return True

    def _work(self, first: _Job | None = None) -> None:
        """Do all that there is to do. Outcomes come first, but are looked for last: what is asked must not be ahead of them."""
        with self._at_work:
            self._asleep = False
            jobs = [first] if first is not None else []
            with contextlib.suppress(queue.Empty):
                while len(jobs) < _MOST_TOGETHER:
                    if (job := self._jobs.get_nowait()) is not None:
                        jobs.append(job)
            outcomes = [self._outcomes.popleft() for _ in range(len(self._outcomes))]
            # A claim that somebody gave up before it was made is not made; from here on it can only be released.
            self._do(outcomes, [job for job in jobs if job.future.set_running_or_notify_cancel()])
            if self._clock() >= self._prune_at:
                self._prune()

    def _do(self, outcomes: Sequence[Entry], jobs: Sequence[_Job]) -> None:
        try:
            with self._store.together():
                if outcomes:
                    self._store.record(outcomes)
                answers = [job.work(self._store) for job in jobs]
        except Unwritable as error:
            if outcomes:
                log_lost(error, len(outcomes))
            for job in jobs:
                job.future.set_exception(Unwritable(str(error)))  # one each: whoever raises it adds to it
        except Exception as error:  # noqa: BLE001  # it belongs to the one who handed it in
            self._blame(outcomes, jobs, error)
        else:
            for job, answer in zip(jobs, answers, strict=True):
                job.future.set_result(answer)

    def _blame(self, outcomes: Sequence[Entry], jobs: Sequence[_Job], error: Exception) -> None:
        """``error`` is of one of these: if there are several, each is done by itself."""
        if len(outcomes) + len(jobs) > 1:
            for outcome in outcomes:
                self._do([outcome], [])
            for job in jobs:
                self._do([], [job])
        elif jobs:
            jobs[0].future.set_exception(error)
        else:
            log_lost(error)

    def _prune(self) -> None:
        pruned: Future[int] = Future()
        before = utc_now() - self._keep
        self._do([], [_Job(lambda store: store.prune(before, _PRUNED_AT_ONCE), pruned)])
        more = pruned.exception() is None and pruned.result() >= _PRUNED_AT_ONCE
        self._prune_at = self._clock() + (0.0 if more else _BETWEEN_PRUNINGS)


def log_lost(error: BaseException, count: int = 1) -> None:
    """Say that outcomes could not be recorded. Of an error other than ours, not its text: that may quote anything."""
    why = str(error) if isinstance(error, Unwritable) else type(error).__name__
    _log.error("the outcomes of %d texts could not be recorded, so they stay open in the ledger: %s", count, why)


# --- all writers of this process ------------------------------------------------------------------------------------------

_going = False
"""Whether the interpreter is: then whoever hands something in does it himself, at once."""

_writers: list[Writer] = []
_shared: dict[tuple[Any, ...], Writer] = {}
_sharing = threading.Lock()
_flushed: set[int] = set()
"""Processes in which :func:`close_all` is registered with multiprocessing."""


def shared(which: tuple[Any, ...], make: Callable[[], Writer]) -> Writer:
    """The one writer of this process for what ``which`` says, made if need be."""
    with _sharing:
        if which not in _shared:
            _shared[which] = make()
        return _shared[which]


def close_all() -> None:
    """Wait for all that was handed in to any writer."""
    for writer in _writers:
        writer.close()


def _before_fork() -> None:
    _sharing.acquire()
    for writer in _writers:
        writer._at_work.acquire()  # noqa: SLF001  # of this room
        writer._store.close()  # noqa: SLF001


def _after_fork_in_parent() -> None:
    for writer in _writers:
        writer._at_work.release()  # noqa: SLF001
    _sharing.release()


def _after_fork_in_child() -> None:
    for writer in _writers:
        writer._reset()  # noqa: SLF001  # threads, and what they were to do, are the parent's
    _sharing.release()


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
