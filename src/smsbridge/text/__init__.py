"""Measure a text before it is sent: its encoding, segments and cost.

- :func:`measure`: encoding, units and segments, and each character that forces UCS-2; :func:`split` cuts a text as its
  segments do.
- :func:`simplify`: the same text in characters of GSM-7, with a report. smsbridge never calls it by itself.
- :func:`check_segments`: refuse a text that is too long for its purpose.
- :func:`describe`: the figures for people.

The rules are those of 3GPP TS 23.038 and 23.040: the default alphabet and its extension table. National language shift
tables are left out: no vendor here offers them, and a text that needs them is sent and counted as UCS-2.
"""

from __future__ import annotations

from .counting import Encoding, TextInfo, measure, split
from .guilt import Guilty
from .limits import check_segments
from .simplifying import Simplified, simplify
from .wording import describe

__all__ = ["Encoding", "Guilty", "Simplified", "TextInfo", "check_segments", "describe", "measure", "simplify", "split"]
