"""The limiter: evenly spread places, reserved one after the other."""

from __future__ import annotations

import itertools
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smsbridge.stores.gcra import Gcra, Rate

HOUR = 3600.0
rates = st.builds(Rate, count=st.integers(1, 60), seconds=st.sampled_from([1.0, 6.0, 60.0]))


def leaving(rate, asks):
    """The times at which requests (given by time and places) may leave, and their numbers."""
    gcra, now, times = Gcra(rate), 0.0, []
    for pause, count in asks:
        now += pause
        kept, wait = gcra.reserve(count, now, HOUR * 24)
        assert kept
        times.append((now + wait, count))
    return times


def most_in_a_window(times, seconds):
    """The most places in any window of ``seconds``, without its end."""
    hair = seconds * 1e-9
    starts = [start for start, _ in times]
    return max(sum(count for at, count in times if start <= at < start + seconds - hair) for start in starts)


pauses = st.floats(0, 3)


@given(rates, st.lists(pauses, min_size=1, max_size=150))
def test_no_window_ever_holds_more_than_the_limit(rate, asks):
    times = leaving(rate, [(pause, 1) for pause in asks])
    assert most_in_a_window(times, rate.seconds) <= rate.count


@given(rates, st.lists(st.tuples(pauses, st.integers(1, 20)), min_size=1, max_size=80))
def test_places_that_are_taken_together_add_less_than_one_lot(rate, asks):
    times = leaving(rate, asks)
    assert most_in_a_window(times, rate.seconds) < rate.count + max(count for _, count in asks)


@given(rates, st.integers(1, 300))
def test_who_always_has_something_to_send_uses_all_of_the_limit(rate, many):
    (last, _) = leaving(rate, [(0, 1)] * (many + 1))[-1]
    assert last == pytest.approx(many * rate.seconds / rate.count)


@given(rates, st.lists(pauses, min_size=2, max_size=60))
def test_they_leave_in_the_order_in_which_they_asked_and_never_in_a_burst(rate, asks):
    times = [at for at, _ in leaving(rate, [(pause, 1) for pause in asks])]
    gaps = [later - earlier for earlier, later in itertools.pairwise(times)]
    assert min(gaps) >= rate.seconds / rate.count - 1e-6


def test_who_would_wait_too_long_takes_no_place():
    gcra = Gcra(Rate(1, 10.0))
    assert gcra.reserve(1, 0, 5) == (True, 0)
    assert gcra.reserve(1, 0, 5) == (False, 10)
    assert gcra.reserve(1, 0, 10) == (True, 10)


def test_when_the_vendor_asks_for_a_pause_no_place_is_given_before_and_those_given_count_no_more():
    gcra = Gcra(Rate(10, 10.0))
    gcra.reserve(1, 0, 60)
    assert gcra.reserve(1, 0, 60) == (True, 1)
    gcra.hold(8)
    assert gcra.held(1)
    assert gcra.reserve(1, 1, 60) == (True, 7)
    assert not gcra.held(8)


def test_a_shorter_pause_does_not_cut_a_longer_one_short():
    gcra = Gcra(Rate(10, 10.0))
    gcra.hold(8)
    gcra.hold(3)
    assert gcra.held(7)


def test_many_threads_get_a_place_each_of_their_own():
    gcra = Gcra(Rate(1000, 60.0))
    with ThreadPoolExecutor(8) as threads:
        waits = sorted(threads.map(lambda _: gcra.reserve(1, 0, HOUR)[1], range(4000)))
    assert waits == pytest.approx([number * 0.06 for number in range(4000)])


# --- the notation of a rate -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "count", "seconds"),
    [("1000/1m", 1000, 60), ("10/s", 10, 1), (" 5 / 2H ", 5, 7200), ("1/d", 1, 86400), ("100/6s", 100, 6)],
)
def test_a_rate_is_a_number_in_a_time(text, count, seconds):
    assert Rate.of(text) == Rate(count, seconds)


@pytest.mark.parametrize("text", ["", "10", "10/", "/s", "0/s", "10/0s", "-1/s", "1.5/s", "ten/s", "10/w", "10/s/s"])
def test_anything_else_is_none(text):
    with pytest.raises(ValueError, match=r"rate|write"):
        Rate.of(text)


@given(st.integers(1, 10**9 - 1), st.integers(1, 10**6 - 1), st.sampled_from("smhd"))
def test_what_is_shown_can_be_read_again(count, many, unit):
    rate = Rate.of(f"{count}/{many}{unit}")
    assert Rate.of(str(rate)) == rate
