"""`sms/status` and the two paths of the balance."""

from __future__ import annotations

from datetime import date
from typing import Any

from . import shapes
from .answers import Answer, refuse
from .reading import BASE, Call
from .sending import word
from .state import State

NAMES = {"T": "Transactional SMS", "P": "Promotional SMS", "S": "TransScrub SMS", "G": "Global SMS"}
FILTERS = ("id", "cid", "mobile", "group_id", "date")


def status(state: State, call: Call) -> Answer:
    """Answer `sms/status`, which asks for the status of texts.

    The answer is a list if the request has an id, a custom id or a number, and a page of 100 rows if it has a group or
    a day. For an unknown id the list is empty.
    """
    fields = call.fields()
    filters = {name: word(fields.get(name)) for name in FILTERS if word(fields.get(name))}
    if not filters:
        raise refuse("Invalid request")
    if "date" in filters and not _is_day(filters["date"]):
        raise refuse("Invalid time format")
    texts = state.find(**filters)
    if "group_id" not in filters and "date" not in filters:
        return Answer(body=shapes.statuses(state, texts))
    number = word(fields.get("page")) or "1"
    if not number.isdecimal() or number == "0":
        raise refuse("Invalid request")
    return Answer(body=shapes.page(state, texts, int(number), f"{call.origin}{BASE}sms/status"))


def balance(state: State, _: Call) -> Answer:
    """Answer the two API paths that ask for the balance: a row for each enabled service.

    A credit pays for a segment.
    """
    rows: list[dict[str, Any]] = [
        {"service": code, "name": NAMES.get(code, f"{code} SMS"), "postpaid": 0, "credits": left, "charges": 1}
        for code, left in state.credits.items()
    ]
    return Answer(body={"status": 200, "message": "OK", "data": rows})


def _is_day(value: str) -> bool:
    try:
        return date.fromisoformat(value).isoformat() == value
    except ValueError:
        return False
