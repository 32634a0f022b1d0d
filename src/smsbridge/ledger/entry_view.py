"""Show an entry of the ledger, to a person and as JSON."""

from __future__ import annotations

import shlex
from datetime import datetime
from typing import Any

from smsbridge.cli import values
from smsbridge.cli.output import Output
from smsbridge.stores.entries import Entry, State

DOUBTFUL = (State.OPEN, State.UNCERTAIN)
_ADVICE = {
    State.OPEN: "the text is on its way, or its process is gone and it may have been sent; a repeat is not sent",
    State.UNCERTAIN: "the text may have been sent; a repeat is not sent",
    State.ACCEPTED: "a repeat is not sent: it is answered with what is recorded here",
    State.REFUSED: "the text was certainly not sent; a repeat is sent",
}


def line(entry: Entry) -> str:
    """Return ``entry`` as a line of a list of texts."""
    claim = entry.claim
    return f"{entry.state.value:<9}  {_time(entry.since)}  {claim.to}  {claim.account:<8}  {claim.reference}"


def state_of(entry: Entry) -> str:
    """Return the state of ``entry`` in words, with its account."""
    return f"{entry.state.value} (account {entry.claim.account})"


def show(out: Output, entry: Entry) -> None:
    """Print all that the ledger knows about a text, and what to do next."""
    rows = {**document(entry), "price": values.price_words(entry.outcome.price) if entry.outcome else None}
    out.line(f"{entry.claim.reference}: {entry.state.value}", style="bold")
    out.rows({name.replace("_", " "): value for name, value in rows.items() if name not in ("reference", "state")})
    out.aside(f"next: {_next(entry)}")


def _next(entry: Entry) -> str:
    words = _ADVICE[entry.state]
    if entry.state not in DOUBTFUL:
        return words
    return f"{words}; smsbridge ledger settle {shlex.quote(entry.claim.reference)} --account {entry.claim.account}"


def document(entry: Entry) -> dict[str, Any]:
    """Return the JSON object for ``entry``, as ``--json`` prints it."""
    outcome = entry.outcome
    return {
        "reference": entry.claim.reference,
        "state": entry.state.value,
        "account": entry.claim.account,
        "kind": entry.claim.kind.value,
        "to": entry.claim.to,
        "purpose": entry.claim.purpose,
        "claimed_at": _time(entry.claim.at),
        "claims": entry.claims,
        "process": entry.claim.process,
        "recorded_at": _time(outcome.at) if outcome else None,
        "taken_by": (outcome.taker or None) if outcome else None,
        "provider": (outcome.provider or None) if outcome else None,
        "id": (outcome.id or None) if outcome else None,
        "status": outcome.status.value if outcome and outcome.status else None,
        "segments": outcome.segments if outcome else None,
        "price": values.price(outcome.price) if outcome else None,
        "error": outcome.error if outcome else None,
        "code": outcome.code if outcome else None,
        "reason": outcome.reason if outcome else None,
        "repeat": _ADVICE[entry.state],
    }


def _time(at: datetime) -> str:
    return at.isoformat(sep=" ", timespec="seconds")
