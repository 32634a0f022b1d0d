"""The first difference between a text and its template, as a person sees it."""

from __future__ import annotations

from itertools import chain

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smsbridge.dlt import Change, Registry, Rules, Template
from smsbridge.dlt.cutting import Text, cut
from smsbridge.dlt.nearest import distance, most_changes
from smsbridge.dlt.template import Shape
from smsbridge.text.naming import name

TEXT = "Dear {#var#}, your order {#numeric#} isn't shipped. Visit our store."
RIGHT = "Dear Asha, your order 17 isn't shipped. Visit our store."


def difference(text, template=TEXT, **rules):
    found = Registry.of(Template(id="1", text=template), rules=Rules(**rules)).nearest(text)
    return found[0].difference if found else None


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (RIGHT.replace("'", "\u2019"), "at character 29, there is a right single quotation mark (U+2019), where the template has an apostrophe"),
        (RIGHT.replace("your", " your"), "at character 12, there is a second space too much"),
        (RIGHT.replace(" your", "\nyour"), "at character 11, there is a line break, where the template has a space"),
        (RIGHT.replace(" your", "\u00a0your"), "at character 11, there is a no-break space (U+00A0), where the template has a space"),
        (RIGHT.replace("shipped.", "shipped"), "at character 39, a full stop is missing"),
        (RIGHT[:-1], "at character 56, the text ends, but the template goes on with a full stop"),
        (RIGHT + ".", "at character 57, the text goes on after the end of the template, with a full stop"),
        (RIGHT + "\n", "at character 57, the text goes on after the end of the template, with a line break"),
        (RIGHT + " -Acme", "at character 57, the text goes on after the end of the template, with a space"),
        ("<#> " + RIGHT, "at character 1, there is a less-than sign (U+003C) too much"),
        (RIGHT.replace("your", "yo\u200bur"), "at character 14, there is a zero width space (U+200B) too much"),
        (RIGHT.replace("your", "yo\0ur"), "at character 14, there is a null character too much"),
        (RIGHT.replace("Visit", "visit"), "at character 41, there is a letter, which the template has in the other case"),
        (RIGHT.replace("store", "st\u043ere"), "at character 53, there is a letter of another script, where the template has another character"),
        (RIGHT.replace("17", "1A7"), "value 2, at character 23, has a letter; {#numeric#} is digits"),
        (RIGHT.replace("Asha", "A" * 31), "value 1, at character 6, has 31 characters; the maximum is 30"),
        (RIGHT.replace("17", "1" * 300), "value 2, at character 23, has 300 characters; the maximum is 30"),
        (RIGHT.replace("Asha", ""), "value 1, at character 6, is empty"),
        (RIGHT.replace("Asha", "A\nB"), "value 1, at character 6, has a line break; {#var#} is text"),
    ],
)  # fmt: skip
def test_the_first_difference(text, words):
    assert difference(text).words() == words


def test_in_native_script():
    found = difference("प्रिय आशा, आपका कोड 4821 है.", "प्रिय {#var#}, आपका कोड {#numeric#} है।")
    assert found.words().endswith("there is a full stop, where the template has a devanagari danda (U+0964)")


def test_a_row_of_variables_needs_a_character_for_each():
    words = difference("a x b", "a {#var#}{#var#} b").words()
    assert words == "value 1, at character 3, has 1 characters, fewer than the 2 variables side by side that carry it"


def test_a_value_of_no_type_is_named_by_what_its_tag_wants():
    assert (
        "is not an email address, as {#email#} needs" in difference("mail to a@b now", "mail to {#email#} now").words()
    )


def test_letters_digits_and_symbols_are_named_only_beside_the_text():
    found = difference(RIGHT.replace("Visit", "Pisit"))
    assert found.words() == "at character 41, there is a letter, where the template has another character"
    assert "latin capital letter p (U+0050)" in found.words(private=False)
    assert (found.found, found.expected, found.change) == ("P", "V", Change.CHANGED)
    assert "'P'" not in repr(found)


@given(st.characters())
def test_a_character_is_named_if_it_is_punctuation_space_or_invisible(char):
    import unicodedata

    words = name(char)
    if unicodedata.category(char)[0] in "LNMS" and not char.isascii():
        assert words in ("a letter", "a digit", "a symbol", "a vowel sign or other mark")
    if char.isalnum():
        assert char not in words.removeprefix("a ").split()
    assert words.isprintable()


def test_a_text_that_is_like_no_template_has_no_difference():
    assert difference("Something else altogether, of which no word is there") is None
    assert difference("") is None


def test_far_more_text_at_the_end_is_still_told():
    assert difference(RIGHT + " and so on" * 900).words().startswith("at character 57, the text goes on")


def test_the_nearest_comes_first():
    registry = Registry.of(
        Template(id="1", text="Your order {#var#} has shipped today."),
        Template(id="2", text="Your order {#var#} was shipped today."),
        Template(id="3", text="Your parcel {#var#} was shipped yesterday."),
    )
    near = registry.nearest("Your order 17 was shipped today")
    assert [match.template.id for match in near][:2] == ["2", "1"]
    assert near[0].changes == 1
    assert registry.nearest("Your order 17 was shipped today", limit=1) == near[:1]


def test_where_punctuation_does_not_count_it_is_no_difference():
    found = difference("Dear Asha your order 17 isnt shipped visit our store", punctuation_counts=False)
    assert (found.found, found.expected) == ("v", "V")


PIECES = st.sampled_from(["{#var#}", "{#numeric#}", "a", "b", "ab", " ", "1", "😀"])
TEMPLATES = st.lists(PIECES, min_size=1, max_size=5).map("".join)


def edits(shape, text, rules):
    """The fewest changes, by trying all of them, breadth first; values that break their rules left out."""
    fixed = [list(part) if isinstance(part, str) else [part] for part in shape.parts]
    layer, seen = {tuple(chain.from_iterable(fixed))}, set()
    for changes in range(3):
        for variant in layer:
            parts = []
            for step in variant:
                if isinstance(step, str) and parts and isinstance(parts[-1], str):
                    parts[-1] += step
                else:
                    parts.append(step)
            if cut(Shape(tuple(parts)), Text(text, rules)) if parts else not text:
                return changes
        seen |= layer
        following = set()
        for variant in layer:
            for place in range(len(variant) + 1):
                following |= {(*variant[:place], char, *variant[place:]) for char in set(text)}
                if place < len(variant) and isinstance(variant[place], str):
                    following.add((*variant[:place], *variant[place + 1 :]))
                    following |= {(*variant[:place], char, *variant[place + 1 :]) for char in set(text)}
        layer = following - seen
    return 3


@given(TEMPLATES, st.text(st.sampled_from("ab 1😀"), max_size=5))
def test_no_fewer_changes_would_do(template, text):
    shape, rules = Shape.parse(template), Rules(longest=3)
    prepared = Text(text, rules)
    if cut(shape, prepared):
        return
    found = distance(shape, prepared, most_changes(shape))
    fewest = edits(shape, text, rules)
    if found is None or found.changes is None:
        assert fewest > 2
    else:
        assert found.changes <= fewest or fewest == 3  # a value that breaks its rules is a single change, of any length
        assert 0 <= found.difference.position <= len(text)
        assert found.difference.words()
