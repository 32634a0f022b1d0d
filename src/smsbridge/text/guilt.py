"""Find the characters of a text that force UCS-2, with their names and replacements."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, field

from .alphabet import FOREIGN, is_gsm
from .replacements import MARKS, SHAPING, replacement

_PIECE = re.compile(f".[{MARKS}]+|{FOREIGN.pattern}", re.DOTALL)
"""A combining accent belongs to the letter before it: both are replaced, or neither."""

_C0 = (
    "NULL,START OF HEADING,START OF TEXT,END OF TEXT,END OF TRANSMISSION,ENQUIRY,ACKNOWLEDGE,BELL,BACKSPACE,TABULATION,"
    "LINE FEED,LINE TABULATION,FORM FEED,CARRIAGE RETURN,SHIFT OUT,SHIFT IN,DATA LINK ESCAPE,DEVICE CONTROL ONE,"
    "DEVICE CONTROL TWO,DEVICE CONTROL THREE,DEVICE CONTROL FOUR,NEGATIVE ACKNOWLEDGE,SYNCHRONOUS IDLE,"
    "END OF TRANSMISSION BLOCK,CANCEL,END OF MEDIUM,SUBSTITUTE,ESCAPE,FILE SEPARATOR,GROUP SEPARATOR,RECORD SEPARATOR,"
    "UNIT SEPARATOR"
)
_NAMELESS = dict(enumerate(_C0.split(","))) | {0x7F: "DELETE", 0x85: "NEXT LINE"}
"""Names of control characters: Unicode has only aliases for them, which Python does not return."""

_KINDS = {"Cc": "CONTROL CHARACTER", "Co": "PRIVATE USE CHARACTER", "Cs": "SURROGATE", "Cn": "UNASSIGNED CHARACTER"}
_NO_SCRIPT = frozenset({"COMBINING", "LATIN", "MODIFIER", "SUPERSCRIPT", "SUBSCRIPT", "VARIATION"})
_SCRIPT = re.compile(r"(.+?) (?:LETTER|VOWEL|SIGN|DIGIT|SYLLABLE|CAPITAL|SMALL|UNIFIED)\b")


@dataclass(frozen=True, slots=True, kw_only=True)
class Guilty:
    """Describe a character that GSM-7 lacks, together with its accents, so that the text has to be sent as UCS-2.

    ``index`` counts code points from 0: ``text[index:index + len(characters)] == characters``. ``name`` is the name in
    Unicode. ``suggestion`` is a replacement in GSM-7: empty if the character can be left out, None if there is no
    replacement. ``repr`` shows the place of the character, but not the character.
    """

    index: int
    characters: str = field(repr=False)
    name: str = field(repr=False)
    suggestion: str | None = field(repr=False)

    @property
    def label(self) -> str:
        """Return the code point and the name of the character, such as ``U+2019 RIGHT SINGLE QUOTATION MARK``."""
        return f"U+{ord(_culprit(self.characters)):04X} {self.name}"

    @property
    def script(self) -> str | None:
        """Return the script of the character, such as ``DEVANAGARI``, if it is a letter, vowel sign or digit.

        Returns None for Latin letters, and for all other characters.
        """
        culprit = _culprit(self.characters)
        category = unicodedata.category(culprit)
        if category[0] not in "LM" and category != "Nd":
            return None
        words = _SCRIPT.match(self.name)
        script = words[1] if words else self.name.partition(" ")[0]
        return None if _NO_SCRIPT & set(script.split()) else script


def find_guilty(text: str) -> tuple[Guilty, ...]:
    """Return the characters of ``text`` that GSM-7 lacks, so that the text has to be sent as UCS-2, in order.

    A joiner or a mark of direction only changes how other characters look. It gets no replacement if the text keeps a
    character that may need it.
    """
    if is_gsm(text):
        return ()
    pieces = [(match.start(), match[0], replacement(match[0])) for match in _PIECE.finditer(text)]
    keeps = any(instead is None for _, _, instead in pieces)
    return tuple(
        Guilty(
            index=index,
            characters=piece,
            name=name_of(_culprit(piece)),
            suggestion=None if keeps and piece in SHAPING else instead,
        )
        for index, piece, instead in pieces
    )


def name_of(character: str) -> str:
    """Return the Unicode name of ``character``. If it has no name, return its kind, such as a control character."""
    return (
        unicodedata.name(character, "")
        or _NAMELESS.get(ord(character))
        or _KINDS.get(unicodedata.category(character), "CHARACTER WITHOUT NAME")
    )


def _culprit(characters: str) -> str:
    found = FOREIGN.search(characters)
    return found[0] if found else characters[0]
