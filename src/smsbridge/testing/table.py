"""What was sent as a table, for people who read why a test failed. The texts are the test's own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .posted import Posted

_WIDEST = 60


def table(sent: Sequence[Posted], refused: Sequence[Posted]) -> str:
    """The texts in ``sent`` and, if there are any, the ones that a script has refused."""
    parts = [f"{_number(len(sent))} sent:" if sent else "nothing was sent"]
    if sent:
        parts.append(_rows(sent))
    if refused:
        parts += [f"{_number(len(refused))} refused, as scripted:", _rows(refused)]
    return "\n".join(parts)


def _number(count: int) -> str:
    return "1 text was" if count == 1 else f"{count} texts were"


def _rows(posted: Sequence[Posted]) -> str:
    heads = ("", "to", "account", "text", "")
    rows = [heads, *((str(n), one.to, one.account, _text(one), _outcome(one)) for n, one in enumerate(posted))]
    widths = [max(len(row[column]) for row in rows) for column in range(len(heads))]
    return "\n".join(
        "  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )


def _text(posted: Posted) -> str:
    text = posted.text or "(the vendor's own words)"
    shown = repr(text) if not text.isprintable() else text
    return shown if len(shown) <= _WIDEST else f"{shown[: _WIDEST - 1]}…"


def _outcome(posted: Posted) -> str:
    marks = [f"code {posted.code}"] if posted.code else []
    if posted.segments > 1:
        marks.append(f"{posted.segments} segments")
    if posted.error is not None:
        marks.append(type(posted.error).__name__)
    return ", ".join(marks)
