"""Columns of a terminal: only Unicode's tables give the width of a character."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smsbridge.text.columns import columns, with_marks


@pytest.mark.parametrize(
    ("text", "wide"), [("", 0), ("abc", 3), ("e\u0301", 1), ("漢字", 4), ("🎉", 2), ("a\u200d", 1)]
)
def test_marks_take_no_column_and_wide_characters_two(text, wide):
    assert columns(text) == wide


def test_a_mark_belongs_to_the_character_before_it_but_never_to_a_line_end():
    assert list(with_marks("e\u0301a\n\u0301नि")) == ["e\u0301", "a", "\n", "\u0301", "नि"]


@given(st.text())
def test_nothing_is_lost(text):
    assert "".join(with_marks(text)) == text
