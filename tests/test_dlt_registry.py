"""The registry: finding the template of a text, filling a template, and errors without the text."""

from __future__ import annotations

import pickle
import re
from datetime import UTC, date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smsbridge import reading
from smsbridge.dlt import Category, Header, Registry, Rules, State, Template
from smsbridge.dlt.registry import india_day
from smsbridge.dlt.tags import TAGS
from smsbridge.errors import ConfigurationError, ContentError, RefusedError, SenderError
from smsbridge.messages import Dlt, Message, Purpose

ENTITY, OTHER_ENTITY = "1101456780000012345", "1201456780000012345"
TO = "+919876543210"
TODAY = date(2026, 11, 22)
SHIPPED = Template(
    id="1107000000000000001",
    name="order-shipped",
    headers=("ACMEIN",),
    category=Category.SERVICE_IMPLICIT,
    text="Your order {#var#} has shipped, {#var#}.",
)
CODE = Template(
    id="1107000000000000002",
    name="code",
    headers=("ACMEIN", "ACMOTP"),
    purpose=Purpose.OTP,
    category=Category.SERVICE_IMPLICIT,
    text="{#numeric#} is your Acme code.",
)
SALE = Template(id="1107000000000000003", name="sale", headers=("612345",), category="promotional", text="Sale today!")
OLD = Template(id="1107000000000000004", name="old", text="Old news of {#var#}.", valid_until=date(2026, 11, 21))
HEADERS = [Header(name="ACMEIN"), Header(name="ACMOTP"), Header(name="612345", entity_id=OTHER_ENTITY)]
REGISTRY = Registry.of(SHIPPED, CODE, SALE, OLD, headers=HEADERS, entity_id=ENTITY)
TEXT = "Your order 17 has shipped, Asha."


@pytest.fixture(autouse=True)
def today(monkeypatch):
    monkeypatch.setattr(reading, "now", lambda: datetime(2026, 11, 22, 6, 30, tzinfo=UTC))


def message(text=TEXT, **fields):
    return Message(to=TO, text=text, **fields)


def refused(call, *args, **fields):
    with pytest.raises(RefusedError) as caught:
        call(*args, **fields)
    return caught.value


# --- match ----------------------------------------------------------------------------------------------------------------


def test_a_text_is_of_one_template_with_these_values():
    match = REGISTRY.match(TEXT)
    assert (match.template, match.values, match.unique) == (SHIPPED, ("17", "Asha"), True)
    assert "Asha" not in repr(match)
    assert "shipped," not in repr(match)


@pytest.mark.parametrize(
    ("text", "reason", "detail"),
    [
        (TEXT[:-1], "dlt-template", "1107000000000000001 (order-shipped): at character 32, the text ends"),
        (
            "12a4 is your Acme code.",
            "dlt-variable",
            "1107000000000000002 (code): value 1, at character 1, has a letter",
        ),
        ("Old news of Acme.", "dlt-expired", "fits template 1107000000000000004 (old), which expired on 2026-11-21"),
        ("", "dlt-template", "the text is empty"),
        ("Your order 17 \ud800", "dlt-template", "at character 15, there is half of a character"),
        ("अलग", "dlt-template", "not similar to any template"),
        ("x" * 10_000, "dlt-template", "not similar to any template"),
        ("\0\x07", "dlt-template", "not similar to any template"),
    ],
)
def test_a_text_of_no_template_is_refused_with_the_first_difference(text, reason, detail):
    error = refused(REGISTRY.match, text)
    assert (type(error), error.reason, error.fault) == (ContentError, reason, "account")
    assert detail in error.detail
    assert pickle.loads(pickle.dumps(error)) == error


def test_two_templates_that_fit_are_named_and_none_is_guessed():
    registry = Registry.of(SHIPPED, Template(id="9", text="Your order {#var#}", headers=("ACMOTP",)))
    error = refused(registry.match, TEXT)
    assert (error.reason, error.detail) == (
        "dlt-ambiguous",
        "the text fits 2 templates: 1107000000000000001 (order-shipped), 9; name one in the message",
    )
    assert [match.template.id for match in registry.find(TEXT).matches] == [SHIPPED.id, "9"]
    assert registry.match(TEXT, sender="ACMOTP").template.id == "9"
    assert registry.match(TEXT, sender="ACMEIN").template is SHIPPED


def test_one_that_has_expired_leaves_no_ambiguity():
    registry = Registry.of(SHIPPED, Template(id="9", text=SHIPPED.text, valid_until=date(2020, 1, 1)))
    assert registry.match(TEXT).template is SHIPPED
    assert [match.reason for match in registry.find(TEXT).barred] == ["dlt-expired"]
    assert len(registry.find(TEXT, on=date(2019, 1, 1)).matches) == 2


def test_a_sender_that_is_not_registered_is_refused():
    error = refused(REGISTRY.match, TEXT, sender="ACMOTP")
    assert (type(error), error.reason) == (SenderError, "dlt-header")
    assert "registered for ACMEIN, not for ACMOTP" in error.detail
    error = refused(REGISTRY.match, TEXT, sender="acmein")
    assert "no header 'acmein'; did you mean ACMEIN?" in error.detail


def test_promotion_and_all_else_are_kept_apart():
    assert REGISTRY.match("Sale today!", purpose=Purpose.PROMOTIONAL).template is SALE
    assert "is registered as promotional" in refused(REGISTRY.match, "Sale today!", purpose=Purpose.OTP).detail
    assert refused(REGISTRY.match, TEXT, purpose=Purpose.PROMOTIONAL).reason == "dlt-template"


@pytest.mark.parametrize("status", [state for state in State if state is not State.ACTIVE])
def test_a_template_that_is_not_active_says_so(status):
    registry = Registry.of(Template(id="9", text="x", status=status))
    assert f"9, which is {status}" in refused(registry.match, "x").detail


def test_validity_is_in_days_of_india_the_last_one_included(monkeypatch):
    monkeypatch.setattr(reading, "now", lambda: datetime(2026, 11, 21, 18, 29, tzinfo=UTC))
    assert REGISTRY.match("Old news of Acme.").template is OLD
    monkeypatch.setattr(reading, "now", lambda: datetime(2026, 11, 21, 18, 30, tzinfo=UTC))
    assert india_day() == date(2026, 11, 22)
    assert refused(REGISTRY.match, "Old news of Acme.").reason == "dlt-expired"
    young = Registry.of(Template(id="9", text="x", valid_from=date(2026, 12, 1)))
    assert "not valid before 2026-12-01" in refused(young.match, "x").detail


def test_rules_take_turns():
    later = Rules(since=date(2027, 1, 1), longest=40)
    registry = Registry.of(SHIPPED, rules=[later])
    text = TEXT.replace("17", "1" * 35)
    assert refused(registry.match, text).reason == "dlt-variable"
    assert registry.match(text, on=date(2027, 1, 1)).template is SHIPPED


def test_plain_variables_are_refused_from_the_day_that_a_rule_names():
    registry = Registry.of(SHIPPED, CODE, rules=Rules(untyped_until=date(2026, 11, 21)))
    assert "{#var#}, which is not accepted after 2026-11-21" in refused(registry.match, TEXT).detail
    assert registry.match(TEXT, on=date(2026, 11, 21)).template is SHIPPED
    assert registry.match("4821 is your Acme code.").template is CODE


# --- fill -----------------------------------------------------------------------------------------------------------------


def test_a_filled_template_is_all_of_a_message_but_its_recipient():
    filled = REGISTRY.fill("order-shipped", ["17", "Asha"])
    made = Message(to=TO, **filled.fields)
    assert made == message(sender="ACMEIN", purpose=Purpose.SERVICE, dlt=Dlt(entity_id=ENTITY, template_id=SHIPPED.id))
    assert REGISTRY.resolve(made) == made
    assert REGISTRY.fill(SHIPPED.id, ["17", "Asha"]) == filled
    assert "Asha" not in repr(filled)


def test_a_sender_is_chosen_only_where_there_is_one():
    assert "sender" not in REGISTRY.fill("code", ["4821"]).fields
    assert REGISTRY.fill("code", ["4821"], sender="ACMOTP").fields["sender"] == "ACMOTP"
    assert REGISTRY.fill("code", ["4821"]).purpose is Purpose.OTP
    assert refused(REGISTRY.fill, "code", ["4821"], sender="612345").reason == "dlt-header"


def test_the_entity_is_that_of_the_template_or_its_header_or_the_registry():
    assert REGISTRY.fill("sale").dlt.entity_id == OTHER_ENTITY
    assert REGISTRY.fill("code", ["1"]).dlt.entity_id == ENTITY
    assert Registry.of(Template(id="9", text="x", entity_id="77")).fill("9").dlt.entity_id == "77"


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (["17"], "needs 2 values, not 1"),
        ([], "needs 2 values, not 0"),
        (["17", "Asha", "Rao"], "needs 2 values, not 3"),
        (["17", ""], "value 2 is empty"),
        (["1" * 31, "Asha"], "value 1 has 31 characters; the maximum is 30"),
        (["17", "A\nB"], "value 2 has a line break"),
        (["17", "A\0"], "value 2 has a null character"),
        (["17", "{#var#}"], "value 2 has a placeholder in it"),
        (["17", "{#name#}"], "value 2 has a placeholder in it"),
        (["17", "A\ud800"], "value 2 has half of a character"),
    ],
)
def test_a_value_that_is_wrong_is_counted_and_not_shown(values, words):
    error = refused(REGISTRY.fill, "order-shipped", values)
    assert error.reason == "dlt-variable"
    assert words in error.detail
    assert not any(value in str(error) for value in values if len(value) > 2 and "var" not in value)


def test_values_are_strings():
    for values in ("17", [17, "Asha"]):
        with pytest.raises(TypeError):
            REGISTRY.fill("order-shipped", values)


def test_an_unknown_template_names_the_one_that_was_meant():
    assert "did you mean 'order-shipped'?" in refused(REGISTRY.fill, "order-shiped", []).detail


def test_an_expired_template_is_not_filled():
    assert refused(REGISTRY.fill, "old", ["x"]).reason == "dlt-expired"


def test_a_row_of_variables_takes_one_long_value_or_a_value_each():
    registry = Registry.of(Template(id="9", text="At {#var#}{#var#}."))
    assert registry.fill("9", ["x" * 60]).text == f"At {'x' * 60}."
    assert registry.fill("9", ["Acme Road ", "17"]).text == "At Acme Road 17."
    assert refused(registry.fill, "9", ["x" * 31, "y"]).reason == "dlt-variable"
    assert refused(registry.fill, "9", ["x" * 61]).reason == "dlt-variable"


def test_a_value_that_looks_like_fixed_text_is_sent_and_told():
    registry = Registry.of(Template(id="9", text="{#var#} and {#var#}"), Template(id="8", text="You {#var#}"))
    filled = registry.fill("9", ["A and B", "C"])
    assert (filled.text, filled.unique, filled.also_fits) == ("A and B and C", False, ())
    assert registry.fill("9", ["You", "me"]).also_fits == ("8",)
    assert registry.fill("9", ["A", "B"]).unique


VALUES = {
    "var": st.text(
        st.characters(exclude_categories=["Cc", "Cs"], max_codepoint=0xFFFF), min_size=1, max_size=30
    ).filter(lambda text: "{#" not in text),
    "numeric": st.from_regex(r"[0-9]{1,30}", fullmatch=True),
    "number": st.from_regex(r"[0-9]{1,30}", fullmatch=True),
    "alphanumeric": st.from_regex(r"[A-Za-z0-9]{1,30}", fullmatch=True),
    "url": st.from_regex(r"https://[a-z]{1,10}\.in/[!-~]{0,8}", fullmatch=True),
    "urlott": st.from_regex(r"www\.[a-z]{1,10}\.in", fullmatch=True),
    "cbn": st.from_regex(r"[0-9]{8,12}", fullmatch=True),
    "email": st.from_regex(r"[a-z.]{1,8}@[a-z]{1,8}\.[a-z]{1,8}", fullmatch=True),
}


def test_every_tag_has_values():
    assert VALUES.keys() == TAGS.keys()


@given(st.data(), st.lists(st.sampled_from([*TAGS, " - ", "नमस्ते ", "Hi, ", "."]), min_size=1, max_size=8))
def test_what_was_filled_in_matches_and_has_the_same_values(data, pieces):
    text = "".join(f"{{#{piece}#}}" if piece in TAGS else piece for piece in pieces)
    values = [data.draw(VALUES[piece]) for piece in pieces if piece in TAGS]
    registry = Registry.of(Template(id="9", text=text))
    filled = registry.fill("9", values)
    match = registry.match(filled.text)
    assert match.template.id == "9"
    assert match.unique == filled.unique
    if filled.unique and len(match.values) == len(values):
        assert list(match.values) == values
    assert "".join(match.values).replace(" ", "") in "".join(values).replace(" ", "") or not filled.unique


# --- resolve --------------------------------------------------------------------------------------------------------------


def test_a_message_gets_ids_and_sender_and_nothing_else():
    given = message(reference="r-1", purpose=Purpose.SERVICE, options={"twincle": {"flash": True}})
    found = REGISTRY.resolve(given)
    assert found == message(
        reference="r-1",
        purpose=Purpose.SERVICE,
        options={"twincle": {"flash": True}},
        sender="ACMEIN",
        dlt=Dlt(entity_id=ENTITY, template_id=SHIPPED.id),
    )
    assert given.dlt is None


def test_other_countries_pass_untouched():
    given = Message(to="+14155550123", text="anything", sender="UNKNOWN")
    assert REGISTRY.resolve(given) is given


def test_several_headers_leave_the_sender_to_the_account():
    assert REGISTRY.resolve(message("4821 is your Acme code.")).sender is None
    assert REGISTRY.resolve(message("4821 is your Acme code.", sender="ACMOTP")).sender == "ACMOTP"


def test_a_message_that_names_a_template_is_checked_against_that_one_alone():
    registry = Registry.of(SHIPPED, Template(id="9", text="Your order {#var#}"))
    assert registry.resolve(message(dlt=Dlt(template_id="9"))).dlt.template_id == "9"
    error = refused(REGISTRY.resolve, message(dlt=Dlt(template_id=CODE.id), reference="r-1"))
    assert (error.reason, error.reference) == ("dlt-template", "r-1")
    assert CODE.id in error.detail
    assert SHIPPED.id not in error.detail
    error = refused(REGISTRY.resolve, message(dlt=Dlt(template_id="404")))
    assert "no template '404'" in error.detail
    assert refused(REGISTRY.resolve, message(sender="ACMOTP", dlt=Dlt(template_id=SHIPPED.id))).reason == "dlt-header"
    assert refused(REGISTRY.resolve, message("Old news of x.", dlt=Dlt(template_id=OLD.id))).reason == "dlt-expired"


def test_the_day_is_that_on_which_the_text_is_to_go():
    later = message("Old news of x.", send_at=datetime(2026, 11, 20, tzinfo=UTC))
    assert REGISTRY.resolve(later).dlt.template_id == OLD.id


def test_an_entity_of_the_message_has_to_be_that_of_the_template():
    assert REGISTRY.resolve(message(dlt=Dlt(entity_id=ENTITY))).dlt == Dlt(entity_id=ENTITY, template_id=SHIPPED.id)
    error = refused(REGISTRY.resolve, message(dlt=Dlt(entity_id=OTHER_ENTITY)))
    assert (error.reason, error.fault) == ("dlt-entity", "account")
    without_entity = Registry.of(Template(id="9", text="x"))
    assert without_entity.resolve(message("x", dlt=Dlt(entity_id="77"))).dlt == Dlt(entity_id="77", template_id="9")
    assert without_entity.resolve(message("x")).dlt == Dlt(template_id="9")


QUIET = Registry.of(Template(id="9", text="Quixotic zephyr {#var#} jumps, {#numeric#}!"))
SECRET = "Quixotic zephyr Xylophone jumps, 8675309!"


@given(st.integers(0, len(SECRET)), st.integers(0, 3), st.sampled_from([*"Zq7 .\u200bΩ日😀", "Zebra 4821 Ωmega 日本"]))
def test_no_error_shows_a_word_of_the_text(place, gone, inserted):
    text = SECRET[:place] + inserted + SECRET[place + gone :]
    for asked in (message(text), message(text, dlt=Dlt(template_id="9"))):
        try:
            QUIET.resolve(asked)
        except RefusedError as error:
            shown = f"{error} {error!r} {error.detail}"
            assert not [word for word in re.findall(r"\w{3,}", text) if word in shown]
            assert not set("Ωω日本😀") & set(shown)


@given(
    st.one_of(
        st.text(st.characters(categories=None, codec=None)), st.lists(st.sampled_from(TEXT.split(" "))).map(" ".join)
    ),
    st.sampled_from([Rules(), Rules(punctuation_counts=False), Rules(empty_values=True, line_breaks=True)]),
)
def test_any_text_gets_an_answer(text, rules):
    registry = Registry.of(SHIPPED, CODE, SALE, OLD, rules=rules)
    if registry.find(text).matches:
        assert registry.difference(registry.match(text).template, text) is None
        return
    error = refused(registry.match, text)
    assert error.reason in ("dlt-template", "dlt-variable", "dlt-expired")
    assert error.detail


def test_headers_are_there_for_the_choice_of_a_provider():
    assert list(REGISTRY.headers) == ["ACMEIN", "ACMOTP", "612345"]
    assert REGISTRY.headers["612345"].entity_id == OTHER_ENTITY


# --- invalid registries ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "templates",
    [
        [SHIPPED, Template(id=SHIPPED.id, text="x")],
        [SHIPPED, Template(id="9", name="order-shipped", text="x")],
    ],
)
def test_two_templates_with_one_id_or_name_are_refused(templates):
    with pytest.raises(ConfigurationError, match="two templates have the"):
        Registry.of(*templates)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Hi {#var1#}", "{#var1#}, which is not a placeholder"),
        ("Hi {#Var#}", "{#Var#}, which is not a placeholder"),
        ("Hi {#otp#}", "{#otp#}, which is not a placeholder"),
        ("Hi {#var}", "{#var}, which is not a placeholder"),
        ("Hi {# var #}", "{# var #}, which is not a placeholder"),
        ("Hi ##var##", "##var##, which is not a placeholder"),
        ("Hi #VAR1#", "#VAR1#, which is not a placeholder"),
        ("Hi #VAR#", "#VAR#, which is not a placeholder"),
        ("Hi %s!", "%s, which is not a placeholder"),
        ("Hi {{1}}", "{{1}}, which is not a placeholder"),
        ("", "text is empty"),
        ("\ud800", "half of a character"),
    ],
)
def test_what_only_looks_like_a_placeholder_is_refused(text, words):
    with pytest.raises(ValueError, match=re.escape(words)):
        Template(id="9", text=text)


@pytest.mark.parametrize(
    "text", ["50%discount", "100%sure", "#1 in {#var#}", "{curly}", "C# {x}", "5 # 3", "## sale ##"]
)
def test_what_is_plainly_text_is_text(text):
    assert Template(id="9", text=text).text == text


@pytest.mark.parametrize(
    ("rules", "words"),
    [
        ({"longest": 0}, "longest must be a whole number from 1"),
        ({"longest": True}, "longest must be a whole number"),
        ({"longest_by_tag": {"otp": 3}}, "longest_by_tag: there is no tag 'otp'"),
        ({"longest_by_tag": {"url": "3"}}, "longest_by_tag: url must be"),
        ({"empty_values": 1}, "empty_values must be true or false"),
        ({"since": "2026-01-01"}, "since must be a date"),
        ({"alphanumeric_also": 5}, "alphanumeric_also must be a string"),
    ],
)
def test_a_rule_that_is_wrong_is_named(rules, words):
    with pytest.raises(ValueError, match=f"^{re.escape(words)}"):
        Rules(**rules)
