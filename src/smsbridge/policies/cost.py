"""Cost: what vendors say that a text cost, held against our own rates."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar, Self

from pydantic import Field, PrivateAttr

from smsbridge.cost import Rates, differs
from smsbridge.forks import fresh_lock
from smsbridge.hookspecs import hookimpl
from smsbridge.logs import logger
from smsbridge.messages import Cost, Message, SentMessage
from smsbridge.phone import mask_numbers
from smsbridge.provider import SmsProvider
from smsbridge.rehearsal import Rehearsal
from smsbridge.text import measure

from .gate import Ending, Gate
from .policy import Named

log = logger("smsbridge.cost")
"""WARNING for each text that costs something else than expected. The figures are in ``record.cost``, a dict."""

Tell = Callable[[str, str, Message, SentMessage, Cost], None]
"""Takes account, provider, message, what the vendor said and what was expected."""


class CostPolicy(Gate):
    """Compares the segments and the price of each accepted text with our own count and ``prices``; changes nothing.

    Where the vendor says something else, the hook ``smsbridge_cost_differs`` is called, a warning is logged, and ``differences``
    counts it. What the vendor does not say, or says in another unit, differs from nothing.
    """

    name: ClassVar[Any] = Named("cost")

    prices: Path = Field(description="TOML file with what a segment costs, by account, country, prefix and purpose.")

    _rates: Rates = PrivateAttr()
    _tell: Tell | None = PrivateAttr(default=None)
    _counts: Counter[str] = PrivateAttr(default_factory=Counter)
    _lock: Any = PrivateAttr(default_factory=fresh_lock)

    def model_post_init(self, context: Any, /) -> None:
        super().model_post_init(context)
        self._rates = Rates.load(self.prices)

    def telling(self, tell: Tell) -> Self:
        """Return the same policy, which tells ``tell`` of each difference: ``Plugins.cost_differs``, from the environment."""
        self._tell = tell
        return self

    def forget(self, rehearsal: Rehearsal) -> None:
        self._counts, self._lock = Counter(), fresh_lock()

    @property
    def differences(self) -> Mapping[str, int]:
        """How many texts cost something else than expected, by the account that took them."""
        with self._lock:
            return dict(self._counts)

    def settle(self, message: Message, ending: Ending) -> None:
        if not isinstance(ending, SentMessage) or (ending.segments is None and ending.price is None):
            return
        try:
            self._compare(message, ending)
        except Exception as error:  # noqa: BLE001  # the text is accepted, whatever it costs
            log.error("a text's cost cannot be told: %s", type(error).__name__)  # noqa: TRY400  # a trace may quote it

    def _compare(self, message: Message, sent: SentMessage) -> None:
        segments = measure(message.text).segments
        expected = self._rates.expect(message, sent.account, sent.provider, segments=segments)
        if not differs(sent, expected):
            return
        with self._lock:
            self._counts[sent.account] += 1
        _record(sent, expected)
        if self._tell is not None:
            self._tell(sent.account, sent.provider, message, sent, expected)


def _record(sent: SentMessage, expected: Cost) -> None:
    fields = {
        "account": sent.account,
        "reference": mask_numbers(sent.reference),
        "segments": sent.segments,
        "expected_segments": expected.segments,
        "price": None if sent.price is None else f"{sent.price.amount:f} {sent.price.unit}",
        "expected_price": None if expected.price is None else f"{expected.price.amount:f} {expected.price.unit}",
    }
    log.warning(
        "text %s through %s costs %s in %s segments, expected %s in %s",
        fields["reference"],
        fields["account"],
        fields["price"] or "an unknown price",
        "unknown" if sent.segments is None else sent.segments,
        fields["expected_price"] or "an unknown price",
        fields["expected_segments"],
        extra={"cost": fields},
    )


@hookimpl
def smsbridge_providers() -> list[type[SmsProvider]]:
    return [CostPolicy]
