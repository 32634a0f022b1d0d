"""The outbox: an application's own pipeline runs, only the wire is replaced.

While an Outbox is active, every client (also one made before, and the one behind ``smsbridge.send``) normalises numbers, calls
hooks, finds its account and provider, and lets the provider render the text, all as in production. Where the provider
asks for its first request, or for anything else that sends, its flow is closed, and the outbox decides: accepted, unless
a test has scripted another outcome for the number. Nothing leaves the process: a request that has to come first, such as
one for a token, is where rendering ends; the text counts as sent, with ``request`` None.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import ExitStack
from copy import copy
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from functools import cache
from types import TracebackType
from typing import Any, Self, TypeVar, cast, overload
from unittest import mock

from smsbridge import client as clients
from smsbridge import sending
from smsbridge.client import AsyncSmsClient, SmsClient
from smsbridge.errors import NotConnected, NotFoundError, SendError, UncertainError
from smsbridge.http import Call, Flow, HttpRequest, Step, Wait
from smsbridge.messages import (
    Balance,
    DeliveryReport,
    Dlt,
    Message,
    Purpose,
    Result,
    SentMessage,
    Status,
    Verification,
    VerificationCheck,
)
from smsbridge.phone import to_e164
from smsbridge.plugins import Plugins, default_plugins
from smsbridge.provider import Capability, SmsProvider

from .table import table

T = TypeVar("T")
Outcome = SendError | type[SendError] | Status
_ANY: Any = object()


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Posted:
    """A text that came as far as the wire.

    ``request`` is the HTTP request that would have left, None for a provider without HTTP, or where another request would
    have had to come first. ``error`` is the scripted outcome, if there was one; ``code`` the one-time code, if it was one.
    """

    message: Message
    account: str
    provider: str
    request: HttpRequest | None = None
    sent: SentMessage
    error: SendError | None = None
    code: str | None = None
    plugins: Plugins | None = field(default=None, repr=False)

    @property
    def to(self) -> str:
        return self.message.to

    @property
    def text(self) -> str:
        return self.message.text

    @property
    def sender(self) -> str | None:
        return self.message.sender

    @property
    def purpose(self) -> Purpose:
        return self.message.purpose

    @property
    def reference(self) -> str:
        return self.sent.reference

    @property
    def id(self) -> str:
        return self.sent.id

    @property
    def send_at(self) -> datetime | None:
        return self.message.send_at

    @property
    def dlt(self) -> Dlt | None:
        return self.message.dlt

    @property
    def options(self) -> Mapping[str, Mapping[str, Any]]:
        return self.message.options


class _Post(Call[list[Posted]]):
    """The step that an outbox puts in the place of the one that sends; the client adds its plugins."""

    __slots__ = ()


class Outbox(Sequence[Posted]):
    """What was sent while it is active: a sequence of :class:`Posted`, oldest first.

    Accepted texts, and those whose scripted outcome is uncertain, are in it; ``refused`` holds those that were scripted
    to be refused. Use the fixture ``sms_outbox``, or ``with Outbox() as outbox:`` where there is no pytest.
    """

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._patches = ExitStack()
        self._known: dict[str, Posted] = {}
        self._outcomes: dict[str, list[Outcome]] = {}
        self._reported: dict[str, Status] = {}
        self._codes: dict[str, str] = {}
        self._count = 0
        self.refused: list[Posted] = []
        """Texts that were refused because a test had scripted it."""
        self.balances = [Balance(service="outbox", amount=Decimal(1000), unit="credits")]
        """What ``balance()`` answers; set it to what your test needs."""
        self._sent: list[Posted] = []

    # --- what was sent --------------------------------------------------------------------------------------------------

    @property
    def messages(self) -> list[Posted]:
        """The texts that were sent, or may have been, oldest first."""
        with self._lock:
            return list(self._sent)

    @property
    def last(self) -> Posted:
        """The newest text. AssertionError if there is none."""
        messages = self.messages
        assert messages, "nothing was sent"
        return messages[-1]

    def to(self, number: str) -> list[Posted]:
        """The texts to ``number``, written with its country code in any way."""
        e164 = to_e164(number)
        return [one for one in self.messages if one.to == e164]

    def code(self, number: str) -> str:
        """The newest one-time code to ``number``: what the person would read on the phone."""
        codes = [one.code for one in self.to(number) if one.code]
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
        """Equal to a list of ``(number, text)`` pairs that says the same."""
        if isinstance(other, list | tuple):
            return self.pairs == [tuple(one) if isinstance(one, list) else one for one in other]
        return self is other

    __hash__ = None  # type: ignore[assignment]  # it changes

    @property
    def pairs(self) -> list[tuple[str, str]]:
        """What was sent as ``(number, text)``."""
        return [(one.to, one.text) for one in self.messages]

    def __str__(self) -> str:
        return table(self.messages, self.refused)

    __repr__ = __str__

    def clear(self) -> None:
        """Forget all texts, codes, reports and scripted outcomes."""
        with self._lock:
            for one in (self._sent, self.refused, self._known, self._outcomes, self._reported, self._codes):
                one.clear()

    # --- what is to happen ----------------------------------------------------------------------------------------------

    def script(self, number: str, *outcomes: Outcome) -> None:
        """Decide what becomes of texts to ``number``, one outcome after the other; the last one stays.

        A RefusedError or UncertainError (or its class) is raised; after an uncertain one, the text is in the outbox and
        ``lookup`` finds it. A Status means accepted, and is what ``status`` reports afterwards (otherwise: delivered).
        """
        if not outcomes:
            raise TypeError("script() needs at least one outcome")
        for outcome in outcomes:
            kind = outcome if isinstance(outcome, type) else type(outcome)
            if not issubclass(kind, SendError | Status):
                raise TypeError(f"an outcome is a RefusedError, an UncertainError or a Status, not {kind.__name__}")
        with self._lock:
            self._outcomes[to_e164(number)] = list(outcomes)

    def deliver_report(self, sent: Posted | SentMessage, status: Status, **fields: Any) -> DeliveryReport:
        """Let the vendor report ``status``: calls the ``smsbridge_event`` hooks of the client that sent the text.

        ``fields`` are further fields of the report (``code``, ``reason``, ...). What a hook raises comes through.
        """
        with self._lock:
            posted = self._known.get(sent.id)
            self._reported[sent.id] = status
        if posted is None:
            raise LookupError("this text is not in the outbox")
        report = _report(posted.sent, status, **fields)
        (posted.plugins or default_plugins()).event(report.account, report.provider, report)
        return report

    # --- what should have happened --------------------------------------------------------------------------------------

    def assert_sent(
        self,
        *,
        to: str | None = None,
        text: str | None = None,
        contains: str | None = None,
        count: int | None = None,
        **fields: Any,
    ) -> Posted:
        """Assert that a text was sent (``count``: so many), and return the newest of them.

        ``to`` is a number with country code, ``text`` the whole text, ``contains`` a part of it; ``fields`` are other
        attributes of :class:`Posted` (``sender="ACME"``, ``account="otp"``, ...).
        """
        __tracebackhide__ = True
        wanted = {"to": None if to is None else to_e164(to), "text": text, "contains": contains}
        wanted = {name: value for name, value in wanted.items() if value is not None} | fields
        found = [one for one in self.messages if _matches(one, wanted)]
        ok = bool(found) if count is None else len(found) == count
        if not ok:
            expected = "a text" if count is None else f"{count} text{'' if count == 1 else 's'}"
            what = "".join(f", {name} {value!r}" for name, value in wanted.items())
            raise AssertionError(f"expected {expected}{what}; {len(found)} of these were sent:\n{self}")
        return found[-1] if found else _ANY

    def assert_nothing_sent(self) -> None:
        """Assert that no text was sent, nor may have been."""
        __tracebackhide__ = True
        if self.messages:
            raise AssertionError(f"expected that nothing is sent:\n{self}")

    # --- being active ---------------------------------------------------------------------------------------------------

    def __enter__(self) -> Self:
        shared = cache(lambda: SmsClient())
        self._patches.enter_context(mock.patch.object(clients, "_shared_client", shared))
        self._patches.callback(lambda: shared.cache_info().currsize and shared().close())
        guard = sending._guard  # noqa: SLF001  # the one place through which all sends go, also inside wrappers
        self._patches.enter_context(mock.patch.object(sending, "_guard", self._guarding(guard)))
        for kind in (SmsClient, AsyncSmsClient):
            self._patches.enter_context(mock.patch.object(kind, "_perform", self._performing(kind)))
        for name, operation in self._answers().items():
            self._patches.enter_context(mock.patch.object(clients._Client, name, operation))  # noqa: SLF001
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._patches.close()

    def _guarding(self, guard: Callable[..., Flow[T]]) -> Callable[..., Flow[T]]:
        def guarded(
            provider: SmsProvider, start: Callable[[], Flow[T]], messages: Sequence[Message], kind: type[T]
        ) -> Flow[T]:
            return guard(provider, lambda: self._rendered(provider, start(), messages, kind), messages, kind)

        return guarded

    def _performing(self, kind: type[SmsClient | AsyncSmsClient]) -> Callable[..., Any]:
        """A client's way to do a step, without a wire. The post is done at once and by the client, whose plugins it needs."""
        perform: Callable[..., Any] = kind._perform  # noqa: SLF001

        def here(client: Any, step: Step[Any]) -> Any:
            if isinstance(step, _Post):
                return step.function(*step.args, client.plugins)
            if isinstance(step, HttpRequest):
                raise NotConnected("sms_outbox lets nothing leave")
            return _ANY

        def blocking(client: SmsClient, step: Step[Any]) -> Any:
            answer = here(client, step)
            return perform(client, step) if answer is _ANY else answer

        async def awaited(client: AsyncSmsClient, step: Step[Any]) -> Any:
            answer = here(client, step)
            return await perform(client, step) if answer is _ANY else answer

        return awaited if kind is AsyncSmsClient else blocking

    # --- sending --------------------------------------------------------------------------------------------------------

    def _rendered(self, provider: SmsProvider, flow: Flow[T], messages: Sequence[Message], kind: type[T]) -> Flow[T]:
        """The provider's flow, up to where it would go to the wire; there the outbox takes the messages."""
        if not isinstance(flow, Generator):
            return flow  # the core says what is wrong with it
        return self._until_it_sends(provider, flow, messages, kind)

    def _until_it_sends(
        self, provider: SmsProvider, flow: Flow[T], messages: Sequence[Message], kind: type[T]
    ) -> Flow[T]:
        request: HttpRequest | None = None
        try:
            step = next(flow)
            while not (isinstance(step, HttpRequest | _Post) or getattr(step, "sends", False)):
                try:
                    answer = None if isinstance(step, Wait) else (yield step)
                except GeneratorExit:
                    raise
                except BaseException as error:  # noqa: BLE001  # it belongs to the flow
                    step = flow.throw(error)
                else:
                    step = flow.send(answer)
            if isinstance(step, _Post):  # of an attempt inside this one
                return (yield from _pass_on(flow, step))
            if isinstance(step, HttpRequest) and step.sends:
                request = step
        except StopIteration as stop:
            if self._is_known(stop.value):
                return cast("T", stop.value)
            if isinstance(stop.value, list) and any(one.error is not None for one in stop.value):
                refused = {one.index: one for one in stop.value if one.error is not None}
                return (yield from self._post_rows(provider, messages, refused))  # type: ignore[return-value]
        finally:
            flow.close()
        if kind is list:
            return (yield from self._post_rows(provider, messages, {}, request))  # type: ignore[return-value]
        posted = yield from _Post(self._post, provider, messages, request, kind is Verification, sends=True)
        if posted[0].error is not None:
            raise posted[0].error
        return cast("T", _verification(posted[0]) if kind is Verification else posted[0].sent)

    def _post_rows(
        self,
        provider: SmsProvider,
        messages: Sequence[Message],
        refused: Mapping[int, Result],
        request: HttpRequest | None = None,
    ) -> Flow[list[Result]]:
        rest = [n for n in range(len(messages)) if n not in refused]
        posted = yield from _Post(self._post, provider, [messages[n] for n in rest], request, False, sends=True)
        results = dict(refused)
        for n, one in zip(rest, posted, strict=True):
            sent = None if one.error is not None else one.sent
            results[n] = Result(index=n, message=messages[n], sent=sent, error=one.error)
        return [results[n] for n in range(len(messages))]

    def _is_known(self, value: object) -> bool:
        """Whether a flow that ended without sending had an attempt inside that did."""
        if isinstance(value, list):
            return any(isinstance(one, Result) for one in value) and all(
                one.sent is None or one.sent.id in self._known for one in value if isinstance(one, Result)
            )
        return isinstance(value, SentMessage | Verification) and value.id in self._known

    def _post(
        self,
        provider: SmsProvider,
        messages: Sequence[Message],
        request: HttpRequest | None,
        verification: bool,  # noqa: FBT001
        plugins: Plugins | None = None,
    ) -> list[Posted]:
        """Take the messages as they would have left."""
        with self._lock:
            return [self._take(provider, message, request, verification, plugins) for message in messages]

    def _take(
        self,
        provider: SmsProvider,
        message: Message,
        request: HttpRequest | None,
        verification: bool,  # noqa: FBT001
        plugins: Plugins | None,
    ) -> Posted:
        outcomes = self._outcomes.get(message.to, [])
        outcome = (outcomes.pop(0) if len(outcomes) > 1 else outcomes[0]) if outcomes else None
        error = outcome() if isinstance(outcome, type) else copy(outcome) if isinstance(outcome, SendError) else None
        self._count += 1
        sent = provider.accepted(message, id=f"outbox-{self._count}", status=Status.QUEUED)
        code = f"{(self._count * 7919 + 123456) % 10**6:06}" if verification else None
        posted = Posted(
            message=message,
            account=provider.account,
            provider=provider.name,
            request=request,
            sent=sent,
            error=error,
            code=code,
            plugins=plugins,
        )
        if error is not None and not isinstance(error, UncertainError):
            self.refused.append(posted)
            return posted
        if isinstance(outcome, Status):
            self._reported[sent.id] = outcome
        if code is not None:
            self._codes[sent.id] = code
        self._known[sent.id] = posted
        self._sent.append(posted)
        return posted

    # --- questions ------------------------------------------------------------------------------------------------------

    def _answers(self) -> dict[str, Callable[..., Flow[Any]]]:
        """The clients' ways to ask, by the name of the method, answered from here as far as the provider has them."""
        outbox = self

        def asking(name: str, capability: Capability, answer: Callable[..., Any]) -> Callable[..., Flow[Any]]:
            original: Callable[..., Flow[Any]] = getattr(clients._Client, name)  # noqa: SLF001

            def asked(client: Any, *arguments: Any) -> Flow[Any]:
                if capability not in client.provider.capabilities:
                    return (yield from original(client, *arguments))
                return answer(outbox, client, *arguments)

            return asked

        return {
            "_status": asking("_status", Capability.STATUS, Outbox._status),
            "_lookup": asking("_lookup", Capability.LOOKUP, Outbox._lookup),
            "_balance": asking("_balance", Capability.BALANCE, Outbox._balance),
            "_check_verification": asking("_check_verification", Capability.VERIFICATION, Outbox._check),
            "_cancel_verification": asking("_cancel_verification", Capability.CANCEL_VERIFICATION, Outbox._cancel),
        }

    def _status(self, client: Any, sent: SentMessage | str, account: str | None) -> DeliveryReport:
        id = sent if isinstance(sent, str) else sent.id  # noqa: A001
        client._check_account(account or client.provider.account if isinstance(sent, str) else sent.account)  # noqa: SLF001
        with self._lock:
            posted = self._known.get(id)
            status = self._reported.get(id, Status.DELIVERED)
        if posted is None:
            raise NotFoundError(account=client.provider.account, provider=client.provider.name)
        return _report(posted.sent, status)

    def _lookup(self, client: Any, reference: str) -> SentMessage | None:
        found = [one.sent for one in self.messages if one.reference == reference]
        return found[-1] if found else None

    def _balance(self, client: Any) -> list[Balance]:
        return list(self.balances)

    def _check(
        self, client: Any, verification: Verification | str, code: str, account: str | None
    ) -> VerificationCheck:
        id = client._verification(verification, account).id  # noqa: A001, SLF001
        with self._lock:
            right = self._codes.get(id)
            if right is None:
                return VerificationCheck(approved=False, reason="used" if id in self._known else "unknown")
            if code.strip() != right:
                return VerificationCheck(approved=False, reason="wrong-code")
            del self._codes[id]
        return VerificationCheck(approved=True)

    def _cancel(self, client: Any, verification: Verification | str, account: str | None) -> None:
        id = client._verification(verification, account).id  # noqa: A001, SLF001
        with self._lock:
            if self._codes.pop(id, None) is None:
                raise NotFoundError(account=client.provider.account, provider=client.provider.name)


def _pass_on(flow: Flow[T], step: Step[Any]) -> Flow[T]:
    """The rest of ``flow``, of which ``step`` is still to be done."""
    try:
        while True:
            try:
                answer = yield step
            except GeneratorExit:
                raise
            except BaseException as error:  # noqa: BLE001  # it belongs to the flow
                step = flow.throw(error)
            else:
                step = flow.send(answer)
    except StopIteration as stop:
        return cast("T", stop.value)


def _verification(posted: Posted) -> Verification:
    return Verification(
        account=posted.account,
        provider=posted.provider,
        id=posted.id,
        to=posted.to,
        reference=posted.reference,
        expires_at=posted.message.valid_until,
    )


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
