"""Decode words in all common forms, also forms inside other forms, to find what they hide.

The forms are entities, escapes, base64 and similar codes, hex, character codes, wrongly decoded bytes, and compressed
data.
"""

from __future__ import annotations

import base64
import binascii
import codecs
import contextlib
import html
import re
import string
import struct
import unicodedata
import zlib
from collections.abc import Callable, Iterable, Iterator

_DEPTH = 3
_LONGEST = 4000
"""The most characters of a single decoded form."""
_MOST = 25_000
"""The most characters of all decoded forms together."""

_LONG = 16
"""The length of text without a space that is unlikely to be a word."""
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
_RFC_4648 = string.ascii_uppercase + "234567"
_BASE32 = [
    (re.compile(rf"[{alphabet}]{{7,}}"), str.maketrans(alphabet, _RFC_4648))
    for alphabet in (_RFC_4648, string.digits + string.ascii_uppercase[:22])
]
_NO_END = (1, 3, 6)
"""Lengths of a last base32 group that cannot occur."""
_COUNTED = "".join(map(chr, range(85)))
_BASE85 = [
    (re.compile(rf"[{re.escape(alphabet)}]{{5,}}"), str.maketrans(alphabet, _COUNTED))
    for alphabet in (
        "".join(map(chr, range(33, 118))),  # Ascii85
        f"{string.digits}{string.ascii_uppercase}{string.ascii_lowercase}!#$%&()*+-;<=>?@^_`{{|}}~",  # of Git
        f"{string.digits}{string.ascii_lowercase}{string.ascii_uppercase}.-:+=^!/*?&<>()[]{{}}@%$#",  # of ZeroMQ
    )
]
_CODES = [
    (re.compile(rf"(?:{code}[\W_]{{1,4}}){{3,}}{code}"), re.compile(rf"(?:(?<![^\s,\[(])-)?{code}"), base)
    for code, base in ((r"\d{1,7}", 10), (r"[0-7]{3}", 8), (r"[01]{7,8}", 2))
]
_DIGITS = re.compile(r"\d{8,}")
_CODE = re.compile(r"0?[3-9]\d|[12]\d\d")
"""The code of a visible character, whose first digit shows the number of digits."""
_BITS = re.compile(r"[01]{32,}")
_PACKED = re.compile(rb"\x1f\x8b\x08|x[\x01\x5e\x9c\xda]")
"""The beginning of data packed by gzip or zlib."""
_GZIP_TOO = 47
"""The window size that makes zlib accept both formats."""
_URL_SAFE = str.maketrans("-_", "+/")
_NOT_ASCII = re.compile(r"[^\x00-\x7f]+")
_READABLE = re.compile(r"[^\x00-\x1f\x7f-\x9f\ufffd]{4,}")
_WIDE = (bytes(range(0x4E, 0xA0)), bytes(range(0xAC, 0xD8)))
"""The higher bytes of Han and of Hangul."""
_CONTROLS = {"n": "\n", "r": "\r", "t": "\t", "b": "\b", "f": "\f"}


def views(words: str) -> list[str] | None:
    """Return all texts that ``words`` can be decoded to, also by several decodings in turn.

    Many of them are meaningless. Returns None if there are too many texts to check.
    """
    layer = [words]
    found = {words: None}
    characters = 0
    for _ in range(_DEPTH):
        inner: list[str] = []
        for text in layer:
            for decode in _DECODERS:
                for view in decode(text):
                    if view in found:
                        continue
                    characters += len(view)
                    if len(view) > _LONGEST or characters > _MOST:
                        return None
                    found[view] = None
                    inner.append(view)
        layer = inner
    return [*found][1:]


def mirrored(words: str) -> tuple[str, ...]:
    """Return two forms of ``words``: backwards, and in rot13."""
    return words[::-1], codecs.encode(words, "rot13")


def _entities(text: str) -> Iterator[str]:
    if "&" in text or "<" in text:
        yield html.unescape(_TAG.sub("", text))


def _escapes(text: str) -> Iterator[str]:
    r"""Decode ``\u0041``, ``%u0041``, ``\/`` and similar escapes, with any number of backslashes."""
    if "\\" in text or "%" in text or "U+" in text:
        text = _SIGN.sub(lambda found: _CONTROLS.get(found[1], found[1]), _NUMBERED.sub(_character, text))
        yield text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _character(found: re.Match[str]) -> str:
    digits = found.group(found.lastindex or 0)
    code = int(digits, 8 if found.lastindex == _OCTAL else 16)
    return chr(code) if code <= 0x10FFFF else "\ufffd"


def _percent(text: str) -> Iterator[str]:
    r"""Decode ``%41``, ``=41`` and ``\x41``: bytes of UTF-8, or else of Latin-1."""
    if "%" in text or "=" in text or "x" in text:
        yield _BYTES.sub(_of_bytes, _SOFT_BREAK.sub("", text))


def _of_bytes(found: re.Match[str]) -> str:
    data = bytes.fromhex("".join(_BYTE.findall(found.group())))
    text = data.decode("utf-8", "replace")
    return text if text.count("\ufffd") <= len(text) // 2 else data.decode("latin-1")


def _base64(text: str) -> Iterator[str]:
    pieces = text.translate(_URL_SAFE).split()
    alone = [piece for piece in pieces if len(piece) >= _LONG] if len(pieces) > 1 else []
    runs = [run for piece in ("".join(pieces), *alone) for run in _BASE64.findall(piece)]
    for offset in range(4) if runs else ():
        yield from _texts([_from_base64(run[offset:]) for run in runs])


def _from_base64(run: str) -> bytes:
    usable = run[: len(run) - 1] if len(run) % 4 == 1 else run
    return binascii.a2b_base64(usable + "=" * (-len(usable) % 4))


def _base32(text: str) -> Iterator[str]:
    for pattern, known in _BASE32:
        runs = [run.translate(known) for run in pattern.findall(text.upper())]
        yield from _texts(_sensible(_from_base32(run[offset:]) for run in runs for offset in range(8)))


def _from_base32(run: str) -> bytes:
    usable = run[: len(run) - 1] if len(run) % 8 in _NO_END else run
    return base64.b32decode(usable + "=" * (-len(usable) % 8))


def _base85(text: str) -> Iterator[str]:
    for pattern, known in _BASE85:
        runs = [run.translate(known).encode() for run in pattern.findall(text)]
        for offset in range(5) if runs else ():
            yield from _texts(_sensible(_from_base85([run[offset:] for run in runs])))


def _from_base85(runs: list[bytes]) -> Iterator[bytes]:
    # All runs together, since there may be many.
    padded = b"".join(run + b"\x54" * (-len(run) % 5) for run in runs)
    values = zip(*(padded[place::5] for place in range(5)), strict=True)
    numbers = [52_200_625 * a + 614_125 * b + 7225 * c + 85 * d + e for a, b, c, d, e in values]
    data = struct.pack(f">{len(numbers)}I", *(number & 0xFFFFFFFF for number in numbers))
    for run in runs:
        yield data[: len(run) * 4 // 5]
        data = data[-(-len(run) // 5) * 4 :]


def _codes(text: str) -> Iterator[str]:
    """Decode ``57 56 55``, ``[57, 56]``, ``071 070``, ``00111001 00111000``, ``575655``: codes of letters or bytes."""
    for list_of, code, base in _CODES:
        for found in list_of.finditer(text):
            numbers = [int(number, base) for number in code.findall(found.group())]
            yield "".join(chr(number) for number in numbers if 0 < number <= 0x10FFFF)
            if max(numbers) <= 0xFF:
                yield from _texts([bytes(number & 0xFF for number in numbers)])
    for run in _DIGITS.findall(text):
        for offset in range(3):
            yield from _texts([bytes(min(int(code), 0xFF) for code in _CODE.findall(run[offset:]))])
    for run in _BITS.findall(text):
        for width in (7, 8):
            for offset in range(width):
                bits = [run[at : at + width] for at in range(offset, len(run), width)]
                yield from _texts([bytes(int(group, 2) for group in bits)])


def _hex(text: str) -> Iterator[str]:
    runs = _HEX.findall(_BETWEEN_HEX.sub("", text))
    for offset in range(2) if runs else ():
        yield from _texts([bytes.fromhex(run[offset : offset + (len(run) - offset) // 2 * 2]) for run in runs])


def _misread(text: str) -> Iterator[str]:
    """Decode UTF-8 that was read as Latin-1 or Windows-1252."""
    if not text.isascii():
        yield _NOT_ASCII.sub(lambda found: b"".join(map(_byte, found.group())).decode("utf-8", "replace"), text)


def _byte(character: str) -> bytes:
    return character.encode("latin-1" if character <= "\xff" else "cp1252", "ignore")


def _wide(text: str) -> Iterator[str]:
    """Decode full-width, bold and similar characters to ordinary characters."""
    if not text.isascii():
        yield unicodedata.normalize("NFKC", text)


def _texts(parts: list[bytes]) -> Iterator[str]:
    """Yield the readable text in ``parts``, which may be any bytes: as UTF-8 (also ASCII in UTF-16) and as UTF-16."""
    for part in parts:
        yield from _unpacked(part)
    yield from _readable(b"\n".join(parts).replace(b"\0", b"").decode("utf-8", "replace"))
    wide = [
        part[start:].decode(order, "replace")
        for part in parts
        for start in (0, 1)
        for half, order in ((0, "utf-16-be"), (1, "utf-16-le"))
        if _is_script(part[start + half :: 2])
    ]
    yield from _readable("\n".join(wide))


def _sensible(parts: Iterable[bytes]) -> list[bytes]:
    """Return the ``parts`` that are, or may be, mostly text: ordinary words taken for a code do not decode to text."""
    return [
        part
        for part in parts
        if _is_text(part) or _PACKED.search(part) or _is_script(part[::2]) or _is_script(part[1::2])
    ]


def _is_text(part: bytes) -> bool:
    text = part.decode("utf-8", "replace")
    return 2 * sum(map(len, _READABLE.findall(text))) >= len(text) > 0


def _unpacked(part: bytes) -> Iterator[str]:
    """Yield the text that gzip or zlib has packed, as far as it is complete."""
    for found in _PACKED.finditer(part):
        with contextlib.suppress(zlib.error):
            data = zlib.decompressobj(_GZIP_TOO).decompress(part[found.start() :], _LONGEST)
            yield from _readable(data.decode("utf-8", "replace"))


def _is_script(high: bytes) -> bool:
    """Return whether these are the higher bytes of UTF-16: most scripts use a page or two, Han and Hangul many."""
    if len(high) < _SHORTEST:
        return False
    return len({*high}) <= max(2, len(high) // 6) or any(
        len(high.translate(None, wide)) < 0.3 * len(high) for wide in _WIDE
    )


def _readable(text: str) -> Iterator[str]:
    found = _READABLE.findall(text)
    if found:
        yield "\n".join(found)


_DECODERS: tuple[Callable[[str], Iterator[str]], ...] = (
    _entities,
    _escapes,
    _percent,
    _base64,
    _base32,
    _base85,
    _hex,
    _codes,
    _misread,
    _wide,
)
