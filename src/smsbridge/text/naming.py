"""Put characters into words, because some look alike."""

from __future__ import annotations

import unicodedata

_CONTROLS = {
    "\0": "a null character",
    "\t": "a tab",
    "\n": "a line break",
    "\r": "a carriage return",
    "\x1b": "an escape character",
}
_FAMILIAR = {
    " ": "a space",
    ".": "a full stop",
    ",": "a comma",
    "'": "an apostrophe",
    '"': "a straight quotation mark",
    "-": "a hyphen",
}
_KINDS = {"L": "a letter", "N": "a digit", "M": "a vowel sign or other mark", "S": "a symbol"}
_ASCII_MARKS = frozenset("!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~")


def name(char: str, *, private: bool = True) -> str:
    """Return a name of the character ``char`` for people.

    If ``private`` is true, letters, digits and symbols are not named, because they are part of a private text.
    """
    if familiar := _FAMILIAR.get(char) or _CONTROLS.get(char):
        return familiar
    group = unicodedata.category(char)
    code = f"U+{ord(char):04X}"
    if group == "Cs":
        return f"half of a character ({code})"
    if private and group[0] in _KINDS and char not in _ASCII_MARKS:
        return _KINDS[group[0]]
    words = unicodedata.name(char, "").lower()
    return f"{_article(words)} ({code})" if words else f"the character {code}"


def ending(text: str) -> str:
    """Return words that name the invisible character at the end of ``text``, such as a line break.

    Returns an empty string if the text ends with a visible character.
    """
    unseen = text and unicodedata.category(text[-1])[0] in "ZC"
    return f"the text ends in {name(text[-1])}" if unseen else ""


def _article(words: str) -> str:
    return f"{'an' if words[0] in 'aeio' else 'a'} {words}"
