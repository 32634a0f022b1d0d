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
    """Return the rank of a status: of several statuses of the same text, the status with the highest rank counts.

    ``delivered`` has the highest rank, then come failures, then texts under way. 0 is below every status.
    """
    if status is Status.DELIVERED:
        return DELIVERED
    if status in FAILURES:
        return FAILURES[status] if final else _NOT_FINAL
    return _PENDING[status] + (1 if final else 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How far an accepted text has come, according to the vendor's answer and the delivery reports.

    ``at`` is the time at which the text reached this status. ``sent_at`` and ``delivered_at`` are the vendor's times,
    or the times at which the reports came if the vendor gives none. ``disputed`` is true if reports name two different
    failures; then the first failure stays.
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
        """The rank of this status: of two statuses of a text, the status with the higher rank stays."""
        return rank(self.status, self.final)
