"""Text.

No more segments than the purpose allows, and, where asked for, no character that makes a text dear for nothing.
"""

from __future__ import annotations

from dataclasses import replace

from pydantic import Field

from smsbridge.flow import Flow
from smsbridge.messages import Message, Purpose
from smsbridge.policies.gate import Gate
from smsbridge.policies.policy import Place

from . import check_segments, simplify


class TextPolicy(Gate):
    """Refuses a text that has more segments than its purpose may have (ContentError, ``too-long``), before it costs
    anything.

    ``simplify`` writes characters such as curly quotes in GSM-7 first, where that saves something; it never touches a
    text in another script. Off by default, because a text may have to be its registered template to the letter.
    """

    name = "text"
    place = Place.BEFORE

    max_segments: int | None = Field(
        default=None, ge=1, description="Segments at most, for purposes without their own."
    )
    otp_segments: int | None = Field(default=None, ge=1, description="Segments of a one-time code at most.")
    transactional_segments: int | None = Field(
        default=None, ge=1, description="Segments of a transactional text at most."
    )
    service_segments: int | None = Field(default=None, ge=1, description="Segments of a service text at most.")
    promotional_segments: int | None = Field(default=None, ge=1, description="Segments of a promotional text at most.")
    simplify: bool = Field(default=False, description="Write curly quotes, odd spaces and the like in GSM-7.")

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
