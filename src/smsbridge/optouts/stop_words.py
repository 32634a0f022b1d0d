"""What a text says of further texts: *stop*, *start again*, or neither.

A text says so as a whole: *Where does the bus stop?* does not. What stands round the word, or cannot be seen, says
nothing: punctuation and brackets of any script, emoji, invisible characters, line ends; nor does a typeface, such as
full-width letters.
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
"""What an inbound text has to be, as a whole, to opt out.

The usual six of vendors (https://www.braze.com/docs/user_guide/message_building_by_channel/sms/keywords/optin_optout),
those that 47 CFR 64.1200(a)(10) names (https://www.govinfo.gov/content/pkg/FR-2024-03-05/html/2024-04587.htm),
``OPTOUT`` (https://docs.aws.amazon.com/sms-voice/latest/userguide/keywords-required.html), and ``STOP ALL`` and
``UNSUB`` (https://support.plivo.com/hc/en-us/sections/32240327630873-DND).
"""

START_WORDS = ("START", "UNSTOP")
"""What opts in again.

Not ``YES``, which Twilio and Braze have: people also answer *Shall we come on Monday?* with it.
"""

_LONGEST = 1000
"""Characters of a text that is looked at: Unicode's normal forms take minutes for a text made to be slow."""

_KEYCAP = re.compile("[0-9#*]\ufe0f?\u20e3")
_LETTER_EMOJI = "\u2139"  # an emoji that Unicode calls a letter: information source
_ENCLOSED = {start + n: chr(ord("a") + n) for start in (0x1F150, 0x1F170, 0x1F1E6) for n in range(26)}
"""Letters in dark circles and squares, and those of flags: Unicode has no compatibility form for them."""

_ACCENTS = re.compile("[\u0300-\u036f\u0483-\u0489\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f]+")
"""Marks on letters of any script, such as accents, strokes and circles; not the vowel signs of Indic scripts."""
_UNSEEN = re.compile("[\u115f\u1160\u17b4\u17b5\u180b-\u180f\ufe00-\ufe0f\U000e0100-\U000e01ef]+")
"""Fillers and variation selectors: what cannot be seen without being called a format character."""

Phrase = tuple[str, ...]
"""The words of which a stop word is made, or a text."""


def said(text: str, stop_words: Iterable[str] = STOP_WORDS, start_words: Iterable[str] = START_WORDS) -> bool | None:
    """Whether a text, as a whole, opts out (True) or in again (False); None if it does neither.

    The word may be repeated. Accents count only in a word that is given with them, hyphens never.
    """
    text = text.strip()
    if len(text) > _LONGEST:
        return None
    if _says(text, tuple(stop_words)):
        return True
    return False if _says(text, tuple(start_words)) else None


def _says(text: str, words: tuple[str, ...]) -> bool:
    if _plain(text) in map(_plain, words):  # also a word without any letter, such as an emoji
        return True
    exact, bare = _phrases(words)
    return any(
        _made_of(reading, exact) or _made_of(tuple(map(_without_accents, reading)), bare) for reading in _readings(text)
    )


@lru_cache(maxsize=64)
def _phrases(words: tuple[str, ...]) -> tuple[frozenset[Phrase], frozenset[Phrase]]:
    """The phrases of ``words``, and those among them that are compared without accents."""
    phrases = frozenset(reading for word in words for reading in _split(word))
    return phrases, frozenset(phrase for phrase in phrases if all(map(str.isascii, phrase)))


def _made_of(text: Phrase, phrases: frozenset[Phrase]) -> bool:
    """Whether ``text`` is one or more of ``phrases``, one behind the other."""
    ends = {0}
    for place in range(len(text)):
        if place in ends:
            ends.update(place + len(phrase) for phrase in phrases if text[place : place + len(phrase)] == phrase)
    return bool(text) and len(text) in ends


def _readings(text: str) -> Iterator[Phrase]:
    """The words of a text, with and without its emoji and signs, some of which are letters in another form."""
    pictured = _KEYCAP.sub(" ", text)
    yield from _split("".join(" " if _is_sign(character) else character for character in pictured))
    yield from _split(text.translate(_ENCLOSED))


def _split(text: str) -> Iterator[Phrase]:
    """The words of a text: what a hyphen joins is two words or one, and letters that stand alone may be one."""
    bare = _folded(text)
    for joint in (" ", ""):
        words = tuple(bare.replace("-", joint).split())
        yield words
        if words and all(len(word) == 1 for word in words):
            yield ("".join(words),)


def _folded(text: str) -> str:
    """Letters, digits and the marks that belong to them, in one typeface and case; hyphens; and spaces for all else."""
    text = _plain(text).replace("\u0131", "i")  # a Turkish phone writes QUIT as quıt
    text = _UNSEEN.sub("", _ACCENTS.sub("", text))  # composed accents are letters by now
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
