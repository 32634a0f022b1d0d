"""A history as seen from outside: requests, outcomes, hooks and the ledger's entries at the end.

It runs with two versions, so it uses only parts that both have: the model's histories, and values.
"""

from __future__ import annotations

import json
import random
from dataclasses import fields, is_dataclass
from enum import Enum

from tests.model.history import History

_JITTER = 0.37
_UNSEEN = frozenset({"at", "raw", "accepted_at"})
"""Fields of values that hold the time of the real clock, or the provider's own data."""


def trace(seed: int) -> list[str]:
    """The trace of the history with this ``seed``, as lines of JSON. If the history failed, the last line says how."""
    history = Traced(random.Random(seed))
    try:
        history.live()
    except Exception as error:  # noqa: BLE001  # a broken promise is a difference too
        history.lines.append(f"broken: {error}")
    return [*history.lines, *history.entries()]


class Traced(History):
    def __init__(self, given):
        self.lines = []
        super().__init__(given)

    def retrying(self, inner):
        """A history whose waits draw from their own random source, so all other choices stay the same."""
        made = super().retrying(inner)
        made._jitter = lambda longest: longest * _JITTER
        return made

    def perform(self, step):
        answer = super().perform(step)
        if hasattr(step, "url"):
            self.lines.append(_line("request", step.method, step.url, step.body.decode(), _name_of(answer)))
        elif hasattr(step, "seconds"):
            self.lines.append(_line("wait", round(step.seconds, 6)))
        return answer

    def stop(self, kind, flow):
        self.lines.append(_line("stop", kind))
        return super().stop(kind, flow)

    def deliver(self, messages, *, batch=False):
        told = {message.reference: len(self.told[message.reference]) for message in messages}
        super().deliver(messages, batch=batch)
        for reference, count in told.items():
            self.lines += [_line("told", reference, _plain(what)) for what in self.told[reference][count:]]

    def entries(self):
        """The ledger's entry of each reference."""
        if self.ledger is None:
            return []
        rows = sorted(self.ledger.store.rows.items())
        return [_line("entry", reference, str(entry.state), _plain(entry.outcome)) for reference, entry in rows]


def _name_of(answer):
    return type(answer).__name__ if isinstance(answer, BaseException) else getattr(answer, "status", None)


def _line(*parts):
    return json.dumps(parts, sort_keys=True, default=str)


def _plain(value):
    """``value`` for JSON: an error becomes its class and public fields, without its words."""
    if isinstance(value, BaseException):
        public = {name: given for name, given in vars(value).items() if not name.startswith("_")}
        return {
            "error": type(value).__name__,
            **{name: _plain(given) for name, given in public.items() if name != "detail"},
        }
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: _plain(getattr(value, field.name)) for field in fields(value) if field.name not in _UNSEEN}
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, list | tuple):
        return [_plain(part) for part in value]
    if isinstance(value, float):
        return round(value, 6)
    return value if value is None or isinstance(value, str | int | bool) else str(value)
