"""smsbridge.text: encodings, segments and their borders, characters that force UCS-2, and their replacements."""

from __future__ import annotations

import pickle
import unicodedata

import pytest
import smsutil
from hypothesis import given
from hypothesis import strategies as st

from smsbridge.errors import ContentError
from smsbridge.messages import Purpose
from smsbridge.text import Encoding, Guilty, check_segments, describe, measure, simplify, split
from smsbridge.text.alphabet import BASIC, EXTENSION
from smsbridge.text.replacements import TABLE

GSM7, UCS2 = Encoding.GSM7, Encoding.UCS2
FAMILY = "👨‍👩‍👧‍👦"  # four people and three joiners: 11 units, one visible character

HINDI = "प्रिय आशा, आपका ऑर्डर भेज दिया गया है और कल शाम तक आपके पते पर पहुँच जाएगा। धन्यवाद।"
TAMIL = "உங்கள் ஆர்டர் அனுப்பப்பட்டது. நாளை மாலைக்குள் உங்கள் முகவரிக்கு வந்து சேரும். நன்றி."
TELUGU = "మీ ఆర్డర్ పంపబడింది. రేపు సాయంత్రంలోగా మీ చిరునామాకు చేరుతుంది. ధన్యవాదాలు."
BENGALI = "আপনার অর্ডার পাঠানো হয়েছে। আগামীকাল সন্ধ্যার মধ্যে আপনার ঠিকানায় পৌঁছে যাবে। ধন্যবাদ।"


def lone(text):
    """A text with half a character, from JSON or from a file name."""
    return text + "\ud83d"


# --- a second and a third opinion -----------------------------------------------------------------------------------------

# The table of 3GPP TS 23.038, section 6.2.1, column by column; None is the escape into the extension table.
STANDARD = [
    *"@£$¥èéùìòÇ\nØø\rÅå",
    *"Δ_ΦΓΛΩΠΨΣΘΞ", None, *"ÆæßÉ",
    *" !\"#¤%&'()*+,-./",
    *"0123456789:;<=>?",
    *"¡ABCDEFGHIJKLMNO",
    *"PQRSTUVWXYZÄÖÑÜ§",
    *"¿abcdefghijklmno",
    *"pqrstuvwxyzäöñüà",
]  # fmt: skip
STANDARD_EXTENSION = {
    0x0A: "\f", 0x14: "^", 0x28: "{", 0x29: "}", 0x2F: "\\", 0x3C: "[", 0x3D: "~", 0x3E: "]", 0x40: "|", 0x65: "€",
}  # fmt: skip


def reference(text):
    """The rules, character by character: encoding, units, segments, units left, and the parts."""
    if all(character in STANDARD or character in STANDARD_EXTENSION.values() for character in text):
        encoding, single, part = GSM7, 160, 153
        costs = [2 if character in STANDARD_EXTENSION.values() else 1 for character in text]
    else:
        encoding, single, part = UCS2, 70, 67
        costs = [2 if ord(character) > 0xFFFF else 1 for character in text]
    units = sum(costs)
    if units <= single:
        return encoding, units, 1, single - units, [text]
    parts, used = [""], 0
    for character, cost in zip(text, costs, strict=True):
        if used + cost > part:
            parts.append("")
            used = 0
        parts[-1] += character
        used += cost
    return encoding, units, len(parts), part - used, parts


def long_texts(*alphabets):
    """Texts that reach borders of segments: runs of a character, because single characters would rarely reach them."""
    characters = st.one_of(*(st.sampled_from(character) for character in alphabets))
    runs = st.tuples(characters, st.one_of(st.integers(1, 3), st.integers(60, 165))).map(lambda run: run[0] * run[1])
    return st.lists(runs, max_size=12).map("".join)


TEXTS = st.one_of(
    long_texts(BASIC, EXTENSION),
    long_texts("aक", "🎉𝐀", "’\u200d"),
    long_texts(BASIC, EXTENSION, HINDI, "🎉👍", "\x00\x1b\t`ç"),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=400),
)


def test_the_alphabet_is_that_of_the_standard():
    assert len(STANDARD) == 128
    assert set(BASIC) == set(STANDARD) - {None}
    assert set(EXTENSION) == set(STANDARD_EXTENSION.values())


@given(TEXTS)
def test_every_text_is_counted_as_the_rules_say(text):
    info = measure(text)
    *figures, parts = reference(text)
    assert [info.encoding, info.units, info.segments, info.units_left] == figures
    assert split(text) == parts


@given(TEXTS.filter(lambda text: text and "\x1b" not in text))
def test_smsutil_counts_the_same(text):
    """The differences: it treats ESC as a character that can be sent, and an empty text as UCS-2."""
    theirs = smsutil.split(text)
    info = measure(text)
    assert info.segments == len(theirs.parts)
    assert split(text) == [part.content for part in theirs.parts]
    assert info.units * (1 if info.encoding is GSM7 else 2) == theirs.total_bytes
    assert (info.encoding is GSM7) == (theirs.encoding == "gsm0338")


@given(TEXTS)
def test_the_parts_are_the_text(text):
    parts = split(text)
    assert "".join(parts) == text
    assert len(parts) == measure(text).segments
    assert all(parts) or parts == [""]


@given(TEXTS)
def test_every_unit_is_used_lost_or_left(text):
    info = measure(text)
    size = {GSM7: (160, 153), UCS2: (70, 67)}[info.encoding][info.segments > 1]
    assert info.units + info.padding + info.units_left == info.segments * size
    assert 0 <= info.padding < info.segments
    assert 0 <= info.units_left < size or text == ""


@given(TEXTS, st.characters(exclude_categories=["Cs"]))
def test_a_longer_text_never_costs_less_in_the_same_encoding(text, more):
    before, after = measure(text), measure(text + more)
    if before.encoding is after.encoding:
        assert after.segments >= before.segments
        assert after.units > before.units


# --- known counts ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "encoding", "units", "segments", "left"),
    [
        pytest.param("", GSM7, 0, 1, 160, id="empty"),
        pytest.param("a", GSM7, 1, 1, 159, id="one character"),
        pytest.param("a" * 160, GSM7, 160, 1, 0, id="160: a full segment"),
        pytest.param("a" * 161, GSM7, 161, 2, 145, id="161: two, of 153 each"),
        pytest.param("a" * 306, GSM7, 306, 2, 0, id="306: two full segments"),
        pytest.param("a" * 307, GSM7, 307, 3, 152, id="307"),
        pytest.param("€" * 80, GSM7, 160, 1, 0, id="80 euro signs"),
        pytest.param("€" * 81, GSM7, 162, 2, 143, id="81 euro signs: 76 and 5, one unit lost"),
        pytest.param("a" * 152 + "€" + "a" * 10, GSM7, 164, 2, 141, id="an extension pair on the border of 153"),
        pytest.param("a" * 151 + "€" + "a" * 10, GSM7, 163, 2, 143, id="an extension pair just before the border"),
        pytest.param("a" * 152 + "€" + "a" * 152, GSM7, 306, 3, 152, id="306 units, and three segments all the same"),
        pytest.param("{[]}\\^|~€\f", GSM7, 20, 1, 140, id="the whole extension table"),
        pytest.param(BASIC, GSM7, 127, 1, 33, id="the whole default alphabet"),
        pytest.param("a\r\nb", GSM7, 4, 1, 156, id="CR and LF are characters"),
        pytest.param("é è ñ Ω Ç", GSM7, 9, 1, 151, id="accents that GSM-7 has"),
        pytest.param("\f", GSM7, 2, 1, 158, id="form feed is in the extension table"),
        pytest.param("\x1b", UCS2, 1, 1, 69, id="ESC is no character of a text"),
        pytest.param("a\x1be", UCS2, 3, 1, 67, id="ESC does not begin a pair"),
        pytest.param("\t", UCS2, 1, 1, 69, id="a tab is not in the alphabet"),
        pytest.param("a\x00b", UCS2, 3, 1, 67, id="NUL"),
        pytest.param("`", UCS2, 1, 1, 69, id="a backtick"),
        pytest.param("ç", UCS2, 1, 1, 69, id="a small c with cedilla, other than the capital"),
        pytest.param("don’t", UCS2, 5, 1, 65, id="a curly quote"),
        pytest.param("’" + "a" * 69, UCS2, 70, 1, 0, id="70: a full segment of UCS-2"),
        pytest.param("’" + "a" * 70, UCS2, 71, 2, 63, id="71: two, of 67 each"),
        pytest.param("न" * 134, UCS2, 134, 2, 0, id="134: two full segments of UCS-2"),
        pytest.param("न" * 135, UCS2, 135, 3, 66, id="135"),
        pytest.param("🎉" * 35, UCS2, 70, 1, 0, id="35 emoji"),
        pytest.param("🎉" * 36, UCS2, 72, 2, 61, id="36 emoji: 33 and 3, one unit lost"),
        pytest.param("a" * 66 + "🎉" + "a" * 10, UCS2, 78, 2, 55, id="a surrogate pair on the border of 67"),
        pytest.param("a" * 65 + "🎉" + "a" * 10, UCS2, 77, 2, 57, id="a surrogate pair just before the border"),
        pytest.param("a" * 66 + "🎉" + "a" * 66, UCS2, 134, 3, 66, id="134 units, and three segments all the same"),
        pytest.param("a" * 66 + "न" + "🎉" * 2, UCS2, 71, 2, 63, id="a pair right after the border"),
        pytest.param(FAMILY, UCS2, 11, 1, 59, id="a family"),
        pytest.param(
            "a" * 62 + FAMILY, UCS2, 73, 2, 61, id="a family on a border: cut between its members, as they come"
        ),
        pytest.param("a" * 10_000, GSM7, 10_000, 66, 98, id="10,000 characters"),
        pytest.param("न" * 10_000, UCS2, 10_000, 150, 50, id="10,000 characters of Hindi"),
        pytest.param("🎉" * 10_000, UCS2, 20_000, 304, 65, id="10,000 emoji, 33 to a segment"),
        pytest.param("€" * 10_000, GSM7, 20_000, 132, 65, id="10,000 euro signs, 76 to a segment"),
        pytest.param(HINDI, UCS2, 84, 2, 50, id="Hindi"),
        pytest.param(TAMIL, UCS2, 84, 2, 50, id="Tamil"),
        pytest.param(TELUGU, UCS2, 75, 2, 59, id="Telugu"),
        pytest.param(BENGALI, UCS2, 87, 2, 47, id="Bengali"),
        pytest.param("आपका OTP 123456 है", UCS2, 18, 1, 52, id="Hindi with a code"),
    ],
)
def test_a_text_has_these_units_and_segments(text, encoding, units, segments, left):
    info = measure(text)
    assert (info.encoding, info.units, info.segments, info.units_left) == (encoding, units, segments, left)
    assert reference(text)[:4] == (encoding, units, segments, left)


def test_a_vowel_sign_counts_as_a_character_of_its_own():
    assert measure("नमस्ते").units == 6
    assert measure("கொ").units == 2
    assert measure("e\u0301").units == 2


def test_a_pair_is_never_cut():
    assert split("a" * 152 + "€" + "a" * 10) == ["a" * 152, "€" + "a" * 10]
    assert split("a" * 66 + "🎉" + "a" * 10) == ["a" * 66, "🎉" + "a" * 10]


@pytest.mark.parametrize("before", range(57, 70))
def test_a_family_is_cut_between_code_points_and_never_within_one(before):
    parts = split("a" * before + FAMILY)
    assert "".join(parts) == "a" * before + FAMILY
    assert [len(part.encode("utf-16-be")) // 2 <= 70 for part in parts] == [True] * len(parts)


def test_what_is_lost_at_borders_is_told():
    assert measure("a" * 152 + "€" + "a" * 10).padding == 1
    assert measure("🎉" * 100).padding == 3
    assert measure("🎉" * 35).padding == 0
    assert measure("a" * 1000).padding == 0


@pytest.mark.parametrize("function", [measure, split, simplify, lambda text: check_segments(text, {}, "otp")])
@pytest.mark.parametrize(
    ("text", "index"), [(lone("secret "), 7), ("\udc00", 0), ("न\ud83d!", 1), ("ok \ud83d\ude00", 3), (lone("🎉"), 1)]
)
def test_half_a_character_is_refused_without_showing_the_text(function, text, index):
    with pytest.raises(ContentError) as caught:
        function(text)
    assert caught.value.reason == "not-unicode"
    assert caught.value.detail == f"at index {index}"
    assert caught.value.__context__ is None
    assert "secret" not in repr(caught.value)


# --- the cost of measuring ------------------------------------------------------------------------------------------------


def test_the_guilty_are_looked_for_only_when_asked_for(monkeypatch):
    monkeypatch.setattr("smsbridge.text.guilt.find_guilty", lambda text: pytest.fail("it was looked for"))
    info = measure(HINDI)
    split(HINDI)
    with pytest.raises(pytest.fail.Exception):
        _ = info.guilty


def test_values_are_frozen_can_be_pickled_and_show_no_text():
    info = measure("my code is ’1234’")
    assert "1234" not in repr((info, info.guilty, simplify(info.text)))
    assert "QUOTATION" not in repr((info, info.guilty, simplify(info.text)))
    assert repr(info) == "TextInfo(encoding=<Encoding.UCS2: 'ucs2'>, units=17, segments=1, units_left=53)"
    assert pickle.loads(pickle.dumps(info)) == info
    with pytest.raises(AttributeError):
        info.units = 1


# --- characters that force UCS-2 ------------------------------------------------------------------------------------------


def guilty(text):
    return [(character.index, character.label, character.suggestion) for character in measure(text).guilty]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain, with é, ñ, Ω and €", []),
        ("don’t", [(3, "U+2019 RIGHT SINGLE QUOTATION MARK", "'")]),
        ("“hi”", [(0, "U+201C LEFT DOUBLE QUOTATION MARK", '"'), (3, "U+201D RIGHT DOUBLE QUOTATION MARK", '"')]),
        ("1–2 — 3", [(1, "U+2013 EN DASH", "-"), (4, "U+2014 EM DASH", "-")]),
        ("wait…", [(4, "U+2026 HORIZONTAL ELLIPSIS", "...")]),
        ("₹500", [(0, "U+20B9 INDIAN RUPEE SIGN", "Rs.")]),
        ("a\u00a0b", [(1, "U+00A0 NO-BREAK SPACE", " ")]),
        ("a\u202fb", [(1, "U+202F NARROW NO-BREAK SPACE", " ")]),
        ("a\u200bb", [(1, "U+200B ZERO WIDTH SPACE", "")]),
        ("\ufeffa", [(0, "U+FEFF ZERO WIDTH NO-BREAK SPACE", "")]),
        ("a\u200db", [(1, "U+200D ZERO WIDTH JOINER", "")]),
        ("a\tb", [(1, "U+0009 TABULATION", " ")]),
        ("a\x1bb", [(1, "U+001B ESCAPE", "")]),
        ("a\x00b", [(1, "U+0000 NULL", "")]),
        ("a\x7fb", [(1, "U+007F DELETE", "")]),
        ("a\x85b", [(1, "U+0085 NEXT LINE", "\n")]),
        ("a\x92b", [(1, "U+0092 CONTROL CHARACTER", None)]),
        ("a\u2028b", [(1, "U+2028 LINE SEPARATOR", "\n")]),
        ("\ue000", [(0, "U+E000 PRIVATE USE CHARACTER", None)]),
        ("\uffff", [(0, "U+FFFF UNASSIGNED CHARACTER", None)]),
        ("ç", [(0, "U+00E7 LATIN SMALL LETTER C WITH CEDILLA", "c")]),
        ("ǘ", [(0, "U+01D8 LATIN SMALL LETTER U WITH DIAERESIS AND ACUTE", "ü")]),
        ("ế", [(0, "U+1EBF LATIN SMALL LETTER E WITH CIRCUMFLEX AND ACUTE", "e")]),
        ("łódź", [(0, "U+0142 LATIN SMALL LETTER L WITH STROKE", "l"), (1, "U+00F3 LATIN SMALL LETTER O WITH ACUTE", "o"),
                  (3, "U+017A LATIN SMALL LETTER Z WITH ACUTE", "z")]),
        ("cafe\u0301!", [(3, "U+0301 COMBINING ACUTE ACCENT", "é")]),
        ("s\u0323\u0301", [(0, "U+0323 COMBINING DOT BELOW", "s")]),
        ("\u0301a", [(0, "U+0301 COMBINING ACUTE ACCENT", "")]),
        ("1\ufe0f\u20e3", [(0, "U+FE0F VARIATION SELECTOR-16", "1")]),
        ("ﬁne", [(0, "U+FB01 LATIN SMALL LIGATURE FI", "fi")]),
        ("Ａ", [(0, "U+FF21 FULLWIDTH LATIN CAPITAL LETTER A", "A")]),
        ("𝐇", [(0, "U+1D407 MATHEMATICAL BOLD CAPITAL H", "H")]),
        ("\u2126", [(0, "U+2126 OHM SIGN", "Ω")]),
        ("10²", [(2, "U+00B2 SUPERSCRIPT TWO", None)]),
        ("1½", [(1, "U+00BD VULGAR FRACTION ONE HALF", None)]),
        ("½\u00a0l", [(0, "U+00BD VULGAR FRACTION ONE HALF", None), (1, "U+00A0 NO-BREAK SPACE", " ")]),
        ("¯", [(0, "U+00AF MACRON", None)]),
        ("и\u0306", [(0, "U+0438 CYRILLIC SMALL LETTER I", None)]),
        ("한", [(0, "U+D55C HANGUL SYLLABLE HAN", None)]),
        ("❤\ufe0f", [(0, "U+2764 HEAVY BLACK HEART", None)]),
        ("🎉", [(0, "U+1F389 PARTY POPPER", None)]),
    ],
)  # fmt: skip
def test_each_guilty_character_is_named_with_its_place_and_what_could_be_written(text, expected):
    assert guilty(text) == expected


def test_places_are_counted_in_code_points():
    assert [character.index for character in measure("🎉🎉’").guilty] == [0, 1, 2]


def test_letters_of_a_script_have_no_replacement_and_say_which_script_it_is():
    for text, script in [(HINDI, "DEVANAGARI"), (TAMIL, "TAMIL"), (TELUGU, "TELUGU"), (BENGALI, "BENGALI")]:
        letters = [character for character in measure(text).guilty if character.label != "U+0964 DEVANAGARI DANDA"]
        assert len(letters) > 50
        assert {(character.script, character.suggestion) for character in letters} == {(script, None)}
    for text in ("’", "🎉", "ő", "Ａ", "²", "\u0301"):
        assert [character.script for character in measure(text).guilty] == [None]
    assert [character.script for character in measure("५ ਅੱ 漢 й").guilty] == [
        "DEVANAGARI",
        "GURMUKHI",
        "GURMUKHI",
        "CJK",
        "CYRILLIC",
    ]


def test_what_shapes_letters_and_emoji_is_not_said_to_be_superfluous():
    assert {character.suggestion for character in measure(FAMILY).guilty} == {None}
    assert {character.suggestion for character in measure("क्\u200dष").guilty} == {None}
    assert {character.suggestion for character in measure("\u200fاردو").guilty} == {None}


@given(TEXTS)
def test_the_guilty_are_all_that_is_not_gsm7_and_nothing_else(text):
    rest, innocent = text, True
    for character in reversed(measure(text).guilty):
        assert text[character.index : character.index + len(character.characters)] == character.characters
        assert character.suggestion is None or measure(character.suggestion).encoding is GSM7
        innocent &= measure(character.characters).encoding is UCS2
        rest = rest[: character.index] + rest[character.index + len(character.characters) :]
    assert innocent
    assert measure(rest).encoding is GSM7
    assert bool(measure(text).guilty) == (measure(text).encoding is UCS2)


def test_every_character_has_a_name_and_a_replacement_that_can_be_sent():
    for code in range(0x20000):  # above it are rare ideographs
        if 0xD800 <= code < 0xE000:
            continue
        for character in measure(chr(code)).guilty:
            assert character.name
            assert character.suggestion is None or measure(character.suggestion).encoding is GSM7, character.label


# --- simplifying ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "simple"),
    [
        ("Dear “Asha”, it’s here – ₹500…", 'Dear "Asha", it\'s here - Rs.500...'),
        ("no\u00a0break\u2003and\u202fothers\u200b", "no break and others"),
        ("naïve façade, São Paulo, Øresund, über, cafe\u0301", "naive facade, Sao Paulo, Øresund, über, café"),
        ("Łódź, Đorđe, œuvre, ﬁne, Ｆｕｌｌ, 𝐁𝐨𝐥𝐝", "Lodz, Dorde, oeuvre, fine, Full, Bold"),
        ("a\r\nb\tc\u2028d", "a\r\nb c\nd"),
        ("Ω é ñ € Δ stay, ’ goes", "Ω é ñ € Δ stay, ' goes"),
    ],
)
def test_a_text_is_simplified(text, simple):
    done = simplify(text)
    assert done.text == simple
    assert measure(simple).encoding is GSM7
    assert done.changes == measure(text).guilty


def test_the_report_says_what_was_changed_into_what():
    (change,) = simplify("don’t").changes
    assert change == Guilty(index=3, characters="’", name="RIGHT SINGLE QUOTATION MARK", suggestion="'")


@pytest.mark.parametrize(
    "text", ["", "plain", "€ ñ é", HINDI, TAMIL, f"{BENGALI} ‘it’s’", "it’s 🎉", "10² – 11²", "क्\u200dष", "…" * 60]
)
def test_a_text_that_would_gain_nothing_is_left_alone(text):
    done = simplify(text)
    assert (done.text, done.changes) == (text, ())


def test_what_can_be_replaced_is_replaced_if_asked():
    assert simplify("‘नमस्ते’", always=True).text == "'नमस्ते'"
    assert simplify("it’s 🎉", always=True).text == "it's 🎉"
    assert simplify("…" * 60, always=True).text == "..." * 60
    assert simplify(f"’{FAMILY}", always=True).text == f"'{FAMILY}"
    assert simplify("क्\u200dष", always=True).text == "क्\u200dष"


def test_segments_are_saved():
    text = f"Don’t worry: {'a' * 140}"
    assert (measure(text).segments, measure(simplify(text).text).segments) == (3, 1)


SIMPLE = st.text(st.one_of(st.sampled_from(sorted(TABLE)), st.sampled_from("aé e\u0301\u0323\u200d🎉नüÇ"), st.characters(max_codepoint=0x24F)))  # fmt: skip


@given(SIMPLE, st.booleans())
def test_a_simplified_text_needs_no_more_simplifying(text, always):
    once = simplify(text, always=always)
    assert simplify(once.text, always=always).changes == ()


@given(SIMPLE)
def test_simplifying_never_costs_more_and_ends_in_gsm7_or_as_it_was(text):
    done = simplify(text)
    assert measure(done.text).segments <= measure(text).segments
    assert measure(done.text).encoding is GSM7 or done.text == text


@given(SIMPLE)
def test_the_report_leads_from_the_text_to_the_simplified_one(text):
    done = simplify(text, always=True)
    for character in reversed(done.changes):
        text = text[: character.index] + character.suggestion + text[character.index + len(character.characters) :]
    assert text == done.text


def test_no_replacement_is_for_a_character_that_gsm7_has():
    assert not set(TABLE) & set(BASIC + EXTENSION)
    assert {measure(instead).encoding for instead in TABLE.values()} == {GSM7}
    assert all(len(character) == 1 for character in TABLE)


def test_letters_keep_their_case():
    for character, instead in TABLE.items():
        if unicodedata.category(character) in {"Lu", "Ll"}:
            assert instead[0].isupper() == character.isupper() or instead[0] == "'", character


# --- limits ---------------------------------------------------------------------------------------------------------------

LIMITS = {"otp": 1, "promotional": 3}


def test_a_text_within_its_limit_is_measured():
    assert check_segments("a" * 160, LIMITS, "otp").segments == 1
    assert check_segments("a" * 459, LIMITS, Purpose.PROMOTIONAL).segments == 3


def test_a_text_beyond_its_limit_is_refused_with_counts_and_no_text():
    with pytest.raises(ContentError) as caught:
        check_segments(f"secret{HINDI}", LIMITS, Purpose.OTP)
    assert caught.value.reason == "too-long"
    assert caught.value.detail == "2 segments (UCS-2, 90 units), otp may have 1"
    assert "secret" not in f"{caught.value!r}{caught.value}"


def test_a_purpose_without_limit_has_none():
    assert check_segments("a" * 10_000, LIMITS, Purpose.SERVICE).segments == 66


# --- in words -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "1 (GSM-7, 0 units)"),
        ("a", "1 (GSM-7, 1 unit)"),
        ("€" * 81, "2 (GSM-7, 162 units)"),
        ("don’t", "1 (UCS-2, 5 units; 1 character forces UCS-2: U+2019 RIGHT SINGLE QUOTATION MARK)"),
        ("नमस्ते", "1 (UCS-2, 6 units; 6 characters force UCS-2: DEVANAGARI)"),
        (
            "–—‑…",
            "1 (UCS-2, 4 units; 4 characters force UCS-2: U+2013 EN DASH, U+2014 EM DASH, U+2011 NON-BREAKING HYPHEN, and 1 more)",
        ),
    ],
)
def test_the_figures_in_words(text, words):
    assert describe(measure(text)) == words
