"""Every HTTP status, with every vendor's words for yes and no: an ambiguous answer is always uncertain."""

from __future__ import annotations

import json

import pytest

from smsbridge import HttpResponse, Message, RefusedError, SentMessage, UncertainError, Verification
from smsbridge.attempts import attempt, attempt_batch, attempt_verification
from smsbridge.builtin.http import HttpProvider
from smsbridge.provider import Capability
from smsbridge_infobip import InfobipProvider
from smsbridge_plivo import PlivoProvider
from smsbridge_twilio import TwilioProvider
from smsbridge_twincle import TwincleProvider
from smsbridge_vonage import VonageProvider

SECRET = "not-a-real-secret"
PROVIDERS = {
    "http": HttpProvider(
        url="https://gateway.example/send",
        body={"to": "{to}", "text": "{text}"},
        accept_if={"path": "id"},
        id="id",
        refuse_if=[
            {"matches": "(?i)no credit", "error": "funds"},
            {"path": "error"},
            {"path": "code"},
            {"path": "errors"},
        ],
    ),
    "infobip": InfobipProvider(api_key=SECRET, base_url="xxxxx.api.infobip.com", application_id="A", message_id="M"),
    "plivo": PlivoProvider(auth_id="MA1", auth_token=SECRET, sender="ACME"),
    "twilio": TwilioProvider(
        account_sid=f"AC{'0' * 32}", auth_token=SECRET, sender="+15557122661", verify_service_sid=f"VA{'0' * 32}"
    ),
    "twincle": TwincleProvider(access_token=SECRET, base_url="https://twincle.example/api/v2/", sender="SMSBRG"),
    "vonage, SMS API": VonageProvider(api_key="abcd1234", api_secret=SECRET, sender="ACME", verify_brand="ACME"),
    "vonage, Messages": VonageProvider(
        api_key="abcd1234", api_secret=SECRET, sender="ACME", verify_brand="A", api="messages"
    ),
}
BODIES = {
    "nothing": b"",
    "a page": b"<html><body>Please log in</body></html>",
    "a page that speaks of credit": b"<html>no credit</html>",
    **{
        name: json.dumps(data).encode()
        for name, data in {
            "an object": {},
            "http, no": {"error": {"message": "upstream timed out"}},
            "http, no credit": {"error": "no credit", "code": 1001},
            "http, yes": {"id": "7"},
            "infobip, no": {"errorCode": "E400", "description": "Bad request"},
            "infobip, no row": {
                "messages": [
                    {
                        "messageId": "ref-1",
                        "destination": "919876543210",
                        "status": {"groupId": 5, "id": 12, "name": "N"},
                    }
                ]
            },
            "infobip, no code": {"smsStatus": "MESSAGE_NOT_SENT", "pinId": "7"},
            "plivo, no": {"error": "Insufficient Credit", "api_id": "1"},
            "plivo, no number": {"message_uuid": [], "invalid_number": ["919876543210"]},
            "twilio, no": {"code": 21610, "message": "Attempt to send to unsubscribed recipient", "status": 400},
            "twilio, no sender": {"code": 21606, "message": "no"},
            "twilio, failed": {"sid": f"SM{'0' * 32}", "status": "failed", "error_code": 30007},
            "twincle, no": {"status": "ERROR", "code": 422, "message": "Missing sender", "data": []},
            "twincle, no credit": {"status": "ERROR", "code": 403, "message": "Insufficient credit"},
            "twincle, no row": {
                "status": 200,
                "data": [{"id": "7:1", "mobile": "919876543210", "status": "DNDNUMB", "customid": "ref-1"}],
            },
            "vonage, no": {"message-count": "1", "messages": [{"status": "9", "error-text": "Partner quota"}]},
            "vonage, problem": {"type": "https://x.example/#invalid", "title": "Invalid sender", "detail": "no"},
            "vonage, number": {"type": "https://x.example/#1070", "title": "1070", "detail": "no"},
            "laravel": {"message": "The given data was invalid.", "errors": {"to": ["The number is invalid."]}},
        }.items()
    },
}
MAY_REFUSE = {*range(200, 300), 301, 307, 308, *range(400, 500)} - {408, 460, 499}
STATUSES = [
    *(100, 101, 102, 103, 199, *range(200, 209), 226, *range(299, 309), 399),
    *(*range(400, 432), 440, 444, 449, 451, 460, *range(494, 512), *range(520, 531), 561, 598, 599, 600, 999),
]
MESSAGE = Message(to="+919876543210", text="Your order has shipped", reference="ref-1")
CODE = Message(to="+919876543210", text="", reference="ref-1")


def outcome(flow, response):
    """The end of a flow whose requests all get this answer. (A refused batch is halved.)"""
    try:
        next(flow)
        while True:
            flow.send(response)
    except StopIteration as stop:
        return stop.value
    except (RefusedError, UncertainError) as error:
        return error


def ways(provider):
    yield "a text", lambda: attempt(provider, MESSAGE)
    if Capability.BATCH in provider.capabilities:
        yield (
            "a batch",
            lambda: attempt_batch(provider, [MESSAGE, Message(to="+919876543211", text="b", reference="ref-2")]),
        )
    if Capability.VERIFICATION in provider.capabilities:
        yield "a code", lambda: attempt_verification(provider, CODE)


@pytest.mark.parametrize("provider", PROVIDERS.values(), ids=PROVIDERS)
@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
def test_what_a_status_leaves_open_no_body_makes_certain(provider, body):
    for status in STATUSES:
        response = HttpResponse(status=status, headers={"content-type": "application/json"}, body=body)
        for what, start in ways(provider):
            ended = outcome(start(), response)
            for end in [result.error or result.sent for result in ended] if isinstance(ended, list) else [ended]:
                if status not in MAY_REFUSE:
                    assert isinstance(end, UncertainError), f"{what}, HTTP {status}"
                elif not 200 <= status < 300:
                    assert isinstance(end, RefusedError | UncertainError), f"{what}, HTTP {status}"
                else:
                    assert isinstance(end, RefusedError | UncertainError | SentMessage | Verification)


@pytest.mark.parametrize("provider", PROVIDERS.values(), ids=PROVIDERS)
def test_what_says_no_for_certain_without_a_body_is_refused(provider):
    for status in sorted(MAY_REFUSE - {*range(200, 300)}):
        assert isinstance(outcome(attempt(provider, MESSAGE), HttpResponse(status=status)), RefusedError)
