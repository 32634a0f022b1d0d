"""http sends through described gateways: values stay in their fields, and rules give answers their meaning."""

from __future__ import annotations

import base64
import json
import threading
import time
import tomllib
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlsplit
from xml.etree import ElementTree as ET

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import manual
from cli_acme import run, run_json
from scripted import TEXT, TO, drive, message
from smsbridge.attempts import attempt
from smsbridge.builtin.http import HttpProvider
from smsbridge.cli.exits import Exit
from smsbridge.client import SmsClient
from smsbridge.errors import (
    AuthenticationError,
    ConfigurationError,
    ContentError,
    FundsError,
    OptedOutError,
    RateLimitedError,
    RecipientError,
    RefusedError,
    SenderError,
    UncertainError,
    UnsupportedError,
)
from smsbridge.http import HttpResponse
from smsbridge.messages import Dlt
from smsbridge.plugins import Plugins
from smsbridge.provider import InsecureUrlWarning

URL = "https://api.gateway.example/send"
FORM = "application/x-www-form-urlencoded"
TOKEN = "FAKE-TOKEN-DO-NOT-USE"
BODY = {"to": "{to}", "text": "{text}"}
JSON = {"url": URL, "body": BODY, "accept_if": {"path": "status", "equals": "ok"}, "id": "id"}
OK = HttpResponse.of_json({"status": "ok", "id": "7"})
EVERYTHING = "{to}|{digits}|{text}|{sender}|{reference}|{purpose}|{entity_id}|{template_id}"

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1)
"""Any text, also with control characters."""


def provider(**settings):
    return HttpProvider(**{**JSON, **settings})


def request(carrier, **fields):
    """The request that sends a message."""
    return next(attempt(carrier, message(**fields)))


def answered(carrier, answer):
    """The outcome of a message with this ``answer``."""
    return drive(attempt(carrier, message()), answer)


def complaint(**settings):
    with pytest.raises(ConfigurationError) as raised:
        provider(**settings)
    return str(raised.value)


# --- a value stays in its field -------------------------------------------------------------------------------------------

nasty = [
    example("&to=+999"),
    example("%26%20+ %"),
    example('","to":"+999'),
    example("\\"),
    example("</text><to>+999</to>"),
    example("]]>&amp;&#10;"),
    example("{to}{{"),
    example("a\r\nX-Other: 1"),
    example("\u2028\x00\x7f\ufeff"),
    example(".."),
    example("../../admin"),
    example("/?#;"),
]


def nastily(test):
    for decorate in nasty:
        test = decorate(test)
    return test


@nastily
@given(TEXTS)
def test_a_text_in_a_query_comes_out_as_it_was(text):
    url = f"{URL}?v=1&to={{to}}&t={{text}}&r=({{reference}})&w=%26"
    carrier = provider(method="GET", url=url, body=None)
    sent = request(carrier, text=text, reference=text)
    parts = urlsplit(sent.url)
    assert (parts.scheme, parts.netloc, parts.path, parts.fragment) == ("https", "api.gateway.example", "/send", "")
    assert parse_qsl(parts.query, keep_blank_values=True, errors="strict") == [
        ("v", "1"),
        ("to", TO),
        ("t", text),
        ("r", f"({text})"),
        ("w", "&"),
    ]
    assert (sent.method, sent.body, dict(sent.headers)) == ("GET", b"", {})


@nastily
@given(TEXTS)
def test_a_text_in_a_path_stays_in_its_step_or_is_refused(text):
    carrier = provider(method="GET", url=f"{URL}/{{to}}/{{text}}/now?a=1", body=None)
    if text in {".", ".."}:  # a server takes it for a directory, in any encoding
        with pytest.raises(UnsupportedError, match="in the path"):
            request(carrier, text=text)
        return
    parts = urlsplit(request(carrier, text=text).url)
    assert parts.query == "a=1"
    assert [unquote(step, errors="strict") for step in parts.path.split("/")] == ["", "send", TO, text, "now"]


@pytest.mark.parametrize("body", [{"a": "1 2", "t": "x{text}", "to": "{to}", "n": 3}, "a=1+2&t=x{text}&to={to}&n=3"])
@nastily
@given(TEXTS)
def test_a_text_in_a_form_comes_out_as_it_was(body, text):
    sent = request(provider(content_type=FORM, body=body), text=text)
    assert sent.form() == [("a", "1 2"), ("t", f"x{text}"), ("to", TO), ("n", "3")]
    assert sent.headers["content-type"] == FORM


JSON_BODY = {"m": [{"to": "{to}", "t": "<{text}>"}, None, True, 1.5], "braces": "{{text}}", "n": {"digits": "{digits}"}}


@pytest.mark.parametrize("body", [JSON_BODY, json.dumps(JSON_BODY)])
@nastily
@given(TEXTS)
def test_a_text_in_json_comes_out_as_it_was(body, text):
    sent = request(provider(content_type="application/vnd.gateway+json", body=body), text=text)
    assert sent.json() == {
        "m": [{"to": TO, "t": f"<{text}>"}, None, True, 1.5],
        "braces": "{text}",
        "n": {"digits": TO[1:]},
    }


XML = '<?xml version="1.0"?><s:sms xmlns:s="urn:s" from="{sender}"><to n="1">{to}</to><text>a {text} b</text>{reference}</s:sms>'


@nastily
@given(TEXTS)
def test_a_text_in_xml_comes_out_as_it_was_or_is_refused(text):
    carrier = provider(content_type="application/soap+xml", body=XML)
    try:
        sent = request(carrier, text=text, sender=text)
    except UnsupportedError:
        allowed = {*"\t\n\r"}
        assert any((ord(c) < 0x20 and c not in allowed) or c in "\ufffe\uffff" for c in text)
        return
    root = ET.fromstring(sent.body)
    assert root.attrib == {"from": text}
    assert [(element.tag, element.attrib, element.text) for element in root] == [
        ("to", {"n": "1"}, TO),
        ("text", {}, f"a {text} b"),
    ]
    assert root[1].tail == "ref-1"


@nastily
@given(TEXTS)
def test_a_text_that_is_the_whole_body_is_sent_as_it_is(text):
    sent = request(provider(url=f"{URL}?to={{to}}", content_type="text/plain", body="{text}"), text=text)
    assert sent.body.decode() == text
    assert sent.headers["content-type"] == "text/plain; charset=utf-8"


@nastily
@given(TEXTS)
def test_what_stands_in_a_header_arrives_as_it_was_or_is_refused(reference):
    carrier = provider(headers={"X-Ref": "{reference}", "X-Fixed": "{{1}}"})
    try:
        sent = request(carrier, reference=reference)
    except UnsupportedError:
        assert not (reference.isascii() and reference.isprintable()) or reference != reference.strip()
        return
    assert dict(sent.headers) == {"x-ref": reference, "x-fixed": "{1}", "content-type": "application/json"}


def test_half_a_character_is_refused_wherever_it_is():
    carrier = provider(body={**BODY, "pe": "{entity_id}"})
    with pytest.raises(ContentError, match="half a character"):
        request(carrier, dlt=Dlt(entity_id="\ud800"))
    assert "* is wrong: no request can have half a character" in complaint(body={**BODY, "x": "\ud800"})


def test_every_placeholder_has_its_value():
    carrier = provider(
        body={"all": EVERYTHING},
        headers={"A": "{token} {username} {password} {basic}"},
        token="T",
        username="U",
        password="P",
    )
    sent = request(carrier, text="hi", sender="ACME", purpose="otp", dlt=Dlt(entity_id="11", template_id="22"))
    assert sent.json()["all"] == f"{TO}|{TO[1:]}|hi|ACME|ref-1|otp|11|22"
    assert sent.headers["a"] == f"T U P {base64.b64encode(b'U:P').decode()}"
    assert sent.sends


def test_it_works_on_a_real_wire():
    seen = []

    class Gateway(BaseHTTPRequestHandler):
        def do_GET(self):
            seen.append((self.path, self.headers["X-Key"]))
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"OK: 17\r\n")

        def log_message(self, *args):
            pass

    text = "50% & /?#=+\\ \u0928\U0001f4e6\r\n.."
    with HTTPServer(("127.0.0.1", 0), Gateway) as server:
        threading.Thread(target=server.handle_request, daemon=True).start()
        carrier = HttpProvider(
            method="GET",
            url=f"http://127.0.0.1:{server.server_port}/sms/{{digits}}?text={{text}}",
            headers={"X-Key": "{token}"},
            token=TOKEN,
            accept_if={"matches": r"^OK: (?P<id>\d+)$"},
        )
        with SmsClient(carrier, plugins=Plugins()) as sms:
            assert sms.send(TO, text).id == "17"
    ((path, key),) = seen
    assert (urlsplit(path).path, parse_qsl(urlsplit(path).query)) == (f"/sms/{TO[1:]}", [("text", text)])
    assert key == TOKEN


# --- fields of a message --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "fields",
    [{"sender": "ACME"}, {"dlt": Dlt(entity_id="1")}, {"dlt": Dlt(template_id="2")}],
    ids=["sender", "entity", "template"],
)
def test_a_field_without_a_place_is_refused(fields):
    with pytest.raises(UnsupportedError, match="no setting has the placeholder"):
        request(provider(), **fields)


def test_dlt_ids_without_a_place_may_be_registered_with_the_account():
    with pytest.raises(UnsupportedError, match="SMSBRIDGE_HTTP_DLT_REGISTERED=true"):
        request(provider(), dlt=Dlt(entity_id="1", template_id="2"))
    registered = provider(dlt_registered=True)
    assert request(registered, dlt=Dlt(entity_id="1", template_id="2")) == request(registered)
    half = provider(body={**BODY, "template": "{template_id}"}, dlt_registered=True)
    assert request(half, dlt=Dlt(entity_id="1", template_id="2")).json()["template"] == "2"
    with pytest.raises(UnsupportedError, match="a sender") as refused:
        request(registered, sender="ACME", dlt=Dlt(entity_id="1"))
    assert "DLT_REGISTERED" not in str(refused.value)


def test_an_entity_alone_has_its_place_without_one_for_the_template():
    carrier = provider(body={**BODY, "pe": "{entity_id}"})
    assert request(carrier, dlt=Dlt(entity_id="1")).json()["pe"] == "1"
    with pytest.raises(UnsupportedError, match="template"):
        request(carrier, dlt=Dlt(entity_id="1", template_id="2"))


def test_a_place_without_a_value_is_refused_unless_the_settings_leave_it_empty_on_purpose():
    body = {**BODY, "from": "{sender}"}
    with pytest.raises(UnsupportedError, match="without a sender, because SMSBRIDGE_HTTP_SENDER is not set"):
        request(provider(body=body))
    assert request(provider(body=body, sender="")).json()["from"] == ""
    assert request(provider(body=body, sender="SHOP")).json()["from"] == "SHOP"
    assert request(provider(body=body, sender="SHOP"), sender="ACME").json()["from"] == "ACME"


def test_purposes_are_told_in_the_gateways_words():
    words = {"otp": "1", "transactional": "2", "service": "2", "promotional": "4"}
    carrier = provider(body={**BODY, "route": "{purpose}"}, purposes=words)
    assert {name: request(carrier, purpose=name).json()["route"] for name in words} == words


# --- answers --------------------------------------------------------------------------------------------------------------


def test_an_accepted_text_has_its_id_and_the_answer():
    sent = answered(provider(), OK)
    assert (sent.id, sent.reference, sent.raw) == ("7", "ref-1", {"status": "ok", "id": "7"})
    assert answered(provider(), HttpResponse.of_json({"status": "ok", "id": 7})).id == "7"
    bom = HttpResponse(status=200, body=b"\xef\xbb\xbf" + OK.body)
    assert answered(provider(), bom).id == "7"


@pytest.mark.parametrize("id", [None, "", " ", True, 1.5, [], {}, ["7"]])
def test_without_an_id_nothing_is_accepted(id):
    with pytest.raises(UncertainError, match="accept_if holds, but without an id: 'id'"):
        answered(provider(), HttpResponse.of_json({"status": "ok", "id": id}))


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"SECRET-WORD", "the answer is not JSON"),
        (b"[" * 100_000, "the answer is not JSON"),
        (b'{"SECRET-WORD":1}', "the answer has no 'status'"),
        (b'{"status":"SECRET-WORD"}', "'status' is not in 'equals'"),
        (b'["SECRET-WORD"]', "the answer has no 'status'"),
    ],
)
def test_a_2xx_that_no_rule_fits_is_uncertain_and_says_why_without_quoting(body, why):
    refuse = [{"path": "error"}]
    with pytest.raises(UncertainError) as raised:
        answered(provider(refuse_if=refuse), HttpResponse(status=200, body=body))
    assert why in str(raised.value)
    assert "nothing in refuse_if holds" in str(raised.value)
    assert "SECRET-WORD" not in str(raised.value)


@pytest.mark.parametrize(
    ("status", "error"),
    [(400, RefusedError), (401, AuthenticationError), (402, FundsError), (404, RefusedError), (429, RateLimitedError)]
    + [(status, UncertainError) for status in (302, 408, 500, 503)],
)
def test_where_no_rule_fits_the_http_status_decides(status, error):
    with pytest.raises(error) as raised:
        answered(provider(), HttpResponse(status=status, body=OK.body))
    assert type(raised.value) is error


@pytest.mark.parametrize(
    ("word", "error"),
    [
        ("recipient", RecipientError),
        ("content", ContentError),
        ("opted-out", OptedOutError),
        ("sender", SenderError),
        ("authentication", AuthenticationError),
        ("funds", FundsError),
        ("rate-limited", RateLimitedError),
        ("refused", RefusedError),
    ],
)
def test_a_refusal_is_the_error_that_its_rule_names(word, error):
    rule = {"path": "e.no", "equals": [1, 2], "error": word, "reason": "why", "code": "e.no", "detail": "e.words"}
    answer = HttpResponse.of_json({"status": "ok", "id": "7", "e": {"no": 2, "words": "so sorry"}})
    with pytest.raises(error) as raised:
        answered(provider(refuse_if=[{"path": "nothing"}, rule]), answer)
    assert type(raised.value) is error
    assert (raised.value.code, raised.value.reason, raised.value.detail) == ("2", "why", "so sorry")


def test_the_first_refusal_that_holds_wins():
    rules = [{"path": "no", "matches": "^9", "error": "funds"}, {"path": "no", "error": "recipient"}]
    carrier = provider(refuse_if=rules)
    for no, error in (("90", FundsError), (91, FundsError), ("19", RecipientError)):
        with pytest.raises(error):
            answered(carrier, HttpResponse.of_json({"no": no}))


@pytest.mark.parametrize("nothing", [None, False, 0, "", [], {}])
def test_a_path_alone_holds_where_something_is_there(nothing):
    carrier = provider(refuse_if=[{"path": "error"}])
    assert answered(carrier, HttpResponse.of_json({"status": "ok", "id": "7", "error": nothing})).id == "7"
    for something in (True, 1, "0", [0], {"a": None}):
        with pytest.raises(RefusedError):
            answered(carrier, HttpResponse.of_json({"status": "ok", "id": "7", "error": something}))


@pytest.mark.parametrize(
    ("wanted", "found", "same"),
    [
        (1, 1, True),
        (1, 1.0, True),
        ("1", 1, False),
        (1, "1", False),
        (1, True, False),
        (True, 1, False),
        (True, True, True),
        (0, False, False),
        ([None, "x"], None, True),
        ("x", ["x"], False),
    ],
)
def test_equal_is_what_is_equal_in_json(wanted, found, same):
    carrier = provider(accept_if={"path": "s", "equals": wanted})
    assert (carrier.explain(HttpResponse.of_json({"s": found, "id": "7"})).id == "7") is same


def test_a_refusal_after_a_5xx_holds_only_if_its_rule_names_the_status():
    answer = HttpResponse.of_json({"error": "no credit"}, status=500)
    with pytest.raises(UncertainError):
        answered(provider(refuse_if=[{"path": "error"}]), answer)
    with pytest.raises(RefusedError):
        answered(provider(refuse_if=[{"path": "error", "status": 500}]), answer)


@pytest.mark.parametrize("status", [408, 460, 499])
@pytest.mark.parametrize("rule", [{"path": "error"}, {"matches": "upstream"}, {"path": "error", "error": "funds"}])
def test_a_time_out_is_no_refusal_whatever_the_answer_says(status, rule):
    answer = HttpResponse.of_json({"error": {"message": "upstream timed out"}}, status=status)
    with pytest.raises(UncertainError):
        answered(provider(refuse_if=[rule]), answer)


@pytest.mark.parametrize("status", [408, 460, 499, 504, 524, [400, 408]])
def test_no_rule_can_name_a_time_out(status):
    with pytest.raises(ConfigurationError, match=r"REFUSE_IF is wrong: rule 1: status: after a time-out"):
        provider(refuse_if=[{"path": "error", "status": status}])


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (200, RefusedError),
        (400, RefusedError),
        (401, AuthenticationError),
        (402, FundsError),
        (413, ContentError),
        (429, RateLimitedError),
    ],
)
def test_a_rule_that_does_not_say_what_the_refusal_is_leaves_that_to_the_status(status, error):
    answer = HttpResponse(status=status, headers={"retry-after": "9"}, body=b'{"error":"slow","code":7}')
    with pytest.raises(error) as raised:
        answered(provider(refuse_if=[{"path": "error", "code": "code"}]), answer)
    assert type(raised.value) is error
    assert (raised.value.code, raised.value.retry_after) == ("7", 9)
    with pytest.raises(RefusedError) as raised:
        answered(provider(refuse_if=[{"path": "error", "error": "refused"}]), answer)
    assert type(raised.value) is RefusedError


def test_a_redirect_is_refused_by_no_rule_that_does_not_name_it():
    answer = HttpResponse(status=302, body=b'{"error":1}')
    with pytest.raises(UncertainError):
        answered(provider(refuse_if=[{"path": "error"}]), answer)


def test_retry_after_is_kept():
    rule = {"path": "error", "error": "rate-limited"}
    answer = HttpResponse(status=200, headers={"retry-after": "9"}, body=b'{"error":"slow"}')
    with pytest.raises(RateLimitedError) as raised:
        answered(provider(refuse_if=[rule]), answer)
    assert raised.value.retry_after == 9


def test_a_cut_answer_is_never_read():
    with pytest.raises(UncertainError, match="cut off"):
        answered(provider(), HttpResponse(status=200, body=OK.body, complete=False))


def test_plain_text_is_read_by_regular_expressions():
    carrier = provider(
        id=None,
        accept_if={"matches": r"^OK:\s*(?P<id>\d*)$"},
        refuse_if=[{"matches": r"^ERR (?P<code>\d+) (?P<detail>.*)$", "error": "recipient"}],
    )
    assert answered(carrier, HttpResponse(status=200, body=b"OK: 12\r\n")).id == "12"
    with pytest.raises(RecipientError) as raised:
        answered(carrier, HttpResponse(status=200, body=b"ERR 5 bad number"))
    assert (raised.value.code, raised.value.detail) == ("5", "bad number")
    with pytest.raises(UncertainError, match="the group 'id' of what accept_if matches is empty"):
        answered(carrier, HttpResponse(status=200, body=b"OK: "))
    with pytest.raises(UncertainError, match="the text does not match the regular expression"):
        answered(carrier, HttpResponse(status=200, body=b"\xff\xfe"))


# --- the id ---------------------------------------------------------------------------------------------------------------

NAMES_NO_ID = {
    "an empty 200": (HttpResponse(status=200), {"status": 200}),
    "a 204": (HttpResponse(status=204), {"status": 204}),
    "OK": (HttpResponse(status=200, body=b"OK"), {"matches": "^OK$"}),
    "0 for success": (HttpResponse(status=200, body=b"0"), {"matches": "^0$"}),
    "a flag": (HttpResponse.of_json({"return": True, "message": ["SMS sent."]}), {"path": "return", "equals": True}),
}


@pytest.mark.parametrize(("answer", "rule"), NAMES_NO_ID.values(), ids=NAMES_NO_ID)
def test_a_vendor_may_name_no_id(answer, rule):
    carrier = provider(id=None, accept_if=rule)
    sent = drive(attempt(carrier, message(reference="order-1")), answer)
    assert (sent.id, sent.reference) == ("no-id:order-1", "order-1")
    assert drive(attempt(carrier, message(reference="order-2")), answer).id != sent.id
    assert carrier.capabilities == frozenset()


@pytest.mark.parametrize(("answer", "rule"), NAMES_NO_ID.values(), ids=NAMES_NO_ID)
def test_our_reference_may_be_the_id(answer, rule):
    carrier = provider(id="{reference}", body={**BODY, "ref": "{reference}"}, accept_if=rule)
    assert drive(attempt(carrier, message(reference="order-1")), answer).id == "order-1"


@pytest.mark.parametrize("id", [None, "{reference}"])
def test_without_an_id_of_the_vendors_an_acceptance_is_still_one_and_all_else_is_not(id):
    carrier = provider(
        id=id, body={**BODY, "ref": "{reference}"}, accept_if={"matches": "^OK"}, refuse_if=[{"matches": "^ERR"}]
    )
    for status, body, ends in (
        (200, b"OK", None),
        (200, b"ERR 5", RefusedError),
        (200, b"hello", UncertainError),
        (200, b"", UncertainError),
        (408, b"OK", UncertainError),
        (500, b"OK", UncertainError),
        (400, b"OK", RefusedError),
    ):
        if ends is None:
            assert answered(carrier, HttpResponse(status=status, body=body)).id
        else:
            with pytest.raises(ends):
                answered(carrier, HttpResponse(status=status, body=body))


def test_an_id_that_is_a_path_has_to_be_there():
    with pytest.raises(UncertainError, match="without an id"):
        answered(provider(id="reference"), HttpResponse.of_json({"status": "ok"}))


# --- the encoding and the number ------------------------------------------------------------------------------------------

HINDI, LATIN = "आपका कोड 482913 है", "Your code is 482913"


def test_the_encoding_has_a_word_of_its_own():
    carrier = provider(body={**BODY, "coding": "{encoding}"})
    assert request(carrier, text=HINDI).json()["coding"] == "ucs2"
    assert request(carrier, text=LATIN).json()["coding"] == "gsm7"
    assert request(carrier, text="€ [net] ñ").json()["coding"] == "gsm7"


@pytest.mark.parametrize("words", [("0", "1"), ("text", "unicode"), ("", "1"), (0, 8), (False, True)])
def test_or_the_vendors_and_json_has_numbers_and_truth_as_they_are(words):
    encodings = dict(zip(("gsm7", "ucs2"), words, strict=True))
    carrier = provider(body={**BODY, "unicode": "{encoding}", "note": "as {encoding}"}, encodings=encodings)
    for text, word in ((LATIN, words[0]), (HINDI, words[1])):
        sent = request(carrier, text=text).json()
        assert (sent["unicode"], type(sent["unicode"])) == (word, type(word))
        assert sent["note"] == f"as {word if isinstance(word, str) else json.dumps(word)}"


@pytest.mark.parametrize("words", [("0", "1"), (0, 1), (False, True)])
def test_elsewhere_they_are_written_as_json_writes_them(words):
    encodings = dict(zip(("gsm7", "ucs2"), words, strict=True))
    carrier = provider(
        method="GET", url=f"{URL}?to={{to}}&text={{text}}&u={{encoding}}", body=None, encodings=encodings
    )
    word = words[1] if isinstance(words[1], str) else json.dumps(words[1])
    assert dict(request(carrier, text=HINDI).query)["u"] == word


@pytest.mark.parametrize(
    ("number", "code", "national"),
    [
        ("+919876543210", "91", "9876543210"),
        ("+6591234567", "65", "91234567"),
        ("+393401234567", "39", "3401234567"),
        ("+390612345678", "39", "0612345678"),  # the zero is part of the number
        ("+14155552671", "1", "4155552671"),
        ("+12423591234", "1", "2423591234"),
        ("+447911123456", "44", "7911123456"),
        ("+2250123456789", "225", "0123456789"),
        ("+881612345678", "881", "612345678"),
    ],
)
def test_the_number_may_be_written_without_its_country_code(number, code, national):
    carrier = provider(body={"to": "{national}", "cc": "{country_code}", "text": "{text}"})
    sent = request(carrier, to=number).json()
    assert (sent["cc"], sent["to"]) == (code, national)


# --- long answers ---------------------------------------------------------------------------------------------------------

LONG = 2000
"""Characters that ``matches`` searches."""
TAIL = "." * LONG


def ends(body, **settings):
    carrier = provider(id=None, **{"accept_if": {"matches": "OK (?P<id>\\d+)"}, **settings})
    try:
        return answered(carrier, HttpResponse(status=200, body=body.encode())).id
    except (RefusedError, UncertainError) as error:
        return type(error)


@pytest.mark.parametrize(
    ("body", "ended"),
    [
        (f"OK 12 {TAIL}", "12"),
        (f"{'.' * (LONG - 8)}OK 12...", "12"),
        (f"{'.' * (LONG - 7)}OK 12...", "12"),
        (f"{'.' * (LONG - 6)}OK 12...", UncertainError),
        (f"{TAIL}OK 12", UncertainError),
        (f"{'.' * (LONG - 5)}OK 1234567", UncertainError),  # the id continues where ``matches`` does not search
        (f"{'.' * (LONG - 5)}OK 12", "12"),  # all of 2000 characters are searched
    ],
)
def test_an_acceptance_that_stands_far_behind_is_uncertain_and_none_is_cut(body, ended):
    assert ends(body) == ended


@pytest.mark.parametrize(
    ("body", "ended"),
    [
        (f"ERR 5 {TAIL}", RefusedError),
        (f"OK 12 {TAIL} ERR 5", UncertainError),  # a refusal may follow
        (f"{TAIL} ERR 5", UncertainError),
        (f"OK 12 ERR 5 {TAIL}", RefusedError),
        ("OK 12", "12"),
    ],
)
def test_a_refusal_that_may_stand_behind_makes_an_acceptance_uncertain(body, ended):
    assert ends(body, refuse_if=[{"matches": "ERR (?P<code>\\d)"}]) == ended


def test_an_end_that_is_none_is_not_matched():
    assert ends("OK\n", accept_if={"matches": "OK$"})
    assert ends(f"{'.' * (LONG - 3)}OK\n{TAIL}", accept_if={"matches": "OK$"}) is UncertainError


def test_a_rule_that_does_not_hold_for_another_reason_leaves_nothing_open():
    carrier = provider(
        refuse_if=[{"path": "status", "equals": "no", "matches": "credit"}, {"path": "flags", "matches": "x"}]
    )
    long = HttpResponse.of_json({"status": "ok", "id": "7", "flags": {"a": TAIL * 2}})
    assert answered(carrier, long).id == "7"
    long = HttpResponse.of_json({"status": f"ok{TAIL}", "id": "7"})
    accepting = provider(refuse_if=[{"path": "status", "equals": "no", "matches": "x"}], accept_if={"path": "status"})
    assert answered(accepting, long).id == "7"


@pytest.mark.parametrize("pattern", ["^(?!.*ERR).*OK (?P<id>\\d+)", "OK (?P<id>\\d+)(?=.*)", "OK (?P<id>\\d+).*$"])
def test_a_match_that_depends_on_what_is_behind_is_none(pattern):
    assert ends("OK 12 ...", accept_if={"matches": pattern}) == "12"
    assert ends(f"OK 12 {TAIL} ERR", accept_if={"matches": pattern}) is UncertainError


def test_after_a_refusing_status_the_length_of_the_answer_does_not_matter():
    carrier = provider(refuse_if=[{"matches": "ERR"}])
    with pytest.raises(AuthenticationError):
        answered(carrier, HttpResponse(status=401, body=(TAIL * 2).encode()))


def test_values_in_json_are_bounded_each_by_itself():
    rule = {"path": "error", "matches": "credit", "error": "funds"}
    carrier = provider(refuse_if=[rule])
    with pytest.raises(FundsError):
        answered(carrier, HttpResponse.of_json({"padding": TAIL * 9, "error": "no credit"}))
    assert answered(carrier, HttpResponse.of_json({"padding": TAIL * 9, "status": "ok", "id": "7"})).id == "7"
    with pytest.raises(UncertainError, match="refuse_if 1 cannot decide: the first 2000 characters"):
        answered(carrier, HttpResponse.of_json({"error": TAIL * 9, "status": "ok", "id": "7"}))


@pytest.mark.parametrize("pattern", ["\\s*OK (?P<id>\\d+)", "(?P<id>\\s+)OK", "\\s+$OK (?P<id>x)", ".*ERR.*(?P<id>x)"])
def test_an_expression_that_takes_the_square_of_a_text_takes_no_long_time(pattern):
    carrier = provider(id=None, accept_if={"matches": pattern})
    flow = attempt(carrier, message())
    next(flow)
    began = time.perf_counter()
    with pytest.raises(UncertainError):
        flow.send(HttpResponse(status=200, body=b"x" + b" " * 4_000_000 + b"x"))
    assert time.perf_counter() - began < 1  # 4 MB would take hours


def test_the_gateways_words_show_no_text_and_no_number():
    quoting = HttpResponse.of_json({"error": f"{TEXT} to {TO} with {TOKEN}"})
    carrier = provider(headers={"k": "{token}"}, token=TOKEN, refuse_if=[{"path": "error", "detail": "error"}])
    with pytest.raises(RefusedError) as raised:
        answered(carrier, quoting)
    for private in (TEXT, TO, TOKEN):
        assert private not in f"{raised.value} {vars(raised.value)}"


# --- settings that are wrong ----------------------------------------------------------------------------------------------


def test_url_and_accept_if_have_to_be_there():
    with pytest.raises(ConfigurationError) as raised:
        HttpProvider()
    assert str(raised.value) == "provider http: SMSBRIDGE_HTTP_URL is missing; SMSBRIDGE_HTTP_ACCEPT_IF is missing"


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"body": {"t": "{text}"}}, "{to} or {digits} or {national} must be in url, headers or body"),
        ({"body": {"t": "{to}"}}, "{text} must be in url, headers or body"),
        ({"body": {**BODY, "x": "{txet}"}}, "BODY is wrong: there is no placeholder {txet}; did you mean 'text'?"),
        ({"body": {**BODY, "x": "{text.__class__}"}}, "a brace begins no placeholder"),
        ({"body": {**BODY, "x": "{text[0]}"}}, "a brace begins no placeholder"),
        ({"body": {**BODY, "x": "{}"}}, "a brace begins no placeholder"),
        ({"body": {**BODY, "x": "{text!r}"}}, "write only the name"),
        ({"body": {**BODY, "x": "{text:>10}"}}, "write only the name"),
        ({"body": {**BODY, "x": "{text"}}, "BODY is wrong: expected '}'"),
        ({"body": {**BODY, "x": "}"}}, "BODY is wrong: Single '}'"),
        ({"body": {**BODY, "{to}": "x"}}, "not in the name of a field"),
        ({"body": {**BODY, "x": float("inf")}}, "JSON cannot hold one of its values"),
        ({"body": '{"to":{to},"text":"{text}"}'}, "write placeholders inside quotes"),
        ({"body": "to={to}&text={text}"}, "not JSON"),
        ({"body": "to", "content_type": FORM}, "write a form such as"),
        ({"body": {"to": ["{to}"]}, "content_type": FORM}, "a form must be a table"),
        ({"body": "{to} {text}", "content_type": "text/plain"}, "must be exactly {text}"),
        ({"content_type": "multipart/form-data"}, "CONTENT_TYPE is wrong: must be application"),
        ({"content_type": "application/json; charset=latin-1"}, "charset=utf-8"),
        ({"content_type": "application/json\r\nx: y"}, "CONTENT_TYPE is wrong"),
        ({"content_type": "application/json; charset=utf-8\n"}, "CONTENT_TYPE is wrong"),
        ({"content_type": "text/plain\n", "body": "{text}"}, "CONTENT_TYPE is wrong"),
        ({"method": "GET"}, "BODY is wrong: a GET has no body"),
        ({"method": "DELETE"}, "METHOD is wrong"),
        ({"url": "api.gateway.example"}, "write an http or https URL"),
        ({"url": "https://{sender}.example/"}, "only after the host"),
        ({"url": "https://user:FAKE@gateway.example/"}, "without spaces, credentials"),
        ({"url": f"{URL}?a=b c"}, "without spaces"),
        ({"url": f"{URL}#{{text}}"}, "fragment"),
        ({"url": f"{URL}?a=%{{text}}"}, "as %25"),
        ({"url": f"{URL}?a=%4{{text}}"}, "as %25"),
        ({"url": f"{URL}/../x"}, "* is wrong: no request can have a value that is '.' or '..'"),
        ({"headers": {"Content-Type": "x"}}, "for the content type, set content_type"),
        ({"headers": {"a b": "x"}}, "a name that HTTP does not allow"),
        ({"headers": {"a": "x\r\ny"}}, "not printable ASCII"),
        ({"headers": {"a": "{token}"}}, "TOKEN is missing, but {token} is used"),
        ({"headers": {"a": "{basic}"}, "username": "u"}, "{basic} needs username and password"),
        ({"headers": {"a": "{basic}"}, "username": "u:v", "password": "p"}, "colon"),
        ({"headers": {"a": "{token}"}, "token": "t\u00f6ken"}, "a token that is not printable ASCII in a header"),
        ({"token": TOKEN}, "TOKEN is wrong: it is set, but {token} is not used"),
        ({"sender": "ACME"}, "SENDER is wrong: it is set, but {sender} is not used"),
        ({"purposes": {"otp": "1"}}, "PURPOSES is wrong: it must name otp, transactional, service, promotional"),
        ({"accept_if": {"equals": "ok"}}, "ACCEPT_IF is wrong: a rule needs"),
        ({"accept_if": {"status": 200, "equals": "ok"}}, "equals needs a path"),
        ({"accept_if": {"status": [200, 500]}}, "only 200 to 299"),
        ({"accept_if": {"status": "200"}}, "ACCEPT_IF is wrong: status.0: "),
        ({"accept_if": {"path": "a..b"}}, "path: a path must be steps"),
        ({"accept_if": {"pth": "a"}}, "there is no key 'pth' in a rule; did you mean 'path'?"),
        ({"accept_if": {"matches": "("}}, "matches: not a regular expression: missing ), unterminated subpattern"),
        ({"accept_if": {"matches": "(?P<ident>.)"}}, "the group 'ident' has no use; have id"),
        ({"accept_if": {"path": "a", "equals": [{}]}}, "equals: must be texts, numbers, true or false"),
        ({"accept_if": {"path": "a", "error": "funds"}}, "there is no key 'error'"),
        (
            {"refuse_if": [{"path": "a"}, {"path": "b", "error": "money"}]},
            "REFUSE_IF is wrong: rule 2: error: must be",
        ),
        ({"refuse_if": {"path": "a"}}, "REFUSE_IF is wrong"),
        ({"id": ""}, "ID is wrong: it is empty; leave it out if the vendor gives no id"),
        ({"id": " "}, "ID is wrong: it is empty"),
        ({"id": "{reference}"}, "ID is wrong: the request does not use {reference}"),
        ({"id": "{digits}"}, "ID is wrong: it must be a path, or {reference}"),
        (
            {"encodings": {"gsm7": "0", "ucs2": "1"}},
            "ENCODINGS is wrong: it must name gsm7 and ucs2, and {encoding} must",
        ),
        (
            {"encodings": {"ucs2": "1"}, "body": {**BODY, "u": "{encoding}"}},
            "ENCODINGS is wrong: it must name gsm7 and",
        ),
        (
            {"encodings": {"gsm7": 0, "ucs2": 1, "utf8": 2}, "body": {**BODY, "u": "{encoding}"}},
            "ENCODINGS is wrong: it must",
        ),
        ({"encodings": {"gsm7": 1.5, "ucs2": None}, "body": {**BODY, "u": "{encoding}"}}, "ENCODINGS"),
        ({"id": "id", "accept_if": {"matches": "(?P<id>.)"}}, "ID is wrong: give either"),
        ({"id": "a."}, "ID is wrong: a path must be steps"),
        ({"nosuch": "1"}, "there is no setting nosuch"),
    ],
)
def test_a_setting_that_cannot_work_is_named(settings, words):
    assert words in complaint(**settings)


@pytest.mark.parametrize(
    "body",
    [
        "<sms>{text}{to}",
        "<sms><!-- {text} --><to>{to}</to></sms>",
        "<sms><text><![CDATA[{text}]]></text><to>{to}</to></sms>",
        "<sms><{text}/><to>{to}</to></sms>",
        "<sms><?now {text}?><to>{to}</to></sms>",
        "<sms {text}='1'><to>{to}</to></sms>",
        "<sms xmlns='{text}'><to>{to}</to></sms>",
        '<?xml version="1.0" encoding="latin-1"?><sms><text>{text}</text><to>{to}</to></sms>',
        '<!DOCTYPE sms [<!ENTITY e "{text}">]><sms><text>&e;</text><to>{to}</to></sms>',
        {"text": "{text}", "to": "{to}"},
    ],
)
def test_xml_in_which_a_value_could_not_be_kept_is_refused(body):
    assert "BODY is wrong" in complaint(content_type="text/xml", body=body)


def test_a_plain_http_url_warns():
    with pytest.warns(InsecureUrlWarning):
        provider(url="http://gateway.example/")


def test_no_complaint_and_no_repr_shows_a_value():
    secret = {"headers": {"k": f"{{nosuch}} {TOKEN}"}, "body": {"x": f"{{nosuch}} {TOKEN}"}, "token": TOKEN}
    assert TOKEN not in complaint(**secret)
    assert TOKEN not in complaint(**secret, url=f"no url {TOKEN}", accept_if={"path": f"{TOKEN}."}, method=TOKEN)
    carrier = provider(
        url=f"{URL}?key={TOKEN}", headers={"k": f"{TOKEN} {{token}}"}, token=TOKEN, body={**BODY, "key": TOKEN}
    )
    assert TOKEN not in f"{carrier!r} {carrier}"


# --- the file -------------------------------------------------------------------------------------------------------------

GATEWAY = f"""
url = "{URL}"
id = "data.0.id"
token = "FAKE-FROM-THE-FILE"

[headers]
Authorization = "Bearer {{token}}"

[body]
to = "{{digits}}"
messages = [{{ text = "{{text}}", from = "{{sender}}" }}]

[accept_if]
path = "data.0.state"
equals = ["queued", "sent"]

[[refuse_if]]
path = "error.code"
equals = 402
error = "funds"
"""


@pytest.fixture
def account(monkeypatch):
    """An account of http that is described by gateway.toml."""
    monkeypatch.setenv("SMSBRIDGE_MYGW_PROVIDER", "http")
    monkeypatch.setenv("SMSBRIDGE_MYGW_FILE", str(Path("gateway.toml").absolute()))
    monkeypatch.setenv("SMSBRIDGE_MYGW_SENDER", "ACME")

    def write(text=GATEWAY):
        Path("gateway.toml").write_bytes(text if isinstance(text, bytes) else text.encode())
        return Plugins().account("mygw")

    return write


def test_one_file_describes_an_account_and_variables_win_over_it(account, monkeypatch):
    sent = request(account(), text="hi")
    assert sent.json() == {"to": TO[1:], "messages": [{"text": "hi", "from": "ACME"}]}
    assert sent.headers["authorization"] == "Bearer FAKE-FROM-THE-FILE"
    monkeypatch.setenv("SMSBRIDGE_MYGW_TOKEN", TOKEN)
    carrier = account()
    assert request(carrier).headers["authorization"] == f"Bearer {TOKEN}"
    answer = HttpResponse.of_json({"data": [{"state": "queued", "id": 5}]})
    assert (answered(carrier, answer).account, answered(carrier, answer).id) == ("mygw", "5")
    assert "FAKE" not in repr(carrier)


def test_a_file_with_a_byte_order_mark_is_read(account):
    assert account(b"\xef\xbb\xbf" + GATEWAY.encode()).account == "mygw"


def test_the_environment_alone_will_do(monkeypatch):
    for name, value in {
        "URL": URL,
        "CONTENT_TYPE": FORM,
        "BODY": "to={to}&text={text}",
        "HEADERS": '{"X-Key": "{token}"}',
        "TOKEN": TOKEN,
        "ACCEPT_IF": r'{"matches": "^OK (?P<id>\\d+)"}',
        "REFUSE_IF": '[{"matches": "^ERR"}]',
    }.items():
        monkeypatch.setenv(f"SMSBRIDGE_HTTP_{name}", value)
    carrier = Plugins().account("http")
    assert request(carrier, text="hi").body == b"to=%2B919876543210&text=hi"
    assert answered(carrier, HttpResponse(status=200, body=b"OK 5")).id == "5"
    document, code = run_json("doctor", "--account", "http")
    assert code == Exit.OK
    shown = {
        value["variable"].removeprefix("SMSBRIDGE_HTTP_"): value["value"] for value in document["provider_settings"]
    }
    assert (shown["BODY"], shown["HEADERS"], shown["TOKEN"]) == ("********", "(set)", "********")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('url = "x"\nbody = oops', "gateway.toml is not TOML: Invalid value (at line 2, column 8)"),
        (b"url = '\xff'", "gateway.toml is not UTF-8"),
        ('urll = "x"', "gateway.toml: there is no setting 'urll'; did you mean 'url'?"),
        ('provider = "http"', "gateway.toml: there is no setting 'provider'"),
        ('file = "other.toml"', "gateway.toml: there is no setting 'file'"),
        (GATEWAY.replace('"data.0.id"', "7"), "id in gateway.toml is wrong: write a text"),
        (
            GATEWAY.replace("equals = 402", "equals = 1979-05-27"),
            "refuse_if in gateway.toml is wrong: rule 1: equals: ",
        ),
        (GATEWAY.replace("path = ", "pfad = "), "accept_if in gateway.toml is wrong: there is no key 'pfad' in a rule"),
        (GATEWAY.replace("{text}", "{txt}"), "body in gateway.toml is wrong: there is no placeholder {txt}"),
        (GATEWAY.replace("{sender}", "ACME"), "SMSBRIDGE_MYGW_SENDER is wrong: it is set, but {sender} is not used"),
        (GATEWAY.replace(f'url = "{URL}"', ""), "SMSBRIDGE_MYGW_URL is missing"),
    ],
)
def test_what_is_wrong_in_a_file_is_named(account, text, words):
    with pytest.raises(ConfigurationError) as raised:
        account(text)
    assert words in str(raised.value).replace(f"{Path.cwd()}/", "")
    assert "FAKE-FROM-THE-FILE" not in str(raised.value)
    assert raised.value.__cause__ is raised.value.__context__ is None


@pytest.mark.parametrize("path", ["missing.toml", "."])
def test_a_file_that_is_not_there_is_named_by_its_variable(account, monkeypatch, path):
    monkeypatch.setenv("SMSBRIDGE_MYGW_FILE", path)
    with pytest.raises(ConfigurationError, match="SMSBRIDGE_MYGW_FILE does not name a file that can be read"):
        account()


# --- doctor ---------------------------------------------------------------------------------------------------------------

WAITING = '{"data": [{"state": "waiting", "id": 5}], "error": null}'


def test_doctor_says_that_settings_come_from_the_file(account):
    account()
    document, code = run_json("doctor", "--account", "mygw")
    assert code == Exit.OK
    sources = {value["variable"]: (value["value"], value["source"]) for value in document["provider_settings"]}
    assert sources["SMSBRIDGE_MYGW_URL"] == ("(set)", "the file of SMSBRIDGE_MYGW_FILE")
    assert sources["SMSBRIDGE_MYGW_SENDER"] == ("ACME", "environment")
    assert sources["SMSBRIDGE_MYGW_PASSWORD"] == (None, "not set")
    assert "FAKE-FROM-THE-FILE" not in run("doctor", "--account", "mygw").output


def test_doctor_explains_a_rule_that_did_not_match(account):
    account()
    done = run("doctor", "--account", "mygw", "--answer", "-", stdin=WAITING)
    assert done.exit_code == Exit.OK
    assert "refuse_if 1: does not hold, as the answer has no 'error.code'\n    'error' is null" in done.stdout
    assert "accept_if: does not hold, as 'data.0.state' is not in 'equals'" in done.stdout
    assert """'data.0.state' is "waiting", wanted: "queued" or "sent\"""" in done.stdout
    assert "uncertain: UncertainError" in done.stdout


@pytest.mark.parametrize(
    ("body", "status", "outcome"),
    [
        (WAITING, 400, "refused"),
        (WAITING.replace("waiting", "sent"), 202, "accepted"),
        (WAITING.replace("waiting", "sent"), 502, "uncertain"),
        ('{"error": {"code": 402}}', 200, "refused"),
        ("<html>", 200, "uncertain"),
    ],
)
def test_doctor_tells_how_a_text_would_end(account, body, status, outcome):
    account()
    Path("answer").write_text(body)
    arguments = ("doctor", "--account", "mygw", "--answer", "answer", "--answer-status", str(status))
    document, code = run_json(*arguments)
    assert (code, document["answer"]["outcome"]) == (Exit.OK, outcome)
    assert outcome in run(*arguments).stdout


@pytest.mark.parametrize(
    ("id", "words"), [("", "the gateway names no id"), ('id = "{reference}"', "the id is our reference")]
)
def test_doctor_says_which_id_a_text_would_have(account, id, words):
    text = f'url = "{URL}"\n{id}\nbody = {{ to = "{{to}}", t = "{{text}}", r = "{{reference}}", s = "{{sender}}" }}\n'
    account(f"{text}accept_if = {{ status = 204 }}\n")
    done = run("doctor", "--account", "mygw", "--answer", "-", "--answer-status", "204", stdin="")
    assert "accept_if: holds" in done.stdout
    assert f"accepted: {words}" in done.stdout


def test_doctor_explains_no_answer_where_the_configuration_is_broken_or_written_in_code(account):
    with pytest.raises(ConfigurationError):
        account("oops")
    done = run("doctor", "--account", "mygw", "--answer", "-", stdin=WAITING)
    assert done.exit_code == Exit.CONFIGURATION
    assert "the answer: not explained" in done.stdout
    done = run("doctor", "--account", "memory", "--answer", "-", stdin=WAITING)
    assert done.exit_code == Exit.USAGE
    assert "--answer is for accounts of the provider http" in done.output


# --- the manual -----------------------------------------------------------------------------------------------------------

TOML = [block.code for block in manual.blocks("toml", "docs/providers/http.md")]


def test_the_manual_has_gateways():
    assert len(TOML) == 3


@pytest.mark.parametrize("text", TOML)
def test_the_gateways_of_the_manual_can_send(text):
    settings = tomllib.loads(text)
    secrets = {name: TOKEN for name in ("token", "username", "password") if f"{{{name}}}" in text}
    carrier = HttpProvider(**settings, **secrets)
    fields = {"sender": "ACME"} if "{sender}" in text else {}
    fields |= {"dlt": Dlt(template_id="1")} if "{template_id}" in text else {}
    sent = request(carrier, text="a & b", **fields)
    assert TO.removeprefix("+91") in unquote(f"{sent.url} {sent.body.decode()}")
