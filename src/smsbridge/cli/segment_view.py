"""Show the figures of a text, and the text segment by segment, on a terminal."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any

from .output import Output

if TYPE_CHECKING:
    from ..text import Simplified, TextInfo

_GUILTY = "red"
_STYLES = {"head": "bold", "marks": _GUILTY}


def show_segments(out: Output, info: TextInfo) -> None:
    """Print the segments of a text, each under a line with its size. ``info`` holds the measured text."""
    from ..text.view import view_segments

    for line in view_segments(info, shutil.get_terminal_size().columns):
        if line.kind == "row":
            out.spans([(text, _GUILTY if guilty else None) for text, guilty in line.spans])
        else:
            out.line(str(line), style=_STYLES.get(line.kind))


def figures(info: TextInfo) -> dict[str, Any]:
    """Return the encoding and the size of the measured text ``info`` for people: each value by its label."""
    from ..text import simplify
    from ..text.counting import PART, SINGLE
    from ..text.wording import NAMES

    return {
        "encoding": NAMES[info.encoding],
        "units": f"{info.units} ({SINGLE[info.encoding]} fit in one segment, {PART[info.encoding]} in each of several)",
        "segments": info.segments,
        "units left": info.units_left,
        "units lost": info.padding or None,
        "simplified": _gain(info, simplify(info.text)),
    }


def _gain(info: TextInfo, simple: Simplified) -> str | None:
    """The gain of simplifying the text, in words; None if it is GSM-7 already."""
    from ..text import Encoding, measure, simplify
    from ..text.wording import NAMES, count

    if info.encoding is Encoding.GSM7:
        return None
    if not simple.changes:
        forced = measure(simplify(info.text, always=True).text)
        if forced.encoding is Encoding.UCS2:
            return "saves nothing: it would remain UCS-2"
        return f"saves nothing: it would be {count(forced.segments, 'segment')}"
    after = measure(simple.text)
    figures = f"{count(after.segments, 'segment')} ({NAMES[after.encoding]}, {count(after.units, 'unit')})"
    less = info.segments - after.segments
    return f"{figures}: saves {less} of {info.segments}" if less else f"{figures}, {after.units_left} units left"
