"""Plivo's own SDK as the oracle: the same requests, the same reading of answers, the same signatures."""

import base64
import sys
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, urlencode

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recorder import Recorder
from smsbridge import (
    AuthenticationError,
    Dlt,
    Message,
    QueryError,
    RateLimitedError,
    RefusedError,
    Settings,
    SignatureError,
    SmsClient,
    UncertainError,
)
from smsbridge.http import HttpRequest
from smsbridge_plivo import PlivoProvider

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::SyntaxWarning")

AUTH_ID, TOKEN = "MA2025RK4E639VJFZAGV", "dummy-token-not-a-secret"
ID = "db3ce55a-7f1d-11e1-8ea7-1231380bc196"
TO = "+919876543210"
NOW = datetime(2026, 7, 13, 13, 4, 6, tzinfo=UTC)
QUEUED = {"message": "message(s) queued", "message_uuid": [ID], "api_id": "db342550-7f1d-11e1-8ea7-1231380bc196"}


@pytest.fixture(scope="module")
def recorder():
    with Recorder.running() as recorder:
        yield recorder


def seen(recorder):
    """The parts of each request that are compared, and the results."""
    return [
        {
            "method": request.method,
            "path": request.url,
            "authorization": request.headers.get("authorization"),
            "accept": request.headers.get("accept"),
            "json": request.json() if request.body else None,
        }
        for request in recorder.taken()
    ]


@pytest.fixture(scope="module")
def sdk(recorder):
    import plivo
    import plivo.rest.client

    with pytest.MonkeyPatch.context() as patch, plivo.RestClient(AUTH_ID, TOKEN) as client:
        patch.setattr(plivo.rest.client, "PLIVO_API_BASE_URI", f"{recorder.url}/v1/Account")
        client.session.trust_env = False
        yield client


@pytest.fixture(autouse=True)
def clean(recorder, monkeypatch):
    recorder.answers(QUEUED, 202)
    monkeypatch.setattr("smsbridge.reading.now", lambda: NOW)


@contextmanager
def ours(recorder, **given):
    provider = PlivoProvider(auth_id=AUTH_ID, auth_token=TOKEN, base_url=f"{recorder.url}/v1/", **given)
    with SmsClient(provider, settings=Settings()) as client:
        yield client


# --- requests -------------------------------------------------------------------------------------------------------------

SDK_ALONE = {
    "log": "true",  # the API's default, which the SDK repeats
    "trackable": False,  # the same
    "method": "POST",  # of a callback URL; the SDK sends it without a URL too
}

TEXTS = {
    "a text": ({}, {}, {}),
    "an unusual text": (
        {},
        {"text": 'Grüße, ₹ 100 <b>&</b> 📦\n\\ "quoted"'},
        {"text": 'Grüße, ₹ 100 <b>&</b> 📦\n\\ "quoted"'},
    ),
    "another sender": ({}, {"sender": "14157654321"}, {"src": "14157654321"}),
    "a powerpack": (
        {"sender": None, "powerpack_uuid": "f5a1c7d2-0000-4000-8000-000000000000"},
        {},
        {"src": None, "powerpack_uuid": "f5a1c7d2-0000-4000-8000-000000000000"},
    ),
    "dlt ids": (
        {},
        {"dlt": Dlt(entity_id="1101000000000000001", template_id="1107000000000000001")},
        {
            "dlt_entity_id": "1101000000000000001",
            "dlt_template_id": "1107000000000000001",
            "dlt_template_category": "transactional",
        },
    ),
    "a callback": (
        {"callback_url": "https://app.example/plivo?account=1"},
        {"reference": "order 7/"},
        {"url": "https://app.example/plivo?account=1&reference=order+7%2F"},
    ),
    "a callback by GET": (
        {"callback_url": "https://app.example/plivo", "callback_method": "GET"},
        {},
        {"url": "https://app.example/plivo?reference=ref-1", "method": "GET"},
    ),
    "an end": ({}, {"valid_until": NOW + timedelta(seconds=90)}, {"message_expiry": 90}),
    "nothing kept": (
        {},
        {"options": {"plivo": {"log": "false", "trackable": True}}},
        {"log": "false", "trackable": True},
    ),
}


@pytest.mark.parametrize(("account", "fields", "arguments"), TEXTS.values(), ids=TEXTS)
def test_a_text_makes_the_request_that_the_sdk_makes(recorder, sdk, account, fields, arguments):
    message = Message(**{"to": TO, "text": "Hello", "reference": "ref-1", **fields})
    with ours(recorder, **{"sender": "ACMEIN", **account}) as sms:
        sms.send(message)
    sdk.messages.create(**{"src": "ACMEIN", "dst": TO[1:], "text": "Hello", **arguments})
    mine, theirs = seen(recorder)
    for name, value in SDK_ALONE.items():
        if name not in arguments and not (name == "method" and "url" in arguments) and theirs["json"][name] == value:
            del theirs["json"][name]
    assert mine == theirs


def test_questions_and_codes_make_the_requests_that_the_sdk_makes(recorder, sdk):
    options = {"plivo": {"locale": "fr_FR", "brand_name": "Acme", "app_hash": "FA+9qCX9VSu", "code_length": 6}}
    with ours(recorder, sender="ACMEIN", verify_app_uuid="app-1") as sms:
        sent = sms.send(TO, "Hello")
        recorder.answers({"message_uuid": ID, "message_state": "sent", "cash_credits": "1"})
        sms.status(sent)
        sms.balance()
        mine = seen(recorder)
        recorder.answers({"session_uuid": "session-1", "message": "Session initiated"}, 202)
        verification = sms.start_verification(TO, options=options)
        sms.check_verification(verification, "123456")
    mine += seen(recorder)
    sdk.messages.get(ID)
    sdk.account.get()
    sdk.verify_session.create(app_uuid="app-1", recipient=TO[1:], channel="sms", **options["plivo"])
    sdk.verify_session.validate("session-1", otp="123456")
    theirs = seen(recorder)
    assert theirs[2]["json"].pop("method") == "POST"  # of a callback URL; the SDK sends it without a URL too
    assert theirs[3]["json"].pop("session_uuid") == "session-1"  # it is in the path, and not documented here
    assert mine == theirs


def test_the_credentials_are_basic(recorder, sdk):
    sdk.account.get()
    expected = base64.b64encode(f"{AUTH_ID}:{TOKEN}".encode()).decode()
    assert seen(recorder)[0]["authorization"] == f"Basic {expected}"


# --- answers --------------------------------------------------------------------------------------------------------------


def test_the_same_answers_give_the_same_ids_and_words(recorder, sdk):
    with ours(recorder, sender="ACMEIN") as sms:
        sent = sms.send(TO, "Hello")
        assert [sent.id] == sdk.messages.create(src="ACMEIN", dst=TO[1:], text="Hello").message_uuid
        for word in ("queued", "sent", "delivered", "undelivered", "failed", "rejected"):
            recorder.answers({"message_uuid": ID, "message_state": word, "total_amount": "0.00350", "units": 2})
            theirs, report = sdk.messages.get(ID), sms.status(sent)
            assert (report.id, report.status.value) == (theirs.message_uuid, theirs.message_state)
            assert (str(report.price.amount), report.segments) == (theirs.total_amount, theirs.units)
        recorder.answers({"cash_credits": "1.80900"})
        assert str(sms.balance()[0].amount) == sdk.account.get().cash_credits


REFUSALS = {
    400: ("ValidationError", RefusedError),
    401: ("AuthenticationError", AuthenticationError),
    403: ("GeoPermissionError", RefusedError),
    404: ("ResourceNotFoundError", RefusedError),
    405: ("InvalidRequestError", RefusedError),
    409: ("InvalidRequestError", RefusedError),
    422: ("InvalidRequestError", RefusedError),
    429: ("PlivoRestError", RateLimitedError),
    500: ("PlivoServerError", UncertainError),
    503: ("PlivoRestError", UncertainError),
}


@pytest.mark.parametrize(("status", "names"), REFUSALS.items())
def test_what_the_sdk_raises_is_an_error_of_ours(recorder, sdk, status, names):
    from plivo.exceptions import PlivoRestError

    recorder.answers({"api_id": "1", "error": "no"}, status)
    with pytest.raises(PlivoRestError) as theirs:
        sdk.messages.create(src="ACMEIN", dst=TO[1:], text="Hello")
    with ours(recorder, sender="ACMEIN") as sms, pytest.raises(names[1]) as mine:
        sms.send(TO, "Hello")
    assert (type(theirs.value).__name__, type(mine.value)) == names
    assert (mine.value.reason == "country-blocked") == (names[0] == "GeoPermissionError")


def test_a_403_to_a_question_is_about_permissions_as_it_is_to_the_sdk(recorder, sdk):
    from plivo.exceptions import ForbiddenError

    recorder.answers({"api_id": "1", "error": "no"}, 403)
    with pytest.raises(ForbiddenError):
        sdk.account.get()
    with ours(recorder, sender="ACMEIN") as sms, pytest.raises(QueryError) as mine:
        sms.balance()
    assert mine.value.authentication


# --- signatures -----------------------------------------------------------------------------------------------------------

PROVIDER = PlivoProvider(auth_id=AUTH_ID, auth_token=TOKEN, accept_v2_signature=True)
ASCII = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=6)
NAMES = st.sampled_from(["From", "To", "Text", "Status", "status", "Units", "", "a&b", "x"])
PAIRS = st.lists(st.tuples(NAMES, st.text(max_size=6)), max_size=6)
URLS = st.builds(
    lambda scheme, host, path, query: f"{scheme}://{host}{path}{'?' if query else ''}{urlencode(query)}",
    st.sampled_from(["http", "https"]),
    st.sampled_from(["app.example", "app.example:443", "App.Example:8080", "127.0.0.1"]),
    st.sampled_from(["", "/", "/plivo", "/sms%20in/%C3%A4", "/a//b/"]),
    st.lists(st.tuples(NAMES, ASCII), max_size=4),
)
CALLS = st.one_of(st.tuples(st.just("GET"), URLS, st.just([])), st.tuples(st.just("POST"), URLS, PAIRS))
NONCES = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1, max_size=20)
many = settings(deadline=None, max_examples=60)


@pytest.fixture(scope="module")
def v3():
    import plivo.utils.signature_v3

    return plivo.utils.signature_v3


def signed_by_the_sdk(v3, method, url, form, nonce):
    make = v3.construct_get_url if method == "GET" else v3.construct_post_url
    return v3.get_signature_v3(TOKEN, make(url, _params(form)).decode(), nonce).decode()


def _params(form):
    return parse_qs(urlencode(form), keep_blank_values=True)


def webhook(method, url, form, **headers):
    body = b"" if method == "GET" else urlencode(form).encode()
    headers = {f"x-plivo-signature-{name.replace('_', '-')}": value for name, value in headers.items()}
    kind = {"content-type": "application/x-www-form-urlencoded"}
    return HttpRequest(method=method, url=url, headers=kind | headers, body=body)


def believed(request):
    try:
        PROVIDER.verify(request)
    except SignatureError:
        return False
    return True


@many
@given(call=CALLS, nonce=NONCES, header=st.sampled_from(["v3", "ma_v3"]))
def test_what_the_sdk_signs_is_believed(v3, call, nonce, header):
    """Unicode, repeated names, empty values, ports and queries included."""
    proof = signed_by_the_sdk(v3, *call, nonce)
    assert believed(webhook(*call, v3_nonce=nonce, **{header: proof}))
    assert believed(webhook(*call, v3_nonce=nonce, **{header: f"other, {proof},more"}))


@many
@given(data=st.data(), call=CALLS, nonce=NONCES)
def test_what_the_sdk_does_not_validate_is_not_believed(v3, data, call, nonce):
    """Random changes of a webhook; both must agree on whether the signature still fits."""
    method, url, form = call
    proof = signed_by_the_sdk(v3, method, url, form, nonce)
    seen = {
        "url": data.draw(st.sampled_from([url, f"{url}x", url.replace("http:", "https:"), url.replace("a", "b", 1)])),
        "form": data.draw(st.sampled_from([form, [*form, ("x", "1")], form[1:], form[::-1], [*form, ("", "")]])),
        "nonce": data.draw(st.sampled_from([nonce, f"{nonce}0"])),
    }
    given_form = [] if method == "GET" else seen["form"]
    valid = v3.validate_v3_signature(method, seen["url"], seen["nonce"], TOKEN, proof, _params(given_form))
    assert believed(webhook(method, seen["url"], given_form, v3=proof, v3_nonce=seen["nonce"])) == valid


@many
@given(url=URLS, nonce=NONCES, other=st.sampled_from(["", "x"]))
def test_v2_is_what_the_sdk_says_it_is_and_covers_no_query(url, nonce, other):
    import hashlib
    import hmac

    from plivo.utils import validate_signature

    address = url.partition("?")[0]
    digest = hmac.digest(TOKEN.encode(), f"{address}{nonce}{other}".encode(), hashlib.sha256)
    proof = base64.b64encode(digest).decode()
    assert validate_signature(url, nonce, proof, TOKEN) == (other == "")
    assert believed(webhook("POST", url, [("Status", "sent")], v2=proof, v2_nonce=nonce)) == (other == "")


def test_a_query_beyond_ascii_is_what_the_python_sdk_cannot_read(v3):
    """So our references, which are in the query, are ASCII only. plivo-node reads such a query as UTF-8, as we do."""
    if sys.version_info >= (3, 13):  # the SDK reads such bytes as Latin-1, and signs another text
        url = "https://app.example/?reference=%C3%A4"
        assert not believed(webhook("POST", url, [], ma_v3=signed_by_the_sdk(v3, "POST", url, [], "1"), v3_nonce="1"))
        return
    with pytest.raises(UnicodeEncodeError):
        signed_by_the_sdk(v3, "POST", "https://app.example/?reference=%C3%A4", [], "1")


def test_a_proxy_that_changes_the_url_does_not_change_what_was_signed(v3):
    form = [("MessageUUID", ID), ("Status", "delivered"), ("To", TO[1:])]
    signed = "https://app.example/hooks/plivo?reference=a%20b"
    proof = signed_by_the_sdk(v3, "POST", signed, form, "1")
    behind = webhook("POST", "http://10.0.0.7:8080/plivo?reference=a%20b", form, ma_v3=proof, v3_nonce="1")
    with SmsClient(PROVIDER, settings=Settings()) as sms, pytest.raises(SignatureError):
        sms.receive(behind)
    with SmsClient(PROVIDER, settings=Settings(public_url="https://app.example/hooks")) as sms:
        (report,) = sms.receive(behind).events
    assert (report.id, report.reference) == (ID, "a b")
