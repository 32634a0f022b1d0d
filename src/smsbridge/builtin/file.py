"""A provider that appends texts to a file as JSON lines instead of sending them."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from smsbridge.errors import RefusedError
from smsbridge.flow import Call, Flow
from smsbridge.hookspecs import hookimpl
from smsbridge.message_fields import FIELDS, plain_value
from smsbridge.messages import Message, SentMessage, Status
from smsbridge.private_file import open_private
from smsbridge.provider import OPTIONAL_FIELDS, SmsProvider

_PATIENCE = 10.0
"""Seconds to wait for other processes; a line takes them far less than a second."""
_AGAIN = 0.002


class FileProvider(SmsProvider):
    """Appends each text to the file ``path``, as a JSON object per line, with numbers and texts in full.

    The mode is 0600.

    Several processes may append to the same file. Each line is complete: if the disk is full, the partial line is
    removed, and the message is refused. The message is also refused if ``path`` is not a regular file of the present
    user, but a link, a pipe, a device or a file of another user. If the last line in the file has no line end, a line
    end is added first.
    """

    name = "file"
    stub = True
    supports = frozenset(OPTIONAL_FIELDS)

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
        **{field.name: plain_value(getattr(message, field.name)) for field in FIELDS},
    }
    return json.dumps(record, ensure_ascii=False, default=str).encode() + b"\n"


def _append(path: Path, line: bytes) -> str | None:
    """Append ``line`` completely; return the problem, if any, after removing all of it."""
    try:
        descriptor = open_private(path)
        try:
            with _locked(descriptor):
                start = os.fstat(descriptor).st_size
                try:
                    _write_all(descriptor, line if _ends_a_line(descriptor, start) else b"\n" + line)
                except OSError:
                    # The first error says more.
                    with contextlib.suppress(OSError):
                        os.ftruncate(descriptor, start)
                    raise
        finally:
            os.close(descriptor)
    except OSError as error:
        return f"{error.strerror or type(error).__name__} ({path})"
    return None


def _ends_a_line(descriptor: int, size: int) -> bool:
    """Whether a new line may begin after these ``size`` bytes."""
    os.lseek(descriptor, max(size - 1, 0), os.SEEK_SET)
    return os.read(descriptor, 1) in (b"", b"\n")


def _write_all(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


@contextlib.contextmanager
def _locked(descriptor: int) -> Iterator[None]:
    """Lock the file for this process, if the system can. Raises OSError if another process holds it for too long."""
    until = time.monotonic() + _PATIENCE
    while not _lock(descriptor):
        if time.monotonic() >= until:
            raise OSError(errno.EAGAIN, "another process has locked it for too long")
        time.sleep(_AGAIN)
    try:
        yield
    finally:
        _unlock(descriptor)


if os.name == "nt":  # pragma: no cover
    import msvcrt

    def _lock(descriptor: int) -> bool:
        os.lseek(descriptor, 0, os.SEEK_SET)
        with contextlib.suppress(OSError):
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined]
            return True
        return False

    def _unlock(descriptor: int) -> None:
        os.lseek(descriptor, 0, os.SEEK_SET)
        msvcrt.locking(descriptor, msvcrt.LK_UNLCK, 1)  # type: ignore[attr-defined]
else:
    import fcntl

    def _lock(descriptor: int) -> bool:
        with contextlib.suppress(BlockingIOError):
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        return False

    def _unlock(descriptor: int) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_UN)


@hookimpl
def smsbridge_providers() -> list[type[SmsProvider]]:
    return [FileProvider]
