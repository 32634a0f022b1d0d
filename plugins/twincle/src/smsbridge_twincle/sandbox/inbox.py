"""`GET /inbox?to=919876543210`: the texts that a phone got, for programs.

Only the sandbox has it; Twincle does not.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from . import magic, segments
from .answers import Answer, Refused, error, refuse
from .reading import Call
from .state import Code, State, Text

PATH = "inbox"
NOT_ARRIVED = frozenset({"UNDELIV", "EXPIRED", "DLT-REJECTED"})
_PARAMETERS = ("to", "since", "limit")


def is_asked(call: Call) -> bool:
    """Return whether this request asks for the inbox, the list of texts that phones got. It needs no token."""
    return call.path.strip("/") == PATH


def answer(state: State, call: Call) -> Answer:
    """Return a JSON list of the texts that arrived on a phone, the newest last.

    Parameters of the query: `to` (the number of the phone), `since` (only texts from this time on), `limit` (at most so
    many texts, the newest).
    """
    try:
        if call.method != "GET":
            raise Refused(error(405, "Method not allowed: the inbox is only read, with GET.", Allow="GET"))
        return Answer(body=_found(state, call.query), headers={"cache-control": "no-store"})
    except Refused as refused:
        return refused.answer


def _found(state: State, asked: Mapping[str, str]) -> list[dict[str, Any]]:
    if unknown := sorted(set(asked) - set(_PARAMETERS)):
        raise refuse(f"The inbox has no parameter {unknown[0]!r}: there are {', '.join(_PARAMETERS)}.", 400)
    numbers = _written(asked["to"]) if "to" in asked else None
    since = _moment(asked["since"]) if "since" in asked else 0.0
    limit = asked.get("limit", "")
    if "limit" in asked and not re.fullmatch(r"[1-9]\d{0,8}", limit, re.ASCII):
        raise refuse("limit is a whole number, from 1.", 400)
    rows = [
        (at, row)
        for at, mobile, row in (*_texts(state), *_codes(state))
        if (numbers is None or mobile in numbers) and since <= at <= state.now()
    ]
    rows.sort(key=lambda found: found[0])
    return [row for _, row in rows][-int(limit or 0) :]


def _texts(state: State) -> Iterator[tuple[float, str, dict[str, Any]]]:
    for text in list(state.texts):
        if not text.refused and (text.reported or text.ends) not in NOT_ARRIVED:
            yield text.arrives_at, text.mobile, _text_row(text, state.now())


def _text_row(text: Text, now: float) -> dict[str, Any]:
    return {
        "id": text.id,
        "to": f"+{text.mobile}",
        "sender": text.sender,
        "text": text.text,
        "code": None,
        "reference": text.custom or None,
        "segments": text.units,
        "status": text.status(now),
        "at": _written_moment(text.arrives_at),
    }


def _codes(state: State) -> Iterator[tuple[float, str, dict[str, Any]]]:
    for code in list(state.codes.values()):
        spell = magic.of(code.to)
        if code.channel_status != "failed" and not (spell and spell.ends in NOT_ARRIVED):
            yield code.created_at, code.to, _code_row(code)


def _code_row(code: Code) -> dict[str, Any]:
    return {
        "id": code.id,
        "to": f"+{code.to}",
        "sender": code.sender,
        "text": code.text,
        "code": code.code,
        "reference": code.reference,
        "segments": segments.units(code.text, unicode=not segments.is_gsm(code.text)),
        "status": code.state,
        "at": _written_moment(code.created_at),
    }


def _written(number: str) -> set[str]:
    """The forms in which the sandbox may know a number, given with or without +, spaces and India's country code."""
    digits = re.sub(r"[\s().+-]", "", number)
    if not re.fullmatch(r"\d{1,15}", digits, re.ASCII):
        raise refuse("to is a phone number, such as 919876543210 or %2B919876543210.", 400)
    if re.fullmatch(r"[6-9]\d{9}", digits):
        return {digits, f"91{digits}"}
    return {digits, digits.removeprefix("91")} if re.fullmatch(r"91[6-9]\d{9}", digits) else {digits}


def _moment(written: str) -> float:
    try:
        moment = datetime.fromisoformat(written)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        raise refuse("since is a time as in 'at', such as 2030-01-31T04:00:00Z.", 400) from None


def _written_moment(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
