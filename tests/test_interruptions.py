"""An exception in the sending thread, at any moment, causes no hang, no loss and no leak; see ``tests/interruptions``."""

from __future__ import annotations

import random

import pytest

from interruptions.run import Run
from interruptions.strikes import NEVER, WAYS, Stop
from interruptions.world import World
from smsbridge.stores import writer

FEWER = 3
STRIKES = {"call": 120, "line": 60, "signal": 40}


@pytest.fixture
def run(tmp_path):
    yield Run(tmp_path)
    writer.close_all()
    writer._shared.clear()
    writer._writers.clear()


@pytest.mark.filterwarnings(
    "ignore::pytest.PytestUnraisableExceptionWarning", "ignore::RuntimeWarning", "ignore::ResourceWarning"
)
@pytest.mark.parametrize("way", WAYS)
def test_whatever_moment_an_exception_strikes_at_later_texts_are_sent_and_all_that_is_told_is_true(run, way):
    choices = random.Random(7719)
    for _ in range(STRIKES[way]):
        run.random(choices, World.SCENES, [way])
    assert run.tally.problems == []
    assert run.tally.hits > STRIKES[way] / 10


@pytest.mark.filterwarnings(
    "ignore::pytest.PytestUnraisableExceptionWarning", "ignore::RuntimeWarning", "ignore::ResourceWarning"
)
@pytest.mark.parametrize("store", ["memory", "sqlite"])
@pytest.mark.parametrize("way", WAYS)
def test_so_are_places_in_a_store(tmp_path, way, store):
    run, choices = Run(tmp_path, store), random.Random(7720)
    for _ in range(STRIKES[way] // FEWER):
        run.random(choices, World.SCENES, [way])
    writer.close_all()
    writer._shared.clear()
    writer._writers.clear()
    assert run.tally.problems == []


def test_a_world_without_strikes_is_whole(run):
    for scene in World.SCENES:
        run.strike(scene, "ok", WAYS["call"], NEVER, Stop)
    assert run.tally.problems == []


# --- the checks find a wrong world -----------------------------------------------------------------------------------------


def test_a_lock_that_is_left_taken_would_be_noticed(run, monkeypatch):
    monkeypatch.setattr("interruptions.world.LONGEST", 0.2)
    lock = run.world.guard._rules.caps._lock
    lock.acquire()
    run.strike("task", "ok", WAYS["call"], 1, Stop)
    lock.release()
    (problem,) = run.tally.problems
    assert "not sent" in problem


def test_a_place_that_is_not_given_back_would_be_noticed(run):
    run.world.guard._rules.caps.take("+919876543210", lambda: 0.0, "unknown's")
    run.strike("single", "ok", WAYS["call"], NEVER, Stop)
    (problem,) = run.tally.problems
    assert "never given back" in problem


def test_a_hook_that_is_told_no_end_would_be_noticed(run, monkeypatch):
    monkeypatch.setattr("smsbridge.told.Told.finish", lambda _: None)
    run.strike("single", "ok", WAYS["call"], NEVER, Stop)
    (problem,) = run.tally.problems
    assert "1 before, [] after" in problem
