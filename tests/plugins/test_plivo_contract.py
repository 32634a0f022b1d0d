"""Plivo passes the contract of smsbridge."""

# ruff: noqa: RUF012  # samples are class attributes, and tests do not change them

import base64
import hashlib
import hmac
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from urllib.parse import parse_qsl

import pytest

from smsbridge import (
    AuthenticationError,
    Balance,
    DeliveryReport,
    FundsError,
    HttpRequest,
    HttpResponse,
    InboundMessage,
    Money,
    RecipientError,
    RefusedError,
    SenderError,
    Status,
)
from smsbridge.testing import ProviderContract, Refusal, Webhook, dummy_secret
from smsbridge_plivo import PlivoProvider

URL = "https://app.example/plivo?reference=ref-1"
NONCE = "05429567804466091622"
ID = "db3ce55a-7f1d-11e1-8ea7-1231380bc190"
API_ID = "db342550-7f1d-11e1-8ea7-1231380bc196"
REPORT = {
    "From": "ACMEIN",
    "To": "919876543210",
    "MessageUUID": ID,
    "Status": "delivered",
    "Type": "sms",
    "Units": "2",
    "TotalRate": "0.00350",
    "TotalAmount": "0.00700",
    "MCC": "404",
    "MNC": "10",
    "Sequence": "3",
    "DeliveryReportTime": "2026-07-13 13:04:09.799021",
}
INBOUND = {"From": "919876543210", "To": "14157654321", "Type": "sms", "Text": "Grüße, नमस्ते 📦", "MessageUUID": ID}


def error(words, status=400):
    return HttpResponse.of_json({"api_id": API_ID, "error": words}, status=status)


def sign_v3(webhook, secret):
    """The signature by the documented rule, independent of the provider's code."""
    url, _, query = webhook.url.partition("?")
    body = "" if webhook.method == "GET" else webhook.body.decode("utf-8", "surrogateescape")
    pairs = [parse_qsl(encoded, keep_blank_values=True, errors="surrogateescape") for encoded in (query, body)]
    asked = "&".join("=".join(pair) for pair in sorted(pairs[0]))
    posted = "".join("".join(pair) for pair in sorted(pairs[1]))
    signed = url + ("?" if asked or pairs[1] else "") + asked + ("." if asked and pairs[1] else "") + posted
    digest = hmac.new(secret.encode(), f"{signed}.{NONCE}".encode("utf-8", "surrogateescape"), hashlib.sha256).digest()
    return base64.b64encode(digest).decode()


class TestPlivo(ProviderContract):
    provider_class = PlivoProvider
    settings = {
        "auth_id": "MAXXXXXXXXXXXXXXXXXX",
        "auth_token": dummy_secret("token"),
        "sender": "ACMEIN",
        "callback_url": "https://app.example/plivo",
    }
    webhook_secret = "auth_token"

    @pytest.fixture(autouse=True)
    def _stopped_clock(self, monkeypatch):
        moment = datetime.now(UTC)
        monkeypatch.setattr("smsbridge.reading.now", lambda: moment)

    def vendor_id(self, n):
        return f"db3ce55a-7f1d-11e1-8ea7-1231380bc19{n}"

    # --- texts --------------------------------------------------------------------------------------------------------

    refusals = {
        "a number that is none, in a success": Refusal(
            answer=HttpResponse.of_json(
                {
                    "api_id": API_ID,
                    "message": "message(s) queued",
                    "message_uuid": [],
                    "invalid_number": ["919876543210"],
                },
                status=202,
            ),
            error=RecipientError,
            reason="invalid-number",
        ),
        "a number that is none": Refusal(
            answer=error("'919876543210' is not a valid phone number."), error=RecipientError, reason="invalid-number"
        ),
        "no credit": Refusal(
            answer=error("Insufficient Credit"), error=FundsError, reason="no-credit", retry_after=120
        ),
        "a sender that the US do not take": Refusal(
            answer=error("This caller ID is not allowed for outbound message"), error=SenderError
        ),
        "a country that is not permitted": Refusal(
            answer=error("Destination country is not enabled", 403), error=RefusedError, reason="country-blocked"
        ),
        "a wrong token": Refusal(answer=HttpResponse(status=401), error=AuthenticationError),
        "a parameter that is none": Refusal(answer=error("message_expiry is invalid"), error=RefusedError),
    }
    option_values = {"template_category": "service_explicit", "log": "number_only", "trackable": True}

    def accepts(self, message, id):
        data = {"message": "message(s) queued", "message_uuid": [id], "api_id": API_ID}
        return HttpResponse.of_json(data, status=202)

    # --- questions ----------------------------------------------------------------------------------------------------

    status_words = {
        "queued": Status.QUEUED,
        "sent": Status.SENT,
        "delivered": Status.DELIVERED,
        "read": Status.DELIVERED,
        "undelivered": Status.UNDELIVERED,
        "failed": Status.FAILED,
        "rejected": Status.REJECTED,
    }
    balances = [Balance(service="cash", amount=Decimal("1.80900"), unit="USD")]

    def reports(self, sent, word):
        found = {
            "message_uuid": sent.id,
            "message_state": word,
            "to_number": sent.to[1:],
            "error_code": "000",
            "units": 1,
        }
        return HttpResponse.of_json({"api_id": API_ID, **found})

    def reports_unknown(self, sent):
        return error("not found", 404)

    def tells_balance(self):
        return HttpResponse.of_json({"api_id": API_ID, "billing_mode": "prepaid", "cash_credits": "1.80900"})

    # --- one-time codes -----------------------------------------------------------------------------------------------

    verification_option_values = {"locale": "en_US", "brand_name": "Acme", "app_hash": "FA+9qCX9VSu", "code_length": 8}
    disapprovals = {
        "wrong-code": HttpResponse.of_json({"api_id": API_ID, "message": "The passcode entered is incorrect."}),
        "expired": error("Session expired", 404),
        "used": error("Session already verified"),
        "unknown": error("Session not found", 404),
        "too-many-attempts": error("Maximum attempts reached", 400),
    }

    def starts_verification(self, message, id):
        data = {"api_id": API_ID, "message": "Session initiated", "session_uuid": id}
        return HttpResponse.of_json(data, status=202)

    def approves(self, verification):
        return HttpResponse.of_json({"api_id": API_ID, "message": "session validated successfully."})

    # --- webhooks -----------------------------------------------------------------------------------------------------

    webhooks = {
        "a report": Webhook(
            HttpRequest.post_form(URL, REPORT),
            (
                DeliveryReport(
                    account="plivo",
                    provider="plivo",
                    id=ID,
                    to="+919876543210",
                    reference="ref-1",
                    status=Status.DELIVERED,
                    final=True,
                    segments=2,
                    price=Money(amount=Decimal("0.00700"), unit="USD"),
                    key=f"{ID}/3/delivered",
                ),
            ),
        ),
        "a failure": Webhook(
            HttpRequest.post_form(URL, {**REPORT, "Status": "failed", "ErrorCode": "900", "Sequence": "2"}),
            (
                DeliveryReport(
                    account="plivo",
                    provider="plivo",
                    id=ID,
                    status=Status.REJECTED,
                    final=True,
                    code="900",
                    reason="no-credit",
                    key=f"{ID}/2/failed",
                ),
            ),
        ),
        "a report by GET": Webhook(
            HttpRequest.get(URL, {**REPORT, "Status": "sent"}),
            (
                DeliveryReport(
                    account="plivo", provider="plivo", id=ID, status=Status.SENT, final=False, reference="ref-1"
                ),
            ),
        ),
        "a text to us": Webhook(
            HttpRequest.post_form("https://app.example/plivo", INBOUND),
            (
                InboundMessage(
                    account="plivo",
                    provider="plivo",
                    id=ID,
                    sender="+919876543210",
                    to="+14157654321",
                    text="Grüße, नमस्ते 📦",
                    key=ID,
                ),
            ),
        ),
    }

    def sign(self, webhook, secret):
        if not secret.strip():
            raise ValueError("an empty secret cannot sign")
        proof = {"x-plivo-signature-v3": sign_v3(webhook, secret), "x-plivo-signature-v3-nonce": NONCE}
        return replace(webhook, headers={**webhook.headers, **proof})
