"""Policy, the base of the policies that hold a single provider."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum
from typing import Any, ClassVar, Literal, Protocol, Self, final

from pydantic import model_validator

from smsbridge import environment
from smsbridge.attempts import foresee, refusal
from smsbridge.composite import Answers, Around, Composite, observe, receiver_of
from smsbridge.errors import ConfigurationError, SendError
from smsbridge.flow import Flow
from smsbridge.history import TextRecord
from smsbridge.http import HttpRequest, HttpResponse
from smsbridge.messages import (
    Balance,
    Cost,
    DeliveryReport,
    Event,
    Foresight,
    Message,
    SentMessage,
    Verification,
    VerificationCheck,
)
from smsbridge.privacy import own
from smsbridge.provider import Resolve, SmsProvider, vendor_of
from smsbridge.snapshot import Reading

from .batch import Batch


class Place(IntEnum):
    """Name the place of a policy among other policies around a provider. The first place is the outermost.

    Policies with the same place are ordered by name. A policy whose place is ``ACCOUNT`` or a later place stands around
    each account that talks to a vendor; all others stand once, around all accounts together.
    """

    BEFORE = 0
    """Before everything else, such as the check for texts that are too long."""
    RECORD = 1
    """The ledger."""
    ONCE = 2
    """Once for each text, however many attempts follow: guard, cost, opt-outs, purpose."""
    REPEAT = 3
    """Around all attempts: retry."""
    ATTEMPT = 4
    """Before each attempt, such as hours."""
    ACCOUNT = 5
    """At each account, such as DLT templates."""
    LEAVING = 6
    """Innermost, when a text leaves, such as limits."""


Level = Literal["error", "warning", "note"]
LEVELS: tuple[Level, ...] = ("error", "warning", "note")


@dataclass(frozen=True, slots=True)
class Finding:
    """Hold a problem or a note about the configuration that ``smsbridge doctor`` shows.

    ``level`` is ``error``, ``warning`` or ``note``.
    """

    level: Level
    message: str
    advice: str = ""


class Surroundings(Protocol):
    """List the methods of a client's plugins that a policy may call to tell all plugins of an event."""

    def cost_differs(self, account: str, provider: str, message: Message, sent: SentMessage, expected: Cost) -> None:
        """Tell every plugin that the cost of a text differs from the ``expected`` cost."""
        ...

    def status_changed(self, account: str, provider: str, text: TextRecord) -> None:
        """Tell every plugin that the delivery status of ``text`` changed.

        If plugins raise errors, the first error is raised after all plugins are told.
        """
        ...


class Carrier(Composite):
    """Base of a provider that holds other providers and sends through them, such as a policy or a failover.

    :meth:`carry` serves a single text as well as many.
    """

    place: ClassVar[Place | None] = None
    """Its place if at least one of its settings is set; None: it stands only where the environment or code puts it."""

    advice: ClassVar[Mapping[str, str]] = {}
    """The next step after an error, by its ``reason``; the command prints it after the error."""

    def findings(self) -> Iterable[Finding]:
        """Return problems and notes about this policy for ``smsbridge doctor``.

        It may read the policy's own files, and must do nothing more.
        """
        return ()

    @abstractmethod
    def carry(self, batch: Batch) -> Flow[None]:
        """Send the texts of ``batch`` through the providers inside, and settle each text with a method of the Batch.

        Undo temporary work, such as a place that was taken, in ``finally``. A text that is not settled gets the outcome
        of its attempts so far; without an attempt, it is refused as a fault of the policy.
        """

    @final
    def sent_through(
        self, messages: Sequence[Message], *, verification: bool = False, around: Around | None = None
    ) -> Flow[Answers]:
        batch = Batch(messages, verification=verification, around=around)
        return batch.carried_by(self, self.carry(batch))


class Policy(Carrier):
    """Base of a policy around a single provider. All calls go on to that provider, except those that you override.

    A policy has the account name of the provider inside. It may also be an account with a name of its own: then
    ``SMSBRIDGE_<ACCOUNT>_INNER`` names the account inside. Results and errors name the vendor inside, not the policies
    around it.
    """

    in_code: ClassVar[Mapping[str, tuple[str, str]]] = {}
    """Fields that no variable sets. Each has the field that is set instead, and the start of that field's value."""

    inner: SmsProvider

    @classmethod
    def applies(cls, inner: SmsProvider, *, is_set: bool) -> bool:
        """Return whether a client from the environment should put the policy around ``inner``.

        ``is_set`` is true if at least one setting of the policy is set. By default, the policy then applies, and
        otherwise not.
        """
        return is_set

    @property
    def inside(self) -> tuple[SmsProvider, ...]:
        return (self.inner,)

    @property
    def _vendor(self) -> str:
        return vendor_of(self.inner)

    def carry(self, batch: Batch) -> Flow[None]:
        rows = range(len(batch.messages))
        batch.take((yield from batch.through(self.inner, rows)))
        batch.give_up(rows)

    @model_validator(mode="before")
    @classmethod
    def _name_account(cls, data: Any) -> Any:
        inner = data.get("inner") if isinstance(data, Mapping) else None
        if not isinstance(inner, SmsProvider):
            return data
        return {**data, "account": data.get("account") or inner.account}

    @classmethod
    def from_env(cls, account: str | None = None, resolve: Resolve | None = None) -> Self:
        name, given = account or cls.name, {"account": account} if account else {}
        return Reading().run(lambda: cls.around(inner_of(name, "inner", resolve)[0], name, **given))

    @classmethod
    def around(cls, inner: SmsProvider, *accounts: str, **given: Any) -> Self:
        """Put the policy around ``inner``, with the settings that the environment has for ``accounts``.

        Each setting is taken from the first of ``accounts`` that has it. A field in ``given`` counts before the
        environment. Raises ConfigurationError if a setting is wrong.
        """

        def load() -> Any:
            exclude = ["account", *cls.in_code]
            return environment.load(cls, *accounts, exclude=exclude, inner=inner, **cls.completed(accounts, given))

        made: Self = Reading().run(load)
        return made

    @classmethod
    def completed(cls, accounts: Sequence[str], given: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return the fields with which to make the policy. By default, the fields in ``given`` are returned.

        Override this method to add a field whose value is not simply the value of an environment variable. ``accounts``
        are the names under which settings are looked up in the environment.
        """
        return given

    @classmethod
    def standing(cls, inner: SmsProvider, *accounts: str, around: Surroundings | None = None) -> Self:
        """Put the policy around ``inner``, as a client from the environment does. By default, :meth:`around` does that.

        ``accounts`` are the names under which settings are looked up. The argument ``around`` has the methods of the
        client's plugins that a policy may call.
        """
        return cls.around(inner, *accounts)

    # --- passed on ----------------------------------------------------------------------------------------------------

    @property
    def stub(self) -> bool:  # type: ignore[override]  # a constant of other providers
        return self.inner.stub

    @property
    def rates(self) -> Mapping[str, str]:  # type: ignore[override]
        return self.inner.rates

    def check(self, message: Message, *, verification: bool = False) -> None:
        self.inner.check(message, verification=verification)

    def status(self, sent: SentMessage) -> Flow[DeliveryReport]:
        return self.inner.status(sent)

    def lookup(self, reference: str) -> Flow[SentMessage | None]:
        return self.inner.lookup(reference)

    def balance(self) -> Flow[list[Balance]]:
        return self.inner.balance()

    def check_verification(self, verification: Verification, code: str) -> Flow[VerificationCheck]:
        return self.inner.check_verification(verification, code)

    def cancel_verification(self, verification: Verification) -> Flow[None]:
        return self.inner.cancel_verification(verification)

    def receiver(self, webhook: HttpRequest) -> SmsProvider:
        return receiver_of(self.inner, webhook)

    def verify(self, webhook: HttpRequest) -> None:
        self.inner.verify(webhook)

    def webhook_lacks(self) -> tuple[str, ...]:
        return self.inner.webhook_lacks()

    def handshake(self, webhook: HttpRequest) -> HttpResponse | None:
        return self.inner.handshake(webhook)

    def parse(self, webhook: HttpRequest) -> list[Event]:
        return self.inner.parse(webhook)

    def observe(self, event: Event) -> Flow[Event | None]:
        return observe(self.inner, event)

    def acknowledge(self, events: Sequence[Event]) -> HttpResponse:
        return self.inner.acknowledge(events)

    # --- foresight ----------------------------------------------------------------------------------------------------

    def foresee(self, message: Message, *, now: datetime) -> Foresight:
        return self._would_pass(message, "passes it on", now=now)

    def _would_pass(self, message: Message, words: str, *, now: datetime) -> Foresight:
        """Return the Foresight of a policy that would pass ``message`` on to the provider inside."""
        inside = foresee(self.inner, message, now=now)
        return Foresight(
            account=self.account,
            provider=self.name,
            verdict=inside.verdict,
            words=words,
            error=inside.error,
            inside=(inside,),
        )

    def _would_refuse(self, error: SendError, message: Message) -> Foresight:
        """Return the Foresight of a policy that would refuse ``message`` with ``error``."""
        return refusal(self, own(error, self, message))


def inner_of(account: str, setting: str, resolve: Resolve | None) -> list[SmsProvider]:
    """Return the providers whose accounts are named, separated by commas, in ``setting`` of ``account``.

    ``resolve`` makes the provider of an account from the account's name. Raises ConfigurationError if the setting is
    missing or wrong.
    """
    variable = environment.variable(account, setting)
    found = environment.named(account, setting)
    names = [name.strip() for name in found.value.split(",") if name.strip()] if found else []
    if not names:
        which = "account" if setting == "inner" else "accounts"
        what = (
            "names no account: give the name of one" if found else f"is missing: it names the {which} to send through"
        )
        raise ConfigurationError(f"{variable} {what}")
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ConfigurationError(f"{variable} names an account twice: {', '.join(twice)}; name each once")
    if resolve is None:
        raise ConfigurationError(f"{variable} names accounts, which only Plugins.account can look up")
    return _resolved(variable, names, resolve)


def _resolved(variable: str, names: Sequence[str], resolve: Resolve) -> list[SmsProvider]:
    providers = []
    for name in names:
        try:
            providers.append(resolve(name))
        except ConfigurationError as error:
            # Another value may be anything, even a secret.
            named = f" names {name}" if name.isalnum() and name.isascii() else ""
            raise ConfigurationError(f"{variable}{named}: {error}") from None
    return providers
