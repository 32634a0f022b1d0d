"""The hours in which a text may arrive, by country and purpose."""

from __future__ import annotations

import zoneinfo
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from smsbridge import hours
from smsbridge.errors import ConfigurationError
from smsbridge.hours import Hours, HoursRule, Span
from smsbridge.messages import Purpose
from smsbridge.phone import regions

INDIA = "+919876543210"
AMERICA = "+12025550123"
CANADA = "+14165550123"
BRITAIN = "+447400123456"
PROMOTIONAL = Purpose.PROMOTIONAL
MINUTE = timedelta(minutes=1)


def at(text, zone="UTC"):
    return datetime.fromisoformat(text).replace(tzinfo=zoneinfo.ZoneInfo(zone))


def rules(*spans, country="IN", zones=("Asia/Kolkata",), **fields):
    return Hours([HoursRule(country=country, purposes=[PROMOTIONAL], zones=zones, hours=spans, **fields)])


def written(tmp_path, text):
    path = tmp_path / "hours.toml"
    path.write_text(text, "utf-8")
    return path


RULE = """
[[rule]]
country = "IN"
purposes = ["promotional"]
zones = ["Asia/Kolkata"]
hours = ["09:00-18:00"]
"""


# --- the built-in rules ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("when", "then"),
    [
        ("2026-11-25T10:00", "2026-11-25T10:00"),
        ("2026-11-25T20:59:59.999999", "2026-11-25T20:59:59.999999"),
        ("2026-11-25T21:00", "2026-11-26T10:00"),
        ("2026-11-25T09:59:59.999999", "2026-11-25T10:00"),
        ("2026-11-25T03:00", "2026-11-25T10:00"),
    ],
)
def test_promotional_texts_reach_india_from_10_to_21_by_its_own_clock(when, then):
    assert Hours.load().next(INDIA, PROMOTIONAL, at(when, "Asia/Kolkata")) == at(then, "Asia/Kolkata")


def test_the_clock_is_the_recipients_whatever_zone_we_are_in():
    evening_here = at("2026-11-25T21:30", "America/New_York")  # 08:00 the next day in India
    assert Hours.load().next(INDIA, PROMOTIONAL, evening_here) == at("2026-11-26T10:00", "Asia/Kolkata")


@pytest.mark.parametrize("purpose", [purpose for purpose in Purpose if purpose is not PROMOTIONAL])
def test_other_purposes_have_no_hours(purpose):
    night = at("2026-11-25T03:00", "Asia/Kolkata")
    assert Hours.load().next(INDIA, purpose, night) == night


@pytest.mark.parametrize("number", [CANADA, BRITAIN, "+5511961234567"])
def test_a_country_without_a_rule_has_no_hours(number):
    night = at("2026-11-25T03:00", "UTC")
    assert Hours.load().next(number, PROMOTIONAL, night) == night


def test_a_country_of_several_zones_has_hours_when_all_of_them_have():
    now = at("2026-11-25T09:00", "America/New_York")  # 04:00 in Honolulu
    assert Hours.load().next(AMERICA, PROMOTIONAL, now) == at("2026-11-25T08:00", "Pacific/Honolulu")
    late = at("2026-11-25T21:00", "America/New_York")  # 16:00 in Honolulu
    assert Hours.load().next(AMERICA, PROMOTIONAL, late) == at("2026-11-26T08:00", "Pacific/Honolulu")


def test_a_number_that_may_be_in_several_countries_has_the_hours_of_all_of_them():
    unassigned = "+12999999999"
    assert "US" in regions(unassigned)
    now = at("2026-11-25T03:00", "America/New_York")
    assert Hours.load().next(unassigned, PROMOTIONAL, now) > now


@pytest.mark.parametrize(
    ("number", "country"),
    [(INDIA, ("IN",)), (AMERICA, ("US",)), (CANADA, ("CA",)), (BRITAIN, ("GB",)), ("+8835100000001", ("001",))],
)
def test_the_country_is_that_of_the_number(number, country):
    assert regions(number) == country


def test_each_builtin_rule_says_where_it_is_from():
    assert all(rule.source.startswith("https://") for rule in Hours.load().otherwise)


# --- hours ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("span", "days", "start", "end"),
    [
        ("10:00-21:00", range(7), 600, 1260),
        ("  Mon-Sat   08:00-22:00 ", range(6), 480, 1320),
        ("sun 12:00-24:00", [6], 720, 1440),
        ("fri-mon 22:00-02:00", [4, 5, 6, 0], 1320, 120),
        ("00:00-24:00", range(7), 0, 1440),
    ],
)
def test_hours_are_written_as_people_write_them(span, days, start, end):
    assert Span.of(span) == Span(frozenset(days), start, end, " ".join(span.lower().split()))


@pytest.mark.parametrize(
    "span",
    ["", "10-21", "10:00-10:00", "24:00-02:00", "10:00-24:01", "10:60-11:00", "xyz 10:00-21:00", "mon-xyz 10:00-21:00"],
)
def test_hours_that_mean_nothing_are_refused(span):
    with pytest.raises(ValueError, match="hours"):
        Span.of(span)


def test_hours_may_run_over_midnight_from_the_days_that_they_begin_on():
    friday = rules("fri 22:00-02:00")
    for hour in ("2026-11-27T22:00", "2026-11-27T23:59", "2026-11-28T01:59"):  # Friday is the 27th
        assert friday.next(INDIA, PROMOTIONAL, at(hour, "Asia/Kolkata")) == at(hour, "Asia/Kolkata")
    for hour in ("2026-11-27T01:00", "2026-11-27T21:59"):
        assert friday.next(INDIA, PROMOTIONAL, at(hour, "Asia/Kolkata")) == at("2026-11-27T22:00", "Asia/Kolkata")
    assert friday.next(INDIA, PROMOTIONAL, at("2026-11-28T02:00", "Asia/Kolkata")) == at(
        "2026-12-04T22:00", "Asia/Kolkata"
    )


def test_hours_of_several_lines_add_up():
    texas = rules("mon-sat 09:00-21:00", "sun 12:00-21:00", country="US", zones=["America/Chicago"])
    sunday = at("2026-11-29T09:00", "America/Chicago")
    assert texas.next(AMERICA, PROMOTIONAL, sunday) == at("2026-11-29T12:00", "America/Chicago")


def test_a_rule_is_in_force_from_and_until_its_days():
    dated = rules("10:00-21:00", since="2026-12-01", until="2026-12-31")
    for free in ("2026-11-30T23:59", "2027-01-01T00:00"):
        assert dated.next(INDIA, PROMOTIONAL, at(free, "Asia/Kolkata")) == at(free, "Asia/Kolkata")
    night = at("2026-12-01T00:00", "Asia/Kolkata")
    assert dated.next(INDIA, PROMOTIONAL, night) == at("2026-12-01T10:00", "Asia/Kolkata")
    last = at("2026-12-31T22:00", "Asia/Kolkata")
    assert dated.next(INDIA, PROMOTIONAL, last) == at("2027-01-01T00:00", "Asia/Kolkata")


def test_all_rules_in_force_have_to_permit():
    both = Hours([*rules("10:00-21:00").rules, *rules("20:00-23:00").rules])
    assert both.next(INDIA, PROMOTIONAL, at("2026-11-25T12:00", "Asia/Kolkata")) == at(
        "2026-11-25T20:00", "Asia/Kolkata"
    )


def test_no_hours_at_all_are_never():
    never = rules()
    assert never.next(INDIA, PROMOTIONAL, at("2026-11-25T12:00")) is None
    assert never.of(INDIA, PROMOTIONAL, at("2026-11-25T12:00"))[0].words == "never"


@pytest.mark.parametrize("moment", [datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)])
def test_the_ends_of_the_calendar_are_no_error(moment):
    found = Hours.load().next(INDIA, PROMOTIONAL, moment)
    assert found is None or found >= moment
    assert len(Hours.load().of(INDIA, PROMOTIONAL, moment)) == 1


def test_one_answer_serves_all_who_ask_until_then():
    known = Hours.load()
    night = at("2026-11-25T22:00", "Asia/Kolkata")
    first = known.next(INDIA, PROMOTIONAL, night)
    later = night + timedelta(hours=3)
    assert known.next(INDIA, PROMOTIONAL, later) is first
    for other in (night - timedelta(days=1), first + timedelta(hours=12)):
        assert known.next(INDIA, PROMOTIONAL, other) == Hours.load().next(INDIA, PROMOTIONAL, other)


# --- clocks that are set forward and back ---------------------------------------------------------------------------------

BERLIN = {"country": "DE", "zones": ["Europe/Berlin"]}
GERMANY = "+4915112345678"


def test_hours_that_begin_in_the_hour_that_is_left_out_begin_with_the_next_one():
    # On 29 March 2026 clocks go from 02:00 to 03:00, at 01:00 UTC.
    assert rules("02:30-05:00", **BERLIN).next(GERMANY, PROMOTIONAL, at("2026-03-29T00:00")) == at("2026-03-29T01:00")


def test_an_hour_that_comes_twice_is_in_the_hours_twice():
    # On 25 October 2026 clocks go from 03:00 back to 02:00, at 01:00 UTC.
    twice = rules("02:15-02:30", **BERLIN)
    assert twice.next(GERMANY, PROMOTIONAL, at("2026-10-25T00:00")) == at("2026-10-25T00:15")
    assert twice.next(GERMANY, PROMOTIONAL, at("2026-10-25T00:30")) == at("2026-10-25T01:15")


def test_setting_the_clock_back_may_itself_begin_the_hours():
    early = rules("01:30-02:30", **BERLIN)
    assert early.next(GERMANY, PROMOTIONAL, at("2026-10-25T00:30")) == at("2026-10-25T01:00")


ZONES = ["Asia/Kolkata", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "America/Sao_Paulo", "Asia/Beirut"]
HOUR = st.integers(0, 95).map(lambda quarter: 15 * quarter)


@st.composite
def spans(draw):
    start, end = draw(st.tuples(HOUR, HOUR).filter(lambda pair: pair[0] != pair[1]))
    days = draw(st.sampled_from(["", "mon ", "sat-sun ", "wed-thu "]))
    return f"{days}{start // 60:02}:{start % 60:02}-{end // 60:02}:{end % 60:02}"


@example("Asia/Beirut", ["23:30-00:30"], at("2026-03-28T20:00"))  # clocks are set forward at midnight
@example("Australia/Lord_Howe", ["01:45-02:15"], at("2026-04-04T14:00"))  # by half an hour
@given(
    zone=st.sampled_from(ZONES),
    hours=st.lists(spans(), min_size=1, max_size=2),
    when=st.integers(0, 9 * 365 * 24 * 60).map(lambda minutes: at("2018-01-01") + minutes * MINUTE),
)
def test_the_next_moment_is_the_one_that_a_look_at_each_minute_finds(zone, hours, when):
    known = rules(*hours, zones=[zone])
    clock = zoneinfo.ZoneInfo(zone)
    expected = when
    for _ in range(8 * 24 * 60):
        if any(Span.of(hour).holds(expected.astimezone(clock)) for hour in hours):
            break
        expected += MINUTE
    assert known.next(INDIA, PROMOTIONAL, when) == expected


# --- your own rules -------------------------------------------------------------------------------------------------------


def in_force(known, number, purpose, day="2026-11-25"):
    return [rule.words for rule in known.of(number, purpose, at(f"{day}T12:00"))]


def test_rules_of_ones_own_take_the_place_of_those_for_their_country_and_purpose(tmp_path):
    known = Hours.load(written(tmp_path, RULE))
    assert in_force(known, INDIA, PROMOTIONAL) == ["09:00-18:00"]
    assert in_force(known, AMERICA, PROMOTIONAL) == ["08:00-21:00"]
    service = Hours.load(written(tmp_path, RULE.replace("promotional", "service")))
    assert in_force(service, INDIA, PROMOTIONAL) == ["10:00-21:00"]
    assert in_force(service, INDIA, Purpose.SERVICE) == ["09:00-18:00"]


@pytest.mark.parametrize(
    ("dates", "day", "hours"),
    [
        ("since = 2026-12-01", "2026-11-30", "10:00-21:00"),
        ("since = 2026-12-01", "2026-12-01", "09:00-18:00"),
        ("until = 2026-12-01", "2026-12-01", "09:00-18:00"),
        ("until = 2026-12-01", "2026-12-02", "10:00-21:00"),
    ],
)
def test_they_do_so_only_while_they_are_in_force(tmp_path, dates, day, hours):
    known = Hours.load(written(tmp_path, RULE + dates))
    assert in_force(known, INDIA, PROMOTIONAL, day) == [hours]
    begin, end = hours.split("-")
    night = at(f"{day}T00:30", "Asia/Kolkata")
    assert known.next(INDIA, PROMOTIONAL, night) == at(f"{day}T{begin}", "Asia/Kolkata")
    assert known.next(INDIA, PROMOTIONAL, at(f"{day}T{end}", "Asia/Kolkata")) > at(f"{day}T23:59", "Asia/Kolkata")


def test_between_a_rule_that_ends_and_one_that_begins_the_built_in_ones_hold(tmp_path):
    known = Hours.load(written(tmp_path, f"{RULE}until = 2026-11-30\n{RULE}since = 2026-12-02\n"))
    days = ("2026-11-30", "2026-12-01", "2026-12-02")
    assert [in_force(known, INDIA, PROMOTIONAL, day) for day in days] == [
        ["09:00-18:00"],
        ["10:00-21:00"],
        ["09:00-18:00"],
    ]


def test_where_the_day_begins_at_different_times_no_moment_is_without_a_rule(tmp_path):
    rule = RULE.replace('"Asia/Kolkata"', '"Asia/Kolkata", "America/New_York"').replace("09:00-18:00", "00:00-24:00")
    known = Hours.load(written(tmp_path, f"{rule}since = 2026-12-01\n"))
    morning = at("2026-12-01T08:00", "Asia/Kolkata")  # the hours of the day before, in New York
    assert known.next(INDIA, PROMOTIONAL, morning) == at("2026-12-01T10:00", "Asia/Kolkata")
    night = at("2026-12-01T22:00", "Asia/Kolkata")
    assert known.next(INDIA, PROMOTIONAL, night) == night


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (f"{RULE}\n[[rule]]\ncountry = 'IN'\n", "line 8: purposes is missing; zones is missing; hours is missing"),
        (f"{RULE}since = 2027-01-02\nuntil = 2027-01-01\n", "line 2: until is wrong: this is before since"),
        (RULE.replace("09:00", "9am"), "line 2: hours.0 is wrong: write hours as 10:00-21:00"),
        (RULE.replace('"IN"', '"India"'), "line 2: country is wrong"),
        (RULE.replace("promotional", "fun"), "line 2: purposes.0 is wrong"),
        (f"{RULE}zone = 'x'\n", "line 2: zone is not known"),
        (f"rules = 1\n{RULE}", "line 1: rules is not known; write \\[\\[rule\\]\\]"),
        ("rule = 1", "has to be several tables"),
        ("rule = [1]", "rule 1: it is wrong"),
        ("rule = [{country = 'IN'}]", "rule 1: purposes is missing"),
        ("[[rule]\n", "is not TOML: .*at line 1"),
        ("rule = " + "[" * 5000, "is not TOML: "),
        (RULE.replace("Asia/Kolkata", "Asia/Nowhere"), "there is no time zone 'Asia/Nowhere'"),
        (RULE.replace("Asia/Kolkata", "../etc/passwd"), "there is no time zone"),
    ],
)
def test_a_wrong_file_is_named_with_the_line_and_what_is_expected(tmp_path, text, words):
    with pytest.raises(ConfigurationError, match=words) as caught:
        Hours.load(written(tmp_path, text))
    assert caught.value.__cause__ is caught.value.__context__ is None


def test_a_file_that_cannot_be_read_is_named(tmp_path):
    with pytest.raises(ConfigurationError, match=r"none\.toml cannot be read: No such file"):
        Hours.load(tmp_path / "none.toml")
    (tmp_path / "latin.toml").write_bytes(b"# \xe9")
    with pytest.raises(ConfigurationError, match=r"latin\.toml is not UTF-8"):
        Hours.load(tmp_path / "latin.toml")


def test_a_machine_without_zone_data_is_told_what_to_install(monkeypatch):
    def nothing(key):
        raise zoneinfo.ZoneInfoNotFoundError(key)

    monkeypatch.setattr(hours.zoneinfo, "ZoneInfo", nothing)
    with pytest.raises(ConfigurationError, match="pip install tzdata"):
        Hours.load()
