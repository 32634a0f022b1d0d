"""How a flow is driven from outside, step by step: the one loop that clients, policies, the contract kit and tests share."""

from __future__ import annotations

from typing import Any, Generic, TypeVar, cast

from .http import Flow, Step

T = TypeVar("T")

_MOST_STEPS = 100
"""After an interruption: a flow may tidy up behind it, each step of which meets the interruption again, but not for ever."""


class Dropped(BaseException):
    """Thrown into a flow that is given up, so that it can still tell what is known of its texts: a closed generator could not."""


class Driven(Generic[T]):
    """A flow, and where it stands: at ``step``, to which :meth:`answer` or :meth:`fail` is the reply, or at its end, with ``value``.

    What the flow raises comes out of any of these. An interruption, such as a cancellation, is thrown in again at whatever the flow asks
    for after it.
    """

    __slots__ = ("_flow", "_steps", "_stop", "step", "value")

    def __init__(self, flow: Flow[T]) -> None:
        self._flow = flow
        self._stop: BaseException | None = None
        self._steps = 0
        self.step: Step[Any] | None = None
        self.value: T = cast("T", None)
        self.answer(None)

    def answer(self, answer: Any) -> None:
        """Go on, with ``answer`` to the step."""
        try:
            self.step = self._flow.send(answer)
        except StopIteration as end:
            self.step, self.value = None, end.value

    def fail(self, errors: list[BaseException]) -> None:
        """Go on, with the last of ``errors`` in the place of an answer. It is taken out: this frame of a traceback should not show it."""
        if not isinstance(errors[-1], Exception):
            self._stop = errors[-1]
        try:
            self.step = self._flow.throw(errors.pop())
            while self._stop is not None:
                self._steps += 1
                if self._steps > _MOST_STEPS:
                    self._flow.close()
                    raise self._stop
                self.step = self._flow.throw(self._stop)
        except StopIteration as end:
            self.step, self.value = None, end.value

    def drop(self) -> None:
        """Give the flow up. It tells what is known; what it raises is not wanted any more."""
        if self.step is None:
            return
        try:
            self.fail([Dropped()])
        except BaseException:  # noqa: BLE001, S110  # nobody is left to hear of it
            pass
        finally:
            self._flow.close()
