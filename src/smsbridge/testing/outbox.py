"""The outbox: the application's code runs as in production, and only the wire is replaced.

While an Outbox is active, every client (also a client made before, and the client behind ``smsbridge.send``) normalises
numbers, calls hooks, finds its account and provider, and lets the provider render the text, all as in production. At
the provider's first request, or at any other step that sends, the outbox closes the provider's flow and decides the
outcome: accepted, unless the test scripted another outcome for the number. Nothing leaves the process. If the first
request is a preliminary request, such as a request for a token, rendering ends there: the text counts as sent, and its
``request`` is None.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from copy import copy
from datetime import UTC, datetime
from decimal import Decimal
from types import TracebackType
from typing import Any, Literal, Self, overload

from smsbridge.base_client import BaseClient
from smsbridge.client import client as shared_client
from smsbridge.composite import account_names, each, inside, vendor_inside
from smsbridge.errors import NotFoundError, SendError, UncertainError
from smsbridge.forks import fresh_rlock
from smsbridge.http import HttpRequest
from smsbridge.messages import (
    Balance,
    DeliveryReport,
    Event,
    InboundMessage,
    Message,
    SentMessage,
    Status,
    Verification,
    VerificationCheck,
)
from smsbridge.phone import to_e164
from smsbridge.provider import SmsProvider, vendor_of
from smsbridge.rehearsal import Question

from .applications import Application
from .interception import Interception
from .played_vendor import PlayedVendor
from .posted import Posted, table

Outcome = SendError | type[SendError] | Status


class Outbox(Sequence[Posted]):
    """Hold the texts that were sent while the outbox is active: a sequence of :class:`Posted`, oldest first.

    The sequence contains accepted texts and texts whose scripted outcome is uncertain; ``refused`` contains texts whose
    scripted outcome is a refusal. Use the fixture ``sms_outbox``, or ``with Outbox() as outbox:`` without pytest.
    """

    def __init__(self) -> None:
        self._lock = fresh_rlock()
        self._interceptions: list[Interception] = []
        self._known: dict[str, Posted] = {}
        self._outcomes: dict[str, list[Outcome]] = {}
        self._reported: dict[str, Status] = {}
        self._codes: dict[str, str] = {}
        self._count = 0
        self.refused: list[Posted] = []
        """Texts that were refused because the test scripted a refusal."""
        self.balances = [Balance(service="outbox", amount=Decimal(1000), unit="credits")]
        """The balances that ``balance()`` returns; change it as your test needs."""
        self._sent: list[Posted] = []
        self._vendor = PlayedVendor()

    # --- sent texts ---------------------------------------------------------------------------------------------------

    @property
    def messages(self) -> list[Posted]:
        """Return the texts that were sent, or may have been sent, oldest first."""
        with self._lock:
            return list(self._sent)

    @property
    def last(self) -> Posted:
        """Return the newest text. Raises AssertionError if no text was sent."""
        messages = self.messages
        assert messages, "nothing was sent"
        return messages[-1]

    def to(self, number: str) -> list[Posted]:
        """Return the texts to ``number``, a number with country code in any spelling."""
        e164 = to_e164(number)
        return [posted for posted in self.messages if posted.to == e164]

    def code(self, number: str) -> str:
        """Return the newest one-time code that was sent to ``number``. Raises AssertionError if there is none."""
        codes = [posted.code for posted in self.to(number) if posted.code]
        assert codes, f"no one-time code was sent to {number}\n{self}"
        return codes[-1]

    def __len__(self) -> int:
        return len(self.messages)

    @overload
    def __getitem__(self, index: int) -> Posted: ...
    @overload
    def __getitem__(self, index: slice) -> list[Posted]: ...
    def __getitem__(self, index: int | slice) -> Posted | list[Posted]:
        return self.messages[index]

    def __iter__(self) -> Iterator[Posted]:
        return iter(self.messages)

    def __eq__(self, other: object) -> bool:
        """Whether the outbox equals a list of ``(number, text)`` pairs."""
        if isinstance(other, list | tuple):
            return self.pairs == [tuple(pair) if isinstance(pair, list) else pair for pair in other]
        return self is other

    __hash__ = None  # type: ignore[assignment]  # it changes

    @property
    def pairs(self) -> list[tuple[str, str]]:
        """Return the sent texts as pairs of ``(number, text)``."""
        return [(posted.to, posted.text) for posted in self.messages]

    def __str__(self) -> str:
        return table(self.messages, self.refused)

    __repr__ = __str__

    def clear(self) -> None:
        """Forget all texts, codes, reports and scripted outcomes."""
        with self._lock:
            for memory in (self._sent, self.refused, self._known, self._outcomes, self._reported, self._codes):
                memory.clear()

    # --- scripted outcomes --------------------------------------------------------------------------------------------

    def script(self, number: str, *outcomes: Outcome) -> None:
        """Set the outcomes of the next texts to ``number``, in order; the last outcome holds for all later texts.

        A RefusedError or UncertainError (or its class) is raised; after an UncertainError, the text is in the outbox,
        and ``lookup`` finds it. A Status means accepted, and ``status`` reports it afterwards (default: delivered).
        """
        if not outcomes:
            raise TypeError("script() needs at least one outcome")
        for outcome in outcomes:
            kind = outcome if isinstance(outcome, type) else type(outcome)
            if not issubclass(kind, SendError | Status):
                raise TypeError(
                    f"an outcome must be a RefusedError, an UncertainError or a Status, not {kind.__name__}"
                )
        with self._lock:
            self._outcomes[to_e164(number)] = list(outcomes)

    # --- webhooks -----------------------------------------------------------------------------------------------------

    def through(self, app: Application, path: str = "/sms/{account}") -> None:
        """Deliver reports and inbound texts to ``app`` from now on, by webhooks that this outbox signs.

        ``app`` is an ASGI or WSGI application (FastAPI, Flask, Django, ...), or the test client of Django or Starlette.
        ``path`` is the path at which the application takes webhooks; ``{account}`` in it stands for the account.
        """
        self._vendor.through(app, path)

    def deliver_report(self, sent: Posted | SentMessage, status: Status, **fields: Any) -> DeliveryReport:
        """Report ``status`` for the text ``sent``, as the vendor would. Repeat the call for a repeated or late report.

        ``fields`` are further fields of the report (``code``, ``reason``, ...). The webhook goes through the
        application that was given to :meth:`through`; if the application does not answer 2xx, AssertionError is raised.
        Without an application, the report goes to the client that sent the text, and errors of a hook are raised.
        """
        with self._lock:
            posted = self._known.get(sent.id)
            self._reported[sent.id] = status
        if posted is None:
            raise LookupError("this text is not in the outbox")
        report = _report(posted.sent, status, **fields)
        self._vendor.deliver(report, posted.client or shared_client())
        return report

    def deliver_text(
        self, from_: str, text: str, *, to: str | None = None, account: str | None = None, **fields: Any
    ) -> InboundMessage:
        """Deliver ``text`` as if the person with the number ``from_`` had sent it to us.

        The text comes in the way that :meth:`deliver_report` describes. ``to`` is our number or sender id, by default
        the sender of the newest text to this person. ``account`` is the account that gets the text, by default the
        account of that newest text. ``fields`` are further fields of the InboundMessage; two calls with the same ``id``
        deliver the same text twice. Without an application, the text goes to the client that sent last, or to the
        shared client.
        """
        number, messages = to_e164(from_), self.messages
        before = next((posted for posted in reversed(messages) if posted.to == number), None)
        newest = before or (messages[-1] if messages else None)
        client = (newest.client if newest else None) or shared_client()
        if account is None:
            account = newest.account if newest else _first_account(client.provider)
        provider = vendor_inside(client.provider, account) if account in account_names(client.provider) else None
        if provider is None and not self._vendor.has_application:
            raise LookupError(f"the client has no account {account!r}")
        with self._lock:
            self._count += 1
            id_ = fields.pop("id", f"outbox-text-{self._count}")
        default = getattr(provider, "sender", None)
        shown = (before.sender if before else None) or (default if isinstance(default, str) else "")
        event = InboundMessage(
            **{
                "account": account,
                # The application's client may be another one, which then says what its provider is.
                "provider": provider.name if provider is not None else "",
                "id": id_,
                "sender": number,
                "to": shown if to is None else to,
                "text": text,
                "at": datetime.now(UTC),
                "key": id_,
                **fields,
            }
        )
        self._vendor.deliver(event, client)
        return event

    # --- assertions ---------------------------------------------------------------------------------------------------

    @overload
    def assert_sent(  # pyright: ignore[reportOverlappingOverload]  # a literal 0 is an int as well
        self,
        *,
        to: str | None = None,
        text: str | None = None,
        contains: str | None = None,
        count: Literal[0],
        **fields: Any,
    ) -> None: ...
    @overload
    def assert_sent(
        self,
        *,
        to: str | None = None,
        text: str | None = None,
        contains: str | None = None,
        count: int | None = None,
        **fields: Any,
    ) -> Posted: ...
    def assert_sent(
        self,
        *,
        to: str | None = None,
        text: str | None = None,
        contains: str | None = None,
        count: int | None = None,
        **fields: Any,
    ) -> Posted | None:
        """Assert that a matching text (or exactly ``count``) was sent; return the newest match, None for ``count=0``.

        ``to`` is a number with country code, ``text`` the whole text, ``contains`` a part of it; ``fields`` are other
        attributes of :class:`Posted` (``sender="ACME"``, ``account="otp"``, ...).
        """
        __tracebackhide__ = True
        wanted = {"to": None if to is None else to_e164(to), "text": text, "contains": contains}
        wanted = {name: value for name, value in wanted.items() if value is not None} | fields
        found = [posted for posted in self.messages if _matches(posted, wanted)]
        ok = bool(found) if count is None else len(found) == count
        if not ok:
            expected = "a text" if count is None else f"{count} text{'' if count == 1 else 's'}"
            what = "".join(f", {name} {value!r}" for name, value in wanted.items())
            raise AssertionError(f"expected {expected}{what}; {len(found)} of these were sent:\n{self}")
        return found[-1] if found else None

    def assert_nothing_sent(self) -> None:
        """Assert that no text was sent or may have been sent."""
        __tracebackhide__ = True
        if self.messages:
            raise AssertionError(f"expected no text:\n{self}")

    # --- activation ---------------------------------------------------------------------------------------------------

    def __enter__(self) -> Self:
        self._interceptions.append(Interception(self).__enter__())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._interceptions.pop().__exit__()

    # --- in place of the wire -----------------------------------------------------------------------------------------

    def take(
        self,
        provider: SmsProvider,
        messages: Sequence[Message],
        request: HttpRequest | None,
        kind: type[Any],
        client: BaseClient[Any] | None = None,
    ) -> list[Posted]:
        """Take ``messages`` in place of the vendor. smsbridge calls this method; a test does not."""
        code = kind is Verification
        with self._lock:
            return [self._take(provider, message, request, client, code=code) for message in messages]

    def knows(self, id: str) -> bool:
        """Return whether a text with this id was taken. smsbridge calls this method; a test does not."""
        return id in self._known

    def brought(self, webhook: HttpRequest) -> Sequence[Event] | None:
        """Read a webhook that this outbox made. smsbridge calls this method; a test does not."""
        return self._vendor.events(webhook)

    def answer(self, question: Question, provider: SmsProvider, *about: Any) -> Any:
        """Answer the question of a client in place of the vendor. smsbridge calls this method; a test does not."""
        return getattr(self, f"_{question}")(provider, *about)

    def _take(
        self,
        provider: SmsProvider,
        message: Message,
        request: HttpRequest | None,
        client: BaseClient[Any] | None,
        *,
        code: bool,
    ) -> Posted:
        outcomes = self._outcomes.get(message.to, [])
        outcome = (outcomes.pop(0) if len(outcomes) > 1 else outcomes[0]) if outcomes else None
        error = outcome() if isinstance(outcome, type) else copy(outcome) if isinstance(outcome, SendError) else None
        self._count += 1
        sent = provider.accepted(message, id=f"outbox-{self._count}", status=Status.QUEUED)
        posted = Posted(
            message=message,
            account=provider.account,
            provider=provider.name,
            request=request,
            sent=sent,
            error=error,
            code=f"{(self._count * 7919 + 123456) % 10**6:06}" if code else None,
            client=client,
        )
        if error is not None and not isinstance(error, UncertainError):
            self.refused.append(posted)
            return posted
        if isinstance(outcome, Status):
            self._reported[sent.id] = outcome
        if posted.code is not None:
            self._codes[sent.id] = posted.code
        self._known[sent.id] = posted
        self._sent.append(posted)
        return posted

    def _status(self, provider: SmsProvider, sent: SentMessage) -> DeliveryReport:
        with self._lock:
            posted = self._known.get(sent.id)
            status = self._reported.get(sent.id, Status.DELIVERED)
        if posted is None:
            raise _not_found(provider)
        return _report(posted.sent, status)

    def _lookup(self, provider: SmsProvider, reference: str) -> SentMessage | None:
        found = [posted.sent for posted in self.messages if posted.reference == reference]
        return found[-1] if found else None

    def _balance(self, provider: SmsProvider) -> list[Balance]:
        return list(self.balances)

    def _check_verification(self, provider: SmsProvider, verification: Verification, code: str) -> VerificationCheck:
        with self._lock:
            right = self._codes.get(verification.id)
            if right is None:
                return VerificationCheck(approved=False, reason="used" if verification.id in self._known else "unknown")
            if code.strip() != right:
                return VerificationCheck(approved=False, reason="wrong-code")
            del self._codes[verification.id]
        return VerificationCheck(approved=True)

    def _cancel_verification(self, provider: SmsProvider, verification: Verification) -> None:
        with self._lock:
            if self._codes.pop(verification.id, None) is None:
                raise _not_found(provider)


def _first_account(provider: SmsProvider) -> str:
    """The account of ``provider``, or the first one that it holds."""
    return next(held.account for held in each(provider) if not inside(held))


def _not_found(provider: SmsProvider) -> NotFoundError:
    return NotFoundError(account=provider.account, provider=vendor_of(provider))


def _report(sent: SentMessage, status: Status, **fields: Any) -> DeliveryReport:
    return DeliveryReport(
        **{
            "account": sent.account,
            "provider": sent.provider,
            "id": sent.id,
            "to": sent.to,
            "reference": sent.reference,
            "status": status,
            "final": status.final,
            "at": datetime.now(UTC),
            "key": f"{sent.id}:{status}",
            **fields,
        }
    )


def _matches(posted: Posted, wanted: Mapping[str, Any]) -> bool:
    return all(
        value in posted.text if name == "contains" else getattr(posted, name) == value for name, value in wanted.items()
    )
