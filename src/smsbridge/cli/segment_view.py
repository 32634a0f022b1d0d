"""A text segment by segment, for a person at a terminal."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from .output import Output

if TYPE_CHECKING:
    from ..text import TextInfo

_GUILTY = "red"
_STYLES = {"head": "bold", "marks": _GUILTY}


def show_segments(out: Output, info: TextInfo) -> None:
    """Print each segment of a text under a line that says how full it is."""
    from ..text.view import view_segments

    for line in view_segments(info, shutil.get_terminal_size().columns):
        if line.kind == "row":
            out.spans([(text, _GUILTY if guilty else None) for text, guilty in line.spans])
        else:
            out.line(str(line), style=_STYLES.get(line.kind))
