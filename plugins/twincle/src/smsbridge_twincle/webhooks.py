"""Reading Twincle's webhooks: delivery reports, incoming texts, and the check of our address.

A webhook composed in the portal may come as JSON, as a form or as a GET, and the oldest webhooks came as a GET; the
default is JSON (https://portal.mobtexting.com/docs/v2/sms/webhook). All forms are read in the same way.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from datetime import tzinfo
from typing import Any

from smsbridge.errors import PayloadError, SignatureError
from smsbridge.http import HttpRequest
from smsbridge.messages import DeliveryReport, InboundMessage, Status
from smsbridge.reading import credentials, digest, part, phone, text

from .parsing import Row, moment

REPORT, INBOUND, UNSUBSCRIBED = "sms:message:status", "vmn:message:in", "sms:unsubscription"
IGNORED = frozenset({"contacts:subscriber:subscription"})
"""Events without a type in smsbridge; they are acknowledged, so that the vendor does not repeat them."""


def check_secret(webhook: HttpRequest, secret: str | None, *, setting: str) -> None:
    """Check that a webhook carries the header ``Authorization: Bearer <secret>``.

    Raises SignatureError if the header is missing or wrong, or if ``secret`` is None. ``setting`` is the environment
    variable of the secret, which the error names.
    """
    if not secret:
        raise SignatureError(
            f"no webhook secret is configured, so no webhook can be believed: set {setting} to the secret of the portal"
        )
    given = credentials(webhook, "bearer")
    if given is None or not hmac.compare_digest(given.encode(), secret.encode()):
        raise SignatureError(
            f"the webhook does not carry the secret in {setting}: use the same secret here and in the portal"
        )


def challenge(webhook: HttpRequest) -> dict[str, str] | None:
    """Return the answer to the platform's check of a newly registered webhook; None for any other webhook.

    The platform calls ``<uri>?token=<key>`` with ``{"validation_key": <key>, "challenge": <random>}``. Until 2021-05 it
    expected the key back, since then the challenge (https://portal.mobtexting.com/docs, *Verify webhook*); the answer
    has both.
    """
    body, query = _body(webhook), dict(webhook.query)
    given = body or query
    if not isinstance(given, dict) or not {"validation_key", "challenge", "token"}.issuperset(given):
        return None
    key = text(given.get("validation_key")) or query.get("token", "")
    answer = {"validation_key": key, "challenge": text(given.get("challenge"))}
    return {name: value for name, value in answer.items() if value} or None


def items(webhook: HttpRequest) -> list[dict[str, Any]]:
    """Return the JSON objects in the body of a webhook, or else the fields of its query as a single object.

    Raises PayloadError if the webhook has neither of them.
    """
    given = _body(webhook) or dict(webhook.query)
    found = given if isinstance(given, list) else [given]
    if not found or not all(isinstance(entry, dict) and entry for entry in found):
        raise PayloadError(
            "the webhook has no fields, in its body or its query: compose it in the portal with the documented fields"
        )
    return found


def event(
    item: Mapping[str, Any], *, account: str, provider: str, zone: tzinfo
) -> DeliveryReport | InboundMessage | None:
    """Read the event of an object in a webhook: a delivery report, an incoming text or an opt-out.

    Returns None for an event that smsbridge ignores. Raises PayloadError if the object has an unknown shape.
    """
    kind, payload = text(item.get("event")), item.get("payload")
    if kind in IGNORED:
        return None
    if kind == UNSUBSCRIBED and isinstance(payload, dict):
        return _unsubscribed(payload, account, provider, zone)
    if not kind and "receiver" in item and "type" in item and "mobile" not in item:
        return _unsubscribed(item, account, provider, zone)
    if kind == INBOUND and isinstance(payload, dict):
        return _inbound(_flat(payload), item, account, provider, zone)
    if kind == REPORT and isinstance(payload, dict):
        item = payload
    elif kind:
        raise PayloadError(
            "the webhook has an event of an unknown kind: subscribe this address to reports and incoming texts only"
        )
    row = Row.of(item, zone)
    if row.id and row.word:
        return report(row, account=account, provider=provider)
    if "text" in item and "from" in item:
        return _inbound(item, item, account, provider, zone)
    raise PayloadError(
        "this webhook is neither a delivery report nor an incoming text: subscribe this address to these two only"
    )


def report(row: Row, *, account: str, provider: str, to: str = "", reference: str = "") -> DeliveryReport:
    """Make the delivery report of a row. ``to`` and ``reference`` are used if the row lacks these fields."""
    outcome = row.outcome
    explained = outcome.status in (Status.DELIVERED, Status.QUEUED)
    return DeliveryReport(
        account=account,
        provider=provider,
        id=row.id,
        to=f"+{row.mobile}" if row.mobile else to,
        reference=row.reference or reference,
        status=outcome.status,
        final=outcome.final,
        code=None if explained else row.word or None,
        reason=outcome.reason,
        at=row.delivered_at,
        segments=row.units,
        price=row.price,
        key=f"{row.id}/{row.word}",
        raw=row.raw,
    )


def _inbound(
    fields: Mapping[str, Any], item: Mapping[str, Any], account: str, provider: str, zone: tzinfo
) -> InboundMessage:
    sender, words = text(fields.get("from")), fields.get("text")
    if not sender or not isinstance(words, str):
        raise PayloadError(
            "the webhook is an incoming text without its sender or its words: keep both fields when you compose it"
        )
    id = text(fields.get("id")) or digest(item)  # noqa: A001
    return InboundMessage(
        account=account,
        provider=provider,
        id=id,
        sender=phone(sender),
        to=phone(fields.get("to")),
        text=words,
        at=moment(fields.get("timestamp"), zone),
        key=id,
        raw=dict(item),
    )


def _unsubscribed(fields: Mapping[str, Any], account: str, provider: str, zone: tzinfo) -> InboundMessage | None:
    """An opt-out that the platform recorded, by a text or a link.

    None for an opt-out from a part of a sender's texts, such as a tag.
    """
    kind, person = text(fields.get("type")), text(fields.get("receiver"))
    if kind not in ("sender", "all"):
        return None
    if not person:
        raise PayloadError(
            "the webhook is an opt-out without the number of the person: keep this field when you compose it"
        )
    id = text(fields.get("id")) or digest(fields)  # noqa: A001
    return InboundMessage(
        account=account,
        provider=provider,
        id=id,
        sender=phone(person),
        to=text(fields.get("value")) if kind == "sender" else "",
        text="",
        taken_as="stop",
        at=moment(fields.get("created_at"), zone),
        key=f"{id}/unsubscribed",
        raw=dict(fields),
    )


def _flat(payload: Mapping[str, Any]) -> dict[str, Any]:
    """A ``vmn:message:in`` payload with the field names of a composed webhook (``/docs/v2/vmn/webhook``)."""
    channels = payload.get("channels")
    channel = channels[0] if isinstance(channels, list) and channels else {}
    return {
        "id": payload.get("id"),
        "from": part(payload.get("recipient")).get("from"),
        "to": part(channel).get("to"),
        "text": part(part(payload.get("message")).get("payload")).get("text"),
    }


def _body(webhook: HttpRequest) -> Any:
    if not webhook.body.strip():
        return {}
    if webhook.content_type == "application/json" or webhook.body.lstrip()[:1] in (b"{", b"["):
        return webhook.json()
    if webhook.content_type in ("application/x-www-form-urlencoded", ""):
        return dict(webhook.form())
    raise PayloadError("the body of the webhook is neither JSON nor a form: choose one of them for it in the portal")
