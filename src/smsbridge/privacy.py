"""Make errors safe to show: copy each for a single message, without text, number, secret and frames."""

from __future__ import annotations

import copy
import re
import traceback
from collections.abc import Callable
from typing import Any, TypeVar

from .display import line
from .durations import LONGEST_BELIEVED, SECONDS
from .errors import OURS, QueryError, SendError, SmsBridgeError, is_settled, settle
from .logs import logger
from .messages import Message
from .phone import mask_numbers
from .provider import SmsProvider, vendor_of
from .quoting import HIDDEN, Private, without, without_whole

_log = logger("smsbridge")
LEFT_OUT = "its words are left out, since they quote what was sent"
_LONGEST_CODE = 100
_CODE = re.compile(r"\d{1,5}", re.ASCII)
"""A code that is always shown, also if the text has the same digits."""
_REASON = re.compile(r"[a-z][a-z-]{0,39}", re.ASCII)
"""A reason in our own form."""
_GROUPED = re.compile(
    r"\+\d(?:[ ().\-/\xa0]{0,2}\d){7,14}(?!\d)|(?<!\d)(?:\d{5}[ -]\d{5}|\(?\d{3}\)?[ -]{1,2}\d{3}[ -]\d{4})(?!\d)",
    re.ASCII,
)
"""Grouped phone numbers that are not of the message, such as another recipient's."""

E_ = TypeVar("E_", bound=BaseException)


class _Note(str):
    """A note on an error that smsbridge has added and that is safe to show.

    Notes of a plugin or a library may hold anything.
    """

    __slots__ = ()


def with_trace(error: E_, cause: Exception) -> E_:
    """Add notes to ``error`` that show where ``cause`` was raised, with lines of code. Returns ``error``.

    The text of ``cause`` and its frames are left out: they may hold secrets.
    """
    rows = "".join(traceback.format_tb(cause.__traceback__)).splitlines()
    for row in [*rows, type(cause).__name__]:
        error.add_note(_Note(line(row)))
    return error


F_ = TypeVar("F_", SendError, QueryError)


def own(error: F_, provider: SmsProvider, message: Message | None, *, vendors: Private | None = None) -> F_:
    """Return a copy of ``error`` for ``message`` and ``provider``, without private data.

    The copy has no frames and no causes, because they hold the request with its token and text. If the words of
    ``error`` may come from a vendor that was asked, give the private data to remove from them as ``vendors``.
    """
    copied = copy.copy(error)
    copied.account = error.account or provider.account
    copied.provider = error.provider or vendor_of(provider)
    settle(copied)
    if message is not None:
        copied.reference = message.reference
    if vendors is not None and not is_settled(error):
        scrub(copied, vendors)
    else:
        _scrub(copied, private_of(provider, *([message] if message is not None else [])), without_whole)
    if not is_settled(error):
        _doubt_a_long_pause(copied)
        if message is not None and (copied.reason or "").startswith("dlt"):
            _tell_the_end(copied, message.text)
    return copied


def _tell_the_end(error: SendError | QueryError, text: str) -> None:
    """Add to the error of a text without a template how the text ends, since a line break is easily overlooked."""
    # Imported here, because only a few texts need it.
    from .text.naming import ending

    words = ending(text)
    if words and words not in (error.detail or ""):
        error.detail = f"{error.detail}; {words}" if error.detail else words


def _doubt_a_long_pause(error: SendError | QueryError) -> None:
    """Remove a pause that is too long to be meant, and say so."""
    asked = error.retry_after or 0.0
    if asked <= LONGEST_BELIEVED or error.reason in OURS or getattr(error, "fault", None) == "local":
        return
    words = f"it asks for a pause of {asked / SECONDS['d']:,.0f} days, which is ignored"
    _log.warning("account %s: %s", error.account, words)
    error.detail = f"{error.detail}; {words}" if error.detail else words
    error.retry_after = None


def bare(error: E_) -> E_:
    """Remove the frames and causes of ``error``, and return the same error.

    They hold the request with its token and text.
    """
    error.__cause__ = error.__context__ = None
    return error.with_traceback(None)


def private_of(provider: SmsProvider, *messages: Message) -> Private:
    """Return the data that errors about ``messages`` may not show: texts, numbers, and secrets of the provider."""
    return Private([*provider.secrets(), *(message.text for message in messages)], [message.to for message in messages])


def scrub(error: SmsBridgeError, private: Private) -> None:
    """Remove from the words of ``error`` all ``private`` data that a vendor quotes there, in any form.

    All words of the error become single lines.
    """
    _scrub(error, private, without)


def _scrub(error: SmsBridgeError, private: Private, clean: Callable[[str, Private], str | None]) -> None:
    fields: dict[str, Any] = vars(error)
    fields["__notes__"] = [note for note in fields.get("__notes__", ()) if isinstance(note, _Note)]
    for name, of_ours in (("code", _CODE), ("reason", _REASON)):
        if (word := fields.get(name)) and not of_ours.fullmatch(str(word)):
            fields[name] = line(clean(str(word), private) or HIDDEN, _LONGEST_CODE)
    summary = getattr(error, "summary", LEFT_OUT)
    if error.args and error.args[0] != summary:
        error.args = (_words(clean(str(error.args[0]), private), summary), *error.args[1:])
    if detail := fields.get("detail"):
        fields["detail"] = _words(clean(str(detail), private), LEFT_OUT)


def _words(known: str | None, otherwise: str) -> str:
    """Return safe words for an error, or ``otherwise`` if the private data could not be removed from them."""
    if known is None:
        return otherwise
    return line(_GROUPED.sub(HIDDEN, mask_numbers(" ".join(known.split()))))


def safe_name(cause: Exception) -> str:
    """Describe ``cause`` without private data.

    Returns the words of an error of smsbridge, but only the name of the class of any other error.
    """
    return str(cause) if isinstance(cause, SmsBridgeError) else type(cause).__name__
