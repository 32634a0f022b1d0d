"""smsbridge segments: the cost of a text, segment by segment."""

from __future__ import annotations

import re
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wcwidth import width

from cli_acme import run, run_json
from smsbridge.cli import output
from smsbridge.cli.exits import Exit
from smsbridge.cli.segment_view import show_segments
from smsbridge.text import measure, simplify, split

HINDI = "प्रिय आशा, आपका ऑर्डर भेज दिया गया है और कल शाम तक आपके पते पर पहुँच जाएगा। धन्यवाद।"
FAMILY = "👨‍👩‍👧‍👦"


@pytest.fixture(autouse=True)
def eighty_columns(monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")


def show(*args, stdin=None):
    done = run("segments", *args, stdin=stdin)
    assert done.exit_code == Exit.OK
    return done.stdout


def view(text):
    """The lines of the segments alone."""
    return show("--", text).partition("\n\n")[0].splitlines()


# --- a text in GSM-7


def test_a_plain_text_is_one_segment_and_nothing_is_wrong_with_it():
    assert show("Your order has shipped").splitlines() == [
        "segment 1 of 1: 22 of 160 units",
        "  Your order has shipped",
        "",
        "  encoding    GSM-7",
        "  units       22 (160 fit in one segment, 153 in each of several)",
        "  segments    1",
        "  units left  138",
    ]


def test_segments_are_shown_as_they_are_cut():
    lines = view("a" * 152 + "€" + "b" * 10)
    assert lines == [
        "segment 1 of 2: 152 of 153 units, because the next character takes two",
        "  " + "a" * 76,
        "  " + "a" * 76,
        "segment 2 of 2: 12 of 153 units",
        "  €" + "b" * 10,
    ]
    assert "units lost  1" in show("a" * 152 + "€" + "b" * 10)


def test_an_empty_text_is_one_segment():
    assert view("") == ["segment 1 of 1: 0 of 160 units"]


# --- a text that a single character makes expensive


def test_guilty_characters_are_marked_named_and_replaced():
    text = "Dear Asha, your order’s ready… it costs ₹500 only. We hope to see you again — soon!"
    done = run("segments", text)
    assert done.stdout.splitlines() == [
        "segment 1 of 2: 67 of 67 units",
        "  Dear Asha, your order’s ready… it costs ₹500 only. We hope to see y",
        "                       ^       ^          ^",
        "segment 2 of 2: 16 of 67 units",
        "  ou again — soon!",
        "           ^",
        "",
        "  encoding    UCS-2",
        "  units       83 (70 fit in one segment, 67 in each of several)",
        "  segments    2",
        "  units left  51",
        "  simplified  1 segment (GSM-7, 87 units): saves 1 of 2",
        "",
        "  forces UCS-2                        where         instead",
        "  U+2019 RIGHT SINGLE QUOTATION MARK  character 22  '",
        "  U+2026 HORIZONTAL ELLIPSIS          character 30  ...",
        "  U+20B9 INDIAN RUPEE SIGN            character 41  Rs.",
        "  U+2014 EM DASH                      character 77  -",
    ]
    assert done.stderr == "next: the same with --simplify prints the simplified text\n"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("’ ’ ’", "characters 1, 3, 5  '"),
        ("’" * 6, "6 times, from character 1  '"),
        ("a\u200bb", "character 2  (leave it out)"),
        ("a\u00a0b", "character 2  (a space)"),
        ("a\u2028b", "character 2  (a line end)"),
        ("a🎉b", "character 2  -"),
        ("it’s", "simplified  1 segment (GSM-7, 4 units), 156 units left"),
        ("it’s 🎉", "simplified  saves nothing: it would remain UCS-2"),
        ("…" * 60, "simplified  saves nothing: it would be 2 segments"),
    ],
)
def test_what_could_be_done_about_it(text, words):
    assert words in re.sub(" {3,}", "  ", show(text))


def test_a_text_in_hindi_is_not_marked_all_over():
    lines = show(HINDI).splitlines()
    assert "^" not in "".join(lines)
    assert ["DEVANAGARI", "64 times, from character 1", "-"] in [re.split("  +", line.strip()) for line in lines]
    assert "  simplified  saves nothing: it would remain UCS-2" in lines
    assert "".join(line[2:] for line in view(HINDI) if line.startswith("  ")) == HINDI


# --- on a terminal


def test_marks_stand_under_wide_characters_and_behind_accents():
    assert view("plain words 🎉 cafe\u0301 漢 and more") == [
        "segment 1 of 1: 31 of 70 units",
        "  plain words 🎉 cafe\u0301 漢 and more",
        "              ^^    ^ ^^",
    ]


def test_what_cannot_be_seen_is_shown():
    assert view("one\u200btwo\u202ethree\u00adfour\u2028five\ttab") == [
        "segment 1 of 1: 27 of 70 units",
        "  one<U+200B>two<U+202E>three<U+00AD>four<U+2028>five␉tab",
        "     ^^^^^^^^   ^^^^^^^^     ^^^^^^^^    ^^^^^^^^    ^",
    ]
    assert view("उर्दू \u202eاردو") == ["segment 1 of 1: 11 of 70 units", "  उर्दू <U+202E>اردو"]


def test_a_line_end_ends_the_line_and_is_seen():
    assert view("one\ntwo\r\n\nthree") == ["segment 1 of 1: 15 of 160 units", "  one␊", "  two␍␊", "  ␊", "  three"]


def test_controls_do_not_reach_the_terminal():
    shown = show("clear \x1b[2J title \x1b]0;x\x07 \x9b2J \x7f and some words")
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]", shown)
    assert "␛[2J" in shown
    assert "U+001B ESCAPE" in shown


def test_long_lines_are_folded_where_the_terminal_ends(monkeypatch):
    monkeypatch.setenv("COLUMNS", "24")
    assert view("0123456789" * 5 + " 🎉🎉")[1:] == [
        "  01234567890123456789", "  01234567890123456789", "  0123456789 🎉🎉", "             ^^^^",
    ]  # fmt: skip
    monkeypatch.setenv("COLUMNS", "1")
    assert all(len(line) <= 18 for line in view("0123456789" * 5)[1:])


@pytest.mark.parametrize("run_of", ["\u1100", "\u0600", "क्", "\u200d"])
def test_a_visible_character_without_end_is_folded_too(monkeypatch, run_of):
    monkeypatch.setenv("COLUMNS", "40")
    lines = view("’plain words before and behind" + run_of * 30)
    assert all(width(line) <= 40 for line in lines if not line.startswith(("segment ", "  (the border")))


def test_a_family_that_a_border_cuts_is_mentioned():
    lines = view("a" * 62 + FAMILY + " and some more words")
    assert lines[3] == "  (the border is within a visible character; the phone joins its halves)"
    assert "visible" not in show("a" * 200)


def test_a_letter_and_its_accent_on_two_sides_of_a_border_are_both_shown():
    lines = view("’" + "a" * 65 + "e\u0301" + "b" * 10)
    assert lines[1].endswith("ae")
    assert lines[2] == "  ^" + " " * 65 + "^"
    assert lines[5] == "  ◌\u0301" + "b" * 10
    assert lines[6] == "  ^"


class Terminal:
    encoding = "utf-8"

    def __init__(self):
        self.text = ""

    def isatty(self):
        return True

    def write(self, text):
        self.text += text

    def flush(self):
        pass


def test_a_guilty_character_is_coloured_and_the_others_are_not(monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setattr(sys, "stdout", terminal := Terminal())
    show_segments(output.Output(), measure("it’s \x1b[0m"))
    assert "\n  it\x1b[31m’\x1b[0ms \x1b[31m␛\x1b[0m[0m\n" in terminal.text
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setattr(sys, "stdout", terminal := Terminal())
    show_segments(output.Output(), measure("it’s \x1b[0m"))
    assert "\n  it’s ␛[0m\n    ^  ^\n" in terminal.text


@given(st.text(st.one_of(st.sampled_from("aé€🎉’न\u0301\u200d\u202e\n\t漢क्\u1100"), st.characters(exclude_categories=["Cs"])), max_size=300))  # fmt: skip
def test_no_line_is_wider_than_the_terminal_and_nothing_of_the_text_is_lost(text):
    lines = []

    class Lines(output.Output):
        def line(self, text="", *, style=None):
            lines.append((text, None))

        def spans(self, spans):
            lines.append(("".join(text for text, _ in spans), "row"))

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COLUMNS", "40")
        show_segments(Lines(), measure(text))
    rows = [line[2:] for line, kind in lines if kind == "row"]
    assert all(width(row) <= 40 for row in rows)
    shown = "".join(rows)
    assert [character for character in text if "a" <= character <= "z" or character in "€🎉"] == [
        character for character in re.sub("<U.*?>", "", shown) if "a" <= character <= "z" or character in "€🎉"
    ]


def test_a_terminal_that_knows_only_ascii_is_no_problem(monkeypatch):
    class Ascii(Terminal):
        encoding = "ascii"

    monkeypatch.setattr(sys, "stdout", terminal := Ascii())
    show_segments(output.Output(), measure(f"it’s {HINDI}"))
    assert terminal.text.isascii()


# --- for programs


def test_as_json_there_is_all_of_it():
    text = "Asha’s order: " + "a" * 60
    document, code = run_json("segments", text)
    assert code == Exit.OK
    assert document == {
        "encoding": "ucs2",
        "units": 74,
        "segments": 2,
        "units_left": 60,
        "padding": 0,
        "parts": split(text),
        "guilty": [{"index": 4, "characters": "’", "name": "RIGHT SINGLE QUOTATION MARK", "suggestion": "'"}],
        "simplified": {
            "text": simplify(text).text,
            "encoding": "gsm7",
            "units": 74,
            "segments": 1,
            "units_left": 86,
            "padding": 0,
        },
    }


def test_as_json_what_simplifying_cannot_save_is_null():
    assert run_json("segments", HINDI)[0]["simplified"] is None
    assert run_json("segments", "plain")[0]["simplified"] is None


# --- simplified


def test_the_simplified_text_is_all_that_standard_output_has():
    done = run("segments", "Asha’s order – it’s here\u200b", "--simplify")
    assert done.stdout == "Asha's order - it's here\n"
    assert done.stderr.splitlines() == [
        "changed: U+2019 RIGHT SINGLE QUOTATION MARK, characters 5, 18, into '",
        "changed: U+2013 EN DASH, character 14, into -",
        "changed: U+200B ZERO WIDTH SPACE, character 25, into (leave it out)",
    ]


@pytest.mark.parametrize("text", ["plain", HINDI, "क\x1b[2Jष"])
def test_a_text_that_gains_nothing_is_printed_as_it_is(text):
    done = run("segments", text, "--simplify")
    assert done.stdout == f"{text}\n"
    assert done.stderr == "nothing was changed: it would gain nothing\n"


def test_a_pipe_gets_line_ends_as_they_are_and_a_terminal_gets_pictures(monkeypatch):
    assert run("segments", "-", "--simplify", stdin="one\r\ntwo’s\n").stdout_bytes == b"one\r\ntwo's\n"
    monkeypatch.setattr(sys, "stdout", terminal := Terminal())
    output.Output().verbatim("one\r\ntwo")
    assert terminal.text == "one␍\ntwo\n"


def test_simplified_json_is_asked_for_with_json_alone():
    done = run("segments", "x", "--simplify", "--json")
    assert done.exit_code == Exit.USAGE
    assert "--json includes the simplified text" in done.output


# --- where the text comes from


def test_a_dash_reads_standard_input():
    assert show("-", stdin="one line\n") == show("one line")
    assert run_json("segments", "-", stdin="a\n\n")[0]["units"] == 2
    assert run("segments", "-", stdin=b"\xff").exit_code == Exit.USAGE


def test_half_a_character_is_a_mistake_of_the_user():
    done = run("segments", "a\udcff")
    assert done.exit_code == Exit.USAGE
    assert "argument 2 is not UTF-8" in done.stderr


def test_ten_thousand_characters_are_shown():
    assert show("a" * 10_000).startswith("segment 1 of 66: 153 of 153 units\n")
    assert "DEVANAGARI" in show("न" * 10_000)
