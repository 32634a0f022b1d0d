"""SmsProvider, the one interface that a plugin implements.

A complete provider::

    class AcmeProvider(SmsProvider):
        \"\"\"Acme SMS, https://acme.example/docs\"\"\"

        name = "acme"
        supports = frozenset({"sender"})

        token: SecretStr
        sender: str = "ACME"

        def send(self, message: Message) -> Flow[SentMessage]:
            response = yield from HttpRequest.post_json(
                "https://api.acme.example/messages",
                {"to": message.to, "from": message.sender or self.sender, "text": message.text},
                headers={"authorization": f"Bearer {self.token.get_secret_value()}"},
                sends=True,
            )
            if not response.ok:
                raise response.error()
            return self.accepted(message, id=response.json_object()["id"], status=Status.QUEUED)
"""

from __future__ import annotations

import ipaddress
import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Any, ClassVar, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from . import environment
from .display import line
from .errors import ConfigurationError, SignatureError, UnsupportedError
from .flow import Flow
from .http import HttpRequest, HttpResponse
from .message_fields import FIELDS
from .messages import (
    Balance,
    DeliveryReport,
    Event,
    Foresight,
    Message,
    Money,
    Result,
    SentMessage,
    Status,
    Verification,
    VerificationCheck,
)

if TYPE_CHECKING:
    from .rehearsal import Rehearsal

Resolve = Callable[[str], "SmsProvider"]
"""Turns an account name into its provider."""

OPTIONAL_FIELDS = tuple(field.name for field in FIELDS if field.declared)
"""The fields of a Message that a provider honours only if its ``supports`` names them.

The others are for every provider: ``reference`` is kept or refused, and ``purpose`` is advice, turned into the vendor's
own route or category where it has one.
"""


class Capability(StrEnum):
    """What a provider can do besides sending one text, derived from the methods that it implements."""

    BATCH = "batch"
    STATUS = "status"
    LOOKUP = "lookup"
    BALANCE = "balance"
    VERIFICATION = "verification"
    CANCEL_VERIFICATION = "cancel verification"
    WEBHOOKS = "webhooks"


_METHODS = {
    Capability.BATCH: "send_batch",
    Capability.STATUS: "status",
    Capability.LOOKUP: "lookup",
    Capability.BALANCE: "balance",
    Capability.VERIFICATION: "start_verification",
    Capability.CANCEL_VERIFICATION: "cancel_verification",
    Capability.WEBHOOKS: "parse",
}


class Options(BaseModel):
    """What one message may ask of one provider alone, as ``Message.options[provider]``. Subclass it and add fields."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class InsecureUrlWarning(UserWarning):
    """A provider is reached over plain http: its credentials and the texts can be read on the way."""


class SmsProvider(BaseModel, ABC):
    """Base of every provider: a frozen model of its own settings, and methods that are flows (see ``http.Flow``).

    The constructor reads nothing from outside; :meth:`from_env` reads ``SMSBRIDGE_<NAME>_*``. Only :meth:`send` has to be
    implemented. The rest defaults to UnsupportedError, and ``capabilities`` follows from what is implemented.

    In a flow, raise ``response.error(...)`` or a class of ``smsbridge.errors`` for what the vendor refused. Leave all other
    trouble (no connection, no answer, an answer that cannot be read) to the caller, which knows whether it is certain.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    name: ClassVar[str]
    """The provider's name, which is also that of its entry point: lower-case letters and digits."""

    supports: ClassVar[frozenset[str]] = frozenset()
    """Which of OPTIONAL_FIELDS :meth:`send` honours; a message that sets another is refused."""

    options: ClassVar[type[Options]] = Options
    """The model of ``Message.options[name]`` for :meth:`send`."""

    verification_supports: ClassVar[frozenset[str]] = frozenset()
    """Which of OPTIONAL_FIELDS :meth:`start_verification` honours."""

    verification_options: ClassVar[type[Options]] = Options
    """The model of ``Message.options[name]`` for :meth:`start_verification`."""

    batch_size: ClassVar[int]
    """The most messages that :meth:`send_batch` takes at once; needed where it is implemented."""

    reasons: ClassVar[Mapping[str, str]] = {}
    """What the vendor's codes mean, as the reasons of errors and reports, for people who ask: ``smsbridge dlt explain``."""

    absence_proven_after: ClassVar[timedelta | None] = None
    """When *not found* by :meth:`lookup` proves that nothing was sent. Only with the vendor's word for it."""

    stub: ClassVar[bool] = False
    """Whether texts end here, in this process or in a file, and on no phone."""

    records_attempts: ClassVar[bool] = False
    """Whether it logs each attempt by itself; policies around it then need not."""

    rates: ClassVar[Mapping[str, str]] = {}
    """The vendor's own limits, where it documents them: ``sends`` (texts) and ``queries`` (other requests), such as ``1000/1m``."""

    account: str = Field(default="", description="Name of the account, in results and errors; not read from outside.")

    def __init__(self, **settings: Any) -> None:
        problem: str | None = None
        try:
            super().__init__(**settings)
        except ValidationError as error:
            account = settings.get("account")
            problem = environment.explain(
                error, account if account and isinstance(account, str) else type(self).name, type(self)
            )
        settings.clear()  # the frame of a traceback should hold no token
        if problem is not None:  # raised here, so that the cause, which holds the values, is not kept
            raise ConfigurationError(f"{title_of(type(self))}: {problem}")

    @model_validator(mode="before")
    @classmethod
    def _name_account(cls, data: Any) -> Any:
        return {**data, "account": data.get("account") or cls.name} if isinstance(data, Mapping) else data

    def model_post_init(self, context: Any, /) -> None:
        for setting, url in self.insecure_urls().items():
            warnings.warn(
                f"{environment.variable(self.account, setting)}: {line(urlsplit(url).hostname)} is reached over plain http; "
                "credentials and texts can be read on the way. Use https if the provider offers it.",
                InsecureUrlWarning,
                stacklevel=4,
            )

    @classmethod
    def from_env(cls, account: str | None = None, resolve: Resolve | None = None) -> Self:
        """The provider as the environment describes it.

        Reads ``SMSBRIDGE_<ACCOUNT>_*`` (default: the provider's own name) from the environment, ``.env`` and the secrets
        directory. ``resolve`` turns account names into providers, for providers that hold providers. Raises
        ConfigurationError that names what is missing or wrong.
        """
        return environment.load(
            cls, account or cls.name, exclude=["account"], **({"account": account} if account else {})
        )

    # --- what a provider can do ---------------------------------------------------------------------------------------

    @abstractmethod
    def send(self, message: Message) -> Flow[SentMessage]:
        """Send one text. ``message.to`` is E.164 and ``message.reference`` is set."""

    def send_batch(self, messages: Sequence[Message]) -> Flow[list[Result]]:
        """Send several texts, to several recipients, in one request.

        Returns one Result per message, ``index`` being its place in ``messages``; the caller takes a missing or doubled
        row as uncertain. Raise only if the whole batch failed.
        """
        raise self.unsupported("many texts in one request")

    def batch_key(self, message: Message) -> Hashable:
        """Only messages with equal keys share a batch.

        Must not raise: it is asked before :meth:`check`, so also for a message that will be refused.
        """
        return None

    def status(self, sent: SentMessage) -> Flow[DeliveryReport]:
        """Ask what became of a text. NotFoundError if the vendor does not know it."""
        raise self.unsupported("asking for the status of a text")

    def lookup(self, reference: str) -> Flow[SentMessage | None]:
        """Ask whether a text with our ``reference`` was accepted. None proves nothing, see ``absence_proven_after``.

        A text that got an id and was refused afterwards is a SentMessage with that status, such as ``REJECTED``.
        """
        raise self.unsupported("looking a text up by its reference")

    def balance(self) -> Flow[list[Balance]]:
        """Ask what is left on the account."""
        raise self.unsupported("asking for the balance")

    def start_verification(self, message: Message) -> Flow[Verification]:
        """Have the vendor send a one-time code of its own to ``message.to``.

        ``message.text`` is empty or a template with ``{code}``; ``message.valid_until``, where supported, is when the code
        expires. A template that the vendor cannot take is refused.
        """
        raise self.unsupported("one-time codes")

    def check_verification(self, verification: Verification, code: str) -> Flow[VerificationCheck]:
        """Ask the vendor whether ``code`` is right. A wrong code is an answer, not an error."""
        raise self.unsupported("one-time codes")

    def cancel_verification(self, verification: Verification) -> Flow[None]:
        """Tell the vendor to forget a code."""
        raise self.unsupported("cancelling one-time codes")

    def receiver(self, webhook: HttpRequest) -> SmsProvider:
        """The provider that takes ``webhook`` in: this one, or, of several that are held, the one that it is proven to be from."""
        return self

    def verify(self, webhook: HttpRequest) -> None:
        """Raise SignatureError unless the webhook is proven to come from the vendor. No configured secret: raise too.

        Whatever is wrong with a webhook, such as a header that cannot be read, is a SignatureError here, no other error.
        """
        raise SignatureError(f"{title_of(self)} cannot tell whether a webhook is genuine")

    def handshake(self, webhook: HttpRequest) -> HttpResponse | None:
        """The answer to a vendor that only wants to know whether we are there; None for an ordinary webhook."""
        return None

    def parse(self, webhook: HttpRequest) -> list[Event]:
        """The events that a verified webhook brings. Raises PayloadError if it cannot be read."""
        raise self.unsupported("webhooks")

    def observe(self, event: Event) -> Flow[None]:
        """Take note of an event of a verified webhook, before the hooks do; for policies that learn from them.

        What this raises goes where a hook's exception goes: the vendor gets a 500 and delivers again.
        """
        yield from ()

    def acknowledge(self, events: Sequence[Event]) -> HttpResponse:
        """What to answer to a webhook whose events were taken: called once every hook has succeeded, else never."""
        return HttpResponse(status=200)

    def close(self) -> None:
        """Finish what is still to be done on the side, such as records; called when a client is closed. It may be used again."""
        for one in self.inside:
            one.close()

    # --- rehearsals, such as an outbox ------------------------------------------------------------------------------------

    def forget(self, rehearsal: Rehearsal) -> None:
        """Let go of all that is remembered: this is a copy that a rehearsal has made, and still shares what is in its private attributes.

        For a provider or a policy that remembers anything of texts. Nothing that it remembers from now on may outlast
        ``rehearsal``, and no file may be opened for it; :meth:`Rehearsal.instead_of` and :meth:`Rehearsal.shared` keep what
        several share.
        """

    def rehearsed(self, rehearsal: Rehearsal) -> Self:
        """The stand-in of this provider: a copy that remembers nothing, and holds the stand-ins of what this one holds."""
        fields = {name: value for name, value in vars(self).items() if name in type(self).model_fields}
        changed = {name: new for name, old in fields.items() if (new := _rehearsed(old, rehearsal)) is not old}
        if not changed and type(self).forget is SmsProvider.forget:
            return self
        copy = self.model_copy(update=changed)
        copy.forget(rehearsal)
        return copy

    # --- help for those who write one ---------------------------------------------------------------------------------

    @property
    def capabilities(self) -> frozenset[Capability]:
        """What is implemented besides :meth:`send`."""
        return self.declared_capabilities()

    @property
    def inside(self) -> tuple[SmsProvider, ...]:
        """The providers that this one holds, in their order of preference; most hold none."""
        return ()

    @property
    def account_names(self) -> frozenset[str]:
        """The names of the accounts that this provider sends through: its own, and of those that it holds."""
        return frozenset({self.account}).union(*(one.account_names for one in self.inside))

    @classmethod
    def declared_capabilities(cls) -> frozenset[Capability]:
        """What the class implements besides :meth:`send`."""
        return frozenset(
            capability
            for capability, method in _METHODS.items()
            if getattr(cls, method) is not getattr(SmsProvider, method)
        )

    def accepted(
        self,
        message: Message,
        *,
        id: str,
        status: Status = Status.QUEUED,
        segments: int | None = None,
        price: Money | None = None,
        at: datetime | None = None,
        raw: Mapping[str, Any] | None = None,
    ) -> SentMessage:
        """The SentMessage of ``message``, which the vendor accepted under ``id``. ``at`` defaults to now."""
        return SentMessage(
            account=self.account,
            provider=self.name,
            id=id,
            to=message.to,
            reference=message.reference or "",
            status=status,
            segments=segments,
            price=price,
            at=at or datetime.now(UTC),
            raw=raw or {},
        )

    def check(self, message: Message, *, verification: bool = False) -> None:
        """Raise UnsupportedError if ``message`` asks for what :meth:`send` (or a verification) cannot express.

        The client calls it before every attempt.
        """
        given = [name for name in OPTIONAL_FIELDS if getattr(message, name) is not None]
        extra = [name for name in given if not expresses(self, name, verification=verification)]
        if extra:
            advice = self._dlt_advice() if "dlt" in extra else ""
            raise self.unsupported(f"these fields of a message: {', '.join(extra)}{advice}")
        self.options_of(message, verification=verification)

    def _dlt_advice(self) -> str:
        """Behind a refusal of DLT ids: the setting that says that they are registered, if this provider has it."""
        if "dlt_registered" not in type(self).model_fields:
            return ""
        setting = environment.variable(self.account, "dlt_registered")
        return f" (where the DLT ids are registered with the account at its vendor, set {setting}=true)"

    def foresee(self, message: Message, *, now: datetime) -> Foresight:
        """What :meth:`send` would do with ``message``, as far as can be known here; ``now`` is the time by which texts expire.

        For providers that hold providers: say what you would decide yourself, and ask those inside through
        ``attempts.foresee``, as you send through ``attempts.attempt``. Change nothing (take no place, count nothing, let no
        probe through) and reach nobody: reading a file of one's own is the most. What :meth:`check` refuses, and what is wrong
        with the message itself, was looked at before.
        """
        words = "ends here, and reaches no phone" if self.stub else "takes it"
        return Foresight(account=self.account, provider=type(self).name, verdict="would send", words=words)

    def options_of(self, message: Message, *, verification: bool = False) -> Any:
        """``message.options[name]`` as an instance of ``options`` (or of ``verification_options``).

        UnsupportedError names an option that is unknown or wrong.
        """
        model = self.verification_options if verification else self.options
        try:
            return model.model_validate(message.options.get(self.name, {}))
        except ValidationError as error:
            names = ", ".join(sorted({str(one["loc"][0]) if one["loc"] else "?" for one in error.errors()}))
        raise self.unsupported(f"these options, or their values: {names}")

    def unsupported(self, what: str) -> UnsupportedError:
        """The error that says that this provider cannot express ``what``; raise it."""
        return UnsupportedError(f"{title_of(self)} does not support {what}", account=self.account, provider=self.name)

    def secrets(self) -> list[str]:
        """Every secret among the settings, for those who must keep them out of texts."""
        return list(environment.strings(self, secret_only=True))

    def insecure_urls(self) -> dict[str, str]:
        """Settings that name a plain-http URL of another machine."""
        return {name: url for name, url in self._urls().items() if _is_insecure(url)}

    def is_sandboxed(self) -> bool:
        """Whether all URLs that its settings name are on this machine, and there is one; where a vendor calls us is not asked."""
        urls = [url for name, url in self._urls().items() if not name.endswith("callback_url")]
        return bool(urls) and all(map(is_loopback, urls))

    def _urls(self) -> dict[str, str]:
        urls = {name: getattr(self, name) for name in type(self).model_fields if name.endswith("url")}
        return {name: url for name, url in urls.items() if isinstance(url, str) and url}


def title_of(one: SmsProvider | type[SmsProvider]) -> str:
    """What errors call a provider, ``provider twincle``, or a policy, ``policy failover``.

    A policy that goes by the name of the provider inside is called like that one.
    """
    kind = one if isinstance(one, type) else type(one)
    holds = hasattr(kind, "sent_through") or issubclass(kind, Wrapper)
    return f"{'policy' if holds and one.name == kind.name else 'provider'} {one.name}"


def expresses(provider: SmsProvider, field: str, *, verification: bool = False) -> bool:
    """Whether ``provider``, or one that it holds, honours this one of OPTIONAL_FIELDS.

    DLT ids are honoured without being sent where they are registered with the account at its vendor: a provider for such a
    vendor has the setting ``dlt_registered: bool = False``, by which an account says so.
    """
    supported = provider.verification_supports if verification else provider.supports
    registered = field == "dlt" and getattr(provider, "dlt_registered", False)
    return (
        field in supported
        or registered
        or any(expresses(one, field, verification=verification) for one in provider.inside)
    )


def each(provider: SmsProvider) -> Iterator[SmsProvider]:
    """``provider`` and every one that it holds, however deep, from the outside in."""
    yield provider
    for one in provider.inside:
        yield from each(one)


class _OfInner:
    """A constant of most providers, which a wrapper asks its inner one for; the class by itself has the default."""

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    def __get__(self, wrapper: Wrapper | None, owner: type) -> Any:
        return getattr(SmsProvider if wrapper is None else wrapper.inner, self._name)


class Wrapper(SmsProvider):
    """A provider that holds a provider and passes everything on to it; override what should be different."""

    inner: SmsProvider

    stub: ClassVar[Any] = _OfInner()
    records_attempts: ClassVar[Any] = _OfInner()
    rates: ClassVar[Any] = _OfInner()
    supports: ClassVar[Any] = _OfInner()
    verification_supports: ClassVar[Any] = _OfInner()
    batch_size: ClassVar[Any] = _OfInner()
    absence_proven_after: ClassVar[Any] = _OfInner()

    @property
    def capabilities(self) -> frozenset[Capability]:
        return self.inner.capabilities

    @property
    def inside(self) -> tuple[SmsProvider, ...]:
        return (self.inner,)

    def check(self, message: Message, *, verification: bool = False) -> None:
        self.inner.check(message, verification=verification)

    def foresee(self, message: Message, *, now: datetime) -> Foresight:
        inside = self.inner.foresee(message, now=now)
        return Foresight(
            account=self.account,
            provider=type(self).name,
            verdict=inside.verdict,
            words="passes it on",
            error=inside.error,
            inside=(inside,),
        )

    def send(self, message: Message) -> Flow[SentMessage]:
        return self.inner.send(message)

    def send_batch(self, messages: Sequence[Message]) -> Flow[list[Result]]:
        return self.inner.send_batch(messages)

    def batch_key(self, message: Message) -> Hashable:
        return self.inner.batch_key(message)

    def status(self, sent: SentMessage) -> Flow[DeliveryReport]:
        return self.inner.status(sent)

    def lookup(self, reference: str) -> Flow[SentMessage | None]:
        return self.inner.lookup(reference)

    def balance(self) -> Flow[list[Balance]]:
        return self.inner.balance()

    def start_verification(self, message: Message) -> Flow[Verification]:
        return self.inner.start_verification(message)

    def check_verification(self, verification: Verification, code: str) -> Flow[VerificationCheck]:
        return self.inner.check_verification(verification, code)

    def cancel_verification(self, verification: Verification) -> Flow[None]:
        return self.inner.cancel_verification(verification)

    def receiver(self, webhook: HttpRequest) -> SmsProvider:
        return self.inner.receiver(webhook)

    def verify(self, webhook: HttpRequest) -> None:
        self.inner.verify(webhook)

    def handshake(self, webhook: HttpRequest) -> HttpResponse | None:
        return self.inner.handshake(webhook)

    def parse(self, webhook: HttpRequest) -> list[Event]:
        return self.inner.parse(webhook)

    def observe(self, event: Event) -> Flow[None]:
        return self.inner.observe(event)

    def acknowledge(self, events: Sequence[Event]) -> HttpResponse:
        return self.inner.acknowledge(events)


def _rehearsed(value: Any, rehearsal: Rehearsal) -> Any:
    """``value``, with the stand-ins of all providers in it."""
    if isinstance(value, SmsProvider):
        return rehearsal.provider(value)
    if isinstance(value, list | tuple) and any(isinstance(item, SmsProvider) for item in value):
        return type(value)(_rehearsed(item, rehearsal) for item in value)
    if isinstance(value, dict) and any(isinstance(item, SmsProvider) for item in value.values()):
        return {key: _rehearsed(item, rehearsal) for key, item in value.items()}
    return value


def _is_insecure(url: str) -> bool:
    parts = urlsplit(url)
    return parts.scheme == "http" and not is_loopback(url) and not (parts.hostname or "").endswith(".localhost")


def is_loopback(url: str) -> bool:
    """Whether ``url`` is on this machine: at ``localhost``, or an address of its loopback interface."""
    try:
        host = urlsplit(url).hostname or ""
        return host.removesuffix(".") == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
