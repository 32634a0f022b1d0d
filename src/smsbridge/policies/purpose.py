"""The purpose policy: it sets how long a text of each purpose is valid, if the text itself does not say.

Other effects of a purpose are elsewhere: the vendor's route or category in its plugin, duplicates in ``retry`` and
``failover``, permitted hours in ``hours``, opt-outs in ``optout``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

from pydantic import Field, PrivateAttr

from smsbridge.attempts import utc_now
from smsbridge.flow import Flow
from smsbridge.messages import Message, Purpose
from smsbridge.reading import Duration

from .gate import Gate
from .policy import Place


class PurposePolicy(Gate):
    """Gives a text without ``valid_until`` the expiry that is set for its purpose, counted from the call to send.

    By default no purpose has an expiry: the application decides how long a code is valid, and a dropped text is worse
    than a late text. A text with ``send_at`` is not changed, nor is a text of an account that cannot tell its vendor
    when a text expires.
    """

    name = "purpose"
    place = Place.ONCE

    otp_expiry: Duration | None = Field(default=None, description="How long a one-time code is valid, such as 10m.")
    transactional_expiry: Duration | None = Field(default=None, description="The same for a transactional text.")
    service_expiry: Duration | None = Field(default=None, description="The same for a service text.")
    promotional_expiry: Duration | None = Field(default=None, description="The same for a promotional text.")

    _clock: Callable[[], datetime] = PrivateAttr(default_factory=lambda: utc_now)

    def admit(self, message: Message, *, verification: bool = False) -> Flow[Message]:
        yield from ()
        expiry = self._expiry(message.purpose)
        if expiry is None or message.valid_until is not None or message.send_at is not None:
            return message
        supported = self.inner.verification_supports if verification else self.inner.supports
        return replace(message, valid_until=self._clock() + expiry) if "valid_until" in supported else message

    def _expiry(self, purpose: Purpose) -> timedelta | None:
        expiry: timedelta | None = getattr(self, f"{purpose.value}_expiry")
        return expiry
