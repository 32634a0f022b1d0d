"""Twilio may call another spelling of the URL that it signed: every equivalent spelling is accepted, no other URL is."""

from __future__ import annotations

import base64
import hashlib
import hmac
from urllib.parse import parse_qsl, quote, quote_plus

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from smsbridge.errors import PayloadError, SignatureError
from smsbridge.http import HttpRequest, HttpResponse
from smsbridge.messages import Message
from smsbridge.testing.wire import FakeWire, drive
from smsbridge_twilio import TwilioProvider
from smsbridge_twilio.addresses import callback, spellings

TOKEN, SID = "0123456789abcdef0123456789abcdef", "SM" + "1" * 32
FIELDS = {"MessageSid": SID, "MessageStatus": "delivered", "To": "+919876543210"}
HOME = "https://app.example/sms"


def provider(callback_url=None):
    return TwilioProvider(
        account_sid="AC" + "0" * 32, auth_token=TOKEN, sender="+15557122661", callback_url=callback_url
    )


def call(url, signed, configured=None, fields=FIELDS):
    """The reference of a report for which Twilio called ``url`` and signed ``signed``; None if it is refused."""
    words = signed + "".join(name + fields[name] for name in sorted(fields))
    signature = base64.b64encode(hmac.digest(TOKEN.encode(), words.encode(), hashlib.sha1)).decode()
    webhook = HttpRequest.post_form(url, fields, headers={"x-twilio-signature": signature})
    try:
        provider(configured).verify(webhook)
    except SignatureError:
        return None
    return provider(configured).parse(webhook)[0].reference


def in_order(url):
    base, sign, query = url.partition("?")
    return f"{base}{sign}{'&'.join(sorted(query.split('&')))}"


CALLBACKS = ["", "?a=1", "?tenant=7", "?v=2&env=prod", "?site=in", "?z=1&a-b=1&a=2", "?b&a=", "?%C3%A9=1", "?x=1&"]
REFERENCES = [
    "order-1",
    "order:17",
    "a@b",
    "a b",
    "a+b",
    "50%",
    "a/b?c",
    "a&b=c",
    "#1",
    "₹ é",
    "(x),y;z!'*",
    "~.-_",
    "%3A",
    "",
]


@pytest.mark.parametrize("reference", REFERENCES)
@pytest.mark.parametrize("query", CALLBACKS)
def test_a_report_is_believed_in_whatever_order_and_escapes_its_url_was_signed_and_called(query, reference):
    configured = f"{HOME}{query}"
    given_url = callback(configured, reference)
    behind = f"{configured}{'&' if '?' in configured else '?'}reference={quote_plus(reference)}"  # the spelling of older versions
    for url in (given_url, behind, in_order(behind)):
        assert call(url, url, configured) == reference
        assert call(in_order(url), url, configured) == reference
        for legal in ("", "/:@!$'()*,;?"):
            other = url.replace(f"reference={quote_plus(reference)}", f"reference={quote(reference, safe=legal)}")
            assert call(other, url, configured) == reference
            assert call(url, other, configured) == reference


@pytest.mark.parametrize(
    ("reference", "bare"), [("order:17", ":"), ("a@b", "@"), ("a,b", ","), ("a b", " "), ("₹", "₹")]
)
def test_a_url_that_was_signed_without_its_escapes_is_believed(reference, bare):
    url = callback(HOME, reference)
    signed = url.replace(quote_plus(bare), bare)
    assert signed != url
    assert call(url, signed) == reference
    assert call(signed.replace(" ", "+"), url) == reference


@pytest.mark.parametrize(
    "forged",
    [
        "?reference=order-2&tenant=7",
        "?reference=order-1&tenant=8",
        "?reference=order-1",
        "?tenant=7",
        "",
        "?reference=order-1&tenant=7&x=1",
        "?reference=order-1&tenant=7&reference=order-2",
        "?reference=order-2&reference=order-1&tenant=7",
        "?reference=order-1%26tenant%3D7",
        "?reference=order-1%26tenant=7",
        "?tenant=order-1&reference=7",
        "?Reference=order-1&tenant=7",
        "?reference=order-1&tenant=7%23",
        "?reference=order-1&tenant=7%00",
        "?reference=order-1&tenant=%2B7",
    ],
)
def test_another_url_is_not(forged):
    configured = f"{HOME}?tenant=7"
    genuine = callback(configured, "order-1")
    assert call(genuine, genuine, configured) == "order-1"
    assert call(f"{HOME}{forged}", genuine, configured) is None
    assert call(genuine.replace("/sms", "/other"), genuine, configured) is None
    assert call(genuine.replace("app.", "web."), genuine, configured) is None


def test_of_values_under_one_name_the_order_counts():
    """The last value is read, so another order would have another meaning."""
    genuine = f"{HOME}?reference=a&reference=b"
    assert call(genuine, genuine) == "b"
    assert call(f"{HOME}?reference=b&reference=a", genuine) is None
    assert call(f"{HOME}?%72eference=b&reference=a", f"{HOME}?reference=a&%72eference=b") is None


QUERIES = st.text(alphabet="abAB=&%+ 0123456789DF:@/é", max_size=30) | st.lists(
    st.tuples(st.text(max_size=4), st.text(max_size=4)), max_size=4
).map(lambda pairs: "&".join(f"{quote(name)}={quote_plus(value)}" for name, value in pairs))


@given(query=QUERIES, configured=st.none() | QUERIES)
@example(query="reference=%26a%3D1&b=%2525", configured="b=%2525")
@example(query="%26=1&a=%zz&b=%ff", configured=None)
def test_every_spelling_that_is_tried_says_the_same(query, configured):
    """All spellings have the same meaning, so accepting each of them opens no hole."""
    webhook = HttpRequest(method="POST", url=f"{HOME}?{query}")
    try:
        called = webhook.query
    except PayloadError:
        assume(False)
    tried = spellings(webhook, None if configured is None else f"{HOME}?{configured}")
    assert tried[0] == webhook.url
    assert len(tried) <= 37
    for url in tried:
        assert url.replace(":443", "").partition("?")[0] == HOME
        said = HttpRequest(method="POST", url=url).query
        assert (dict(said), sorted(said)) == (dict(called), sorted(called)), url


@given(reference=st.text(), query=QUERIES)
def test_the_callback_that_we_give_is_in_order_and_holds_our_reference(reference, query):
    url = callback(f"{HOME}?{query}", reference)
    names = [name for name, _ in parse_qsl(url.partition("?")[2], keep_blank_values=True, errors="surrogateescape")]
    assert names == sorted(names)
    assert names.count("reference") == 1
    assert dict(parse_qsl(url.partition("?")[2], keep_blank_values=True))["reference"] == reference


def test_it_is_given_with_each_text():
    wire = FakeWire(HttpResponse.of_json({"sid": SID, "status": "queued"}, status=201))
    message = Message(to="+919876543210", text="hi", reference="order-1")
    drive(provider(f"{HOME}?tenant=7").send(message), wire)
    assert dict(wire.requests[0].form())["StatusCallback"] == f"{HOME}?reference=order-1&tenant=7"
