"""Flows: generators that ask for steps and are sent their answers. No I/O.

This module has the steps, and the only loop that drives a flow. A *flow* is a generator that yields steps and is sent
their answers. Iterating over a step yields it to the driver of the flow and returns the answer, so
``response = yield from HttpRequest.get(url)`` reads, and type-checks, like a call.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Generator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

from .shown import Shown

if TYPE_CHECKING:
    from concurrent.futures import Future

    from .promise import Promise

T = TypeVar("T")

_MOST_STEPS = 100
"""The most steps after an interruption: a flow may clean up, and each step is interrupted again, but not forever."""


class Step(Generic[T], metaclass=Shown):
    """A request that a flow makes to the client or other code that runs the flow.

    ``yield from`` the step to get the answer, a ``T``.
    """

    __slots__ = ()

    def __iter__(self) -> Generator[Step[Any], Any, T]:
        answer: T = yield self
        return answer


Flow = Generator[Step[Any], Any, T]
"""A generator that yields steps, is sent their answers, and returns a ``T``."""


@dataclass(frozen=True, slots=True)
class Wait(Step[None]):
    """A step that pauses the flow for ``seconds``."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Call(Step[T]):
    """A step that calls a function which may block, such as writing to a file.

    ``yield from Call(work, arg)`` returns the result of ``work(arg)``. The async client calls ``work`` in a thread. Set
    ``sends`` to true if the call may send a text.
    """

    function: Callable[..., T]
    args: tuple[Any, ...]
    sends: bool

    def __init__(self, function: Callable[..., T], *args: Any, sends: bool = False) -> None:
        object.__setattr__(self, "function", function)
        object.__setattr__(self, "args", args)
        object.__setattr__(self, "sends", sends)

    def __repr__(self) -> str:
        return f"<Call {getattr(self.function, '__qualname__', type(self.function).__name__)}>"


class Tell(Call[None]):
    """A step that reports outcomes of texts, for example to the hooks. It is performed even after an interruption.

    The async client performs it in a thread, and waits until it ends. After an interruption it may be performed a
    second time, which must do no harm.
    """

    __slots__ = ()


@dataclass(frozen=True, slots=True, repr=False)
class Await(Step[T]):
    """A step that waits for work in another thread of smsbridge, and returns the result of that work.

    This is cheaper than a :class:`Call`. After ``seconds``, or if the wait is interrupted, the work is cancelled, and a
    TimeoutError is raised.
    """

    future: Promise[T] | Future[T]
    seconds: float = 20.0


class Dropped(BaseException):
    """An interruption thrown into a flow that is no longer needed.

    With it the flow can still report the outcomes of its texts; closing the generator alone would not allow that.
    """


class Driven(Generic[T]):
    """A running flow.

    ``step`` is the step that needs an answer now; at the end it is None, and ``value`` is the result.

    To run a flow::

    run = Driven(flow) while run.step is not None: run.perform(work, run.step)

    All these methods raise the errors of the flow. An interruption, such as a cancellation, is thrown in again at each
    later step except a :class:`Tell`.
    """

    __slots__ = ("_flow", "_steps", "_stop", "step", "value")

    def __init__(self, flow: Flow[T]) -> None:
        self._flow = flow
        self._stop: BaseException | None = None
        self._steps = 0
        self.step: Step[Any] | None = None
        self.value: T = cast("T", None)
        self.answer(None)

    def perform(self, work: Callable[..., Any], *args: Any) -> None:
        """Call ``work`` with ``args``, and continue the flow with the result of this call.

        If the call raises an error, the flow continues with this error.
        """
        errors: list[BaseException] = []
        answer: Any = None
        try:
            answer = work(*args)
        # The error belongs to the flow.
        except BaseException as error:  # noqa: BLE001
            errors.append(error)
        # Outside of except: otherwise the error would become the context of the flow's errors; both hold private data.
        if errors:
            self.fail(errors)
        else:
            self.answer(answer)

    async def perform_async(self, work: Callable[..., Awaitable[Any]], *args: Any) -> None:
        """Await ``work`` with ``args``, and continue the flow with the result of this call.

        If the call raises an error, the flow continues with this error.
        """
        errors: list[BaseException] = []
        answer: Any = None
        try:
            answer = await work(*args)
        except BaseException as error:  # noqa: BLE001
            errors.append(error)
        if errors:
            self.fail(errors)
        else:
            self.answer(answer)

    def pass_on(self, asking: Step[Any] | Flow[Any]) -> Flow[None]:
        """Yield from ``asking``, and continue this flow with the result or the error.

        Use this in an outer flow that runs this flow. ``asking`` is this flow's step, or a flow that performs the step.
        """
        errors: list[BaseException] = []
        answer: Any = None
        try:
            answer = yield from asking
        except GeneratorExit:
            raise
        except BaseException as error:  # noqa: BLE001
            errors.append(error)
        if errors:
            self.fail(errors)
        else:
            self.answer(answer)

    def answer(self, answer: Any) -> None:
        """Continue the flow with ``answer`` as the answer to the flow's present step."""
        try:
            self.step = self._flow.send(answer)
            if self._stop is not None:
                self._insist(self._stop)
        except StopIteration as end:
            self.step, self.value = None, end.value

    def fail(self, errors: list[BaseException]) -> None:
        """Continue the flow by throwing the last of ``errors`` into it, instead of giving it an answer.

        The error is removed from the list, so that this frame of a traceback does not show it.
        """
        if not isinstance(errors[-1], Exception):
            self._stop = errors[-1]
        try:
            self.step = self._flow.throw(errors.pop())
            if self._stop is not None:
                self._insist(self._stop)
        except StopIteration as end:
            self.step, self.value = None, end.value

    def _insist(self, stop: BaseException) -> None:
        """Throw ``stop`` in again until the flow ends or asks for a :class:`Tell`: no other step begins after it."""
        while not isinstance(self.step, Tell):
            self._steps += 1
            if self._steps > _MOST_STEPS:
                self._flow.close()
                raise stop
            self.step = self._flow.throw(stop)

    def drop(self) -> None:
        """End a flow that is no longer needed.

        The flow still reports the outcomes of its texts; its errors are ignored.
        """
        if self.step is None:
            return
        try:
            self.fail([Dropped()])
            while isinstance(self.step, Tell):
                self.perform(self.step.function, *self.step.args)
        # The flow was dropped, so no caller wants its errors.
        except BaseException:  # noqa: BLE001, S110
            pass
        finally:
            self._flow.close()


def ending(flow: Step[T] | Flow[T]) -> Flow[tuple[T | None, BaseException | None]]:
    """Run ``flow`` (or a step) to its end, and return its error instead of raising it.

    Returns the result and None, or None and the error. The error may be an interruption, such as a cancellation.
    """
    try:
        return (yield from flow), None
    except GeneratorExit:
        raise
    # Returned, so that the caller decides.
    except BaseException as error:  # noqa: BLE001
        return None, error
