"""Guard: who may be texted, and how often."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Any, ClassVar

from pydantic import Field, PrivateAttr, field_validator

from smsbridge.attempts import Failure
from smsbridge.errors import RecipientError, RefusedError, UnsupportedError, VetoedError
from smsbridge.hookspecs import hookimpl
from smsbridge.http import Flow
from smsbridge.messages import Foresight, Message
from smsbridge.phone import Countries, mask, to_e164
from smsbridge.provider import SmsProvider

from .caps import Caps, Full
from .gate import Gate
from .gcra import Rate
from .policy import Named

_PREFIX = re.compile(r"\+[1-9]\d{0,13}\*", re.ASCII)
_WORDS = {
    "recipient": "to this number",
    "prefix": "to numbers that differ in their last four digits alone",
    "total": "in all",
}
_shared: dict[tuple[Any, ...], Caps] = {}
_lock = threading.Lock()


class GuardPolicy(Gate):
    """Keeps texts from people who should get none, and from being abused: what it refuses is a VetoedError with a ``reason``.

    ``allow`` and ``redirect`` are for staging: texts reach only those who are listed, or all of them reach one phone, unchanged.
    ``countries`` and the caps are for production, against toll fraud. A cap holds in any window of its time, wherever that
    begins; a text that was certainly not sent gives its place back. All of them judge the number that the application asked for.
    Caps of accounts from the environment are shared by all clients of the process.
    """

    name: ClassVar[Any] = Named("guard")

    allow: tuple[str, ...] | None = Field(
        default=None,
        min_length=1,
        repr=False,
        description="Who may be texted, all others being refused: numbers in E.164, or their beginnings, such as +9198*.",
    )
    redirect: str | None = Field(
        default=None, repr=False, description="Number in E.164 that gets every text instead of its recipient."
    )
    countries: tuple[str, ...] | None = Field(
        default=None,
        min_length=1,
        description="Where texts may go: regions such as IN (ISO 3166), or calling codes such as +91.",
    )
    per_recipient: Rate | None = Field(default=None, description="Texts to one number at most, such as 5/1h.")
    per_prefix: Rate | None = Field(
        default=None,
        description="Texts at most to all numbers that differ in their last four digits alone, such as 20/1h.",
    )
    total: Rate | None = Field(default=None, description="Texts of the account at most, such as 1000/1h.")
    remembers: int = Field(
        default=100_000,
        ge=1,
        description="Numbers that each cap keeps in memory at most; while so many were texted within its time, new ones are refused.",
    )

    _caps: Caps = PrivateAttr()
    _numbers: frozenset[str] = PrivateAttr(default=frozenset())
    _beginnings: tuple[str, ...] = PrivateAttr(default=())
    _countries: Countries | None = PrivateAttr(default=None)
    _clock: Callable[[], float] = PrivateAttr(default=time.monotonic)

    @field_validator("allow")
    @classmethod
    def _as_numbers(cls, allow: tuple[str, ...] | None) -> tuple[str, ...] | None:
        return allow and tuple(one if _PREFIX.fullmatch(one) else _number(one) for one in allow)

    @field_validator("redirect")
    @classmethod
    def _as_number(cls, redirect: str | None) -> str | None:
        return redirect and _number(redirect)

    @field_validator("countries")
    @classmethod
    def _as_countries(cls, countries: tuple[str, ...] | None) -> tuple[str, ...] | None:
        return countries and Countries.normalised(countries)

    def model_post_init(self, context: Any, /) -> None:
        super().model_post_init(context)
        self._caps = Caps(self._rates(), self.remembers)
        if self.allow:
            self._numbers = frozenset(one for one in self.allow if not one.endswith("*"))
            self._beginnings = tuple(one[:-1] for one in self.allow if one.endswith("*"))
        if self.countries:
            self._countries = Countries(self.countries)

    @classmethod
    def around(cls, inner: SmsProvider, *accounts: str, **given: Any) -> GuardPolicy:
        return super().around(inner, *accounts, **given).shared()

    def shared(self) -> GuardPolicy:
        """Return the same guard, counting together with all others of the same account and caps in this process."""
        rates = self._rates()
        with _lock:
            self._caps = _shared.setdefault((self.account, *rates.items(), self.remembers), self._caps)
        return self

    def _rates(self) -> dict[str, Rate]:
        rates = {"recipient": self.per_recipient, "prefix": self.per_prefix, "total": self.total}
        return {kind: rate for kind, rate in rates.items() if rate is not None}

    def admit(self, message: Message, *, verification: bool = False) -> Flow[Message]:
        yield from ()
        refusal = self._refusal(message.to, self._caps.take)
        if refusal is not None:
            raise refusal
        return replace(message, to=self.redirect) if self.redirect else message

    def settle(self, message: Message, error: Failure | None) -> None:
        self._caps.end(message.to, self._clock, sent=not isinstance(error, RefusedError | UnsupportedError))

    def foresee(self, message: Message, *, now: datetime) -> Foresight:
        refusal = self._refusal(message.to, self._caps.full)
        if refusal is not None:
            return self._would_refuse(refusal, message)
        if not self.redirect:
            return self._would_pass(message, "lets it through", now=now)
        return self._would_pass(
            replace(message, to=self.redirect), f"sends it to {mask(self.redirect)} instead", now=now
        )

    def _refusal(self, number: str, at_caps: Callable[[str, Callable[[], float]], Full | None]) -> VetoedError | None:
        if self.allow and not (number in self._numbers or number.startswith(self._beginnings)):
            return VetoedError("the guard's list of allowed numbers does not have this one", reason="allow-list")
        if self._countries is not None and number not in self._countries:
            return VetoedError("the guard lets no texts to the country of this number through", reason="country")
        full = at_caps(number, self._clock)
        if full is None:
            return None
        words = f"the guard lets {full.rate.count} texts in {_time(full.rate)} through {_WORDS[full.kind]}"
        if full.crowded:
            words = "the guard cannot remember more numbers, and lets none through that it does not remember"
        return VetoedError(words, reason=f"cap-{full.kind}", retry_after=full.wait)


def _number(given: str) -> str:
    try:
        return to_e164(given)
    except RecipientError:
        problem = "write numbers with their country code, and a beginning with a star after it, as in +9198*"
    raise ValueError(problem)


def _time(rate: Rate) -> str:
    return str(rate).partition("/")[2]


@hookimpl
def smsbridge_providers() -> list[type[SmsProvider]]:
    return [GuardPolicy]
