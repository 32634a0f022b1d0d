"""Read a file of templates, TOML or CSV, in the encodings that Windows and spreadsheets write."""

from __future__ import annotations

import codecs
from os import PathLike, fspath
from pathlib import Path

from . import portal, toml_file
from .contents import Contents, Mistake

_CSV = (".csv", ".tsv", ".txt")
_MARKS = {
    # Byte order marks.
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}


def read(path: str | PathLike[str]) -> Contents:
    """Read the DLT registry file at ``path``. Returns its contents, with all mistakes in the file.

    This does not raise if the file cannot be read: that is recorded as a mistake.
    """
    file = fspath(path)
    is_csv = Path(file).suffix.lower() in _CSV
    try:
        data = Path(file).read_bytes()
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or "no file can have such a name"
        return Contents(file=file, mistakes=(Mistake(None, f"cannot be read: {why}"),))
    encoding = next((name for mark, name in _MARKS.items() if data.startswith(mark)), "utf-8")
    try:
        source = data.decode(encoding)
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        return Contents(file=file, mistakes=(Mistake(line, "this is not UTF-8: save it as UTF-8, or as Unicode text"),))
    return portal.read(file, source) if is_csv else toml_file.read(file, source)
