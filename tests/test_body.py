"""The body of an answer: what is decoded, and what of it is whole."""

from __future__ import annotations

import bz2
import gzip
import lzma
import zlib
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smsbridge.body import MAX_BODY, Body

squash = partial(gzip.compress, mtime=0)  # xdist wants the same names of tests in each process
PLAIN = '{"id": "1", "text": "हाँ"}'.encode()


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
    ],
)
def test_a_real_coding_that_cannot_be_read_leaves_the_answer_unread(body, coding):
    assert read(body, coding)[1] is False


@pytest.mark.parametrize("padding", [b"\0", b"\r\n", bytes(512), b"<!-- 12 ms -->", b"\x1f"])
@pytest.mark.parametrize("step", [1, 7, None])
@pytest.mark.parametrize(("coding", "encode"), [("gzip", squash), ("deflate", zlib.compress)])
def test_padding_behind_a_compressed_body_changes_nothing(coding, encode, step, padding):
    assert read(encode(PLAIN) + padding, coding, step=step) == (PLAIN, True)


@pytest.mark.parametrize("step", [1, 2, 3, None])
def test_gzip_may_have_several_members(step):
    wire = squash(PLAIN[:5]) + squash(b"") + squash(PLAIN[5:])
    assert read(wire, "gzip", step=step) == (PLAIN, True)


@given(st.binary(max_size=300), st.integers(1, 50), st.sampled_from(["gzip", "deflate"]))
def test_a_body_may_arrive_in_any_pieces(data, step, coding):
    wire = squash(data) if coding == "gzip" else zlib.compress(data)
    assert read(wire, coding, step=step) == (data, True)


@pytest.mark.parametrize(("coding", "encode"), [("gzip", squash), ("deflate", zlib.compress), ("", bytes)])
def test_no_more_is_kept_than_what_an_answer_may_hold(coding, encode):
    most = bytes(MAX_BODY)
    assert read(encode(most), coding, step=65536) == (most, True)
    assert read(encode(most + b"1"), coding, step=65536) == (most, False)


def test_odd_bytes_in_a_header_become_question_marks():
    assert Body(200, [(b"X-Odd", b"a\x01b"), (b"X-Name", b"\xe9")]).answer().headers == {"x-odd": "a?b", "x-name": "é"}
