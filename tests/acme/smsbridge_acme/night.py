"""A policy of a third party, which the core does not know."""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import Field

from smsbridge import ContentError, Flow, Gate, Message
from smsbridge.policies.policy import Finding, Place


class NightPolicy(Gate):
    """Lets no text out while it is night."""

    name = "night"
    place = Place.ATTEMPT

    quiet: bool = Field(default=True, description="Whether it is night.")

    def admit(self, message: Message, *, verification: bool = False) -> Flow[Message]:
        yield from ()
        if self.quiet:
            raise ContentError("people sleep", reason="night")
        return message

    def findings(self) -> Iterator[Finding]:
        if self.quiet:
            yield Finding("warning", "it is night, so every text is refused", "set SMSBRIDGE_NIGHT_QUIET=no")
