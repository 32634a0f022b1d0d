"""StoreContract: the tests that every store must pass, ours and yours.

A store's test file, complete::

    from smsbridge.testing import StoreContract

    class TestAcmeStore(StoreContract):
        shared = True

        def open(self, place):
            return AcmeStore(f"acme://localhost/{place.name}")

``place`` is a folder of the test. Two calls with the same folder open the same store, as two processes would; each test
has its own folder. Name the parts that the store does not have in ``lacks``; their tests are not collected.
"""

from __future__ import annotations

from typing import Any

import pytest

from .counters import CounterTests, SharedCounterTests
from .entries import EntryTests, SharedEntryTests
from .kit import Kit
from .opt_outs import OptOutTests, SharedOptOutTests
from .reports import ReportTests, SharedReportTests

_OF_PARTS = {"entries": (EntryTests, ReportTests), "counters": (CounterTests,), "opt_outs": (OptOutTests,)}
_SHARED = {
    "entries": (SharedEntryTests, SharedReportTests),
    "counters": (SharedCounterTests,),
    "opt_outs": (SharedOptOutTests,),
}


class StoreContract(
    SharedEntryTests,
    SharedReportTests,
    SharedCounterTests,
    SharedOptOutTests,
    EntryTests,
    ReportTests,
    CounterTests,
    OptOutTests,
    Kit,
):
    """Test a store against the contract of smsbridge. Subclass it as ``TestYourStore`` and override :meth:`open`."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Leave out tests that do not apply: pytest does not collect a name that is None."""
        super().__init_subclass__(**kwargs)
        for part, tests in _OF_PARTS.items():
            for kind in (*tests, *_SHARED[part]):
                if part in cls.lacks or (kind in _SHARED[part] and not cls.shared):
                    for name in vars(kind):
                        if name.startswith("test_"):
                            setattr(cls, name, None)

    def test_it_has_the_parts_that_it_does_not_lack(self, store: Any) -> None:
        there = {
            "entries": store.entries(keep=self.keep),
            "counters": store.counters(),
            "opt_outs": store.opt_outs(),
        }
        assert {name for name, part in there.items() if part is None} == set(self.lacks)

    def test_nothing_is_known_to_be_wrong_with_it(self, store: Any) -> None:
        for part in _OF_PARTS.keys() - set(self.lacks):
            assert store.problem(part) is None

    def test_what_is_made_on_purpose_is_made_once(self, store: Any) -> None:
        for part in _OF_PARTS.keys() - set(self.lacks):
            store.init(part)
            assert store.init(part) is False

    @pytest.fixture
    def store(self, tmp_path: Any) -> Any:
        return self.open(tmp_path)
