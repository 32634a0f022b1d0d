"""The head of an answer: an odd header that is not needed does not hide the answer."""

from __future__ import annotations

import h11
import httpcore
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from smsbridge.wire.heads import Head, tidy

OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n"


def parsed(wire):
    """The status, headers and body that h11 reads from ``wire``, the whole input."""
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


@pytest.mark.parametrize(
    ("first", "tidied"),
    [
        (b"HTTP/1.1  200 OK", b"HTTP/1.1 200 OK"),
        (b"http/1.1 200", b"HTTP/1.1 200 "),
        (b"HTTP/1.1\t200\tOK then", b"HTTP/1.1 200 OK then"),
        (b"HTTP/1.0  200 OK", b"HTTP/1.0 200 OK"),
        (b"http/0.9 200 OK", b"HTTP/1.0 200 OK"),
        (b"HTTP/1 200 OK", b"HTTP/1.1 200 OK"),
        (b"HTTP/2 200 OK", b"HTTP/1.1 200 OK"),
        (b"HTTP/2.0 200 OK", b"HTTP/1.1 200 OK"),
        (b"HTTP/1.9 200 OK", b"HTTP/1.1 200 OK"),
        (b"HTTP/1.1 200 \x00a\rb\x0b\x0c ", b"HTTP/1.1 200 ?a?b"),
        (b"HTTP/1.1  299   ", b"HTTP/1.1 299 "),
    ],
)
@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r\r\n"])
def test_a_status_line_keeps_what_it_means(first, tidied, end):
    assert tidy(first + end + b"X: y" + end + b"\r\n") == tidied + b"\r\nX: y\r\n\r\n"


@pytest.mark.parametrize(
    ("lines", "tidied"),
    [
        (b"X: a\n Y: b\n\tc\n", b"X: a Y: b c\r\n"),
        (b" X: a\nY: b\n", b"Y: b\r\n"),
        (b"X: a\n \n\t\nY: b\n", b"X: a\r\nY: b\r\n"),
        (b"X: a\n \x00b\x00\n", b"X: a ?b?\r\n"),
        (b"X: a\nno colon\n b\n", b"X: a b\r\n"),
        (b"X\t : \t a \t\nX: b\n", b"X: a\r\nX: b\r\n"),
        (b"X:a:b\n", b"X: a:b\r\n"),
        (b"X: a\r\nX: b\r\r\n", b"X: a\r\nX: b\r\n"),
        (b"Y\x00: a\n: b\nX Y: c\nZ\n\xe9: d\n", b""),
        (b"Content-Length: 2\nContent-Length: 2\n", b"Content-Length: 2\r\nContent-Length: 2\r\n"),
        (b"Transfer-Encoding: chunked\nX: y\n", b"X: y\r\ntransfer-encoding: chunked\r\n"),
        (b"transfer-encoding: Chunked, chunked ,\nTRANSFER-ENCODING: identity\n", b"transfer-encoding: chunked\r\n"),
        (b"Transfer-Encoding: identity\nTransfer-Encoding:\n", b""),
        (b"Transfer-Encoding: GZip,identity\nTransfer-Encoding: chunked\n", b"transfer-encoding: gzip, chunked\r\n"),
        (b"Transfer-Encoding: chunked, gzip\n", b"transfer-encoding: chunked, gzip\r\n"),
    ],
)
def test_headers_keep_their_order_and_what_they_mean(lines, tidied):
    assert tidy(b"HTTP/1.1 200 OK\n" + lines + b"\n") == b"HTTP/1.1 200 OK\r\n" + tidied + b"\r\n"


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


@pytest.mark.parametrize("first", [b"HTTP/1.1 200 OK\r\nX: ", b"HTTP/1.1 100 Continue\r\nX: "])
def test_a_head_that_is_longer_than_the_parser_takes_is_not_held_back(first):
    most = httpcore.HTTP11Connection.MAX_INCOMPLETE_EVENT_SIZE
    head, wire = Head(), first + b"y" * (most - len(first))
    assert head.feed(wire) == b""
    assert head.begun is first.endswith(b"OK\r\nX: ")
    assert head.feed(b"y") == wire + b"y"
    assert (head.passed, head.begun, head.surplus) == (True, True, True)
    assert head.feed(b"more") == b"more"


@pytest.mark.parametrize("step", [1, 2, 1000])
@pytest.mark.parametrize("behind", [b"", b"x", b"\r\n"])
@pytest.mark.parametrize("before", [b"", b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 199 \r\nX: y\n\n"])
def test_what_is_there_with_the_head_is_surplus(before, behind, step):
    head, wire = Head(), before + OK
    assert (head.passed, head.surplus) == (False, False)
    wire, last = wire[:-1], wire[-1:]
    for start in range(0, len(wire), step):
        assert head.feed(wire[start : start + step]) == b""
        assert (head.passed, head.surplus) == (False, False)
    assert head.feed(last + behind) == OK + behind
    assert (head.passed, head.surplus) == (True, bool(behind))
    assert head.feed(b"later") == b"later"
    assert head.surplus is bool(behind)


def test_what_is_held_back_when_the_server_hangs_up_is_passed_on():
    head = Head()
    assert head.feed(b"HTTP/1.1 200 OK\r\nX") == b""
    assert head.rest() == b"HTTP/1.1 200 OK\r\nX"


INFORMATIONAL = [
    b"",
    b"\r\n",
    b"HTTP/1.1 100 Continue\r\n\r\n",
    b"HTTP/1.1 100\n\n",
    b"HTTP/2  103   Early Hints\r\nLink: \x00\r\n\r\n",
    b"HTTP/1.1 199 \xff\r\nContent-Length: 9\r\n\r\n\r\n",
    b"HTTP/1.1 102 Processing\r\n\r\n" * 3,
]
FINAL = [
    (b"HTTP/1.1 413", b" Too Large\r\n\r\n"),
    (b"HTTP/1.1 101", b" Switching Protocols\r\n\r\n"),
    (b"HTTP/1.0\t200", b"\r\n\r\n"),
    (b"HTTP/1.1 1000\n", b"\r\n"),
    (b"HTTP/1.1 OK\n", b"\r\n"),
    (b"HTTP/1.1\n", b"100 Continue\r\n\r\n"),
    (b"g", b"arbage"),
    (b"HTTQ", b""),
]


@pytest.mark.parametrize("before", INFORMATIONAL)
@pytest.mark.parametrize(("first", "rest"), FINAL)
@pytest.mark.parametrize("step", [1, 5, 1000])
def test_an_informational_answer_is_not_yet_the_answer(before, first, rest, step):
    head, wire = Head(), before + first[:-1]
    for start in range(0, len(wire), step):
        assert head.feed(wire[start : start + step]) == b""
        assert not head.begun
    passed = head.feed(first[-1:])
    assert head.begun
    passed += head.feed(rest)
    assert head.begun
    assert passed + head.rest() == tidy(first + rest)
