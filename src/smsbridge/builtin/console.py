"""The default provider, which prints texts instead of sending them."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from smsbridge.display import line, screen
from smsbridge.flow import Call, Flow
from smsbridge.hookspecs import hookimpl
from smsbridge.message_fields import FIELDS, plain_value
from smsbridge.messages import Message, SentMessage, Status
from smsbridge.phone import mask
from smsbridge.provider import OPTIONAL_FIELDS, SmsProvider

if TYPE_CHECKING:
    from smsbridge.text import TextInfo


class ConsoleProvider(SmsProvider):
    """Prints each text to standard output. It sends nothing and costs nothing.

    Settings: ``show_numbers`` prints recipients in full.
    """

    name = "console"
    stub = True
    supports = frozenset(OPTIONAL_FIELDS)

    show_numbers: bool = False

    def send(self, message: Message) -> Flow[SentMessage]:
        sent = self.accepted(message, id=f"console-{message.reference}", status=Status.SENT)
        yield from Call(self._print, message, sent, sends=True)
        return sent

    def _print(self, message: Message, sent: SentMessage) -> None:
        from smsbridge.text import describe, measure

        info = measure(message.text)
        rows = {
            "to": message.to if self.show_numbers else mask(message.to),
            "from": message.sender or "(no sender id)",
            **dict(_carried(message)),
            "segments": describe(info),
            "provider": self.name if self.account == self.name else f"{self.name} (account {self.account})",
            "id": sent.id,
            "status": f"{sent.status.value} (printed here, not sent to a phone)",
        }
        lines = [f"│ {label:<12} {line(value)}" for label, value in rows.items() if value]
        body = [f"│ {row}" for row in (message.text.splitlines() if info.segments == 1 else _segments(info))]
        _write("\n".join(["┌─ SMS", *lines, "├─", *body, "└─", ""]))


def _carried(message: Message) -> Iterator[tuple[str, Any]]:
    """The fields of ``message`` to show, in words; the id shows the reference."""
    for field in FIELDS:
        value = plain_value(getattr(message, field.name))
        if field.private or field.name in ("sender", "reference"):
            continue
        if isinstance(value, dict):
            yield from ((f"{field.name.upper()} {part.removesuffix('_id')}", value[part]) for part in value)
        else:
            yield field.name.replace("_", " "), value


def _segments(info: TextInfo) -> Iterator[str]:
    from smsbridge.text.view import view_segments

    return map(str, view_segments(info, shutil.get_terminal_size().columns - len("│ ")))


def _write(text: str) -> None:
    """Print ``text`` in any encoding of the terminal, without control characters."""
    stream = sys.stdout
    encoding = getattr(stream, "encoding", None) or "utf-8"
    stream.write(screen(text).encode(encoding, "replace").decode(encoding))
    stream.flush()


@hookimpl
def smsbridge_providers() -> list[type[SmsProvider]]:
    return [ConsoleProvider]
