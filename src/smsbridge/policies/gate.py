"""Gate, the base of all policies that check each text before it goes on."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import fields
from datetime import datetime

from smsbridge.attempts import refusal
from smsbridge.errors import ProviderBugError, SendError, UncertainError
from smsbridge.flow import Call, Driven, Flow
from smsbridge.messages import Foresight, Message, Result, SentMessage, Verification
from smsbridge.plain import kind_of
from smsbridge.privacy import own
from smsbridge.verdicts import bug_of, cancelled

from .batch import Batch
from .policy import Policy

Ending = SentMessage | Verification | SendError
"""The end of an admitted text: accepted, a started verification, refused (RefusedError) or uncertain."""


class Gate(Policy):
    """Base of a policy that lets a text through, perhaps changed, or refuses it.

    :meth:`admit` decides. In a batch each text is judged alone, and all of them before the first is sent.

    A gate that remembers or counts texts takes a place in :meth:`admit`, gives it back in :meth:`settle` and
    :meth:`give_back`, only reads in :meth:`foresee`, and has a method ``forget``. A rehearsal (``sms_outbox``, a dry
    run) calls ``forget`` on a copy of the gate. The method replaces the shared memory by a new one, and opens no file::

        def forget(self, rehearsal):
            self._taken = {}
    """

    def admit(self, message: Message, *, verification: bool = False) -> Flow[Message]:
        """Return the text that is sent in place of ``message``, or ``message`` itself; raise a RefusedError to refuse.

        If you raise a SendError here, neither :meth:`settle` nor :meth:`give_back` is called: raise it before you take
        a place. ``verification`` is true if the message is a one-time code that the vendor makes.
        """
        yield from ()
        return message

    def settle(self, message: Message, ending: Ending) -> None:
        """Record how ``message``, which :meth:`admit` let through, has ended.

        ``ending`` is a SentMessage, the Verification of a code, or a SendError. Give a place back only on a
        RefusedError: a text that ended with an UncertainError may have arrived.

        ``message`` is the same object that :meth:`admit` got, so ``id(message)`` identifies it until it has ended
        (later another message may have the same id). Always called once for each admitted text; a second time only if
        an exception of a signal handler comes in between. Must not raise.
        """

    def give_back(self, message: Message) -> None:
        """Undo what :meth:`admit` may have done for ``message``, such as counting it: it was interrupted or failed.

        :meth:`admit` may have been interrupted before it took a place. ``message`` is the same object that
        :meth:`admit` got. Called instead of :meth:`settle`, and not if :meth:`admit` raised a SendError. Must not
        raise.
        """

    def foresee(self, message: Message, *, now: datetime) -> Foresight:
        """Return what :meth:`admit` would do with ``message`` at the time ``now``.

        A gate whose :meth:`admit` takes a place overrides this, and only reads::

            problem = self._problem(message)  # admit() calls this too, and raises the problem or takes a place
            if problem is not None:
                return self._would_refuse(problem, message)
            return self._would_pass(message, "has a place", now=now)
        """
        flow = self._judge(message)
        try:
            run = Driven(flow)
            while isinstance(run.step, Call):
                run.perform(run.step.function, *run.step.args)
        finally:
            flow.close()
        if run.step is not None:
            return self._would_pass(message, "has to ask a service first", now=now)
        verdict = run.value
        if not isinstance(verdict, Message):
            return refusal(self, verdict)
        changed = [
            attribute.name
            for attribute in fields(message)
            if getattr(message, attribute.name) != getattr(verdict, attribute.name)
        ]
        return self._would_pass(verdict, f"sets {', '.join(changed)}" if changed else "lets it through", now=now)

    def carry(self, batch: Batch) -> Flow[None]:
        places = [_Place(message) for message in batch.messages]
        try:
            try:
                yield from self._send_admitted(batch, places)
            finally:
                self._leave(batch, places)
        finally:
            self._leave(batch, places)

    def _send_admitted(self, batch: Batch, places: Sequence[_Place]) -> Flow[None]:
        admitted: dict[int, Message] = {}
        for row, place in enumerate(places):
            place.open = True
            verdict = yield from self._judge(place.message, verification=batch.verification)
            if isinstance(verdict, Message):
                place.admitted, admitted[row] = True, verdict
            else:
                place.open = False
                batch.fail(row, verdict)
        for row in admitted:
            places[row].left = True
        batch.take((yield from batch.through(self.inner, list(admitted), admitted)))
        batch.give_up(admitted)

    def _leave(self, batch: Batch, places: Sequence[_Place]) -> None:
        """Settle the open texts. Called twice, since the first call may be interrupted at any moment."""
        for row, place in enumerate(places):
            if place.open:
                if place.admitted:
                    ended = batch.known(row)
                    self.settle(place.message, cancelled(left=place.left) if ended is None else _ending(ended))
                else:
                    self.give_back(place.message)
                place.open = False

    def _judge(self, message: Message, *, verification: bool = False) -> Flow[Message | SendError]:
        """Return the text that goes on, or the error that stops it; a failure of :meth:`admit` stops it too."""
        error: SendError
        try:
            asking = self.admit(message, verification=verification)
            admitted = (yield from asking) if isinstance(asking, Generator) else None
        except SendError as refusal:
            error = refusal
        # Nothing was sent yet. The error's words may quote anything.
        except Exception as bug:  # noqa: BLE001
            self.give_back(message)
            error = bug_of(bug, self.name)
        else:
            if isinstance(admitted, Message):
                return admitted
            self.give_back(message)
            problem = f"returned {kind_of(admitted)}, not the Message that goes on"
            if not isinstance(asking, Generator):
                problem = "is no flow: it needs a yield, such as `yield from ()`"
            words = f"policy {self.name} failed before anything was sent"
            error = ProviderBugError(words, detail=f"admit() {problem}")
        return own(error, self, message)


class _Place:
    """A text that a gate judges or has admitted, until it is settled."""

    __slots__ = ("admitted", "left", "message", "open")

    def __init__(self, message: Message) -> None:
        self.message = message
        self.open = False
        self.admitted = False
        self.left = False
        """Whether it may have left."""


def _ending(result: Result) -> Ending:
    return result.sent or result.error or UncertainError()
