"""Recognition of STOP: the word as a whole text, with anything invisible or decorative around it, but never a sentence."""

from __future__ import annotations

import sys
import time
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smsbridge.optouts.stop_words import START_WORDS, STOP_WORDS, said

ROUND = {
    "full stop": ".",
    "comma": ",",
    "colon": ":",
    "semicolon": ";",
    "ellipsis": "\u2026",
    "question": "?",
    "exclamations": "!!!",
    "inverted question": "\u00bf",
    "brackets": "()",
    "square brackets": "[]",
    "lenticular brackets": "\u3010\u3011",
    "asterisks": "**",
    "quotes": "\u201c\u201d",
    "low quotes": "\u201e\u201c",
    "guillemets": "\u00ab\u00bb",
    "corner quotes": "\u300e\u300f",
    "dash": "-",
    "long dash": "\u2014",
    "minus": "\u2212",
    "slash": "/",
    "danda": "\u0964",
    "double danda": "\u0965",
    "ideographic full stop": "\u3002",
    "full-width exclamation": "\uff01",
    "Arabic question": "\u061f",
    "Ethiopic full stop": "\u1362",
    "no-break space": "\u00a0",
    "ideographic space": "\u3000",
    "line ends": "\r\n\r\n",
    "line separator": "\u2028",
    "NUL": "\x00",
    "zero-width space": "\u200b",
    "zero-width joiner": "\u200d",
    "byte order mark": "\ufeff",
    "soft hyphen": "\u00ad",
    "left-to-right mark": "\u200e",
    "Arabic letter mark": "\u061c",
    "override": "\u202e",
    "isolate": "\u2066\u2069",
    "word joiner": "\u2060",
    "variation selector": "\ufe0f",
    "supplementary variation selector": "\U000e0100",
    "Hangul filler": "\u3164",
    "Mongolian vowel separator": "\u180e",
    "stop sign": "\U0001f6d1",
    "hands": "\U0001f64f",
    "skin tone": "\U0001f44d\U0001f3fd",
    "family": "\U0001f468\u200d\U0001f469\u200d\U0001f467",
    "heart": "\u2764\ufe0f",
    "flag": "\U0001f1ee\U0001f1f3",
    "keycap": "1\ufe0f\u20e3",
    "information": "\u2139\ufe0f",
    "trade mark": "\u2122\ufe0f",
    "circled letter": "\u24c2\ufe0f",
    "private use": "\ue001",
    "emoji of tomorrow": "\U0001faff",
    "replacement": "\ufffd",
    "lone surrogate": "\ud83d",
    "padding": "@",
    "backquote": "`",
    "underscore": "_",
}
TYPEFACES = {
    "full-width": "\uff33\uff34\uff2f\uff30",
    "bold": "\U0001d412\U0001d413\U0001d40e\U0001d40f",
    "sans-serif": "\U0001d5e6\U0001d5e7\U0001d5e2\U0001d5e3",
    "double-struck": "\U0001d54a\U0001d54b\U0001d546\u2119",
    "circled": "\u24c8\u24e3\u24de\u24df",
    "squared": "\U0001f142\U0001f143\U0001f13e\U0001f13f",
    "dark circles": "\U0001f162\U0001f163\U0001f15e\U0001f15f",
    "dark squares": "\U0001f182\U0001f183\U0001f17e\U0001f17f",
    "regional": "\U0001f1f8\U0001f1f9\U0001f1f4\U0001f1f5",
    "struck through": "S\u0336T\u0336O\u0336P\u0336",
    "in keys": "S\u20e3T\u20e3O\u20e3P\u20e3",
    "with an accent": "STO\u0308P",
    "with a composed accent": "ST\u00d3P",
    "soft hyphen inside": "ST\u00adOP",
    "NUL inside": "ST\x00OP",
    "joiner inside": "S\u200dT\u200dO\u200dP",
    "letter by letter": "S T O P",
    "points between": "S.T.O.P.",
}
SENTENCES = [
    "",
    "   ",
    "...",
    "\U0001f6d1",
    "1\ufe0f\u20e3",
    "\u200b",
    "please stop",
    "STOP PLEASE",
    "STOP\u200bPLEASE",
    "stopped",
    "non-stop",
    "Where does the bus stop?",
    "Don't stop!",
    "STOP 12345",
    "STOP2",
    "STOP \u00b2",
    "stop by at 5",
    "end of the day",
    "the end",
    "cancel my order",
    "Quit smoking!",
    "ST OP",
    "S TOP",
    "ST O P",
    "ST\nOP",
    "ST\tOP",
    "ST\rOP",
    "st0p",
    "STOP START",
    "start stop",
    "unstop, stop",
    "starting",
    "restart",
    "yes",
    "I want to opt out of lunch",
    "STOP " * 30 + "it",
]


def test_the_words_are_these():
    """The words of the README."""
    stop = "STOP, STOP ALL, STOPALL, UNSUBSCRIBE, UNSUB, CANCEL, END, QUIT, REVOKE, OPT OUT, OPTOUT"
    assert tuple(stop.split(", ")) == STOP_WORDS
    assert START_WORDS == ("START", "UNSTOP")


@pytest.mark.parametrize("word", STOP_WORDS)
def test_a_stop_word_opts_out_however_it_is_typed(word):
    typed = (word, word.lower(), word.title(), f"  {word.title()}\r\n", f"\u201c{word}\u201d.", f"{word}!")
    for text in (*typed, word.replace(" ", "-"), word.replace(" ", "\u2010"), word.replace(" ", "\n")):
        assert said(text) is True, text


@pytest.mark.parametrize("word", START_WORDS)
def test_a_start_word_opts_in_again(word):
    for text in (word, f" {word.lower()}. ", f"({word})", f"{word} \U0001f642"):
        assert said(text) is False, text


@pytest.mark.parametrize("beside", ROUND.values(), ids=ROUND)
@pytest.mark.parametrize(("word", "means"), [("STOP", True), ("opt-out", True), ("Start", False)])
def test_what_stands_round_the_word_says_nothing(word, means, beside):
    for text in (f"{word}{beside}", f"{beside}{word}", f"{word} {beside}", f"{beside} {word} {beside}"):
        assert said(text) is means, ascii(text)


@pytest.mark.parametrize("text", TYPEFACES.values(), ids=TYPEFACES)
def test_nor_does_its_typeface(text):
    assert said(text) is True
    assert said(f"({text})") is True


@pytest.mark.parametrize(
    "text", ["OPT-OUT", "opt-out.", "OPT OUT", "optout", "STOP-ALL", "Stop all!", "un-subscribe", "un\u2212subscribe"]
)
def test_a_hyphen_parts_a_word_or_joins_two(text):
    assert said(text) is True


@pytest.mark.parametrize(
    "text", ["STOP STOP", "END\nQUIT", "end\tquit", "stop!stop!stop!", "STOP-STOP", "STOP. UNSUBSCRIBE.", "end, quit"]
)
def test_a_word_may_be_repeated(text):
    assert said(text) is True


@pytest.mark.parametrize("text", ["qu\u0131t", "QU\u0130T", "unsubscr\u0131be", "UNSUBSCR\u0130BE"])
def test_a_turkish_phone_writes_another_i(text):
    assert said(text) is True


@pytest.mark.parametrize("text", SENTENCES)
def test_a_text_that_merely_holds_such_a_word_says_neither(text):
    assert said(text) is None


def test_the_words_are_ones_own_to_choose():
    assert said("रोकें", ["रोकें"], ["हाँ"]) is True
    assert said("\u200dरोकें\u0964", ["रोकें"]) is True
    assert said("हाँ", ["रोकें"], ["हाँ"]) is False
    assert said("STOP", ["रोकें"], ["हाँ"]) is None
    assert said("STRASSE", ["straße"]) is True
    assert said("2.", ["2"]) is said("2\ufe0f\u20e3", ["2"]) is True
    assert said("\U0001f6d1", [" \U0001f6d1 "]) is True
    assert said("no more", iter(["no more"])) is True
    assert said("STOP", []) is None


def test_the_vowel_signs_of_a_script_are_letters_and_count():
    assert said("रोक", ["रोकें"]) is None
    assert said("रकं", ["रोकें"]) is None


def test_accents_count_only_in_a_word_that_is_given_with_them():
    assert said("Arrêt", ["ARRET"]) is said("arre\u0302t", ["ARRÊT"]) is True
    assert said("ARRET", ["ARRÊT"]) is None
    assert said("dùng", ["DỪNG"]) is None
    assert said("(Arrêt)!", ["ARRÊT"]) is True
    assert said("no más.", ["NO MÁS"]) is True
    assert said("no mas.", ["NO MÁS"]) is None


def test_nor_is_an_accent_left_out_where_another_word_of_the_phrase_has_none():
    assert said("stop стои!", ["STOP СТОИ"]) is True
    assert said("stop стой!", ["STOP СТОИ"]) is None


def test_a_word_without_letters_is_no_word_of_every_text():
    for text in ("hello", "...", "\U0001f642"):
        assert said(text, ["\U0001f6d1", "-"]) is None


def test_a_stop_word_that_is_a_start_word_too_opts_out():
    assert said("STOP", ["STOP"], ["STOP"]) is True


def test_a_text_of_a_thousand_characters_is_read_and_a_longer_one_is_given_up():
    words = ("STOP " * 200).strip()
    assert said(f"  {words}. ") is True
    assert said(f"{words}..") is None


def test_a_text_made_to_be_slow_is_given_up():
    begun = time.monotonic()
    assert said("STOP" + "\u0301\u0316" * 200_000) is None
    assert said("STOP" + "\n" * 200_000) is True
    assert time.monotonic() - begun < 1


@given(st.text())
def test_any_text_says_something_or_nothing(text):
    assert said(text) in (True, False, None)


def test_no_sign_of_any_script_beside_it_changes_what_is_said():
    signs = [character for character in map(chr, range(sys.maxunicode)) if unicodedata.category(character)[0] in "PZS"]
    signs += [
        character for character in map(chr, range(sys.maxunicode)) if unicodedata.category(character) in ("Cc", "Cf")
    ]
    assert len(signs) > 8000
    assert [
        ascii(sign) for sign in signs if said(f"STOP {sign}") is not True or said(f"{sign}START") is not False
    ] == []


@given(st.text(st.characters(categories=["L", "N"]), min_size=1))
def test_a_letter_or_a_digit_beside_it_does(letters):
    assert said(f"STOP x{letters}") is None
    assert said(f"{letters}x STOP") is None
