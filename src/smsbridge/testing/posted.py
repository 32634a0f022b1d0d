"""Posted: a text as it was when it came to the wire."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from smsbridge.errors import SendError
from smsbridge.http import HttpRequest
from smsbridge.messages import KINDS, Dlt, Message, Purpose, SentMessage, Verification
from smsbridge.plugins import Plugins
from smsbridge.text import TextInfo, measure


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Posted:
    """A text that came as far as the wire.

    ``request`` is the HTTP request that would have left, None for a provider without HTTP, or where another request
    would have had to come first. ``error`` is the scripted outcome, if there was one; ``code`` the one-time code, if it
    was one.
    """

    message: Message
    account: str
    provider: str
    request: HttpRequest | None = None
    sent: SentMessage
    error: SendError | None = None
    code: str | None = None
    plugins: Plugins | None = field(default=None, repr=False)

    if not TYPE_CHECKING:  # or a name with a letter wrong would pass the type checkers

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
        """Encoding, units and segments of the text.

        A one-time code in the vendor's own words counts as an empty text.
        """
        return measure(self.text)

    @property
    def segments(self) -> int:
        """How many segments the text has, as we count them. What a vendor counted is in ``sent.segments``."""
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
        """The id of the DLT template that the text went under."""
        return self.message.dlt.template_id if self.message.dlt is not None else None

    @property
    def options(self) -> Mapping[str, Mapping[str, Any]]:
        return self.message.options

    @property
    def verification(self) -> Verification:
        """The text as the verification that it started."""
        return Verification(
            account=self.account,
            provider=self.provider,
            id=self.id,
            to=self.to,
            reference=self.reference,
            expires_at=self.message.valid_until,
        )


# --- as a table, for people who read why a test failed; the texts are the test's own ----------------------------------

_WIDEST = 60


def table(sent: Sequence[Posted], refused: Sequence[Posted]) -> str:
    """The texts in ``sent`` and, if there are any, the ones that a script has refused."""
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
    rows = [heads, *((str(n), one.to, one.account, _text(one), _outcome(one)) for n, one in enumerate(posted))]
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
