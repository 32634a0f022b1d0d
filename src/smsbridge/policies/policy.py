"""Policy, the base of the policies that hold one provider."""

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
    """Where a policy stands, from the outside in. Within a place policies stand by name.

    What stands at ``ACCOUNT`` or inside it stands around each account that talks to a vendor, the rest once, around
    all.
    """

    BEFORE = 0
    """Before anything else, such as texts that are too long."""
    RECORD = 1
    """The ledger."""
    ONCE = 2
    """Once for each text, whatever is tried for it: guard, cost, opt-outs, purpose."""
    REPEAT = 3
    """What tries again."""
    ATTEMPT = 4
    """Before each attempt, such as hours."""
    ACCOUNT = 5
    """At each account, such as DLT templates."""
    LEAVING = 6
    """Innermost: as a text leaves, such as limits."""


Level = Literal["error", "warning", "note"]
LEVELS: tuple[Level, ...] = ("error", "warning", "note")


@dataclass(frozen=True, slots=True)
class Finding:
    """What ``smsbridge doctor`` says: ``level`` is ``error``, ``warning`` or ``note``."""

    level: Level
    message: str
    advice: str = ""


class Surroundings(Protocol):
    """What a policy may use of the plugins of its client."""

    def cost_differs(self, account: str, provider: str, message: Message, sent: SentMessage, expected: Cost) -> None:
        """Tell every plugin that a text costs something else than expected."""
        ...

    def status_changed(self, account: str, provider: str, text: TextRecord) -> None:
        """Tell every plugin that a text came further. Raises what the first failing one raises, after all are told."""
        ...


class Carrier(Composite):
    """What sends through the providers that it holds, written once for one text and many: :meth:`carry`."""

    place: ClassVar[Place | None] = None
    """Where it stands if one of its settings is set; None: only where the environment or a program composes it."""

    advice: ClassVar[Mapping[str, str]] = {}
    """What to do next about an error, by its ``reason``; the command says so behind the error."""

    def findings(self) -> Iterable[Finding]:
        """What is wrong with it or worth knowing, for ``smsbridge doctor``; reading a file of its own is the most."""
        return ()

    @abstractmethod
    def carry(self, batch: Batch) -> Flow[None]:
        """Send the texts of ``batch`` through what is inside, and settle each: see :class:`Batch`.

        What has to be undone, such as a place that was taken, is undone in ``finally``. A text that is left open gets
        the outcome of its attempts so far; where there was none, it is refused as a fault of the policy.
        """

    @final
    def sent_through(
        self, messages: Sequence[Message], *, verification: bool = False, around: Around | None = None
    ) -> Flow[Answers]:
        batch = Batch(messages, verification=verification, around=around)
        return batch.carried_by(self, self.carry(batch))


class Policy(Carrier):
    """A policy around one provider, to which it passes everything on; override what should be different.

    It has the account of that provider, unless it is an account of its own, where ``SMSBRIDGE_<ACCOUNT>_INNER`` names
    the account inside. Results and errors name the vendor inside, not the policies on the way there.
    """

    in_code: ClassVar[Mapping[str, tuple[str, str]]] = {}
    """Fields that no variable sets, each with the one that is set instead and the beginning of its value."""

    inner: SmsProvider

    @classmethod
    def applies(cls, inner: SmsProvider, *, is_set: bool) -> bool:
        """Whether it stands around ``inner``; ``is_set``: whether one of its settings is."""
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
        """Put the policy around ``inner``, with the settings that the environment has for the first of ``accounts``."""

        def load() -> Any:
            exclude = ["account", *cls.in_code]
            return environment.load(cls, *accounts, exclude=exclude, inner=inner, **cls.completed(accounts, given))

        made: Self = Reading().run(load)
        return made

    @classmethod
    def completed(cls, accounts: Sequence[str], given: Mapping[str, Any]) -> Mapping[str, Any]:
        """``given`` fields, and those that are not simply read under one of ``accounts``."""
        return given

    @classmethod
    def standing(cls, inner: SmsProvider, *accounts: str, around: Surroundings | None = None) -> Self:
        """The same, for a policy that stands in its place; ``around`` are the plugins of its client."""
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
        """The Foresight of a policy that would pass ``message`` on to the provider inside."""
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
        """The Foresight of a policy that would not."""
        return refusal(self, own(error, self, message))


def inner_of(account: str, setting: str, resolve: Resolve | None) -> list[SmsProvider]:
    """The providers of the accounts that a setting of ``account`` names, separated by commas."""
    variable = environment.variable(account, setting)
    found = environment.named(account, setting)
    names = [name.strip() for name in found.value.split(",") if name.strip()] if found else []
    if not names:
        which = "account" if setting == "inner" else "accounts"
        what = "names no account" if found else f"is missing: it names the {which} to send through"
        raise ConfigurationError(f"{variable} {what}")
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ConfigurationError(f"{variable} names an account twice: {', '.join(twice)}")
    if resolve is None:
        raise ConfigurationError(f"{variable} names accounts, which only Plugins.account can look up")
    return _resolved(variable, names, resolve)


def _resolved(variable: str, names: Sequence[str], resolve: Resolve) -> list[SmsProvider]:
    providers = []
    for name in names:
        try:
            providers.append(resolve(name))
        except ConfigurationError as error:
            named = f" names {name}" if name.isalnum() and name.isascii() else ""  # else it is anything, a secret even
            raise ConfigurationError(f"{variable}{named}: {error}") from None
    return providers
