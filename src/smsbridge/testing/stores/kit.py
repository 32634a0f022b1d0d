"""Open the store under test, and interrupt the questions to it."""

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
"""The moment of an interruption: before the question's first step, after it, or before it while a thread performs the
step later."""
MOMENTS: tuple[Moment, ...] = ("asked", "answered", "late")
_LONGEST = 10.0
"""Seconds to wait for a condition that must become true."""


class Kit:
    """Describe the store under test for the contract tests.

    Always override ``open``; override ``shared``, ``lacks`` and ``keep`` if they differ for your store.
    """

    shared: ClassVar[bool] = False
    """Whether all processes of a machine share the store."""
    lacks: ClassVar[tuple[Part, ...]] = ()
    """The parts that the store does not have."""
    keep: ClassVar[timedelta] = timedelta(days=90)

    def open(self, place: Path) -> Store:
        """Open the store under test in the folder ``place``.

        The first call for a folder makes a new store; later calls open the same store again.
        """
        raise NotImplementedError(
            f"{type(self).__name__} must override open(place): return your store, opened in that folder"
        )


def interrupt(flow: Flow[Any], moment: Moment) -> Callable[[], None]:
    """Interrupt ``flow`` with KeyboardInterrupt at its first step. If the flow has no step, it has ended already.

    ``moment`` says when in the step the interruption comes. Returns a function that performs what a thread may still do
    with the step after the interruption, perhaps nothing.
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
    """Wait until the function ``true`` returns true, and return true.

    Returns false if that takes longer than 10 seconds.
    """
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
