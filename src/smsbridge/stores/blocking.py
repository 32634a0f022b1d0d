"""Questions to a store where no client drives them: commands, and what would become of a text."""

from __future__ import annotations

from typing import Any, TypeVar

from smsbridge.flow import Await, Call, Driven, Flow, Step
from smsbridge.promise import wait_for

T = TypeVar("T")


def at_once(flow: Flow[T]) -> T:
    """What ``flow`` returns or raises; this thread waits for it."""
    try:
        run = Driven(flow)
        while run.step is not None:
            run.perform(_answer, run.step)
        return run.value
    finally:
        flow.close()


def _answer(step: Step[Any]) -> Any:
    if isinstance(step, Await):
        return wait_for(step.future, step.seconds)
    if isinstance(step, Call):
        return step.function(*step.args)
    raise TypeError(f"a store asks for Call and Await alone, not for {type(step).__name__}")
