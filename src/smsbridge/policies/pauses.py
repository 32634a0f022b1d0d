"""Pauses that a vendor asks for: how long an account is left alone for that."""

from __future__ import annotations

from smsbridge.durations import in_words, pause
from smsbridge.logs import logger

_log = logger("smsbridge")


def kept(asked: float | None, account: str) -> float:
    """For how many seconds to leave ``account`` alone, whose vendor asks for so many; a warning says where that is less."""
    seconds = pause(asked)
    if asked is not None and asked > seconds > 0:
        words = "account %s: the vendor asks for a pause of %s; it is asked again after %s"
        _log.warning(words, account, in_words(asked), in_words(seconds))
    return seconds
