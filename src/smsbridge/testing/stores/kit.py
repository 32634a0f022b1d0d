"""What the tests of stores have in common: how a store is opened, and how its questions are interrupted."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any, ClassVar, Literal

from smsbridge.flow import Await, Call, Driven, Flow
from smsbridge.promise import wait_for
from smsbridge.stores.seam import Part, Store

Moment = Literal["asked", "answered", "late"]
"""When a question is interrupted: before its first step is done; once that is done; or before, while a thread goes on
with the step and does it afterwards."""
MOMENTS: tuple[Moment, ...] = ("asked", "answered", "late")
_LONGEST = 10.0
"""Seconds that something is waited for which has to come."""


class Kit:
    """What is overridden for a store."""

    shared: ClassVar[bool] = False
    """Whether all processes of a machine see the same."""
    lacks: ClassVar[tuple[Part, ...]] = ()
    """The parts that the store does not have."""
    keep: ClassVar[timedelta] = timedelta(days=90)

    def open(self, place: Path) -> Store:
        """The store of ``place``, a folder: new if nothing was opened there, else the same."""
        raise NotImplementedError(f"{type(self).__name__} has to override open()")


def interrupt(flow: Flow[Any], moment: Moment) -> Callable[[], None]:
    """Interrupt ``flow`` at its first step, if it has one.

    Returns what a thread may still do with the step afterwards.
    """
    run = Driven(flow)
    step = run.step
    if step is None:
        return lambda: None
    if moment == "answered":
        _perform(step)
    elif isinstance(step, Await):
        step.future.cancel()
    with contextlib.suppress(KeyboardInterrupt):
        run.fail([KeyboardInterrupt()])
    flow.close()
    return (lambda: _perform(step)) if moment == "late" and isinstance(step, Call) else lambda: None


def comes(true: Callable[[], bool]) -> bool:
    """Whether ``true`` is, before long."""
    until = time.monotonic() + _LONGEST
    while not true():
        if time.monotonic() > until:
            return False
        time.sleep(0.005)
    return True


def _perform(step: Any) -> None:
    if isinstance(step, Await):
        wait_for(step.future, step.seconds)
    else:
        step.function(*step.args)
