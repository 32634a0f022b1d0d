"""Where an outbox stands: between the providers and the wire. Everything above it is the application's own.

All sends go through ``attempts.attempt_each``, also those of providers that hold providers, so that is where the
provider's own flow is stopped; what asks and sends nothing is answered at the client; and a request that still came as
far as the wire finds no connection.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from typing import Any, Protocol, TypeVar, cast

from smsbridge.flow import Call, Driven, Flow, Step, Wait
from smsbridge.http import HttpRequest
from smsbridge.messages import Message, Result, SentMessage, Verification
from smsbridge.plugins import Plugins
from smsbridge.provider import Capability, SmsProvider
from smsbridge.rehearsal import Question, Rehearsal, expect, leaves

from .posted import Posted

T = TypeVar("T")
expect()
_QUESTIONS = {
    Question.STATUS: Capability.STATUS,
    Question.LOOKUP: Capability.LOOKUP,
    Question.BALANCE: Capability.BALANCE,
    Question.CHECK_VERIFICATION: Capability.VERIFICATION,
    Question.CANCEL_VERIFICATION: Capability.CANCEL_VERIFICATION,
}
"""The methods of a client that make the flows of what asks, and what the provider needs for them."""


class Taker(Protocol):
    """Who takes the texts, and answers the questions, in the place of the vendors."""

    def take(
        self,
        provider: SmsProvider,
        messages: Sequence[Message],
        request: HttpRequest | None,
        kind: type[Any],
        plugins: Plugins | None = None,
    ) -> list[Posted]:
        """Take the messages as they would have left; ``kind`` is what the provider would have returned."""
        ...

    def knows(self, id: str) -> bool:
        """Whether ``id`` is one of the taker's own."""
        ...

    def answer(self, question: Question, provider: SmsProvider, *about: Any) -> Any:
        """The answer to a question ``about`` what ``provider`` has sent."""
        ...


class _Post(Call[list[Posted]]):
    """The step in the place of the one that sends. A client that does it adds its plugins."""

    __slots__ = ()


class Interception(Rehearsal):
    """The rehearsal in which ``taker`` stands before the wire."""

    refuses_strays = False  # a test of an application says nothing of where it will run

    def __init__(self, taker: Taker) -> None:
        super().__init__()
        self._taker = taker

    def render(
        self, provider: SmsProvider, start: Callable[[], Flow[T]], messages: Sequence[Message], kind: type[T]
    ) -> Callable[[], Flow[T]]:
        def rendered() -> Flow[T]:
            flow = start()
            # What is no flow goes on as it is: the core says what is wrong with it.
            return _rendered(self._taker, provider, flow, messages, kind) if isinstance(flow, Generator) else flow

        return rendered

    def answer(self, question: Question, provider: SmsProvider, about: Sequence[Any]) -> Flow[Any] | None:
        if _QUESTIONS[question] not in provider.capabilities:
            return None  # the provider says so

        def answered() -> Flow[Any]:
            yield from ()
            return self._taker.answer(question, provider, *about)

        return answered()

    def perform(self, step: Step[Any], plugins: Plugins) -> Any:
        if isinstance(step, _Post):
            return step.function(*step.args, plugins)
        return super().perform(step, plugins)


def _rendered(
    taker: Taker, provider: SmsProvider, flow: Flow[T], messages: Sequence[Message], kind: type[T]
) -> Flow[T]:
    """The provider's flow, up to where it would go to the wire; there the messages are taken."""
    refused: Mapping[int, Result] = {}
    try:
        run = Driven(flow)
        holds = False  # whether it holds a provider that has sent; then it goes on by itself
        while (step := run.step) is not None and (holds or isinstance(step, _Post) or not leaves(step)):
            holds = holds or isinstance(step, _Post)
            if isinstance(step, Wait):
                run.answer(None)
            else:
                yield from run.pass_on(step)
    finally:
        flow.close()
    if step is None:
        if _is_taken(taker, run.value):
            return run.value
        if isinstance(run.value, list):
            refused = {one.index: one for one in run.value if isinstance(one, Result) and one.error is not None}
    request = step if isinstance(step, HttpRequest) and step.sends else None
    rest = [n for n in range(len(messages)) if n not in refused]
    posted = yield from _Post(taker.take, provider, [messages[n] for n in rest], request, kind, sends=True)
    if kind is list:
        return cast("T", _results(messages, dict(zip(rest, posted, strict=True)), refused))
    if posted[0].error is not None:
        raise posted[0].error
    return cast("T", posted[0].verification if kind is Verification else posted[0].sent)


def _is_taken(taker: Taker, value: object) -> bool:
    """Whether a flow that ended by itself had an attempt inside that was taken."""
    if isinstance(value, list):
        rows = [one.sent for one in value if isinstance(one, Result) and one.sent is not None]
        return bool(value) and all(taker.knows(sent.id) for sent in rows)
    return isinstance(value, SentMessage | Verification) and taker.knows(value.id)


def _results(messages: Sequence[Message], posted: Mapping[int, Posted], refused: Mapping[int, Result]) -> list[Result]:
    results = dict(refused)
    for n, one in posted.items():
        sent = one.sent if one.error is None else None
        results[n] = Result(index=n, message=messages[n], sent=sent, error=one.error)
    return [results[n] for n in sorted(results)]
