"""The threads of the blocking ``send_many``, which are started as they are needed. No I/O.

A signal (Ctrl-C, a time limit of a task queue) may interrupt the calling thread at any point. So it takes no lock that
Python code holds: a ``ThreadPoolExecutor`` and ``Thread.start`` take such locks, and then hang forever.
"""

from __future__ import annotations

import _thread
import queue
import threading
from collections import deque
from collections.abc import Callable

Work = Callable[[], None]

_IDLE = 1.0
"""Seconds without work after which a thread ends, so that a program that never calls close() can end."""


class Workers:
    """A pool of up to ``most`` threads.

    If no thread can be started, the thread that calls :meth:`put` does the work.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._works: queue.SimpleQueue[Work | None] = queue.SimpleQueue()
        # The free places: each thread takes a place, without a lock.
        self._places: deque[None] = deque([None] * most)
        self._threads: list[threading.Thread] = []

    def put(self, work: Work, in_flight: int) -> None:
        """Have ``work`` done by a thread of the pool. ``work`` must not raise an error.

        ``in_flight`` counts all work that is not done yet, including this work.
        """
        self._works.put(work)
        if self._most - len(self._places) >= min(self._most, in_flight):
            return
        try:
            _thread.start_new_thread(self._recruit, ())
        # The machine has no more threads, or the interpreter is ending.
        except RuntimeError:
            if len(self._places) == self._most:
                self._work_off()

    def dismiss(self) -> None:
        """Let the threads end once all work is done, without waiting for them."""
        for _ in range(self._most - len(self._places)):
            self._works.put(None)

    def close(self) -> None:
        """Let the threads end once all work is done, and wait until they have ended."""
        self.dismiss()
        while self._threads:
            self._threads[-1].join()
            self._threads.pop()

    def _recruit(self) -> None:
        """Start a worker from this helper thread, which no signal interrupts."""
        if not _took(self._places):
            return
        thread = threading.Thread(target=_serve, args=(self._works, self._places), name="smsbridge-send-many")
        try:
            thread.start()
        except RuntimeError:
            _serve(self._works, self._places)
        else:
            self._threads.append(thread)

    def _work_off(self) -> None:
        while not self._works.empty():
            work = self._works.get()
            if work is not None:
                work()


def _serve(works: queue.SimpleQueue[Work | None], places: deque[None]) -> None:
    """Work until told to end, or idle. Has no reference to the Workers, which may be dropped meanwhile."""
    while True:
        try:
            work = works.get(timeout=_IDLE)
        except queue.Empty:
            places.append(None)
            if works.empty() or not _took(places):
                return
            # Another thread has just added work, and relies on this thread.
            continue
        if work is None:
            places.append(None)
            return
        work()
        # It holds messages.
        del work


def _took(places: deque[None]) -> bool:
    """Take a free place. Returns whether there was a free place."""
    try:
        places.pop()
    except IndexError:
        return False
    return True
