"""Hostile webhooks at every vendor's plugin: refused with the right error, in little memory and time."""

from __future__ import annotations

import base64
import hashlib
import hmac
import time
import tracemalloc

import pytest

from smsbridge import HttpRequest, PayloadError, Plugins, SignatureError, SmsClient, WebhookError
from smsbridge.errors import TooLargeError
from smsbridge.optouts.policy import OptoutPolicy
from smsbridge.policies.failover import FailoverPolicy
from smsbridge_infobip import InfobipProvider
from smsbridge_plivo import PlivoProvider
from smsbridge_twilio import TwilioProvider
from smsbridge_twincle import TwincleProvider
from smsbridge_vonage import VonageProvider

URL, SECRET = "https://app.example/sms?reference=r-1&tenant=7", "dummy-secret"
FORM, JSON = "application/x-www-form-urlencoded", "application/json"
SHA1, SHA256 = (base64.b64encode(b"x" * size).decode() for size in (20, 32))

VENDORS = {
    "twilio": (
        lambda **given: TwilioProvider(account_sid="AC" + "0" * 32, auth_token=SECRET, **given),
        {"x-twilio-signature": SHA1},
    ),
    "plivo": (
        lambda **given: PlivoProvider(auth_id="MA" + "0" * 18, auth_token=SECRET, **given),
        {"x-plivo-signature-v3": SHA256, "x-plivo-signature-v3-nonce": "1"},
    ),
    "vonage": (
        lambda **given: VonageProvider(api_key="abcd1234", api_secret=SECRET, signature_secret=SECRET, **given),
        {},
    ),
    "vonage with a token": (
        lambda **given: VonageProvider(api_key="abcd1234", api_secret=SECRET, signature_secret=SECRET, **given),
        {"authorization": "Bearer a.b.c"},
    ),
    "infobip": (
        lambda **given: InfobipProvider(
            api_key=SECRET, base_url="https://x.api.infobip.com", webhook_secret=SECRET, **given
        ),
        {"x-hub-signature": "0" * 64},
    ),
    "twincle": (
        lambda **given: TwincleProvider(
            access_token=SECRET, webhook_secret=SECRET, base_url="https://sms.example/api/v2/", **given
        ),
        {"authorization": "Bearer another"},
    ),
}
SIZE = 400_000
BODIES = {
    "percent": (FORM, b"a=" + b"%" * SIZE),
    "escapes": (FORM, b"a=" + b"%41" * (SIZE // 3)),
    "escapes apart": (FORM, b"sig=a&a=" + b"b%41" * (SIZE // 4)),
    "ampersands": (FORM, b"&" * SIZE),
    "fields": (FORM, b"a=1&" * (SIZE // 4)),
    "a thousand fields": (FORM, b"sig=1&" + b"&".join(b"%d=" % number + b"%C3%A9" * 160 for number in range(999))),
    "bytes": (FORM, b"\xff\x00" * (SIZE // 2)),
    "multipart": ("multipart/form-data; boundary=x", b"--x\r\n" * (SIZE // 5)),
    "lists": (JSON, b"[" + b"[]," * (SIZE // 3) + b"0]"),
    "members": (JSON, b'{"sig":"1",' + b'"a":1,' * (SIZE // 6) + b'"b":2}'),
    "names": (JSON, b'{"sig":"1",' + b",".join(b'"%06d":0' % number for number in range(SIZE // 11)) + b"}"),
    "open": (JSON, b"[" * SIZE),
    "open objects": (JSON, b'{"sig":' * (SIZE // 7)),
    "a string": (JSON, b'{"sig":"' + b"x" * SIZE + b'"}'),
    "pictures": (JSON, b'{"sig":"' + "\U0001f6d1".encode() * (SIZE // 4) + b'"}'),
    "digits": (JSON, b'{"sig":"1","a":' + b"1" * SIZE + b"}"),
    "lone surrogates": (JSON, b'{"sig":"' + b"\\ud800" * (SIZE // 6) + b'"}'),
    "a page": ("text/html", b"<html>" * (SIZE // 6)),
    "nothing said": ("", b"x" * SIZE),
}


def hostile(kind, body, headers, url=URL):
    return HttpRequest(method="POST", url=url, headers={"content-type": kind, **headers}, body=body)


def refused(client, webhook):
    """The memory, in bytes, that the refusal of the webhook took."""
    tracemalloc.start()
    try:
        with pytest.raises(WebhookError) as caught:
            client.receive(webhook)
        assert isinstance(caught.value, SignatureError | PayloadError)
        assert caught.value.__cause__ is caught.value.__context__ is None
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(("kind", "body"), BODIES.values(), ids=BODIES)
@pytest.mark.parametrize(("make", "proof"), VENDORS.values(), ids=VENDORS)
def test_a_hostile_body_is_refused_in_a_few_times_its_size(make, proof, kind, body):
    provider = make()
    with SmsClient(provider, plugins=Plugins()) as sms:
        assert refused(sms, hostile(kind, body, proof)) < 8 * SIZE
        with pytest.raises((SignatureError, PayloadError)):
            sms.receive(hostile(kind, body, {}))
    with pytest.raises((SignatureError, PayloadError)):  # directly too, without the checks of receive
        provider.verify(hostile(kind, body, proof))


@pytest.mark.parametrize("query", ["%" * 60_000, "%41" * 20_000, "a&" * 30_000, "&" * 60_000, "a=1&" * 990 + "b=%ff"])
@pytest.mark.parametrize(("make", "proof"), VENDORS.values(), ids=VENDORS)
def test_so_is_a_hostile_url(make, proof, query):
    with SmsClient(make(), plugins=Plugins()) as sms:
        for body in (b"", b"a=1"):
            assert refused(sms, hostile(FORM, body, proof, f"{URL}&{query}")) < SIZE


@pytest.mark.parametrize(("make", "proof"), VENDORS.values(), ids=VENDORS)
def test_what_is_larger_than_any_webhook_is_not_looked_at(make, proof):
    body = b"a=" + b"%" * 5_000_000
    with SmsClient(make(), plugins=Plugins()) as sms:
        assert refused(sms, hostile(FORM, body, proof)) < SIZE // 10
        with pytest.raises(TooLargeError) as caught:
            sms.receive(hostile(FORM, body, proof))
        assert caught.value.status == 413


@pytest.mark.parametrize("vendor", ["twilio", "plivo", "vonage"])
@pytest.mark.parametrize("name", ["escapes apart", "a thousand fields"])
def test_many_accounts_do_not_take_many_times_as_long(vendor, name):
    make, proof = VENDORS[vendor]
    kind, body = BODIES[name]

    def seconds(accounts):
        policy = OptoutPolicy(inner=FailoverPolicy(accounts=[make(account=f"a{number}") for number in range(accounts)]))
        with SmsClient(policy, plugins=Plugins()) as sms:
            begun = time.process_time()
            with pytest.raises(WebhookError):
                sms.receive(hostile(kind, body, proof))
            return time.process_time() - begun

    assert seconds(10) < 5 * max(seconds(1), 0.05)


def test_a_genuine_webhook_as_large_as_any_is_taken():
    """A limit below the vendor's real sizes would lose reports."""
    rows = [
        b'{"messageId":"m-%d","to":"919876543210","status":{"groupId":3,"id":5,"name":"DELIVERED_TO_HANDSET"},'
        b'"error":{"groupId":0,"id":0,"name":"NO_ERROR","permanent":false},"doneAt":"2026-07-13T13:04:09.799+0000",'
        b'"price":{"pricePerMessage":0.01,"currency":"EUR"},"smsCount":1}' % number
        for number in range(2000)
    ]
    body = b'{"results":[' + b",".join(rows) + b"]}"
    signature = hmac.digest(SECRET.encode(), body, hashlib.sha256).hex()
    provider = VENDORS["infobip"][0]()
    with SmsClient(provider, plugins=Plugins()) as sms:
        received = sms.receive(hostile(JSON, body, {provider.webhook_signature_header: signature}))
    assert len(received.events) == 2000
