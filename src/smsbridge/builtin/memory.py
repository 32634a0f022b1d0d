"""A provider that keeps texts in memory, for tests. It has all capabilities, and tests can script outcomes."""

from __future__ import annotations

import copy
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from threading import Lock
from typing import ClassVar

from pydantic import Field, PrivateAttr

from smsbridge.errors import NotFoundError, SendError, UncertainError
from smsbridge.flow import Flow
from smsbridge.forks import fresh_lock
from smsbridge.hookspecs import hookimpl
from smsbridge.messages import (
    Balance,
    DeliveryReport,
    Message,
    Result,
    SentMessage,
    Status,
    Verification,
    VerificationCheck,
)
from smsbridge.provider import OPTIONAL_FIELDS, SmsProvider


@dataclass(slots=True)
class _Shelf:
    """The texts, codes and scripted outcomes that a memory provider keeps, and the lock that protects them."""

    lock: Lock = field(default_factory=fresh_lock)
    sent: list[tuple[Message, SentMessage]] = field(default_factory=list)
    outcomes: dict[str, SendError | Status] = field(default_factory=dict)
    codes: dict[str, str] = field(default_factory=dict)


class MemoryProvider(SmsProvider):
    """Keeps texts and one-time codes in memory, up to ``capacity`` of each; the oldest are dropped first.

    ``script(number, outcome)`` sets the outcome of later texts to this number. A SendError is raised when such a text
    is sent. A Status is what a later call of ``status`` reports (default: delivered). For an UncertainError the text is
    kept, as if only the answer of the vendor was lost.
    """

    name = "memory"
    stub = True
    supports = frozenset(OPTIONAL_FIELDS)
    verification_supports = supports
    batch_size: ClassVar[int] = 100

    capacity: int = Field(default=10_000, ge=1)

    _shelf: _Shelf = PrivateAttr(default_factory=_Shelf)

    def send(self, message: Message) -> Flow[SentMessage]:
        yield from ()
        return self._keep(message)

    def send_batch(self, messages: Sequence[Message]) -> Flow[list[Result]]:
        yield from ()
        results = []
        for index, message in enumerate(messages):
            try:
                results.append(Result(index=index, message=message, sent=self._keep(message)))
            except SendError as error:
                results.append(Result(index=index, message=message, error=error))
        return results

    def status(self, sent: SentMessage) -> Flow[DeliveryReport]:
        yield from ()
        with self._shelf.lock:
            for message, kept in self._shelf.sent:
                if kept.id == sent.id:
                    outcome = self._shelf.outcomes.get(message.to)
                    status = outcome if isinstance(outcome, Status) else Status.DELIVERED
                    return DeliveryReport(
                        account=self.account,
                        provider=self.name,
                        id=kept.id,
                        to=kept.to,
                        reference=kept.reference,
                        status=status,
                        final=status.final,
                        at=datetime.now(UTC),
                        key=f"{kept.id}:{status}",
                    )
        raise NotFoundError

    def lookup(self, reference: str) -> Flow[SentMessage | None]:
        yield from ()
        with self._shelf.lock:
            return next((kept for _, kept in self._shelf.sent if kept.reference == reference), None)

    def balance(self) -> Flow[list[Balance]]:
        yield from ()
        return [Balance(service="memory", amount=Decimal(self.capacity - len(self._shelf.sent)), unit="texts")]

    def start_verification(self, message: Message) -> Flow[Verification]:
        yield from ()
        code = f"{secrets.randbelow(10**6):06}"
        text = message.text.replace("{code}", code) if message.text else f"Your code is {code}"
        sent = self._keep(replace(message, text=text))
        with self._shelf.lock:
            self._shelf.codes[sent.id] = code
            if len(self._shelf.codes) > self.capacity:
                del self._shelf.codes[next(iter(self._shelf.codes))]
        return Verification(
            account=self.account,
            provider=self.name,
            id=sent.id,
            to=message.to,
            reference=sent.reference,
            expires_at=message.valid_until or datetime.now(UTC) + timedelta(minutes=10),
        )

    def check_verification(self, verification: Verification, code: str) -> Flow[VerificationCheck]:
        yield from ()
        with self._shelf.lock:
            right = self._shelf.codes.get(verification.id)
            if right is None:
                return VerificationCheck(approved=False, reason="unknown")
            if not secrets.compare_digest(right.encode(), code.encode()):
                return VerificationCheck(approved=False, reason="wrong-code")
            del self._shelf.codes[verification.id]
        return VerificationCheck(approved=True)

    def cancel_verification(self, verification: Verification) -> Flow[None]:
        yield from ()
        with self._shelf.lock:
            if self._shelf.codes.pop(verification.id, None) is None:
                raise NotFoundError

    # --- for tests ----------------------------------------------------------------------------------------------------

    @property
    def sent(self) -> list[Message]:
        """The texts that were accepted or whose scripted outcome is uncertain, the oldest first."""
        with self._shelf.lock:
            return [message for message, _ in self._shelf.sent]

    def script(self, number: str, outcome: SendError | Status) -> None:
        """Set the outcome of all later texts to ``number`` (E.164): a SendError to raise, or a Status to report."""
        with self._shelf.lock:
            self._shelf.outcomes[number] = outcome

    def clear(self) -> None:
        """Forget all texts, codes and scripted outcomes."""
        with self._shelf.lock:
            self._shelf.sent.clear()
            self._shelf.outcomes.clear()
            self._shelf.codes.clear()

    def _keep(self, message: Message) -> SentMessage:
        with self._shelf.lock:
            outcome = self._shelf.outcomes.get(message.to)
            if isinstance(outcome, SendError) and not isinstance(outcome, UncertainError):
                raise _fresh(outcome)
            sent = self.accepted(message, id=f"memory-{message.reference}", status=Status.SENT)
            self._shelf.sent.append((message, sent))
            del self._shelf.sent[: -self.capacity]
        if isinstance(outcome, UncertainError):
            raise _fresh(outcome)
        return sent


def _fresh(error: SendError) -> SendError:
    """A copy of ``error`` for a message: errors carry the message's reference."""
    return copy.copy(error)


@hookimpl
def smsbridge_providers() -> list[type[SmsProvider]]:
    return [MemoryProvider]
