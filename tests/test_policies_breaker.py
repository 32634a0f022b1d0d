"""The circuit breaker: leaves an account alone after several faults in a row, then probes it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from hypothesis import given
from hypothesis import strategies as st

from smsbridge.policies.breaker import Breaker

PAUSE = 30


def opened(faults=2):
    breaker = Breaker(faults, PAUSE)
    for _ in range(faults):
        assert breaker.admit(0) is None
        breaker.failed(0)
    return breaker


def test_it_is_closed_until_there_were_so_many_faults_in_a_row():
    breaker = Breaker(2, PAUSE)
    breaker.failed(0)
    assert breaker.admit(0) is None
    breaker.failed(0)
    assert breaker.admit(0) == PAUSE


def test_what_works_in_between_starts_the_count_anew():
    breaker = Breaker(2, PAUSE)
    for _ in range(5):
        breaker.failed(0)
        breaker.worked()
    assert breaker.admit(0) is None


def test_it_says_how_long_it_stays_open():
    assert opened().admit(10) == 20


def test_after_the_pause_it_lets_one_through():
    breaker = opened()
    assert breaker.admit(PAUSE) is None
    assert breaker.admit(PAUSE) is not None


def test_a_probe_that_works_closes_it_and_one_that_fails_opens_it_for_another_pause():
    breaker = opened()
    breaker.admit(30)
    breaker.failed(31)
    assert breaker.admit(32) == 29
    breaker.admit(61)
    breaker.worked()
    assert breaker.admit(61) is None
    assert breaker.admit(61) is None


def test_a_probe_of_which_nothing_was_learnt_makes_room_for_the_next():
    breaker = opened()
    breaker.admit(30)
    breaker.dropped(30)
    assert breaker.admit(31) is None


def test_an_attempt_from_before_it_opened_does_not_free_the_place_of_the_probe():
    breaker = Breaker(1, PAUSE)
    breaker.admit(0)
    breaker.failed(1)
    assert breaker.admit(31) is None
    breaker.dropped(0)
    assert breaker.admit(31) is not None


def test_a_look_takes_no_place():
    breaker = opened()
    assert breaker.peek(10) == 20
    assert breaker.peek(30) is None
    assert breaker.admit(30) is None
    assert breaker.peek(30) == PAUSE
    assert Breaker(1, PAUSE).peek(0) is None


@given(
    st.integers(1, 4),
    st.lists(st.tuples(st.floats(0, 40), st.sampled_from(["worked", "failed", "dropped"])), max_size=40),
)
def test_one_after_the_other_it_does_what_a_count_and_a_date_would(faults, attempts):
    breaker, now, count, until = Breaker(faults, PAUSE), 0.0, 0, None
    for seconds, end in attempts:
        now += seconds
        admitted = breaker.admit(now) is None
        assert admitted == (until is None or now >= until)
        if not admitted:
            continue
        if end == "worked":
            breaker.worked()
            count, until = 0, None
        elif end == "failed":
            breaker.failed(now)
            count += 1
            until = now + PAUSE if count >= faults or until is not None else None
        else:
            breaker.dropped(now)


def test_of_many_threads_one_is_the_probe():
    breaker = opened()
    for _ in range(50):
        with ThreadPoolExecutor(8) as threads:
            admitted = list(threads.map(lambda _: breaker.admit(PAUSE) is None, range(64)))
        assert sum(admitted) == 1
        breaker.dropped(PAUSE)


def test_many_threads_lose_no_fault():
    breaker = Breaker(4000, PAUSE)
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda _: breaker.failed(0), range(3999)))
    assert breaker.admit(0) is None
    breaker.failed(0)
    assert breaker.admit(0) is not None
