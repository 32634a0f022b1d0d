"""Composite, the base of providers that send through providers which they hold."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, cast, final

from .errors import SendError, UncertainError
from .flow import Flow
from .messages import Message, Result, SentMessage, Verification
from .provider import SmsProvider

Around = Callable[[Flow[Any], Sequence[Message]], Flow[Any]]
"""Wraps the flow of a provider that sends these messages; its steps and its value are the flow's."""

Answers = tuple[list[Result], BaseException | None]
"""One Result for each message, in order, and what interrupted the sending, if anything did."""


class Composite(SmsProvider):
    """A provider that sends by attempts at providers which it holds: it never raises an outcome, it returns it."""

    @abstractmethod
    def sent_through(
        self, messages: Sequence[Message], *, verification: bool = False, around: Around | None = None
    ) -> Flow[Answers]:
        """Send ``messages``, or have a one-time code sent for each; ``around`` wraps each flow of a provider that carries texts."""

    @final
    def send(self, message: Message) -> Flow[SentMessage]:
        (result,), stop = yield from self.sent_through([message])
        return sent_of(result, stop)

    @final
    def send_batch(self, messages: Sequence[Message]) -> Flow[list[Result]]:
        results, stop = yield from self.sent_through(messages)
        if stop is not None:
            raise stop
        return results

    @final
    def start_verification(self, message: Message) -> Flow[Verification]:
        (result,), stop = yield from self.sent_through([message], verification=True)
        return cast("Verification", sent_of(result, stop))


def sent_of(result: Result, stop: BaseException | None = None) -> SentMessage:
    """What was sent; raises ``stop``, or else the error, if nothing was."""
    if stop is not None:
        raise stop
    if result.sent is None:
        error: SendError = result.error or UncertainError()
        raise error
    return result.sent
