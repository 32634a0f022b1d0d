"""Vendors quote requests in their own forms: quotations are removed from errors, the vendor's own words stay."""

from __future__ import annotations

import random
import re
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quotations import FORMS, PAIRS, WIDE, assert_hidden
from smsbridge.decoding import views
from smsbridge.quoting import HIDDEN, LONGEST, Private, without

TEXT = "Dear Asha & Co, your code is 482913, don't share it"
TOKEN = "abc/Zq7xPw+123456=="
NUMBER = "+919876543210"
PRIVATE = Private([TEXT, TOKEN], [NUMBER])

words = st.text(st.sampled_from("bcdfghjklmnpqrtvwxz"), min_size=6, max_size=9)
codes = st.integers(100_000, 99_999_999).map(str)
texts = st.lists(words | codes, min_size=3, max_size=9).map(" ".join)
parts = st.text(st.sampled_from("bcdfghjkmnpqrstvwxyzBCDFGHJKMNPQRSTVWXYZ23456789"), min_size=6, max_size=12)
tokens = st.tuples(parts, parts, parts, st.sampled_from("/+_-.")).map(lambda drawn: drawn[3].join(drawn[:3]))


@pytest.mark.parametrize("name", FORMS)
@given(data=st.data())
@settings(max_examples=15)
def test_what_is_quoted_in_another_form_does_not_come_out(name, data):
    secret = data.draw(texts | tokens)
    encoded = FORMS[name](secret)
    shown = without(f"invalid request: {encoded} was refused", Private([secret])) or ""
    assert_hidden(shown, encoded, secret)


@given(st.sampled_from(PAIRS), texts | tokens, st.data())
@settings(max_examples=300)
def test_neither_does_a_form_inside_another_nor_a_part_of_it(pair, secret, data):
    outer, inner = pair
    encoded = FORMS[outer](FORMS[inner](secret))
    packed = "packed" in f"{pair}"  # unreadable without its beginning
    start = 0 if packed else data.draw(st.integers(0, len(encoded) // 3))
    stop = data.draw(st.integers(len(encoded) * 2 // 3, len(encoded)))
    shown = without(f'The request was refused ("{encoded[start:stop]}...")', Private([secret])) or ""
    assert_hidden(shown, encoded, secret)


@pytest.mark.parametrize(
    "form",
    [
        "+91 98765 43210",
        "98765-43210",
        "098765 43210",
        "0091 98765 43210",
        "(98765) 43210",
        "9 8 7 6 5 4 3 2 1 0",
        "9876 543 210",
        "98.76.54.32.10",
        "987654xxxx",
        "xxx76543210",
        "%2B919876543210",
        "+91\u00a098765\u00a043210",
        NUMBER.translate(WIDE),
        "९८७६५४३२१०",
        "tel:+91-98765-43210",
        "&#57;&#56;&#55;&#54;&#53;43210",
        "OTE4NzY1NDMyMTA= OTg3NjU0MzIxMA==",
        "39383736353433323130",
        "57 56 55 54 53 52 51 50 49 48",
        "HE4DONRVGQZTEMJQ",
        FORMS["Ascii85"](NUMBER),
        FORMS["packed in base64"]("9876543210"),
        "0123456789",
    ],
)
def test_a_number_comes_out_in_no_form(form):
    shown = without(f"Invalid number {form}, sorry", PRIVATE)
    assert shown is None or form not in shown
    digits = re.sub(r"\D", "", shown or "")
    assert not [digits[at : at + 5] for at in range(len(digits) - 4) if digits[at : at + 5] in NUMBER]


@given(
    st.integers(6_000_000_000, 9_999_999_999),
    st.integers(1, 9),
    st.sampled_from([" ", "-", ".", " - ", "\u2009", ") "]),
)
def test_nor_in_any_grouping(national, size, sign):
    digits = str(national)
    grouped = sign.join(digits[start : start + size] for start in range(0, 10, size))
    shown = without(f"The number {grouped} is not valid", Private([], [f"+91{digits}"])) or ""
    assert HIDDEN in shown
    assert not re.search(r"\d{5}", re.sub(r"\D", "", shown))


@pytest.mark.parametrize(
    "text",
    [
        "कृपया अपना कोड 482913 किसी को न बताएँ",
        "您的验证码是四八二九一三请勿泄露",
        "Ваш код подтверждения 482913",
        "Votre code d'accès privé",
    ],
)
@pytest.mark.parametrize(
    "name",
    [
        "plain",
        "HTML, every character",
        "JSON, every character",
        "URL",
        "base64",
        "hex of UTF-16",
        "base64 of UTF-16",
        "quoted-printable",
    ],
)
def test_other_scripts_come_out_no_more_than_latin(text, name):
    encoded = FORMS[name](text)
    for shown in (
        without(f"bad text {part}", Private([text])) or "" for part in (encoded, encoded[: len(encoded) * 2 // 3])
    ):
        assert "482913" not in shown
        assert_hidden(shown, encoded, text)


@pytest.mark.parametrize("charset", ["latin-1", "cp1252"])
def test_bytes_decoded_with_the_wrong_charset_are_read_rightly(charset):
    text = "कृपया किसी को न बताएँ"
    wrong = text.encode().decode(charset, "ignore")
    assert without(f"bad text {wrong}", Private([text])) is None


@pytest.mark.parametrize("code", ["482913", "4829", "482 913", "482-913", "48 29 13"])
def test_a_code_is_short_and_comes_out_no_more_for_it(code):
    assert without(f"the code {code} is spam", PRIVATE) == "the code *** is spam"


@pytest.mark.parametrize("name", FORMS)
def test_so_it_is_in_every_form(name):
    for code in ("482913", "70318246"):
        encoded = FORMS[name](code)
        shown = without(f"the code {encoded} is spam", Private([f"Dear Asha, {code} it is"]))
        assert shown is None or shown == "the code *** is spam" or encoded not in shown


def test_words_that_are_marked_one_by_one_come_out_no_more():
    marked = re.sub(r"(\w+)", r"<b>\1</b>", TEXT)
    shown = without(f"spam: {marked}", PRIVATE)
    assert shown is None or not {"Dear", "Asha", "482913", "share"} & {*re.findall(r"\w+", shown)}


# --- words that stay ------------------------------------------------------------------------------------------------------

ORDINARY_TEXTS = (
    "Your verification code is 482913. Do not share it with anyone.",
    "Dear Asha, your order 17 has been shipped and will be delivered today.",
    "The number of your account is not valid, please call our service.",
    "Hello from Acme: invalid sender, message blocked",
)
ORDINARY_WORDS = (
    "invalid sender",
    "The 'To' number is not a valid phone number",
    "Account not active",
    "Permission to send an SMS has not been enabled for the region",
    "Message body is required",
    "insufficient credit",
    "Authentication failed: check the access token",
    "DLT template not found",
    "Too many requests, retry later",
    "Unknown destination handset",
    "the answer is not JSON",
    "HTTP 401 Unauthorized (check the credentials)",
    "The code you provided does not match the expected value.",
    "HTTP 503 Service Unavailable",
    "Sender id is not registered with the operator",
)


@pytest.mark.parametrize("text", ORDINARY_TEXTS)
@pytest.mark.parametrize("said", ORDINARY_WORDS)
def test_a_vendors_own_words_stay_whatever_the_text(said, text):
    assert without(said, Private([text, TOKEN, "dummy-token-123456"], [NUMBER])) == said


def test_what_stands_beside_a_quotation_stays():
    assert without(f"bad token {TOKEN} for account 17", PRIVATE) == "bad token *** for account 17"
    assert without(f"spam: {TEXT[:30]}... (rule 12)", PRIVATE) == "spam: ***... (rule 12)"


def test_words_that_have_nothing_to_do_with_the_text_stay():
    assert without("Zebra crossing 77 not found: see https://docs.example/errors#e12", PRIVATE) is not None


@given(st.text(max_size=60))
def test_words_are_never_made_longer_than_they_may_be(said):
    assert len(without(said, PRIVATE) or "") <= LONGEST + 3 * len(said)


# --- cost -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "said",
    [
        "%" * (4 << 20),
        "&amp;" * (1 << 20),
        "\\" * (4 << 20),
        "A" * (4 << 20),
        "%25" * (1 << 20),
        "=41" * (1 << 20),
        "\u0928" * (1 << 20),
        "482913 " * (1 << 19),
        "\ufdfa" * (1 << 20),
        "\ufdfa%41&amp;\\u0041 " * (1 << 18),
        FORMS["base64"](FORMS["base64"]("hello world " * (1 << 10))),
        FORMS["packed in base64"]("hello world " * (1 << 20)),
        random.Random(1).randbytes(4000).hex(),
        FORMS["base85"](random.Random(2).randbytes(4000).decode("latin-1")),
        "".join(random.Random(3).choices("0123456789", k=4000)),
        " ".join(map(str, random.Random(4).choices(range(256), k=4000))),
    ],
)
def test_a_long_answer_costs_no_more_than_a_short_one(said):
    begun = time.process_time()
    without(said, PRIVATE)
    assert time.process_time() - begun < 1


@given(st.text(max_size=300) | st.binary(max_size=300).map(lambda data: data.decode("latin-1")))
def test_no_way_to_read_words_is_long(said):
    assert sum(map(len, views(said * 10) or [])) <= 25_000


def test_many_refusals_in_the_same_words_are_looked_at_once():
    private = [Private([f"{TEXT} {n}"], [f"+9198765{n:05}"]) for n in range(1000)]
    begun = time.perf_counter()
    for path in private:
        without("The message was rejected by the operator", path)
    assert time.perf_counter() - begun < 2


def test_what_is_private_is_not_in_what_is_passed_around():
    assert TEXT not in repr(PRIVATE)
    assume_nothing = Private([], [])
    assert without("anything", assume_nothing) == "anything"
