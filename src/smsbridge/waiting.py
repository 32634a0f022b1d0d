"""How both clients wait for the work of threads, and for no longer than a call may take."""

from __future__ import annotations

import asyncio
import contextvars
import math
from collections.abc import Awaitable, Callable
from typing import TypeVar

from . import promise
from .deadline import Stopped
from .http import Await, Call

T = TypeVar("T")


def bound(left: float) -> float | None:
    """``left`` seconds for a function that takes None for *without bound*."""
    return None if left == math.inf else left


def wait_for(step: Await[T], left: float) -> T:
    """The result of ``step``, for the blocking client. Raises Stopped when no time is ``left``."""
    try:
        return promise.wait_for(step.future, min(left, step.seconds))
    except TimeoutError:
        if left > step.seconds or step.future.done():
            raise  # its own
    raise Stopped("deadline")


async def await_for(step: Await[T], left: float) -> T:
    """The same for the async client."""
    try:
        return await promise.wait_for_async(step.future, min(left, step.seconds))
    except TimeoutError:
        if left > step.seconds or step.future.done():
            raise
    raise Stopped("deadline")


async def in_thread(step: Call[T], left: float) -> T:
    """Do the work of ``step`` in a thread, which goes on by itself when no time is ``left``: then this raises Stopped."""
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


async def _within(left: float, work: Awaitable[T], begun: Callable[[], bool]) -> T:
    limit = asyncio.timeout(bound(left))
    try:
        async with limit:
            return await work
    except TimeoutError:
        if not limit.expired():
            raise  # its own
    raise Stopped("deadline", begun=begun())
