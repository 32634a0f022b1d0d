"""STOP and START from each vendor: a repeated event, under its key or another key, undoes no later event."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import time
from datetime import UTC, datetime, timedelta
from itertools import permutations
from urllib.parse import urlencode

import pytest

from smsbridge import AsyncSmsClient, HttpRequest, Plugins, SmsClient
from smsbridge.optouts.policy import OptoutPolicy
from smsbridge.policies.failover import FailoverPolicy
from smsbridge_infobip import InfobipProvider
from smsbridge_plivo import PlivoProvider
from smsbridge_twilio import TwilioProvider
from smsbridge_twincle import TwincleProvider
from smsbridge_vonage import VonageProvider

SECRET, PERSON, OURS, URL = "dummy-secret", "919876543210", "15557122661", "https://app.example/sms"
NOON = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=1)


def by_twilio(words, number, minute):
    fields = {
        "MessageSid": f"SM{number:032}",
        "SmsStatus": "received",
        "From": f"+{PERSON}",
        "To": f"+{OURS}",
        "Body": words,
    }
    signed = URL + "".join(name + fields[name] for name in sorted(fields))
    signature = base64.b64encode(hmac.digest(SECRET.encode(), signed.encode(), hashlib.sha1)).decode()
    return HttpRequest.post_form(URL, fields, headers={"x-twilio-signature": signature})


def by_plivo(words, number, minute):
    fields = {"MessageUUID": f"uuid-{number}", "From": PERSON, "To": OURS, "Text": words, "Type": "sms"}
    signed = f"{URL}?{''.join(name + fields[name] for name in sorted(fields))}.77"
    signature = base64.b64encode(hmac.digest(SECRET.encode(), signed.encode(), hashlib.sha256)).decode()
    headers = {"x-plivo-signature-v3": signature, "x-plivo-signature-v3-nonce": "77"}
    return HttpRequest.post_form(URL, fields, headers=headers)


def by_vonage(words, number, minute):
    at = f"{NOON + timedelta(minutes=minute):%Y-%m-%d %H:%M:%S}"
    fields = {"messageId": f"id-{number}", "msisdn": PERSON, "to": OURS, "text": words, "message-timestamp": at}
    fields |= {"timestamp": str(int(time.time())), "nonce": "n"}
    signed = "".join(f"&{name}={value}" for name, value in sorted(fields.items()))
    fields["sig"] = hashlib.md5(f"{signed}{SECRET}".encode()).hexdigest()
    return HttpRequest(
        method="POST",
        url=URL,
        headers={"content-type": "application/x-www-form-urlencoded"},
        body=urlencode(fields).encode(),
    )


def by_infobip(words, number, minute):
    at = f"{NOON + timedelta(minutes=minute):%Y-%m-%dT%H:%M:%S.000+0000}"
    row = {"messageId": f"id-{number}", "from": PERSON, "to": OURS, "text": words, "receivedAt": at, "smsCount": 1}
    body = json.dumps({"results": [row]}).encode()
    headers = {"x-hub-signature": hmac.digest(SECRET.encode(), body, hashlib.sha256).hex()}
    return HttpRequest(method="POST", url=URL, headers={"content-type": "application/json", **headers}, body=body)


def by_twincle(words, number, minute):
    payload = {
        "id": f"id-{number}",
        "channels": [{"name": "vmn", "to": OURS}],
        "recipient": {"from": PERSON},
        "message": {"type": "text", "payload": {"text": words}},
    }
    body = json.dumps({"event": "vmn:message:in", "payload": payload}).encode()
    headers = {"authorization": f"Bearer {SECRET}", "content-type": "application/json"}
    return HttpRequest(method="POST", url=URL, headers=headers, body=body)


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
TIMED = ["vonage", "infobip"]


def stopped(policy):
    return policy._kept.known.holds([f"+{OURS}"], f"+{PERSON}")


def take(policy, *webhooks):
    with SmsClient(policy, plugins=Plugins()) as sms:
        for webhook in webhooks:
            assert len(sms.receive(webhook).events) == 1
    return stopped(policy)


@pytest.fixture(params=VENDORS)
def vendor(request):
    return VENDORS[request.param]


@pytest.mark.parametrize("kept", ["in memory", "in a file"])
def test_what_comes_again_undoes_nothing_that_came_later(vendor, kept, tmp_path):
    by, make = vendor

    def policy():
        return OptoutPolicy(
            inner=make(sender=f"+{OURS}"), path=None if kept == "in memory" else tmp_path / "optouts.db"
        )

    start, stop, back = by("START", 1, 0), by("Stop!", 2, 1), by("START", 3, 2)
    first = policy()
    assert take(first, start) is False
    assert take(first, stop) is True
    assert take(first, start, start) is True
    again = first if kept == "in memory" else policy()  # a restart
    assert take(again, start) is True
    assert take(again, back, stop, start) is False
    assert take(again, by("Hello", 4, 3)) is False
    assert take(again, by("STOP", 5, 4), by("Hello", 6, 5), back) is True


def test_nor_does_it_through_another_account_or_the_other_client(vendor):
    by, make = vendor
    accounts = [make(account=name, sender=f"+{OURS}") for name in ("a", "b")]
    policy = OptoutPolicy(inner=FailoverPolicy(accounts=accounts))
    start, stop = by("START", 1, 0), by("STOP", 2, 1)
    assert take(policy, start, stop) is True
    later = OptoutPolicy(inner=FailoverPolicy(accounts=accounts[::-1])).using(policy._kept.known)
    assert take(later, start) is True

    async def main():
        async with AsyncSmsClient(later, plugins=Plugins()) as sms:
            await sms.receive(start)
            await sms.receive(by("START", 3, 2))
            await sms.receive(stop)

    asyncio.run(main())
    assert stopped(later) is False


@pytest.mark.parametrize("name", TIMED)
def test_where_the_vendor_says_when_no_order_and_no_other_id_matters(name):
    by, make = VENDORS[name]
    said = [
        by("START", 1, 0),
        by("STOP", 2, 1),
        by("START", 3, 0),
    ]  # the last event is the first event under another id
    for order in permutations(said):
        assert take(OptoutPolicy(inner=make(sender=f"+{OURS}")), *order) is True
