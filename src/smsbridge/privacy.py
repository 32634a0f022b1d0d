"""What may be said in an error: copies for one message alone, without text, number, secret and frames."""

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
LEFT_OUT = "its words are left out, as they quote what was sent"
_LONGEST_CODE = 100
_CODE = re.compile(r"\d{1,5}", re.ASCII)
"""A code that is shown whatever digits the text has."""
_REASON = re.compile(r"[a-z][a-z-]{0,39}", re.ASCII)
"""A reason as we word it."""
_GROUPED = re.compile(
    r"\+\d(?:[ ().\-/\xa0]{0,2}\d){7,14}(?!\d)|(?<!\d)(?:\d{5}[ -]\d{5}|\(?\d{3}\)?[ -]{1,2}\d{3}[ -]\d{4})(?!\d)",
    re.ASCII,
)
"""Numbers that people group, which the message does not know: another recipient's, say."""

E_ = TypeVar("E_", bound=BaseException)


class _Note(str):
    """A note of ours. Others, added by a plugin or a library, may hold anything."""

    __slots__ = ()


def with_trace(error: E_, cause: Exception) -> E_:
    """Keep where ``cause`` came from, as lines of code without values; its text and its frames may hold secrets."""
    rows = "".join(traceback.format_tb(cause.__traceback__)).splitlines()
    for row in [*rows, type(cause).__name__]:
        error.add_note(_Note(line(row)))
    return error


F_ = TypeVar("F_", SendError, QueryError)


def own(error: F_, provider: SmsProvider, message: Message | None, *, vendors: Private | None = None) -> F_:
    """A copy of ``error`` for ``message`` alone, with nothing private in it.

    Being a copy it has no frames and no causes: those hold the request with its token and text. Give ``vendors``, what
    was sent, where the words may be those of a vendor that was asked.
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
    """Say of a text that fits no template that it ends in a line break or the like, which is easily overlooked."""
    from .text.naming import ending  # here, because only a few texts need it

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


def private_of(provider: SmsProvider, *messages: Message) -> Private:
    """What errors about ``messages`` may not show."""
    return Private([*provider.secrets(), *(message.text for message in messages)], [message.to for message in messages])


def scrub(error: SmsBridgeError, private: Private) -> None:
    """Keep what vendors quote, in forms of their own, out of the error's words, each of which is one line."""
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
    """Words for an error, or what to say where they quoted something that could not be taken out of them."""
    if known is None:
        return otherwise
    return line(_GROUPED.sub(HIDDEN, mask_numbers(" ".join(known.split()))))


def safe_name(cause: Exception) -> str:
    """Our own errors are safe to quote; others may hold what they choked on."""
    return str(cause) if isinstance(cause, SmsBridgeError) else type(cause).__name__
