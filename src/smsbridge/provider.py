"""SmsProvider, the interface that a plugin implements.

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

import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from functools import cache
from typing import Any, ClassVar, Self
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
    Message,
    Money,
    Result,
    SentMessage,
    Status,
    Verification,
    VerificationCheck,
)
from .shown_model import ShownModel
from .urls import insecure_urls

Resolve = Callable[[str], "SmsProvider"]
"""A function from an account name to its provider."""

OPTIONAL_FIELDS = tuple(field.name for field in FIELDS if field.declared)
"""The fields of a Message that a provider honours only if its ``supports`` names them.

The others concern every provider: ``reference`` is kept or refused, and ``purpose`` is advice, which becomes the
vendor's own route or category if the vendor has such.
"""


class Capability(StrEnum):
    """An ability of a provider besides sending a single text.

    It follows from the methods that the provider implements.
    """

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


class Options(BaseModel, metaclass=ShownModel):
    """The base class for the options of a message for a single provider, which are in ``Message.options[provider]``.

    A provider with options of its own subclasses this class and adds fields.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class InsecureUrlWarning(UserWarning):
    """A warning that the URL of a provider is plain http.

    Then the credentials and the texts can be read on the way to the vendor.
    """


class SmsProvider(BaseModel, ABC, metaclass=ShownModel):
    """The base class of every provider: a frozen model of the provider's settings, and methods that are flows.

    ``smsbridge.Flow`` explains flows. The constructor reads no environment; :meth:`from_env` reads
    ``SMSBRIDGE_<NAME>_*``. Only :meth:`send` has to be implemented. The other operations raise UnsupportedError unless
    they are implemented, and ``capabilities`` follows from the implemented methods.

    In a flow, raise ``response.error(...)`` or a class of ``smsbridge.errors`` for a refusal by the vendor. Leave all
    other failures (no connection, no answer, an answer that cannot be read) to the caller, which knows whether the
    outcome is certain.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    _kind: ClassVar[str] = "provider"

    name: ClassVar[str]
    """The name of the provider and of its entry point: lower-case letters and digits."""

    supports: ClassVar[frozenset[str]] = frozenset()
    """The OPTIONAL_FIELDS that :meth:`send` honours; a message that sets another of them is refused."""

    options: ClassVar[type[Options]] = Options
    """The model of ``Message.options[name]`` for :meth:`send`."""

    verification_supports: ClassVar[frozenset[str]] = frozenset()
    """The OPTIONAL_FIELDS that :meth:`start_verification` honours."""

    verification_options: ClassVar[type[Options]] = Options
    """The model of ``Message.options[name]`` for :meth:`start_verification`."""

    batch_size: ClassVar[int]
    """The most messages that :meth:`send_batch` takes in a call; needed if it is implemented."""

    reasons: ClassVar[Mapping[str, str]] = {}
    """The vendor's codes with the reasons that errors and reports have for them, for ``smsbridge dlt explain``."""

    absence_proven_after: ClassVar[timedelta | None] = None
    """The time after which *not found* by :meth:`lookup` proves that nothing was sent. Set it only if the vendor
    guarantees this."""

    stub: ClassVar[bool] = False
    """Whether texts reach no phone, but end in this process or in a file."""

    rates: ClassVar[Mapping[str, str]] = {}
    """The vendor's documented limits of ``sends`` (texts) and ``queries`` (other requests), such as ``1000/1m``."""

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
        # The frames of a traceback should hold no token.
        settings.clear()
        # Raised here, so that the error does not keep its cause, which holds the values.
        if problem is not None:
            raise ConfigurationError(f"{title_of(type(self))}: {problem}")

    @model_validator(mode="before")
    @classmethod
    def _name_account(cls, data: Any) -> Any:
        return {**data, "account": data.get("account") or cls.name} if isinstance(data, Mapping) else data

    def model_post_init(self, context: Any, /) -> None:
        home = self.account if self._kind == "provider" else self.name
        for setting, url in insecure_urls(self).items():
            warnings.warn(
                f"{environment.variable(home, setting)}: {line(urlsplit(url).hostname)} is reached over plain "
                "http; others can read credentials and texts on the way. Use https if the provider offers it.",
                InsecureUrlWarning,
                stacklevel=4,
            )

    @classmethod
    def from_env(cls, account: str | None = None, resolve: Resolve | None = None) -> Self:
        """Make the provider from the settings in the environment, ``.env`` and the secrets directory.

        Reads ``SMSBRIDGE_<ACCOUNT>_*`` for ``account``; default: the provider's own name. ``resolve`` turns the name of
        an account into a provider, for a provider that holds other providers. Raises ConfigurationError, which names
        the missing or wrong settings.
        """
        return environment.load(
            cls, account or cls.name, exclude=["account"], **({"account": account} if account else {})
        )

    # --- operations ---------------------------------------------------------------------------------------------------

    @abstractmethod
    def send(self, message: Message) -> Flow[SentMessage]:
        """Send a text, and return the accepted text. ``message.to`` is in E.164 and ``message.reference`` is set.

        Raise ``response.error(...)`` or a class of ``smsbridge.errors`` if the vendor refuses.
        """

    def send_batch(self, messages: Sequence[Message]) -> Flow[list[Result]]:
        """Send several texts, to several recipients, in a single request.

        Returns a Result per message, whose ``index`` is the message's place in ``messages``, counted from 0. The caller
        treats a message without a Result, or with two, as uncertain. Raise only if the whole batch failed.
        """
        raise self.unsupported("many texts in one request")

    def batch_key(self, message: Message) -> Hashable:
        """Return the key of a message's batch: only messages with equal keys share a batch.

        This must not raise an error: it is called before :meth:`check`, so also for messages that will be refused.
        """
        return None

    def status(self, sent: SentMessage) -> Flow[DeliveryReport]:
        """Ask the vendor for the status of the text ``sent``.

        Raises NotFoundError if the vendor does not know the text.
        """
        raise self.unsupported("asking for the status of a text")

    def lookup(self, reference: str) -> Flow[SentMessage | None]:
        """Ask the vendor whether it accepted a text with our ``reference``.

        Returns the text, or None if the vendor finds none.

        None alone does not prove that nothing was sent, see ``absence_proven_after``. For a text that got an id and was
        refused afterwards, return a SentMessage with that status, such as ``REJECTED``.
        """
        raise self.unsupported("looking a text up by its reference")

    def balance(self) -> Flow[list[Balance]]:
        """Ask the vendor for the balance of the account. Returns a Balance for each service of the vendor."""
        raise self.unsupported("asking for the balance")

    def start_verification(self, message: Message) -> Flow[Verification]:
        """Have the vendor make a one-time code and send it to ``message.to``.

        ``message.text`` is empty or a template with ``{code}``; ``message.valid_until``, where supported, is the expiry
        of the code. Refuse a template that the vendor cannot use.
        """
        raise self.unsupported("one-time codes")

    def check_verification(self, verification: Verification, code: str) -> Flow[VerificationCheck]:
        """Ask the vendor whether ``code`` is right for ``verification``. A wrong code is an answer, not an error."""
        raise self.unsupported("one-time codes")

    def cancel_verification(self, verification: Verification) -> Flow[None]:
        """Tell the vendor that the code of ``verification`` is no longer valid."""
        raise self.unsupported("cancelling one-time codes")

    def verify(self, webhook: HttpRequest) -> None:
        """Raise SignatureError unless the webhook is proven to come from the vendor.

        Without a configured secret there is no proof, so raise SignatureError then too. Report every fault of a
        webhook, such as a header that cannot be read, as a SignatureError here, and as no other error.
        """
        raise SignatureError(f"{title_of(self)} cannot tell whether a webhook is genuine: it has no verify")

    def webhook_lacks(self) -> tuple[str, ...]:
        """Return the names of the secret settings of which :meth:`verify` needs one, if none of them is set.

        An empty tuple means that :meth:`verify` has what it needs. Otherwise the routes of ``smsbridge.web`` do not
        start, and their error names the variables.
        """
        return ()

    def handshake(self, webhook: HttpRequest) -> HttpResponse | None:
        """Return the answer to a request with which a vendor only checks the URL for webhooks.

        None if ``webhook`` is an ordinary webhook.
        """
        return None

    def parse(self, webhook: HttpRequest) -> list[Event]:
        """Return the events in a verified webhook. Raise PayloadError if the webhook cannot be read."""
        raise self.unsupported("webhooks")

    def acknowledge(self, events: Sequence[Event]) -> HttpResponse:
        """Return the response to a webhook with these ``events``.

        This is called only after all hooks have taken the events without an error.
        """
        return HttpResponse(status=200)

    # --- help for implementations -------------------------------------------------------------------------------------

    @property
    def _vendor(self) -> str:
        return self.name

    @property
    def capabilities(self) -> frozenset[Capability]:
        """The operations besides :meth:`send` that this provider implements."""
        return implemented(type(self))

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
        """Return the SentMessage of ``message``, which the vendor accepted under ``id``.

        ``at`` is the time; default: now.

        ``segments``, ``price`` and ``raw`` are the vendor's own figures and answer.
        """
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
        """Raise UnsupportedError for a message that this provider cannot express.

        The client calls this before every attempt. With ``verification``, the message is for a one-time code.
        """
        given = [name for name in OPTIONAL_FIELDS if getattr(message, name) is not None]
        extra = [name for name in given if not honours(self, name, verification=verification)]
        if extra:
            advice = self._dlt_advice() if "dlt" in extra else ""
            raise self.unsupported(f"these fields of a message: {', '.join(extra)}{advice}")
        self.options_of(message, verification=verification)

    def _dlt_advice(self) -> str:
        """Return the advice after a refusal of DLT ids: the setting that says they are registered, if there is one."""
        if "dlt_registered" not in type(self).model_fields:
            return ""
        setting = environment.variable(self.account, "dlt_registered")
        return f" (if the DLT ids are registered with the account at its vendor, set {setting}=true)"

    def options_of(self, message: Message, *, verification: bool = False) -> Any:
        """Read the options of ``message`` for this provider, from ``message.options[name]``.

        Returns an instance of the class ``options``; with ``verification``, of the class ``verification_options``.
        Raises UnsupportedError, which names an unknown or wrong option.
        """
        model = self.verification_options if verification else self.options
        given = message.options.get(self.name, {})
        try:
            return model.model_validate(given) if given else _no_options(model)
        except ValidationError as error:
            names = ", ".join(sorted({str(problem["loc"][0]) if problem["loc"] else "?" for problem in error.errors()}))
        raise self.unsupported(f"these options, or their values: {names}")

    def unsupported(self, what: str) -> UnsupportedError:
        """Return the UnsupportedError to raise if this provider cannot do ``what``, such as ``"one-time codes"``."""
        return UnsupportedError(
            f"{title_of(self)} does not support {what}", account=self.account, provider=vendor_of(self)
        )

    def secrets(self) -> list[str]:
        """Return all secrets in the settings of this provider, so that code which shows messages can remove them."""
        return list(environment.strings(self, secret_only=True))


@cache
def _no_options(model: type[Options]) -> Options:
    """Return the options of a text without any, cached since most texts have none.

    Raises pydantic's ValidationError.
    """
    return model.model_validate({})


def implemented(kind: type[SmsProvider]) -> frozenset[Capability]:
    """Return the capabilities that the provider class ``kind`` implements besides ``send``."""
    return frozenset(
        capability
        for capability, method in _METHODS.items()
        if getattr(kind, method) is not getattr(SmsProvider, method)
    )


def vendor_of(provider: SmsProvider) -> str:
    """Return the name of ``provider`` for results and errors.

    For a policy, it is the name of the vendor inside the policy.
    """
    return provider._vendor  # noqa: SLF001


def title_of(provider: SmsProvider | type[SmsProvider]) -> str:
    """Return the name of a provider for errors, such as ``provider twincle``, or for a policy ``policy failover``."""
    if isinstance(provider, type):
        return f"{provider._kind} {provider.name}"  # noqa: SLF001
    vendor = vendor_of(provider)
    return f"{provider._kind if vendor == provider.name else 'provider'} {vendor}"  # noqa: SLF001


def honours(provider: SmsProvider, field: str, *, verification: bool = False) -> bool:
    """Return whether ``provider`` itself can send a message that sets ``field``, a name of OPTIONAL_FIELDS.

    With ``verification``, the message is for a one-time code. DLT ids need not be sent if they are registered with the
    account at its vendor. A provider for such a vendor has the setting ``dlt_registered: bool = False``; an account
    sets it to true if its ids are registered.
    """
    supported = provider.verification_supports if verification else provider.supports
    return field in supported or (field == "dlt" and getattr(provider, "dlt_registered", False))
