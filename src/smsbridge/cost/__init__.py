"""Estimate the cost of a text by our own rates before it is sent, and compare it with the vendor's figures after.

Reading the rates is the only I/O.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, date, datetime
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, field_validator

from smsbridge import tables
from smsbridge.complaints import matching
from smsbridge.errors import ConfigurationError
from smsbridge.messages import Cost, Message, Money, Purpose, SentMessage
from smsbridge.phone import regions


class Rate(BaseModel):
    """Hold the price of a segment for all texts that match every field that is set.

    The rate is valid from the day ``since`` to the day ``until`` (UTC, both included). ``account`` is the name of an
    account, or of a provider for all of the provider's accounts; ``prefix`` is the beginning of the number.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    price: Decimal = Field(ge=0, allow_inf_nan=False)
    currency: Annotated[str, matching(r"[A-Z]{3}|credits", "write three letters, such as INR (ISO 4217), or credits")]
    account: str | None = Field(default=None, min_length=1)
    country: Annotated[str, matching(r"[A-Z]{2}", "write two letters, such as IN (ISO 3166)")] | None = None
    prefix: Annotated[str, matching(r"\+[1-9][0-9]{0,14}", "write a number's beginning, such as +9198")] | None = None
    purpose: Purpose | None = None
    since: date | None = None
    until: date | None = None

    @field_validator("price", mode="before")
    @classmethod
    def _no_yes_or_no(cls, value: object) -> object:
        if isinstance(value, bool):
            raise ValueError("write a number, not true or false")  # noqa: TRY004  # pydantic needs a ValueError
        return value

    @property
    def key(self) -> tuple[object, ...]:
        """Return the fields that must differ between two rates. With equal keys, no rule says which rate counts."""
        return self.account, self.country, self.prefix, self.purpose, self.since

    @property
    def weight(self) -> tuple[object, ...]:
        """Return a sort key for how exactly the rate describes texts.

        Of all rates that fit a text, the rate with the greatest weight gives the price.
        """
        return (
            self.account is not None,
            len(self.prefix or ""),
            self.country is not None,
            self.purpose is not None,
            self.since or date.min,
        )

    def fits(self, message: Message, names: Iterable[str], countries: Iterable[str], day: date) -> bool:
        """Return whether the rate is valid for ``message`` on the day ``day`` (UTC).

        ``names`` are the names of the sending account and its provider. ``countries`` has the country of the number; it
        is empty if the country is not certain.
        """
        return (
            (self.account is None or self.account in names)
            and (self.prefix is None or message.to.startswith(self.prefix))
            and (self.country is None or self.country in countries)
            and (self.purpose is None or self.purpose is message.purpose)
            and (self.since is None or self.since <= day)
            and (self.until is None or day <= self.until)
        )


class Rates:
    """Hold the rates that you pay. Of several rates that fit a text, the most exact rate gives the price.

    Which rate is more exact is decided by these, in order: a rate with an account, with the longer prefix, with a
    country, with a purpose, with the later start.
    """

    def __init__(self, rates: Iterable[Rate]) -> None:
        self._rates = sorted(rates, key=lambda rate: rate.weight, reverse=True)
        self._by_country = any(rate.country for rate in self._rates)

    @classmethod
    def load(cls, path: Path) -> Rates:
        """Read the rates from the ``[[rate]]`` tables of the TOML file at ``path``.

        Raises ConfigurationError if the file cannot be read, if a rate is wrong, or if two rates fit the same texts and
        nothing says which of them counts.
        """
        rates = tables.read(path, "rate", Rate)
        seen: dict[tuple[object, ...], int] = {}
        for place, rate in enumerate(rates):
            first = seen.setdefault(rate.key, place)
            if first != place:
                other = tables.place_of(path, "rate", first)
                raise ConfigurationError(
                    f"{tables.place_of(path, 'rate', place)}: the same rate as in {other}: remove one"
                )
        return cls(rates)

    def rate(self, message: Message, account: str, provider: str = "", *, at: datetime | None = None) -> Rate | None:
        """Return the rate that gives the price of the prepared ``message`` through ``account``; None if no rate fits.

        ``provider`` is the name of the account's provider. ``at`` is the time of sending, by default ``send_at`` of the
        message, or now.
        """
        day = (at or message.send_at or datetime.now(UTC)).astimezone(UTC).date()
        # A number that may be in several countries has only rates without a country.
        found = regions(message.to) if self._by_country else ()
        countries = found if len(found) == 1 else ()
        # An account's own rate is more exact than that of its provider.
        for names in ([account], [provider]) if provider != account else ([account],):
            for candidate in self._rates:
                if candidate.account is not None and candidate.fits(message, names, countries, day):
                    return candidate
        return next(
            (
                candidate
                for candidate in self._rates
                if candidate.account is None and candidate.fits(message, (), countries, day)
            ),
            None,
        )

    def estimate(
        self, message: Message, account: str, provider: str = "", *, segments: int, at: datetime | None = None
    ) -> Money | None:
        """Return the cost of a text of ``segments`` segments to the recipient of ``message``; None if no rate fits.

        ``account`` and ``provider`` are the names of the sending account and its provider. ``at`` is the time of
        sending, by default ``send_at`` of the message, or now.
        """
        rate = self.rate(message, account, provider, at=at)
        return None if rate is None else Money(amount=rate.price * segments, unit=rate.currency)

    def expect(self, message: Message, account: str, provider: str = "", *, segments: int) -> Cost:
        """Return the number of segments and the price that ``message`` should have by our own count and these rates.

        The result is compared with the vendor's figures. ``segments`` is our own count.
        """
        return Cost(segments=segments, price=self.estimate(message, account, provider, segments=segments))


def differs(sent: SentMessage, expected: Cost) -> bool:
    """Return whether the vendor counted another number of segments than ``expected``, or asks another price.

    Prices are compared only in the same unit. If the vendor gives no number of segments or no price, that figure is not
    compared.
    """
    if sent.segments is not None and sent.segments != expected.segments:
        return True
    said, ours = sent.price, expected.price
    if said is None or ours is None or said.unit != ours.unit:
        return False
    return said.amount != _as_fine_as(said.amount, ours.amount)


def _as_fine_as(said: Decimal, ours: Decimal) -> Decimal:
    """Return ``ours`` rounded like ``said``, if that has at least two decimals: vendors round."""
    exponent = said.as_tuple().exponent
    if isinstance(exponent, int) and exponent <= -2:
        return ours.quantize(Decimal((0, (1,), exponent)), ROUND_HALF_UP)
    return ours
