"""Make the record of a text that an application sees from an entry of a ledger. No I/O."""

from __future__ import annotations

from smsbridge.history import TextRecord
from smsbridge.messages import Purpose, Status
from smsbridge.stores.entries import Entry, Kind, Outcome
from smsbridge.stores.folding import taker_of
from smsbridge.stores.standing import Standing


def record_of(entry: Entry) -> TextRecord:
    """Make the public TextRecord of the text in ``entry``: its state, and its latest known status."""
    claim, outcome, standing = entry.claim, entry.outcome, entry.standing
    answer = outcome or Outcome(state=entry.state, at=claim.at)
    far = standing or _nowhere(answer)
    accepted = answer.accepted_at or (answer.at if answer.state == "accepted" else None)
    return TextRecord(
        reference=claim.reference,
        state=entry.state,
        status=far.status,
        final=far.final,
        disputed=far.disputed,
        account=claim.account,
        carried_by=taker_of(entry) if outcome is not None else "",
        provider=answer.provider,
        id=answer.id,
        to=claim.number or claim.to,
        text=claim.text,
        purpose=Purpose(claim.purpose),
        is_code=claim.kind is Kind.CODE,
        context=claim.context,
        segments=far.segments if far.segments is not None else answer.segments,
        price=far.price if far.price is not None else answer.price,
        error=answer.error,
        code=far.code or answer.code,
        reason=far.reason or answer.reason,
        claimed_at=claim.at,
        accepted_at=accepted,
        sent_at=far.sent_at,
        delivered_at=far.delivered_at,
        changed_at=far.at if standing is not None else entry.since,
    )


def _nowhere(answer: Outcome) -> Standing:
    """How far a text is of which neither its answer nor a report says anything."""
    return Standing(status=answer.status or Status.UNKNOWN, final=False, at=answer.at)
