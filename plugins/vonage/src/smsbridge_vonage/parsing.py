"""Reading Vonage's problem documents, and writing numbers for Vonage."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from smsbridge.reading import text

EUR = "EUR"
"""Prices and balances are in euros: https://developer.vonage.com/en/api/account (*balance in EUR*)."""

_E164 = re.compile(r"\+[1-9]\d{7,14}", re.ASCII)


def digits(number: str) -> str:
    """Return a number as Vonage wants it: E.164 without the plus sign. A sender that is a name stays unchanged."""
    return number[1:] if _E164.fullmatch(number) else number


def fragment(document: Mapping[str, Any]) -> str:
    """Return the word after ``#`` in the ``type`` of a problem document, Vonage's JSON for an error.

    Returns an empty string if there is no such word.
    """
    return text(document.get("type")).rpartition("#")[2] if "#" in text(document.get("type")) else ""


def said(document: Mapping[str, Any]) -> str | None:
    """Return the error text in a problem document, which is Vonage's JSON for an error; None if there is none."""
    parts = dict.fromkeys(filter(None, (text(document.get("title")), text(document.get("detail")))))
    return ": ".join(parts) or None
