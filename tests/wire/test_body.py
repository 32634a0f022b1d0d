"""The body of an answer: decoding, and completeness."""

from __future__ import annotations

import bz2
import gzip
import lzma
import tracemalloc
import zlib
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smsbridge.wire.body import MAX_BODY, Body

squash = partial(gzip.compress, mtime=0)  # xdist needs the same names of tests in each process
bare = partial(zlib.compress, wbits=-15)
PLAIN = '{"id": "1", "text": "हाँ"}'.encode()


BOMB = squash(bytes(8 * MAX_BODY))


def read(body, *codings, step=None):
    reading = Body(200, [(b"Content-Encoding", coding.encode("latin-1")) for coding in codings])
    step = step or len(body) or 1
    for start in range(0, len(body), step):
        if not reading.feed(body[start : start + step]):
            break
    answer = reading.answer()
    return answer.body, answer.complete


@pytest.mark.parametrize(
    "codings",
    [
        *(
            (word,)
            for word in [
                "UTF-8",
                "utf8",
                "none",
                "None",
                "binary",
                "8bit",
                "7bit",
                "identity",
                "ascii",
                "ISO-8859-1",
                "plain",
                "text",
                "raw",
                "null",
                "en",
            ]
        ),
        ("",),
        (",",),
        ("application/json",),
        ("charset=utf-8",),
        ("identity, UTF-8",),
        ("identity", "UTF-8"),
        ("none;q=1",),
        ("'utf-8'",),
        ("\x01",),
        ("\xff",),
    ],
)
def test_what_compresses_nothing_is_no_coding(codings):
    assert read(PLAIN, *codings) == (PLAIN, True)


@pytest.mark.parametrize(
    "codings",
    [("gzip",), (" GZIP ",), ("x-gzip",), ("gzip, identity",), ("UTF-8", "gzip"), ('"gzip"',), ("gzip;q=1.0",)],
)
def test_what_compresses_is_decoded_whatever_stands_beside_it(codings):
    assert read(squash(PLAIN), *codings) == (PLAIN, True)


@pytest.mark.parametrize(
    ("body", "coding"),
    [
        (PLAIN, "gzip"),
        (PLAIN, "deflate"),
        (PLAIN, "br"),
        (PLAIN, "zstd"),
        (PLAIN, "compress"),
        (PLAIN, "x-compress"),
        (b"\x0b\x02\x80" + PLAIN, "br"),
        (b"\x28\xb5\x2f\xfd", "zstd"),
        (b"\x1f\x9d\x90", "compress"),
        (bz2.compress(PLAIN), "bzip2"),
        (lzma.compress(PLAIN), "xz"),
        (squash(PLAIN), "gzip, br"),
        (squash(squash(PLAIN)), "gzip, gzip"),
        (squash(PLAIN)[:-1], "gzip"),
        (squash(PLAIN)[:5], "gzip"),
        (squash(PLAIN)[:-8] + bytes(8), "gzip"),
        (squash(PLAIN) + squash(PLAIN)[:-3], "gzip"),
        (bz2.compress(PLAIN), "a-coding-of-tomorrow"),
        (zlib.compress(PLAIN * 20), "squeeze"),
        (zlib.compress(PLAIN), "gzip"),
        (bare(PLAIN), "gzip"),
        (squash(PLAIN), "deflate"),
        (bare(PLAIN)[:-1], "deflate"),
        (zlib.compress(PLAIN)[:-1], "deflate"),
        (squash(PLAIN) + b"\x1f\x8b", "gzip"),
        (squash(PLAIN) + b"\x1f\x8bpadding", "gzip"),
    ],
)
def test_a_real_coding_that_cannot_be_read_leaves_the_answer_unread(body, coding):
    assert read(body, coding)[1] is False


@pytest.mark.parametrize("padding", [b"\0", b"\r\n", bytes(512), b"<!-- 12 ms -->", b"\x1f", b"\x1fx", b"\x1f\x1f"])
@pytest.mark.parametrize("step", [1, 7, None])
@pytest.mark.parametrize(("coding", "encode"), [("gzip", squash), ("deflate", zlib.compress), ("deflate", bare)])
def test_padding_behind_a_compressed_body_changes_nothing(coding, encode, step, padding):
    assert read(encode(PLAIN) + padding, coding, step=step) == (PLAIN, True)


@pytest.mark.parametrize("encode", [zlib.compress, bare])
@pytest.mark.parametrize("padding", [b"\x1f\x8b", squash(b"more")])
@pytest.mark.parametrize("step", [1, 7, None])
def test_gzip_behind_deflate_is_padding(encode, step, padding):
    assert read(encode(PLAIN) + padding, "deflate", step=step) == (PLAIN, True)


@pytest.mark.parametrize("step", [1, 2, 3, None])
def test_gzip_may_have_several_members(step):
    wire = squash(PLAIN[:5]) + squash(b"") + squash(PLAIN[5:])
    assert read(wire, "gzip", step=step) == (PLAIN, True)


ENCODINGS = [("gzip", squash), ("x-gzip", squash), ("deflate", zlib.compress), ("deflate", bare), ("", bytes)]


@given(st.binary(max_size=300), st.integers(1, 50), st.sampled_from(ENCODINGS))
def test_a_body_may_arrive_in_any_pieces(data, step, encoding):
    coding, encode = encoding
    assert read(encode(data), coding, step=step) == (data, True)


@pytest.mark.parametrize("step", [65536, None])
@pytest.mark.parametrize(("coding", "encode"), ENCODINGS)
def test_no_more_is_kept_than_what_an_answer_may_hold(coding, encode, step):
    most = bytes(MAX_BODY)
    assert read(encode(most), coding, step=step) == (most, True)
    assert read(encode(most + b"1"), coding, step=step) == (most, False)


@pytest.mark.parametrize("step", [1000, None])
def test_all_members_of_gzip_share_what_an_answer_may_hold(step):
    half = bytes(MAX_BODY // 2)
    assert read(squash(half) * 2, "gzip", step=step) == (half * 2, True)
    assert read(squash(half) * 2 + squash(b""), "gzip", step=step) == (half * 2, True)
    assert read(squash(half) * 2 + squash(b"1"), "gzip", step=step) == (half * 2, False)
    assert read(squash(half) * 3, "gzip", step=step) == (half * 2, False)


@pytest.mark.parametrize("first", [0, 1, MAX_BODY - 1, MAX_BODY, MAX_BODY + 1])
def test_no_member_of_gzip_is_a_bomb(first):
    wire = squash(bytes(first)) + BOMB
    tracemalloc.start()
    try:
        body, complete = read(wire, "gzip")
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert (len(body), complete) == (MAX_BODY, False)
    assert peak < 4 * MAX_BODY


@pytest.mark.parametrize(
    ("coding", "chunks", "wanted", "complete"),
    [
        ("", [PLAIN, b"", PLAIN], [True] * 3, True),
        ("gzip", [squash(PLAIN), b"", b"padding"], [True] * 3, True),
        ("gzip", [PLAIN], [False], False),
        ("gzip", [squash(PLAIN), b"\x1f\x8bpadding"], [True, False], False),
        ("br", [PLAIN, PLAIN], [True, True], False),
        ("", [bytes(MAX_BODY), b"", b"1"], [True, True, False], False),
        ("br", [bytes(MAX_BODY), b"1"], [True, False], False),
        ("gzip", [squash(bytes(MAX_BODY)), squash(b"1")], [True, False], False),
        ("gzip", [squash(bytes(MAX_BODY + 1))], [False], False),
        # The encoded body has the same bound.
        ("gzip", [squash(PLAIN), bytes(MAX_BODY - len(squash(PLAIN)))], [True, True], True),
        ("gzip", [squash(PLAIN), bytes(MAX_BODY - len(squash(PLAIN)) + 1)], [True, False], False),
    ],
)
def test_no_more_is_wanted_of_what_is_too_large_or_cannot_be_decoded(coding, chunks, wanted, complete):
    body = Body(200, [(b"Content-Encoding", coding.encode())])
    assert [body.feed(chunk) for chunk in chunks] == wanted
    assert body.answer().complete is complete


@pytest.mark.parametrize("byte", range(32))
def test_bytes_that_no_text_has_tell_that_an_unknown_coding_compressed(byte):
    body = bytes([byte])
    text = body in b"\t\n\x0b\x0c\r\x1a\x1b"
    assert [read(body, *codings)[1] for codings in [(), ("identity",), ("",)]] == [True] * 3
    assert [read(body, *codings)[1] for codings in [("UTF-8",), ("identity, tomorrow",)]] == [text] * 2


def test_an_answer_keeps_status_and_headers():
    answer = Body(418, [(b"X-Name", b"a"), (b"x-name", b"b")]).answer()
    assert (answer.status, answer.headers, answer.body, answer.complete) == (418, {"x-name": "a, b"}, b"", True)


def test_odd_bytes_in_a_header_become_question_marks():
    assert Body(200, [(b"X-Odd", b"a\x01b"), (b"X-Name", b"\xe9")]).answer().headers == {"x-odd": "a?b", "x-name": "é"}
