"""Posted: a text as it reached the wire."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from smsbridge.base_client import BaseClient
from smsbridge.errors import SendError
from smsbridge.http import HttpRequest
from smsbridge.messages import KINDS, Dlt, Message, Purpose, SentMessage, Verification
from smsbridge.text import TextInfo, measure


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Posted:
    """A text that an Outbox took at the moment when it would have been sent to the vendor.

    ``request`` is the HTTP request that would have been made. It is None for a provider without HTTP, and where the
    provider makes another request first. ``error`` is the scripted error, if any; ``code`` is the one-time code of a
    verification.
    """

    message: Message
    account: str
    provider: str
    request: HttpRequest | None = None
    sent: SentMessage
    error: SendError | None = None
    code: str | None = None
    client: BaseClient[Any] | None = field(default=None, repr=False)
    """The client that sent the text."""

    # Hidden from type checkers: otherwise a misspelt name would pass them.
    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            if name in KINDS:
                return getattr(self.message, name)
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    @property
    def to(self) -> str:
        return self.message.to

    @property
    def text(self) -> str:
        return self.message.text

    @property
    def text_info(self) -> TextInfo:
        """Return the encoding, units and segments of the text.

        A one-time code in the vendor's own words counts as an empty text.
        """
        return measure(self.text)

    @property
    def segments(self) -> int:
        """Return the number of segments by our count. The vendor's count is in ``sent.segments``."""
        return self.text_info.segments

    @property
    def sender(self) -> str | None:
        return self.message.sender

    @property
    def purpose(self) -> Purpose:
        return self.message.purpose

    @property
    def reference(self) -> str:
        return self.sent.reference

    @property
    def id(self) -> str:
        return self.sent.id

    @property
    def send_at(self) -> datetime | None:
        return self.message.send_at

    @property
    def valid_until(self) -> datetime | None:
        return self.message.valid_until

    @property
    def dlt(self) -> Dlt | None:
        return self.message.dlt

    @property
    def template(self) -> str | None:
        """Return the id of the DLT template of the text (DLT: India's register of senders and templates)."""
        return self.message.dlt.template_id if self.message.dlt is not None else None

    @property
    def options(self) -> Mapping[str, Mapping[str, Any]]:
        return self.message.options

    @property
    def verification(self) -> Verification:
        """Return the verification that this text started."""
        return Verification(
            account=self.account,
            provider=self.provider,
            id=self.id,
            to=self.to,
            reference=self.reference,
            expires_at=self.message.valid_until,
        )


# --- as a table, for messages of failed tests: the texts are the test's own, so it shows them -------------------------

_WIDEST = 60


def table(sent: Sequence[Posted], refused: Sequence[Posted]) -> str:
    """Return a table of the texts in ``sent`` and in ``refused``, for the message of a failed test.

    ``refused`` has the texts for which a test scripted a refusal.
    """
    parts = [f"{_number(len(sent))} sent:" if sent else "nothing was sent"]
    if sent:
        parts.append(_rows(sent))
    if refused:
        parts += [f"{_number(len(refused))} refused, as scripted:", _rows(refused)]
    return "\n".join(parts)


def _number(count: int) -> str:
    return "1 text was" if count == 1 else f"{count} texts were"


def _rows(posted: Sequence[Posted]) -> str:
    heads = ("", "to", "account", "text", "")
    rows = [heads, *((str(n), text.to, text.account, _text(text), _outcome(text)) for n, text in enumerate(posted))]
    widths = [max(len(row[column]) for row in rows) for column in range(len(heads))]
    return "\n".join(
        "  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )


def _text(posted: Posted) -> str:
    text = posted.text or "(the vendor's own words)"
    shown = repr(text) if not text.isprintable() else text
    return shown if len(shown) <= _WIDEST else f"{shown[: _WIDEST - 1]}…"


def _outcome(posted: Posted) -> str:
    marks = [f"code {posted.code}"] if posted.code else []
    if posted.segments > 1:
        marks.append(f"{posted.segments} segments")
    if posted.error is not None:
        marks.append(type(posted.error).__name__)
    return ", ".join(marks)
