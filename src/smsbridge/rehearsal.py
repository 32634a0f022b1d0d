"""Rehearsals: while one goes on, nothing leaves this process, and what is remembered of texts is remembered for it
alone.

An outbox is one, a dry run another. Clients send through *stand-ins* of their providers then: the same settings, with a
memory of their own that ends with the rehearsal. No ledger, no list of opt-outs and no other file of theirs is opened,
and afterwards all that was remembered before is as it was.
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
from .messages import Message
from .provider import SmsProvider

T = TypeVar("T")
NOT_HERE: Any = object()
"""What :meth:`Rehearsal.perform` returns for a step that is the client's to perform."""


class Question(StrEnum):
    """What a client asks its provider: the name of the method."""

    STATUS = "status"
    LOOKUP = "lookup"
    BALANCE = "balance"
    CHECK_VERIFICATION = "check_verification"
    CANCEL_VERIFICATION = "cancel_verification"


class Rehearsal:
    """One rehearsal, for all threads and tasks of this process, while it is entered. Of several, the newest counts."""

    refuses_strays = True
    """Whether a client that is made in it is refused for variables that nothing reads, as a real one is."""

    def __init__(self) -> None:
        expect()
        self.at_end = ExitStack()
        """What is to be called when it ends."""
        self._stand_ins: dict[Hashable, Any] = {}
        self._lock = fresh_rlock()  # what makes a stand-in may ask for another

    def __enter__(self) -> Self:
        _going_on.append(self)
        return self

    def __exit__(self, *exc_info: object) -> None:
        _going_on.remove(self)
        self.at_end.close()

    # --- memory -------------------------------------------------------------------------------------------------------

    def provider(self, real: SmsProvider) -> SmsProvider:
        """The stand-in of ``real``; one that is a stand-in here already stands for itself."""
        made = self.instead_of(real, lambda: _stand_in(real, self))
        return self.instead_of(made, lambda: made)

    def instead_of(self, real: object, make: Callable[[], T]) -> T:
        """What stands for ``real``, made when it is first asked for: those that share ``real`` share its stand-in."""
        return self.shared(_Same(real), make)

    def shared(self, key: Hashable, make: Callable[[], T]) -> T:
        """What this rehearsal has under ``key``, made when it is first asked for."""
        with self._lock:
            if key not in self._stand_ins:
                self._stand_ins[key] = make()
            value: T = self._stand_ins[key]
            return value

    # --- in the place of the wire: what an outbox overrides -----------------------------------------------------------

    def render(
        self, provider: SmsProvider, start: Callable[[], Flow[T]], messages: Sequence[Message], kind: type[T]
    ) -> Callable[[], Flow[T]]:
        """``start``, or what begins another flow in its place, for a ``provider`` that is about to send."""
        return start

    def answer(self, question: Question, provider: SmsProvider, about: Sequence[Any]) -> Flow[Any] | None:
        """The flow that answers a ``question`` about what ``provider`` has sent, or None: it is asked itself."""
        return None

    def perform(self, step: Step[Any], plugins: Any) -> Any:
        """The answer to ``step``, or ``NOT_HERE``; ``plugins`` are those of the client."""
        refuse_to_leave(step)
        return NOT_HERE


@runtime_checkable
class Remembering(Protocol):
    """A provider or a policy that remembers anything of texts."""

    def forget(self, rehearsal: Rehearsal) -> None:
        """Let go of all that is remembered: this is a copy that a rehearsal has made, and still shares what is in its
        private attributes.

        Nothing that it remembers from now on may outlast ``rehearsal``, and no file may be opened for it;
        :meth:`Rehearsal.instead_of` and :meth:`Rehearsal.shared` keep what several share.
        """
        ...


class _Same:
    """A key that is equal where it is the same object, which it keeps."""

    __slots__ = ("_it",)

    def __init__(self, it: object) -> None:
        self._it = it

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and other._it is self._it

    def __hash__(self) -> int:
        return id(self._it)


def _stand_in(real: SmsProvider, rehearsal: Rehearsal) -> SmsProvider:
    """A copy of ``real`` that remembers nothing, and holds the stand-ins of what ``real`` holds.

    Or ``real``, if that is all the same.
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
    """``value``, with the stand-ins of all providers in it."""
    if isinstance(value, SmsProvider):
        return rehearsal.provider(value)
    if isinstance(value, list | tuple) and any(isinstance(item, SmsProvider) for item in value):
        return type(value)(_with_stand_ins(item, rehearsal) for item in value)
    if isinstance(value, dict) and any(isinstance(item, SmsProvider) for item in value.values()):
        return {key: _with_stand_ins(item, rehearsal) for key, item in value.items()}
    return value


# --- what goes on now -------------------------------------------------------------------------------------------------

_going_on: list[Rehearsal] = []
_UNDRIVEN: Any = object()
_expected = False
"""Whether there may be a rehearsal in this process; where there is none, nothing of this is done for a text."""


def expect() -> None:
    """Rehearsals may come from now on: what begins before one has to be told from what belongs to it."""
    global _expected  # noqa: PLW0603  # once
    _expected = True


class _Driven(threading.local):
    """The rehearsal of the flow that this thread drives at this moment; None for a flow that is real."""

    rehearsal: Rehearsal | None = _UNDRIVEN


_driven = _Driven()


def newest() -> Rehearsal | None:
    """The rehearsal that goes on now, if one does: what begins now is part of it."""
    return _going_on[-1] if _going_on else None


def _here() -> Rehearsal | None:
    """The rehearsal of the flow that is driven here; without a client, the newest."""
    rehearsal = _driven.rehearsal
    return newest() if rehearsal is _UNDRIVEN else rehearsal


def standing_in(provider: SmsProvider) -> SmsProvider:
    """What stands for ``provider`` here.

    Also for one that was made on the way, or of which a rehearsal could not know.
    """
    rehearsal = _here() if _expected else None
    return provider if rehearsal is None else rehearsal.provider(provider)


def rendered(
    provider: SmsProvider, start: Callable[[], Flow[T]], messages: Sequence[Message], kind: type[T]
) -> Callable[[], Flow[T]]:
    """``start``, or what a rehearsal has in its place."""
    rehearsal = _here() if _expected else None
    return start if rehearsal is None else rehearsal.render(provider, start, messages, kind)


def staged(flow: Flow[T], plugins: Any, let_out: Callable[[Step[Any]], None]) -> Flow[T]:
    """``flow`` as a client drives it: what begins in a rehearsal is part of it to its end, and what began before is
    not.

    While a rehearsal goes on, nothing leaves either way; else ``let_out`` may raise for a step that should not leave.
    """
    return _staged(flow, plugins, let_out) if _expected or under_test.is_going_on() else flow


def _staged(flow: Flow[T], plugins: Any, let_out: Callable[[Step[Any]], None]) -> Flow[T]:
    rehearsal = newest()

    def staged(step: Step[Any]) -> Flow[Any]:
        if rehearsal is not None:
            answer = rehearsal.perform(step, plugins)
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
    """``flow``, which is part of ``rehearsal`` whenever it is driven; or of none."""

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
        del error  # this frame of a traceback should not show it
        around, _driven.rehearsal = _driven.rehearsal, self._rehearsal
        try:
            return self._flow.throw(errors.pop())
        finally:
            _driven.rehearsal = around


def leaves(step: Step[Any]) -> bool:
    """Whether ``step`` leaves this process, or sends a text in another way."""
    return isinstance(step, HttpRequest) or bool(getattr(step, "sends", False))


def refuse_to_leave(step: Step[Any]) -> None:
    """Raise NotConnected if ``step`` leaves this process."""
    if leaves(step):
        raise NotConnected("in a rehearsal, such as sms_outbox, nothing leaves")
