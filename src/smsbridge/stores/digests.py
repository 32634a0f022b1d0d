"""Make keyed hashes in place of data that must not be kept. No I/O.

The hash of a message shows whether another message is the same; the hash of a number finds its texts.
"""

from __future__ import annotations

import hashlib
import hmac
import itertools
import json
import os
import secrets
from collections.abc import Mapping
from datetime import UTC, datetime
from enum import StrEnum
from functools import cache
from typing import Any

from smsbridge.message_fields import FIELDS, plain_value
from smsbridge.messages import Message


class Kind(StrEnum):
    """What a client asked for under a reference: a text, or a one-time code."""

    TEXT = "text"
    CODE = "code"


def person_of(key: bytes, number: str) -> bytes:
    """Return the keyed hash of a phone number, by which a ledger finds the entries of that number."""
    keyed = _keyed(key).copy()
    keyed.update(b"person " + number.encode("utf-8", "backslashreplace"))
    return keyed.digest()[:16]


def digest(key: bytes, message: Message, kind: Kind) -> bytes:
    """Return a keyed hash of all fields that distinguish ``message`` from other messages, see ``MessageField``.

    The hash covers the reference too, so that equal texts with different references have different hashes. A field
    outside ``_LAID_OUT`` is covered only if it is set, so that a new field changes no stored hash.
    """
    dlt, send_at = message.dlt, message.send_at
    # ascii() writes no two tuples of these values alike, and is the same in all versions of Python.
    content = ascii(
        (
            kind.value,
            message.reference,
            message.to,
            message.text,
            message.sender,
            message.purpose.value,
            None if send_at is None else send_at.astimezone(UTC).isoformat(),
            None if dlt is None else dlt.entity_id,
            None if dlt is None else dlt.template_id,
            _JSON.encode(message.options) if message.options else None,
            *(_further(message) if _FURTHER else ()),
        )
    )
    keyed = _keyed(key).copy()
    keyed.update(content.encode())
    return keyed.digest()


_LAID_OUT = frozenset({"reference", "sender", "purpose", "send_at", "dlt", "options"})
"""The fields with a fixed place in a digest, set or not: stores hold digests of this layout, so it must not change."""
_FURTHER = tuple(known for known in FIELDS if known.distinguishes and known.name not in _LAID_OUT)


def _further(message: Message) -> list[tuple[str, str]]:
    values = ((further, getattr(message, further.name)) for further in _FURTHER)
    return [(further.name, _JSON.encode(_canonical(value))) for further, value in values if value != further.default]


def _canonical(value: Any) -> Any:
    """Return a value in the form of a digest: equal times are equal in each time zone."""
    return plain_value(value.astimezone(UTC) if isinstance(value, datetime) else value)


@cache
def _keyed(key: bytes) -> hmac.HMAC:
    """Return the start of a hash with ``key``. Cached: this takes twice as long as the rest of the hash."""
    return hmac.new(key, digestmod=hashlib.sha256)


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, set | frozenset):
        return sorted(value, key=str)
    return str(value)


_JSON = json.JSONEncoder(sort_keys=True, default=_plain)
_turns = itertools.count()
_process = (0, "")


def new_ticket() -> str:
    """Return a new identifier for a claim or a place, which is unique across processes.

    The identifier consists of the process number, a random word for this process, and a counter.
    """
    # A forked child inherits the value of its parent.
    global _process  # noqa: PLW0603
    if _process[0] != os.getpid():
        _process = (os.getpid(), secrets.token_hex(6))
    return f"{_process[0]}-{_process[1]}-{next(_turns)}"
