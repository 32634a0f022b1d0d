"""A killed process sends no text twice and hides no text; see ``tests/kill``."""

from __future__ import annotations

import random

from kill.murder import Count, Murder, kill_many
from smsbridge_twincle.sandbox import Sandbox


def test_whatever_moment_a_process_is_killed_at_each_text_is_sent_once_or_listed_as_in_doubt(tmp_path):
    count = kill_many(random.Random(7719), f"sqlite:///{tmp_path}/ledger.db", 6)
    assert count.problems == []
    assert count.kills == 6
    assert count.once


def test_a_ledger_that_forgets_would_be_noticed(tmp_path):
    with Sandbox(balance=10**6, pull_limit=0) as sandbox:
        murder = Murder(random.Random(1), f"sqlite:///{tmp_path}/ledger.db", sandbox, Count())
        told = murder.finish(murder.start("many", ["a", "b"]))
        murder.store = f"sqlite:///{tmp_path}/another.db"
        murder.environment["SMSBRIDGE_LEDGER_STORE"] = murder.store
        murder.check(["a", "b"], told, murder.finish(murder.start("many", ["a", "b"])))
    assert len(murder.count.problems) == 2
