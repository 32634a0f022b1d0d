"""One-time codes: `verify/send` (and `verify` of E1), `verify/check`, `verify/cancel`, `verify/search`.

Except for a send with missing fields, failures are HTTP 200 with a word in `status`.
"""

from __future__ import annotations

import secrets
import uuid
from collections.abc import Mapping
from typing import Any

from . import magic
from .answers import Answer, Refused
from .reading import Call
from .sending import word
from .state import Code, State, written

TEMPLATE = "Your verification code is {token}"


def send(state: State, call: Call) -> Answer:
    """Answer `verify/send`: start a verification. The code stays in `sandbox.codes` and is printed."""
    fields = call.fields()
    channel = _channel(fields)
    payload = fields.get("payload")
    plan: Mapping[str, Any] = {**fields, **payload} if isinstance(payload, dict) else fields
    recipient = channel.get("recipient")
    to = word(recipient.get("to") if isinstance(recipient, dict) else fields.get("to"))
    if not to.isdecimal():
        raise _invalid("The to field is required.")
    spell = magic.of(to)
    if spell and spell.whole and not spell.accepted:
        return spell.whole(Answer())
    now = state.now()
    token, lifetime = _token(plan), _whole(plan, "timeout", 120)
    template = word(plan.get("template")) or TEMPLATE
    if "{token}" not in template:
        raise _invalid("The template must contain {token}.")
    code = Code(
        id=str(uuid.uuid4()),
        to=to,
        code=token,
        text=template.replace("{token}", token),
        sender=word(channel.get("from") or fields.get("from")) or "VERIFY",
        reference=word(plan.get("foreign_id") or plan.get("reference")) or None,
        created_at=now,
        expires_at=now + lifetime,
        event_id=f"{uuid.uuid4()}:1",
    )
    paid = state.charge(state.options.services[0], 1)
    code.channel_status = "failed" if not paid or (spell and spell.row) else None
    state.codes[code.id] = code
    answer = Answer(body=_started(state, code))
    return spell.whole(answer) if spell and spell.whole else answer


def check(state: State, id: str, token: str) -> Answer:
    """Answer `verify/check`: compare a code. A code succeeds only once."""
    code = state.codes.get(id)
    if code is None or code.state == "cancelled":
        word = "failed"
    elif code.state == "success":
        word = "OTP already verified" if state.options.epoch == "E3" else "invalid"
    elif state.now() >= code.expires_at:
        word = "expired"
    elif not secrets.compare_digest(code.code.encode(), token.encode()):
        word = "invalid"
    else:
        code.state = word = "success"
    return Answer(body={"id": id, "status": word})


def cancel(state: State, id: str) -> Answer:
    """Answer `verify/cancel`: end a verification that still waits for its code.

    For any other verification, the answer is `failed`, which is not documented.
    """
    code = state.codes.get(id)
    if code is None or code.state != "sent":
        return Answer(body={"id": id, "status": "failed"})
    code.state = "cancelled"
    return Answer(body={"id": id, "status": "success"})


def search(state: State, id: str) -> Answer:
    """Answer `verify/search`: show a verification and its channel."""
    code = state.codes.get(id)
    if code is None:
        return Answer(body={"id": id, "status": "failed"})
    expired = code.state == "sent" and state.now() >= code.expires_at
    channel = {
        "id": str(uuid.uuid5(uuid.NAMESPACE_OID, code.id)),
        "to": code.to,
        "from": code.sender,
        "channel": "sms",
        "event_id": code.event_id,
        "created_at": written(code.created_at),
        "status": code.channel_status,
    }
    body = {
        "id": code.id,
        "to": code.to,
        "reference": code.reference,
        "status": "expired" if expired else code.state,
        "created_at": written(code.created_at),
        "expire_at": written(code.expires_at),
        "channels": [channel],
    }
    return Answer(body=body)


def _started(state: State, code: Code) -> dict[str, Any]:
    body: dict[str, Any] = {"id": code.id, "status": "sent"}
    if state.options.epoch == "E3":
        body["foreign_id"] = code.reference
    else:
        body |= {"to": code.to, "reference": code.reference}
    return {**body, "created_at": written(code.created_at), "expire_at": written(code.expires_at)}


def _channel(fields: Mapping[str, Any]) -> Mapping[str, Any]:
    """The first sms channel; E1 has none and puts everything at the top."""
    channels = fields.get("channels")
    if channels is None:
        return {}
    for channel in channels if isinstance(channels, list) else ():
        if isinstance(channel, dict) and channel.get("name") == "sms":
            return channel
    raise _invalid("The channels field is required.")


def _token(plan: Mapping[str, Any]) -> str:
    length = _whole(plan, "length", 6)
    if not 4 <= length <= 10:
        raise _invalid("The length must be between 4 and 10.")
    token = word(plan.get("token"))
    if token and len(token) != length:
        raise _invalid("The token must have the given length.")
    return token or "".join(secrets.choice("0123456789") for _ in range(length))


def _whole(plan: Mapping[str, Any], name: str, default: int) -> int:
    value = word(plan.get(name)) or str(default)
    if not value.isdecimal() or len(value) > 9:
        raise _invalid(f"The {name} must be a number.")
    return int(value)


def _invalid(message: str) -> Refused:
    """The documents name `422 error` for missing fields and show no body."""
    return Refused(Answer(status=422, body={"status": "error", "code": 422, "message": message}))
