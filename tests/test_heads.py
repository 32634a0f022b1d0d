"""The head of an answer: what is odd in it and needed by nothing does not hide the answer."""

from __future__ import annotations

import h11
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from smsbridge.heads import Head, begins_an_answer, tidy

OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n"


def parsed(wire):
    """The status, headers and body that h11 reads of ``wire``, which is all that comes."""
    client = h11.Connection(our_role=h11.CLIENT)
    client.send(h11.Request(method="POST", target="/", headers=[("Host", "x"), ("Content-Length", "0")]))
    client.send(h11.EndOfMessage())
    client.receive_data(wire)
    client.receive_data(b"")
    response, body = None, b""
    while not isinstance(event := client.next_event(), h11.EndOfMessage):
        if isinstance(event, h11.Response):
            response = event
        elif isinstance(event, h11.Data):
            body += event.data
    return response.status_code, dict(response.headers), body


@pytest.mark.parametrize(
    "line",
    [
        b"X: a\x00b",
        b"X: a\x0bb",
        b"X: a\x0cb",
        b"X: a\rb",
        b"X: a\x1b[31m",
        b"X: a\x7f\x80\xff",
        b"X: \xe2\x82\xac",
        b"X:",
        b"X:a",
        b"X: ",
        b"X : a",
        b"X\t: a",
        b"X Y: a",
        b"X(1): a",
        b"\xd0\x96: a",
        b"X\x00: a",
        b": a",
        b"no colon",
        b"<!-- a comment -->",
        b"X: a\r\n b",
        b"X: a\r\n\tb\r\n  c\x00",
        b"X: a\n b",
        b"X: a\r\n ",
        b"Content-Length: 2",
        b"Content-Length: 2, 2",
        b"Transfer-Encoding: identity",
        b"Transfer-Encoding:",
        b"Set-Cookie: a=\x01; path=/",
    ],
)
@pytest.mark.parametrize("place", ["first", "last"])
def test_an_odd_header_does_not_hide_the_answer(line, place):
    head = OK.replace(b"Content-Type", line + b"\r\nContent-Type") if place == "first" else OK[:-2] + line + b"\r\n\r\n"
    status, headers, body = parsed(tidy(head) + b"{}")
    assert (status, body) == (200, b"{}")
    assert headers[b"content-type"] == b"application/json"


@pytest.mark.parametrize(
    "first",
    [
        b"HTTP/1.1 200",
        b"HTTP/1.1 200 ",
        b"HTTP/1.1  200  OK",
        b"HTTP/1.1\t200\tOK",
        b"http/1.1 200 ok",
        b"HTTP/1 200 OK",
        b"HTTP/2 200",
        b"HTTP/2.0 200 OK",
        b"HTTP/1.1 200 \x00\x0b\x1b\xff",
        b"HTTP/1.1 200 A\rB",
    ],
)
def test_an_odd_status_line_is_read(first):
    assert parsed(tidy(OK.replace(b"HTTP/1.1 200 OK", first)) + b"{}")[::2] == (200, b"{}")


@pytest.mark.parametrize(
    "lines",
    [
        b"Transfer-Encoding: chunked",
        b"Transfer-Encoding : Chunked",
        b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
        b"Transfer-Encoding: chunked, chunked",
        b"Transfer-Encoding: identity, chunked",
        b"transfer-encoding: chunked\r\nContent-Length: 2",
        b"Transfer-Encoding:\r\n chunked",
    ],
)
def test_chunks_are_read_however_they_are_announced(lines):
    assert parsed(tidy(b"HTTP/1.1 200 OK\r\n" + lines + b"\r\n\r\n") + b"2\r\n{}\r\n0\r\n\r\n")[2] == b"{}"


@pytest.mark.parametrize(
    "lines", [b"Content-Length: 2\r\nContent-Length: 3", b"Content-Length: 2, 3", b"Transfer-Encoding: gzip, chunked"]
)
def test_where_a_body_ends_is_never_guessed(lines):
    with pytest.raises(h11.RemoteProtocolError):
        parsed(tidy(b"HTTP/1.1 200 OK\r\n" + lines + b"\r\n\r\n") + b"{}")


@pytest.mark.parametrize(
    "first", [b" HTTP/1.1 200 OK", b"HTTP/1.1 OK", b"HTTP/1.1 2000 OK", b"HTTP/1.1 200OK", b"ICY 200 OK"]
)
def test_what_is_no_status_line_is_no_answer(first):
    with pytest.raises(h11.RemoteProtocolError):
        parsed(tidy(OK.replace(b"HTTP/1.1 200 OK", first)) + b"{}")


@pytest.mark.parametrize("head", [OK, b"HTTP/1.0 503 \xe9\r\n\r\n"])
def test_a_head_that_is_as_it_should_be_passes_byte_for_byte(head):
    assert tidy(head) == head


VALUES = st.binary(max_size=20).map(lambda value: value.replace(b"\n", b""))
NAMES = st.binary(max_size=8).map(lambda name: name.replace(b"\n", b""))


@given(st.lists(st.tuples(NAMES, VALUES), max_size=6))
def test_no_header_hides_the_answer(headers):
    framing = (b"content-length", b"transfer-encoding")
    lines = [b"x" + name + b":" + value for name, value in headers if name.strip().lower() not in framing]
    head = b"\r\n".join([b"HTTP/1.1 201 Created", *lines, b"Content-Length: 2", *lines]) + b"\r\n\r\n"
    assert parsed(tidy(head) + b"{}")[::2] == (201, b"{}")


WIRES = [
    OK + b"{}",
    OK.replace(b"\r\n", b"\n") + b"{}",
    b"\r\n\r\n" + OK + b"{}",
    b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: \x00\r\n\r\n" + OK + b"{}",
    b"HTTP/1.1 200 OK\r\nX: a\x00\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
]


@pytest.mark.parametrize("wire", WIRES)
@given(st.lists(st.integers(1, 30), max_size=10))
@example([1] * 300)
def test_a_head_may_arrive_in_any_pieces(wire, sizes):
    head, passed, rest = Head(), b"", wire
    for size in sizes:
        passed += head.feed(rest[:size]) if rest[:size] else b""
        rest = rest[size:]
    passed += head.feed(rest) if rest else b""
    assert parsed(passed)[::2] == (200, b"{}")
    assert head.passed


@pytest.mark.parametrize("wire", [b"220 smtp ready\r\n", b"\x16\x03\x01\x02\x00", b"\x05\x00", b"<html>", b"HTTQ"])
def test_what_is_no_answer_is_not_held_back(wire):
    head = Head()
    assert head.feed(wire) == wire


def test_a_head_without_end_is_not_held_back_for_ever():
    head = Head()
    fed = [head.feed(b"HTTP/1.1 200 OK\r\n" if number == 0 else b"X: y\r\n" * 1000) for number in range(40)]
    assert sum(map(len, fed)) == len(b"HTTP/1.1 200 OK\r\n") + 39 * 6000


def test_what_is_held_back_when_the_server_hangs_up_is_passed_on():
    head = Head()
    assert head.feed(b"HTTP/1.1 200 OK\r\nX") == b""
    assert head.rest() == b"HTTP/1.1 200 OK\r\nX"


@pytest.mark.parametrize(
    ("data", "begins"),
    [
        (b"", False),
        (b"\r\n", False),
        (b"HTTP/1.1 1", False),
        (b"HTTP/1.1 100 Continue\r\n", False),
        (b"HTTP/1.1 100 Continue\r\n\r\n", False),
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 102", False),
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 413 Too Large\r\n", True),
        (b"HTTP/1.1 413 Too Large\r\n\r\n", True),
        (b"HTTP/1.1 101 Switching Protocols\r\n\r\n", True),
        (b"garbage", True),
    ],
)
def test_an_informational_answer_is_not_yet_the_answer(data, begins):
    assert begins_an_answer(data) is begins
