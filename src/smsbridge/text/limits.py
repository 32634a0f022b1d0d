"""Refuse a text that is too long for its purpose, before it costs anything."""

from __future__ import annotations

from collections.abc import Mapping

from smsbridge.errors import ContentError

from .counting import TextInfo, measure
from .wording import NAMES


def check_segments(text: str, limits: Mapping[str, int], purpose: str) -> TextInfo:
    """Measure ``text``, and refuse it if it has more segments than ``limits`` allows for ``purpose``.

    ``limits`` has the maximum number of segments for each purpose; a purpose that is not in it has no limit. Raises
    ContentError with the reason ``too-long``; the error has numbers and no part of the text.
    """
    info = measure(text)
    limit = limits.get(purpose)
    if limit is not None and info.segments > limit:
        raise ContentError(
            "the text is too long for its purpose",
            reason="too-long",
            detail=f"{info.segments} segments ({NAMES[info.encoding]}, {info.units} units), {purpose} may have {limit}",
        )
    return info
