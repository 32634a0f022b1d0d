"""The texts that fit a registered template: the same as with a slow matcher, in linear time."""

from __future__ import annotations

import re
import sys
import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from smsbridge.dlt import Rules, rules
from smsbridge.dlt.cutting import Text, cut, plain
from smsbridge.dlt.index import Index
from smsbridge.dlt.tags import TAGS
from smsbridge.dlt.template import Shape, Slot

DEFAULT = Rules()


def values(template, text, **rules):
    """The values of the text, or None if it does not fit."""
    prepared = Text(text, Rules(**rules))
    found = cut(Shape.parse(template), prepared)
    return found and [plain(prepared.units[begin:end]) for begin, end in found.values]


def fits(template, text, **rules):
    return values(template, text, **rules) is not None


# --- fixed text -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "your order 17 has shipped.",
        "Your order 17 has shipped",
        "Your order 17 has shipped..",
        "Your order 17 has  shipped.",
        "Your order 17 has shipped. ",
        " Your order 17 has shipped.",
        "Your order 17 has\nshipped.",
        "Your order 17 has\u00a0shipped.",
        "Your order 17 has ship\u200bped.",
        "Your order 17 h\u0430s shipped.",  # a Cyrillic letter
        "<#> Your order 17 has shipped.",
        "Your order 17 has shipped. -Acme",
        "",
        "Your order {#var#} has shipped\ud800.",
    ],
)
def test_any_other_character_is_another_text(text):
    assert fits("Your order {#var#} has shipped.", "Your order 17 has shipped.")
    assert not fits("Your order {#var#} has shipped.", text)


def test_composed_and_decomposed_letters_are_different_characters():
    composed, decomposed = (unicodedata.normalize(form, "café {#var#}") for form in ("NFC", "NFD"))
    assert fits(composed, composed.replace("{#var#}", "1"))
    assert not fits(composed, decomposed.replace("{#var#}", "1"))


def test_a_template_without_variables_fits_itself_alone():
    assert values("Hello.", "Hello.") == []
    assert not fits("Hello.", "Hello")


@pytest.mark.parametrize(
    ("template", "text", "found"),
    [
        ("नमस्ते {#var#}, आपका ऑर्डर {#numeric#} भेज दिया गया है।", "नमस्ते आशा, आपका ऑर्डर 17 भेज दिया गया है।", ["आशा", "17"]),
        ("வணக்கம் {#var#}, உங்கள் குறியீடு {#var#}.", "வணக்கம் ஆஷா, உங்கள் குறியீடு 4821.", ["ஆஷா", "4821"]),
        ("హలో {#alphanumeric#}, మీ కోడ్ {#numeric#}.", "హలో ఆశా, మీ కోడ్ 4821.", ["ఆశా", "4821"]),
        ("প্রিয় {#var#}, আপনার কোড {#var#}।", "প্রিয় আশা, আপনার কোড ৪৮২১।", ["আশা", "৪৮২১"]),
    ],
    ids=["Hindi", "Tamil", "Telugu", "Bengali"],
)
def test_native_script_is_the_normal_case(template, text, found):
    assert values(template, text) == found
    assert not fits(template, text[:-1])


# --- values ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("longest", "right"), [(30, "x" * 30), (40, "x" * 40), (29, "x" * 29)])
def test_a_value_has_so_many_characters_and_no_more(longest, right):
    assert fits("a {#var#} b", f"a {right} b", longest=longest)
    assert not fits("a {#var#} b", f"a {right}x b", longest=longest)


def test_variables_side_by_side_carry_a_long_value_together():
    assert values("a {#var#}{#var#}{#var#} b", f"a {'x' * 90} b") == ["x" * 90]
    assert not fits("a {#var#}{#var#}{#var#} b", f"a {'x' * 91} b")


def test_side_by_side_values_of_a_form_have_it_each():
    assert fits("{#url#}{#url#}", "https://a.in/" + "www.a.in")
    assert values("{#email#}{#email#}", "a@b.in" + "c@d.in") == ["a@b.inc@d.in"]
    assert not fits("{#url#}{#url#}", "https://a.in/" + "x" * 30)
    assert not fits("{#cbn#}{#cbn#}", "9876543210")


def test_an_emoji_counts_as_its_two_utf_16_units_and_is_never_halved():
    assert values("{#var#}.", "😀" * 15 + ".") == ["😀" * 15]
    assert not fits("{#var#}.", "😀" * 16 + ".")
    assert not fits("{#var#}{#numeric#}", "😀")
    assert fits("{#var#}{#var#}.", "😀.")  # not a cut inside it: two units are two characters


def test_an_empty_value_is_refused_unless_a_rule_allows_it():
    assert not fits("a {#var#} b", "a  b")
    assert values("a {#var#} b", "a  b", empty_values=True) == [""]
    assert not fits("a {#var#}{#var#} b", "a x b")
    assert fits("a {#var#}{#var#} b", "a x b", empty_values=True)


@pytest.mark.parametrize("char", ["\0", "\x07", "\x1b", "\x7f", "\x85", "\t", "\n", "\r"])
def test_a_value_holds_no_control_characters(char):
    assert not fits("a {#var#} b", f"a x{char}y b")
    assert fits("a {#var#} b", f"a x{char}y b", line_breaks=True) == (char in "\n\r")


def test_half_of_a_character_fits_nothing():
    assert not fits("{#var#}", "\ud83d")
    assert not fits("{#var#}", "\udc00")
    assert not fits("{#var#}", "\ude00\ud83d")


TYPED = [
    ("numeric", "0123456789", True, {}),
    ("number", "17", True, {}),
    ("numeric", "1.5", False, {}),
    ("numeric", "1.5", True, {"decimal_point": True}),
    ("numeric", "1.5.2", False, {"decimal_point": True}),
    ("number", ".5", False, {"decimal_point": True}),
    ("number", "5.", False, {"decimal_point": True}),
    ("numeric", "12a", False, {}),
    ("numeric", "१२", False, {}),
    ("numeric", "-1", False, {}),
    ("alphanumeric", "Asha17", True, {}),
    ("alphanumeric", "आशा", True, {}),
    ("alphanumeric", "Asha Rao", False, {}),
    ("alphanumeric", "Asha Rao", True, {"alphanumeric_also": " "}),
    ("alphanumeric", "a_b/c.d", True, {"alphanumeric_also": " _/."}),
    ("alphanumeric", "a-b", False, {"alphanumeric_also": " _/."}),
    ("url", "https://acme.in/a?b=1", True, {}),
    ("urlott", "http://acme.in", True, {}),
    ("url", "www.acme.in", True, {}),
    ("url", "HTTPS://ACME.IN/A?b=1", True, {}),
    ("urlott", "Http://acme.in", True, {}),
    ("url", "WWW.acme.in", True, {}),
    ("url", "Www.Acme.in", True, {}),
    ("urlott", "MyApp://home", True, {"app_links": True}),
    ("url", "HTTQS://acme.in", False, {}),
    ("url", "acme.in", False, {}),
    ("url", "https://", False, {}),
    ("url", "https://acme.in/a b", False, {}),
    ("urlott", "myapp://home", False, {}),
    ("urlott", "myapp://home", True, {"app_links": True}),
    ("cbn", "9876543210", True, {}),
    ("cbn", "919876543210", True, {}),
    ("cbn", "18001234", True, {}),
    ("cbn", "1800123", False, {}),
    ("cbn", "9198765432101", False, {}),
    ("cbn", "1800-123-4567", False, {}),
    ("cbn", "1800-123-4567", True, {"callback_hyphens": True}),
    ("cbn", "1800--1234567", False, {"callback_hyphens": True}),
    ("cbn", "-18001234567", False, {"callback_hyphens": True}),
    ("email", "asha.rao+x@mail.acme.co.in", True, {}),
    ("email", "asha@acme", False, {}),
    ("email", "asha", False, {}),
    ("email", "@acme.in", False, {}),
    ("email", "asha@acme..in", False, {}),
    ("email", "asha@-acme.in", False, {}),
    ("email", "asha@acme-.in", False, {}),
    ("email", "a@b@acme.in", False, {}),
]


@pytest.mark.parametrize(("tag", "value", "right", "rules"), TYPED)
def test_a_typed_value_is_of_its_type(tag, value, right, rules):
    assert fits(f"a {{#{tag}#}} b", f"a {value} b", **rules) == right


def test_every_tag_has_a_case():
    assert {case[0] for case in TYPED} | {"var"} == TAGS.keys() == set(rules.TAGS)


def test_a_tag_may_have_a_length_of_its_own():
    long = "x" * 40
    assert not fits("{#alphanumeric#}.", f"{long}.")
    assert fits("{#alphanumeric#}.", f"{long}.", longest_by_tag={"alphanumeric": 40})
    assert not fits("{#var#}.", f"{long}.", longest_by_tag={"alphanumeric": 40})


REGISTERED = (
    # As MSG91 shows it among links to register: 129 characters.
    "https://www.rediff.com/sports/report/paris-2024-olympics-medals-table-france-china-india-usa-great-britain-australia/"
    "20240727.htm"
)


@pytest.mark.parametrize(
    ("tag", "value"),
    [
        ("urlott", "https://play.google.com/store/apps/details?id=com.myapp"),
        (
            "urlott",
            "https://play.google.com/store/apps/details?id=in.co.acmelogistics.customer.tracking&hl=en_IN&gl=IN",
        ),
        ("urlott", "https://apps.apple.com/in/app/acme-parcel-tracking-and-delivery/id1234567890"),
        ("url", REGISTERED),
        ("url", f"https://www.acme.in/track?order=17&token={'x' * 200}"),
        ("email", "customer.relations.maharashtra@acme-logistics.example.co.in"),
    ],
)
def test_a_link_or_an_address_is_not_cut_off_by_the_length_of_other_values(tag, value):
    assert fits(f"See {{#{tag}#}} - Acme", f"See {value} - Acme")
    assert fits(f"See {{#{tag}#}} - Acme", f"See {value} - Acme", longest=20)
    assert not fits(f"See {{#{tag}#}} - Acme", f"See {value} - Acme", longest_by_tag={tag: 30})
    assert not fits("See {#var#} - Acme", f"See {value} - Acme")


@pytest.mark.parametrize("tag", ["url", "urlott"])
def test_a_link_has_255_characters_at_most(tag):
    longest = f"https://acme.in/{'x' * 239}"
    assert len(longest) == 255
    assert fits(f"{{#{tag}#}}.", f"{longest}.")
    assert not fits(f"{{#{tag}#}}!", f"{longest}x!")


def test_a_first_way_to_cut_that_leads_nowhere_is_not_the_last():
    assert values("{#numeric#}a{#numeric#}", "1a2") == ["1", "2"]
    assert values("{#alphanumeric#}a{#numeric#}", "aaa1") == ["aa", "1"]
    assert values("{#var#}b{#var#}", "b" * 35, longest=30)[0] == "b" * 4  # the second would be too long for less


def test_a_value_that_looks_like_fixed_text_is_cut_somewhere_and_that_is_said():
    prepared = Text("Hi A and B and C", DEFAULT)
    found = cut(Shape.parse("Hi {#var#} and {#var#}"), prepared)
    assert not found.unique
    assert [prepared.units[begin:end] for begin, end in found.values] == ["A", "B and C"]
    assert cut(Shape.parse("Hi {#var#} and {#var#}"), Text("Hi A and B", DEFAULT)).unique
    assert cut(Shape.parse("Hi {#var#}{#var#}"), Text("Hi Asha", DEFAULT)).unique  # the cut of a row does not matter


def test_fifty_variables():
    template = " ".join(["{#var#}"] * 50)
    assert values(template, " ".join(map(str, range(50)))) == [str(number) for number in range(50)]
    side_by_side = "{#var#}" * 50
    assert values(side_by_side, "x" * 1500) == ["x" * 1500]
    assert not fits(side_by_side, "x" * 1501)


# --- punctuation, if a rule ignores it ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text", ["Hi Asha Your order", "Hi, Asha!Your order...", "Hi,\nAsha. Yourorder", "(Hi), Asha. Your - order"]
)
def test_punctuation_may_be_declared_not_to_count(text):
    template = "Hi, {#alphanumeric#}. Your order"
    assert not fits(template, text)
    assert values(template, text, punctuation_counts=False) is not None
    assert not fits(template, text.replace("order", "orders"), punctuation_counts=False)
    assert not fits(template, text.replace("Your", "your"), punctuation_counts=False)


# --- the same as a slow matcher -------------------------------------------------------------------------------------------

SLOW = {"var": r"[^\x00-\x1f\x7f-\x9f]+", "numeric": r"[0-9]+", "email": r"[a-z0-9.]+@[a-z0-9]+(\.[a-z0-9]+)+"}


def slowly(shape, text):
    """Whether ``text`` fits: tries every end of every part, by dynamic programming over prefixes."""
    ends = {0}
    parts = []
    for part in shape.parts:
        apart = isinstance(part, Slot) and part.tag == "email"
        parts += [Slot("email")] * part.count if apart else [part]
    for part in parts:
        following = set()
        for begin in ends:
            if isinstance(part, str):
                if text.startswith(part, begin):
                    following.add(begin + len(part))
                continue
            for end in range(begin + 1, len(text) + 1):
                value = text[begin:end]
                units = len(value.encode("utf-16-le")) // 2
                if part.count <= units <= SHORT.longest_of(part.tag) * part.count and re.fullmatch(
                    SLOW[part.tag], value
                ):
                    following.add(end)
        ends = following
    return len(text) in ends


PIECES = st.sampled_from(["{#var#}", "{#numeric#}", "{#email#}", "a", "b", "ab", " ", "1", ".", "@", "😀"])
TEMPLATES = st.lists(PIECES, min_size=1, max_size=7).map("".join)
CHARACTERS = st.one_of(
    st.text(st.sampled_from("ab 1.@😀\n"), max_size=12),
    st.lists(st.sampled_from(["a@b.a", "b@1.a", "a", "b", " ", "1", ".", "😀"]), max_size=6).map("".join),
)
SHORT = Rules(longest=3, longest_by_tag={"email": 6})


@given(TEMPLATES, CHARACTERS)
@example("{#var#}a{#var#}b", "aaab")
@example("{#email#}", "a@b.a")
def test_it_never_differs_from_a_slow_matcher(template, text):
    shape = Shape.parse(template)
    assert (cut(shape, Text(text, SHORT)) is not None) == slowly(shape, text)


@given(st.data(), st.lists(TEMPLATES, min_size=1, max_size=12))
def test_the_index_finds_what_holding_a_text_against_each_finds(data, templates):
    shapes = {Shape.parse(template) for template in templates}
    fill = st.sampled_from(["a", "b1", "1", "12", "a@b.a", "😀"])
    text = re.sub(r"\{#\w+#\}", lambda _: data.draw(fill), data.draw(st.sampled_from(templates)))
    text = data.draw(st.sampled_from([text, text + "a", text[1:]]))
    assert {shape for shape, _ in Index(shapes, SHORT).fitting(Text(text, SHORT))} == {
        shape for shape in shapes if slowly(shape, text)
    }


@given(TEMPLATES, CHARACTERS)
def test_values_put_back_into_a_template_are_the_text(template, text):
    shape, prepared = Shape.parse(template), Text(text, SHORT)
    found = cut(shape, prepared)
    if found is None:
        return
    rest = iter(plain(prepared.units[begin:end]) for begin, end in found.values)
    assert "".join(next(rest) if isinstance(part, Slot) else part for part in shape.parts) == text


@given(TEMPLATES, CHARACTERS)
def test_a_cut_is_unique_if_there_is_no_other(template, text):
    shape = Shape.parse(template)
    found = cut(shape, Text(text, SHORT))
    if found is not None:
        assert found.unique == (len(list(every_cut(shape.parts, text))) == 1)


def every_cut(parts, text):
    if not parts:
        yield from [()] if not text else []
        return
    part, *rest = parts
    ends = [len(part)] if isinstance(part, str) and text.startswith(part) else []
    if not isinstance(part, str):
        ends = [end for end in range(1, len(text) + 1) if slowly(Shape((part,)), text[:end])]
    for end in ends:
        for following in every_cut(rest, text[end:]):
            yield (end, *following)


# --- in linear time -------------------------------------------------------------------------------------------------------


def work(template, text):
    """The number of our lines that run to compare a text with a template: equal on any machine, busy or not."""
    shape, prepared, count = Shape.parse(template), Text(text, DEFAULT), 0

    def trace(frame, event, _):
        nonlocal count
        count += event == "line" and "smsbridge" in frame.f_code.co_filename
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        cut(shape, prepared)
    finally:
        sys.settrace(before)
    return count


EVIL = [
    # A template, a text that makes a backtracking matcher try everything, and the end that does not fit.
    ("{#var#}a" * 20 + "!", "a" * 300),
    ("{#var#} " * 20 + "!", " " * 300),
    ("{#var#}{#numeric#}" * 10 + "!", "1" * 300),
    ("{#email#}@" * 8 + "!", "a@a.a" * 60),
    ("{#alphanumeric#}{#var#}" * 10 + "!", "a" * 299 + "?"),
    ("{#url#}w" * 8 + "!", "www." * 75),
]


@pytest.mark.parametrize(("template", "text"), EVIL, ids=range(len(EVIL)))
def test_a_text_twice_as_long_takes_no_more_than_twice_the_work(template, text):
    assert not fits(template, text)
    once, twice = work(template, text), work(template, text * 2)
    assert twice <= 2.2 * once + 100
    assert once <= 200 * len(text)


@pytest.mark.parametrize("text", ["", "a" * 10_000, "\0" * 10_000, "{#var#}" * 1500, "😀" * 5000, "\ud800" * 10_000])
def test_an_endless_or_strange_text_is_no_special_case(text):
    index = Index([Shape.parse(template) for template, _ in EVIL], DEFAULT)
    assert index.fitting(Text(text, DEFAULT)) == []
    for template, _ in EVIL:
        assert not fits(template, text)


def test_a_text_is_held_against_few_of_many_templates(monkeypatch):
    from smsbridge.dlt import index as module

    shapes = [Shape.parse(f"Dear {{#var#}}, order {number:05} of {{#var#}} has shipped.") for number in range(2000)]
    shapes += [Shape.parse(f"{{#var#}} is the code of shop{number:05}{{#var#}}") for number in range(2000)]
    index = Index(shapes, DEFAULT)
    held = []
    monkeypatch.setattr(module, "cut", lambda shape, text: held.append(shape) or cut(shape, text))
    for text, number in (
        ("Dear Asha, order 01234 of Acme has shipped.", 1234),
        ("4821 is the code of shop00042, Asha", 2042),
    ):
        assert [shape for shape, _ in index.fitting(Text(text, DEFAULT))] == [shapes[number]]
    assert len(held) <= 20
