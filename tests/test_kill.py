"""A process that is killed doubles nothing and hides nothing; see ``tests/kill``."""

from __future__ import annotations

import random

from kill.murder import kill_many


def test_whatever_moment_a_process_is_killed_at_each_text_is_sent_once_or_listed_as_in_doubt(tmp_path):
    count = kill_many(random.Random(7719), tmp_path, 6)
    assert count.problems == []
    assert count.kills == 6
    assert count.once
