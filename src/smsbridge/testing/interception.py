"""Take texts away from the wire for an outbox. All code of the application and the provider runs as usual before that.

Every send goes through ``attempts.attempt_each``, also a send of a provider that holds other providers. There the
interception stops the provider's own flow before its first request that sends. Queries are answered at the client. A
request that still reaches the wire finds no connection.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from typing import Any, Protocol, TypeVar, cast

from smsbridge.base_client import BaseClient
from smsbridge.flow import Call, Driven, Flow, Step, Wait
from smsbridge.http import HttpRequest
from smsbridge.messages import Event, Message, Result, SentMessage, Verification
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
"""The capability that a provider needs for each question of a client."""


class Taker(Protocol):
    """Describe what takes texts and answers questions in place of the vendors, such as an Outbox."""

    def take(
        self,
        provider: SmsProvider,
        messages: Sequence[Message],
        request: HttpRequest | None,
        kind: type[Any],
        client: BaseClient[Any] | None = None,
    ) -> list[Posted]:
        """Take ``messages`` in place of the vendor of ``provider``. Returns a record of each, in the same order.

        ``request`` is the HTTP request that would have sent the messages, if any. ``kind`` is the type of the result
        that the provider would return. ``client`` is the client that sends, if it is known.
        """
        ...

    def knows(self, id: str) -> bool:
        """Return whether a text with the id ``id`` was taken here."""
        ...

    def answer(self, question: Question, provider: SmsProvider, *about: Any) -> Any:
        """Answer the ``question`` of a client, such as for a text's status, in place of the vendor of ``provider``.

        ``about`` holds the arguments of the question.
        """
        ...

    def brought(self, webhook: HttpRequest) -> Sequence[Event] | None:
        """Return the events in ``webhook``; None if the webhook was not made by this taker."""
        ...


class _Post(Call[list[Posted]]):
    """The step in place of the step that sends. The client that performs it adds itself."""

    __slots__ = ()


class Interception(Rehearsal):
    """Rehearse sending: each text goes to ``taker`` at the moment when a request would have left for the vendor."""

    # An application's test says nothing about the place where the application will run.
    refuses_strays = False

    def __init__(self, taker: Taker) -> None:
        super().__init__()
        self._taker = taker

    def render(
        self, provider: SmsProvider, start: Callable[[], Flow[T]], messages: Sequence[Message], kind: type[T]
    ) -> Callable[[], Flow[T]]:
        def rendered() -> Flow[T]:
            flow = start()
            # A value that is no flow passes unchanged: the core reports it.
            return _rendered(self._taker, provider, flow, messages, kind) if isinstance(flow, Generator) else flow

        return rendered

    def answer(self, question: Question, provider: SmsProvider, about: Sequence[Any]) -> Flow[Any] | None:
        if _QUESTIONS[question] not in provider.capabilities:
            # The provider itself reports that it lacks the capability.
            return None

        def answered() -> Flow[Any]:
            yield from ()
            return self._taker.answer(question, provider, *about)

        return answered()

    def brought(self, webhook: HttpRequest) -> Sequence[Event] | None:
        return self._taker.brought(webhook)

    def perform(self, step: Step[Any], client: BaseClient[Any]) -> Any:
        if isinstance(step, _Post):
            return step.function(*step.args, client)
        return super().perform(step, client)


def _rendered(
    taker: Taker, provider: SmsProvider, flow: Flow[T], messages: Sequence[Message], kind: type[T]
) -> Flow[T]:
    """Run the provider's flow up to its first step to the wire; there ``taker`` takes the messages."""
    refused: Mapping[int, Result] = {}
    try:
        run = Driven(flow)
        # True once a provider inside this provider has sent: then the flow goes on by itself.
        holds = False
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
            refused = {
                result.index: result for result in run.value if isinstance(result, Result) and result.error is not None
            }
    request = step if isinstance(step, HttpRequest) and step.sends else None
    rest = [n for n in range(len(messages)) if n not in refused]
    posted = yield from _Post(taker.take, provider, [messages[n] for n in rest], request, kind, sends=True)
    if kind is list:
        return cast("T", _results(messages, dict(zip(rest, posted, strict=True)), refused))
    if posted[0].error is not None:
        raise posted[0].error
    return cast("T", posted[0].verification if kind is Verification else posted[0].sent)


def _is_taken(taker: Taker, value: object) -> bool:
    """Whether ``taker`` took a text from a provider inside a flow that ended by itself."""
    if isinstance(value, list):
        rows = [result.sent for result in value if isinstance(result, Result) and result.sent is not None]
        return bool(value) and all(taker.knows(sent.id) for sent in rows)
    return isinstance(value, SentMessage | Verification) and taker.knows(value.id)


def _results(messages: Sequence[Message], posted: Mapping[int, Posted], refused: Mapping[int, Result]) -> list[Result]:
    results = dict(refused)
    for n, text in posted.items():
        sent = text.sent if text.error is None else None
        results[n] = Result(index=n, message=messages[n], sent=sent, error=text.error)
    return [results[n] for n in sorted(results)]
