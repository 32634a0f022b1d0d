"""Make a client that sends through the policy under test, and record the outcome of each text."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterable, Sequence
from importlib.metadata import EntryPoints
from typing import Any, Literal, TypeVar

from smsbridge.client import AsyncSmsClient
from smsbridge.errors import RefusedError, SendError, UncertainError
from smsbridge.flow import Driven, Flow
from smsbridge.http import HttpRequest, HttpResponse
from smsbridge.messages import Message, Result
from smsbridge.plugins import Plugins
from smsbridge.provider import SmsProvider
from smsbridge.settings import Settings

from .vendor import Async, AsyncWire, Blocking, Recorder, Strike, Vendor, Wire

T = TypeVar("T")
Elsewhere = Callable[[HttpRequest], HttpResponse]
Shape = Literal["text", "batch", "code"]
SHAPES: tuple[Shape, ...] = ("text", "batch", "code")
LONGEST = 10.0
"""Seconds that a send may take; it has nothing to wait for."""


class EndlessError(AssertionError):
    """Raised if a send through the policy under test does not end in time."""


def in_time(work: Callable[[], T]) -> T:
    """Run ``work`` in a thread, and return or raise its result. Raises EndlessError if it takes too long.

    The thread then keeps running.
    """
    ends: list[tuple[Any, BaseException | None]] = []

    def begin() -> None:
        try:
            ends.append((work(), None))
        except BaseException as error:  # noqa: BLE001  # raised below
            ends.append((None, error))

    thread = threading.Thread(target=begin, daemon=True)
    thread.start()
    thread.join(LONGEST)
    if not ends:
        raise EndlessError(f"the send has not ended after {LONGEST:g} s: does a loop ignore batch.stop?")
    value, error = ends.pop()
    if error is not None:
        raise error
    return value  # type: ignore[no-any-return]


class _Alone(Plugins):
    """The given plugins only; a search for installed plugins takes longer than a send."""

    _installed = EntryPoints()  # pyright: ignore[reportAssignmentType]  # the base class searches for them


class World:
    """Hold a client that sends through the policy under test to a simulated vendor, and record its hooks.

    ``make`` puts the policy around the vendor, and ``kind`` is the class of the client. ``words`` and ``elsewhere`` are
    the arguments of :class:`Wire`, the simulated network.
    """

    def __init__(
        self,
        make: Callable[[SmsProvider], SmsProvider],
        kind: type[Blocking | Async] = Blocking,
        words: str = "ok",
        elsewhere: Elsewhere | None = None,
    ) -> None:
        self.wire = Wire(words, elsewhere)
        self.hooks = Recorder()
        self.plugins: Plugins = _Alone(self.hooks)
        self.provider = make(Vendor(account="kit"))
        settings, plugins = Settings(), self.plugins
        self.sms: Blocking | Async
        if issubclass(kind, Async):
            self.sms = kind(self.provider, settings=settings, plugins=plugins, transport=AsyncWire(self.wire))
        else:
            self.sms = kind(self.provider, settings=settings, plugins=plugins, transport=self.wire)

    def close(self) -> None:
        """Close the client, and the policy under test with it."""
        if isinstance(self.sms, AsyncSmsClient):
            asyncio.run(self.sms.aclose())
        else:
            self.sms.close()

    # --- sending ------------------------------------------------------------------------------------------------------

    def flow(self, shape: Shape, messages: Sequence[Message]) -> Flow[Any]:
        """Return the flow that sends ``messages`` in this ``shape``: one text, a batch, or one one-time code."""
        if shape == "code":
            return self.sms._start_verification(messages[0])  # noqa: SLF001  # as both clients begin it
        if shape == "text":
            return self.sms._send(messages[0])  # noqa: SLF001
        return self.sms._job([Result(index=n, message=message) for n, message in enumerate(messages)], [])  # noqa: SLF001

    def run(self, flow: Flow[Any], strike: Strike | None = None) -> BaseException | None:
        """Run ``flow`` in the client and return the error that it raised, or None. ``strike``, if given, interrupts it.

        Raises EndlessError if the flow does not end in time.
        """
        self.sms.strike = strike or Strike()
        try:
            in_time(lambda: self._driven(flow))
        except EndlessError:
            raise
        except BaseException as error:  # noqa: BLE001  # the tests check it
            return error
        return None

    def _driven(self, flow: Flow[Any]) -> None:
        if isinstance(self.sms, AsyncSmsClient):
            asyncio.run(self._awaited(self.sms, flow))
        else:
            self.sms._run(flow)  # noqa: SLF001

    async def _awaited(self, sms: AsyncSmsClient, flow: Flow[Any]) -> None:
        await sms._run(flow)  # noqa: SLF001

    def drop(self, flow: Flow[Any], steps: int) -> bool:
        """Perform ``steps`` steps of ``flow`` in a blocking client, then drop the flow.

        Returns false if the flow ended before. Raises EndlessError if the steps do not end in time.
        """
        return in_time(lambda: self._dropped(flow, steps))

    def _dropped(self, flow: Flow[Any], steps: int) -> bool:
        run = Driven(flow)
        try:
            for _ in range(steps):
                run.perform(self.sms._perform, run.step, None)  # noqa: SLF001
                if run.step is None:
                    return False
        except SendError:
            return False
        run.drop()
        return True

    def send(self, shape: Shape, messages: Sequence[Message]) -> list[Any]:
        """Send ``messages`` in this ``shape``, and return the outcome of each text: a result or an error.

        Raises an error that is no outcome of a text, such as EndlessError.
        """
        known = len(self.hooks.calls)
        problem = self.run(self.flow(shape, messages))
        if problem is not None and not isinstance(problem, SendError):
            raise problem
        ends = {reference: end for name, reference, end in self.hooks.calls[known:] if name != "before"}
        return [ends[message.reference] for message in messages[: None if shape == "batch" else 1]]

    def send_each(self, messages: Iterable[Message], shape: Shape = "text") -> list[str]:
        """Send ``messages`` one after the other, and return the outcome of each in words, as :func:`verdict` does."""
        return [verdict(end) for message in messages for end in self.send(shape, [message])]


def verdict(end: object) -> str:
    """Return the outcome of a text, ``end``, in words: ``accepted``, or the error's class and reason, if any."""
    if not isinstance(end, SendError):
        return "accepted"
    return f"{type(end).__name__} ({end.reason})" if end.reason else type(end).__name__


def is_refused(end: object) -> bool:
    """Return whether a text with the outcome ``end`` was certainly not sent.

    True also for None, the outcome of a text whose send did not begin.
    """
    return end is None or isinstance(end, RefusedError)


def is_uncertain(end: object) -> bool:
    """Return whether a text with the outcome ``end`` may have been sent, while no answer says whether it was."""
    return isinstance(end, UncertainError)
