"""Texts that a person sends, as each vendor brings and signs them, and the providers that believe them."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from datetime import UTC, datetime, timedelta
from urllib.parse import urlencode

from smsbridge import HttpRequest
from smsbridge_infobip import InfobipProvider
from smsbridge_plivo import PlivoProvider
from smsbridge_twilio import TwilioProvider
from smsbridge_twincle import TwincleProvider
from smsbridge_vonage import VonageProvider

SECRET, PERSON, OURS, URL = "dummy-secret", "919876543210", "15557122661", "https://app.example/sms"
NOON = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=1)


def by_twilio(words, number, minute=0, url=URL):
    fields = {
        "MessageSid": f"SM{number:032}",
        "SmsStatus": "received",
        "From": f"+{PERSON}",
        "To": f"+{OURS}",
        "Body": words,
    }
    signed = url + "".join(name + fields[name] for name in sorted(fields))
    signature = base64.b64encode(hmac.digest(SECRET.encode(), signed.encode(), hashlib.sha1)).decode()
    return HttpRequest.post_form(url, fields, headers={"x-twilio-signature": signature})


def by_plivo(words, number, minute=0, url=URL):
    fields = {"MessageUUID": f"uuid-{number}", "From": PERSON, "To": OURS, "Text": words, "Type": "sms"}
    signed = f"{url}?{''.join(name + fields[name] for name in sorted(fields))}.77"
    signature = base64.b64encode(hmac.digest(SECRET.encode(), signed.encode(), hashlib.sha256)).decode()
    headers = {"x-plivo-signature-v3": signature, "x-plivo-signature-v3-nonce": "77"}
    return HttpRequest.post_form(url, fields, headers=headers)


def by_vonage(words, number, minute=0, url=URL):
    at = f"{NOON + timedelta(minutes=minute):%Y-%m-%d %H:%M:%S}"
    fields = {"messageId": f"id-{number}", "msisdn": PERSON, "to": OURS, "text": words, "message-timestamp": at}
    fields |= {"timestamp": str(int(time.time())), "nonce": "n"}
    signed = "".join(f"&{name}={value}" for name, value in sorted(fields.items()))
    fields["sig"] = hashlib.md5(f"{signed}{SECRET}".encode()).hexdigest()
    return HttpRequest(
        method="POST",
        url=url,
        headers={"content-type": "application/x-www-form-urlencoded"},
        body=urlencode(fields).encode(),
    )


def by_infobip(words, number, minute=0, url=URL):
    at = f"{NOON + timedelta(minutes=minute):%Y-%m-%dT%H:%M:%S.000+0000}"
    row = {"messageId": f"id-{number}", "from": PERSON, "to": OURS, "text": words, "receivedAt": at, "smsCount": 1}
    body = json.dumps({"results": [row]}).encode()
    headers = {"x-hub-signature": hmac.digest(SECRET.encode(), body, hashlib.sha256).hex()}
    return HttpRequest(method="POST", url=url, headers={"content-type": "application/json", **headers}, body=body)


def by_twincle(words, number, minute=0, url=URL):
    payload = {
        "id": f"id-{number}",
        "channels": [{"name": "vmn", "to": OURS}],
        "recipient": {"from": PERSON},
        "message": {"type": "text", "payload": {"text": words}},
    }
    body = json.dumps({"event": "vmn:message:in", "payload": payload}).encode()
    headers = {"authorization": f"Bearer {SECRET}", "content-type": "application/json"}
    return HttpRequest(method="POST", url=url, headers=headers, body=body)


TWINCLE = "https://sms.example/api/v2/"
VENDORS = {
    "twilio": (by_twilio, lambda **more: TwilioProvider(account_sid="AC" + "0" * 32, auth_token=SECRET, **more)),
    "plivo": (by_plivo, lambda **more: PlivoProvider(auth_id="MA" + "0" * 18, auth_token=SECRET, **more)),
    "vonage": (
        by_vonage,
        lambda **more: VonageProvider(api_key="abcd1234", api_secret=SECRET, signature_secret=SECRET, **more),
    ),
    "infobip": (
        by_infobip,
        lambda **more: InfobipProvider(
            api_key=SECRET, base_url="https://x.api.infobip.com", webhook_secret=SECRET, **more
        ),
    ),
    "twincle": (
        by_twincle,
        lambda **more: TwincleProvider(access_token=SECRET, webhook_secret=SECRET, base_url=TWINCLE, **more),
    ),
}
