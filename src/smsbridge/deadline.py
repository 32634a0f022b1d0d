"""The time at which a client's call has to end: the client sets it, and policies that let a text wait read it."""

from __future__ import annotations

import math
import time
from contextvars import ContextVar
from typing import Literal

end: ContextVar[float] = ContextVar("smsbridge_end", default=math.inf)
"""The time at which the present call has to end, on the clock of ``time.monotonic``. Set by its client."""


def time_left() -> float:
    """Return the seconds left for the present call of a client, or infinity if the call has no limit."""
    return end.get() - time.monotonic()


class Stopped(BaseException):
    """An interruption that a client throws into a flow when the time of the call is over, or when the client is closed.

    No further step begins. It acts like a cancellation, but the call ends with the text's outcome, a SendError.
    ``begun`` says whether the present step had begun; ``wait`` is for how many seconds this step would have waited.
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
        """The reason in words for an error, such as ``the client was closed``."""
        if self.reason == "closed":
            return "the client was closed"
        return f"the time of SMSBRIDGE_DEADLINE {'ended' if self.wait is None else 'would end'}"
