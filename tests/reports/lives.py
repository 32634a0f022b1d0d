"""Lives of texts, as vendors report them, and what a ledger has to know of each afterwards."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from smsbridge.messages import DeliveryReport, Status

BEGIN = datetime(2030, 1, 31, tzinfo=UTC)
ACCOUNTS = ("first", "second")
FAILURES = (Status.EXPIRED, Status.CANCELLED, Status.FAILED, Status.UNDELIVERED, Status.REJECTED)
ORDER = [
    {Status.SCHEDULED},
    {Status.QUEUED},
    {Status.SENT},
    {Status.UNKNOWN},
    {Status.EXPIRED},
    {Status.CANCELLED},
    {Status.FAILED, Status.UNDELIVERED, Status.REJECTED},
    {Status.DELIVERED},
]
"""From the lowest to the highest; of one set the first that came stays."""


@dataclass(slots=True)
class Life:
    """A text: ``taker`` accepted it, as ``id``, and reports of it come; some name another account with the same id."""

    number: int
    reference: str
    taker: str
    id: str
    statuses: list[Status]
    strays: list[Status]
    echoes: bool
    is_early: bool
    """Whether its reports may come before its outcome is recorded."""
    came: list[Status] = field(default_factory=list)

    @property
    def expected(self) -> tuple[set[Status], bool]:
        """The statuses of which the ledger has one, and whether failures differ: by the words of the rule alone."""
        known = {Status.QUEUED, *self.statuses}
        top = max((rank for rank, group in enumerate(ORDER) if known & group))
        return known & ORDER[top], len(known & set(FAILURES)) > 1


def lives(count: int, seed: int, *, early: float = 0.1) -> Iterator[Life]:
    """``count`` random lives."""
    chance = random.Random(seed)
    for number in range(count):
        statuses = chance.sample(list(Status), chance.choice((1, 2, 3, 3, 4)))
        yield Life(
            number=number,
            reference=f"order-{number}",
            taker=chance.choice(ACCOUNTS),
            id=f"vendor-{number}",
            statuses=statuses,
            strays=chance.sample(list(FAILURES), 1) if chance.random() < 0.05 else [],
            echoes=chance.random() < 0.7,
            is_early=chance.random() < early,
        )


def reports(life: Life) -> list[DeliveryReport]:
    """All reports of a life, each once; strays are of the other account, which has a text of its own under that id."""
    other = ACCOUNTS[1 - ACCOUNTS.index(life.taker)]
    mine = [_report(life, life.taker, status) for status in life.statuses]
    return mine + [_report(life, other, status) for status in life.strays]


def _report(life: Life, account: str, status: Status) -> DeliveryReport:
    return DeliveryReport(
        account=account,
        provider="model",
        id=life.id,
        reference=life.reference if life.echoes else "",
        status=status,
        final=status.final,
        at=BEGIN + timedelta(seconds=life.number),
        key=f"{life.id}/{status.value}",
    )
