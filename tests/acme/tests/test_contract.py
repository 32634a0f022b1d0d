"""Acme keeps the contract of smsbridge, and so does its policy."""

# ruff: noqa: RUF012  # samples are class attributes, and tests do not change them

import hashlib
import hmac
import json
from dataclasses import replace

from smsbridge_acme import AcmeProvider
from smsbridge_acme.drawer import open_drawer
from smsbridge_acme.night import NightPolicy

from smsbridge import (
    DeliveryReport,
    FundsError,
    HttpRequest,
    HttpResponse,
    Message,
    OptedOutError,
    Purpose,
    RecipientError,
    Status,
)
from smsbridge.testing import PolicyContract, ProviderContract, Refusal, Row, StoreContract, Webhook, dummy_secret


def no(code, **fields):
    row = {"ref": ProviderContract.sample.reference, "error": code, "why": "Acme says no", **fields}
    return HttpResponse.of_json({"texts": [row]})


class TestAcme(ProviderContract):
    provider_class = AcmeProvider
    settings = {"token": dummy_secret("token"), "webhook_secret": dummy_secret("webhook")}
    refusals = {
        "no credit": Refusal(answer=no("no_credit"), error=FundsError, code="no_credit"),
        "a bad number": Refusal(answer=no("bad_number"), error=RecipientError),
        "on the stop list": Refusal(answer=no("stop_list"), error=OptedOutError),
    }
    status_words = {"queued": Status.QUEUED, "delivered": Status.DELIVERED, "absent": Status.UNDELIVERED}
    webhooks = {
        "a report": Webhook(
            HttpRequest.post_json("https://app.example/sms", [{"id": "7", "status": "delivered"}]),
            (DeliveryReport(account="acme", provider="acme", id="7", status=Status.DELIVERED, final=True),),
        )
    }

    def accepts(self, message, id):
        return self.accepts_batch([Row(message, id)])

    def accepts_batch(self, rows):
        answers = [
            {"ref": row.message.reference, "id": row.id}
            if row.id
            else {"ref": row.message.reference, "error": "bad_number"}
            for row in rows
        ]
        return HttpResponse.of_json({"texts": answers}, status=202)

    def reports(self, sent, word):
        return HttpResponse.of_json({"id": sent.id, "status": word})

    def reports_unknown(self, sent):
        return HttpResponse(status=404, body=json.dumps({"error": "no such text"}).encode())

    def sign(self, webhook, secret):
        signature = hmac.new(secret.encode(), webhook.body, hashlib.sha256).hexdigest()
        return replace(webhook, headers={**webhook.headers, "x-acme-signature": signature})


class TestNight(PolicyContract):
    sample = replace(PolicyContract.sample, purpose=Purpose.OTP)
    refuses = {"a text that can wait": Message(to="+919876543210", text="private text 7c1f that can wait")}

    def make(self, inner):
        return NightPolicy(inner=inner)


class TestDrawer(StoreContract):
    def open(self, place):
        return open_drawer(f"drawer:{place}")
