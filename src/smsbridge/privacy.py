"""What may be said in an error: copies for one message alone, with no text, number or secret in them, and no frames either."""

from __future__ import annotations

import copy
import json
import logging
import traceback
from collections.abc import Iterator, Sequence
from typing import TypeVar
from urllib.parse import quote, quote_plus

from .durations import LONGEST_BELIEVED, SECONDS
from .environment import SHORTEST_SECRET
from .errors import OURS, QueryError, SendError, SmsBridgeError
from .messages import Message
from .phone import mask_numbers
from .provider import SmsProvider

_log = logging.getLogger("smsbridge")
_LONGEST_DETAIL = 500
_NATIONAL_DIGITS = 8  # the last digits of a number, which vendors quote without its country too

E_ = TypeVar("E_", bound=BaseException)


class _Note(str):
    """A note of ours. Others, added by a plugin or a library, may hold anything."""

    __slots__ = ()


def with_trace(error: E_, cause: Exception) -> E_:
    """Keep where ``cause`` came from, as lines of code without values; its text and its frames may hold secrets."""
    for line in traceback.format_tb(cause.__traceback__):
        error.add_note(_Note(line.rstrip()))
    error.add_note(_Note(type(cause).__name__))
    return error


F_ = TypeVar("F_", SendError, QueryError)


def own(error: F_, provider: SmsProvider, message: Message | None) -> F_:
    """A copy of ``error`` for ``message`` alone, with nothing private in it.

    Being a copy it has no frames and no causes: those hold the request with its token and text.
    """
    copied = copy.copy(error)
    copied.__notes__ = [note for note in getattr(error, "__notes__", []) if isinstance(note, _Note)]
    copied.account = error.account or provider.account
    copied.provider = error.provider or provider.name
    copied._settled = True  # noqa: SLF001
    private = provider.secrets()
    if message is not None:
        copied.reference = message.reference
        private += private_of(message)
    scrub(copied, private)
    if not error._settled:  # noqa: SLF001
        _doubt_a_long_pause(copied)
        if message is not None and (copied.reason or "").startswith("dlt"):
            _tell_the_end(copied, message.text)
    return copied


def _tell_the_end(error: SendError | QueryError, text: str) -> None:
    """Say of a text that fits no template that it ends in a line break or the like, which is easily overlooked."""
    from .dlt.difference import ending  # here, because only a few texts need it

    words = ending(text)
    if words and words not in (error.detail or ""):
        error.detail = f"{error.detail}; {words}" if error.detail else words


def _doubt_a_long_pause(error: SendError | QueryError) -> None:
    """Leave out a time to wait that no vendor can mean, and say so."""
    asked = error.retry_after or 0.0
    if asked <= LONGEST_BELIEVED or error.reason in OURS or getattr(error, "fault", None) == "local":
        return
    words = f"it asks for a pause of {asked / SECONDS['d']:,.0f} days, which is not believed"
    _log.warning("account %s: %s", error.account, words)
    error.detail = f"{error.detail}; {words}" if error.detail else words
    error.retry_after = None


def bare(error: E_) -> E_:
    """``error`` without the frames and causes below: they hold the request with its token and text."""
    error.__cause__ = error.__context__ = None
    return error.with_traceback(None)


def private_of(message: Message) -> list[str]:
    return [message.text, message.to, message.to.lstrip("+"), message.to[-_NATIONAL_DIGITS:]]


def _forms(word: str) -> Iterator[str]:
    """``word`` as it stands, and as JSON, URLs and JSON in URLs hold it."""
    for form in (word, json.dumps(word)[1:-1], json.dumps(word, ensure_ascii=False)[1:-1]):
        data = form.encode("utf-8", "replace")
        yield from (form, quote(data), quote_plus(data))


def scrub(error: SmsBridgeError, private: Sequence[str]) -> None:
    """Vendors quote what they were sent: keep texts, numbers and secrets out of the error's words."""
    forms = {form for word in private if len(word) >= SHORTEST_SECRET for form in _forms(word)}

    def clean(words: str) -> str:
        for form in sorted(forms, key=len, reverse=True):
            words = words.replace(form, "***")
        return words

    for name in ("code", "reason"):
        if value := getattr(error, name, None):
            setattr(error, name, clean(str(value)))
    if error.args and error.args[0] != getattr(error, "summary", None):
        error.args = (mask_numbers(clean(str(error.args[0]))), *error.args[1:])
    if detail := getattr(error, "detail", None):
        detail = mask_numbers(" ".join(clean(str(detail)).split()))
        error.detail = detail if len(detail) <= _LONGEST_DETAIL else f"{detail[:_LONGEST_DETAIL]}…"  # type: ignore[attr-defined]


def safe_name(cause: Exception) -> str:
    """Our own errors are safe to quote; others may hold what they choked on."""
    return str(cause) if isinstance(cause, SmsBridgeError) else type(cause).__name__
