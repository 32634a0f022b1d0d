"""Rehearsals: while a rehearsal runs, nothing leaves this process, and what texts leave in memory is kept apart.

An outbox is a rehearsal, and so is a dry run. Clients then send through *stand-ins* of their providers: the same
settings, with separate memories that end with the rehearsal. No ledger, no list of opt-outs and no other file is
opened, and afterwards all earlier memories are unchanged.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Hashable, Sequence
from contextlib import ExitStack
from enum import StrEnum
from typing import Any, Protocol, Self, TypeVar, runtime_checkable

from . import under_test
from .errors import NotConnected
from .flow import Driven, Flow, Step
from .forks import fresh_rlock
from .http import HttpRequest
from .messages import Event, Message
from .provider import SmsProvider

T = TypeVar("T")
NOT_HERE: Any = object()
"""The value that :meth:`Rehearsal.perform` returns for a step that the client performs."""


class Question(StrEnum):
    """A question that a client asks its provider, such as the status of a text. A question sends nothing.

    Its value is the name of the provider's method.
    """

    STATUS = "status"
    LOOKUP = "lookup"
    BALANCE = "balance"
    CHECK_VERIFICATION = "check_verification"
    CANCEL_VERIFICATION = "cancel_verification"


class Rehearsal:
    """A context manager for a rehearsal, in which no request leaves this process, in all threads and tasks.

    If several rehearsals are entered, the newest counts.
    """

    refuses_strays = True
    """Whether a client made in it is refused for variables that nothing reads, like a real client."""

    def __init__(self) -> None:
        expect()
        self.at_end = ExitStack()
        """The functions to call when it ends."""
        self._stand_ins: dict[Hashable, Any] = {}
        # Making a stand-in may need another stand-in.
        self._lock = fresh_rlock()

    def __enter__(self) -> Self:
        _going_on.append(self)
        return self

    def __exit__(self, *exc_info: object) -> None:
        _going_on.remove(self)
        self.at_end.close()

    # --- memory -------------------------------------------------------------------------------------------------------

    def provider(self, real: SmsProvider) -> SmsProvider:
        """Return the stand-in that this rehearsal uses for the provider ``real``.

        A provider that is itself a stand-in of this rehearsal is returned unchanged.
        """
        made = self.instead_of(real, lambda: _stand_in(real, self))
        return self.instead_of(made, lambda: made)

    def instead_of(self, real: object, make: Callable[[], T]) -> T:
        """Return the object that this rehearsal uses in place of ``real``. ``make`` makes this object at first use.

        If several objects share ``real``, they also share the object in its place.
        """
        return self.shared(_Same(real), make)

    def shared(self, key: Hashable, make: Callable[[], T]) -> T:
        """Return the object that this rehearsal keeps under ``key``. ``make`` makes this object at first use."""
        with self._lock:
            if key not in self._stand_ins:
                self._stand_ins[key] = make()
            value: T = self._stand_ins[key]
            return value

    # --- instead of the wire: an outbox overrides these ---------------------------------------------------------------

    def render(
        self, provider: SmsProvider, start: Callable[[], Flow[T]], messages: Sequence[Message], kind: type[T]
    ) -> Callable[[], Flow[T]]:
        """Decide what happens in place of a real sending, when ``provider`` is about to send ``messages``.

        Returns ``start``, which starts the provider's flow, or a function that starts another flow, which returns a
        value of the class ``kind``.
        """
        return start

    def answer(self, question: Question, provider: SmsProvider, about: Sequence[Any]) -> Flow[Any] | None:
        """Return a flow that answers ``question`` in place of ``provider``; None to ask the provider itself.

        ``about`` holds the arguments of the question, such as a sent text.
        """
        return None

    def brought(self, webhook: HttpRequest) -> Sequence[Event] | None:
        """Return the events of a webhook that this rehearsal made itself; None for any other webhook.

        Raises WebhookError for a webhook that falsely claims to be made by this rehearsal.
        """
        return None

    def perform(self, step: Step[Any], client: Any) -> Any:
        """Perform a ``step`` of a flow in place of ``client``, or return ``NOT_HERE`` to have the client perform it.

        Raises NotConnected for a step that would leave this process, such as a request.
        """
        refuse_to_leave(step)
        return NOT_HERE


@runtime_checkable
class Remembering(Protocol):
    """A provider or a policy that remembers data of texts, which must not be mixed with the data of a rehearsal."""

    def forget(self, rehearsal: Rehearsal) -> None:
        """Replace all memories of this object, which is a copy of a provider or policy, made for ``rehearsal``.

        The private attributes of the copy are still those of the original. No new memory may outlast ``rehearsal``, and
        no file may be opened for it. :meth:`Rehearsal.instead_of` and :meth:`Rehearsal.shared` keep memories that
        several objects share.
        """
        ...


class _Same:
    """A key for dictionaries that stands for the very same object, not an equal object, and keeps the object alive."""

    __slots__ = ("_it",)

    def __init__(self, it: object) -> None:
        self._it = it

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and other._it is self._it

    def __hash__(self) -> int:
        return id(self._it)


def _stand_in(real: SmsProvider, rehearsal: Rehearsal) -> SmsProvider:
    """Return a copy of ``real`` without memories, which holds the stand-ins of the providers inside.

    Return ``real`` itself if the copy would be the same.
    """
    fields = {name: value for name, value in vars(real).items() if name in type(real).model_fields}
    changed = {name: new for name, old in fields.items() if (new := _with_stand_ins(old, rehearsal)) is not old}
    if not changed and not isinstance(real, Remembering):
        return real
    copy = real.model_copy(update=changed)
    if isinstance(copy, Remembering):
        copy.forget(rehearsal)
    return copy


def _with_stand_ins(value: Any, rehearsal: Rehearsal) -> Any:
    """Return ``value`` with the stand-ins of all providers in it."""
    if isinstance(value, SmsProvider):
        return rehearsal.provider(value)
    if isinstance(value, list | tuple) and any(isinstance(item, SmsProvider) for item in value):
        return type(value)(_with_stand_ins(item, rehearsal) for item in value)
    if isinstance(value, dict) and any(isinstance(item, SmsProvider) for item in value.values()):
        return {key: _with_stand_ins(item, rehearsal) for key, item in value.items()}
    return value


# --- the present rehearsal --------------------------------------------------------------------------------------------

_going_on: list[Rehearsal] = []
_UNDRIVEN: Any = object()
_expected = False
"""Whether there may be a rehearsal in this process; otherwise a text needs none of the work here."""


def expect() -> None:
    """Prepare this process for rehearsals.

    From now on, each flow is recorded with the rehearsal to which it belongs.
    """
    global _expected  # noqa: PLW0603  # set once
    _expected = True


class _Driven(threading.local):
    """Holds, for each thread, the rehearsal of the flow that the thread runs at this moment; None for a real flow."""

    rehearsal: Rehearsal | None = _UNDRIVEN


_driven = _Driven()


def newest() -> Rehearsal | None:
    """Return the rehearsal that was entered last and still runs; None if no rehearsal runs.

    Flows that begin now belong to this rehearsal.
    """
    return _going_on[-1] if _going_on else None


def _here() -> Rehearsal | None:
    """Return the rehearsal of the flow that is driven here; without a client, the newest."""
    rehearsal = _driven.rehearsal
    return newest() if rehearsal is _UNDRIVEN else rehearsal


def standing_in(provider: SmsProvider) -> SmsProvider:
    """Return the stand-in of ``provider`` in the present rehearsal, or ``provider`` itself without a rehearsal.

    This also covers a provider that a policy makes while it sends.
    """
    rehearsal = _here() if _expected else None
    return provider if rehearsal is None else rehearsal.provider(provider)


def rendered(
    provider: SmsProvider, start: Callable[[], Flow[T]], messages: Sequence[Message], kind: type[T]
) -> Callable[[], Flow[T]]:
    """Return the function that starts the sending of ``messages``: ``start``, or a function of the present rehearsal.

    ``kind`` is the class of the value that the flow returns.
    """
    rehearsal = _here() if _expected else None
    return start if rehearsal is None else rehearsal.render(provider, start, messages, kind)


def brought(webhook: HttpRequest) -> Sequence[Event] | None:
    """Return the events of a webhook that the present rehearsal made itself.

    None if a provider has to read the webhook.
    """
    rehearsal = _here() if _expected else None
    return None if rehearsal is None else rehearsal.brought(webhook)


def staged(flow: Flow[T], client: Any, let_out: Callable[[Step[Any]], None]) -> Flow[T]:
    """Prepare ``flow`` for ``client`` to run.

    If a rehearsal runs now, the flow belongs to this rehearsal until the flow ends.

    While any rehearsal runs, no request leaves this process. Otherwise ``let_out`` is called with each step, and may
    raise an error for a step that should not leave.
    """
    return _staged(flow, client, let_out) if _expected or under_test.is_going_on() else flow


def _staged(flow: Flow[T], client: Any, let_out: Callable[[Step[Any]], None]) -> Flow[T]:
    rehearsal = newest()

    def staged(step: Step[Any]) -> Flow[Any]:
        if rehearsal is not None:
            answer = rehearsal.perform(step, client)
            if answer is not NOT_HERE:
                return answer
        elif _going_on:
            refuse_to_leave(step)
        else:
            let_out(step)
        return (yield step)

    try:
        run = Driven(_Part(flow, rehearsal))
        while run.step is not None:
            yield from run.pass_on(staged(run.step))
        return run.value
    finally:
        flow.close()


class _Part(Generator[Step[Any], Any, T]):
    """A wrapper of ``flow`` that makes it a part of ``rehearsal``, or of no rehearsal (None), whenever it is driven."""

    def __init__(self, flow: Flow[T], rehearsal: Rehearsal | None) -> None:
        self._flow = flow
        self._rehearsal = rehearsal

    def send(self, value: Any, /) -> Step[Any]:
        around, _driven.rehearsal = _driven.rehearsal, self._rehearsal
        try:
            return self._flow.send(value)
        finally:
            _driven.rehearsal = around

    def throw(self, error: Any, *_: Any) -> Step[Any]:
        errors = [error]
        # This frame of a traceback should not show it.
        del error
        around, _driven.rehearsal = _driven.rehearsal, self._rehearsal
        try:
            return self._flow.throw(errors.pop())
        finally:
            _driven.rehearsal = around


def leaves(step: Step[Any]) -> bool:
    """Return whether ``step`` leaves this process: whether it is a request, or another step that sends a text."""
    return isinstance(step, HttpRequest) or bool(getattr(step, "sends", False))


def refuse_to_leave(step: Step[Any]) -> None:
    """Raise NotConnected if ``step`` would leave this process."""
    if leaves(step):
        raise NotConnected("the request was stopped: in a rehearsal, such as sms_outbox, nothing leaves this process")
