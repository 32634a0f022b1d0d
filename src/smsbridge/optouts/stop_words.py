"""Recognise inbound texts that opt out, opt in again, or do neither.

The whole text must be a stop word: *Where does the bus stop?* is not. Punctuation and brackets of any script, emoji,
invisible characters and line ends around the word do not matter; nor does a typeface, such as full-width letters.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator
from functools import lru_cache

STOP_WORDS = (
    "STOP",
    "STOP ALL",
    "STOPALL",
    "UNSUBSCRIBE",
    "UNSUB",
    "CANCEL",
    "END",
    "QUIT",
    "REVOKE",
    "OPT OUT",
    "OPTOUT",
)
"""Inbound texts that opt out, each as the whole text.

These are the usual six words of vendors
(https://www.braze.com/docs/user_guide/message_building_by_channel/sms/keywords/optin_optout), the words in 47 CFR
64.1200(a)(10) (https://www.govinfo.gov/content/pkg/FR-2024-03-05/html/2024-04587.htm), ``OPTOUT``
(https://docs.aws.amazon.com/sms-voice/latest/userguide/keywords-required.html), and ``STOP ALL`` and ``UNSUB``
(https://support.plivo.com/hc/en-us/sections/32240327630873-DND).
"""

START_WORDS = ("START", "UNSTOP")
"""Inbound texts that opt in again.

They do not include ``YES``, which Twilio and Braze have: people also answer *Shall we come on Monday?* with it.
"""

_LONGEST = 1000
"""The most characters of a text that is checked: Unicode normalisation takes minutes for a text made to be slow."""

_KEYCAP = re.compile("[0-9#*]\ufe0f?\u20e3")
_LETTER_EMOJI = "\u2139"
"""An emoji that Unicode calls a letter: information source."""
_ENCLOSED = {start + n: chr(ord("a") + n) for start in (0x1F150, 0x1F170, 0x1F1E6) for n in range(26)}
"""Letters in dark circles and squares, and letters of flags: Unicode has no compatibility form for them."""

_ACCENTS = re.compile("[\u0300-\u036f\u0483-\u0489\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f]+")
"""Marks on letters of any script, such as accents, strokes and circles; not the vowel signs of Indic scripts."""
_UNSEEN = re.compile("[\u115f\u1160\u17b4\u17b5\u180b-\u180f\ufe00-\ufe0f\U000e0100-\U000e01ef]+")
"""Fillers and variation selectors: invisible characters that Unicode does not call format characters."""

Phrase = tuple[str, ...]
"""The words of a stop word, or of a text."""


def said(text: str, stop_words: Iterable[str] = STOP_WORDS, start_words: Iterable[str] = START_WORDS) -> bool | None:
    """Return True if the whole ``text`` asks for no more texts, False if it asks for texts again, and None otherwise.

    The text must be one of ``stop_words`` or ``start_words``, which may be repeated. Accents matter only in words that
    are given with accents; hyphens never matter.
    """
    text = text.strip()
    if len(text) > _LONGEST:
        return None
    if _says(text, tuple(stop_words)):
        return True
    return False if _says(text, tuple(start_words)) else None


def _says(text: str, words: tuple[str, ...]) -> bool:
    # This also finds a word without letters, such as an emoji.
    if _plain(text) in map(_plain, words):
        return True
    exact, bare = _phrases(words)
    return any(
        _made_of(reading, exact) or _made_of(tuple(map(_without_accents, reading)), bare) for reading in _readings(text)
    )


@lru_cache(maxsize=64)
def _phrases(words: tuple[str, ...]) -> tuple[frozenset[Phrase], frozenset[Phrase]]:
    """Return the phrases of ``words``, and those among them that are compared without accents."""
    phrases = frozenset(reading for word in words for reading in _split(word))
    return phrases, frozenset(phrase for phrase in phrases if all(map(str.isascii, phrase)))


def _made_of(text: Phrase, phrases: frozenset[Phrase]) -> bool:
    """Return whether ``text`` is a sequence of ``phrases``."""
    ends = {0}
    for place in range(len(text)):
        if place in ends:
            ends.update(place + len(phrase) for phrase in phrases if text[place : place + len(phrase)] == phrase)
    return bool(text) and len(text) in ends


def _readings(text: str) -> Iterator[Phrase]:
    """Yield the words of a text, without its emoji and signs, and with those that are letters in another form."""
    pictured = _KEYCAP.sub(" ", text)
    yield from _split("".join(" " if _is_sign(character) else character for character in pictured))
    yield from _split(text.translate(_ENCLOSED))


def _split(text: str) -> Iterator[Phrase]:
    """Yield the words of a text: a hyphen splits or joins words, and single letters may form a word."""
    bare = _folded(text)
    for joint in (" ", ""):
        words = tuple(bare.replace("-", joint).split())
        yield words
        if words and all(len(word) == 1 for word in words):
            yield ("".join(words),)


def _folded(text: str) -> str:
    """Return letters, digits and their marks in the same typeface and case, hyphens, and spaces for all else."""
    # A Turkish phone writes QUIT as quıt.
    text = _plain(text).replace("\u0131", "i")
    # Composed accents are letters by now.
    text = _UNSEEN.sub("", _ACCENTS.sub("", text))
    return "".join(map(_kind, text))


def _plain(text: str) -> str:
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text.strip()).casefold())


def _kind(character: str) -> str:
    category = unicodedata.category(character)
    if category[0] in "LMN":
        return character
    if category == "Pd" or character == "\u2212":
        return "-"
    return "" if category in ("Cc", "Cf") and not character.isspace() else " "


def _is_sign(character: str) -> bool:
    return unicodedata.category(character)[0] == "S" or character == _LETTER_EMOJI


def _without_accents(word: str) -> str:
    return _ACCENTS.sub("", unicodedata.normalize("NFKD", word))
