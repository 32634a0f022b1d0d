"""How both clients wait for the work of threads, and for no longer than a call may take."""

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
"""Seconds by which a wait may end too soon."""


def bound(left: float) -> float | None:
    """``left`` seconds for a function that takes None for *without bound*."""
    return None if left == math.inf else left


def wait_for(step: Await[T], left: float) -> T:
    """The result of ``step``, for the blocking client. Raises Stopped when no time is ``left``."""
    until = monotonic() + left
    try:
        return promise.wait_for(step.future, min(left, step.seconds))
    except TimeoutError:
        if until - monotonic() > _NOTHING:
            raise  # its own
    raise Stopped("deadline")


async def await_for(step: Await[T], left: float) -> T:
    """The same for the async client."""
    until = monotonic() + left
    try:
        return await promise.wait_for_async(step.future, min(left, step.seconds))
    except TimeoutError:
        if until - monotonic() > _NOTHING:
            raise
    raise Stopped("deadline")


async def in_thread(step: Call[T], left: float) -> T:
    """Do the work of ``step`` in a thread, which goes on when no time is ``left``: this raises Stopped then."""
    turn = [step]  # who takes it out, here or there, decides whether the work is begun

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
    """Do the work of ``step`` in a thread. It is over when this ends, also where it is cancelled meanwhile."""
    context = contextvars.copy_context()
    try:
        work = asyncio.get_running_loop().run_in_executor(None, partial(context.run, step.function, *step.args))
    except RuntimeError:  # there is no loop, or one that is ending
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
    # In half the time of asyncio.timeout, which would cancel the task.
    late: list[bool] = []
    task = asyncio.current_task()
    cancelled = task.cancelling() if task is not None else 0
    timer = asyncio.get_running_loop().call_later(left, lambda: late.append(work.cancel()))
    try:
        return await work
    except asyncio.CancelledError:
        if not any(late) or (task is not None and task.cancelling() > cancelled):
            raise  # from outside
    finally:
        timer.cancel()
    raise Stopped("deadline", begun=begun())
