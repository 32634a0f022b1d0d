"""The hours policy: texts reach people only in permitted hours, by the recipient's local time."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar, Literal

from pydantic import Field, PrivateAttr

from smsbridge.attempts import utc_now
from smsbridge.errors import RefusedError, VetoedError
from smsbridge.flow import Flow
from smsbridge.logs import logger
from smsbridge.messages import Message
from smsbridge.phone import mask_numbers
from smsbridge.policies.gate import Gate
from smsbridge.policies.policy import Place

from . import Hours

log = logger("smsbridge.hours")


class HoursPolicy(Gate):
    """Keeps texts within the permitted hours of their purpose in the recipient's country.

    By default, the hours apply to promotional texts in India. Outside of the hours a text is refused: VetoedError,
    ``quiet-hours``, with the seconds until the hours begin. If ``outside`` is ``schedule``, the text goes to the vendor
    with ``send_at`` at the next permitted moment; a text that cannot be scheduled, or that expires before that moment,
    is refused. A text with ``send_at`` is judged by that time. The hours are checked before each attempt of a retry.
    """

    name = "hours"
    place = Place.ATTEMPT
    advice: ClassVar[Mapping[str, str]] = {
        "quiet-hours": "send it in the permitted hours, which smsbridge hours knows, or schedule it with --at"
    }

    outside: Literal["refuse", "schedule"] = Field(
        default="refuse", description="What to do with texts outside the permitted hours."
    )
    rules: Path | None = Field(
        default=None, description="TOML file with rules that replace the built-in rules while they are in force."
    )
    margin: float = Field(
        default=60, ge=0, le=3600, description="Seconds before the end of the hours in which all texts are refused."
    )

    _hours: Hours = PrivateAttr()
    _clock: Callable[[], datetime] = PrivateAttr(default_factory=lambda: utc_now)

    def model_post_init(self, context: Any, /) -> None:
        super().model_post_init(context)
        self._hours = Hours.load(self.rules)

    def admit(self, message: Message, *, verification: bool = False) -> Flow[Message]:
        yield from ()
        return self.judge(message, self._clock(), verification=verification)

    def judge(self, message: Message, now: datetime, *, verification: bool = False) -> Message:
        """Return ``message`` unchanged or with a later ``send_at``, if it may be sent.

        ``now`` is the present time. ``verification`` is true if the message is a one-time code that the vendor makes.
        Raises VetoedError if the hours forbid the message and it cannot be scheduled.
        """
        planned = max(message.send_at or now, now)
        # A text sent now may have to wait for the vendor's limit, and takes a while to arrive.
        last = now + timedelta(seconds=self.margin) if planned == now else None
        moment = self._hours.next(message.to, message.purpose, planned, last)
        if moment == planned:
            return message
        words = self._words(message, planned, last or planned)
        if moment is None:
            raise VetoedError(words, reason="quiet-hours", detail="the rules permit no hours within a year")
        if message.valid_until is not None and message.valid_until <= moment:
            raise VetoedError(words, reason="quiet-hours", detail="the text expires before the hours begin")
        if self.outside == "schedule" and not verification:
            scheduled = replace(message, send_at=moment)
            if self._can_schedule(scheduled):
                reference = mask_numbers(message.reference or "")
                log.info("text %s is scheduled for %s, when its hours begin", reference, moment.isoformat())
                return scheduled
        seconds = (moment - now).total_seconds()
        raise VetoedError(words, reason="quiet-hours", retry_after=seconds)

    def _can_schedule(self, message: Message) -> bool:
        if "send_at" not in self.inner.supports:
            return False
        try:
            self.inner.check(message)
        except RefusedError:
            return False
        return True

    def _words(self, message: Message, *times: datetime) -> str:
        rules = [rule for at in times for rule in self._hours.of(message.to, message.purpose, at)]
        hours = "; ".join(dict.fromkeys(f"{rule.country} {rule.words}" for rule in rules))
        return f"{message.purpose.value} texts may not arrive now ({hours}, local time)"
