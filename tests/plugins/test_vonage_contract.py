"""Vonage passes the contract of smsbridge, with each of its APIs."""
# ruff: noqa: RUF012  # these are ClassVars in the kit

import json
import time
from base64 import urlsafe_b64encode
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from hashlib import sha256
from hmac import new as hmac
from urllib.parse import parse_qsl, urlencode

import pytest

from smsbridge import (
    AuthenticationError,
    Balance,
    ContentError,
    DeliveryReport,
    FundsError,
    HttpRequest,
    HttpResponse,
    InboundMessage,
    Money,
    OptedOutError,
    RateLimitedError,
    RecipientError,
    RefusedError,
    SenderError,
    Status,
    UncertainError,
)
from smsbridge.testing import ProviderContract, Refusal, Webhook, dummy_secret
from smsbridge_vonage import VonageProvider

URL = "https://app.example/sms"
NOW = time.time()
ID = "0A0000000123ABCD1"
UUID = "aaaaaaaa-bbbb-4ccc-8ddd-0123456789ab"


def rows(*found):
    return HttpResponse.of_json({"message-count": str(len(found)), "messages": list(found)})


def row(message, id, **fields):
    return {
        "to": message.to.lstrip("+"),
        "message-id": id,
        "status": "0",
        "remaining-balance": "3.14159265",
        "message-price": "0.03330000",
        "network": "12345",
        "client-ref": message.reference,
        **fields,
    }


def refused(status, words, error, **expected):
    return Refusal(answer=rows({"status": status, "error-text": words}), error=error, code=status, **expected)


def problem(status, title, word="", detail="More details about what went wrong"):
    document = {
        "type": f"https://developer.vonage.com/api-errors#{word}",
        "title": title,
        "detail": detail,
        "instance": "bf0ca0bf927b3b52e3cb03217e1a1ddf",
    }
    return replace(HttpResponse.of_json(document), status=status)


class Both(ProviderContract):
    """Samples that do not depend on the API."""

    settings = {
        "api_key": "abcd1234",
        "api_secret": dummy_secret("api"),
        "signature_secret": dummy_secret("signature"),
        "sender": "AcmeInc",
        "verify_brand": "ACME",
    }
    option_values = {"callback_url": "https://app.example/reports", "trusted": True}
    verification_option_values = {"length": 6, "locale": "hi-in", "channel_timeout": 120}
    webhook_secret = "signature_secret"
    balances = [Balance(service="account", amount=Decimal("10.28"), unit="EUR")]
    disapprovals = {
        "wrong-code": problem(400, "Invalid Code", "invalid-code"),
        "expired": problem(410, "Invalid Code", "expired"),
        "unknown": problem(404, "Not Found", "not-found"),
    }

    @pytest.fixture(autouse=True)
    def _frozen_clock(self, monkeypatch):
        monkeypatch.setattr("smsbridge.reading.now", lambda: datetime.fromtimestamp(NOW, UTC))

    def tells_balance(self):
        return HttpResponse.of_json({"value": 10.28, "autoReload": False})

    def starts_verification(self, message, id):
        return replace(HttpResponse.of_json({"request_id": id}), status=202)

    def approves(self, verification):
        return HttpResponse.of_json({"request_id": verification.id, "status": "completed"})

    def cancels(self, verification):
        return HttpResponse(status=204)


REPORT = {
    "msisdn": "447700900001",
    "to": "AcmeInc",
    "network-code": "12345",
    "messageId": ID,
    "price": "0.03330000",
    "status": "failed",
    "scts": "2001011400",
    "err-code": "6",
    "api-key": "abcd1234",
    "message-timestamp": "2020-01-01 12:00:00",
    "client-ref": "my-personal-reference",
}
TEXT = {
    "api-key": "abcd1234",
    "msisdn": "447700900001",
    "to": "447700900000",
    "messageId": ID,
    "text": "Hello wörld & more = fun",
    "type": "unicode",
    "keyword": "HELLO",
    "message-timestamp": "2020-01-01 12:00:00",
}
AT = datetime(2020, 1, 1, 12, tzinfo=UTC)
SMS_REPORT = DeliveryReport(
    account="vonage",
    provider="vonage",
    id=ID,
    to="+447700900001",
    reference="my-personal-reference",
    status=Status.UNDELIVERED,
    final=True,
    code="6",
    reason="spam",
    at=AT,
    price=Money(amount=Decimal("0.03330000"), unit="EUR"),
)
SMS_TEXT = InboundMessage(
    account="vonage", provider="vonage", id=ID, sender="+447700900001", to="+447700900000", text=TEXT["text"], at=AT
)


def sig(parameters, secret):
    """The signature by the vendor's page, independent of the provider's code."""
    signed = ""
    for name in sorted(parameters):
        value = parameters[name]
        if name != "sig" and isinstance(value, str | int):
            value = str(value).lower() if isinstance(value, bool) else str(value)
            signed += f"&{name}={value.replace('&', '_').replace('=', '_')}"
    return hmac(secret.encode(), signed.encode(), "sha256").hexdigest().upper()


class TestVonage(Both):
    """The SMS API."""

    provider_class = VonageProvider
    settings = {**Both.settings, "signature_method": "sha256"}
    proof_covers = "parameters"
    refusals = {
        "too fast": refused("1", "Throttled", RateLimitedError, reason="throttled"),
        "no recipient": refused("2", "Missing to param", RefusedError),
        "wrong credentials": refused("4", "Bad Credentials", AuthenticationError),
        "an internal error": refused("5", "Internal Error", UncertainError),
        "a barred number": refused("7", "Number barred", OptedOutError),
        "no credit": refused("9", "Partner quota violation", FundsError),
        "too long": refused("12", "Message too long", ContentError, reason="too-long"),
        "another account's sender": refused("15", "Invalid sender address", SenderError),
        "a deactivated number": refused("33", "Number deactivated", RecipientError),
        "an unknown code": refused("77", "New Trouble", UncertainError),
        "one part of two": Refusal(
            answer=rows(row(ProviderContract.sample, ID), {"status": "1", "error-text": "Throttled"}),
            error=UncertainError,
            reason="incomplete",
        ),
    }
    webhooks = {
        "a report as GET": Webhook(HttpRequest.get(URL, REPORT), (SMS_REPORT,)),
        "a report as form": Webhook(HttpRequest.post_form(URL, REPORT), (SMS_REPORT,)),
        "a report as JSON": Webhook(HttpRequest.post_json(URL, REPORT), (SMS_REPORT,)),
        "a text as GET": Webhook(HttpRequest.get(URL, TEXT), (SMS_TEXT,)),
        "a text as form": Webhook(HttpRequest.post_form(URL, TEXT), (SMS_TEXT,)),
    }

    def accepts(self, message, id):
        return rows(row(message, id))

    def sign(self, webhook, secret):
        proof = {"timestamp": str(int(NOW)), "nonce": "aaaaaaaa-bbbb-cccc-dddd-0123456789ab"}
        if not webhook.body:
            given = {**dict(webhook.query), **proof}
            url = webhook.url.partition("?")[0]
            return HttpRequest.get(url, {**given, "sig": sig(given, secret)})
        if webhook.content_type in ("application/x-www-form-urlencoded", "") and webhook.body[:1] != b"{":
            given = {**dict(parse_qsl(webhook.body.decode("latin-1"), keep_blank_values=True)), **proof}
            return replace(webhook, body=urlencode({**given, "sig": sig(given, secret)}).encode())
        try:
            data = json.loads(webhook.body)
        except (ValueError, RecursionError):
            data = None
        if isinstance(data, dict):
            given = {**data, **proof}
            return replace(webhook, body=json.dumps({**given, "sig": sig(given, secret)}).encode())
        given = {**dict(webhook.query), **proof}  # the API has no other place for it
        query = urlencode({**given, "sig": sig(given, secret)})
        return replace(webhook, url=f"{webhook.url.partition('?')[0]}?{query}")


class TestVonageMessages(Both):
    """Messages v1."""

    provider_class = VonageProvider
    settings = {**Both.settings, "api": "messages"}
    expected_failures = {
        "test_a_refusal_inside_a_2xx_body_is_sampled": "Messages v1 says no by HTTP status, and 202 means accepted",
    }
    refusals = {
        "a wrong sender": Refusal(answer=problem(422, "Invalid sender"), error=SenderError),
        "a wrong number": Refusal(answer=problem(422, "Invalid recipient"), error=RecipientError),
        "wrong parameters": Refusal(
            answer=problem(422, "Invalid params"), error=RefusedError, reason="invalid-parameter"
        ),
        "a number for a title": Refusal(answer=problem(422, "1420"), error=SenderError, code="1420"),
        "wrong credentials": Refusal(
            answer=problem(401, "You did not provide correct credentials.", "unauthorized"), error=AuthenticationError
        ),
        "no credit": Refusal(answer=problem(402, "Low balance", "low-balance"), error=FundsError, code="low-balance"),
        "too fast": Refusal(answer=problem(429, "Rate Limit Hit", "throttled"), error=RateLimitedError),
    }
    webhooks = {
        "a report": Webhook(
            HttpRequest.post_json(
                URL,
                {
                    "message_uuid": UUID,
                    "to": "447700900000",
                    "from": "447700900001",
                    "timestamp": "2025-02-03T12:14:25Z",
                    "status": "rejected",
                    "error": {
                        "type": "https://developer.vonage.com/api-errors/messages#1482",
                        "title": "1482",
                        "detail": "Content Filter",
                        "instance": "bf0ca0bf927b3b52e3cb03217e1a1ddf",
                    },
                    "client_ref": "abc123",
                    "usage": {"currency": "EUR", "price": "0.0333"},
                    "channel": "sms",
                    "destination": {"network_code": "12345"},
                    "sms": {"count_total": "2"},
                },
            ),
            (
                DeliveryReport(
                    account="vonage",
                    provider="vonage",
                    id=UUID,
                    to="+447700900000",
                    reference="abc123",
                    status=Status.REJECTED,
                    final=True,
                    code="1482",
                    reason="dlt-template",
                    at=datetime(2025, 2, 3, 12, 14, 25, tzinfo=UTC),
                    segments=2,
                    price=Money(amount=Decimal("0.0333"), unit="EUR"),
                ),
            ),
        ),
        "a text to us": Webhook(
            HttpRequest.post_json(
                URL,
                {
                    "channel": "sms",
                    "message_uuid": UUID,
                    "to": "447700900000",
                    "from": "447700900001",
                    "timestamp": "2025-02-03T12:14:25Z",
                    "text": "Hello From Vonage! ✓",
                    "sms": {"num_messages": "2", "keyword": "HELLO"},
                },
            ),
            (
                InboundMessage(
                    account="vonage",
                    provider="vonage",
                    id=UUID,
                    sender="+447700900001",
                    to="+447700900000",
                    text="Hello From Vonage! ✓",
                    at=datetime(2025, 2, 3, 12, 14, 25, tzinfo=UTC),
                ),
            ),
        ),
    }

    def accepts(self, message, id):
        return replace(HttpResponse.of_json({"message_uuid": id}), status=202)

    def sign(self, webhook, secret):
        claims = {"iat": int(NOW), "jti": UUID, "iss": "Vonage", "payload_hash": sha256(webhook.body).hexdigest()}
        parts = [{"alg": "HS256", "typ": "JWT"}, {**claims, "api_key": "abcd1234"}]
        signed = b".".join(urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=") for part in parts)
        proof = urlsafe_b64encode(hmac(secret.encode(), signed, "sha256").digest()).rstrip(b"=")
        return replace(
            webhook, headers={**webhook.headers, "authorization": f"Bearer {(signed + b'.' + proof).decode()}"}
        )
