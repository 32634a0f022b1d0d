"""Decide how delivery reports change an entry of a ledger: the same rules for every store. No I/O.

Reports come late, twice and in any order, so a text only ever moves up.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime

from smsbridge.messages import DeliveryReport, Status

from .entries import Entry, Outcome, State
from .standing import FAILURES, Standing

_PROVES = (Status.SENT, Status.DELIVERED)
"""What only a text that has left can be."""


def begun(outcome: Outcome) -> Standing | None:
    """Return the status of a text that follows from the provider's answer to ``send``.

    Returns None if the text was not accepted, or if it is a one-time code.
    """
    if outcome.state is not State.ACCEPTED or outcome.status is None:
        return None
    status = outcome.status
    return Standing(
        status=status,
        final=status.final,
        at=outcome.accepted_at or outcome.at,
        sent_at=outcome.accepted_at if status is Status.SENT else None,
        delivered_at=outcome.accepted_at if status is Status.DELIVERED else None,
    )


def recorded(entry: Entry, outcome: Outcome) -> Entry:
    """Return ``entry`` with ``outcome`` as its outcome.

    What the delivery reports said about the text stays, if they came from the account that accepted the text.
    """
    start = begun(outcome)
    same = entry.outcome is not None and entry.outcome.taker == outcome.taker
    standing = entry.standing if same else None
    if start is not None:
        standing = start if standing is None else _higher(standing, start)
    return replace(entry, outcome=outcome, standing=standing)


def folded(entry: Entry, reports: Sequence[DeliveryReport]) -> Entry:
    """Return ``entry`` brought up to date with ``reports``, the delivery reports of its text, oldest first.

    Only reports of the account that accepted the text count. The order of the reports does not change the resulting
    rank. An entry without an outcome stays as it is. An uncertain text becomes accepted by any report, a refused text
    only by a report that the text has left.
    """
    outcome = entry.outcome
    if outcome is None:
        return entry
    of_taker = [report for report in reports if report.account == taker_of(entry)]
    if not of_taker:
        return entry
    if outcome.state is not State.ACCEPTED:
        if outcome.state is State.REFUSED and not any(report.status in _PROVES for report in of_taker):
            return entry
        outcome = _accepted_by(of_taker[0], outcome)
    standing = entry.standing or begun(outcome)
    failures = {report.status for report in of_taker if report.final and report.status in FAILURES}
    for view in _views(of_taker, outcome):
        standing = view if standing is None else _higher(standing, view)
    if standing is not None and len(failures) > 1:
        standing = replace(standing, disputed=True)
    return replace(entry, outcome=outcome, standing=standing)


def proven(entry: Entry, reports: Sequence[DeliveryReport]) -> Outcome | None:
    """Return the outcome *accepted* that ``reports`` prove for a text in doubt, whose process may be gone.

    None if the entry is settled, or if there are no reports.
    """
    if entry.state.settled or not reports:
        return None
    return _accepted_by(reports[0], entry.outcome or Outcome(state=State.UNCERTAIN, at=entry.claim.at))


def taker_of(entry: Entry) -> str:
    """Return the name of the account that accepted the text of ``entry``, or may have accepted it."""
    return (entry.outcome.taker if entry.outcome else "") or entry.claim.account


def _accepted_by(report: DeliveryReport, outcome: Outcome) -> Outcome:
    """The outcome of a text whose report proves that it was accepted."""
    return Outcome(
        state=State.ACCEPTED,
        at=outcome.at if report.at is None else max(outcome.at, report.at),
        taker=report.account,
        provider=report.provider,
        id=report.id,
        accepted_at=report.at,
        reason="report",
    )


def _views(reports: Sequence[DeliveryReport], outcome: Outcome) -> Iterable[Standing]:
    """What each report says of the whole text."""
    parts = {report.id for report in reports if report.part}
    for report in reports:
        if not report.part or report.status is not Status.DELIVERED:
            yield _view(report)
    delivered = {report.id: report for report in reports if report.part and report.status is Status.DELIVERED}
    if not delivered:
        return
    last = list(delivered.values())[-1]
    whole = len(delivered) >= max(outcome.segments or 1, len(parts))
    yield _view(last) if whole else replace(_view(last), status=Status.SENT, final=False, delivered_at=None)


def _view(report: DeliveryReport) -> Standing:
    at = report.at
    if at is None:
        raise ValueError("a delivery report from the store has no time (at is None), but each one needs it")
    return Standing(
        status=report.status,
        final=report.final or report.status is Status.DELIVERED,
        at=at,
        code=report.code,
        reason=report.reason,
        segments=None if report.part else report.segments,
        price=None if report.part else report.price,
        sent_at=at if report.status is Status.SENT else None,
        delivered_at=at if report.status is Status.DELIVERED else None,
    )


def _higher(one: Standing, other: Standing) -> Standing:
    """The higher of two, of equals the first, with what both know."""
    top, low = (other, one) if other.rank > one.rank else (one, other)
    return replace(
        top,
        segments=top.segments if top.segments is not None else low.segments,
        price=top.price if top.price is not None else low.price,
        sent_at=_earliest(one.sent_at, other.sent_at),
        delivered_at=_earliest(one.delivered_at, other.delivered_at),
        disputed=one.disputed or other.disputed,
    )


def _earliest(*moments: datetime | None) -> datetime | None:
    return min((moment for moment in moments if moment is not None), default=None)
