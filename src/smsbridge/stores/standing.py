"""The value that says how far a text has come, and the rank of each status. No I/O."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from smsbridge.messages import Money, Status

_PENDING = {Status.SCHEDULED: 10, Status.QUEUED: 20, Status.SENT: 30, Status.UNKNOWN: 50}
FAILURES = {
    Status.EXPIRED: 60,
    Status.CANCELLED: 70,
    Status.FAILED: 80,
    Status.UNDELIVERED: 80,
    Status.REJECTED: 80,
}
_NOT_FINAL = 40
"""The rank of a failure after which the vendor still tries."""
DELIVERED = 90


def rank(status: Status, final: bool) -> int:  # noqa: FBT001  # the two that a report has
    """Return how much a status counts against others of the same text, as a number.

    ``delivered`` counts most, then failures, then texts under way. 0 is less than any status.
    """
    if status is Status.DELIVERED:
        return DELIVERED
    if status in FAILURES:
        return FAILURES[status] if final else _NOT_FINAL
    return _PENDING[status] + (1 if final else 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How far an accepted text has come, by the vendor's answer and its reports.

    ``at`` is when it came so far, ``sent_at`` and ``delivered_at`` are the vendor's times, or when the report came if
    the vendor gives none. ``disputed``: reports name two different failures, and the first one stays.
    """

    status: Status
    final: bool
    at: datetime
    code: str | None = None
    reason: str | None = None
    segments: int | None = None
    price: Money | None = None
    sent_at: datetime | None = None
    delivered_at: datetime | None = None
    disputed: bool = False

    @property
    def rank(self) -> int:
        """How much this status counts, as a number: of two statuses of a text, the higher rank stays."""
        return rank(self.status, self.final)
