"""The official SDK and our provider, side by side: same requests, same reading of answers, same signatures.

Both talk to the same recorder on loopback. If a difference is intended, a test says why.
"""

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from recorder import Recorder
from smsbridge import HttpRequest, Message, Purpose, SendError, Settings, SignatureError, SmsClient
from smsbridge_twilio import TwilioProvider, vocabulary

TOKEN, SHARED_KEY = "dummy-token-not-a-secret", "dummy-shared-key-not-a-secret"
ACCOUNT = "AC00000000000000000000000000000001"
SERVICE = "MG00000000000000000000000000000002"
VERIFY = "VA00000000000000000000000000000003"
KEY = "SK00000000000000000000000000000004"
SID = "SM00000000000000000000000000000005"
CODE_SID = "VE00000000000000000000000000000006"
NUMBER, SENDER = "+919876543210", "+15557122661"
NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
QUEUED = {"sid": SID, "status": "queued", "to": NUMBER, "num_segments": "1", "error_code": None}


# --- side by side ---------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def server():
    with Recorder.running() as recorder:
        yield recorder


@pytest.fixture
def recorder(server):
    server.answers(QUEUED, 201)
    return server


@pytest.fixture(scope="module")
def sdk(server):
    """The SDK's client, with every host of Twilio's replaced by the recorder."""
    from twilio.http.http_client import TwilioHttpClient
    from twilio.rest import Client

    class Loopback(TwilioHttpClient):
        def request(self, method, url, *args, **kwargs):
            parts = urlsplit(url)
            assert parts.netloc in {"api.twilio.com", "verify.twilio.com"}
            return super().request(method, f"{server.url}{parts.path}", *args, **kwargs)

    http = Loopback()
    clients = SimpleNamespace(
        token=Client(ACCOUNT, TOKEN, http_client=http),
        key=Client(KEY, "dummy-api-key-secret", ACCOUNT, http_client=http),
    )
    yield clients
    http.session.close()


def ours(recorder, **given):
    known = {"account_sid": ACCOUNT, "auth_token": TOKEN, "verify_service_sid": VERIFY}
    urls = {"base_url": recorder.url, "verify_base_url": recorder.url}
    return SmsClient(TwilioProvider(**{**known, **urls, **given}), settings=Settings())


def seen(request):
    body = request.body.decode()
    kind = request.headers.get("content-type", "") if body else ""
    form = sorted(parse_qsl(body, keep_blank_values=True, strict_parsing=True)) if body else []
    return request.method, request.url, kind, form, request.headers["authorization"]


def same(recorder):
    """Method, path, content type, decoded form and authentication of the two requests are equal."""
    first, second = map(seen, recorder.requests)
    assert first == second


# --- requests -------------------------------------------------------------------------------------------------------------

TEXTS = [  # fields of our message, settings, and the same for the SDK
    ({}, {"sender": SENDER}, {"from_": SENDER}),
    ({"sender": "ACME"}, {"sender": SENDER}, {"from_": "ACME"}),
    (
        {"text": "₹ 50% off & more = fun +1\n👍🏽"},
        {"sender": SENDER},
        {"from_": SENDER, "body": "₹ 50% off & more = fun +1\n👍🏽"},
    ),
    ({}, {"messaging_service_sid": SERVICE}, {"messaging_service_sid": SERVICE}),
    (
        {"send_at": NOW + timedelta(hours=1)},
        {"messaging_service_sid": SERVICE},
        {"messaging_service_sid": SERVICE, "send_at": NOW + timedelta(hours=1), "schedule_type": "fixed"},
    ),
    (
        {"sender": SENDER, "send_at": NOW + timedelta(hours=1), "valid_until": NOW + timedelta(hours=1, minutes=5)},
        {"messaging_service_sid": SERVICE},
        {
            "from_": SENDER,
            "messaging_service_sid": SERVICE,
            "send_at": NOW + timedelta(hours=1),
            "schedule_type": "fixed",
            "validity_period": 300,
        },
    ),
    ({"valid_until": NOW + timedelta(minutes=2)}, {"sender": SENDER}, {"from_": SENDER, "validity_period": 120}),
    (
        {"reference": "a b/ü"},
        {"sender": SENDER, "callback_url": "https://app.example/sms?x=1"},
        {"from_": SENDER, "status_callback": "https://app.example/sms?reference=a+b%2F%C3%BC&x=1"},
    ),
    ({"purpose": Purpose.OTP}, {"sender": SENDER}, {"from_": SENDER, "message_intent": "otp"}),
    ({"purpose": Purpose.PROMOTIONAL}, {"sender": SENDER}, {"from_": SENDER, "message_intent": "marketing"}),
    *(
        (
            {"options": {"twilio": {name: value}}},
            {"messaging_service_sid": SERVICE},
            {"messaging_service_sid": SERVICE, name: value},
        )
        for name, value in {
            "message_intent": "fraud",
            "smart_encoded": True,
            "shorten_urls": False,
            "risk_check": "disable",
            "content_retention": "discard",
            "address_retention": "obfuscate",
        }.items()
    ),
]


@pytest.mark.parametrize("case", TEXTS)
def test_a_text_is_asked_for_as_the_sdk_asks(recorder, sdk, monkeypatch, case):
    said, given, to_sdk = case
    monkeypatch.setattr("smsbridge.reading.now", lambda: NOW)
    with ours(recorder, **given) as sms:
        sms.send(Message(**{"to": NUMBER, "text": "Hi there", "reference": "ref-1", **said}))
    sdk.token.messages.create(**{"to": NUMBER, "body": "Hi there", **to_sdk})
    same(recorder)


@given(text=st.text(min_size=1), sender=st.text(min_size=1))
@settings(max_examples=15)
@example(text="&=+%20;\r\n\0", sender=" ")
def test_any_text_is_encoded_as_the_sdk_encodes_it(server, sdk, text, sender):
    server.answers(QUEUED, 201)
    with ours(server) as sms:
        sms.send(Message(to=NUMBER, text=text, sender=sender))
    sdk.token.messages.create(to=NUMBER, body=text, from_=sender)
    same(server)


def test_an_api_key_signs_in_as_the_sdk_signs_in(recorder, sdk):
    with ours(recorder, sender=SENDER, api_key=KEY, api_key_secret="dummy-api-key-secret") as sms:
        sms.send(NUMBER, "Hi there")
    sdk.key.messages.create(to=NUMBER, body="Hi there", from_=SENDER)
    same(recorder)


def test_without_a_service_the_sdk_sends_a_time_that_twilio_drops_and_we_do_not(recorder, sdk):
    """Meant to differ: Twilio would send at once (support article 4412165297947), so we refuse."""
    sdk.token.messages.create(to=NUMBER, body="Hi", from_=SENDER, send_at=NOW, schedule_type="fixed")
    with ours(recorder, sender=SENDER) as sms, pytest.raises(Exception, match="scheduling without"):
        sms.send(NUMBER, "Hi", send_at=NOW)
    assert len(recorder.requests) == 1


def test_a_status_and_the_balance_are_asked_for_as_the_sdk_asks(recorder, sdk):
    recorder.answers(QUEUED)
    with ours(recorder, sender=SENDER) as sms:
        sms.status(SID, account="twilio")
    sdk.token.messages(SID).fetch()
    same(recorder)
    recorder.answers({"balance": "-0.094", "currency": "USD"})
    with ours(recorder, sender=SENDER) as sms:
        (balance,) = sms.balance()
    theirs = sdk.token.balance.fetch()
    same(recorder)
    assert (str(balance.amount), balance.unit) == (theirs.balance, theirs.currency)


def verification(status, *, valid=False):
    return {"sid": CODE_SID, "to": NUMBER, "status": status, "valid": valid}


@pytest.mark.parametrize("options", [{}, {"locale": "hi"}, {"app_hash": "He42w354ol9", "risk_check": "disable"}])
def test_a_code_is_started_as_the_sdk_starts_it(recorder, sdk, options):
    recorder.answers(verification("pending"), 201)
    with ours(recorder) as sms:
        started = sms.start_verification(NUMBER, options={"twilio": options})
    theirs = sdk.token.verify.v2.services(VERIFY).verifications.create(to=NUMBER, channel="sms", **options)
    same(recorder)
    assert started.id == theirs.sid


@pytest.mark.parametrize(("status", "valid"), [("approved", True), ("pending", False), ("canceled", False)])
def test_a_code_is_checked_as_the_sdk_checks_it(recorder, sdk, status, valid):
    recorder.answers(verification(status, valid=valid))
    with ours(recorder) as sms:
        check = sms.check_verification(CODE_SID, "123456", account="twilio")
    theirs = sdk.token.verify.v2.services(VERIFY).verification_checks.create(verification_sid=CODE_SID, code="123456")
    same(recorder)
    assert check.approved == theirs.valid


def test_a_code_is_cancelled_as_the_sdk_cancels_it(recorder, sdk):
    recorder.answers(verification("canceled"))
    with ours(recorder) as sms:
        sms.cancel_verification(CODE_SID, account="twilio")
    sdk.token.verify.v2.services(VERIFY).verifications(CODE_SID).update(status="canceled")
    same(recorder)


# --- answers --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", ["accepted", "queued", "scheduled", "sending", "sent", "delivered"])
def test_both_read_the_same_id_status_and_date(recorder, sdk, status):
    date = "Thu, 24 Aug 2023 05:01:45 +0000"
    recorder.answers({"sid": SID, "status": status, "date_created": date, "num_segments": "2"}, 201)
    with ours(recorder, sender=SENDER) as sms:
        sent = sms.send(NUMBER, "Hi there")
    theirs = sdk.token.messages.create(to=NUMBER, body="Hi there", from_=SENDER)
    assert (sent.id, sent.at, sent.segments) == (theirs.sid, theirs.date_created, int(theirs.num_segments))
    assert sent.status is vocabulary.STATUSES[theirs.status]


def test_the_words_of_our_table_are_those_of_the_sdk(sdk):
    from twilio.rest.api.v2010.account.message import MessageInstance

    words = {word for name, word in vars(MessageInstance.Status).items() if name.isupper()}
    assert vocabulary.STATUSES.keys() | vocabulary.INBOUND == words


@pytest.mark.parametrize(("status", "code"), [(400, 21211), (401, 20003), (404, 20404), (429, 20429), (500, 20500)])
def test_both_read_the_same_code_and_words_of_an_error(recorder, sdk, status, code):
    from twilio.base.exceptions import TwilioRestException

    recorder.answers({"code": code, "message": "What Twilio says", "status": status}, status)
    with ours(recorder, sender=SENDER) as sms, pytest.raises(SendError) as mine:
        sms.send(NUMBER, "Hi there")
    with pytest.raises(TwilioRestException) as theirs:
        sdk.token.messages.create(to=NUMBER, body="Hi there", from_=SENDER)
    assert mine.value.code == str(theirs.value.code)
    assert mine.value.detail.startswith("What Twilio says")
    assert "What Twilio says" in theirs.value.msg


def test_a_message_that_is_created_failed_is_a_success_to_the_sdk_and_none_to_us(recorder, sdk):
    """Meant to differ: the SDK returns the resource; an application that does not read its status counts an unsent text as sent."""
    failed = {"sid": SID, "status": "failed", "error_code": 30007, "error_message": "Message filtered"}
    recorder.answers(failed, 201)
    assert sdk.token.messages.create(to=NUMBER, body="Hi there", from_=SENDER).sid == SID
    with ours(recorder, sender=SENDER) as sms, pytest.raises(SendError) as mine:
        sms.send(NUMBER, "Hi there")
    assert mine.value.code == "30007"


# --- signatures -----------------------------------------------------------------------------------------------------------

TWILIO = TwilioProvider(account_sid=ACCOUNT, auth_token=TOKEN, webhook_shared_key=SHARED_KEY)

WORDS = st.text(max_size=8)
NAMES = st.sampled_from(["Body", "From", "To", "a", "ab", "A", "ü"]) | WORDS
PARAMS = st.lists(st.tuples(NAMES, WORDS | st.sampled_from(["", " ", "a b", "+", "&=", "👍🏽"])), max_size=6)
HOSTS = st.sampled_from(["app.example", "app.example:443", "app.example:80", "app.example:8443", "10.0.0.1:5000"])
PATHS = st.sampled_from(["/", "/sms", "/sms/", "/a%20b/%C3%BC", ""])
URLS = st.builds(
    lambda scheme, host, path, query: f"{scheme}://{host}{path}{'?' if query else ''}{urlencode(query)}",
    st.sampled_from(["https", "http"]),
    HOSTS,
    PATHS,
    PARAMS,
)


class Repeated(dict):
    """Form fields with repeated names, as Flask and Django pass them to the SDK."""

    def __init__(self, pairs):
        super().__init__(pairs)
        self.pairs = pairs

    def getlist(self, name):
        return [value for pair, value in self.pairs if pair == name]


@pytest.fixture(scope="module")
def validator():
    from twilio.request_validator import RequestValidator

    return RequestValidator(TOKEN)


def webhook(url, params, signature, **headers):
    request = HttpRequest.post_form(url, params)
    return replace(request, headers={**request.headers, "x-twilio-signature": signature, **headers})


def believed(request, provider=TWILIO):
    try:
        provider.verify(request)
    except SignatureError:
        return False
    return True


@given(url=URLS, params=PARAMS)
def test_what_the_sdk_signs_we_believe(validator, url, params):
    assert believed(webhook(url, params, validator.compute_signature(url, Repeated(params))))


def _with_port(match):
    return f"{match[1]}://{match[2]}:{443 if match[1] == 'https' else 80}"


TWISTS = {  # what may happen to a webhook between Twilio and us
    "nothing": lambda url, params: (url, params),
    "the port goes": lambda url, params: (re.sub(r":\d+(?=[/?]|$)", "", url), params),
    "the default port comes": lambda url, params: (re.sub(r"^(https?)://([^/:?]+)(?=[/?]|$)", _with_port, url), params),
    "another port comes": lambda url, params: (re.sub(r"^(https?://[^/:?]+)(?=[/?]|$)", r"\1:8080", url), params),
    "the scheme changes": lambda url, params: (url.replace("https:", "http:", 1), params),
    "the query goes": lambda url, params: (url.partition("?")[0], params),
    "the query grows": lambda url, params: (f"{url}{'&' if '?' in url else '?'}x=1", params),
    "fields change places": lambda url, params: (url, params[::-1]),
    "fields come twice": lambda url, params: (url, [*params, *params]),
    "an empty field comes": lambda url, params: (url, [*params, ("x", "")]),
    "a field goes": lambda url, params: (url, params[1:]),
    "a name takes a letter of its value": lambda url, params: (url, [(n + v[:1], v[1:]) for n, v in params]),
    "a value changes": lambda url, params: (url, [(n, f"{v}!") for n, v in params]),
}


@pytest.mark.parametrize("twist", TWISTS)
@given(url=URLS, params=PARAMS)
@settings(max_examples=25)
def test_what_was_changed_on_the_way_we_believe_exactly_where_the_sdk_does(validator, twist, url, params):
    signature = validator.compute_signature(url, Repeated(params))
    other, more = TWISTS[twist](url, params)
    assert believed(webhook(other, more, signature)) == validator.validate(other, Repeated(more), signature)


@given(url=URLS, params=PARAMS, garbled=st.text(alphabet="AZaz09+/=é ", max_size=30))
def test_neither_believes_anything_else(validator, url, params, garbled):
    assume(garbled != validator.compute_signature(url, Repeated(params)))
    assert not believed(webhook(url, params, garbled))
    assert not validator.validate(url, Repeated(params), garbled)


def test_the_example_of_the_sdk_s_own_tests_is_believed(validator):
    """CallSid and friends, https://github.com/twilio/twilio-python/blob/main/tests/unit/test_request_validator.py"""
    token = "12345"
    params = {
        "CallSid": "CA1234567890ABCDE",
        "Digits": "1234",
        "From": "+14158675309",
        "To": "+18005551212",
        "Caller": "+14158675309",
    }
    genuine = webhook("https://mycompany.com/myapp.php?foo=1&bar=2", params, "RSOYDt4T1cUTdK1PDd93/VVr8B8=")
    assert believed(genuine, TwilioProvider(account_sid=ACCOUNT, auth_token=token))
    assert not believed(genuine)


@pytest.mark.parametrize(
    ("seen", "called"),
    [
        ("http://10.0.0.7:8000/sms?a=1", "https://app.example/sms?a=1"),
        ("http://app.example/sms", "https://app.example/sms"),
        ("https://app.example:8443/sms?reference=%C3%BC", "https://app.example/sms?reference=%C3%BC"),
    ],
)
def test_behind_a_proxy_the_public_url_is_what_was_signed(validator, seen, called):
    params = {"MessageSid": SID, "MessageStatus": "sent", "To": NUMBER}
    request = webhook(seen, params, validator.compute_signature(called, params))
    with SmsClient(TWILIO, settings=Settings(public_url="https://app.example")) as sms:
        assert sms.receive(request).events[0].id == SID
    with SmsClient(TWILIO, settings=Settings()) as sms:
        if "8443" in seen:  # only the port is ignored, as in the SDK
            assert sms.receive(request).events
        else:
            with pytest.raises(SignatureError):
                sms.receive(request)


JSON_URL = "https://app.example/sms?bodySHA256={}"


@given(body=st.text(min_size=1), other=st.text(min_size=1))
@example(body='{"a":1,"b":2}', other='{"b":2,"a":1}')
def test_a_json_body_is_covered_by_the_hash_in_the_signed_url(validator, body, other):
    url = JSON_URL.format(validator.compute_hash(body))
    signature = validator.compute_signature(url, {})
    for sent in (body, other):
        request = HttpRequest(
            method="POST",
            url=url,
            headers={"content-type": "application/json", "x-twilio-signature": signature},
            body=sent.encode(),
        )
        assert believed(request) == validator.validate(url, sent, signature) == (sent == body)


@pytest.mark.parametrize("content_type", ["application/json", "text/plain", "multipart/form-data; boundary=x", ""])
def test_a_body_that_nothing_covers_is_refused(validator, content_type):
    """Meant to differ: the SDK gets only the parameters, and does not see the rest of the body."""
    url = "https://app.example/sms"
    proof = {"content-type": content_type, "x-twilio-signature": validator.compute_signature(url, {})}
    assert believed(HttpRequest(method="GET", url=url, headers=proof))
    assert not believed(HttpRequest(method="POST", url=url, headers=proof, body=b'{"MessageSid":"SM1"}'))


@pytest.mark.parametrize("query", ["?bodySHA256=%ff", "?%ff=1", "?bodySHA256=", "?x=1&bodySHA256=abc"])
def test_a_hash_that_is_none_is_a_wrong_signature_and_nothing_else(validator, query):
    url = f"https://app.example/sms{query}"
    proof = {"content-type": "application/json", "x-twilio-signature": validator.compute_signature(url, {})}
    with pytest.raises(SignatureError):
        TWILIO.verify(HttpRequest(method="POST", url=url, headers=proof, body=b"{}"))


def test_fields_in_another_order_are_the_same_form(validator):
    """The signature covers sorted fields, so a proxy may change their order."""
    params = [("MessageSid", SID), ("Body", "hello"), ("From", NUMBER)]
    signature = validator.compute_signature("https://app.example/sms", dict(params))
    assert believed(webhook("https://app.example/sms", params[::-1], signature))


@pytest.mark.parametrize("algorithm", ["HMAC_SHA256", "HMAC_SHA1", "hmac_sha256", "HMAC_MD5"])
def test_a_shared_key_is_believed_with_the_algorithms_of_the_sdk(algorithm):
    from twilio.request_validator import RequestValidator, get_signature_algorithm

    said = f"key=webhooks_sharedkey_01,algorithm={algorithm}"
    named = get_signature_algorithm(said)
    validator, url, params = RequestValidator(SHARED_KEY), "https://app.example/sms", {"MessageSid": SID}
    known = algorithm != "HMAC_MD5"
    signature = validator.compute_signature(url, params, named) if known else "AAAA"
    request = webhook(url, params, signature, **{"x-twilio-webhooks-signature-settings": said})
    assert believed(request) == validator.validate(url, params, signature, named) == known


def test_the_auth_token_is_no_shared_key_and_the_other_way_round(validator):
    url, params, said = "https://app.example/sms", {"MessageSid": SID}, "key=webhooks_sharedkey_01,algorithm=HMAC_SHA1"
    by_token = validator.compute_signature(url, params)
    assert not believed(webhook(url, params, by_token, **{"x-twilio-webhooks-signature-settings": said}))
    unset = TwilioProvider(account_sid=ACCOUNT, auth_token=TOKEN)
    assert not believed(webhook(url, params, by_token, **{"x-twilio-webhooks-signature-settings": said}), unset)
    assert believed(webhook(url, params, by_token), unset)


@pytest.mark.parametrize(
    ("signed", "called"),
    [
        ("https://app.example/sms?", "https://app.example/sms?"),
        ("https://[2001:db8::1]/sms", "https://[2001:db8::1]:8443/sms"),
    ],
)
def test_a_url_is_taken_as_it_is_where_the_sdk_takes_it_apart(validator, signed, called):
    """Meant to differ: the SDK loses an empty query, and cuts an IPv6 address at its first colon."""
    signature = validator.compute_signature(signed, {"a": "b"})
    assert believed(webhook(called, {"a": "b"}, signature))
    assert not validator.validate(called, {"a": "b"}, signature)
