"""Simplify a text: write it in characters of GSM-7, if that saves segments. smsbridge does it only on request."""

from __future__ import annotations

from dataclasses import dataclass, field

from .counting import Encoding, measure
from .guilt import Guilty


@dataclass(frozen=True, slots=True, kw_only=True)
class Simplified:
    """Hold a simplified text and the list of changes.

    In each change, ``characters`` is the original and ``suggestion`` is its replacement.
    """

    text: str = field(repr=False)
    changes: tuple[Guilty, ...]


def simplify(text: str, *, always: bool = False) -> Simplified:
    """Replace the characters of ``text`` that GSM-7 lacks: curly quotes, dashes, special spaces, accents and others.

    Returns the new text and the changes. The text is returned unchanged if it would still need UCS-2, because of its
    script or an emoji, or would need more segments. With ``always``, all possible replacements are made even then.
    Characters of GSM-7 (``é``, ``ñ``, ``€``) stay. A changed text no longer matches its registered template.

    Raises ContentError as :func:`~smsbridge.text.measure` does.
    """
    before = measure(text)
    changes = tuple(character for character in before.guilty if character.suggestion is not None)
    simple = _apply(text, changes)
    if not always:
        after = measure(simple)
        if after.encoding is Encoding.UCS2 or after.segments > before.segments:
            return Simplified(text=text, changes=())
    return Simplified(text=simple, changes=changes)


def _apply(text: str, changes: tuple[Guilty, ...]) -> str:
    parts: list[str] = []
    end = 0
    for change in changes:
        parts += (text[end : change.index], change.suggestion or "")
        end = change.index + len(change.characters)
    return "".join([*parts, text[end:]])
