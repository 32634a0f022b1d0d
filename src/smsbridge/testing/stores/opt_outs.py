"""Test the list of opt-outs of a store."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from smsbridge.stores.blocking import at_once
from smsbridge.stores.opt_outs import REPLY

from .kit import Kit

_WHO, _OTHER = "+919876543210", "+919876543211"
_NOON = datetime(2030, 1, 31, 12, tzinfo=UTC)
_MINUTE = timedelta(minutes=1)


class OptOutTests(Kit):
    """Test the list of opt-outs of a store, within one process."""

    @pytest.fixture
    def opt_outs(self, store: Any) -> Any:
        return store.opt_outs()

    def test_a_new_store_has_no_opt_outs(self, opt_outs: Any) -> None:
        assert at_once(opt_outs.holds(None, _WHO)) is False
        assert at_once(opt_outs.everyone()) == []

    def test_an_opt_out_is_from_one_sender_or_from_all(self, opt_outs: Any) -> None:
        at_once(opt_outs.add("ACMEIN", _WHO))
        assert at_once(opt_outs.holds(["acmein"], _WHO)) is True
        assert at_once(opt_outs.holds(["OTHER"], _WHO)) is False
        assert at_once(opt_outs.holds(None, _WHO)) is True
        at_once(opt_outs.add(None, _OTHER))
        assert at_once(opt_outs.holds(["OTHER"], _OTHER)) is True

    def test_the_last_word_counts_whatever_comes_first(self, opt_outs: Any) -> None:
        at_once(opt_outs.remove("ACMEIN", _WHO, at=_NOON + _MINUTE))
        at_once(opt_outs.add("ACMEIN", _WHO, at=_NOON))
        assert at_once(opt_outs.holds(["ACMEIN"], _WHO)) is False
        at_once(opt_outs.add("ACMEIN", _WHO))
        assert at_once(opt_outs.holds(["ACMEIN"], _WHO)) is True

    def test_of_two_words_of_one_moment_the_opt_out_counts(self, opt_outs: Any) -> None:
        at_once(opt_outs.add(None, _WHO, at=_NOON))
        at_once(opt_outs.remove(None, _WHO, at=_NOON))
        assert at_once(opt_outs.holds(None, _WHO)) is True

    def test_an_opt_in_to_all_takes_each_back(self, opt_outs: Any) -> None:
        at_once(opt_outs.add("ACMEIN", _WHO))
        at_once(opt_outs.remove(None, _WHO))
        assert at_once(opt_outs.holds(["ACMEIN"], _WHO)) is False

    def test_the_same_event_a_second_time_changes_nothing(self, opt_outs: Any) -> None:
        at_once(opt_outs.add("ACMEIN", _WHO, event="stop-1"))
        at_once(opt_outs.remove("ACMEIN", _WHO, event="start-1"))
        at_once(opt_outs.add("ACMEIN", _WHO, event="stop-1"))
        assert at_once(opt_outs.holds(["ACMEIN"], _WHO)) is False

    def test_one_text_confirms_an_opt_out_that_was_texted_just_now(self, opt_outs: Any) -> None:
        at_once(opt_outs.add("ACMEIN", _WHO, source=REPLY))
        assert at_once(opt_outs.confirm(["ACMEIN"], _WHO, within=_MINUTE, take=False)) is True
        answers = [at_once(opt_outs.confirm(["ACMEIN"], _WHO, within=_MINUTE)) for _ in range(2)]
        assert answers == [True, False]

    def test_no_text_confirms_what_was_not_texted_or_is_long_ago(self, opt_outs: Any) -> None:
        at_once(opt_outs.add("ACMEIN", _WHO, source="operator"))
        assert at_once(opt_outs.confirm(["ACMEIN"], _WHO, within=_MINUTE)) is False
        long_ago = datetime.now(UTC) - timedelta(hours=1)
        at_once(opt_outs.add("ACMEIN", _OTHER, source=REPLY, at=long_ago))
        assert at_once(opt_outs.confirm(["ACMEIN"], _OTHER, within=_MINUTE)) is False

    def test_everyone_who_has_opted_out_is_listed_as_it_was_said(self, opt_outs: Any) -> None:
        at_once(opt_outs.add("Acme-IN", _OTHER, at=_NOON, source=REPLY))
        at_once(opt_outs.add(None, _WHO, at=_NOON, source="operator"))
        at_once(opt_outs.remove("gone", _WHO))
        found = [
            (opt_out.recipient, opt_out.sender, opt_out.at, opt_out.source) for opt_out in at_once(opt_outs.everyone())
        ]
        assert found == [(_WHO, None, _NOON, "operator"), (_OTHER, "Acme-IN", _NOON, REPLY)]

    def test_several_are_added_at_once(self, opt_outs: Any) -> None:
        at_once(opt_outs.add_all([(None, _WHO), ("ACMEIN", _OTHER)], source="import"))
        assert at_once(opt_outs.holds(["ANY"], _WHO)) is True
        assert at_once(opt_outs.holds(["ACMEIN"], _OTHER)) is True


class SharedOptOutTests(Kit):
    """Test the list of opt-outs of a store that several processes share."""

    def test_what_one_process_was_told_another_knows(self, tmp_path: Any) -> None:
        opt_outs = self.open(tmp_path).opt_outs()
        assert opt_outs is not None
        at_once(opt_outs.add("ACMEIN", _WHO))
        others = self.open(tmp_path).opt_outs()
        assert others is not None
        assert at_once(others.holds(["ACMEIN"], _WHO)) is True
