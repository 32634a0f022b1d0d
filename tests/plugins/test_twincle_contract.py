"""Twincle passes the contract of smsbridge, as far as possible without signatures and prices."""

# ruff: noqa: RUF012  # samples are class attributes, and tests do not change them

from dataclasses import replace
from decimal import Decimal

from smsbridge import (
    AuthenticationError,
    Balance,
    ContentError,
    DeliveryReport,
    FundsError,
    HttpRequest,
    HttpResponse,
    InboundMessage,
    OptedOutError,
    RecipientError,
    SenderError,
    Status,
)
from smsbridge.testing import ProviderContract, Refusal, Webhook, dummy_secret
from smsbridge_twincle import TwincleProvider

URL = "https://app.example/sms"
OWN = ProviderContract.sample
ID = "00000000-0000-4000-8000-000000000000:1"


def row(message, id, **fields):
    return {
        "id": id,
        "mobile": message.to.lstrip("+"),
        "status": "AWAITING-DLR",
        "units": 1,
        "length": 7,
        "charges": 1,
        "customid": message.reference,
        "iso_code": None,
        "submitted_at": "2018-07-09 16:27:35",
        **fields,
    }


def accepted(*rows):
    words = f"{len(rows)} numbers accepted for delivery."
    return HttpResponse.of_json({"status": 200, "message": words, "data": list(rows)})


def error(words, status=422):
    return HttpResponse.of_json({"status": "ERROR", "code": status, "message": words, "data": []}, status=status)


class TestTwincle(ProviderContract):
    provider_class = TwincleProvider
    settings = {
        "access_token": dummy_secret("token"),
        "webhook_secret": dummy_secret("webhook"),
        "base_url": "https://twincle.example/api/v2/",
        "sender": "ACMEIN",
    }
    proof_covers = "secret"

    def vendor_id(self, n):
        return f"00000000-0000-4000-8000-00000000000{n}:1"

    # --- texts --------------------------------------------------------------------------------------------------------

    refusals = {
        "no sender": Refusal(answer=error("Missing senderid."), error=SenderError),
        "no template": Refusal(answer=error("Template mismatch"), error=ContentError, reason="template"),
        "a row without credit": Refusal(answer=accepted(row(OWN, ID, status="NO-CREDITS")), error=FundsError),
        "a row on the dnd list": Refusal(
            answer=accepted(row(OWN, ID, status="DNDNUMB")), error=OptedOutError, reason="dnd"
        ),
        "a row for no number": Refusal(answer=accepted(row(OWN, ID, status="INV-NUMBER")), error=RecipientError),
        "a wrong token": Refusal(
            answer=HttpResponse.of_json({"message": "Unauthenticated."}, status=401), error=AuthenticationError
        ),
    }
    option_values = {
        "flash": True,
        "type": "U",
        "port": 5000,
        "max_units": 2,
        "tags": ["offers"],
        "service": "G",
        "webhook_id": "11111111-0000-4000-8000-000000000000",
    }

    def accepts(self, message, id):
        return accepted(row(message, id))

    def accepts_batch(self, rows):
        return accepted(
            *(
                row(each_row.message, each_row.id) if each_row.id else row(each_row.message, "", status="INV-NUMBER")
                for each_row in rows
            )
        )

    # --- questions ----------------------------------------------------------------------------------------------------

    status_words = {
        "AWAITING-DLR": Status.QUEUED,
        "DELIVRD": Status.DELIVERED,
        "UNDELIV": Status.UNDELIVERED,
        "DLT-REJECTED": Status.REJECTED,
        "EXPIRED": Status.EXPIRED,
        "TIMEOUT-DLR": (Status.UNKNOWN, True),
    }
    balances = [
        Balance(service="P", amount=Decimal(69), unit="credits"),
        Balance(service="T", amount=Decimal("109.5"), unit="credits"),
    ]

    def reports(self, sent, word):
        found = {"id": sent.id, "mobile": sent.to.lstrip("+"), "status": word, "units": 1, "custom": sent.reference}
        return HttpResponse.of_json({"status": 200, "message": "OK", "data": [found]})

    def reports_unknown(self, sent):
        return HttpResponse.of_json({"status": 200, "message": "OK", "data": []})

    def finds(self, message, id):
        found = {"id": id, "mobile": message.to.lstrip("+"), "status": "DELIVRD", "custom": message.reference}
        return HttpResponse.of_json({"status": "OK", "code": 200, "message": "OK", "data": [found]})

    def finds_nothing(self, reference):
        return HttpResponse.of_json({"status": "OK", "code": 200, "message": "OK", "data": []})

    def tells_balance(self):
        rows = [{"service": "P", "credits": 69, "charges": 1}, {"service": "T", "credits": "109.5", "charges": 1}]
        return HttpResponse.of_json({"status": 200, "message": "OK", "data": rows})

    # --- one-time codes -----------------------------------------------------------------------------------------------

    verification_option_values = {"length": 8}
    disapprovals = {
        "wrong-code": HttpResponse.of_json({"status": "invalid"}),
        "expired": HttpResponse.of_json({"status": "expired"}),
        "unknown": HttpResponse.of_json({"status": "failed"}),
    }

    def starts_verification(self, message, id):
        data = {"id": id, "status": "sent", "to": message.to.lstrip("+"), "expire_at": "2023-12-05 08:26:48"}
        return HttpResponse.of_json(data)

    def approves(self, verification):
        return HttpResponse.of_json({"id": verification.id, "status": "success"})

    def cancels(self, verification):
        return HttpResponse.of_json({"id": verification.id, "status": "success"})

    # --- webhooks -----------------------------------------------------------------------------------------------------

    webhooks = {
        "a report": Webhook(
            HttpRequest.post_json(
                URL, {"id": ID, "mobile": "919876543210", "status": "DELIVRD", "units": 2, "custom": "ref-1"}
            ),
            (
                DeliveryReport(
                    account="twincle",
                    provider="twincle",
                    id=ID,
                    to="+919876543210",
                    reference="ref-1",
                    status=Status.DELIVERED,
                    final=True,
                    segments=2,
                ),
            ),
        ),
        "a text to us": Webhook(
            HttpRequest.post_json(
                URL,
                {
                    "event": "vmn:message:in",
                    "payload": {
                        "id": "7",
                        "channels": [{"name": "vmn", "to": "919812345678"}],
                        "recipient": {"from": "919876543210"},
                        "message": {"type": "text", "payload": {"text": "hello"}},
                    },
                },
            ),
            (
                InboundMessage(
                    account="twincle",
                    provider="twincle",
                    id="7",
                    sender="+919876543210",
                    to="+919812345678",
                    text="hello",
                ),
            ),
        ),
    }
    handshakes = {
        "a challenge": Webhook(
            HttpRequest.post_json(f"{URL}?token=key", {"validation_key": "key", "challenge": "random"}), reply=b"random"
        )
    }

    def sign(self, webhook, secret):
        return replace(webhook, headers={**webhook.headers, "authorization": f"Bearer {secret}"})


class TestTwincleWithItsTokenInTheQuery(TestTwincle):
    settings = {**TestTwincle.settings, "auth": "query"}
