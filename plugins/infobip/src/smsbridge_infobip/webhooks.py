"""Reading Infobip's webhooks: delivery reports and incoming texts, and the proof that they come from Infobip.

A subscription's security settings are BASIC, HMAC or OAUTH (``POST /subscriptions/1/security``). HMAC covers the body,
byte for byte; the name of its header depends on the account's configuration, so it is a setting here.
"""

from __future__ import annotations

import hashlib
import hmac
from base64 import b64encode
from collections.abc import Mapping
from typing import Any

from pydantic import SecretStr

from smsbridge.errors import PayloadError, SignatureError
from smsbridge.http import HttpRequest
from smsbridge.messages import DeliveryReport, Event, InboundMessage
from smsbridge.reading import basic, credentials, digest, moment, part, phone

from .parsing import Row, text

ALGORITHMS = {"HMAC_SHA_256": hashlib.sha256, "HMAC_SHA_384": hashlib.sha384, "HMAC_SHA_512": hashlib.sha512}
"""The names of the specification. It also lists MD5, SHA-1 and SHA-224, which prove too little."""


def check_hmac(webhook: HttpRequest, header: str, secret: SecretStr, algorithm: str) -> None:
    """Check that the header ``header`` of a webhook holds the HMAC of the body, made with ``secret``.

    ``algorithm`` is one of ALGORITHMS, such as ``HMAC_SHA_256``. The HMAC may be hexadecimal, with or without a prefix
    such as ``sha256=``, or base64. Raises SignatureError if it does not match.
    """
    signature = hmac.new(secret.get_secret_value().encode(), webhook.body, ALGORITHMS[algorithm])
    given = webhook.headers.get(header, "")
    prefix, sign, behind = given.partition("=")
    if sign and prefix.lower() == algorithm.removeprefix("HMAC_").replace("_", "").lower():
        given = behind
    in_hex = hmac.compare_digest(given.lower().encode(), signature.hexdigest().encode())
    in_base64 = hmac.compare_digest(given.encode(), b64encode(signature.digest()))
    if not (in_hex or in_base64):
        raise SignatureError(
            "the signature of the webhook does not fit its body: check the webhook secret and algorithm on both sides"
        )


def check_basic(webhook: HttpRequest, username: str, password: SecretStr) -> None:
    """Check that a webhook carries this user name and password. Raises SignatureError if it does not.

    The password does not protect the body against changes on the way: only https does.
    """
    expected = basic(username, password).removeprefix("Basic ")
    given = credentials(webhook, "basic")
    if given is None or not hmac.compare_digest(given.encode(), expected.encode()):
        raise SignatureError(
            "the webhook does not carry the configured user name and password: use the same in the subscription"
        )


def events(webhook: HttpRequest, *, account: str, provider: str) -> list[Event]:
    """Read the events of a webhook: a delivery report or an incoming text for each of its ``results``.

    Raises PayloadError if the webhook has another shape.
    """
    found = part(webhook.json()).get("results")
    if not isinstance(found, list):
        raise PayloadError(
            "the webhook has no list of results: subscribe this address to delivery reports and incoming texts only"
        )
    return [_event(part(item), account, provider) for item in found]


def _event(item: Mapping[str, Any], account: str, provider: str) -> Event:
    words = _words(item)
    if words is not None:
        return _inbound(item, words, account, provider)
    row = Row.of(item)
    if row.id and part(item.get("status")):
        return report(row, account=account, provider=provider)
    raise PayloadError(
        "this webhook is neither a delivery report nor an incoming text: subscribe this address to these two only"
    )


def report(row: Row, *, account: str, provider: str, to: str = "") -> DeliveryReport:
    """Make the delivery report of a row. ``to`` is used as the number if the row has no recipient.

    The reference of the report is the id in the row, because smsbridge sends each text with its reference as the id.
    """
    outcome = row.outcome
    return DeliveryReport(
        account=account,
        provider=provider,
        id=row.id,
        to=f"+{row.mobile}" if row.mobile else to,
        reference=row.id,
        status=outcome.status,
        final=outcome.final,
        code=row.code,
        reason=row.reason,
        at=row.at,
        segments=row.segments,
        price=row.price,
        key="/".join((row.id, row.word, str(row.error_id), row.at.isoformat() if row.at else "")),
        raw=row.raw,
    )


def _inbound(item: Mapping[str, Any], words: str, account: str, provider: str) -> InboundMessage:
    sender = text(item.get("from")) or text(item.get("sender"))
    if not sender:
        raise PayloadError("the webhook is an incoming text without its sender, so it cannot be read")
    id = text(item.get("messageId")) or digest(item)  # noqa: A001
    return InboundMessage(
        account=account,
        provider=provider,
        id=id,
        sender=phone(sender),
        to=phone(text(item.get("to")) or text(item.get("destination"))),
        text=words,
        at=moment(item.get("receivedAt")),
        key=id,
        raw=dict(item),
    )


def _words(item: Mapping[str, Any]) -> str | None:
    """An incoming text, in the format of the SMS API or of the Messages API (``event`` is ``MO``).

    None if ``item`` is not an incoming text.
    """
    if isinstance(item.get("text"), str) and "from" in item:
        return str(item["text"])
    content = item.get("content")
    if item.get("event") != "MO" or not isinstance(content, list):
        return None
    parts = [block["text"] for block in content if isinstance(block, dict) and isinstance(block.get("text"), str)]
    return "\n".join(parts) if parts else None
