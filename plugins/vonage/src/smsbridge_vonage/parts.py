"""Long texts that come in as parts, kept until they are whole.

The SMS API hands parts on as they come (https://developer.vonage.com/messaging/sms/guides/inbound-sms), in any order
and possibly twice. A text of which a part is missing comes out after a while with the gap marked: late rather than
never, and never as if it were whole. Whole texts stay for as long, so that a part that comes again does not look like a
new text.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from smsbridge import reading
from smsbridge.forks import fresh_lock
from smsbridge.logs import logger

_log = logger(__name__)

AGE = 900
"""Seconds after its first part for which a text waits for the others."""
MOST_TEXTS = 1000
"""Texts in memory at once; beyond that, the oldest comes out as it is."""
MOST_PARTS = 255
GAP = "[…]"
"""What stands where a part is missing."""


class Series(NamedTuple):
    """What the parts of one text have in common."""

    sender: str
    to: str
    reference: str
    total: int


@dataclass(slots=True)
class Text:
    """The parts of one text that came, by their number, as they were received."""

    series: Series
    since: float
    parts: dict[int, Mapping[str, Any]] = field(default_factory=dict, repr=False)

    @property
    def missing(self) -> list[int]:
        """The numbers of the parts that did not come."""
        return [number for number in range(1, self.series.total + 1) if number not in self.parts]

    @property
    def in_order(self) -> list[Mapping[str, Any]]:
        """The parts that came."""
        return [self.parts[number] for number in sorted(self.parts)]

    @property
    def words(self) -> str:
        """What the parts say together, with gaps marked."""
        numbers = range(1, self.series.total + 1)
        return "".join(str(self.parts[n].get("text") or "") if n in self.parts else GAP for n in numbers)

    @property
    def ids(self) -> list[str]:
        """The ids of the parts that came, in order."""
        return [str(part["messageId"]) for part in self.in_order]

    @property
    def key(self) -> str:
        """The same whenever the same parts come out."""
        return hashlib.sha256("+".join(self.ids).encode()).hexdigest()


class Parts:
    """The texts of which parts have come. Safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = fresh_lock()
        self._texts: dict[Series, Text] = {}
        self._leftovers: list[Text] = []

    def add(self, series: Series, number: int, part: Mapping[str, Any]) -> Text | None:
        """Take a part in; the text, if it is whole now (or was before this part came again)."""
        with self._lock:
            text = self._texts.get(series)
            if text is not None and number in text.parts and text.parts[number]["messageId"] != part["messageId"]:
                self._drop(series)  # the network uses the reference, which is one byte, again
                text = None
            if text is None:
                text = self._texts[series] = Text(series, reading.now().timestamp())
            text.parts.setdefault(number, part)
            return None if text.missing else Text(series, text.since, dict(text.parts))

    def overdue(self) -> list[Text]:
        """Texts that have waited long enough. They are given again until :meth:`forget` is told of them."""
        with self._lock:
            old = [text.series for text in self._texts.values() if reading.now().timestamp() - text.since > AGE]
            old += list(self._texts)[: max(0, len(self._texts) - MOST_TEXTS)]
            for series in dict.fromkeys(old):
                self._drop(series)
            return list(self._leftovers)

    def forget(self, keys: Collection[str]) -> None:
        """The texts with these keys have been taken."""
        with self._lock:
            self._leftovers = [text for text in self._leftovers if text.key not in keys]

    def _drop(self, series: Series) -> None:
        text = self._texts.pop(series)
        if text.missing:
            self._leftovers.append(text)
        if len(self._leftovers) > MOST_TEXTS:  # which nobody took, each time that they were given
            del self._leftovers[0]
            _log.warning("a text of which parts were missing is lost: %d of them wait to be taken", MOST_TEXTS)
