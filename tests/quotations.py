"""Forms in which vendors quote a text or token, for tests that no quotation is shown."""

from __future__ import annotations

import base64
import codecs
import gzip
import html
import json
import quopri
import re
import zlib
from difflib import SequenceMatcher
from urllib.parse import quote

WIDE = {code: code + 0xFEE0 for code in range(0x21, 0x7F)}
BOLD = {ord("A") + n: 0x1D400 + n for n in range(26)} | {ord("a") + n: 0x1D41A + n for n in range(26)}


def b64(text):
    return base64.b64encode(text.encode("utf-8", "replace")).decode()


def wrapped(text, width):
    return "\r\n".join(text[start : start + width] for start in range(0, len(text), width))


def units(text):
    """The numbers of UTF-16, in hex."""
    data = text.encode("utf-16-be", "surrogatepass").hex()
    return [data[start : start + 4] for start in range(0, len(data), 4)]


def codes(text, write, between=""):
    """The number of each byte, as ``write`` has it."""
    return between.join(write(byte) for byte in text.encode("utf-8", "replace"))


def every_byte(sign):
    return lambda text: "".join(f"{sign}{byte:02X}" for byte in text.encode())


FORMS = {
    "plain": lambda text: text,
    "upper case": str.upper,
    "lower case": str.lower,
    "other case": str.swapcase,
    "HTML": html.escape,
    "HTML, every character": lambda text: "".join(f"&#{ord(character)};" for character in text),
    "HTML, in hex": lambda text: "".join(f"&#x{ord(character):x};" for character in text),
    "JSON": lambda text: json.dumps(text)[1:-1],
    "JSON as PHP has it": lambda text: json.dumps(text)[1:-1].replace("/", "\\/"),
    "JSON, every character": lambda text: "".join(f"\\u{unit}" for unit in units(text)),
    "JavaScript of old": lambda text: "".join(f"%u{unit.upper()}" for unit in units(text)),
    "URL": lambda text: quote(text, safe=""),
    "URL, every byte": every_byte("%"),
    "quoted-printable": lambda text: quopri.encodestring(text.encode()).decode(),
    "quoted-printable, every byte": every_byte("="),
    "bytes of a program": every_byte("\\x"),
    "base64": b64,
    "base64 for URLs": lambda text: base64.urlsafe_b64encode(text.encode()).decode().rstrip("="),
    "base64 behind one character": lambda text: b64(f":{text}"),
    "base64 behind two characters": lambda text: b64(f"u:{text}"),
    "base64 in lines": lambda text: wrapped(b64(text), 76),
    "base64 of UTF-16": lambda text: base64.b64encode(text.encode("utf-16-le")).decode(),
    "hex": lambda text: text.encode().hex(),
    "hex in capitals, spaced": lambda text: text.encode().hex(" ").upper(),
    "hex with colons": lambda text: text.encode().hex(":"),
    "hex of UTF-16": lambda text: text.encode("utf-16-be").hex(),
    "base32": lambda text: base64.b32encode(text.encode()).decode(),
    "base32 in small letters": lambda text: base64.b32encode(text.encode()).decode().rstrip("=").lower(),
    "base32 of hex digits": lambda text: base64.b32hexencode(text.encode()).decode(),
    "Ascii85": lambda text: base64.a85encode(text.encode()).decode(),
    "Ascii85 as Adobe has it": lambda text: base64.a85encode(text.encode(), adobe=True).decode(),
    "base85": lambda text: base64.b85encode(text.encode()).decode(),
    "packed in base64": lambda text: base64.b64encode(gzip.compress(text.encode(), mtime=0)).decode(),
    "packed in base85": lambda text: base64.b85encode(zlib.compress(text.encode(), 9)).decode(),
    "packed in hex": lambda text: zlib.compress(text.encode(), 1).hex(),
    "codes": lambda text: codes(text, str, " "),
    "codes in a list": lambda text: json.dumps([*text.encode()]),
    "codes of Java": lambda text: str([byte - 256 * (byte > 127) for byte in text.encode()]),
    "codes of characters": lambda text: ", ".join(str(ord(character)) for character in text),
    "codes in a row": lambda text: codes(text, str),
    "codes of one length": lambda text: codes(text, "{:03}".format),
    "octal codes": lambda text: codes(text, "{:03o}".format, " "),
    "bits": lambda text: codes(text, "{:08b}".format, " "),
    "bits in a row": lambda text: codes(text, "{:08b}".format),
    "backwards": lambda text: text[::-1],
    "rot13": lambda text: codecs.encode(text, "rot13"),
    "UTF-16 read as Latin-1": lambda text: text.encode("utf-16-le").decode("latin-1"),
    "spaced": " ".join,
    "other spaces": lambda text: re.sub(r"\s", "\u00a0\u2003", text),
    "in lines": lambda text: wrapped(text, 8),
    "without spaces": lambda text: re.sub(r"\s", "", text),
    "full width": lambda text: text.translate(WIDE),
    "bold": lambda text: text.translate(BOLD),
    "accented": lambda text: "".join(f"{character}\u0301" for character in text),
    "with invisible characters": "\u200b".join,
}
BY_CASE = {"upper case", "lower case", "other case"}
BY_LETTER = {"spaced", "accented", "with invisible characters", "UTF-16 read as Latin-1", "bold", "in lines"}
MIRRORED = {"backwards", "rot13"}


def readable(outer, inner):
    """Whether the quotation by ``outer`` around ``inner`` can be read back."""
    loses = BY_CASE | BY_LETTER | MIRRORED | {"without spaces"}
    return inner == "plain" or not (outer in loses and inner not in BY_CASE | BY_LETTER | {"plain", "full width"})


PAIRS = [
    (outer, inner)
    for outer in FORMS
    for inner in FORMS
    if inner not in ("bold", "full width") and readable(outer, inner)
]


def assert_hidden(shown, encoded, secret):
    """Check that neither ``secret`` nor a readable part of its quotation is in ``shown``."""
    per_letter = max(1.0, len(encoded) / len(secret))
    longest = SequenceMatcher(None, shown, encoded, autojunk=False).find_longest_match()
    part = shown[longest.a : longest.a + longest.size]
    assert len(re.sub(r"[\W_]", "", part)) < 6 * per_letter + 8, (part, shown)
