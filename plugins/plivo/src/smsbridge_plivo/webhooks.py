"""Plivo's webhooks: their signatures, delivery reports, and incoming texts."""

from __future__ import annotations

import base64
import hmac
from collections.abc import Callable, Iterable, Mapping
from typing import Any
from urllib.parse import urlparse

from smsbridge.errors import PayloadError, SignatureError
from smsbridge.http import HttpRequest
from smsbridge.messages import DeliveryReport, Event, InboundMessage, Status
from smsbridge.reading import moment, money, phone, text, whole

from . import vocabulary
from .settings import REFERENCE

V3 = ("x-plivo-signature-v3", "x-plivo-signature-ma-v3")
V3_NONCE = "x-plivo-signature-v3-nonce"
V2 = ("x-plivo-signature-v2", "x-plivo-signature-ma-v2")
V2_NONCE = "x-plivo-signature-v2-nonce"
_METHODS = frozenset({"GET", "POST"})
_LENGTH = 44
"""The length of a signature in base64."""

# --- proof ------------------------------------------------------------------------------------------------------------


def check_signature(webhook: HttpRequest, token: str, *, accept_v2: bool, setting: str) -> None:
    """Check that a webhook is signed with ``token``. Raises SignatureError if it is not.

    ``setting`` is the environment variable of the token, which the error names. Plivo signs only webhooks that come
    with GET or POST. The signature V3 covers URL, query and form; the header Ma-V3 has the same, made with the token of
    the main account. Both headers may list several signatures. The signature V2 covers the URL without its query, so it
    counts only with ``accept_v2``, and only if there is no V3 signature.
    """
    if webhook.method not in _METHODS:
        raise SignatureError("the webhook came with a method that Plivo does not sign: choose GET or POST for it")
    if _given(webhook, V3):
        proven = _matches(webhook, V3, V3_NONCE, token, _signed_v3)
    elif _given(webhook, V2) and accept_v2:
        proven = _matches(webhook, V2, V2_NONCE, token, _signed_v2)
    else:
        raise SignatureError("the webhook carries no signature that covers its content (X-Plivo-Signature-V3)")
    if not proven:
        raise SignatureError(
            f"the webhook is not signed with the auth token in {setting} for this URL: check the token, and behind a "
            "proxy SMSBRIDGE_PUBLIC_URL"
        )


def _given(webhook: HttpRequest, names: Iterable[str]) -> list[str]:
    listed = [value.strip() for name in names for value in webhook.headers.get(name, "").split(",")]
    return [value for value in listed if value]


def _matches(
    webhook: HttpRequest, names: Iterable[str], nonce_name: str, token: str, sign: Callable[[HttpRequest], bytes]
) -> bool:
    nonce = webhook.headers.get(nonce_name, "")
    given = [signature.encode() for signature in _given(webhook, names) if len(signature) == _LENGTH]
    # Checked before the content is read, because any sender may have sent it.
    if not nonce or not given:
        return False
    try:
        signed = sign(webhook)
    # The URL or the form cannot be parsed.
    except (ValueError, PayloadError):
        return False
    digest = hmac.digest(token.encode(), signed + nonce.encode(), "sha256")
    expected = base64.b64encode(digest)
    return any(hmac.compare_digest(expected, signature) for signature in given)


def _signed_v2(webhook: HttpRequest) -> bytes:
    return _address(webhook.url)


def _signed_v3(webhook: HttpRequest) -> bytes:
    """The signed bytes, as in ``construct_get_url`` and ``construct_post_url`` of plivo-python's signature_v3.py."""
    query = b"&".join(name + b"=" + value for name, value in sorted(webhook.query_bytes))
    form = [] if webhook.method == "GET" else sorted(webhook.form_bytes())
    signed = _address(webhook.url) + (b"?" if query or form else b"") + query
    return b"".join([signed, b"." if query and form else b"", *(name + value for name, value in form), b"."])


def _address(url: str) -> bytes:
    parts = urlparse(url)
    return f"{parts.scheme}://{parts.netloc}{parts.path}".encode("utf-8", "surrogatepass")


# --- events -----------------------------------------------------------------------------------------------------------


PULLED = {
    "MessageUUID": "message_uuid",
    "To": "to_number",
    "Status": "message_state",
    "ErrorCode": "error_code",
    "Units": "units",
    "TotalAmount": "total_amount",
    "SentTime": "message_sent_time",
}
"""The fields of a pushed report, and their names in a pulled report."""
_TIMES = ("DeliveryReportTime", "SentTime", "QueuedTime")


def event(webhook: HttpRequest, *, account: str, provider: str, currency: str) -> Event:
    """Read the event of a webhook whose signature was checked: a delivery report or an incoming text.

    The fields of the webhook are in its form or, if it came with GET, in its query. Raises PayloadError if the webhook
    is neither.
    """
    query = dict(webhook.query)
    fields = query if webhook.method == "GET" else query | dict(webhook.form())
    if not fields.get("MessageUUID", "").strip():
        raise PayloadError(
            "the webhook has no message id: subscribe this address to delivery reports and incoming texts only"
        )
    if fields.get("Status"):
        reference = query.get(REFERENCE, "")
        return report(fields, account=account, provider=provider, currency=currency, raw=fields, reference=reference)
    if not fields.get("From") or not ("Text" in fields or "Media0" in fields):
        raise PayloadError(
            "this webhook is neither a delivery report nor an incoming text: subscribe this address to these two only"
        )
    return InboundMessage(
        account=account,
        provider=provider,
        id=text(fields["MessageUUID"]),
        sender=phone(fields["From"]),
        to=phone(fields.get("To")),
        text=fields.get("Text", ""),
        key=text(fields["MessageUUID"]),
        raw=fields,
    )


def report(
    fields: Mapping[str, Any],
    *,
    account: str,
    provider: str,
    currency: str,
    raw: Mapping[str, Any],
    to: str = "",
    reference: str = "",
) -> DeliveryReport:
    """Make a delivery report from ``fields``, which have the names that Plivo uses in a webhook.

    ``to`` is the recipient if the fields name none, ``reference`` the reference of the text. The field ``Sequence``
    counts the callbacks of a text, so it tells their order.
    """
    message_uuid, code = text(fields.get("MessageUUID")), text(fields.get("ErrorCode"))
    word = text(fields.get("Status")).lower()
    status = vocabulary.STATES.get(word, Status.UNKNOWN)
    explained = vocabulary.CODES.get(code) if status in (Status.FAILED, Status.UNDELIVERED, Status.REJECTED) else None
    if explained is not None and explained.status is not None:
        status = explained.status
    return DeliveryReport(
        account=account,
        provider=provider,
        id=message_uuid,
        to=phone(fields.get("To")) or to,
        reference=reference,
        status=status,
        final=status.final,
        code=None if code in vocabulary.SUCCESS_CODES else code,
        reason=explained.reason if explained else None,
        at=next(filter(None, (moment(fields.get(name)) for name in _TIMES)), None),
        segments=whole(fields.get("Units")),
        price=money(fields.get("TotalAmount"), currency),
        key=f"{message_uuid}/{text(fields.get('Sequence'))}/{word}",
        raw=raw,
    )
