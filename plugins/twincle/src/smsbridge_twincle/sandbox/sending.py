"""`sms/send` and `sms/send/json`: check every parameter, then accept all numbers or none."""

from __future__ import annotations

import re
import secrets
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from . import magic, segments, shapes
from .answers import Answer, refuse
from .reading import Call
from .state import ZONE, State, Text

LOOPBACK = re.compile(r"localhost|127(\.\d{1,3}){3}|::1")
LONGEST = 4096  # documented for sms/message/send; the page of sms/send has a placeholder
SCHEDULE = "Invalid schedule time. Minimum 5 min time gap is required and 3 months from now."


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A message that was checked, with its numbers. `at` is the time for which it is scheduled, in Unix seconds."""

    numbers: list[str]
    text: str
    sender: str
    service: str
    units: int
    at: float | None
    params: Mapping[str, Any]


def word(value: Any) -> str:
    """Return a parameter as text, because JSON clients send numbers where forms send digits."""
    return "" if value is None or isinstance(value, dict | list) else str(value)


def is_loopback(url: str) -> bool:
    """Return whether a URL stays on this machine. Reports that the sandbox invents must not reach other machines."""
    parts = urlsplit(url)
    return parts.scheme in ("http", "https") and bool(LOOPBACK.fullmatch(parts.hostname or ""))


def send(state: State, call: Call) -> Answer:
    """Answer `sms/send`: send a text to a number, or to several numbers with commas between them."""
    fields = call.fields()
    if not any(fields.get(name) for name in ("to", "message", "sender", "service")):
        raise refuse("Invalid Request. Missing required params.")
    return accept(state, [check(state, fields)], word(fields.get("name")))


def send_json(state: State, call: Call) -> Answer:
    """Answer `sms/send/json`: send a text for each entry of `nodes`; `root` has the defaults for all of them."""
    fields = call.fields()
    root, nodes = fields.get("root"), fields.get("nodes")
    if not isinstance(root, dict):
        raise refuse("Invalid Request. Missing required params.")
    if not isinstance(nodes, list) or not nodes or not all(isinstance(node, dict) for node in nodes):
        raise refuse("Missing Data Column.")
    own = [{k: v for k, v in node.items() if k not in ("webhook_id", "dlr_url", "service", "time")} for node in nodes]
    drafts = [check(state, {**root, "to": None, **node}, missing="Missing receipent.") for node in own]
    return accept(state, drafts, word(root.get("name")))


def check(state: State, fields: Mapping[str, Any], missing: str = "Missing mobile number.") -> Draft:
    """Check the message in the parameters `fields` by every documented rule, and return it as a Draft.

    `missing` is the error text if there is no number.

    Raises:
        Refused: with the documented text, misspellings included.

    """
    to, text, sender, service = (word(fields.get(name)) for name in ("to", "message", "sender", "service"))
    if not to.strip():
        raise refuse(missing)
    if not text.strip():
        raise refuse("Missing message.")
    if not sender.strip():
        raise refuse("Missing sender.")
    if not service:
        raise refuse("Invalid Request. Missing required params.")
    if service not in state.options.services:
        raise refuse("Invalid Service Id.")
    if not _sender_allowed(state, sender, service):
        raise refuse("Invalid Sender or Sender not allowed")
    kind = _check_options(fields)
    _check_extras(state, fields)
    unicode = kind == "U" or (kind == "A" and not segments.is_gsm(text))
    text = text if unicode else segments.flatten(text)
    if len(text) > LONGEST:
        raise refuse(f"Message length is exceeding. Max {LONGEST} characters allowed.")
    units, limit = segments.units(text, unicode=unicode), word(fields.get("max_units"))
    if limit.isdecimal() and units > int(limit):
        raise refuse(f"Message length is {units} units. It should not exceed the {limit} units.")
    numbers = [_number(state, service, part.strip()) for part in to.split(",") if part.strip()]
    if not any(_possible(number) for number in numbers):
        raise refuse("No Valid mobile numbers found")
    at = _schedule(state, word(fields.get("time")))
    return Draft(numbers=numbers, text=text, sender=sender, service=service, units=units, at=at, params=fields)


def accept(state: State, drafts: list[Draft], name: str) -> Answer:
    """Accept the checked messages in `drafts`, and apply the effects of their magic numbers. Returns the answer.

    The messages form a group if `name`, the name of the group, is not empty.
    """
    wholes = list(_wholes(drafts))
    spoiler = next((spell for spell in wholes if not spell.accepted and spell.whole), None)
    if spoiler and spoiler.whole:
        return spoiler.whole(Answer())
    batch = str(uuid.uuid4())
    group_id = batch if name else None
    rows: list[shapes.Row] = []
    count = 0
    for draft in drafts:
        for number in draft.numbers:
            count += 1
            text, spell = _text(state, draft, number, f"{batch}:{count}", group_id)
            state.add(text)
            row: shapes.Row | None = shapes.sent_row(state, text)
            if spell and spell.mangle and row is not None:
                row = spell.mangle(row)
            if row is not None:
                rows.append(row)
    if state.options.shuffle:
        secrets.SystemRandom().shuffle(rows)
    answer = Answer(body=shapes.sent(state, rows, group_id, count))
    for spell in wholes:
        answer = spell.whole(answer) if spell.whole else answer
    return answer


def _text(state: State, draft: Draft, number: str, id: str, group_id: str | None) -> tuple[Text, magic.Magic | None]:
    now = state.now()
    spell = magic.of(number)
    refused = spell.row if spell else "" if _possible(number) else "INV-NUMBER"
    if not refused and not state.charge(draft.service, draft.units):
        refused = "NO-CREDITS"
    delay = state.options.report_delay
    due = None if refused or delay is None or (spell and spell.never) else (draft.at or now) + delay
    text = Text(
        id=id,
        mobile=number,
        text=draft.text,
        sender=draft.sender,
        service=draft.service,
        custom=word(draft.params.get("custom")),
        units=draft.units,
        length=len(draft.text),
        submitted_at=now,
        arrives_at=draft.at or now,
        group_id=group_id,
        refused=refused,
        due=due,
        webhook_id=word(draft.params.get("webhook_id")),
        dlr_url=word(draft.params.get("dlr_url")),
        params=draft.params,
    )
    if spell:
        text.ends, text.encores = spell.ends, spell.encores
    return text, spell


def _wholes(drafts: Iterable[Draft]) -> Iterable[magic.Magic]:
    for draft in drafts:
        for number in draft.numbers:
            spell = magic.of(number)
            if spell and spell.whole:
                yield spell


def _sender_allowed(state: State, sender: str, service: str) -> bool:
    if state.options.senders is not None:
        return sender in state.options.senders
    longest = 11 if service == "G" else 6
    return sender != "INVSND" and bool(re.fullmatch(rf"[A-Za-z0-9]{{1,{longest}}}", sender))


def _check_options(fields: Mapping[str, Any]) -> str:
    """The type; default `N`. The default is not documented, and `N` shows the mistake of a client that omits it."""
    kind = word(fields.get("type")) or "N"
    if kind not in ("N", "U", "A"):
        raise refuse("Invalid type value, choose any one from (N, U, A)")
    if word(fields.get("flash")) not in ("", "0", "1"):
        raise refuse("Invalid flash value, choose either 1 or 0")
    if not re.fullmatch(r"\d*", word(fields.get("port")), re.ASCII):
        raise refuse("Port number must be numeric")
    return kind


def _check_extras(state: State, fields: Mapping[str, Any]) -> None:
    webhook_id, dlr_url, meta = word(fields.get("webhook_id")), word(fields.get("dlr_url")), fields.get("meta")
    if webhook_id and webhook_id not in state.webhooks:
        raise refuse("Invalid Webhook id")
    if dlr_url and not is_loopback(dlr_url):
        raise refuse("Sandbox: a dlr_url must be on loopback")
    tags = meta.get("tags") if isinstance(meta, dict) else None
    if isinstance(tags, list) and len(tags) > 3:
        raise refuse("Number of tags selected cannot exceed 3.")


def _schedule(state: State, time: str) -> float | None:
    if not time:
        return None
    try:
        at = datetime.strptime(time, "%Y-%m-%d %H:%M:%S").replace(tzinfo=ZONE)
    except ValueError:
        raise refuse("Invalid time format") from None
    now = datetime.fromtimestamp(state.now(), ZONE)
    if not now + timedelta(minutes=5) <= at <= now + timedelta(days=92):
        raise refuse(SCHEDULE)
    return at.timestamp()


def _number(state: State, service: str, number: str) -> str:
    """E1 and E2 add 91 to a number without country code; it is mandatory in E3 and for global traffic."""
    national = re.fullmatch(r"[6-9]\d{9}", number, re.ASCII)
    return f"91{number}" if national and state.options.epoch != "E3" and service != "G" else number


def _possible(number: str) -> bool:
    return bool(re.fullmatch(r"[1-9]\d{6,14}", number, re.ASCII))
