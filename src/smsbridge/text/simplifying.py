"""The same text in the characters of GSM-7, where that is worth it. Never done unless asked for."""

from __future__ import annotations

from dataclasses import dataclass, field

from .counting import Encoding, measure
from .guilt import Guilty


@dataclass(frozen=True, slots=True, kw_only=True)
class Simplified:
    """A simplified text, and what was changed: each ``suggestion`` stands where the original has ``characters``."""

    text: str = field(repr=False)
    changes: tuple[Guilty, ...]


def simplify(text: str, *, always: bool = False) -> Simplified:
    """``text`` with what GSM-7 lacks replaced: curly quotes, dashes, odd spaces, invisible characters, accents.

    All or nothing: a text that would remain UCS-2, because of its script or an emoji, comes back as it is, and so does
    one that would need more segments; ``always`` replaces what can be replaced even so. What GSM-7 has (``é``, ``ñ``,
    ``€``) is never touched. Mind that a text which has to match a registered template no longer does once it is
    changed.

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
