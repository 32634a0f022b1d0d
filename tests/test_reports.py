"""The reports of many texts, late, early, thrice and in any order, leave what the model says, in every store."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest

from reports.lives import Life, lives, reports
from reports.run import forever, run
from smsbridge.messages import Status
from smsbridge.stores import known
from smsbridge.stores.kept import MemoryEntries
from smsbridge.stores.memory import MemoryBook


@pytest.fixture(params=["memory", "sqlite"])
def entries(request, tmp_path):
    url = "memory:" if request.param == "memory" else f"sqlite:///{tmp_path / 'sms.db'}"
    known.forget_all()
    kept = known.open_store(url).entries(keep=forever())
    yield kept
    kept.close()
    known.forget_all()


@pytest.mark.parametrize("threads", [1, 4])
def test_a_store_knows_what_the_model_says_and_tells_each_change_once(entries, threads):
    found = run(entries, 300, seed=threads, threads=threads, together=7)
    assert found.problems == []
    assert found.told > 200


def test_lives_have_all_that_makes_reports_hard():
    some = list(lives(2000, 1))
    seen = Counter(status for life in some for status in life.statuses)
    assert set(seen) == set(Status)
    assert any(life.is_early for life in some)
    assert any(not life.echoes for life in some)
    assert any(report.account != life.taker for life in some for report in reports(life))
    assert any(life.expected[1] for life in some)


class LastCounts(MemoryBook):
    """Lets the last report win, as most do."""

    def reports(self, reference):
        return super().reports(reference)[-1:]


class AnyAccount(MemoryBook):
    """Takes a report of another account with the same id for its own."""

    def note(self, came):
        entries = self._entries
        super().note(
            [
                replace(report, account=entries[f"order-{report.id[7:]}"].outcome.taker)
                if entries[f"order-{report.id[7:]}"].outcome
                else report
                for report in came
            ]
        )


@pytest.mark.parametrize("book", [LastCounts, AnyAccount])
def test_the_model_finds_a_store_that_breaks_the_rules(book):
    assert run(MemoryEntries(book()), 300, together=7).problems


def test_a_life_is_expected_by_its_highest_status():
    def life(*statuses):
        return Life(0, "order-0", "first", "vendor-0", list(statuses), [], echoes=True, is_early=False)

    assert life(Status.SENT, Status.SCHEDULED).expected == ({Status.SENT}, False)
    assert life(Status.FAILED, Status.EXPIRED).expected == ({Status.FAILED}, True)
    assert life(Status.FAILED, Status.REJECTED).expected == ({Status.FAILED, Status.REJECTED}, True)
    assert life(Status.FAILED, Status.DELIVERED).expected == ({Status.DELIVERED}, False)
