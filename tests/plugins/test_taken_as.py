"""If the vendor says that a text, in any language, is an opt-out or opt-in, that decides."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json

import pytest

from smsbridge import HttpRequest, OptedOutError, Plugins, SmsClient
from smsbridge.optouts.policy import OptoutPolicy
from smsbridge_twilio import TwilioProvider
from smsbridge_twincle import TwincleProvider

TOKEN, PERSON, OURS, URL = "dummy-token", "+919876543210", "+15557122661", "https://app.example/sms"


def twilio():
    return OptoutPolicy(inner=TwilioProvider(account_sid="AC" + "0" * 32, auth_token=TOKEN, sender=OURS))


def by_twilio(number=1, **fields):
    fields = {"MessageSid": f"SM{number:032}", "SmsStatus": "received", "From": PERSON, "To": OURS, **fields}
    signed = URL + "".join(name + fields[name] for name in sorted(fields))
    signature = base64.b64encode(hmac.digest(TOKEN.encode(), signed.encode(), hashlib.sha1)).decode()
    return HttpRequest.post_form(URL, fields, headers={"x-twilio-signature": signature})


def stopped_by(policy, *webhooks):
    with SmsClient(policy, plugins=Plugins()) as sms:
        for webhook in webhooks:
            sms.receive(webhook)
        return policy._kept.known.holds([OURS], PERSON)


STOP = {"Body": "STOP"}


@pytest.mark.parametrize(
    ("fields", "out"),
    [
        ({"Body": "PARAR", "OptOutType": "STOP"}, True),
        ({"Body": "बंद", "OptOutType": " stop "}, True),
        ({"Body": "", "OptOutType": "STOP"}, True),
        ({"Body": "STOP", "OptOutType": "START"}, False),
        ({"Body": "STOP", "OptOutType": "HELP"}, False),
        ({"Body": "STOP", "OptOutType": ""}, True),
        ({"Body": "STOP", "OptOutType": "LATER"}, True),
        ({"Body": "PARAR"}, False),
    ],
)
def test_twilio_says_it_in_its_opt_out_type(fields, out):
    assert stopped_by(twilio(), by_twilio(**fields)) is out


def test_twilio_says_in_the_same_way_that_a_person_is_back():
    back = by_twilio(2, Body="VOLVER", OptOutType="START")
    assert stopped_by(twilio(), by_twilio(1, **STOP), back) is False
    assert stopped_by(twilio(), by_twilio(1, **STOP), by_twilio(2, Body="AYUDA", OptOutType="HELP")) is True


def test_a_start_that_twilio_delivers_again_does_not_undo_a_later_stop():
    start = by_twilio(1, Body="START")
    assert stopped_by(twilio(), start, by_twilio(2, **STOP), start) is True
    assert stopped_by(twilio(), start, by_twilio(2, **STOP), by_twilio(3, Body="START")) is False


@pytest.mark.parametrize(
    ("kind", "senders", "out"),
    [
        ("sender", ["ACMEIN"], True),
        ("sender", ["OTHER"], False),
        ("all", ["ACMEIN"], True),
        ("all", ["OTHER"], True),
        ("tag", ["ACMEIN"], False),
    ],
)
def test_twincle_says_it_in_an_event_of_its_own(kind, senders, out):
    inner = TwincleProvider(
        access_token="dummy-token",
        webhook_secret="dummy-secret",
        sender="ACMEIN",
        base_url="https://sms.example/api/v2/",
    )
    policy = OptoutPolicy(inner=inner)
    payload = {
        "id": "00000000-0000-4000-8000-000000000000",
        "receiver": PERSON[1:],
        "type": kind,
        "value": "ACMEIN" if kind != "all" else "all",
        "created_at": "2023-07-08T12:52:54.000000Z",
        "status": "Unsubscriber created successfully",
    }
    body = json.dumps({"event": "sms:unsubscription", "payload": payload}).encode()
    headers = {"authorization": "Bearer dummy-secret", "content-type": "application/json"}
    with SmsClient(policy, plugins=Plugins()) as sms:
        received = sms.receive(HttpRequest(method="POST", url=URL, headers=headers, body=body))
        assert received.response.ok
        assert policy._kept.known.holds(senders, PERSON) is out
        if out:
            with pytest.raises(OptedOutError):
                sms.send(PERSON, "hello", sender=senders[0])
