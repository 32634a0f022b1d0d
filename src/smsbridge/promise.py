"""Promise: what another thread is to find out, without a lock that a thread which waits for it could leave taken."""

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
"""A thread that waits looks for itself after so many seconds, in case that it was not woken."""


class Overdue(TimeoutError):
    """What was promised did not come in time."""


class Promise(Generic[T]):
    """A result that one thread sets once, and that threads and tasks wait for; like a Future of ``concurrent.futures``.

    The difference: an exception that a signal handler raises in a thread that waits, at whatever moment, cannot hold up
    the thread that sets the result. Each thread that waits has a lock of its own, and to set the result takes none.
    """

    __slots__ = ("_callbacks", "_outcome", "cancelled")

    def __init__(self) -> None:
        self._outcome: tuple[Any, BaseException | None] | None = None
        self._callbacks: list[Callable[[Any], object]] = []
        self.cancelled = False
        """Whether the result is of no use any more."""

    def set_result(self, value: T) -> None:
        self._settle((value, None))

    def set_exception(self, error: BaseException) -> None:
        self._settle((None, error))

    def done(self) -> bool:
        return self._outcome is not None

    def cancel(self) -> bool:
        """Say that the result is of no use any more; false if it is there already."""
        self.cancelled = True
        return not self.done()

    def result(self, timeout: float | None = None) -> T:
        """The result, waited for; raises what was set instead of one, or Overdue after ``timeout`` seconds."""
        value, error = self._wait(timeout)
        if error is not None:
            raise error
        return cast("T", value)

    def exception(self, timeout: float | None = None) -> BaseException | None:
        """What was set instead of a result, waited for."""
        return self._wait(timeout)[1]

    def add_done_callback(self, callback: Callable[[Any], object]) -> None:
        """Have ``callback`` called once, in whichever thread sets the result; or now, if it is there."""
        self._callbacks.append(callback)
        if self._outcome is not None:
            self._call_back()

    # --- inside -------------------------------------------------------------------------------------------------------

    def _settle(self, outcome: tuple[Any, BaseException | None]) -> None:
        self._outcome = outcome
        self._call_back()

    def _call_back(self) -> None:
        while self._callbacks:
            with contextlib.suppress(
                Exception
            ):  # another thread took the last one; or it is a matter of the callback's owner
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
    """The result of ``future``; cancels it if it does not come in time, or if this is interrupted."""
    try:
        return future.result(seconds)
    except BaseException:
        future.cancel()
        raise


async def wait_for_async(future: Promise[T] | Future[T], seconds: float) -> T:
    """The same, without blocking the event loop."""
    from asyncio import get_running_loop  # here, because blocking clients need none

    loop = get_running_loop()
    waiter = loop.create_future()

    def wake() -> None:
        if not waiter.done():
            waiter.set_result(None)

    def told(_: object) -> None:
        with contextlib.suppress(RuntimeError):  # the loop was closed meanwhile
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
