"""The GSM 7-bit default alphabet and its extension table: 3GPP TS 23.038, sections 6.2.1 and 6.2.1.1.

ESC is in the standard's table as the prefix of extension characters. A text cannot contain it.
"""

from __future__ import annotations

import re

BASIC = (
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
EXTENSION = "\f^{}\\[~]|€"
"""Characters of two units: ESC, and a basic character."""

ESC = "\x1b"

ALL_BASIC = re.compile(f"[{re.escape(BASIC)}]*+")  # possessive: going back over what has matched finds nothing
ALL_GSM = re.compile(f"[{re.escape(BASIC + EXTENSION)}]*+")
FOREIGN = re.compile(f"[^{re.escape(BASIC + EXTENSION)}]")


def is_gsm(text: str) -> bool:
    """Return whether ``text`` can be written in GSM-7, including the extension table."""
    return ALL_GSM.fullmatch(text) is not None
