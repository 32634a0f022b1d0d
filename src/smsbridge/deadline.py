"""When a call of a client has to be over, for its driver and for the policies that would make a text wait."""

from __future__ import annotations

import math
import time
from contextvars import ContextVar
from typing import Literal

end: ContextVar[float] = ContextVar("smsbridge_end", default=math.inf)
"""When the call that is being driven has to be over, on the clock of ``time.monotonic``. Set by its client."""


def time_left() -> float:
    """The seconds that are left for the call that is being driven; infinite where nothing bounds it."""
    return end.get() - time.monotonic()


class Stopped(BaseException):
    """Thrown into a flow by its client in the place of an answer: nothing more is begun.

    Like a cancellation, but the call ends with what is known of the text, which is a SendError. ``begun`` says whether
    the step was begun, ``wait`` for how many seconds it would have waited.
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
        """Why nothing more is begun."""
        if self.reason == "closed":
            return "the client was closed"
        return f"the time of SMSBRIDGE_DEADLINE {'ended' if self.wait is None else 'would end'}"
