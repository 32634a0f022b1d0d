"""The content of a webhook's body, or of its query without a body: as text for ``sig``, and unchanged for parsing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from smsbridge.errors import PayloadError
from smsbridge.http import HttpRequest
from smsbridge.webhook_body import loads

_MOST_MARKS = 10_000
"""A report or text has about thirty; this limit holds for webhooks that are not verified yet."""

_WORDS = {True: "true", False: "false"}


@dataclass(frozen=True, slots=True)
class Content:
    """The content of a webhook.

    ``parameters`` are its fields as strings, which Vonage's signature ``sig`` can cover; ``item`` has the same fields
    as parsed values, or is None if the content cannot be read. ``complete`` is true if the webhook has no other
    content.
    """

    parameters: Mapping[str, str] = field(repr=False)
    complete: bool
    item: Mapping[str, Any] | None = field(repr=False)

    @classmethod
    def of(cls, webhook: HttpRequest) -> Content:
        """Read the content of ``webhook``. It never raises: if the content cannot be read, ``item`` is None."""
        if not webhook.body:
            return cls._flat(_pairs(webhook, in_body=False))
        if webhook.content_type == "application/json" or webhook.body.lstrip()[:1] == b"{":
            return cls._json(webhook)
        if webhook.content_type not in ("application/x-www-form-urlencoded", ""):
            return cls._unreadable(webhook)
        found = cls._flat(_pairs(webhook, in_body=True))
        return found if found.item else cls._unreadable(webhook)

    @classmethod
    def _flat(cls, pairs: list[tuple[str, str]]) -> Content:
        parameters = dict(pairs)
        return cls(parameters, len(parameters) == len(pairs), parameters or None)

    @classmethod
    def _json(cls, webhook: HttpRequest) -> Content:
        """Keep numbers as they were written, because the signature covers them in that form."""
        try:
            pairs = loads(
                webhook.body, most_marks=_MOST_MARKS, object_pairs_hook=_Object, parse_float=str, parse_int=str
            )
            item = webhook.json()
        except PayloadError:
            return cls._unreadable(webhook)
        if not isinstance(pairs, _Object) or not isinstance(item, dict):
            return cls._unreadable(webhook)
        flat = [(name, _WORDS[value] if isinstance(value, bool) else value) for name, value in pairs]
        parameters = {name: value for name, value in flat if isinstance(value, str)}
        return cls(parameters, len(parameters) == len(pairs), item)

    @classmethod
    def _unreadable(cls, webhook: HttpRequest) -> Content:
        """Content without ``item``; its query is kept, because the signature may be there."""
        return cls(dict(_pairs(webhook, in_body=False)), complete=False, item=None)


class _Object(list[tuple[str, Any]]):
    """A JSON object as pairs, so that repeated names stay visible."""


def _pairs(webhook: HttpRequest, *, in_body: bool) -> list[tuple[str, str]]:
    try:
        return webhook.form() if in_body else webhook.query
    except (PayloadError, ValueError):
        return []
