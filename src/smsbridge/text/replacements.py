"""Replace characters that GSM-7 lacks by others that mean the same to a reader.

Replacements never guess: no script is romanised, no emoji is named. Superscripts and fractions stay, because ``10²`` is
not ``102``.
"""

from __future__ import annotations

import re
import unicodedata

from .alphabet import is_gsm

MARKS = "\u0300-\u036f\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe00-\ufe0f"
"""Accents and other marks on the character before, as ranges, without vowel signs, which are letters."""

SHAPING = frozenset("\u061c\u200c\u200d\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
"""Invisible characters that change the look of others: joiners and marks of direction."""

_INVISIBLE = (
    "\u00ad\u034f\u115f\u1160\u17b4\u17b5\u180e\u200b\u2060\u2061\u2062\u2063\u2064"
    "\u206a\u206b\u206c\u206d\u206e\u206f\u3164\ufeff\uffa0"
)
_CONTROLS = "".join(map(chr, {*range(0x20), 0x7F} - set(b"\t\n\v\f\r")))
_INSTEAD = {
    "": _CONTROLS + _INVISIBLE + "".join(SHAPING),
    " ": "\t\u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u205f\u2800\u3000",
    "\n": "\v\x85\u2028\u2029",
    "'": "‘’‚‛′‹›`´ʹʻʼʽˈ",
    '"': "“”„‟″«»ʺ〝〞",
    "-": "‐‑‒–—―⁃−﹘﹣",
    "/": "⁄∕÷",
    "*": "•∗⁎",
    ".": "·․",
    ":": "∶ː",
    "|": "¦",
    "~": "˜∼",
    "^": "ˆ",
    ",": "¸",
    "x": "×",
    "+/-": "±",
    "(c)": "©",
    "(r)": "®",
    "TM": "™",
    "Rs.": "₹₨",
    "u": "µ",
    "a": "ª",
    "o": "º",
    "d": "đð",
    "D": "ĐÐ",
    "h": "ħ",
    "H": "Ħ",
    "i": "ı",
    "l": "łŀ",
    "L": "ŁĿ",
    "n": "ŋ",
    "N": "Ŋ",
    "t": "ŧ",
    "T": "Ŧ",
    "oe": "œ",
    "OE": "Œ",
    "th": "þ",
    "Th": "Þ",
    "SS": "ẞ",
    "'n": "ŉ",
}
TABLE = {character: instead for instead, characters in _INSTEAD.items() for character in characters}
"""Replacements for characters whose Unicode decomposition is missing or reads differently."""

_PLAIN = ("<compat>", "<font>", "<narrow>", "<noBreak>", "<square>", "<wide>")
"""Kinds of decompositions that keep the meaning; other kinds would turn ``10²`` into ``102``."""

_ALL_MARKS = re.compile(f"[{MARKS}]+")


def replacement(piece: str) -> str | None:
    """Return the replacement in GSM-7 for ``piece``, a character with its marks; None if there is none."""
    if piece in TABLE:
        return TABLE[piece]
    composed = unicodedata.normalize("NFC", piece)
    if is_gsm(composed):
        return composed
    if _ALL_MARKS.fullmatch(piece):
        return ""
    return _with_fewer_marks(unicodedata.normalize("NFD", piece))


def _with_fewer_marks(letters: str) -> str | None:
    """A letter with as many of its marks as GSM-7 has; the last marks are dropped first."""
    base = letters[0]
    for end in range(len(letters), 0, -1):
        candidate = unicodedata.normalize("NFC", letters[:end])
        if is_gsm(candidate):
            return candidate
        if end > 1 and not _ALL_MARKS.match(letters[end - 1]):
            return None
    return TABLE.get(base, _plain(base))


def _plain(character: str) -> str | None:
    """The plain letters of a character that is only another form of them: a ligature, a fullwidth letter."""
    if not unicodedata.decomposition(character).startswith(_PLAIN):
        return None
    letters = _ALL_MARKS.sub("", unicodedata.normalize("NFKD", character))
    plain = "".join(TABLE.get(letter, letter) for letter in letters)
    # A spacing mark decomposes to a space and the mark, and would vanish.
    return plain if plain.strip() and is_gsm(plain) else None
