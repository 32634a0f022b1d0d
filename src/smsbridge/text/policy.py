"""The text policy: it limits the segments of a text, and simplifies texts if it is set to."""

from __future__ import annotations

from dataclasses import replace

from pydantic import Field

from smsbridge.flow import Flow
from smsbridge.messages import Message, Purpose
from smsbridge.policies.gate import Gate
from smsbridge.policies.policy import Place

from . import check_segments, simplify


class TextPolicy(Gate):
    """Refuses a text with more segments than its purpose allows (ContentError, ``too-long``), before it is sent.

    ``simplify`` first writes characters such as curly quotes in GSM-7, if that saves segments; it never changes a text
    in another script. ``simplify`` is off by default, because a text may have to match its registered template exactly.
    """

    name = "text"
    place = Place.BEFORE

    max_segments: int | None = Field(
        default=None, ge=1, description="Maximum of segments, for purposes without their own limit."
    )
    otp_segments: int | None = Field(default=None, ge=1, description="Maximum of segments of a one-time code.")
    transactional_segments: int | None = Field(
        default=None, ge=1, description="Maximum of segments of a transactional text."
    )
    service_segments: int | None = Field(default=None, ge=1, description="Maximum of segments of a service text.")
    promotional_segments: int | None = Field(
        default=None, ge=1, description="Maximum of segments of a promotional text."
    )
    simplify: bool = Field(default=False, description="Write curly quotes, special spaces and the like in GSM-7.")

    def admit(self, message: Message, *, verification: bool = False) -> Flow[Message]:
        yield from ()
        if self.simplify:
            simpler = simplify(message.text)
            if simpler.changes:
                message = replace(message, text=simpler.text)
        check_segments(message.text, self._limits(), message.purpose)
        return message

    def _limits(self) -> dict[str, int]:
        limits = {purpose: getattr(self, f"{purpose.value}_segments") or self.max_segments for purpose in Purpose}
        return {purpose.value: limit for purpose, limit in limits.items() if limit is not None}
