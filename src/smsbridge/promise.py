"""Promise: a result from another thread. No interrupted thread can leave it locked."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

if TYPE_CHECKING:
    from concurrent.futures import Future

T = TypeVar("T")

_GLANCE = 1.0
"""Seconds after which a waiting thread checks the result itself, in case it was not woken."""


class Overdue(TimeoutError):
    """Raised if a wait for a Promise ends because the result did not come in time."""


class Promise(Generic[T]):
    """A result that a thread sets once, and that threads and tasks wait for; like a Future of ``concurrent.futures``.

    The difference: if a signal handler raises an exception in a waiting thread, at any moment, this cannot block the
    thread that sets the result. Each waiting thread has its own lock, and setting the result takes no lock.
    """

    __slots__ = ("_callbacks", "_outcome", "cancelled")

    def __init__(self) -> None:
        self._outcome: tuple[Any, BaseException | None] | None = None
        self._callbacks: list[Callable[[Any], object]] = []
        self.cancelled = False
        """Whether the result is no longer needed."""

    def set_result(self, value: T) -> None:
        self._settle((value, None))

    def set_exception(self, error: BaseException) -> None:
        self._settle((None, error))

    def done(self) -> bool:
        return self._outcome is not None

    def cancel(self) -> bool:
        """Mark the result as no longer needed. Returns false if the result is already set."""
        self.cancelled = True
        return not self.done()

    def result(self, timeout: float | None = None) -> T:
        """Wait for the result and return it.

        If an error was set instead of a result, raises this error. Raises Overdue after ``timeout`` seconds.
        """
        value, error = self._wait(timeout)
        if error is not None:
            raise error
        return cast("T", value)

    def exception(self, timeout: float | None = None) -> BaseException | None:
        """Wait until the result or an error is set. Return the error, or None if a result was set.

        Raises Overdue after ``timeout`` seconds.
        """
        return self._wait(timeout)[1]

    def add_done_callback(self, callback: Callable[[Any], object]) -> None:
        """Have ``callback`` called once with this promise as its argument, when the result is set.

        The thread that sets the result calls it; if the result is already set, it is called now.
        """
        self._callbacks.append(callback)
        if self._outcome is not None:
            self._call_back()

    # --- inside -------------------------------------------------------------------------------------------------------

    def _settle(self, outcome: tuple[Any, BaseException | None]) -> None:
        self._outcome = outcome
        self._call_back()

    def _call_back(self) -> None:
        while self._callbacks:
            # Another thread took the last callback, or the callback failed, which is its owner's concern.
            with contextlib.suppress(Exception):
                self._callbacks.pop()(self)

    def _wait(self, timeout: float | None) -> tuple[Any, BaseException | None]:
        if self._outcome is None:
            gate = threading.Lock()
            gate.acquire()
            self.add_done_callback(lambda _: gate.release())
            until = None if timeout is None else time.monotonic() + timeout
            while self._outcome is None:
                left = _GLANCE if until is None else until - time.monotonic()
                if left <= 0:
                    raise Overdue(f"no answer within {timeout:g} seconds")
                gate.acquire(timeout=min(left, _GLANCE))
        return self._outcome


def wait_for(future: Promise[T] | Future[T], seconds: float) -> T:
    """Wait for the result of ``future``, for at most ``seconds``, and return it.

    If the result does not come in time, or the wait is interrupted, ``future`` is cancelled and the error raised.
    """
    try:
        return future.result(seconds)
    except BaseException:
        future.cancel()
        raise


async def wait_for_async(future: Promise[T] | Future[T], seconds: float) -> T:
    """Wait for the result of ``future`` without blocking the event loop, for at most ``seconds``, and return it.

    If the result does not come in time, or the wait is interrupted, ``future`` is cancelled and the error raised.
    """
    # Imported here, because blocking clients do not need it.
    from asyncio import get_running_loop

    loop = get_running_loop()
    waiter = loop.create_future()

    def wake() -> None:
        if not waiter.done():
            waiter.set_result(None)

    def told(_: object) -> None:
        # The loop was closed meanwhile.
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(wake)

    timer = loop.call_later(seconds, wake)
    try:
        future.add_done_callback(told)
        await waiter
        if not future.done():
            raise Overdue(f"no answer within {seconds:g} seconds")
        return future.result()
    except BaseException:
        future.cancel()
        raise
    finally:
        timer.cancel()
