"""Long incoming texts, kept until all their parts have come.

The SMS API forwards parts as they come (https://developer.vonage.com/messaging/sms/guides/inbound-sms), in any order
and possibly twice. A text with a missing part is released after ``AGE`` seconds with the gap marked: late rather than
never, and never as if it were complete. Complete texts are kept as long, so that a repeated part does not look like a
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
"""Seconds that a text waits for further parts after its first part."""
MOST_TEXTS = 1000
"""The maximum of texts in memory; beyond it, the oldest text is released as it is."""
MOST_PARTS = 255
GAP = "[…]"
"""The mark in place of a missing part."""


class Series(NamedTuple):
    """The values that are the same in all parts of a long incoming text, by which the parts are put together."""

    sender: str
    to: str
    reference: str
    total: int


@dataclass(slots=True)
class Text:
    """A long incoming text. ``parts`` has the parts that have come so far, by their number."""

    series: Series
    since: float
    parts: dict[int, Mapping[str, Any]] = field(default_factory=dict, repr=False)

    @property
    def missing(self) -> list[int]:
        """Return the numbers of the parts that have not come."""
        return [number for number in range(1, self.series.total + 1) if number not in self.parts]

    @property
    def in_order(self) -> list[Mapping[str, Any]]:
        """Return the parts that have come, in their order."""
        return [self.parts[number] for number in sorted(self.parts)]

    @property
    def words(self) -> str:
        """Return the words of all parts in their order, with a mark in place of each missing part."""
        numbers = range(1, self.series.total + 1)
        return "".join(str(self.parts[n].get("text") or "") if n in self.parts else GAP for n in numbers)

    @property
    def ids(self) -> list[str]:
        """Return Vonage's ids of the parts that have come, in their order."""
        return [str(part["messageId"]) for part in self.in_order]

    @property
    def key(self) -> str:
        """Return a key for this text, which depends only on the parts that have come."""
        return hashlib.sha256("+".join(self.ids).encode()).hexdigest()


class Parts:
    """Keeps the parts of long incoming texts until each text is complete. Safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = fresh_lock()
        self._texts: dict[Series, Text] = {}
        self._leftovers: list[Text] = []

    def add(self, series: Series, number: int, part: Mapping[str, Any]) -> Text | None:
        """Keep the part with this number of a long text. Returns the text if all its parts have come; otherwise None.

        If a part of a complete text comes again, the complete text is returned again.
        """
        with self._lock:
            text = self._texts.get(series)
            if text is not None and number in text.parts and text.parts[number]["messageId"] != part["messageId"]:
                # The network reuses its reference, which is a single byte.
                self._drop(series)
                text = None
            if text is None:
                text = self._texts[series] = Text(series, reading.now().timestamp())
            text.parts.setdefault(number, part)
            return None if text.missing else Text(series, text.since, dict(text.parts))

    def overdue(self) -> list[Text]:
        """Return the incomplete texts whose missing parts did not come in time.

        Each text is returned again at later calls, until :meth:`forget` is called with its key.
        """
        with self._lock:
            old = [text.series for text in self._texts.values() if reading.now().timestamp() - text.since > AGE]
            old += list(self._texts)[: max(0, len(self._texts) - MOST_TEXTS)]
            for series in dict.fromkeys(old):
                self._drop(series)
            return list(self._leftovers)

    def forget(self, keys: Collection[str]) -> None:
        """Forget the texts with these keys, because the application has received them."""
        with self._lock:
            self._leftovers = [text for text in self._leftovers if text.key not in keys]

    def _drop(self, series: Series) -> None:
        text = self._texts.pop(series)
        if text.missing:
            self._leftovers.append(text)
        # No webhook with these texts was acknowledged, however often they were returned.
        if len(self._leftovers) > MOST_TEXTS:
            del self._leftovers[0]
            _log.warning("a text with missing parts is lost: %d such texts wait already", MOST_TEXTS)
