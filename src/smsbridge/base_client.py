"""BaseClient: the code that SmsClient and AsyncSmsClient share, which is all but the transport. No I/O of its own."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, Generic, ParamSpec, TypeVar, cast

from . import under_test
from .attempts import prepare, query
from .composite import Recording, account_names, each, inside, observe
from .deadline import Stopped, end
from .environment import variable
from .errors import ConfigurationError, NotAllowed, NotConnected, QueryError, RefusedError, unsent
from .flow import Flow, Step, Wait
from .forks import fresh_lock
from .history import History, TextFilters, TextRecord, Wanted
from .http import HttpRequest
from .logs import logger
from .many import Job, Sender, not_prepared
from .messages import (
    Balance,
    DeliveryReport,
    Message,
    Received,
    Result,
    SentMessage,
    Status,
    Verification,
    VerificationCheck,
)
from .phone import to_e164
from .plain import kind_of
from .plugins import Plugins, default_plugins
from .privacy import own
from .provider import SmsProvider, title_of, vendor_of
from .quoting import Private
from .receiving import receive
from .rehearsal import Question, leaves, newest
from .sending import deliver, deliver_rows, deliver_verification
from .settings import Settings
from .snapshot import Reading
from .urls import is_loopback
from .values import State

T = TypeVar("T")
W = TypeVar("W")
"""The kind of transport."""
P = ParamSpec("P")
S = TypeVar("S")
E = TypeVar("E", bound=StrEnum)
PAGE = 500
"""The number of texts that ``texts()`` reads from the ledger at once."""
_log = logger("smsbridge")
AS_SET = -1.0
"""The time limit of a call, in seconds, that stands for the limit in the settings."""


class BaseClient(Generic[W]):
    """The base class of SmsClient and AsyncSmsClient. It makes flows, which the two clients run with a transport ``W``.

    A flow is a generator that asks for requests and other steps, and does no I/O itself.
    """

    _connected: W | None = None
    """The transport that the client itself made."""

    def __init__(
        self,
        provider: SmsProvider | str | None = None,
        *,
        settings: Settings | None = None,
        plugins: Plugins | None = None,
        transport: W | None = None,
        environ: Mapping[str, str | None] | None = None,
    ) -> None:
        self._transport = transport
        reading = Reading(environ)
        # The frames of a traceback should hold no token.
        del environ
        reading.run(lambda: self._make(provider, settings, plugins))

    def _make(self, provider: SmsProvider | str | None, settings: Settings | None, plugins: Plugins | None) -> None:
        self.settings = Settings.from_env() if settings is None else settings
        self.plugins = default_plugins() if plugins is None else plugins
        if not isinstance(provider, SmsProvider):
            provider = self.plugins.stack(provider or self.settings.provider)
        self.settings.refuse_unfit(provider)
        if any(len(inside(held)) > 1 for held in each(provider)):
            from .policies.members import say_what_differs

            say_what_differs(provider)
        self._provider: SmsProvider = provider
        self._closed = False
        self._lock = fresh_lock()

    @property
    def provider(self) -> SmsProvider:
        """The provider that this client sends through.

        In a rehearsal, such as the fixture ``sms_outbox``, this is a stand-in, which has a separate memory and sends
        nothing.
        """
        rehearsal = newest()
        return self._provider if rehearsal is None else rehearsal.provider(self._provider)

    def __repr__(self) -> str:
        # The constructor failed, and a traceback may show this.
        if "_provider" not in vars(self):
            return f"<{type(self).__name__} without a provider>"
        kind, _, name = title_of(self.provider).partition(" ")
        vendors = [f"{provider.account} ({provider.name})" for provider in each(self.provider) if not inside(provider)]
        through = f" over {', '.join(vendors)}" if kind == "policy" else ""
        return f"<{type(self).__name__} of account {self.provider.account!r}, {kind} {name!r}{through}>"

    def _prepare(self, message: Message | Exception) -> Message:
        if isinstance(message, Exception):
            raise message
        try:
            return prepare(message, self.settings.default_region)
        except RefusedError as error:
            error.account, error.provider = self.provider.account, vendor_of(self.provider)
            raise

    def _send(self, message: Message | Exception) -> Flow[SentMessage]:
        return deliver(self.plugins, self.provider, self._prepare(message))

    def _try_send(self, message: Message | Exception) -> Flow[Result]:
        try:
            job = Result(index=0, message=self._prepare(message))
        except RefusedError as error:
            return not_prepared(0, cast("Message", message), error)
        landed: list[Result] = []
        yield from self._job([job], landed)
        return landed[0]

    def _start_verification(self, message: Message | Exception) -> Flow[Verification]:
        return deliver_verification(self.plugins, self.provider, self._prepare(message))

    def _status(self, sent: SentMessage | str, account: str | None) -> Flow[DeliveryReport]:
        if isinstance(sent, str):
            sent = SentMessage(account=account or self.provider.account, provider=vendor_of(self.provider), id=sent)
        if not isinstance(sent, SentMessage):
            raise TypeError(f"status() takes the result of send(), or its id, not {kind_of(sent)}")
        self._check_account(sent.account)
        report: DeliveryReport = yield from self._ask(Question.STATUS, sent, hide=Private([], [sent.to]))
        return (yield from self._noted(report, sent))

    def _noted(self, report: DeliveryReport, sent: SentMessage) -> Flow[DeliveryReport]:
        """Have the policies take note of an answer about a text, as of a report that the vendor sends by itself."""
        known = report if report.reference else replace(report, reference=sent.reference)
        try:
            return cast("DeliveryReport", (yield from observe(self.provider, known)))
        except Exception as problem:  # noqa: BLE001  # the answer is there: what cannot be kept comes again
            _log.error("what became of a text is not kept: %s", type(problem).__name__)
            return report

    def _history(self, reference: str) -> Flow[History | None]:
        return self._recording().history(reference)

    def _texts(self, wanted: Wanted, after: int) -> Flow[list[tuple[int, TextRecord]]]:
        return self._recording().page(wanted, after=after, limit=PAGE)

    def _wanted(self, given: TextFilters) -> Wanted:
        """Which texts are asked for. Raises RecipientError, or TypeError and ValueError for what cannot be asked."""
        if unknown := sorted(given.keys() - TextFilters.__annotations__.keys()):
            raise TypeError(
                f"texts() has no filter {unknown[0]!r}; its filters are {', '.join(TextFilters.__annotations__)}"
            )
        to = given.get("to")
        return Wanted(
            statuses=_several(Status, given.get("status")),
            states=_several(State, given.get("state")),
            final=given.get("final"),
            within=_seconds_ago("since", given.get("since")),
            beyond=_seconds_ago("until", given.get("until")),
            account=given.get("account"),
            to=None if to is None else to_e164(to, self.settings.default_region),
        )

    def _recording(self) -> Recording:
        for policy in each(self.provider):
            if isinstance(policy, Recording):
                return policy
        store = variable(None, "store")
        raise ConfigurationError(f"this client has no ledger to read: set {store}, such as sqlite:///sms.db")

    def _lookup(self, reference: str) -> Flow[SentMessage | None]:
        return self._ask(Question.LOOKUP, reference)

    def _balance(self) -> Flow[list[Balance]]:
        return self._ask(Question.BALANCE)

    def _check_verification(
        self, verification: Verification | str, code: str, account: str | None
    ) -> Flow[VerificationCheck]:
        started = self._verification(verification, account)
        return self._ask(Question.CHECK_VERIFICATION, started, code, hide=Private([code], [started.to]))

    def _cancel_verification(self, verification: Verification | str, account: str | None) -> Flow[None]:
        started = self._verification(verification, account)
        return self._ask(Question.CANCEL_VERIFICATION, started, hide=Private([], [started.to]))

    def _verification(self, verification: Verification | str, account: str | None) -> Verification:
        if isinstance(verification, str):
            account = account or self.provider.account
            verification = Verification(account=account, provider=vendor_of(self.provider), id=verification)
        if not isinstance(verification, Verification):
            raise TypeError(f"give the result of start_verification(), or its id, not {kind_of(verification)}")
        self._check_account(verification.account)
        return verification

    def _check_account(self, account: str) -> None:
        if account not in account_names(self.provider):
            have = ", ".join(sorted(account_names(self.provider)))
            raise ConfigurationError(f"this client has no account {account!r}; its accounts are: {have}")

    def _ask(self, question: Question, *about: Any, hide: Private | None = None) -> Flow[Any]:
        """Ask the provider, unless a rehearsal answers instead."""
        provider, rehearsal = self.provider, newest()
        answer = rehearsal.answer(question, provider, about) if rehearsal is not None else None
        return self._query(lambda: getattr(provider, question)(*about), hide) if answer is None else answer

    def _query(self, start: Callable[[], Flow[T]], hide: Private | None) -> Flow[T]:
        """Ask the provider. A question that the client stops fails with a QueryError."""
        try:
            return (yield from query(self.provider, start, hide=hide))
        except Stopped as stop:
            late = stop.reason == "deadline"
            words = f"{stop.words} before the answer came"
            error = QueryError(words, reason=stop.reason, retry_after=stop.wait, retryable=late)
        raise own(error, self.provider, None)

    def _left(self, step: Step[Any], until: float | None) -> float:
        """Return the seconds left for ``step`` in a call that ends at ``until``. Raises Stopped if it may not begin."""
        if until is None:
            return math.inf
        if self._closed:
            raise Stopped("closed")
        left = until - time.monotonic()
        wait = step.seconds if isinstance(step, Wait) else None
        if left <= (wait or 0):
            raise Stopped("deadline", wait=wait)
        return left

    def _receive(self, webhook: HttpRequest, account: str | None) -> Flow[Received]:
        if account is not None:
            self._check_account(account)
        public_url = self.settings.public_url
        return receive(self.plugins, self.provider, webhook.seen_at(public_url) if public_url else webhook, account)

    def _job(self, job: Job, landed: list[Result]) -> Flow[None]:
        """Send the messages of ``job``, which have an index and no outcome yet; ``landed`` gets a Result for each."""
        return deliver_rows(self.plugins, self.provider, job, landed)

    def _sender(self, send: S) -> Sender[S]:
        """Return the parts of this client for sending many, with ``send`` for each job."""
        self._check_open()
        return Sender(
            provider=self.provider,
            concurrency=self.settings.concurrency,
            prepare=self._prepare,
            send=send,
            is_closed=lambda: self._closed,
        )

    def _begin(self, seconds: float | None) -> tuple[float, float | None]:
        """Begin a call that may take ``seconds``. None: it has no limit, and goes on when the client is closed.

        Returns the end times of the call around it and of this call.
        """
        seconds = self.settings.deadline if seconds == AS_SET else seconds
        until = math.inf if seconds is None else time.monotonic() + seconds
        before = end.get()
        end.set(until)
        return before, None if seconds is None else until

    def _check_open(self) -> None:
        if self._closed:
            raise RuntimeError("this client is closed: make a new client")

    def _let_out(self, step: Step[Any]) -> None:
        """Raise NotAllowed if ``step`` would reach a vendor from a test that has no outbox and does not allow it."""
        if not under_test.unguarded() or not leaves(step) or self._closed:
            return
        # Another transport than ours, such as a FakeWire, reaches no vendor.
        if self._transport is not self._connected:
            return
        if not (isinstance(step, HttpRequest) and is_loopback(step.url)):
            for problem in self.settings.exposed(self._provider):
                raise NotAllowed(problem)

    def _check_fit(self) -> None:
        """Check the environment before the first connection: a client made under an outbox may outlive it."""
        for problem in self.settings.unfit(self._provider):
            raise NotConnected(problem)


def _several(kind: type[E], given: E | Collection[E] | None) -> tuple[E, ...]:
    if given is None:
        return ()
    return (kind(given),) if isinstance(given, str) else tuple(kind(each) for each in given)


def _seconds_ago(name: str, when: datetime | timedelta | None) -> float | None:
    if when is None or isinstance(when, timedelta):
        return None if when is None else when.total_seconds()
    if when.utcoffset() is None:
        raise ValueError(f"{name} has no time zone: give an aware datetime, such as datetime.now(UTC), or a timedelta")
    return (datetime.now(UTC) - when).total_seconds()


def not_a_step(asked: object) -> TypeError:
    """Return the error to raise if the flow of a provider yields ``asked``, an object that is not a step."""
    kind = kind_of(asked)
    return TypeError(f"the provider yielded a {kind}, which is no step: yield from a request, Wait, Call or Await")


def opened(connect: Callable[[], T]) -> T:
    """Call ``connect``, and return the transport that this function makes.

    Raises NotConnected for any error in ``connect``, such as a failed import of httpx: nothing was sent then. An
    interruption, such as Ctrl-C, is raised as it is.
    """
    try:
        return connect()
    except BaseException as error:  # noqa: BLE001  # also an interruption
        problem = unsent(error, "HTTP cannot be used here")
    raise problem
