"""Call a provider's sending method, and decide the outcome of each text: accepted, refused or uncertain. No I/O.

After a step that ``sends`` has left, a failure that the vendor does not explain is uncertain. Before that it is
certain.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from typing import Any, TypeVar

from .composite import Around
from .deadline import Stopped
from .errors import (
    NoAnswer,
    NotAllowed,
    ProviderBugError,
    RefusedError,
    SendError,
    TransportError,
    UnavailableError,
    UncertainError,
    UnsupportedError,
    VetoedError,
    nothing_left,
)
from .flow import Driven, Flow, Step
from .messages import Message, Result, SentMessage, Verification
from .privacy import bare, own, private_of, safe_name, with_trace
from .provider import SmsProvider
from .rehearsal import rendered

T = TypeVar("T")
Answer = tuple[Any, SendError | None]
"""The answer to a message: the accepted text or verification, or the error."""


class Trail:
    """A record of the requests that a flow made.

    It holds whether any request was made, and which of the requests that send were answered.
    """

    __slots__ = ("answered", "asked", "unanswered")

    def __init__(self) -> None:
        self.asked = False
        self.answered = 0
        self.unanswered = False

    @property
    def left(self) -> bool:
        return self.unanswered or self.answered > 0

    def of(self, step: Step[Any]) -> Flow[Any]:
        """Pass the sending ``step`` on to be performed, return its answer, and record whether there was an answer."""
        # Unanswered until the answer is here, also after an interruption.
        self.asked = self.unanswered = True
        try:
            answer = yield step
        except BaseException as error:
            if _unbegun(error):
                self.unanswered = False
            raise
        self.answered, self.unanswered = self.answered + 1, False
        return answer


def drive(start: Callable[[], Flow[T]], trail: Trail | None = None) -> Flow[T]:
    """Run the flow of a provider, pass its steps on, and record the steps that send in ``trail``.

    ``start`` begins the flow. Returns the flow's value. Raises ProviderBugError if ``start`` does not return a flow,
    and NoAnswer if the flow wants to send again after a request without an answer.
    """
    trail = trail or Trail()
    flow = start()
    if not isinstance(flow, Generator):
        raise ProviderBugError(
            detail="the provider's method is not a flow; a method without steps needs 'yield from ()'"
        )
    try:
        run = Driven(flow)
        while (step := run.step) is not None:
            if not getattr(step, "sends", False):
                trail.asked = True
                yield from run.pass_on(step)
            elif trail.unanswered:
                raise NoAnswer(
                    "the provider plugin wanted to send again after a request without an answer, and was stopped: "
                    "the text may have been sent"
                )
            else:
                yield from run.pass_on(trail.of(step))
        return run.value
    finally:
        flow.close()


class Sending:
    """A call of the method with which a provider sends, for a single message or a batch.

    ``stop`` is the interruption that ended the call, or None.
    """

    __slots__ = ("around", "messages", "provider", "stop", "verification")

    def __init__(
        self, provider: SmsProvider, messages: Sequence[Message], *, verification: bool, around: Around | None
    ) -> None:
        self.provider = provider
        self.messages = messages
        self.verification = verification
        self.around = around
        self.stop: BaseException | None = None

    def made(self) -> Flow[list[Answer] | None]:
        """Call the provider's method. Returns the answer to each message, in order: what was sent, or an error.

        Returns None if the vendor refused the whole batch because of one of the messages.
        """
        provider, messages = self.provider, self.messages
        trail = Trail()
        error: SendError
        try:
            value = yield from drive(rendered(provider, self._start, messages, self._kind), trail)
            if isinstance(value, self._kind):
                if isinstance(value, list):
                    return _one_each(provider, messages, value)
                if _is_of(value, messages[0]):
                    return [(value, None)]
            # It may hold anything, and this frame will be part of a traceback.
            del value
            error = unexplained(TypeError(), left=trail.left)
        except GeneratorExit:
            raise
        except UnsupportedError as unsupported:
            error = unexplained(unsupported, left=True) if trail.left else unsupported
        except SendError as explained:
            error = _settle(trail, explained, batch=len(messages) > 1)
            if len(messages) > 1 and isinstance(error, RefusedError) and error.fault == "message":
                return None
        except TransportError as transport:
            error = UncertainError(detail=str(transport)) if trail.left else _not_sent(transport)
        # A bug of the provider, whose words may quote anything.
        except Exception as bug:  # noqa: BLE001
            error = unexplained(bug, left=trail.left)
        # A cancellation, Ctrl-C, or the end of the process.
        except BaseException as stop:  # noqa: BLE001
            self.stop, error = bare(stop), cancelled(left=trail.left, stop=stop)
        return self._all(error, quoted=trail.asked)

    def cancelled(self, stop: BaseException | None) -> list[Answer]:
        """Return an error for each message of a call that never begins because of the interruption ``stop``.

        Each error says that the message was not sent.
        """
        return self._all(cancelled(left=False, stop=stop), quoted=False)

    @property
    def _kind(self) -> type[Any]:
        if len(self.messages) > 1:
            return list
        return Verification if self.verification else SentMessage

    def _start(self) -> Flow[Any]:
        provider, messages = self.provider, self.messages
        if len(messages) > 1:
            flow: Flow[Any] = provider.send_batch(messages)
        else:
            flow = provider.start_verification(messages[0]) if self.verification else provider.send(messages[0])
        return flow if self.around is None else self.around(flow, messages)

    def _all(self, error: SendError, *, quoted: bool) -> list[Answer]:
        """Return ``error`` for each message, without private data of any; ``quoted``: its words may be a vendor's."""
        private = private_of(self.provider, *self.messages) if quoted else None
        return [(None, own(error, self.provider, message, vendors=private)) for message in self.messages]


def _not_sent(transport: TransportError) -> RefusedError:
    words = str(transport)
    return VetoedError(words, reason="in-test") if isinstance(transport, NotAllowed) else UnavailableError(detail=words)


def _unbegun(error: BaseException) -> bool:
    """Return whether a step that ended with ``error`` certainly never began."""
    return nothing_left(error) or (isinstance(error, Stopped) and not error.begun)


def cancelled(*, left: bool, stop: BaseException | None = None) -> SendError:
    """Return the error of a text whose sending was interrupted by ``stop``.

    If ``left`` is true, a request may have left this process, and the error is uncertain.
    """
    if not isinstance(stop, Stopped):
        words, reason, wait = "cancelled", "cancelled", None
    else:
        words, reason, wait = stop.words, stop.reason, stop.wait
    if left:
        return UncertainError(f"{words} while it was being sent", reason=reason, fault="local")
    kind = UnavailableError if reason == "closed" else RefusedError
    return kind(f"{words} before it was sent", reason=reason, fault="local", retry_after=wait)


def _settle(trail: Trail, error: SendError, *, batch: bool) -> SendError:
    """Return the explained ``error``, made uncertain or certain by the requests that left."""
    # A refusal of a part of a batch says nothing about earlier parts.
    if batch and trail.answered > 1:
        return _as(UncertainError, error)
    # This was the answer to a request before the sending request.
    if isinstance(error, UncertainError) and trail.asked and not trail.left:
        return _as(UnavailableError, error)
    if isinstance(error, RefusedError | UncertainError):
        return error
    return _as(UncertainError if trail.left else RefusedError, error)


def _as(kind: type[SendError], error: SendError) -> SendError:
    return kind(
        code=error.code,
        reason=error.reason,
        detail=error.detail,
        retry_after=error.retry_after,
        attempts=error.attempts,
    )


def unexplained(cause: Exception, *, left: bool, policy: str | None = None) -> SendError:
    """Return the error of a text whose sending failed by a fault of the code, which raised ``cause``.

    If ``left`` is true, a request may have left this process, and the error is uncertain. ``policy`` is the name of the
    policy at fault, None for a provider.
    """
    if not left:
        return bug_of(cause, policy)
    whose = f"policy {policy} failed" if policy else "the provider plugin could not read the answer"
    return with_trace(UncertainError(detail=f"{whose} ({safe_name(cause)})"), cause)


def bug_of(cause: Exception, policy: str | None = None) -> ProviderBugError:
    """Return the ProviderBugError of a text: the code raised ``cause`` before anything was sent.

    ``policy`` is the name of the policy whose code failed, None for a provider.
    """
    words = f"policy {policy} failed before anything was sent" if policy else ""
    return with_trace(ProviderBugError(words, detail=safe_name(cause)), cause)


def _is_of(sent: Any, message: Message) -> bool:
    """Return whether ``sent`` has an id, and the reference of ``message`` or none."""
    return isinstance(sent.id, str) and sent.id != "" and sent.reference in ("", message.reference)


def _one_each(provider: SmsProvider, batch: Sequence[Message], answers: Sequence[Any]) -> list[Answer]:
    """Return the answer to each message; a missing, doubled or invalid answer is uncertain."""
    given: dict[int, list[Result]] = {}
    for answer in answers:
        if isinstance(answer, Result) and isinstance(answer.index, int):
            given.setdefault(answer.index, []).append(answer)
    found: list[Answer] = []
    # A row may quote other messages.
    sent_all = private_of(provider, *batch)
    for place, message in enumerate(batch):
        error: SendError
        match given.get(place):
            case [Result(sent=SentMessage() as sent, error=None)] if _is_of(sent, message):
                found.append((sent, None))
                continue
            case [Result(sent=None, error=RefusedError() | UncertainError() as known)]:
                error = known
            case [Result(sent=None, error=SendError() as vague)]:
                error = _as(UncertainError, vague)
            case None:
                error = UncertainError(detail="the vendor's answer has no row for this message")
            case _:
                error = UncertainError(
                    detail="the vendor's answer has several rows, or an invalid row, for this message"
                )
        found.append((None, own(error, provider, message, vendors=sent_all)))
    return found
