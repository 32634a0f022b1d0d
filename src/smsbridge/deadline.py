"""The end of a client's call in time, for its driver and for policies that make a text wait."""

from __future__ import annotations

import math
import time
from contextvars import ContextVar
from typing import Literal

end: ContextVar[float] = ContextVar("smsbridge_end", default=math.inf)
"""The time at which the present call has to end, on the clock of ``time.monotonic``. Set by its client."""


def time_left() -> float:
    """Return the seconds left for the present call; infinite if it has no limit."""
    return end.get() - time.monotonic()


class Stopped(BaseException):
    """Thrown into a flow by its client instead of an answer: the client begins no further step.

    It is like a cancellation, but the call ends with the text's outcome, a SendError. ``begun`` says whether the step
    began, ``wait`` how many seconds it would have waited.
    """

    def __init__(
        self, reason: Literal["deadline", "closed"], *, begun: bool = False, wait: float | None = None
    ) -> None:
        super().__init__(reason)
        self.reason = reason
        self.begun = begun
        self.wait = wait

    @property
    def words(self) -> str:
        """The reason in words."""
        if self.reason == "closed":
            return "the client was closed"
        return f"the time of SMSBRIDGE_DEADLINE {'ended' if self.wait is None else 'would end'}"
