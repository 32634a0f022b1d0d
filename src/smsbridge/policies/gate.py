"""Gate, the base of the policies that look at each text before it goes on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from smsbridge.attempts import Failure, Interrupted, attempt, attempt_all, attempt_verification, own
from smsbridge.errors import SendError, UnsupportedError
from smsbridge.http import Flow
from smsbridge.messages import Message, Result, SentMessage, Verification

from .outcomes import Tries
from .policy import Policy


class Gate(Policy):
    """Lets a text through, perhaps changed, or refuses it: :meth:`admit` says which. In a batch each text is judged alone."""

    def admit(self, message: Message, *, verification: bool = False) -> Flow[Message]:
        """The text that goes on in the place of ``message``; raise a SendError or UnsupportedError to refuse it."""
        yield from ()
        return message

    def dismiss(self, message: Message, error: Failure) -> None:
        """``message``, which was admitted, ended with ``error``: the place to give back what it had taken."""

    def send(self, message: Message) -> Flow[SentMessage]:
        return self._through(message, attempt, verification=False)

    def start_verification(self, message: Message) -> Flow[Verification]:
        return self._through(message, attempt_verification, verification=True)

    def send_batch(self, messages: Sequence[Message]) -> Flow[list[Result]]:
        tries = Tries(messages)
        admitted: dict[int, Message] = {}
        try:
            for row, message in enumerate(messages):
                try:
                    admitted[row] = yield from self.admit(message)
                except (SendError, UnsupportedError) as error:
                    tries.fail(row, own(error, self, message))
            answers = (yield from attempt_all(self.inner, list(admitted.values()))) if admitted else []
        except (Exception, GeneratorExit):
            raise
        except BaseException as stop:  # noqa: BLE001  # cancelled
            interrupted = tries.interrupted(stop, list(admitted) if isinstance(stop, Interrupted) else ())
            for row, message in admitted.items():
                self._dismiss(message, interrupted.results[row].error)
            raise interrupted from None
        for (row, message), answer in zip(admitted.items(), answers, strict=True):
            if answer.error is None:
                tries.accept(row, answer.sent)
            else:
                self._dismiss(message, answer.error)
                tries.fail(row, answer.error)
        return tries.in_order()

    def _through(self, message: Message, once: Callable[[Any, Message], Flow[Any]], *, verification: bool) -> Flow[Any]:
        try:
            admitted = yield from self.admit(message, verification=verification)
        except (SendError, UnsupportedError) as error:
            refusal = own(error, self, message)
        except (Exception, GeneratorExit):
            raise
        except BaseException as stop:  # noqa: BLE001  # cancelled before anything was sent
            raise Tries([message]).interrupted(stop) from None
        else:
            try:
                return (yield from once(self.inner, admitted))
            except Interrupted as stop:
                self._dismiss(admitted, stop.error)
                raise
            except (SendError, UnsupportedError) as error:
                self._dismiss(admitted, error)
                raise
        raise refusal

    def _dismiss(self, message: Message, error: Failure | None) -> None:
        if error is not None:
            self.dismiss(message, error)
