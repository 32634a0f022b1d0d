"""Threads for the blocking ``send_many``, made as they are needed. No I/O.

The thread that hands work over may be interrupted at any point by a signal (Ctrl-C, a time limit of a task queue), so
it takes no lock that Python code holds: a ``ThreadPoolExecutor`` and ``Thread.start`` do, and then hang for ever.
"""

from __future__ import annotations

import _thread
import queue
import threading
from collections import deque
from collections.abc import Callable

Work = Callable[[], None]

_IDLE = 1.0
"""Seconds without work after which a thread ends, so that a program can end that forgot to close."""


class Workers:
    """Does what is put, in up to ``most`` threads of its own, or at once where no thread can be started."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._works: queue.SimpleQueue[Work | None] = queue.SimpleQueue()
        self._places: deque[None] = deque([None] * most)  # those that are free: a thread takes one, without a lock
        self._threads: list[threading.Thread] = []

    def put(self, work: Work, in_flight: int) -> None:
        """Have ``work`` done, which raises nothing in a thread of ours.

        ``in_flight`` counts what is still to do, with this.
        """
        self._works.put(work)
        if self._most - len(self._places) >= min(self._most, in_flight):
            return
        try:
            _thread.start_new_thread(self._recruit, ())
        except RuntimeError:  # the machine has no more threads, or the interpreter is going
            if len(self._places) == self._most:
                self._work_off()

    def dismiss(self) -> None:
        """Have the threads end once all is done; without waiting for them."""
        for _ in range(self._most - len(self._places)):
            self._works.put(None)

    def close(self) -> None:
        """Wait for the threads to end."""
        self.dismiss()
        while self._threads:
            self._threads[-1].join()
            self._threads.pop()

    def _recruit(self) -> None:
        """Start a worker, here because no signal interrupts this thread."""
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
    """Work until told to end, or idle. Knows nothing of the Workers, which may be dropped meanwhile."""
    while True:
        try:
            work = works.get(timeout=_IDLE)
        except queue.Empty:
            places.append(None)
            if works.empty() or not _took(places):
                return
            continue  # something was put just now, by a thread that counted on this one
        if work is None:
            places.append(None)
            return
        work()
        del work  # it holds messages


def _took(places: deque[None]) -> bool:
    """Whether there was a free place, which is taken now."""
    try:
        places.pop()
    except IndexError:
        return False
    return True
