"""The rows and pages of the answers, per documentation epoch.

E1 2018 to 2021, E2 2021 to 2022 (the source of the vendor's page), E3 2022 to 2024.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from .state import PENDING, Epoch, State, Text, written

PER_PAGE = 100
Row = dict[str, Any]


def charges(epoch: Epoch, units: int) -> int | str:
    """Return the charge for `units` segments, written as Twincle's API of that `epoch` writes it.

    It is `1` in the documents of E2, and `"1.0000"` as captured from real traffic, which E1 and E3 show here.
    """
    return units if epoch == "E2" else f"{units}.0000"


def sent_row(state: State, text: Text) -> Row:
    """Return the row of a text in the answer to `sms/send`."""
    epoch = state.options.epoch
    row: Row = {
        "id": text.id,
        "mobile": text.mobile,
        "status": text.refused or PENDING,
        "units": text.units,
        "length": text.length,
        "charges": charges(epoch, 0 if text.refused else text.units),
        "customid": text.custom,
        "iso_code": "IN" if epoch == "E3" and text.mobile.startswith("91") else None,
        "submitted_at": written(text.submitted_at),
    }
    if epoch == "E1":
        row["customid1"] = str(text.params.get("custom1") or "")
    return row


def sent(state: State, rows: list[Row], group_id: str | None, count: int) -> Row:
    """Return the whole answer to `sms/send`, which says that `count` numbers were accepted, and has these rows.

    The message ends with a full stop except in epoch E1, because clients saw both.
    """
    stop = "" if state.options.epoch == "E1" else "."
    body: Row = {"status": 200, "message": f"{count} numbers accepted for delivery{stop}"}
    if group_id:
        body["group_id"] = group_id
    return {**body, "data": rows}


def status_row(state: State, text: Text) -> Row:
    """Return the row of a text in the answer to `sms/status`."""
    epoch, now = state.options.epoch, state.now()
    ended = text.ended_at(now)
    row: Row = {
        "id": text.id,
        "mobile": text.mobile,
        "status": text.status(now),
        "units": text.units,
        "length": text.length,
        "charges": charges(epoch, 0 if text.refused else text.units),
        "custom": text.custom,
        "location": "",
        "provider": "",
        "submitted_at": written(text.submitted_at),
        "delivered_at": "" if ended is None else written(ended),
    }
    if epoch != "E2":
        row["custom1"] = str(text.params.get("custom1") or "")
    if epoch == "E3":
        row |= {"service": text.service, "sender": text.sender}
    return row


def statuses(state: State, texts: Sequence[Text]) -> Row:
    """Return the answer to `sms/status` for an id, a custom id or a number."""
    envelope: Row = {"status": "OK", "code": 200} if state.options.epoch == "E3" else {"status": 200}
    return {**envelope, "message": "OK", "data": [status_row(state, text) for text in texts]}


def page(state: State, texts: Sequence[Text], number: int, path: str) -> Row:
    """Return the answer to `sms/status` for a group or a day: a page of 100 rows.

    The links name only the path and the page, as a stock paginator does: following a link loses the filters.
    """
    start = (number - 1) * PER_PAGE
    rows = [status_row(state, text) for text in texts[start : start + PER_PAGE]]
    last = max(1, -(-len(texts) // PER_PAGE))
    span: Row = {"from": start + 1 if rows else None, "to": start + len(rows) if rows else None}
    common: Row = {"current_page": number, "last_page": last, "path": path, "per_page": PER_PAGE, "total": len(texts)}
    before = f"{path}?page={number - 1}" if number > 1 else None
    after = f"{path}?page={number + 1}" if number < last else None
    if state.options.epoch == "E3":
        links = {"first": f"{path}?page=1", "last": f"{path}?page={last}", "prev": before, "next": after}
        meta: Row = {**common, **span, "links": [{"url": f"{path}?page=1", "label": "1", "active": number == 1}]}
        return {"status": "OK", "code": 200, "message": "OK", "data": rows, "links": links, "meta": meta}
    for row in rows:
        row["units"], row["length"] = str(row["units"]), str(row["length"])
    urls = {
        "first_page_url": f"{path}?page=1",
        "last_page_url": f"{path}?page={last}",
        "next_page_url": after,
        "prev_page_url": before,
    }
    return {"status": 200, "message": "OK", "data": {**common, **span, **urls, "data": rows}}


def report(state: State, text: Text, status: str, at: float) -> Mapping[str, Any]:
    """Return the flat JSON of a delivery report, as it is pushed."""
    times = {"deliv": at, "sent": text.submitted_at, "submit": text.submitted_at}
    body: Row = {
        "id": text.id,
        "mobile": text.mobile,
        "status": status,
        "credits": f"{text.units}.0000",
        "units": text.units,
    }
    if state.options.epoch == "E3":
        body |= {f"{name}_at": str(int(value)) for name, value in times.items()}
    body |= {f"{name}_time": written(value) for name, value in times.items()}
    return {**body, "cid": text.custom, "custom": text.custom}
