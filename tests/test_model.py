"""With any faults of vendors and processes, no text is sent twice or lost in silence; see ``tests/model``."""

from __future__ import annotations

import contextlib
import random

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from model import broken
from model.history import History
from model.stores import KINDS

SHORT = 400
ENOUGH = 3000


def lives(seed, **kinds):
    History(random.Random(seed), **kinds).live()


def live_until(last, **kinds):
    for seed in range(last):
        lives(seed, **kinds)


@pytest.mark.parametrize("part", range(4))
def test_random_histories_double_nothing_and_lose_nothing(part):
    for seed in range(part * SHORT, (part + 1) * SHORT):
        lives(seed)


@pytest.mark.parametrize("store", KINDS)
def test_nor_do_they_with_what_they_keep_in_a_store(store, tmp_path):
    with contextlib.closing(KINDS[store](tmp_path)) as stored:
        for seed in range(SHORT):
            lives(seed, stored=stored)


def test_a_ledger_that_is_wrong_on_purpose_is_caught_in_a_store_too(tmp_path):
    with pytest.raises(AssertionError):
        live_until(ENOUGH, ledger=broken.ForgetsWhatIsOpen, stored=KINDS["memory"](tmp_path))


class Application(RuleBasedStateMachine):
    """The same, with choices that hypothesis can shrink."""

    @initialize(choices=st.randoms(use_true_random=False))
    def begin(self, choices):
        self.history = History(choices)

    @rule()
    def send(self):
        self.history.send()

    @rule()
    def send_batch(self):
        self.history.send_batch()

    @rule()
    def repeat(self):
        self.history.repeat()

    @rule()
    def advance(self):
        self.history.advance()

    def teardown(self):
        if hasattr(self, "history"):
            self.history.end()


TestApplication = Application.TestCase
TestApplication.settings = settings(max_examples=60, stateful_step_count=8, deadline=None)


@pytest.mark.parametrize("name", [*broken.CLASSES, *broken.PATCHES])
def test_a_policy_that_is_wrong_on_purpose_is_caught(name):
    with broken.PATCHES.get(name, contextlib.nullcontext)(), pytest.raises(AssertionError):
        live_until(ENOUGH, **broken.CLASSES.get(name, {}))
