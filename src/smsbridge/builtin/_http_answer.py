"""Read an answer of a vendor for the rules of the ``http`` provider: its status, its text, and perhaps its JSON."""

from __future__ import annotations

import json
from typing import Any

from smsbridge.forks import cached_property
from smsbridge.http import HttpResponse, read_json

_NOTHING = object()
_LONGEST = 120


class Answer:
    """The answer of a vendor, in the forms that the rules of the ``http`` provider need: as text and as parsed JSON."""

    def __init__(self, response: HttpResponse) -> None:
        self.status = response.status
        self._body = response.body

    @cached_property
    def text(self) -> str:
        """The body as text, without spaces and line ends at the beginning and the end.

        Bytes that are not UTF-8 are replaced.
        """
        return self._body.decode("utf-8-sig", "replace").strip()

    @cached_property
    def data(self) -> Any:
        """The body parsed as JSON, or the marker ``_NOTHING`` if it is not JSON."""
        try:
            return read_json(self._body)
        except ValueError:
            return _NOTHING

    @property
    def raw(self) -> dict[str, Any]:
        """The body if it is a JSON object; otherwise an object with the body as text in the field ``body``."""
        return self.data if isinstance(self.data, dict) else {"body": self.text}

    def at(self, path: str) -> tuple[Any, str]:
        """Return the value at ``path`` in the JSON of the body, such as ``data.0.id``, and an empty string.

        If there is no value at ``path``, return ``_NOTHING`` and the reason in words.
        """
        if self.data is _NOTHING:
            return _NOTHING, "the answer is not JSON"
        value = self.data
        for step in path.split("."):
            if isinstance(value, dict) and step in value:
                value = value[step]
            elif isinstance(value, list) and step.isascii() and step.isdigit() and int(step) < len(value):
                value = value[int(step)]
            else:
                return _NOTHING, f"the answer has no {path!r}"
        return value, ""

    def beside(self, path: str) -> str:
        """Describe the part of the answer that is nearest to a missing value, in words for a person.

        ``path`` is the path at which the answer has no value.
        """
        if self.data is _NOTHING:
            return f"the text is {shown(self.text)}"
        steps = path.split(".")
        for length in range(len(steps) - 1, 0, -1):
            value, missing = self.at(".".join(steps[:length]))
            if not missing:
                return f"{'.'.join(steps[:length])!r} is {shown(value)}"
        return f"the answer is {shown(self.data)}"

    def word(self, path: str) -> str | None:
        """Return the text or whole number at ``path`` in the JSON as a string; None if it is missing or empty."""
        value, _ = self.at(path)
        if isinstance(value, int) and not isinstance(value, bool):
            return str(value)
        return value if isinstance(value, str) and value.strip() else None


def check_path(path: str) -> str:
    """Return ``path`` unchanged. Raises ValueError unless it is a list of names and numbers with dots between them.

    An example is ``data.0.id``.
    """
    if not all(path.split(".")):
        raise ValueError("a path must be steps with dots between them, such as data.0.id")
    return path


def shown(value: Any) -> str:
    """Write ``value`` as JSON for an explanation that a person reads, cut off after 120 characters."""
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
