"""The guard policy: it limits who gets texts, and how often."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from typing import Any

from pydantic import Field, SecretStr, field_validator

from smsbridge import environment
from smsbridge.errors import ConfigurationError, RecipientError, RefusedError, VetoedError
from smsbridge.flow import Flow
from smsbridge.forks import cached_property, fresh_lock
from smsbridge.messages import Foresight, Message
from smsbridge.phone import Countries, mask, to_e164
from smsbridge.policies.gate import Ending, Gate
from smsbridge.policies.policy import Finding, Place
from smsbridge.promise import Overdue
from smsbridge.provider import SmsProvider
from smsbridge.rehearsal import Rehearsal
from smsbridge.stores.blocking import at_once
from smsbridge.stores.caps import Caps, Full
from smsbridge.stores.choice import SETTING, CountersAt, is_in_process, problem_of, store_of
from smsbridge.stores.entries import Unwritable
from smsbridge.stores.gcra import Rate

from .stored import StoredCaps

_PREFIX = re.compile(r"\+[1-9]\d{0,13}\*", re.ASCII)
_ALLOWED = "write numbers with their country code; end a beginning of numbers with a star, as in +9198*"
_WORDS = {
    "recipient": "to this number",
    "prefix": "to numbers that differ only in their last four digits",
    "total": "in total",
}
_RULES = ("allow", "redirect", "countries", "per_recipient", "per_prefix", "total")
_shared: dict[tuple[Any, ...], Caps] = {}
_lock = fresh_lock()


class _Rules:
    """The rules of a guard, and the caps that count for it."""

    __slots__ = ("_beginnings", "_countries", "_numbers", "caps", "clock", "stored")

    def __init__(
        self,
        allow: Sequence[str] | None,
        countries: Sequence[str] | None,
        caps: Caps,
        stored: StoredCaps | None = None,
    ) -> None:
        self._numbers = frozenset(number for number in allow if not number.endswith("*")) if allow else None
        self._beginnings = tuple(number[:-1] for number in allow or () if number.endswith("*"))
        self._countries = Countries(countries) if countries else None
        self.caps = caps
        self.stored = stored
        """The caps that count, if they are in a store."""
        self.clock: Callable[[], float] = time.monotonic

    def judge(self, number: str) -> VetoedError | None:
        """Return the error with which a text to ``number`` would be refused; None if the text may go on.

        The text is not counted.
        """
        refusal = self._elsewhere(number)
        if refusal is None:
            full = self.caps.full(number, self.clock) if self.stored is None else at_once(self.stored.peek(number))
            refusal = _over(full)
        return refusal

    def take(self, message: Message) -> Flow[VetoedError | None]:
        """Count ``message`` under each cap and return None; if it is refused, count nothing and return the error."""
        refusal = self._elsewhere(message.to)
        if refusal is not None:
            return refusal
        if self.stored is None:
            return _over(self.caps.take(message.to, self.clock, id(message)))
        return _over((yield from self.stored.take(message)))

    def end(self, message: Message, *, sent: bool) -> None:
        """Record that the send of ``message`` has ended.

        If it was ``sent``, it stays counted under each cap for the time of that cap; otherwise it no longer counts.
        """
        if self.stored is not None:
            self.stored.end(message, sent=sent)
            return
        self.caps.end(message.to, self.clock, sent=sent, ticket=id(message))

    def _elsewhere(self, number: str) -> VetoedError | None:
        if self._numbers is not None and not (number in self._numbers or number.startswith(self._beginnings)):
            return VetoedError(
                "the guard refuses this number, because its setting allow does not list it", reason="allow-list"
            )
        if self._countries is not None and number not in self._countries:
            return VetoedError("the guard allows no texts to the country of this number", reason="country")
        return None


def _over(full: Full | None) -> VetoedError | None:
    if full is None:
        return None
    words = f"the guard allows {full.rate.count} texts in {_time(full.rate)} {_WORDS[full.kind]}"
    if full.crowded:
        words = "the guard cannot remember more texts, and allows no text that it cannot count"
    return VetoedError(words, reason=f"cap-{full.kind}", retry_after=full.wait)


class GuardPolicy(Gate):
    """Keeps texts from people who should get none, and prevents abuse.

    A refused text is a VetoedError with a ``reason``. ``allow`` and ``redirect`` are for staging: with ``allow``, texts
    reach only the listed numbers; with ``redirect``, all texts reach one phone, unchanged. ``countries`` and the caps
    are for production, against toll fraud. A cap is a highest number of texts in any period of the given length. A text
    that was certainly not sent no longer counts. All rules judge the number that the application gave.

    Guards with the same store and account count texts together. Without a store, all guards of an account in clients
    from the environment count together within a process. If the store cannot be asked, all texts are refused.
    """

    name = "guard"
    place = Place.ONCE

    allow: tuple[str, ...] | None = Field(
        default=None,
        min_length=1,
        repr=False,
        description="The only recipients who may get texts: numbers in E.164, or their beginnings, such as +9198*.",
    )
    redirect: str | None = Field(
        default=None, repr=False, description="Number in E.164 that gets every text instead of its recipient."
    )
    countries: tuple[str, ...] | None = Field(
        default=None,
        min_length=1,
        description="The countries that may get texts: regions such as IN (ISO 3166), or calling codes such as +91.",
    )
    per_recipient: Rate | None = Field(default=None, description="The most texts to a number, such as 5/1h.")
    per_prefix: Rate | None = Field(
        default=None,
        description="The most texts to all numbers that differ only in their last four digits, such as 20/1h.",
    )
    total: Rate | None = Field(default=None, description="The most texts of the account, such as 1000/1h.")
    store: SecretStr | None = Field(
        default=None,
        description="URL of the store; on: SMSBRIDGE_STORE; off: memory. Default: SMSBRIDGE_STORE, or memory.",
    )
    remembers: int = Field(
        default=100_000,
        ge=1000,
        description="The most texts that each cap keeps in memory; once so many were sent within its time, "
        "others are refused.",
    )

    @field_validator("allow")
    @classmethod
    def _as_numbers(cls, allow: tuple[str, ...] | None) -> tuple[str, ...] | None:
        return allow and tuple(number if _PREFIX.fullmatch(number) else _number(number, _ALLOWED) for number in allow)

    @field_validator("redirect")
    @classmethod
    def _as_number(cls, redirect: str | None) -> str | None:
        return redirect and _number(redirect, "write a number with its country code, as in +91...")

    @field_validator("countries")
    @classmethod
    def _as_countries(cls, countries: tuple[str, ...] | None) -> tuple[str, ...] | None:
        return countries and Countries.normalised(countries)

    def model_post_init(self, context: Any, /) -> None:
        super().model_post_init(context)
        # Made now, since two threads at first use would make two.
        _ = self._rules

    @cached_property
    def _rules(self) -> _Rules:
        """The rules. Not a private attribute, which takes pydantic microseconds to find."""
        return _Rules(self.allow, self.countries, Caps(self._rates(), self.remembers), self._stored())

    @classmethod
    def around(cls, inner: SmsProvider, *accounts: str, **given: Any) -> GuardPolicy:
        guard = super().around(inner, *accounts, **given)
        if not any(getattr(guard, name) for name in _RULES):
            rules = ", ".join(environment.variable(accounts[-1], name) for name in _RULES)
            raise ConfigurationError(f"a guard without a rule lets every text through: set one of {rules}")
        return guard.shared()

    def shared(self) -> GuardPolicy:
        """Count texts together with all other guards in this process that have the same account and the same caps.

        Returns this guard.
        """
        rules = self._rules
        with _lock:
            rules.caps = _shared.setdefault((self.account, *self._rates().items(), self.remembers), rules.caps)
        return self

    @classmethod
    def completed(cls, accounts: Sequence[str], given: Mapping[str, Any]) -> Mapping[str, Any]:
        return {**store_of(accounts, given), **given}

    def findings(self) -> Iterable[Finding]:
        """Yield a finding if the store cannot be used, and a finding if there are caps but no store to count in."""
        if not self._rates():
            return
        if is_in_process(self.store):
            words = f"the caps of {self.account} count for each process alone: two processes send twice as many texts"
            share = environment.variable(None, SETTING)
            yield Finding("note", words, f"to count together, set {share}, such as sqlite:///sms.db")
            return
        problem = problem_of(None, self.store, "counters")
        if problem is not None:
            words = f"the caps cannot be counted: {problem}"
            yield Finding("error", words, "every text would be refused: name another store")

    def _stored(self) -> StoredCaps | None:
        if self.store is None or not self._rates():
            return None
        return StoredCaps(CountersAt(self.store), f"guard {self.account}", self._rates(), self.remembers)

    def close(self) -> None:
        super().close()
        if self._rules.stored is not None:
            self._rules.stored.close()

    def forget(self, rehearsal: Rehearsal) -> None:
        # The copy has the property's value too.
        real = self._rules
        caps = rehearsal.instead_of(real.caps, lambda: Caps(self._rates(), self.remembers))
        rules = _Rules(self.allow, self.countries, caps)
        rules.clock = real.clock
        object.__setattr__(self, "_rules", rules)

    def _rates(self) -> dict[str, Rate]:
        rates = {"recipient": self.per_recipient, "prefix": self.per_prefix, "total": self.total}
        return {kind: rate for kind, rate in rates.items() if rate is not None}

    def admit(self, message: Message, *, verification: bool = False) -> Flow[Message]:
        why: str | None = None
        try:
            refusal = yield from self._rules.take(message)
        # Any store may fail here. The error's words may quote anything.
        except Exception as problem:  # noqa: BLE001
            ours = isinstance(problem, Unwritable | ConfigurationError | Overdue)
            why, refusal = (str(problem) if ours else type(problem).__name__), None
        # Raised outside of except, so that the error does not keep its cause.
        if why is not None:
            self._rules.end(message, sent=False)
            raise VetoedError(
                "the guard cannot read how many texts were sent, so it lets no text through",
                reason="caps-unreadable",
                detail=why,
            )
        if refusal is not None:
            raise refusal
        return replace(message, to=self.redirect) if self.redirect else message

    def settle(self, message: Message, ending: Ending) -> None:
        self._rules.end(message, sent=not isinstance(ending, RefusedError))

    def give_back(self, message: Message) -> None:
        self._rules.end(message, sent=False)

    def foresee(self, message: Message, *, now: datetime) -> Foresight:
        refusal = self._rules.judge(message.to)
        if refusal is not None:
            return self._would_refuse(refusal, message)
        if not self.redirect:
            return self._would_pass(message, "lets it through", now=now)
        return self._would_pass(
            replace(message, to=self.redirect), f"sends it to {mask(self.redirect)} instead", now=now
        )


def _number(given: str, problem: str) -> str:
    with suppress(RecipientError):
        return to_e164(given)
    raise ValueError(problem)


def _time(rate: Rate) -> str:
    return str(rate).partition("/")[2]
