"""Vonage's own SDK and our provider, side by side: equal requests, equal answers, equal signatures.

If a difference is intended, the test says why.
"""

import json
import time
from base64 import urlsafe_b64encode
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from hashlib import sha256
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recorder import Recorder
from smsbridge import Dlt, HttpRequest, HttpResponse, Message, SendError, SmsClient, Verification
from smsbridge.errors import PayloadError, SignatureError
from smsbridge_vonage import VonageProvider

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:vonage.*", "ignore:.*key is .* bytes long.*")

KEY, SECRET = "abcd1234", "dummy-api-secret"
SIGNATURE_SECRET = "dummy-signature-secret-of-more-than-32-bytes"
NUMBER = "919876543210"
UUID = "aaaaaaaa-bbbb-4ccc-8ddd-0123456789ab"
NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)


# --- the recorder ---------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def server():
    with Recorder.running() as recorder:
        yield recorder


@pytest.fixture
def recorder(server):
    server.requests.clear()
    return server


@pytest.fixture(scope="module")
def sdk(server):
    """Vonage's SDK, with the recorder's http in place of its https."""
    import vonage
    from requests.adapters import HTTPAdapter

    class Plain(HTTPAdapter):
        def send(self, request, **options):
            request.url = request.url.replace("https://", "http://", 1)
            return super().send(request, **{**options, "verify": False})

    host = urlsplit(server.url).netloc
    options = vonage.HttpClientOptions(api_host=host, rest_host=host, max_retries=0)
    client = vonage.Vonage(vonage.Auth(api_key=KEY, api_secret=SECRET), options)
    client.http_client._session.mount("https://", Plain())
    yield client
    client.http_client._session.close()


@pytest.fixture
def ours(recorder, monkeypatch):
    monkeypatch.setattr("smsbridge.reading.now", lambda: NOW)
    clients = []

    def make(**changes):
        url = recorder.url
        provider = VonageProvider(
            api_key=KEY,
            api_secret=SECRET,
            sender="AcmeInc",
            verify_brand="ACME",
            base_url=url,
            messages_base_url=url,
            **changes,
        )
        clients.append(SmsClient(provider))
        return clients[-1]

    yield make
    for client in clients:
        client.close()


def last(recorder):
    (request,) = recorder.taken()
    return request


def comparable(request):
    """Method, path, authentication, and the decoded body.

    Not its type: the SDK calls a form JSON after it has sent JSON once, because it keeps its headers.
    """
    parts = urlsplit(request.url)
    if request.body[:1] == b"{":
        body = json.loads(request.body)
    else:
        body = sorted(parse_qsl(request.body.decode(), keep_blank_values=True))
    return request.method, parts.path, parts.query, request.headers.get("authorization"), body


def same(recorder, theirs, our):
    """Call both, compare the requests, and return both results."""
    results = []
    for ask in (theirs, our):
        results.append(ask())
        results.append(last(recorder))
    assert comparable(results[3]) == comparable(results[1])
    return results[0], results[2]


# --- texts ----------------------------------------------------------------------------------------------------------------


def row(id="0A0000000123ABCD1", **fields):
    documented = {"to": NUMBER, "message-id": id, "status": "0", "message-price": "0.03330000", "client-ref": "ref-1"}
    return {**documented, **fields}


def rows(*found):
    return HttpResponse.of_json({"message-count": str(len(found)), "messages": list(found)})


FIELDS = {
    "plain": ({}, {}, {}),
    "markup": (
        {"text": "50% off & more = fun + #1 / \"q\" 'x'\n?"},
        {"text": "50% off & more = fun + #1 / \"q\" 'x'\n?"},
        {},
    ),
    "a number as sender": ({"sender": "+447700900000"}, {"from_": "447700900000"}, {"from_": "447700900000"}),
    "validity": ({"valid_until": NOW + timedelta(seconds=90)}, {"ttl": 90_000}, {"ttl": 90}),
    "dlt": (
        {"dlt": Dlt(entity_id="1101", template_id="1107")},
        {"entity_id": "1101", "content_id": "1107"},
        {"sms": {"entity_id": "1101", "content_id": "1107"}},
    ),
    "callback": (
        {"options": {"vonage": {"callback_url": "https://a.test/?a=1&b=2"}}},
        {"callback": "https://a.test/?a=1&b=2"},
        {"webhook_url": "https://a.test/?a=1&b=2"},
    ),
}


def message(**fields):
    return Message(**{"to": f"+{NUMBER}", "text": "Hello World!", "reference": "ref-1", **fields})


@pytest.mark.parametrize(("fields", "theirs", "_"), FIELDS.values(), ids=FIELDS)
def test_the_sms_api_is_asked_alike(sdk, ours, recorder, fields, theirs, _):
    from vonage_sms import SmsMessage

    recorder.answer = rows(row("A"), row("B"))
    given = {"to": NUMBER, "from_": "AcmeInc", "text": "Hello World!", "client_ref": "ref-1", **theirs}
    their, our = same(recorder, lambda: sdk.sms.send(SmsMessage(**given)), lambda: ours().send(message(**fields)))
    assert our.raw["ids"] == [message.message_id for message in their.messages]
    assert our.segments == int(their.message_count)
    assert our.price.amount == sum(Decimal(message.message_price) for message in their.messages)


def test_we_find_out_the_type_that_the_sdk_must_be_told(sdk, ours, recorder):
    from vonage_sms import SmsMessage

    recorder.answer = rows(row())
    given = {"to": NUMBER, "from_": "AcmeInc", "text": "नमस्ते ✓", "client_ref": "ref-1", "type": "unicode"}
    same(recorder, lambda: sdk.sms.send(SmsMessage(**given)), lambda: ours().send(message(text="नमस्ते ✓")))


def test_a_switch_is_lower_case_with_us(sdk, ours, recorder):
    """The SDK sends Python's ``True``; the vendor's document has a boolean, which is written ``true``."""
    from vonage_sms import SmsMessage

    recorder.answer = rows(row())
    given = {"to": NUMBER, "from_": "AcmeInc", "text": "Hello World!", "client_ref": "ref-1", "trusted_number": True}
    sdk.sms.send(SmsMessage(**given))
    theirs = last(recorder)
    ours().send(message(options={"vonage": {"trusted": True}}))
    our = replace(last(recorder))
    changed = replace(theirs, body=theirs.body.replace(b"trusted-number=True", b"trusted-number=true"))
    assert changed.body != theirs.body
    assert comparable(our) == comparable(changed)


@pytest.mark.parametrize(("fields", "_", "theirs"), FIELDS.values(), ids=FIELDS)
def test_messages_is_asked_alike(sdk, ours, recorder, fields, _, theirs):
    from vonage_messages.models import Sms

    recorder.answer = replace(HttpResponse.of_json({"message_uuid": UUID}), status=202)
    text = fields.get("text", "Hello World!")
    given = {"to": NUMBER, "from_": "AcmeInc", "text": text, "client_ref": "ref-1", **theirs}
    their, our = same(
        recorder, lambda: sdk.messages.send(Sms(**given)), lambda: ours(api="messages").send(message(**fields))
    )
    assert our.id == their.message_uuid == UUID


@given(st.text(st.characters(blacklist_categories=("Cs",)), min_size=1, max_size=40))
@settings(max_examples=25)
def test_any_text_goes_out_alike(server, sdk, words):
    from vonage_messages.models import Sms
    from vonage_sms import SmsMessage

    url = server.url
    for api, answer in (("sms", rows(row())), ("messages", HttpResponse.of_json({"message_uuid": UUID}))):
        server.requests.clear()
        server.answer = answer
        if api == "sms":
            sdk.sms.send(SmsMessage(to=NUMBER, from_="AcmeInc", text=words, client_ref="ref-1"))
        else:
            sdk.messages.send(Sms(to=NUMBER, from_="AcmeInc", text=words, client_ref="ref-1"))
        theirs = comparable(last(server))
        provider = VonageProvider(
            api=api, api_key=KEY, api_secret=SECRET, sender="AcmeInc", base_url=url, messages_base_url=url
        )
        request = next(provider.send(message(text=words)))
        our = comparable(replace(request, url=request.url.removeprefix(url)))
        if api == "sms":  # our client finds out the type
            our = (*our[:-1], [pair for pair in our[-1] if pair != ("type", "unicode")])
        assert our == theirs


@pytest.mark.parametrize(
    "answer",
    [
        rows({"status": "2", "error-text": "Missing to param"}),
        rows({"status": "9", "error-text": "Partner quota violation"}),
        rows(row(), {"status": "1", "error-text": "Throttled"}),
        HttpResponse(status=401),
        HttpResponse(status=429),
        HttpResponse(status=500),
    ],
)
def test_what_the_sdk_takes_for_an_error_is_one_for_us(sdk, ours, recorder, answer):
    from vonage_sms import SmsMessage
    from vonage_utils.errors import VonageError

    recorder.answer = answer
    with pytest.raises(VonageError):
        sdk.sms.send(SmsMessage(to=NUMBER, from_="AcmeInc", text="Hello World!"))
    with pytest.raises(SendError):
        ours().send(message())


# --- balance and one-time codes -------------------------------------------------------------------------------------------


def test_the_balance_is_asked_alike(sdk, ours, recorder):
    recorder.answer = HttpResponse.of_json({"value": 10.28, "autoReload": False})
    their, (our,) = same(recorder, sdk.account.get_balance, lambda: ours().balance())
    assert float(our.amount) == their.value


def test_a_code_is_started_checked_and_cancelled_alike(sdk, ours, recorder):
    from vonage_verify import SmsChannel, VerifyRequest

    recorder.answer = replace(HttpResponse.of_json({"request_id": UUID}), status=202)
    channel = SmsChannel(to=NUMBER, from_="AcmeInc", entity_id="1101", content_id="1107")
    start = VerifyRequest(brand="ACME", workflow=[channel], locale="hi-in", channel_timeout=120, code_length=6)
    options = {"vonage": {"locale": "hi-in", "channel_timeout": 120, "length": 6}}
    dlt = Dlt(entity_id="1101", template_id="1107")
    their, our = same(
        recorder,
        lambda: sdk.verify.start_verification(start),
        lambda: ours().start_verification(f"+{NUMBER}", dlt=dlt, options=options),
    )
    assert our.id == their.request_id == UUID
    recorder.answer = HttpResponse.of_json({"request_id": UUID, "status": "completed"})
    known = Verification(account="vonage", provider="vonage", id=UUID)
    their, our = same(
        recorder,
        lambda: sdk.verify.check_code(UUID, "123456"),
        lambda: ours().check_verification(known, "123456"),
    )
    assert our.approved
    assert their.status == "completed"
    recorder.answer = HttpResponse(status=204)
    same(recorder, lambda: sdk.verify.cancel_verification(UUID), lambda: ours().cancel_verification(known))


# --- signatures: the SMS API ----------------------------------------------------------------------------------------------

NAMES = st.text(st.characters(blacklist_categories=("Cs",)), min_size=1, max_size=8).filter(lambda name: name != "sig")
VALUES = st.one_of(
    st.text(st.characters(blacklist_categories=("Cs",)), max_size=12),
    st.sampled_from(["", " ", "a&b=c", "100% + ünï ✓ 😀", "https://proxy.test:8443/hook?a=1&b=2", "+447700900000"]),
)
# Meant to differ: this SDK does not clean names, so two parameters can look like one; the Java SDK cleans them like values.
PARAMETERS = st.dictionaries(NAMES.filter(lambda name: not {"&", "="} & {*name}), VALUES, max_size=6)
METHODS = st.sampled_from(["md5", "sha1", "sha256", "sha512"])  # the SDK cannot do md5hash any more
# ``sig`` covers parameters only, so a proxy may change the URL before them.
URLS = st.sampled_from(["https://us.test/hook", "http://10.0.0.7:8443/hook", "https://us.test:443/a%20b"])


def auth(method="sha256"):
    from vonage_http_client.auth import Auth

    return Auth(api_key=KEY, signature_secret=SIGNATURE_SECRET, signature_method=method)


def by(method="sha256"):
    return VonageProvider(api_key=KEY, api_secret=SECRET, signature_secret=SIGNATURE_SECRET, signature_method=method)


def webhook(url, parameters, form):
    if form == "get":
        return HttpRequest(method="GET", url=f"{url}?{urlencode(parameters)}")
    body = json.dumps(parameters) if form == "json" else urlencode(parameters)
    kind = "application/json" if form == "json" else "application/x-www-form-urlencoded"
    return HttpRequest(method="POST", url=url, headers={"content-type": kind}, body=body.encode())


def believed(provider, request):
    try:
        provider.verify(request)
    except (SignatureError, PayloadError):
        return False
    return True


FORMS = st.sampled_from(["form", "json", "get"])


@given(PARAMETERS, METHODS, URLS, FORMS)
@settings(max_examples=100)
def test_what_the_sdk_signs_we_believe(data, method, url, form):
    parameters = {**data, "timestamp": str(int(time.time()))}
    signed = {**parameters, "sig": auth(method).sign_params(dict(parameters))}
    assert believed(by(method), webhook(url, signed, form))


@given(PARAMETERS, METHODS, FORMS, st.data())
@settings(max_examples=100)
def test_of_changed_parameters_we_believe_what_the_sdk_believes(data, method, form, draw):
    """Blank fields signed or not: the vendor's Java SDK leaves them out, this SDK signs them. We accept both, and read none of them."""

    def sdk_believes(given):
        return given.get("sig", "").isascii() and auth(method).check_signature(dict(given))

    parameters = {**data, "timestamp": str(int(time.time()))}
    signed = {**parameters, "sig": auth(method).sign_params(dict(parameters))}
    name = draw.draw(st.sampled_from(sorted(signed)))
    changed = {**signed, name: draw.draw(VALUES)}
    if draw.draw(st.booleans()):
        del changed[name]
    filled = {name: value for name, value in changed.items() if value.strip()}
    recent = changed.get("timestamp") == parameters["timestamp"]  # the SDK does not read it
    theirs = recent and (sdk_believes(changed) or sdk_believes(filled))
    assert believed(by(method), webhook("https://us.test/hook", changed, form)) == theirs


def test_the_sdk_believes_a_signature_without_a_time_and_we_do_not():
    """Meant to differ: without a timestamp, the SDK uses the present time, so a signature of this second passes."""
    parameters = {"messageId": "1"}
    signed = {**parameters, "sig": auth().sign_params({**parameters, "timestamp": ""})}
    assert auth().check_signature(dict(signed))
    assert not believed(by(), webhook("https://us.test/hook", signed, "form"))


# --- signatures: Messages v1 ----------------------------------------------------------------------------------------------


def encoded(data):
    return urlsafe_b64encode(json.dumps(data).encode()).rstrip(b"=").decode()


def pyjwt(claims, secret=SIGNATURE_SECRET, algorithm="HS256"):
    import jwt

    return jwt.encode(claims, secret, algorithm=algorithm)


def bearing(token, body=b"{}"):
    headers = {"content-type": "application/json", "authorization": f"Bearer {token}"}
    return HttpRequest(method="POST", url="https://us.test/hook", headers=headers, body=body)


def sdk_believes(token):
    from vonage_jwt import VonageVerifyJwtError, verify_signature

    try:
        return verify_signature(token, SIGNATURE_SECRET)
    except VonageVerifyJwtError:
        return False


def claims(body=b"{}", **changes):
    return {"iat": int(time.time()), "iss": "Vonage", "payload_hash": sha256(body).hexdigest(), **changes}


@given(
    st.dictionaries(NAMES.filter(lambda name: name not in ("exp", "nbf", "aud", "crit")), VALUES, max_size=4),
    st.binary(min_size=1),
)
@settings(max_examples=40)
def test_a_token_that_the_sdk_believes_we_believe_if_it_covers_the_body(extra, body):
    token = pyjwt({**extra, **claims(body)})
    assert sdk_believes(token)
    assert believed(by(), bearing(token, body))
    assert not believed(by(), bearing(token, body + b" "))  # the SDK does not see the body


@given(st.data())
@settings(max_examples=60)
def test_a_token_with_anything_changed_is_believed_by_neither(draw):
    token = pyjwt(claims())
    place = draw.draw(st.integers(0, len(token) - 1))
    character = draw.draw(
        st.characters(min_codepoint=33, max_codepoint=126).filter(lambda drawn: drawn != token[place])
    )
    changed = f"{token[:place]}{character}{token[place + 1 :]}"
    assert not believed(by(), bearing(changed))
    if place < len(token) - 1:  # the last character has two unused bits, which PyJWT ignores
        assert not sdk_believes(changed)


@pytest.mark.parametrize("algorithm", ["HS384", "HS512"])
def test_a_token_of_another_algorithm_is_believed_by_neither(algorithm):
    token = pyjwt(claims(), algorithm=algorithm)
    assert (sdk_believes(token), believed(by(), bearing(token))) == (False, False)


def test_a_token_of_no_algorithm_is_believed_by_neither():
    for token in (pyjwt(claims(), secret=None, algorithm="none"), f"{encoded({'alg': 'none'})}.{encoded(claims())}."):
        assert (sdk_believes(token), believed(by(), bearing(token))) == (False, False)


def test_a_token_of_another_account_is_accepted_by_neither():
    token = pyjwt(claims(), secret="another-dummy-secret-of-more-than-32-bytes")
    assert (sdk_believes(token), believed(by(), bearing(token))) == (False, False)


@pytest.mark.parametrize(
    ("changes", "theirs", "ours"),
    [
        ({}, True, True),
        ({"exp": 900}, True, True),
        ({"exp": -3600}, False, False),
        # A clock that is five minutes wrong: the SDK allows no difference.
        ({"exp": -200}, False, True),
        ({"iat": 200}, False, True),
        ({"nbf": 200}, False, True),
        ({"nbf": 3600}, False, False),
        # A token from yesterday, without a time of expiry: the SDK accepts it for ever.
        ({"iat": -86400}, True, False),
    ],
)
def test_times_are_read_alike_but_for_clocks_that_are_off(changes, theirs, ours):
    token = pyjwt(claims(**{name: int(time.time()) + offset for name, offset in changes.items()}))
    assert (sdk_believes(token), believed(by(), bearing(token))) == (theirs, ours)
