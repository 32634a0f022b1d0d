"""Wait for the work of threads in both clients, for no longer than a call may take."""

from __future__ import annotations

import asyncio
import contextvars
import math
from collections.abc import Callable
from functools import partial
from time import monotonic
from typing import TypeVar

from . import promise
from .deadline import Stopped
from .flow import Await, Call, Tell

T = TypeVar("T")
_NOTHING = 0.001
"""Seconds by which a wait may end too early."""


def bound(left: float) -> float | None:
    """Turn ``left``, in seconds, into a time limit in which None means *no limit*: None if ``left`` is infinite."""
    return None if left == math.inf else left


def wait_for(step: Await[T], left: float) -> T:
    """Wait in this thread for the result of ``step``, and return it.

    Raises Stopped when the ``left`` seconds of the client's call are over, and TimeoutError when the step's own time is
    over.
    """
    until = monotonic() + left
    try:
        return promise.wait_for(step.future, min(left, step.seconds))
    except TimeoutError:
        if until - monotonic() > _NOTHING:
            # The time-out of the step itself.
            raise
    raise Stopped("deadline")


async def await_for(step: Await[T], left: float) -> T:
    """Wait for the result of ``step`` without blocking the event loop, and return it.

    Raises Stopped when the ``left`` seconds of the client's call are over, and TimeoutError when the step's own time is
    over.
    """
    until = monotonic() + left
    try:
        return await promise.wait_for_async(step.future, min(left, step.seconds))
    except TimeoutError:
        if until - monotonic() > _NOTHING:
            raise
    raise Stopped("deadline")


async def in_thread(step: Call[T], left: float) -> T:
    """Call the function of ``step`` in a thread, and return its result.

    Raises Stopped when the ``left`` seconds of the client's call are over; the thread still goes on.
    """
    # The first side to take it out, here or in the thread, decides whether the work begins.
    turn = [step]

    def work() -> T:
        mine = turn.pop()
        return mine.function(*mine.args)

    def begun() -> bool:
        try:
            turn.pop()
        except IndexError:
            return True
        return False

    context = contextvars.copy_context()
    return await _within(left, asyncio.get_running_loop().run_in_executor(None, context.run, work), begun)


async def tell_in_thread(step: Tell) -> None:
    """Call the function of ``step`` in a thread, and wait until it ends. A cancellation is raised only after that."""
    context = contextvars.copy_context()
    try:
        work = asyncio.get_running_loop().run_in_executor(None, partial(context.run, step.function, *step.args))
    # There is no event loop, or the loop is ending.
    except RuntimeError:
        step.function(*step.args)
        return
    stop: asyncio.CancelledError | None = None
    while not work.done():
        try:
            await asyncio.wait([work])
        except asyncio.CancelledError as cancelled:
            stop = cancelled
    if stop is not None:
        raise stop
    work.result()


async def _within(left: float, work: asyncio.Future[T], begun: Callable[[], bool]) -> T:
    if left == math.inf:
        return await work
    # This takes half the time of asyncio.timeout, which would also cancel the task.
    late: list[bool] = []
    task = asyncio.current_task()
    cancelled = task.cancelling() if task is not None else 0
    timer = asyncio.get_running_loop().call_later(left, lambda: late.append(work.cancel()))
    try:
        return await work
    except asyncio.CancelledError:
        if not any(late) or (task is not None and task.cancelling() > cancelled):
            # A cancellation from outside.
            raise
    finally:
        timer.cancel()
    raise Stopped("deadline", begun=begun())
