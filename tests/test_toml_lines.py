"""The lines of tables and keys of a TOML file, with any strings, comments and values around them."""

from __future__ import annotations

import tomllib

import pytest

from smsbridge.toml_lines import Lines

FILE = '''\
plain = 1
"quoted" = [  # [[rate]]
  [1, 2], ["a", "]"],
  ["b"],
  [3],
]
far.away.key = { x = 1, "y" = [
  2,
] }

[[rate]] # [[rate]]
text = """
[[rate]]
price = "3\\""""
[[ "rate" ]]
text = \'\'\'
[[rate]]\'\'\'\'
price = "[[rate]]"
"odd key" = 1
[ rate-2 . 'sub table' ]
price = 2
[[rate]]
'''


def test_only_what_begins_a_table_does():
    assert len(tomllib.loads(FILE)["rate"]) == 3
    lines = Lines(FILE)
    assert [lines.entry("rate", number) for number in range(4)] == [11, 15, 22, None]
    assert lines.entry("rate-2.sub table", 0) == 20
    assert lines.entry("a", 0) is lines.entry("3", 0) is lines.entry("b", 0) is None


@pytest.mark.parametrize(
    ("key", "line"),
    [
        ("plain", 1),
        ("quoted", 2),
        ("far", 7),
        ("rate", 11),
        ("rate-2", 20),
        ("away", None),
        ("price", None),
        ("y", None),
    ],
)
def test_what_is_at_the_top_is_found_however_it_is_written(key, line):
    assert Lines(FILE).at_top(key) == line


@pytest.mark.parametrize(
    ("number", "key", "line"),
    [(0, "text", 12), (0, "price", 11), (1, "price", 18), (1, "odd key", 19), (9, "price", 11)],
)
def test_a_key_is_on_its_line_or_that_of_its_table_or_of_the_first_one(number, key, line):
    assert Lines(FILE).of("rate", number)(key) == line


def test_line_ends_of_windows_count_once():
    assert Lines("a = 1\r\n\r\n[b]\r\nc = 1\r\n").of("b", 0)("c") == 4
