"""Plain English: no comment, docstring, string or page uses a word or phrase of the table, and no loop variable is called one."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PLACES = ["README.md", "CHANGELOG.md", "cassettes/README.md", "docs", "plugins", "src", "tests"]

INSTEAD = {
    r"whoever|whomever|whichever": "name the person or the part: the caller, the calling thread, any account",
    r"somebody|someone": "name the person: a person, a user, another account",
    r"nobody|no one(?!-)": "say what does not happen: no text leaves, the owner alone reads it",
    r"anybody": "name them: any user, any vendor",
    r"everybody|everyone": "name them: all users, each account",
    r"himself|herself|oneself": "name the thing, and say what it does",
    r"for one in": "name the loop variable: for message in messages",
    r"one's": "name the owner: your, its, the application's",
    r"(?:what|who) it is that": "ask directly: what sends, which account",
    r"(?:more than|at most|less|no) one such": "repeat the noun",
    r"anew": "again",
    r"see there": "link to the page, or name it",
    r"whence|wherein|whereof|thereof|thereby|hereby|lest": "from which, in which, of it, so that",
}
"""What our English avoids, as regular expressions over whole words, and what to write instead."""
AVOIDED = {re.compile(rf"\b(?:{phrases})\b", re.IGNORECASE): instead for phrases, instead in INSTEAD.items()}
ONE = "name the loop variable after its values: for message in messages"

EXAMPLES = {
    r"whoever|whomever|whichever": [
        "Whoever hands something in does it himself.",
        "for whomever",
        "whichever comes first",
    ],
    r"somebody|someone": ["Somebody's provider.", "a secret of someone else"],
    r"nobody|no one(?!-)": ["Nobody is texted.", "No one knows"],
    r"anybody": ["what anybody may post"],
    r"everybody|everyone": ["set alike for everybody", "not to everyone"],
    r"himself|herself|oneself": ["does it himself", "her phone herself", "a list by oneself"],
    r"for one in": ["[row.id for one in rows]"],
    r"one's": ["rules of one's own"],
    r"(?:what|who) it is that": ["what it is that fails", "who it is that sends"],
    r"(?:more than|at most|less|no) one such": ["at most one such lot"],
    r"anew": ["a policy that begins anew"],
    r"see there": ["A limit: see there."],
    r"whence|wherein|whereof|thereof|thereby|hereby|lest": ["lest it hangs", "wherein it stands", "thereof"],
}
ALLOWED = [
    "no one-time code was sent",
    "One text to one number.",
    "at most one text",
    "NOBODY_KNOWS",
    "a newer one",
    "The last one repeats.",
]


def found_in(words: str) -> Iterator[tuple[int, str, str]]:
    """The line of ``words``, the avoided phrase and what to write instead, for each that is in it."""
    for pattern, instead in AVOIDED.items():
        for match in pattern.finditer(words):
            yield words.count("\n", 0, match.start()), match[0], instead


def written(source: str) -> Iterator[tuple[int, str]]:
    """Line and words of each comment, docstring and string of a Python file."""
    kinds = {tokenize.COMMENT, tokenize.STRING, getattr(tokenize, "FSTRING_MIDDLE", tokenize.STRING)}
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type in kinds:
            yield token.start[0], token.string


def loops_over_one(source: str) -> Iterator[int]:
    """The line of each loop whose variable is called ``one``."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.For | ast.AsyncFor | ast.comprehension):
            names = [name for name in ast.walk(node.target) if isinstance(name, ast.Name) and name.id == "one"]
            yield from (name.lineno for name in names)


def read(path: Path) -> list[str]:
    """What is to be written in another way in a file, each with its line."""
    source = path.read_text("utf-8")
    problems = []
    if any(pattern.search(source) for pattern in AVOIDED):  # most files have none, and tokenize is slow
        for line, words in written(source) if path.suffix == ".py" else [(1, source)]:
            problems += [(line + after, f"{phrase!r}: {instead}") for after, phrase, instead in found_in(words)]
    if path.suffix == ".py" and re.search(r"\bfor\b.*\bone\b", source):
        problems += [(line, f"a loop variable 'one': {ONE}") for line in loops_over_one(source)]
    name = path.relative_to(ROOT).as_posix() if path.is_relative_to(ROOT) else path.name
    return [f"{name}:{line}: {words}" for line, words in sorted(problems)]


def files(place: str) -> list[Path]:
    """The Python files, pages and templates of a folder, or the page itself."""
    path = ROOT / place
    kinds = ("*.py", "*.md", "*.tmpl")
    inside = [path] if path.is_file() else [file for kind in kinds for file in sorted(path.rglob(kind))]
    hidden = {".venv", "build", "dist", "__pycache__"}
    return [file for file in inside if file != Path(__file__) and not hidden & {*file.relative_to(ROOT).parts}]


@pytest.mark.parametrize("place", PLACES)
def test_a_folder_is_in_plain_english(place):
    found = [problem for path in files(place) for problem in read(path)]
    assert not found, "\n".join(found)


# --- the table finds what it names ----------------------------------------------------------------------------------------


def test_each_entry_of_the_table_has_examples():
    assert EXAMPLES.keys() == INSTEAD.keys()


@pytest.mark.parametrize(("pattern", "sentence"), [(key, words) for key in EXAMPLES for words in EXAMPLES[key]])
def test_each_entry_finds_its_phrases(pattern, sentence):
    assert {instead for _, _, instead in found_in(sentence)} >= {INSTEAD[pattern]}


@pytest.mark.parametrize("pattern", INSTEAD)
def test_no_entry_is_covered_by_another(pattern):
    assert any({instead for _, _, instead in found_in(words)} == {INSTEAD[pattern]} for words in EXAMPLES[pattern])


@pytest.mark.parametrize("words", ALLOWED)
def test_other_words_are_not_found(words):
    assert list(found_in(words)) == []


CODE = '''
"""Nobody reads this."""

text = f"for {1} somebody"  # anew
for name in "ab":
    whoever = [one for one in name]
for one, other in []:
    assert all(row for row, one in [])
'''


def test_comments_docstrings_strings_and_loops_of_a_file_are_read(tmp_path):
    path = tmp_path / "some.py"
    path.write_text(CODE, "utf-8")
    places = [problem.split(": ")[0] + problem.split(": ")[1] for problem in read(path)]
    assert places == [
        "some.py:2'Nobody'",
        "some.py:4'anew'",
        "some.py:4'somebody'",
        "some.py:6a loop variable 'one'",
        "some.py:7a loop variable 'one'",
        "some.py:8a loop variable 'one'",
    ]


def test_a_page_is_read_with_its_code(tmp_path):
    path = tmp_path / "page.md"
    path.write_text("# A page\n\nIt is for everybody.\n\n```python\n[x for one in y]\n```\n", "utf-8")
    assert [problem.split(": ")[0] for problem in read(path)] == ["page.md:3", "page.md:6"]
