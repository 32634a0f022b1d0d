"""Faults that a test programs for the next requests."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from .answers import Answer, Cut, error


@dataclass(slots=True, kw_only=True)
class Fault:
    """A fault that a test programmed for a request. With `normal`, the sandbox first handles the request as usual."""

    path: str | None
    times: int
    normal: bool
    status: int | None
    body: Any
    headers: Mapping[str, str]
    delay: float
    cut: Cut

    def apply(self, answer: Answer | None) -> Answer:
        """Return the answer to send instead of the normal `answer`, which is None if the request was not handled."""
        base = answer or error(self.status or 500, "Fault of the sandbox")
        if self.status is not None and answer is not None and self.body is None and self.status >= 400:
            base = error(self.status, "Fault of the sandbox")
        return replace(
            base,
            status=self.status or base.status,
            body=base.body if self.body is None else self.body,
            headers={**base.headers, **self.headers},
            delay=base.delay + self.delay,
            cut=self.cut if self.cut != "no" else base.cut,
        )


class Faults:
    """The programmed faults of a sandbox (`sandbox.faults`): a queue, first in, first out."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._queue: list[Fault] = []

    def next(
        self,
        *,
        status: int | None = None,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
        delay: float = 0.0,
        cut: bool | Cut = False,
        path: str | None = None,
        times: int = 1,
        after_accepting: bool = False,
    ) -> None:
        """Change the answers to the next `times` requests, or only to those for the API `path` (such as `sms/send`).

        A `body` that is a dict or a list is sent as JSON, a str as HTML, and bytes unchanged. `cut` drops the
        connection: with True or "before", before the answer; with "middle", in the middle of the body. Without
        `status`, `body` and `cut`, the answer is normal except for `headers` and `delay` (seconds). With
        `after_accepting`, the sandbox first handles the request as usual, and only the answer is changed.
        """
        normal = after_accepting or (status is None and body is None and not cut)
        word: Cut = cut if isinstance(cut, str) else "before" if cut else "no"
        if body is not None and status is None:
            status = 200
        fault = Fault(
            path=None if path is None else path.strip("/"),
            times=times,
            normal=normal,
            status=status,
            body=body,
            headers=dict(headers or {}),
            delay=delay,
            cut=word,
        )
        with self._lock:
            self._queue.append(fault)

    def take(self, path: str) -> Fault | None:
        """Return the first fault for the API path `path`, and count one use of it; None if there is no such fault.

        A fault that was used as often as programmed leaves the queue.
        """
        if not self._queue:
            return None
        with self._lock:
            fault = next((f for f in self._queue if f.path in (None, path)), None)
            if fault is not None:
                fault.times -= 1
                if fault.times <= 0:
                    self._queue.remove(fault)
        return fault

    def clear(self) -> None:
        """Forget all faults that no request has met yet."""
        with self._lock:
            self._queue.clear()

    def __len__(self) -> int:
        return sum(fault.times for fault in self._queue)
