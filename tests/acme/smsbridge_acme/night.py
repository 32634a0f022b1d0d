"""A third party's policy, unknown to the core."""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import Field

from smsbridge import ContentError, Flow, Gate, Message, Purpose
from smsbridge.policies.policy import Finding, Place


class NightPolicy(Gate):
    """Refuses texts at night, except one-time codes."""

    name = "night"
    place = Place.ATTEMPT

    quiet: bool = Field(default=True, description="Whether it is night.")

    def admit(self, message: Message, *, verification: bool = False) -> Flow[Message]:
        yield from ()
        if self.quiet and message.purpose is not Purpose.OTP:
            raise ContentError("people sleep", reason="night")
        return message

    def findings(self) -> Iterator[Finding]:
        if self.quiet:
            yield Finding(
                "warning", "it is night, so all but one-time codes are refused", "set SMSBRIDGE_NIGHT_QUIET=no"
            )
