# ruff: noqa: RUF012  # samples are class attributes
"""Twilio passes the contract of smsbridge, with all settings set."""

import base64
import hashlib
import hmac
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from smsbridge import (
    AuthenticationError,
    Balance,
    ContentError,
    DeliveryReport,
    HttpRequest,
    HttpResponse,
    InboundMessage,
    OptedOutError,
    RateLimitedError,
    RecipientError,
    RefusedError,
    SenderError,
    Status,
    UncertainError,
)
from smsbridge.testing import ProviderContract, Refusal, Webhook, dummy_secret
from smsbridge_twilio import TwilioProvider

ACCOUNT = "AC00000000000000000000000000000001"
SERVICE = "MG00000000000000000000000000000002"
VERIFY = "VA00000000000000000000000000000003"
KEY = "SK00000000000000000000000000000004"
SID = "SM00000000000000000000000000000005"
URL = "https://app.example/sms?reference=ref-1"


def message(id=SID, *, http=201, **fields):
    """The Message resource as its page shows it (https://www.twilio.com/docs/messaging/api/message-resource)."""
    resource = {
        "account_sid": ACCOUNT,
        "api_version": "2010-04-01",
        "body": "Hi there",
        "date_created": "Thu, 24 Aug 2023 05:01:45 +0000",
        "date_sent": None,
        "date_updated": "Thu, 24 Aug 2023 05:01:45 +0000",
        "direction": "outbound-api",
        "error_code": None,
        "error_message": None,
        "from": "+15557122661",
        "num_media": "0",
        "num_segments": "1",
        "price": None,
        "price_unit": None,
        "messaging_service_sid": SERVICE,
        "sid": id,
        "status": "queued",
        "to": "+919876543210",
        **fields,
    }
    return HttpResponse.of_json(resource, status=http)


def error(code, words, status=400):
    more = f"https://www.twilio.com/docs/errors/{code}"
    return HttpResponse.of_json({"code": code, "message": words, "more_info": more, "status": status}, status=status)


def verification(id, http=200, **fields):
    resource = {"sid": id, "service_sid": VERIFY, "account_sid": ACCOUNT, "to": "+919876543210", "channel": "sms"}
    return HttpResponse.of_json({**resource, "status": "pending", "valid": False, **fields}, status=http)


class TestTwilio(ProviderContract):
    provider_class = TwilioProvider
    webhook_secret = "auth_token"
    settings = {
        "account_sid": ACCOUNT,
        "auth_token": dummy_secret("token"),
        "api_key": KEY,
        "api_key_secret": dummy_secret("api-key"),
        "webhook_shared_key": dummy_secret("shared-key"),
        "messaging_service_sid": SERVICE,
        "callback_url": "https://app.example/sms",
        "verify_service_sid": VERIFY,
    }

    @pytest.fixture(autouse=True)
    def _stopped_clock(self, monkeypatch):
        moment = datetime.now(UTC)
        monkeypatch.setattr("smsbridge.reading.now", lambda: moment)

    def vendor_id(self, n):
        return f"SM{n:032x}"

    # --- texts --------------------------------------------------------------------------------------------------------

    refusals = {
        "a wrong token": Refusal(answer=error(20003, "Authenticate", 401), error=AuthenticationError, code="20003"),
        "no such number": Refusal(
            answer=error(21211, "The 'To' number +1 is not a valid phone number."),
            error=RecipientError,
            reason="invalid-number",
            code="21211",
        ),
        "another account's sender": Refusal(
            answer=error(21606, "The From phone number is not valid"), error=SenderError
        ),
        "opted out": Refusal(answer=error(21610, "Attempt to send to unsubscribed recipient"), error=OptedOutError),
        "too long": Refusal(answer=error(21617, "exceeds the 1600 character limit"), error=ContentError),
        "too many": Refusal(answer=error(20429, "Too Many Requests", 429), error=RateLimitedError),
        "an unknown code": Refusal(answer=error(29999, "Brand new"), error=RefusedError, code="29999"),
        "created, and filtered": Refusal(
            answer=message(status="failed", error_code=30007, error_message="Message filtered"),
            error=ContentError,
            reason="spam",
            code="30007",
        ),
        "created, with an unknown status": Refusal(
            answer=message(status="failed", error_code=30410, error_message="Provider Timeout Error"),
            error=UncertainError,
        ),
        "created, and failed for an unknown reason": Refusal(
            answer=message(status="failed", error_code=39999), error=UncertainError, code="39999"
        ),
    }
    option_values = {
        "message_intent": "fraud",
        "smart_encoded": True,
        "shorten_urls": True,
        "risk_check": "disable",
        "content_retention": "discard",
        "address_retention": "obfuscate",
    }

    def accepts(self, text, id):
        return message(id, to=text.to)

    # --- questions ----------------------------------------------------------------------------------------------------

    status_words = {
        "queued": Status.QUEUED,
        "scheduled": Status.SCHEDULED,
        "sending": Status.SENT,
        "delivered": Status.DELIVERED,
        "undelivered": Status.UNDELIVERED,
        "failed": Status.FAILED,
        "canceled": Status.CANCELLED,
        "partially_delivered": (Status.SENT, False),
    }
    balances = [Balance(service="account", amount=Decimal("-0.1250"), unit="USD")]

    def reports(self, sent, word):
        return message(sent.id, http=200, to=sent.to, status=word)

    def reports_unknown(self, sent):
        return error(20404, "The requested resource was not found", 404)

    def tells_balance(self):
        return HttpResponse.of_json({"account_sid": ACCOUNT, "balance": "-0.1250", "currency": "USD"})

    # --- one-time codes -----------------------------------------------------------------------------------------------

    verification_option_values = {
        "locale": "hi",
        "template_sid": "HJ00000000000000000000000000000006",
        "custom_friendly_name": "Acme",
        "app_hash": "He42w354ol9",
        "risk_check": "disable",
    }
    disapprovals = {
        "wrong-code": verification(f"SM{0:032x}"),
        "expired": verification(f"SM{0:032x}", status="expired"),
        "canceled": verification(f"SM{0:032x}", status="canceled"),
        "unknown": error(20404, "The requested resource /Services/VA/VerificationCheck was not found", 404),
        "max_attempts_reached": error(60202, "Max check attempts reached", 429),
    }

    def starts_verification(self, text, id):
        return verification(id, 201, to=text.to)

    def approves(self, started):
        return verification(started.id, status="approved", valid=True)

    def cancels(self, started):
        return verification(started.id, status="canceled")

    # --- webhooks -----------------------------------------------------------------------------------------------------

    webhooks = {
        "a report": Webhook(
            HttpRequest.post_form(
                URL,
                {
                    "SmsSid": SID,
                    "SmsStatus": "undelivered",
                    "MessageStatus": "undelivered",
                    "To": "+919876543210",
                    "MessageSid": SID,
                    "AccountSid": ACCOUNT,
                    "From": "+15557122661",
                    "ApiVersion": "2010-04-01",
                    "ErrorCode": "30003",
                },
            ),
            (
                DeliveryReport(
                    account="twilio",
                    provider="twilio",
                    id=SID,
                    to="+919876543210",
                    reference="ref-1",
                    status=Status.UNDELIVERED,
                    final=True,
                    code="30003",
                    reason="unreachable",
                ),
            ),
        ),
        "a text to us": Webhook(
            HttpRequest.post_form(
                "https://app.example/sms",
                {
                    "MessageSid": SID,
                    "SmsSid": SID,
                    "AccountSid": ACCOUNT,
                    "From": "+919876543210",
                    "To": "+15557122661",
                    "Body": "नमस्ते 👋",
                    "NumMedia": "0",
                    "NumSegments": "1",
                },
            ),
            (
                InboundMessage(
                    account="twilio",
                    provider="twilio",
                    id=SID,
                    sender="+919876543210",
                    to="+15557122661",
                    text="नमस्ते 👋",
                ),
            ),
        ),
    }

    def sign(self, webhook, secret):
        covered = b"".join(name + value for name, value in sorted(webhook.form_bytes()))
        mac = hmac.new(secret.encode(), webhook.url.encode() + covered, hashlib.sha1)
        proof = {"x-twilio-signature": base64.b64encode(mac.digest()).decode()}
        return replace(webhook, headers={**webhook.headers, **proof})
