"""Flows: generators that ask for steps and are sent their answers.

What the steps are, and the one loop that drives a flow. No I/O. A *flow* is a generator that yields steps and is sent
their answers. Iterating over a step yields it to whoever drives the flow and returns the answer, so
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
"""After an interruption: a flow may tidy up, each step of which meets the interruption again, but not for ever."""


class Step(Generic[T], metaclass=Shown):
    """Something a flow asks for. ``yield from`` it to get the answer, a ``T``."""

    __slots__ = ()

    def __iter__(self) -> Generator[Step[Any], Any, T]:
        answer: T = yield self
        return answer


Flow = Generator[Step[Any], Any, T]
"""A generator that yields steps, is sent their answers, and returns a ``T``."""


@dataclass(frozen=True, slots=True)
class Wait(Step[None]):
    """Let ``seconds`` pass."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Call(Step[T]):
    """Other work that may block, such as writing to a file: ``yield from Call(work, arg)`` returns its result.

    The async client runs it in a thread. ``sends`` means the same as for a request: doing this may send a text.
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
    """Tell the hooks, or whatever else has to know, what is known: also after an interruption, and never half.

    The async client runs it in a thread as well, and waits until it is over. What it does has to stand being done
    twice.
    """

    __slots__ = ()


@dataclass(frozen=True, slots=True, repr=False)
class Await(Step[T]):
    """Wait for the result of work that another thread of ours has begun: cheaper than a :class:`Call` that waits.

    After ``seconds``, or when what waits is interrupted, it is cancelled, and a TimeoutError is raised.
    """

    future: Promise[T] | Future[T]
    seconds: float = 20.0


class Dropped(BaseException):
    """Thrown into a flow that is given up, so that it can still tell of its texts: a closed generator could not."""


class Driven(Generic[T]):
    """A flow, and where it stands: at ``step``, which is to be answered, or at its end, with ``value``. To drive one::

        run = Driven(flow)
        while run.step is not None:
            run.perform(work, run.step)

    What the flow raises comes out of any of these methods. An interruption, such as a cancellation, is thrown in again
    at whatever the flow asks for after it, but for a :class:`Tell`.
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
        """Go on, with what ``work`` returns or raises."""
        errors: list[BaseException] = []
        answer: Any = None
        try:
            answer = work(*args)
        except BaseException as error:  # noqa: BLE001  # it belongs to the flow
            errors.append(error)
        # Out here, or the error would become the context of what the flow raises; both hold private things.
        if errors:
            self.fail(errors)
        else:
            self.answer(answer)

    async def perform_async(self, work: Callable[..., Awaitable[Any]], *args: Any) -> None:
        """Go on, with what awaiting ``work`` returns or raises."""
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
        """Go on, with what ``asking`` returns or raises: the step itself, or a flow that asks for it.

        For a flow around this one.
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
        """Go on, with ``answer`` to the step."""
        try:
            self.step = self._flow.send(answer)
            if self._stop is not None:
                self._insist(self._stop)
        except StopIteration as end:
            self.step, self.value = None, end.value

    def fail(self, errors: list[BaseException]) -> None:
        """Go on, with the last of ``errors`` in the place of an answer.

        It is taken out: this frame of a traceback should not show it.
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
        """After ``stop`` the flow may tell what is known, and begins nothing else."""
        while not isinstance(self.step, Tell):
            self._steps += 1
            if self._steps > _MOST_STEPS:
                self._flow.close()
                raise stop
            self.step = self._flow.throw(stop)

    def drop(self) -> None:
        """Give the flow up. It tells what is known; what it raises is not wanted any more."""
        if self.step is None:
            return
        try:
            self.fail([Dropped()])
            while isinstance(self.step, Tell):
                self.perform(self.step.function, *self.step.args)
        except BaseException:  # noqa: BLE001, S110  # the flow was given up, and its caller with it
            pass
        finally:
            self._flow.close()


def ending(flow: Step[T] | Flow[T]) -> Flow[tuple[T | None, BaseException | None]]:
    """``flow`` (or a step), and how it ends: with what it returns, or what it raises, be it an interruption."""
    try:
        return (yield from flow), None
    except GeneratorExit:
        raise
    except BaseException as error:  # noqa: BLE001  # returned, so that the caller decides
        return None, error
