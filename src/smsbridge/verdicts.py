"""One call of a provider that sends, and what became of each of its texts: accepted, refused or uncertain. No I/O.

Once a step that ``sends`` has gone out, whatever the vendor does not explain is uncertain. Before that it is certain.
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
"""What became of one message: what was accepted, or why it was not."""


class Trail:
    """What has left so far: whether anything was asked, how much of what sends was answered, and whether all was."""

    __slots__ = ("answered", "asked", "unanswered")

    def __init__(self) -> None:
        self.asked = False
        self.answered = 0
        self.unanswered = False

    @property
    def left(self) -> bool:
        return self.unanswered or self.answered > 0

    def of(self, step: Step[Any]) -> Flow[Any]:
        """``step``, which sends, with what is to be noted of it."""
        self.asked = self.unanswered = True  # until more is known, whatever comes between
        try:
            answer = yield step
        except BaseException as error:
            if _unbegun(error):
                self.unanswered = False
            raise
        self.answered, self.unanswered = self.answered + 1, False
        return answer


def drive(start: Callable[[], Flow[T]], trail: Trail | None = None) -> Flow[T]:
    """Drive a provider's flow, pass its steps on, and keep track of those that send."""
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
                raise NoAnswer("the provider plugin wanted to send again after a request without an answer")
            else:
                yield from run.pass_on(trail.of(step))
        return run.value
    finally:
        flow.close()


class Sending:
    """One call of a provider's method that sends, for one message or a batch.

    ``stop`` is what interrupted it, if anything did.
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
        """The answer to each message, or None if all were refused for the fault of one among them."""
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
            del value  # it may be anything, and this frame will be part of a traceback
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
        except Exception as bug:  # noqa: BLE001  # a provider's bug; its text may quote anything
            error = unexplained(bug, left=trail.left)
        except BaseException as stop:  # noqa: BLE001  # cancelled, interrupted from the keyboard, shutting down
            self.stop, error = bare(stop), cancelled(left=trail.left, stop=stop)
        return self._all(error, quoted=trail.asked)

    def cancelled(self, stop: BaseException | None) -> list[Answer]:
        """The answer to each message where the call is not even begun."""
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
        """``error`` for each message, without what is private to any; ``quoted``: its words may be a vendor's."""
        private = private_of(self.provider, *self.messages) if quoted else None
        return [(None, own(error, self.provider, message, vendors=private)) for message in self.messages]


def _not_sent(transport: TransportError) -> RefusedError:
    words = str(transport)
    return VetoedError(words, reason="in-test") if isinstance(transport, NotAllowed) else UnavailableError(detail=words)


def _unbegun(error: BaseException) -> bool:
    """Whether a step that ended with ``error`` was certainly not begun."""
    return nothing_left(error) or (isinstance(error, Stopped) and not error.begun)


def cancelled(*, left: bool, stop: BaseException | None = None) -> SendError:
    """What is known of a text whose sending was interrupted by ``stop``: uncertain once something may have ``left``."""
    if not isinstance(stop, Stopped):
        words, reason, wait = "cancelled", "cancelled", None
    else:
        words, reason, wait = stop.words, stop.reason, stop.wait
    if left:
        return UncertainError(f"{words} while it was being sent", reason=reason, fault="local")
    kind = UnavailableError if reason == "closed" else RefusedError
    return kind(f"{words} before it was sent", reason=reason, fault="local", retry_after=wait)


def _settle(trail: Trail, error: SendError, *, batch: bool) -> SendError:
    """The vendor explained, or the provider did; only what left decides whether that can be certain."""
    if batch and trail.answered > 1:
        return _as(UncertainError, error)  # what refused one part of a batch says nothing of the parts before
    if isinstance(error, UncertainError) and trail.asked and not trail.left:
        return _as(UnavailableError, error)  # the answer to a request before the one that sends
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
    """The error of a text that failed for a fault of ours: uncertain once something may have ``left``."""
    if not left:
        return bug_of(cause, policy)
    whose = f"policy {policy} failed" if policy else "the provider plugin could not read the answer"
    return with_trace(UncertainError(detail=f"{whose} ({safe_name(cause)})"), cause)


def bug_of(cause: Exception, policy: str | None = None) -> ProviderBugError:
    """The error of a provider's code, or of that of ``policy``, which failed before anything was sent."""
    words = f"policy {policy} failed before anything was sent" if policy else ""
    return with_trace(ProviderBugError(words, detail=safe_name(cause)), cause)


def _is_of(sent: Any, message: Message) -> bool:
    """Whether ``sent`` has an id and does not say that it is of another message."""
    return isinstance(sent.id, str) and sent.id != "" and sent.reference in ("", message.reference)


def _one_each(provider: SmsProvider, batch: Sequence[Message], answers: Sequence[Any]) -> list[Answer]:
    """The answer of each message; a missing, doubled or senseless one is uncertain."""
    given: dict[int, list[Result]] = {}
    for answer in answers:
        if isinstance(answer, Result) and isinstance(answer.index, int):
            given.setdefault(answer.index, []).append(answer)
    found: list[Answer] = []
    sent_all = private_of(provider, *batch)  # a row may quote its neighbours
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
                error = UncertainError(detail="the answer has no row for this message")
            case _:
                error = UncertainError(detail="the answer is ambiguous")
        found.append((None, own(error, provider, message, vendors=sent_all)))
    return found
