"""Convert entries and reports to rows and back, for stores that speak SQL. No I/O.

CLAIM, OUTCOME, STANDING and REPORT are the names of the columns, in order. All times are in seconds since 1970, UTC.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from smsbridge.messages import DeliveryReport, Money, Status

from .entries import Claim, Entry, Kind, Outcome, State
from .folding import begun
from .standing import Standing

CLAIM = (
    "account",
    "reference",
    "kind",
    "content",
    "recipient",
    "purpose",
    "claim",
    "claimed_at",
    "person",
    "context",
    "full_recipient",
    "text",
)
OUTCOME = (
    "state",
    "recorded_at",
    "taker",
    "provider",
    "id",
    "status",
    "segments",
    "price",
    "unit",
    "accepted_at",
    "expires_at",
    "error",
    "code",
    "reason",
)
STANDING = (
    "reported",
    "rank",
    "final",
    "reported_at",
    "report_code",
    "report_reason",
    "report_segments",
    "report_price",
    "report_unit",
    "sent_at",
    "delivered_at",
    "disputed",
)
ENTRY = ("number", *CLAIM, "claims", *OUTCOME, *STANDING)
"""The columns that :func:`entry` reads."""
REPORT = (
    "account",
    "key",
    "provider",
    "id",
    "reference",
    "status",
    "final",
    "code",
    "reason",
    "at",
    "segments",
    "price",
    "unit",
    "part",
)
_NO_STANDING = (None, 0, *(None,) * 9, 0)


def claim_row(claim: Claim) -> tuple[Any, ...]:
    """Return the values of ``claim`` for the columns in CLAIM, in order."""
    return (
        claim.account,
        claim.reference,
        claim.kind.value,
        claim.content,
        claim.to,
        claim.purpose,
        claim.token,
        claim.at.timestamp(),
        claim.person or None,
        json.dumps(dict(claim.context)) if claim.context else None,
        claim.number,
        claim.text,
    )


def outcome_row(outcome: Outcome) -> tuple[Any, ...]:
    """Return the values of ``outcome`` for the columns in OUTCOME, in order."""
    return (
        outcome.state.value,
        outcome.at.timestamp(),
        outcome.taker,
        outcome.provider,
        outcome.id,
        outcome.status and outcome.status.value,
        outcome.segments,
        *_money(outcome.price),
        _seconds(outcome.accepted_at),
        _seconds(outcome.expires_at),
        outcome.error,
        outcome.code,
        outcome.reason,
    )


def standing_row(standing: Standing | None) -> tuple[Any, ...]:
    """Return the values of ``standing`` for the columns in STANDING, in order.

    None stands for a text without a status.
    """
    if standing is None:
        return _NO_STANDING
    return (
        standing.status.value,
        standing.rank,
        int(standing.final),
        standing.at.timestamp(),
        standing.code,
        standing.reason,
        standing.segments,
        *_money(standing.price),
        _seconds(standing.sent_at),
        _seconds(standing.delivered_at),
        int(standing.disputed),
    )


def answer_row(outcome: Outcome) -> tuple[Any, ...]:
    """Return the values for the columns in STANDING of a text without delivery reports.

    They follow from ``outcome``, the provider's answer to ``send``.
    """
    return standing_row(begun(outcome))


def entry(row: Sequence[Any]) -> tuple[int, Entry]:
    """Read an entry from ``row``, which has the columns in ENTRY. Returns the number of the entry, and the entry."""
    number, *rest = row
    claim = _claim(rest[: len(CLAIM)])
    claims, *rest = rest[len(CLAIM) :]
    if rest[0] == State.OPEN:
        return number, Entry(claim=claim, claims=claims)
    outcome, standing = _outcome(rest[: len(OUTCOME)]), _standing(rest[len(OUTCOME) :])
    return number, Entry(claim=claim, outcome=outcome, claims=claims, standing=standing)


def _claim(row: Sequence[Any]) -> Claim:
    account, reference, kind, content, to, purpose, token, at, person, context, full, text = row
    return Claim(
        account=account,
        reference=reference,
        kind=Kind(kind),
        content=bytes(content),
        to=to,
        purpose=purpose,
        token=token,
        at=datetime.fromtimestamp(at, UTC),
        person=bytes(person) if person is not None else b"",
        context=_context(context),
        number=full,
        text=text,
    )


def _outcome(row: Sequence[Any]) -> Outcome:
    state, at, taker, provider, id_, status, segments, price, unit, accepted_at, expires_at, error, code, reason = row
    return Outcome(
        state=State(state),
        at=datetime.fromtimestamp(at, UTC),
        taker=taker,
        provider=provider,
        id=id_,
        status=Status(status) if status else None,
        segments=segments,
        price=_price(price, unit),
        accepted_at=_moment(accepted_at),
        expires_at=_moment(expires_at),
        error=error,
        code=code,
        reason=reason,
    )


def _standing(row: Sequence[Any]) -> Standing | None:
    status, _, final, at, code, reason, segments, price, unit, sent_at, delivered_at, disputed = row
    if status is None:
        return None
    return Standing(
        status=Status(status),
        final=bool(final),
        at=datetime.fromtimestamp(at, UTC),
        code=code,
        reason=reason,
        segments=segments,
        price=_price(price, unit),
        sent_at=_moment(sent_at),
        delivered_at=_moment(delivered_at),
        disputed=bool(disputed),
    )


def report_row(report: DeliveryReport, *, now: float) -> tuple[Any, ...]:
    """Return the values of ``report`` for the columns in REPORT, in order.

    ``now`` (Unix seconds) is the time to store for a report that has no time.
    """
    return (
        report.account,
        report.key,
        report.provider,
        report.id,
        report.reference,
        report.status.value,
        int(report.final),
        report.code,
        report.reason,
        report.at.timestamp() if report.at is not None else now,
        report.segments,
        *_money(report.price),
        int(report.part),
    )


def report(row: Sequence[Any]) -> DeliveryReport:
    """Read a delivery report from ``row``, which has the columns in REPORT."""
    account, key, provider, id_, reference, status, final, code, reason, at, segments, price, unit, part = row
    return DeliveryReport(
        account=account,
        provider=provider,
        id=id_,
        reference=reference,
        status=Status(status),
        final=bool(final),
        code=code,
        reason=reason,
        at=datetime.fromtimestamp(at, UTC),
        segments=segments,
        price=_price(price, unit),
        key=key,
        part=bool(part),
    )


def _context(kept: str | Mapping[str, str] | None) -> Mapping[str, str]:
    if not kept:
        return {}
    found: Mapping[str, str] = json.loads(kept) if isinstance(kept, str) else kept
    return found


def _money(price: Money | None) -> tuple[str | None, str | None]:
    return (None, None) if price is None else (str(price.amount), price.unit)


def _price(amount: str | None, unit: str | None) -> Money | None:
    return None if amount is None else Money(amount=Decimal(amount), unit=unit or "")


def _seconds(at: datetime | None) -> float | None:
    return None if at is None else at.timestamp()


def _moment(seconds: float | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)
