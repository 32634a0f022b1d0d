"""Test the counters of a store, which limits and caps use."""

from __future__ import annotations

import importlib.util
import multiprocessing
import sys
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from smsbridge.stores.blocking import at_once
from smsbridge.stores.entries import new_ticket
from smsbridge.stores.gcra import Rate
from smsbridge.stores.seam import Cap

from .kit import MOMENTS, Kit, Moment, comes, interrupt

_LEASE = 60.0
_SHORT = 0.05
"""Seconds of a window that must pass during a test."""


def cap(key: str = "+919876543210", most: int = 2, seconds: float = 60.0, kind: str = "recipient") -> Cap:
    """Make a cap that allows at most ``most`` texts in any ``seconds`` seconds.

    ``kind`` says what is counted, such as texts to a recipient, and ``key`` for which value, such as a number.
    """
    return Cap(scope="guard acme", kind=kind, key=key, rate=Rate(most, seconds))


def take(counters: Any, *caps: Cap, lease: float = _LEASE) -> str | None:
    """Take a place under each of ``caps`` in ``counters``. Returns the ticket that stands for the places.

    None if a cap is full: then no place is taken. A place that is not given back within ``lease`` seconds counts as
    used by a text that was sent.
    """
    ticket = new_ticket()
    return None if at_once(counters.take(ticket, caps, lease)) else ticket


class CounterTests(Kit):
    """Test how a store counts texts and requests for caps and limits, within one process."""

    @pytest.fixture
    def counters(self, store: Any) -> Iterator[Any]:
        counters = store.counters()
        yield counters
        counters.close()

    # --- caps ---------------------------------------------------------------------------------------------------------

    def test_a_cap_lets_as_many_through_as_it_says_and_each_key_has_its_own(self, counters: Any) -> None:
        assert [take(counters, cap()) is not None for _ in range(3)] == [True, True, False]
        assert take(counters, cap("+919876543211")) is not None

    def test_a_text_that_was_not_sent_gives_its_place_back(self, counters: Any) -> None:
        for _ in range(5):
            ticket = take(counters, cap(most=1))
            assert ticket is not None
            counters.give_back(ticket, sent=False)

    def test_a_text_that_was_sent_keeps_its_place_for_the_window_and_says_how_long(self, counters: Any) -> None:
        ticket = take(counters, cap(most=1))
        counters.give_back(ticket, sent=True)
        full = at_once(counters.take(new_ticket(), [cap(most=1)], _LEASE))
        assert full is not None
        assert (full.kind, full.rate) == ("recipient", Rate(1, 60.0))
        assert 0 < full.wait <= 60

    def test_a_place_is_free_again_when_the_window_has_passed(self, counters: Any) -> None:
        short = cap(most=1, seconds=_SHORT)
        ticket = take(counters, short)
        counters.give_back(ticket, sent=True)
        assert comes(lambda: take(counters, short) is not None)
        counters.close()

    def test_all_places_are_taken_or_none(self, counters: Any) -> None:
        both = (cap(), cap("", most=1, kind="total"))
        assert take(counters, *both) is not None
        assert take(counters, *both) is None
        assert take(counters, cap()) is not None

    def test_to_peek_takes_no_place_and_says_what_is_full(self, counters: Any) -> None:
        for _ in range(3):
            assert at_once(counters.peek([cap(most=1)])) is None
        take(counters, cap(most=1))
        assert at_once(counters.peek([cap(most=1)])).kind == "recipient"

    @pytest.mark.parametrize("moment", MOMENTS)
    def test_an_interrupted_take_is_given_back_unseen(self, counters: Any, moment: Moment) -> None:
        at_once(counters.peek([cap(most=1)]))
        ticket = new_ticket()
        goes_on = interrupt(counters.take(ticket, [cap(most=1)], _LEASE), moment)
        counters.give_back(ticket, sent=False)
        goes_on()
        assert take(counters, cap(most=1)) is not None

    def test_to_give_back_twice_or_what_was_not_taken_does_nothing(self, counters: Any) -> None:
        first, second = take(counters, cap()), take(counters, cap())
        assert second is not None
        for ticket in (first, first, "never-taken"):
            counters.give_back(ticket, sent=False)
        assert [take(counters, cap()) is not None for _ in range(2)] == [True, False]

    def test_what_was_sent_stays_so_whatever_is_told_later(self, counters: Any) -> None:
        ticket = take(counters, cap(most=1))
        counters.give_back(ticket, sent=True)
        counters.give_back(ticket, sent=False)
        assert take(counters, cap(most=1)) is None

    def test_threads_do_not_get_more_places_than_there_are(self, counters: Any) -> None:
        with ThreadPoolExecutor(4) as pool:
            taken = list(pool.map(lambda _: take(counters, cap(most=25)), range(40)))
        assert sum(ticket is not None for ticket in taken) == 25

    # --- limits -------------------------------------------------------------------------------------------------------

    def test_places_are_spread_evenly(self, counters: Any) -> None:
        waits = [at_once(counters.reserve("limit", 10.0, 1, 1000.0)).wait for _ in range(4)]
        assert waits == pytest.approx([0, 10, 20, 30], abs=5)
        assert at_once(counters.reserve("another", 10.0, 1, 1000.0)).wait == 0

    def test_several_places_at_once_delay_the_next_place(self, counters: Any) -> None:
        first = at_once(counters.reserve("limit", 10.0, 3, 1000.0))
        assert (first.kept, first.wait) == (True, 0)
        assert at_once(counters.reserve("limit", 10.0, 1, 1000.0)).wait == pytest.approx(30, abs=5)

    def test_a_place_that_would_come_too_late_is_not_kept(self, counters: Any) -> None:
        at_once(counters.reserve("limit", 10.0, 1, 0.0))
        for _ in range(3):
            turn = at_once(counters.reserve("limit", 10.0, 1, 1.0))
            assert turn.kept is False
            assert turn.wait == pytest.approx(10, abs=5)

    @pytest.mark.parametrize(("count", "longest"), [(0, 1000.0), (1, -1.0)])
    def test_to_look_keeps_no_place(self, counters: Any, count: int, longest: float) -> None:
        for _ in range(3):
            assert at_once(counters.reserve("limit", 10.0, count, longest)).wait == 0

    def test_a_pause_holds_for_all_that_is_asked_after_it(self, counters: Any) -> None:
        at_once(counters.reserve("limit", 0.001, 1, 1000.0))
        counters.pause("limit", 50.0)
        turn = at_once(counters.reserve("limit", 0.001, 1, 1000.0))
        assert (turn.wait, turn.pause) == pytest.approx((50, 50), abs=5)
        assert at_once(counters.reserve("another", 0.001, 0, 0.0)).pause == 0

    def test_a_shorter_pause_does_not_end_a_longer_pause(self, counters: Any) -> None:
        counters.pause("limit", 50.0)
        counters.pause("limit", 1.0)
        assert at_once(counters.reserve("limit", 1.0, 0, 0.0)).pause == pytest.approx(50, abs=5)

    def test_they_may_be_closed_and_used_again(self, counters: Any) -> None:
        take(counters, cap(most=1))
        counters.close()
        assert take(counters, cap(most=1)) is None
        counters.close()


class SharedCounterTests(Kit):
    """Test how a store counts texts and requests for caps and limits, if several processes share the store."""

    def test_two_processes_count_together(self, tmp_path: Any) -> None:
        spawned = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(2, mp_context=spawned) as pool:
            kind = (sys.modules[type(self).__module__].__file__, type(self).__name__)
            taken = list(pool.map(_take_many, [kind] * 2, [tmp_path] * 2))
        assert sum(taken) == 25

    def test_the_places_of_a_process_that_is_gone_end_with_their_lease(self, tmp_path: Any) -> None:
        short = cap(most=1, seconds=_SHORT)
        counters = self.open(tmp_path).counters()
        assert counters is not None
        assert take(counters, short, lease=_LEASE / 60) is not None
        assert take(counters, short) is None
        assert comes(lambda: take(counters, short) is not None)


def _take_many(kind: tuple[str, str], place: Path) -> int:
    """Try to take 20 of 25 places in another process, and return how many it got.

    ``kind`` is the file and the name of the test class: another process cannot import modules as pytest does.
    """
    spec = importlib.util.spec_from_file_location("smsbridge_store_tests", kind[0])
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    counters = getattr(module, kind[1])().open(place).counters()
    assert counters is not None
    taken = sum(take(counters, cap(most=25)) is not None for _ in range(20))
    counters.close()
    return taken
