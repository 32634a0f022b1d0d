"""Show texts of the ledger to a person, as JSON and as CSV."""

from __future__ import annotations

import csv
import io
import json
import shlex
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from smsbridge.cli import values
from smsbridge.cli.output import Output
from smsbridge.messages import DeliveryReport
from smsbridge.stores.entries import Entry, State

from .records import record_of

DOUBTFUL = (State.OPEN, State.UNCERTAIN)
_ADVICE = {
    State.OPEN: "the text is on its way, or its process is gone and it may have been sent; a repeat is not sent",
    State.UNCERTAIN: "the text may have been sent; a repeat is not sent",
    State.ACCEPTED: "a repeat is not sent: it is answered with what is recorded here",
    State.REFUSED: "the text was certainly not sent; a repeat is sent",
}
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""How a cell begins that a spreadsheet would take for a formula."""


def line(entry: Entry) -> str:
    """Return ``entry``, the record of a text, as a line for ``smsbridge texts list``."""
    claim, record = entry.claim, record_of(entry)
    status = record.status.value if entry.state is State.ACCEPTED else "-"
    return (
        f"{entry.state.value:<9}  {status:<11}  {_time(record.changed_at)}  {claim.to}  {claim.account:<8}  "
        f"{claim.reference}"
    )


def state_of(entry: Entry) -> str:
    """Return the state of the text in ``entry`` in words, with the account that sent it."""
    return f"{entry.state.value} (account {entry.claim.account})"


def show(out: Output, entry: Entry, reports: Iterable[DeliveryReport]) -> None:
    """Print all that the ledger knows about a text, its delivery reports, and what to do next."""
    record = record_of(entry)
    shown = {**document(entry), "price": values.price_words(record.price)}
    out.line(f"{entry.claim.reference}: {_word(entry)}", style="bold")
    out.rows({name.replace("_", " "): value for name, value in shown.items() if name not in ("reference", "state")})
    for report in reports:
        why = ", ".join(filter(None, (report.code and f"code {report.code}", report.reason)))
        at = _time(report.at) if report.at else "no time"
        out.line(f"  report      {at}  {report.status.value}{f' ({why})' if why else ''}")
    out.aside(f"next: {_next(entry)}")


def _word(entry: Entry) -> str:
    record = record_of(entry)
    if entry.state is not State.ACCEPTED:
        return entry.state.value
    return f"{record.status.value}{'' if record.final else ', not final'}{', disputed' if record.disputed else ''}"


def _next(entry: Entry) -> str:
    words = _ADVICE[entry.state]
    if entry.state not in DOUBTFUL:
        return words
    return f"{words}; smsbridge texts settle {shlex.quote(entry.claim.reference)} --account {entry.claim.account}"


def document(entry: Entry) -> dict[str, Any]:
    """Return the JSON object for ``entry``, the record of a text, as ``--json`` prints it."""
    record, outcome = record_of(entry), entry.outcome
    settled = outcome is not None
    return {
        "reference": record.reference,
        "state": record.state.value,
        "status": record.status.value if record.state is State.ACCEPTED else None,
        "final": record.final if record.state is State.ACCEPTED else None,
        "disputed": record.disputed,
        "account": record.account,
        "kind": entry.claim.kind.value,
        "to": record.to,
        "text": record.text,
        "purpose": record.purpose.value,
        "context": dict(record.context),
        "claimed_at": _time(record.claimed_at),
        "claims": entry.claims,
        "process": entry.claim.process,
        "recorded_at": _time(outcome.at) if outcome is not None else None,
        "taken_by": record.carried_by or None if settled else None,
        "provider": record.provider or None,
        "id": record.id or None,
        "segments": record.segments,
        "price": values.price(record.price),
        "accepted_at": _moment(record.accepted_at),
        "sent_at": _moment(record.sent_at),
        "delivered_at": _moment(record.delivered_at),
        "changed_at": _time(record.changed_at),
        "error": record.error,
        "code": record.code,
        "reason": record.reason,
        "repeat": _ADVICE[entry.state],
    }


def report_document(report: DeliveryReport) -> dict[str, Any]:
    """Return the JSON object for a delivery report, as ``--json`` prints it."""
    return {
        "account": report.account,
        "id": report.id,
        "status": report.status.value,
        "final": report.final,
        "code": report.code,
        "reason": report.reason,
        "segments": report.segments,
        "price": values.price(report.price),
        "at": _moment(report.at),
    }


COLUMNS = (
    *("reference", "state", "status", "final", "disputed", "account", "taken_by", "provider", "id", "to", "text"),
    *("purpose", "context", "segments", "price", "unit", "claimed_at", "accepted_at", "sent_at", "delivered_at"),
    *("changed_at", "error", "code", "reason"),
)
"""The columns of ``--csv``."""


def csv_line(values: Iterable[Any]) -> str:
    """Return ``values`` as a line of CSV, without a line end.

    A value that a spreadsheet would take for a formula gets an apostrophe in front.
    """
    line = io.StringIO()
    csv.writer(line, lineterminator="").writerow([_cell(value) for value in values])
    return line.getvalue()


def csv_row(entry: Entry) -> list[Any]:
    """Return the values of ``entry``, the record of a text, for a row of CSV, in the order of ``COLUMNS``."""
    row = document(entry)
    price = row["price"] or {}
    row |= {"price": price.get("amount"), "unit": price.get("unit")}
    row["context"] = json.dumps(row["context"], ensure_ascii=False) if row["context"] else None
    return [row[column] for column in COLUMNS]


def _cell(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    text = "" if value is None else str(value)
    return f"'{text}" if text.startswith(_FORMULA) else text


def _moment(at: datetime | None) -> str | None:
    return None if at is None else _time(at)


def _time(at: datetime) -> str:
    return at.isoformat(sep=" ", timespec="seconds")
