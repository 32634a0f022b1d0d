"""Reading Twilio's webhooks: delivery reports and incoming texts, and the check that they come from Twilio.

Parameters come as a form, or in the query of a GET if the console is set so
(https://www.twilio.com/docs/messaging/guides/webhook-request).
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Callable
from typing import Any

from pydantic import SecretStr

from smsbridge.environment import variable
from smsbridge.errors import PayloadError, SignatureError
from smsbridge.http import HttpRequest
from smsbridge.messages import DeliveryReport, Event, InboundMessage

from . import addresses, parsing, vocabulary

FORM = "application/x-www-form-urlencoded"
_LENGTHS = (28, 44)
"""The lengths of a signature in base64, with SHA-1 and SHA-256."""

_ALGORITHMS: dict[str, Callable[..., Any]] = {"HMAC_SHA1": hashlib.sha1, "HMAC_SHA256": hashlib.sha256}


def check_signature(
    webhook: HttpRequest,
    *,
    token: SecretStr | None,
    shared_key: SecretStr | None,
    callback_url: str | None = None,
    account: str = "twilio",
) -> None:
    """Check that Twilio signed this webhook. Raises SignatureError if not.

    The signature covers the URL, and the fields of the form or the hash of the body. The key is the account's auth
    token with HMAC-SHA1 (https://www.twilio.com/docs/usage/webhooks/webhooks-security), or the SharedKey that a header
    names (https://www.twilio.com/docs/usage/webhooks/webhook-shared-keys). ``account`` is the name of the account in
    smsbridge, so that an error can name the environment variable to set.
    """
    algorithm, shared = _signed_how(webhook)
    key = shared_key if shared else token
    if key is None:
        name, setting = ("SharedKey", "webhook_shared_key") if shared else ("auth token", "auth_token")
        raise SignatureError(
            f"no {name} is configured, so a webhook signed with it cannot be believed: set {variable(account, setting)}"
        )
    given = webhook.headers.get("x-twilio-signature", "").encode()
    # Checked before the content is read, because any sender may have sent it.
    if len(given) not in _LENGTHS:
        raise SignatureError("the webhook carries no signature of Twilio (X-Twilio-Signature)")
    signed = _covered_parameters(webhook)
    genuine = False
    for url in addresses.spellings(webhook, callback_url):
        mac = hmac.new(key.get_secret_value().encode(), url.encode(), algorithm)
        # A separate update, because the parameters may be long.
        mac.update(signed)
        genuine |= hmac.compare_digest(base64.b64encode(mac.digest()), given)
    if not genuine:
        raise SignatureError(
            "the webhook is not signed with the configured key for this URL: check the key, and behind a proxy "
            "SMSBRIDGE_PUBLIC_URL"
        )


def _signed_how(webhook: HttpRequest) -> tuple[Callable[..., Any], bool]:
    """The hash function, and whether a SharedKey was used: ``key=webhooks_sharedkey_...,algorithm=HMAC_SHA256``."""
    parts = webhook.headers.get("x-twilio-webhooks-signature-settings", "").split(",")
    said = {name.strip(): value.strip() for name, _, value in (part.partition("=") for part in parts)}
    algorithm = _ALGORITHMS.get((said.get("algorithm") or "HMAC_SHA1").upper())
    if algorithm is None:
        raise SignatureError(
            "the webhook is signed with an algorithm that smsbridge does not know: choose SHA-256 for the SharedKey"
        )
    return algorithm, bool(said.get("key"))


def _covered_parameters(webhook: HttpRequest) -> bytes:
    """The signed bytes besides the URL: each distinct name and value of a form, sorted.

    For a body that is not a form, the URL must hold the hash of the body; otherwise SignatureError is raised.
    """
    if not webhook.body:
        return b""
    try:
        if webhook.content_type == FORM:
            return b"".join(name + value for name, value in sorted(set(webhook.form_bytes())))
        expected = dict(webhook.query_bytes).get(b"bodySHA256", b"")
    except PayloadError as error:
        raise SignatureError(str(error)) from None
    if not hmac.compare_digest(hashlib.sha256(webhook.body).hexdigest().encode(), expected):
        raise SignatureError(
            "the body of the webhook does not have the hash that its URL says, so another sender may have changed it"
        )
    return b""


def event(webhook: HttpRequest, *, account: str, provider: str) -> Event:
    """Read the event of a webhook: a delivery report or an incoming text. Raises PayloadError if it is neither."""
    fields = _fields(webhook)
    id = parsing.sid(fields.get("MessageSid") or fields.get("SmsSid"))  # noqa: A001
    word = fields.get("MessageStatus") or fields.get("SmsStatus") or ("received" if "Body" in fields else "")
    if id and word in vocabulary.INBOUND and fields.get("From"):
        return InboundMessage(
            account=account,
            provider=provider,
            id=id,
            sender=fields["From"],
            to=fields.get("To", ""),
            text=fields.get("Body", ""),
            taken_as=vocabulary.TAKEN_AS.get(fields.get("OptOutType", "").strip().upper()),
            key=id,
            raw=fields,
        )
    if not id or not word or word in vocabulary.INBOUND:
        raise PayloadError(
            "this webhook is neither a delivery report nor an incoming text: subscribe this address to these two only"
        )
    return report(
        account=account,
        provider=provider,
        id=id,
        to=fields.get("To", ""),
        word=word,
        code=parsing.error_code(fields.get("ErrorCode")),
        reference=dict(webhook.query).get(addresses.REFERENCE, ""),
        raw=fields,
    )


def report(*, id: str, word: str, code: str, **given: Any) -> DeliveryReport:
    """Make a delivery report from a webhook or an answer of Twilio.

    ``word`` is Twilio's status, ``code`` the error code beside it, and ``given`` has further fields of the report.
    """
    status = vocabulary.status(word, code)
    meaning = vocabulary.CODES.get(code) if word in vocabulary.FAILING else None
    return DeliveryReport(
        id=id,
        status=status,
        final=status.final,
        code=code or None,
        reason=meaning and meaning.reason,
        key="/".join(part for part in (id, word, code) if part),
        **given,
    )


def _fields(webhook: HttpRequest) -> dict[str, str]:
    """The parameters of a webhook, from its form or, without a body, from its query."""
    if webhook.body and webhook.content_type != FORM:
        raise PayloadError(
            "the body of the webhook is not a form: this address is for Twilio's webhooks of messages only"
        )
    return dict(webhook.form() if webhook.body else webhook.query)
