"""What words hold once they are decoded: entities, escapes, base64, hex and bytes that were read wrongly, also inside each other."""

from __future__ import annotations

import binascii
import html
import re
import unicodedata
from collections.abc import Callable, Iterator

_DEPTH = 3
_MOST = 48
"""Ways to read the words; few have more than two."""

_LONG = 16
"""Characters without a space that are hardly a word."""
_SHORTEST = 4

_TAG = re.compile(r"<[^<>]*>")
_NUMBERED = re.compile(
    r"""\\+u\{([0-9a-f]{1,6})\} | (?:\\+|%)u([0-9a-f]{4}) | \\+U([0-9a-f]{8}) | U\+([0-9a-f]{4,6})(?![0-9a-f])
    | \\+([0-3][0-7]{2})""",
    re.IGNORECASE | re.VERBOSE,
)
_OCTAL = 5
_SIGN = re.compile(r"\\+([/\"'\\nrtbf])")
_BYTES = re.compile(r"(?:(?:%|=|\\+x|0x)[0-9a-fA-F]{2}[,;\s]?)+")
_BYTE = re.compile(r"[0-9a-fA-F]{2}(?![0-9a-fA-F])")
_SOFT_BREAK = re.compile(r"=\r?\n")
_BETWEEN_HEX = re.compile(r"0x|\\+x|[^0-9A-Za-z]+")
_HEX = re.compile(r"[0-9a-fA-F]{8,}")
_BASE64 = re.compile(r"[A-Za-z0-9+/]{8,}")
_URL_SAFE = str.maketrans("-_", "+/")
_NOT_ASCII = re.compile(r"[^\x00-\x7f]+")
_READABLE = re.compile(r"[^\x00-\x1f\x7f-\x9f\ufffd]{4,}")
_CONTROLS = {"n": "\n", "r": "\r", "t": "\t", "b": "\b", "f": "\f"}


def views(words: str) -> list[str]:
    """Every other way to read ``words``; many of them senseless."""
    found = [words]
    layer = [words]
    for _ in range(_DEPTH):
        inner: list[str] = []
        for text in layer:
            for decode in _DECODERS:
                for view in decode(text):
                    if view not in found and len(found) <= _MOST:
                        found.append(view)
                        inner.append(view)
        layer = inner
    return found[1:]


def _entities(text: str) -> Iterator[str]:
    if "&" in text or "<" in text:
        yield html.unescape(_TAG.sub("", text))


def _escapes(text: str) -> Iterator[str]:
    r"""``\u0041``, ``%u0041``, ``\/`` and the like, with as many backslashes as there are."""
    if "\\" in text or "%" in text or "U+" in text:
        text = _SIGN.sub(lambda found: _CONTROLS.get(found[1], found[1]), _NUMBERED.sub(_character, text))
        yield text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _character(found: re.Match[str]) -> str:
    digits = found.group(found.lastindex or 0)
    code = int(digits, 8 if found.lastindex == _OCTAL else 16)
    return chr(code) if code <= 0x10FFFF else "\ufffd"


def _percent(text: str) -> Iterator[str]:
    r"""``%41``, ``=41`` and ``\x41``: bytes, of UTF-8 or, where they are none, of Latin-1."""
    if "%" in text or "=" in text or "x" in text:
        yield _BYTES.sub(_of_bytes, _SOFT_BREAK.sub("", text))


def _of_bytes(found: re.Match[str]) -> str:
    data = bytes.fromhex("".join(_BYTE.findall(found.group())))
    text = data.decode("utf-8", "replace")
    return text if text.count("\ufffd") <= len(text) // 2 else data.decode("latin-1")


def _base64(text: str) -> Iterator[str]:
    pieces = text.translate(_URL_SAFE).split()
    alone = [piece for piece in pieces if len(piece) >= _LONG]
    runs = [run for piece in ("".join(pieces), *alone) for run in _BASE64.findall(piece)]
    for offset in range(4) if runs else ():
        yield from _texts([_from_base64(run[offset:]) for run in runs])


def _from_base64(run: str) -> bytes:
    usable = run[: len(run) - 1] if len(run) % 4 == 1 else run
    return binascii.a2b_base64(usable + "=" * (-len(usable) % 4))


def _hex(text: str) -> Iterator[str]:
    runs = _HEX.findall(_BETWEEN_HEX.sub("", text))
    for offset in range(2) if runs else ():
        yield from _texts([bytes.fromhex(run[offset : offset + (len(run) - offset) // 2 * 2]) for run in runs])


def _misread(text: str) -> Iterator[str]:
    """UTF-8 that somebody took for Latin-1 or Windows-1252."""
    if not text.isascii():
        yield _NOT_ASCII.sub(lambda found: b"".join(map(_byte, found.group())).decode("utf-8", "replace"), text)


def _byte(character: str) -> bytes:
    return character.encode("latin-1" if character <= "\xff" else "cp1252", "ignore")


def _wide(text: str) -> Iterator[str]:
    """Full width, bold and the like, as what it stands for."""
    if not text.isascii():
        yield unicodedata.normalize("NFKC", text)


def _texts(parts: list[bytes]) -> Iterator[str]:
    """What can be read in ``parts``, most of which may be anything: as UTF-8, which holds ASCII of UTF-16 too, and as UTF-16."""
    yield from _readable(b"\n".join(parts).replace(b"\0", b"").decode("utf-8", "replace"))
    wide = [
        part[start:].decode(order, "replace")
        for part in parts
        for start in (0, 1)
        for half, order in ((0, "utf-16-be"), (1, "utf-16-le"))
        if _is_script(part[start + half :: 2])
    ]
    yield from _readable("\n".join(wide))


def _is_script(high: bytes) -> bool:
    """Whether these are the higher bytes of UTF-16: most scripts stay on a page or two, and Han and Hangul are wide."""
    han = sum(0x4E <= byte <= 0x9F for byte in high)
    hangul = sum(0xAC <= byte <= 0xD7 for byte in high)
    return len(high) >= _SHORTEST and (len({*high}) <= max(2, len(high) // 6) or max(han, hangul) > 0.7 * len(high))


def _readable(text: str) -> Iterator[str]:
    found = _READABLE.findall(text)
    if found:
        yield "\n".join(found)


_DECODERS: tuple[Callable[[str], Iterator[str]], ...] = (
    _entities,
    _escapes,
    _percent,
    _base64,
    _hex,
    _misread,
    _wide,
)
