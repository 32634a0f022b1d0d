"""Infobip passes the contract of smsbridge: with HMAC, and, as far as possible, with basic authentication."""

# ruff: noqa: RUF012  # samples are class attributes, and tests do not change them

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
)
from smsbridge.testing import ProviderContract, Refusal, Webhook, dummy_secret
from smsbridge_infobip import InfobipProvider

URL = "https://app.example/sms"
OWN = ProviderContract.sample

WORDS = {
    "PENDING_ACCEPTED": (1, "PENDING", 26),
    "PENDING_WAITING_DELIVERY": (1, "PENDING", 3),
    "PENDING_ENROUTE": (1, "PENDING", 7),
    "DELIVERED_TO_OPERATOR": (3, "DELIVERED", 2),
    "DELIVERED_TO_HANDSET": (3, "DELIVERED", 5),
    "UNDELIVERABLE_NOT_DELIVERED": (2, "UNDELIVERABLE", 9),
    "EXPIRED_EXPIRED": (4, "EXPIRED", 15),
    "EXPIRED_DLR_UNKNOWN": (4, "EXPIRED", 29),
    "REJECTED_DND": (5, "REJECTED", 10),
    "REJECTED_NOT_ENOUGH_CREDITS": (5, "REJECTED", 12),
    "REJECTED_DESTINATION": (5, "REJECTED", 52),
    "REJECTED_SOURCE": (5, "REJECTED", 11),
    "REJECTED_FLOODING_FILTER": (5, "REJECTED", 20),
    "REJECTED_DUPLICATE_MESSAGE_ID": (5, "REJECTED", 23),
    "REJECTED_MESSAGE_TOO_LONG": (5, "REJECTED", 25),
}
NO_ERROR = {"groupId": 0, "groupName": "OK", "id": 0, "name": "NO_ERROR", "description": "No Error", "permanent": False}


def status(word):
    group, name, number = WORDS.get(word, (6, word, 999))
    return {"groupId": group, "groupName": name, "id": number, "name": word, "description": "as documented"}


def row(message, word):
    return {
        "messageId": message.reference,
        "status": status(word),
        "destination": message.to.lstrip("+"),
        "details": {"messageCount": 1},
    }


def accepted(*rows):
    return HttpResponse.of_json({"bulkId": "2034072219640523072", "messages": list(rows)})


def logged(id, to, word):
    return {
        "sender": "InfoSMS",
        "destination": to.lstrip("+"),
        "bulkId": "BULK-ID-123-xyz",
        "messageId": id,
        "sentAt": "2019-11-09T16:00:00.000+0000",
        "doneAt": "2019-11-09T16:00:05.000+0000",
        "messageCount": 1,
        "price": {"pricePerMessage": 0.01, "currency": "EUR"},
        "status": status(word),
        "error": NO_ERROR,
    }


def refused(code, words, http_status):
    return HttpResponse.of_json(
        {"errorCode": code, "description": words, "action": "", "violations": []}, status=http_status
    )


class TestInfobip(ProviderContract):
    provider_class = InfobipProvider
    settings = {
        "api_key": dummy_secret("key"),
        "base_url": "https://xxxxx.api.infobip.example",
        "sender": "InfoSMS",
        "webhook_secret": dummy_secret("webhook"),
        "application_id": "0933F3BC087D2A617AC6DCB2EF5B8A61",
        "message_id": "9C815F8AF3328",
    }

    id_is_reference = True

    @pytest.fixture(autouse=True)
    def _stopped_clock(self, monkeypatch):
        moment = datetime.now(UTC)
        monkeypatch.setattr("smsbridge.reading.now", lambda: moment)

    # --- texts --------------------------------------------------------------------------------------------------------

    refusals = {
        "no credit": Refusal(
            answer=accepted(row(OWN, "REJECTED_NOT_ENOUGH_CREDITS")),
            error=FundsError,
            reason="no-credit",
            code="REJECTED_NOT_ENOUGH_CREDITS",
        ),
        "on the dnd list": Refusal(answer=accepted(row(OWN, "REJECTED_DND")), error=OptedOutError, reason="dnd"),
        "no number": Refusal(answer=accepted(row(OWN, "REJECTED_DESTINATION")), error=RecipientError),
        "another account's sender": Refusal(answer=accepted(row(OWN, "REJECTED_SOURCE")), error=SenderError),
        "too much": Refusal(answer=accepted(row(OWN, "REJECTED_FLOODING_FILTER")), error=RateLimitedError),
        "too long": Refusal(answer=accepted(row(OWN, "REJECTED_MESSAGE_TOO_LONG")), error=ContentError),
        "sent before": Refusal(
            answer=accepted(row(OWN, "REJECTED_DUPLICATE_MESSAGE_ID")), error=RefusedError, reason="duplicate"
        ),
        "a wrong key": Refusal(
            answer=refused("E401", "Authentication failed.", 401), error=AuthenticationError, code="E401"
        ),
        "a bad request": Refusal(
            answer=refused("E400", "Request cannot be processed.", 400), error=RefusedError, code="E400"
        ),
    }
    option_values = {"flash": True, "transliteration": "TURKISH", "campaign": "summersale"}

    def accepts(self, message, id):
        return accepted(row(message, "PENDING_ACCEPTED"))

    def accepts_batch(self, rows):
        return accepted(
            *(row(each_row.message, "PENDING_ACCEPTED" if each_row.id else "REJECTED_DESTINATION") for each_row in rows)
        )

    # --- questions ----------------------------------------------------------------------------------------------------

    status_words = {
        "PENDING_ACCEPTED": Status.QUEUED,
        "PENDING_WAITING_DELIVERY": Status.SENT,
        "PENDING_ENROUTE": Status.SENT,
        "DELIVERED_TO_OPERATOR": (Status.SENT, False),
        "DELIVERED_TO_HANDSET": Status.DELIVERED,
        "UNDELIVERABLE_NOT_DELIVERED": Status.UNDELIVERED,
        "EXPIRED_EXPIRED": Status.EXPIRED,
        "EXPIRED_DLR_UNKNOWN": (Status.UNKNOWN, True),
        "REJECTED_DND": Status.REJECTED,
    }
    balances = [Balance(service="account", amount=Decimal("47.79134"), unit="EUR")]

    def reports(self, sent, word):
        return HttpResponse.of_json({"results": [logged(sent.id, sent.to, word)]})

    def reports_unknown(self, sent):
        return HttpResponse.of_json({"results": []})

    def finds(self, message, id):
        return HttpResponse.of_json({"results": [logged(id, message.to, "DELIVERED_TO_HANDSET")]})

    def finds_nothing(self, reference):
        return HttpResponse.of_json({"results": []})

    def tells_balance(self):
        return HttpResponse.of_json({"balance": 47.79134, "currency": "EUR"})

    # --- one-time codes -----------------------------------------------------------------------------------------------

    verification_option_values = {
        "message_id": "16A8B5FE2BCD6CA716A2D780CB3F3390",
        "placeholders": {"firstName": "John"},
        "number_lookup": False,
    }
    disapprovals = {
        "wrong-code": HttpResponse.of_json({"verified": False, "attemptsRemaining": 2, "pinError": "WRONG_PIN"}),
        "expired": HttpResponse.of_json({"verified": False, "attemptsRemaining": 2, "pinError": "TTL_EXPIRED"}),
        "too-many-attempts": HttpResponse.of_json(
            {"verified": False, "attemptsRemaining": 0, "pinError": "NO_MORE_PIN_ATTEMPTS"}
        ),
        "unknown": HttpResponse.of_json(
            {"requestError": {"serviceException": {"messageId": "NOT_FOUND", "text": "Not found"}}}, status=404
        ),
    }

    def starts_verification(self, message, id):
        data = {
            "pinId": id,
            "to": message.to.lstrip("+"),
            "ncStatus": "NC_DESTINATION_REACHABLE",
            "smsStatus": "MESSAGE_SENT",
        }
        return HttpResponse.of_json(data)

    def approves(self, verification):
        data = {
            "pinId": verification.id,
            "msisdn": verification.to.lstrip("+"),
            "verified": True,
            "attemptsRemaining": 0,
        }
        return HttpResponse.of_json(data)

    # --- webhooks -----------------------------------------------------------------------------------------------------

    webhooks = {
        "reports": Webhook(
            HttpRequest.post_json(
                URL,
                {
                    "results": [
                        {
                            **logged("MESSAGE-ID-123-xyz", "41793026727", "DELIVERED_TO_HANDSET"),
                            "to": "41793026727",
                            "callbackData": "callbackData",
                        },
                        logged("12db39c3-7822-4e72-a3ec-c87442c0ffc5", "41793026834", "DELIVERED_TO_OPERATOR"),
                    ]
                },
            ),
            (
                DeliveryReport(
                    account="infobip",
                    provider="infobip",
                    id="MESSAGE-ID-123-xyz",
                    reference="MESSAGE-ID-123-xyz",
                    to="+41793026727",
                    status=Status.DELIVERED,
                    final=True,
                    at=datetime(2019, 11, 9, 16, 0, 5, tzinfo=UTC),
                    segments=1,
                    price=Money(amount=Decimal("0.01"), unit="EUR"),
                ),
                DeliveryReport(
                    account="infobip",
                    provider="infobip",
                    id="12db39c3-7822-4e72-a3ec-c87442c0ffc5",
                    reference="12db39c3-7822-4e72-a3ec-c87442c0ffc5",
                    to="+41793026834",
                    status=Status.SENT,
                    final=False,
                ),
            ),
        ),
        "a text to us": Webhook(
            HttpRequest.post_json(
                URL,
                {
                    "results": [
                        {
                            "messageId": "817790313235066447",
                            "from": "385916242493",
                            "to": "385921004026",
                            "text": "QUIZ Correct answer is Paris",
                            "cleanText": "Correct answer is Paris",
                            "keyword": "QUIZ",
                            "receivedAt": "2019-11-09T16:00:00.000+0000",
                            "smsCount": 1,
                            "price": {"pricePerMessage": 0, "currency": "EUR"},
                            "callbackData": "callbackData",
                        }
                    ],
                    "messageCount": 1,
                    "pendingMessageCount": 0,
                },
            ),
            (
                InboundMessage(
                    account="infobip",
                    provider="infobip",
                    id="817790313235066447",
                    sender="+385916242493",
                    to="+385921004026",
                    text="QUIZ Correct answer is Paris",
                    at=datetime(2019, 11, 9, 16, tzinfo=UTC),
                ),
            ),
        ),
    }

    def sign(self, webhook, secret):
        signature = hmac.new(secret.encode(), webhook.body, hashlib.sha256).hexdigest()
        return replace(webhook, headers={**webhook.headers, "x-hub-signature": signature})


class TestInfobipWithBasicAuthentication(TestInfobip):
    """The subscription's other kind of security: user name and password in each webhook."""

    settings = {
        **{name: value for name, value in TestInfobip.settings.items() if name != "webhook_secret"},
        "webhook_username": "user1",
        "webhook_password": dummy_secret("password"),
    }
    webhook_secret = "webhook_password"
    proof_covers = "secret"
    collect = ("declarations", "webhooks", "secrecy")

    def sign(self, webhook, secret):
        credentials = base64.b64encode(f"user1:{secret}".encode()).decode()
        return replace(webhook, headers={**webhook.headers, "authorization": f"Basic {credentials}"})
