"""A provider that appends texts to a file as JSON lines instead of sending them."""

from __future__ import annotations

import contextlib
import json
import os
from pathlib import Path
from typing import Any

from smsbridge.errors import RefusedError
from smsbridge.hookspecs import hookimpl
from smsbridge.http import Call, Flow
from smsbridge.messages import Message, SentMessage, Status
from smsbridge.provider import SmsProvider


class FileProvider(SmsProvider):
    """Appends each text to ``path`` as one JSON object per line, numbers and texts in full, mode 0600.

    Several processes may append to one file. A line is complete or not there at all: what a full disk cut short is taken
    back, and the message is refused.
    """

    name = "file"
    stub = True
    supports = frozenset({"sender", "send_at", "valid_until", "dlt"})

    path: Path = Path("sms.jsonl")

    def send(self, message: Message) -> Flow[SentMessage]:
        sent = self.accepted(message, id=f"file-{message.reference}", status=Status.SENT)
        problem = yield from Call(_append, self.path, _line(message, sent), sends=True)
        if problem is not None:
            raise RefusedError("the message could not be written to the file", detail=problem, fault="account")
        return sent


def _line(message: Message, sent: SentMessage) -> bytes:
    record: dict[str, Any] = {
        "id": sent.id,
        "account": sent.account,
        "reference": message.reference,
        "at": sent.at and sent.at.isoformat(),
        "status": sent.status,
        "to": message.to,
        "sender": message.sender,
        "text": message.text,
        "purpose": message.purpose,
        "send_at": message.send_at and message.send_at.isoformat(),
        "valid_until": message.valid_until and message.valid_until.isoformat(),
        "dlt": message.dlt and {"entity_id": message.dlt.entity_id, "template_id": message.dlt.template_id},
        "options": {name: dict(options) for name, options in message.options.items()},
    }
    return json.dumps(record, ensure_ascii=False, default=str).encode() + b"\n"


def _append(path: Path, line: bytes) -> str | None:
    """Append ``line`` as a whole; returns what went wrong, in which case nothing of it is left."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), 0o600)
        try:
            with _locked(descriptor):
                start = os.fstat(descriptor).st_size
                try:
                    _write_all(descriptor, line)
                except OSError:
                    with contextlib.suppress(OSError):  # a device cannot be cut; the first error says more
                        os.ftruncate(descriptor, start)
                    raise
        finally:
            os.close(descriptor)
    except OSError as error:
        return f"{error.strerror or type(error).__name__} ({path})"
    return None


def _write_all(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


class _locked:  # noqa: N801  # reads like a function where it is used
    """Holds the file for this process alone, where the system can (POSIX record locks, or Windows region locks)."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def __enter__(self) -> None:
        _lock(self._descriptor, True)

    def __exit__(self, *exc_info: object) -> None:
        _lock(self._descriptor, False)


if os.name == "nt":  # pragma: no cover
    import msvcrt

    def _lock(descriptor: int, hold: bool) -> None:  # noqa: FBT001
        os.lseek(descriptor, 0, os.SEEK_SET)
        msvcrt.locking(descriptor, msvcrt.LK_LOCK if hold else msvcrt.LK_UNLCK, 1)  # type: ignore[attr-defined]
else:
    import fcntl

    def _lock(descriptor: int, hold: bool) -> None:  # noqa: FBT001
        fcntl.flock(descriptor, fcntl.LOCK_EX if hold else fcntl.LOCK_UN)


@hookimpl
def smsbridge_providers() -> list[type[SmsProvider]]:
    return [FileProvider]
