"""Requests and responses are values: exact bytes, clear meanings, and no private values in repr."""

from __future__ import annotations

import contextlib
import json
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smsbridge.errors import (
    AuthenticationError,
    ContentError,
    FundsError,
    OptedOutError,
    PayloadError,
    RateLimitedError,
    RecipientError,
    RefusedError,
    SenderError,
    UncertainError,
)
from smsbridge.http import Await, Call, Headers, HttpRequest, HttpResponse, Wait, can_refuse, with_query

SECRET = "SECRET-dummy"


def flow_of(step):
    return (yield from step)


# --- steps ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("step", [HttpRequest(method="GET", url="https://a.example"), Wait(1), Call(print, 1)])
def test_a_step_is_yielded_to_the_driver_and_returns_its_answer(step):
    flow = flow_of(step)
    assert next(flow) is step
    with pytest.raises(StopIteration) as stop:
        flow.send("answer")
    assert stop.value.value == "answer"


# --- requests -------------------------------------------------------------------------------------------------------------


def test_a_json_body_is_utf8():
    request = HttpRequest.post_json("https://a.example", {"text": "नमस्ते"})
    assert json.loads(request.body.decode()) == {"text": "नमस्ते"}
    assert "नमस्ते".encode() in request.body
    assert request.content_type == "application/json"


@given(st.dictionaries(st.text(min_size=1), st.text()))
def test_form_and_query_carry_any_text(fields):
    rows = list(fields.items())
    assert HttpRequest.post_form("https://a.example", fields).form() == rows
    assert HttpRequest.get("https://a.example/x?a=1", fields).query == [("a", "1"), *rows]


@pytest.mark.parametrize("url", ["https://a.example/x", "https://a.example/x?a=1#b"])
def test_a_url_without_parameters_stays_as_it_is(url):
    assert with_query(url, {}) == url


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://a.example/x#rc=2", "https://a.example/x?n=1#rc=2"),
        ("https://a.example/x?a=1#rc=2", "https://a.example/x?a=1&n=1#rc=2"),
        ("https://a.example/x#what?", "https://a.example/x?n=1#what?"),
    ],
)
def test_a_query_comes_before_the_fragment(url, expected):
    assert with_query(url, {"n": 1}) == expected


def test_a_given_header_replaces_the_content_type():
    request = HttpRequest.post_json("https://a.example", {}, headers={"content-type": "application/vnd.x+json; v=1"})
    assert request.content_type == "application/vnd.x+json"


def test_headers_are_found_in_any_case_and_joined_when_repeated():
    headers = Headers([("X-A", "1"), ("x-a", "2"), ("B", "3")])
    assert headers["x-A"] == "1, 2"
    assert list(headers) == ["x-a", "b"]
    assert len(headers) == 2


@pytest.mark.parametrize("value", ["a\nb", "a\rb", "a\0b", "नमस्ते", "a\x7fb"])
def test_a_header_cannot_smuggle_another_one_in_and_its_value_is_not_shown(value):
    with pytest.raises(ValueError, match="x-token") as caught:
        HttpRequest.get("https://a.example", headers={"x-token": f"{SECRET}{value}"})
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize(
    "value",
    [
        HttpRequest.post_json(
            f"https://u:{SECRET}@a.example:8443/{SECRET}?t={SECRET}", {"t": SECRET}, headers={"authorization": SECRET}
        ),
        HttpResponse(status=200, headers={"x": SECRET}, body=SECRET.encode()),
        HttpResponse(status=200, body=SECRET.encode(), complete=False),
        Headers({"authorization": SECRET}),
        Call(print, SECRET),
        Await(SECRET),
        HttpRequest.get(f"https://[{SECRET}/"),
        HttpRequest.get(f"https://a.example:{SECRET}/"),
    ],
)
def test_repr_shows_no_path_header_body_or_argument(value):
    assert SECRET not in repr(value)


def test_a_call_says_whether_it_may_send():
    assert [(call.args, call.sends) for call in (Call(print, 1, 2), Call(print, sends=True))] == [
        ((1, 2), False),
        ((), True),
    ]


def test_repr_shows_where_a_request_goes():
    assert (
        repr(HttpRequest.get("https://a.example:8443/x"))
        == "<HttpRequest GET https://a.example:8443/…, body of 0 bytes>"
    )


# --- webhooks -------------------------------------------------------------------------------------------------------------


@given(st.lists(st.tuples(st.text(), st.text())))
def test_pairs_as_bytes_are_the_same_pairs_before_their_characters_are_read(rows):
    in_bytes = [(name.encode(), value.encode()) for name, value in rows]
    assert HttpRequest.post_form("https://a.example", rows).form_bytes() == in_bytes
    assert HttpRequest.get("https://a.example", rows).query_bytes == in_bytes


@pytest.mark.parametrize(
    ("encoded", "pairs"),
    [
        (b"", []),
        (b"&&", []),
        (b"a&=b&c=d=e", [(b"a", b""), (b"", b"b"), (b"c", b"d=e")]),
        (b"a=%ff+%2B%zz", [(b"a", b"\xff +%zz")]),
        (b"a=%C3%a4&a=1", [(b"a", "ä".encode()), (b"a", b"1")]),
    ],
)
def test_pairs_as_bytes_are_percent_decoded_and_no_further(encoded, pairs):
    assert HttpRequest(method="POST", url="https://a.example", body=encoded).form_bytes() == pairs
    assert HttpRequest(method="GET", url=f"https://a.example?{encoded.decode()}").query_bytes == pairs


@given(st.binary())
def test_every_body_can_be_read_as_pairs_of_bytes(body):
    assert isinstance(HttpRequest(method="POST", url="https://a.example", body=body).form_bytes(), list)


def test_a_byte_order_mark_before_json_is_passed_over():
    body = b'\xef\xbb\xbf{"id": 7}'
    assert HttpRequest(method="POST", url="https://a.example", body=body).json() == {"id": 7}
    assert HttpResponse(status=200, body=body).json_object() == {"id": 7}


@pytest.mark.parametrize("body", [b"", b"{", b"\xff\xfe", b"[" * 100_000, b"1" * 5000])
def test_a_webhook_that_is_not_json_is_refused_without_being_quoted(body):
    with pytest.raises(PayloadError, match=r"^the webhook's body is not JSON$"):
        HttpRequest(method="POST", url="https://a.example", body=body).json()


@pytest.mark.parametrize("body", [b"a=%ff", "a=ä".encode(), b"&".join([b"a=1"] * 1001)])
def test_a_webhook_form_that_cannot_be_decoded_is_refused(body):
    with pytest.raises(PayloadError):
        HttpRequest(method="POST", url="https://a.example", body=body).form()


def test_a_webhook_query_that_cannot_be_decoded_is_refused():
    with pytest.raises(PayloadError, match="parameters"):
        _ = HttpRequest(method="GET", url="https://a.example?a=%ff").query


# --- errors of a response -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "kind", "fault", "words"),
    [
        (301, RefusedError, "account", "base URL"),
        (302, UncertainError, "provider", "302"),
        (303, UncertainError, "provider", "303"),
        (307, RefusedError, "account", "base URL"),
        (308, RefusedError, "account", "base URL"),
        (400, RefusedError, "message", "400 Bad Request"),
        (401, AuthenticationError, "account", "check the credentials"),
        (402, FundsError, "account", "402"),
        (403, AuthenticationError, "account", "check the permissions and the IP allow list"),
        (404, RefusedError, "account", "base URL"),
        (405, RefusedError, "account", "405"),
        (408, UncertainError, "provider", "408"),
        (409, RefusedError, "message", "409 Conflict"),
        (413, ContentError, "message", "413"),
        (414, ContentError, "message", "414"),
        (422, RefusedError, "message", "422"),
        (429, RateLimitedError, "account", "429 Too Many Requests"),
        (425, RefusedError, "account", "HTTP 425"),
        (451, RefusedError, "account", "HTTP 451"),
        (460, UncertainError, "provider", "HTTP 460"),
        (498, RefusedError, "account", "HTTP 498"),
        (499, UncertainError, "provider", "HTTP 499"),
        (500, UncertainError, "provider", "500 Internal Server Error"),
        (502, UncertainError, "provider", "502 Bad Gateway"),
        (503, UncertainError, "provider", "503"),
        (504, UncertainError, "provider", "504"),
        (200, UncertainError, "provider", "200"),
        (101, UncertainError, "provider", "101"),
        (799, UncertainError, "provider", "HTTP 799"),
    ],
)
def test_the_status_decides_what_kind_of_error_it_is(status, kind, fault, words):
    error = HttpResponse(status=status, body=b"<html>").error()
    assert type(error) is kind
    assert error.fault == fault
    assert error.code == str(status)
    assert words in str(error)


def test_a_provider_may_know_better_than_the_status():
    error = HttpResponse(status=400).error(RecipientError, code="21211", detail="bad number", reason="invalid")
    assert type(error) is RecipientError
    assert (error.code, error.detail, error.reason, error.fault) == ("21211", "bad number", "invalid", "message")


REFUSALS = [
    RefusedError,
    RecipientError,
    ContentError,
    OptedOutError,
    SenderError,
    AuthenticationError,
    FundsError,
    RateLimitedError,
]
CERTAIN = {*range(200, 300), 301, 307, 308, *range(400, 500)} - {408, 460, 499}
TIMED_OUT = {408, 460, 499, 504, 524, 598, 599}


@pytest.mark.parametrize("kind", REFUSALS)
def test_no_body_makes_a_refusal_of_a_status_that_leaves_it_open(kind):
    for status in range(1000):
        error = HttpResponse(status=status).error(kind, code="1001", reason="why", detail="words", fault="account")
        assert type(error) is (kind if status in CERTAIN else UncertainError)
        assert (error.code, error.reason) == ("1001", "why")
        assert error.fault == ("account" if status in CERTAIN else "provider")


def test_a_vendor_may_document_a_status_as_a_refusal_but_never_a_time_out():
    for status in range(1000):
        error = HttpResponse(status=status).error(FundsError, documented=True)
        assert type(error) is (UncertainError if status in TIMED_OUT else FundsError)
        assert can_refuse(status, documented=True) is (status not in TIMED_OUT)


def test_without_a_kind_a_status_that_leaves_it_open_is_uncertain():
    for status in range(1000):
        certain = status in CERTAIN and not 200 <= status < 300  # for a 2xx, the body decides
        assert isinstance(HttpResponse(status=status).error(), RefusedError) is certain


@pytest.mark.parametrize("body", [b"", b"<html>", b"Not Found", b'"Not Found"', b'{"code"', b"[" * 100_000])
def test_a_404_that_is_not_the_apis_may_be_about_the_base_url(body):
    assert HttpResponse(status=404, body=body).error().detail == "HTTP 404 Not Found (check the base URL)"
    assert HttpResponse(status=404, body=body).error(detail="no").detail == "no (check the base URL)"


@pytest.mark.parametrize("body", [b"{}", b"[]", b'{"code": 20404}', b"\xef\xbb\xbf{}"])
def test_a_404_in_json_is_the_apis_own_and_not_about_the_base_url(body):
    assert HttpResponse(status=404, body=body).error().detail == "HTTP 404 Not Found"
    assert HttpResponse(status=404, body=body).error(detail="no such text").detail == "no such text"


def test_a_refusal_lasts_as_long_as_the_vendor_documents_unless_the_answer_says_otherwise():
    assert HttpResponse(status=402).error(retry_after=120).retry_after == 120
    assert HttpResponse(status=402, headers={"retry-after": "0"}).error(retry_after=120).retry_after == 0
    assert HttpResponse(status=402, headers={"retry-after": "soon"}).error(retry_after=120).retry_after == 120


def test_too_long_a_text_has_a_reason():
    assert HttpResponse(status=413).error().reason == "too-long"


def now_plus(seconds):
    return format_datetime(datetime.now(UTC) + timedelta(seconds=seconds), usegmt=True)


@pytest.mark.parametrize("header", ["7", "7.5", " 7 "])
def test_retry_after_in_seconds(header):
    error = HttpResponse(status=429, headers={"Retry-After": header}).error()
    assert error.retry_after == float(header)


def test_retry_after_as_a_date_is_seconds_from_now():
    assert 50 < HttpResponse(status=429, headers={"Retry-After": now_plus(60)}).error().retry_after <= 60


def test_a_date_that_has_passed_means_now():
    assert HttpResponse(status=429, headers={"Retry-After": now_plus(-60)}).error().retry_after == 0


@pytest.mark.parametrize(
    "header",
    [
        "",
        "soon",
        "-1",
        "1e400",
        "nan",
        "99999999999999",
        "Fri, 31 Dec 99999999999999999999 23:59:59 GMT",
        "Fri, 31 Dec 2026 23:59:59 +99999999999999",
    ],
)
def test_an_odd_retry_after_is_none(header):
    assert HttpResponse(status=429, headers={"Retry-After": header}).error().retry_after is None


def test_without_the_header_there_is_no_retry_after():
    assert HttpResponse(status=429).error().retry_after is None


@given(st.text("0123456789 ,:+-GMTFriDecJan.", max_size=40))
def test_no_retry_after_breaks_the_reading_of_an_answer(header):
    after = HttpResponse(status=429, headers={"Retry-After": header}).error().retry_after
    assert after is None or after >= 0


@pytest.mark.parametrize(
    ("response", "words"),
    [
        (HttpResponse(status=200, body=b""), "not JSON"),
        (HttpResponse(status=200, body=b"<html>ok</html>"), "not JSON"),
        (HttpResponse(status=200, body=b'{"id": \xff}'), "not JSON"),
        (HttpResponse(status=200, body=b"[" * 100_000), "not JSON"),
        (HttpResponse(status=200, body=b'{"id": 1}', complete=False), "cut off or too large"),
        (HttpResponse(status=200, body=b"[]"), "not an object"),
        (HttpResponse(status=200, body=b'"ok"'), "not an object"),
        (HttpResponse(status=200, body=b"null"), "not an object"),
    ],
)
def test_a_success_that_cannot_be_read_is_uncertain(response, words):
    with pytest.raises(UncertainError, match=words):
        response.json_object()


@pytest.mark.parametrize(
    "body",
    [
        '\ufeff{"text": "é"}'.encode(),
        '{"text": "é"}'.encode("latin-1"),
        '{"text": "é"}'.encode("utf-16"),
        '{"text": "é"}'.encode("utf-16-le"),
        '{"text": "é"}\n\n'.encode(),
        '\r\n {"text": "é"}\x00\x00\x00'.encode(),
        '{"text": "é"}\x1a'.encode(),
        '{"text": "é"}\xa0'.encode(),
    ],
    ids=["BOM", "Latin-1", "UTF-16", "UTF-16 without BOM", "line ends", "NUL", "Ctrl-Z", "no-break space"],
)
def test_odd_bytes_around_and_in_json_change_no_meaning(body):
    assert HttpResponse(status=200, body=body).json_object() == {"text": "é"}


def test_a_line_end_in_a_text_of_json_changes_no_meaning():
    assert HttpResponse(status=200, body=b'{"text": "a\nb\tc\x01"}').json() == {"text": "a\nb\tc\x01"}


def test_a_refusal_that_cannot_be_read_is_still_a_refusal():
    with pytest.raises(AuthenticationError, match="not JSON"):
        HttpResponse(status=401, body=b"<html>").json()


@given(st.integers(0, 999), st.binary(max_size=40), st.booleans())
def test_an_answer_can_be_read_or_is_a_send_error_and_never_anything_else(status, body, complete):
    response = HttpResponse(status=status, body=body, complete=complete)
    with contextlib.suppress(RefusedError, UncertainError):
        assert isinstance(response.json_object(), dict)


@pytest.mark.parametrize(("status", "ok"), [(199, False), (200, True), (299, True), (300, False)])
def test_ok_is_the_200_range(status, ok):
    assert HttpResponse(status=status).ok is ok


def test_an_answer_made_of_json_is_read_again():
    response = HttpResponse.of_json({"a": "ä"}, status=202)
    assert (response.status, response.content_type, response.json()) == (202, "application/json", {"a": "ä"})
