"""The number of parts of a text: GSM 03.38 with 160/153, UCS-2 with 70/67.

The documentation does not say whether extension characters count twice; here they do, as in the GSM standard.
"""

from __future__ import annotations

BASIC = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
EXTENDED = frozenset("\f^{}\\[~]|€")


def is_gsm(text: str) -> bool:
    """Return whether every character is in the GSM alphabet or in its extension table."""
    return all(char in BASIC or char in EXTENDED for char in text)


def flatten(text: str) -> str:
    """Return `text` with a question mark for each character outside of the GSM alphabet.

    The platform sends texts of the type N (normal) like this.
    """
    return "".join(char if char in BASIC or char in EXTENDED else "?" for char in text)


def units(text: str, *, unicode: bool) -> int:
    """Return the number of segments of a text, at least 1. `unicode` says that it is sent as UCS-2, not as GSM-7."""
    if unicode:
        size, single, multi = len(text.encode("utf-16-be", "surrogatepass")) // 2, 70, 67
    else:
        size, single, multi = sum(2 if char in EXTENDED else 1 for char in text), 160, 153
    return 1 if size <= single else -(-size // multi)
