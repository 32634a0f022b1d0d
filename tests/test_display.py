"""Words from outside are cleaned before they are shown."""

from __future__ import annotations

import json
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smsbridge.display import LONGEST_ON_SCREEN, json_text, line, pictures, screen, screen_line
from smsbridge.errors import ConfigurationError, QueryError, RefusedError, SmsBridgeError, UncertainError

COMMANDS = "\x1b[2J\x1b]0;owned\x07"
LINE_ENDS = "\n\r\v\f\x1c\x1d\x1e\x85\u2028\u2029"
UNSEEN = (
    "\x00\x7f\x80\x9b\u200b\u200c\u200d\u200e\u200f\u202a\u202e\u2066\u2069\u2060\ufeff\u061c\xad\ud83d\udc00\U000e0041"
)
EVERY = [chr(code) for code in range(0x110000)]
HOSTILE = st.text(st.one_of(st.characters(), st.sampled_from(COMMANDS + LINE_ENDS + UNSEEN)), max_size=80)


def harmless(text):
    """Whether ``text`` is a single line without control or direction characters."""
    return not [character for character in text if unicodedata.category(character) in ("Cc", "Cf", "Cs", "Zl", "Zp")]


def test_there_is_no_character_that_a_line_passes_on_to_a_terminal():
    assert harmless(line("".join(EVERY), len(EVERY)))


@pytest.mark.parametrize("show", [line, screen_line, screen])
def test_there_is_no_control_character_that_is_passed_on(show):
    for start in range(0, len(EVERY), 1000):
        shown = show("".join(EVERY[start : start + 1000])[:LONGEST_ON_SCREEN])
        assert not [
            character
            for character in shown
            if unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp") and character not in "\t\n"
        ]
        assert not set(shown) & set("\u202a\u202e\u2066\u2069\u200b\u200e\ufeff\U000e0041")


@given(HOSTILE)
def test_a_line_is_one_line(text):
    assert harmless(line(text))
    assert len(screen_line(text).splitlines()) <= 1


@pytest.mark.parametrize(("show", "longest"), [(line, 500), (screen_line, LONGEST_ON_SCREEN)])
def test_a_line_has_an_end(show, longest):
    assert show("x" * longest) == "x" * longest
    assert show("x" * 1_000_000) == "x" * longest + "…"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain words, ₹ 500, नमस्ते, 你好 🎉", "plain words, ₹ 500, नमस्ते, 你好 🎉"),
        ("17\nINFO all is well", "17 INFO all is well"),
        ("\x1b[31mred", "␛[31mred"),
        ("\x9b31mred", "\N{REPLACEMENT CHARACTER}31mred"),
        ("a\u202eb", "a\N{REPLACEMENT CHARACTER}b"),
        ("soft\xadhyphen", "softhyphen"),
        ("half \ud83d", "half \N{REPLACEMENT CHARACTER}"),
        ("tagged\U000e0041\U000e0042", "tagged"),
        (None, "None"),
    ],
)
def test_words_stay_words(text, shown):
    assert line(text) == shown


def test_a_text_on_a_screen_keeps_its_lines_and_the_forms_of_its_letters():
    text = "क्\u200dष\nof two\tlines 👨\u200d👩\u200d👧"
    assert screen(text) == text
    assert screen_line(text) == text.replace("\n", " ").replace("\t", " ")


@given(
    st.recursive(HOSTILE | st.integers() | st.none(), lambda inner: st.lists(inner) | st.dictionaries(HOSTILE, inner))
)
def test_json_means_the_same_and_shows_nothing_that_it_should_not(document):
    shown = json_text(json.dumps(document, ensure_ascii=False))
    assert json.loads(shown) == json.loads(json.dumps(document))
    assert harmless(shown)


def test_every_control_character_has_a_picture_or_a_stand_in():
    assert harmless(pictures("".join(map(chr, range(0xA0)))))


# --- errors ---------------------------------------------------------------------------------------------------------------

WORDS = ("code", "reason", "detail", "account")


@given(st.sampled_from([RefusedError, UncertainError, QueryError]), HOSTILE, st.sampled_from(WORDS))
def test_an_error_is_one_line_whatever_a_vendor_said(kind, words, name):
    error = kind(words, **{name: words})
    assert harmless(str(error))
    assert harmless(repr(error))


@given(st.sampled_from([SmsBridgeError, ConfigurationError]), HOSTILE)
def test_so_is_an_error_of_words_alone(kind, words):
    assert harmless(str(kind(words)))


@pytest.mark.parametrize("name", WORDS)
def test_an_error_has_an_end(name):
    assert len(str(RefusedError("x" * 100_000, **{name: "x" * 100_000}))) < 2000
