"""Gate, the base of the policies that look at each text before it goes on."""

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
"""How a text that was admitted has ended: accepted, a code that was started, refused (RefusedError) or uncertain."""


class Gate(Policy):
    """Lets a text through, perhaps changed, or refuses it.

    :meth:`admit` says which. In a batch each text is judged alone, and all of them before the first is sent.

    A gate that remembers or counts texts takes in :meth:`admit`, gives back in :meth:`settle` and :meth:`give_back`,
    only looks in :meth:`foresee`, and has a method ``forget``. That is called on the copy that a rehearsal
    (``sms_outbox``, a dry run) makes: it gets a new memory in the place of the one that it shares, and opens no file::

        def forget(self, rehearsal):
            self._taken = {}
    """

    def admit(self, message: Message, *, verification: bool = False) -> Flow[Message]:
        """The text that goes on in the place of ``message``; raise a RefusedError to refuse it.

        After a SendError raised here neither :meth:`settle` nor :meth:`give_back` is called: raise before anything is
        taken. ``verification``: a one-time code of the vendor's.
        """
        yield from ()
        return message

    def settle(self, message: Message, ending: Ending) -> None:
        """``message``, which was admitted, has ended: ``ending`` is what was accepted, or why it was not.

        ``ending`` is a SentMessage, the Verification of a code, or a SendError. Give back on a RefusedError only: a
        text that ended with an UncertainError may have arrived.

        ``message`` is the very object that :meth:`admit` was given, so ``id(message)`` is a key of it until it has
        ended (later another may have the same). Called once for each admitted text, whatever happens; a second time
        only if an exception of a signal handler comes in between. Must not raise.
        """

    def give_back(self, message: Message) -> None:
        """What :meth:`admit` may have taken for ``message`` is to be given back, as it was interrupted or failed.

        Perhaps it had taken nothing yet. ``message`` is the very object that :meth:`admit` was given. Called instead of
        :meth:`settle`, and not where :meth:`admit` raised a SendError. Must not raise.
        """

    def foresee(self, message: Message, *, now: datetime) -> Foresight:
        """What :meth:`admit` says.

        A gate whose :meth:`admit` takes something overrides this, and only looks::

            problem = self._problem(message)  # admit() asks it too, and raises it or takes a place
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
            return self._would_pass(message, "has to ask somebody", now=now)
        verdict = run.value
        if not isinstance(verdict, Message):
            return refusal(self, verdict)
        changed = [one.name for one in fields(message) if getattr(message, one.name) != getattr(verdict, one.name)]
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
        """Settle what is not settled yet. Asked for twice, as the first time may be interrupted at whatever moment."""
        for row, place in enumerate(places):
            if place.open:
                if place.admitted:
                    ended = batch.known(row)
                    self.settle(place.message, cancelled(left=place.left) if ended is None else _ending(ended))
                else:
                    self.give_back(place.message)
                place.open = False

    def _judge(self, message: Message, *, verification: bool = False) -> Flow[Message | SendError]:
        """The text that goes on, or why it does not; where :meth:`admit` itself fails, it does not."""
        error: SendError
        try:
            asking = self.admit(message, verification=verification)
            admitted = (yield from asking) if isinstance(asking, Generator) else None
        except SendError as refusal:
            error = refusal
        except Exception as bug:  # noqa: BLE001  # nothing was sent yet; its text may quote anything
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
