"""Ask a store without a client: for commands, and to foresee the outcome of a text."""

from __future__ import annotations

from typing import Any, TypeVar

from smsbridge.flow import Await, Call, Driven, Flow, Step
from smsbridge.promise import wait_for

T = TypeVar("T")


def at_once(flow: Flow[T]) -> T:
    """Run the flow of a question to a store, and wait in this thread until it is done.

    Returns the answer of the store, and raises the errors of the flow. Raises TypeError if the flow yields a step other
    than Call and Await.
    """
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
    raise TypeError(f"a store may only ask for Call and Await, not for {type(step).__name__}")
