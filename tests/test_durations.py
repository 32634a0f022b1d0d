"""A duration is a number and a unit. The caller decides whether the unit may be missing."""

from __future__ import annotations

from datetime import timedelta

import pytest

from smsbridge.durations import duration


@pytest.mark.parametrize(
    ("written", "seconds"),
    [("90s", 90), ("10m", 600), (" 2 H ", 7200), ("1d", 86400), ("0s", 0), ("999999d", 999999 * 86400)],
)
def test_a_duration_is_a_number_and_a_unit(written, seconds):
    assert duration(written) == timedelta(seconds=seconds)


@pytest.mark.parametrize(
    "written", ["", " ", "d", "90", "1000000s", "-1s", "+1s", "1.5h", "1w", "1h30m", "soon", "1 0s", "१m"]
)
def test_anything_else_is_none(written):
    assert duration(written) is None


def test_the_caller_says_the_missing_unit():
    assert duration("600", unit="s") == timedelta(seconds=600)
    assert duration("10m", unit="s") == timedelta(minutes=10)
    assert duration("h", number="1") == timedelta(hours=1)
    assert duration("2h", number="1") == timedelta(hours=2)
    assert duration("0h", number="1") == timedelta(0)
    assert (
        duration("", unit="s")
        is duration("h", unit="s")
        is duration("", number="1")
        is duration("2", number="1")
        is None
    )
