"""The cost policy: it compares the vendor's cost of each text with our own rates."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any, Self

from pydantic import Field, PrivateAttr

from smsbridge.errors import ContentError
from smsbridge.flow import Flow, Tell, ending
from smsbridge.forks import fresh_lock
from smsbridge.logs import logger
from smsbridge.messages import Cost, Foresight, Message, SentMessage
from smsbridge.phone import mask_numbers
from smsbridge.policies.batch import Batch
from smsbridge.policies.policy import Place, Policy, Surroundings
from smsbridge.provider import SmsProvider
from smsbridge.rehearsal import Rehearsal
from smsbridge.text import measure

from . import Rates, differs

log = logger("smsbridge.cost")
"""WARNING for each text whose cost differs from the expected cost. The figures are in ``record.cost``, a dict."""

_Difference = tuple[str, str, Message, SentMessage, Cost]
"""Account, provider, message, the vendor's answer and the expected cost."""


class CostPolicy(Policy):
    """Compares the segments and the price of each accepted text with our own count and ``prices``; changes nothing.

    If the vendor's figures differ, the hook ``smsbridge_cost_differs`` is called, a warning is logged, and
    ``differences`` counts the text. A figure that the vendor does not give, or gives in another unit, is not compared.
    """

    name = "cost"
    place = Place.ONCE

    prices: Path = Field(description="TOML file with prices of a segment, by account, country, prefix and purpose.")

    _rates: Rates = PrivateAttr()
    _tell: Callable[[str, str, Message, SentMessage, Cost], None] | None = PrivateAttr(default=None)
    _counts: Counter[str] = PrivateAttr(default_factory=Counter)
    _lock: Any = PrivateAttr(default_factory=fresh_lock)

    def model_post_init(self, context: Any, /) -> None:
        super().model_post_init(context)
        self._rates = Rates.load(self.prices)

    @classmethod
    def standing(cls, inner: SmsProvider, *accounts: str, around: Surroundings | None = None) -> Self:
        made = cls.around(inner, *accounts)
        return made if around is None else made.telling(around.cost_differs)

    def telling(self, tell: Callable[[str, str, Message, SentMessage, Cost], None]) -> Self:
        """Make this policy call ``tell`` for each text whose cost differs from the expected cost. Returns this policy.

        ``tell`` gets the account, the provider, the message, the accepted text and the expected cost. In a client from
        the environment, ``tell`` is ``Plugins.cost_differs``.
        """
        self._tell = tell
        return self

    def forget(self, rehearsal: Rehearsal) -> None:
        self._counts, self._lock = Counter(), fresh_lock()

    @property
    def differences(self) -> Mapping[str, int]:
        """Return how many texts cost something else than expected, by the name of the account that sent them."""
        with self._lock:
            return dict(self._counts)

    def foresee(self, message: Message, *, now: datetime) -> Foresight:
        view = super().foresee(message, now=now)
        taker = view.taker
        if taker is None:
            return view
        # A text that cannot be counted is refused further inside.
        with suppress(ContentError):
            segments = measure(message.text).segments
            cost = self._rates.estimate(message, taker.account, taker.provider, segments=segments)
            return replace(view, cost=cost)
        return view

    def carry(self, batch: Batch) -> Flow[None]:
        _, interruption = yield from ending(super().carry(batch))
        sent = [
            (result.message, result.sent) for result in batch.results.values() if isinstance(result.sent, SentMessage)
        ]
        differing = deque(filter(None, (self._difference(*accepted) for accepted in sent)))
        if differing:
            yield from Tell(self._tell_of, differing)
        if interruption is not None:
            raise interruption

    def _difference(self, message: Message, sent: SentMessage) -> _Difference | None:
        """Record a text whose cost differs. Returns the arguments for the hook; None if it does not differ."""
        if sent.segments is None and sent.price is None:
            return None
        try:
            segments = measure(message.text).segments
            expected = self._rates.expect(message, sent.account, sent.provider, segments=segments)
            if not differs(sent, expected):
                return None
            with self._lock:
                self._counts[sent.account] += 1
            _record(sent, expected)
        # The text is accepted, so no error about its cost may reach the caller.
        except Exception as error:  # noqa: BLE001
            _log_failure(error)
            return None
        return sent.account, sent.provider, message, sent, expected

    def _tell_of(self, differing: deque[_Difference]) -> None:
        while self._tell is not None and differing:
            try:
                self._tell(*differing.popleft())
            except Exception as error:  # noqa: BLE001
                _log_failure(error)


def _log_failure(error: Exception) -> None:
    # Without a trace, which may quote the text.
    log.error("the cost of a text cannot be reported: %s", type(error).__name__)


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
