"""The values that a ledger holds, and the interface to keep them. No I/O."""

from __future__ import annotations

import hashlib
import hmac
import itertools
import json
import os
import secrets
from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from functools import cache
from typing import Any, Protocol

from smsbridge.attempts import utc_now
from smsbridge.errors import RefusedError
from smsbridge.message_fields import FIELDS, plain_value
from smsbridge.messages import Message, Money, Result, SentMessage, Status, Verification
from smsbridge.phone import mask, mask_numbers

_LONGEST_WORD = 64


class State(StrEnum):
    """The state of a text.

    ``OPEN``: claimed, and no outcome recorded. The text is on its way, or its process is gone and it may have been
    sent.
    """

    OPEN = "open"
    UNCERTAIN = "uncertain"
    ACCEPTED = "accepted"
    REFUSED = "refused"

    @property
    def settled(self) -> bool:
        """Whether the outcome of the text is certain."""
        return self in (State.ACCEPTED, State.REFUSED)


class Kind(StrEnum):
    """The kind of message under a reference: a text, or a one-time code."""

    TEXT = "text"
    CODE = "code"


class Unwritable(Exception):
    """The store cannot be read or written now; the message says why and holds nothing private."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """A text about to be sent. ``to`` is masked, ``content`` is a keyed hash, ``token`` is unique to this claim."""

    account: str
    reference: str
    kind: Kind
    content: bytes = field(repr=False)
    to: str
    purpose: str
    token: str
    at: datetime

    @classmethod
    def of(cls, message: Message, *, account: str, kind: Kind, key: bytes) -> Claim:
        """Return a claim of ``message`` by this process, made now."""
        return cls(
            account=account,
            reference=_unicode(message.reference or ""),
            kind=kind,
            content=digest(key, message, kind),
            to=mask(message.to),
            purpose=message.purpose.value,
            token=new_ticket(),
            at=utc_now(),
        )

    @property
    def process(self) -> str:
        """The process that made the claim."""
        return self.token.partition("-")[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """The outcome of a text. ``taker`` is the account that took it; ``error`` is only the name of the error's class.

    ``reason`` is the reason of the error; if the text was settled afterwards, ``lookup`` or ``operator``.
    """

    state: State
    at: datetime
    taker: str = ""
    provider: str = ""
    id: str = ""
    status: Status | None = None
    segments: int | None = None
    price: Money | None = None
    accepted_at: datetime | None = None
    expires_at: datetime | None = None
    error: str | None = None
    code: str | None = None
    reason: str | None = None

    @classmethod
    def of(cls, result: Result) -> Outcome:
        """Return the outcome of an attempt's result."""
        error = result.error
        if error is None:
            return cls.accepted(result.sent)
        refused = isinstance(error, RefusedError)
        return cls(
            state=State.REFUSED if refused else State.UNCERTAIN,
            at=utc_now(),
            taker=error.account or "",
            provider=error.provider or "",
            error=type(error).__name__,
            code=_word(getattr(error, "code", None)),
            reason=_word(getattr(error, "reason", None)),
        )

    @classmethod
    def accepted(cls, sent: SentMessage | Verification | None, reason: str | None = None) -> Outcome:
        """Return the outcome of the accepted ``sent``; None if its details are unknown."""
        if isinstance(sent, SentMessage):
            return cls(
                state=State.ACCEPTED,
                at=utc_now(),
                taker=sent.account,
                provider=sent.provider,
                id=_unicode(sent.id),
                status=sent.status,
                segments=sent.segments,
                price=sent.price,
                accepted_at=sent.at,
                reason=reason,
            )
        if sent is None:
            return cls(state=State.ACCEPTED, at=utc_now(), reason=reason)
        return cls(
            state=State.ACCEPTED,
            at=utc_now(),
            taker=sent.account,
            provider=sent.provider,
            id=_unicode(sent.id),
            expires_at=sent.expires_at,
            reason=reason,
        )

    @classmethod
    def refused(cls, reason: str) -> Outcome:
        """Return the outcome of a text that was certainly not sent, for this ``reason``."""
        return cls(state=State.REFUSED, at=utc_now(), error=RefusedError.__name__, reason=reason)


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A claim, and its outcome if recorded. ``claims`` counts this claim and the refused claims before it."""

    claim: Claim
    outcome: Outcome | None = None
    claims: int = 1

    @property
    def state(self) -> State:
        return State.OPEN if self.outcome is None else self.outcome.state

    @property
    def since(self) -> datetime:
        """The time at which the entry came into its state."""
        return self.claim.at if self.outcome is None else self.outcome.at

    def gives_way_to(self, claim: Claim) -> bool:
        """Return whether ``claim`` may replace this entry: the text was certainly not sent, and is the same text."""
        return self.state is State.REFUSED and self.claim.content == claim.content

    def proven_absent(self, proof: timedelta | None) -> bool:
        """Return whether *not found* means not sent; ``proof`` is the provider's ``absence_proven_after``.

        It never does for an open entry: its text may still be on its way to the provider.
        """
        return proof is not None and self.state is State.UNCERTAIN and utc_now() - self.since >= proof

    def sent_message(self, to: str) -> SentMessage:
        """Return the accepted text, with the full number ``to``: the entry holds it masked."""
        one = self.outcome or Outcome.accepted(None)
        return SentMessage(
            account=one.taker or self.claim.account,
            provider=one.provider,
            id=one.id,
            to=to,
            reference=self.claim.reference,
            status=one.status or Status.UNKNOWN,
            segments=one.segments,
            price=one.price,
            at=one.accepted_at,
            repeated=True,
        )

    def verification(self, to: str) -> Verification:
        """Return the accepted one-time code, with the full number ``to``."""
        one = self.outcome or Outcome.accepted(None)
        return Verification(
            account=one.taker or self.claim.account,
            provider=one.provider,
            id=one.id,
            to=to,
            reference=self.claim.reference,
            expires_at=one.expires_at,
            repeated=True,
        )


class Book(Protocol):
    """Keeps entries, one for each reference across all accounts. Used by one thread at a time; raises Unwritable.

    All other methods are called within :meth:`together`.
    """

    def together(self) -> AbstractContextManager[None]:
        """Open a transaction that excludes all other writers: committed at its end, undone if an error is raised."""
        ...

    def identify(self, key: bytes | None) -> bytes:
        """Return the key of the hashes: ``key``, or the key kept in the store.

        Raises ConfigurationError if the hashes were made with another key.
        """
        ...

    def claim(self, claims: Sequence[Claim]) -> list[Entry | None]:
        """Make each claim in turn. Returns None for each claim that was made, or the entry that blocks it.

        An entry that :meth:`Entry.gives_way_to` a claim becomes that claim's.
        """
        ...

    def record(self, entries: Sequence[Entry]) -> int:
        """Keep the outcomes of claims; returns how many were kept.

        An outcome is ignored if its claim has given way to another, or is already settled. *Accepted* is kept also for
        a settled claim.
        """
        ...

    def find(self, reference: str) -> Entry | None:
        """Return the entry of a reference."""
        ...

    def entries(
        self,
        *,
        account: str | None = None,
        reference: str | None = None,
        states: Collection[State] = (),
        within: float | None = None,
        after: int = 0,
        limit: int = 1000,
    ) -> list[tuple[int, Entry]]:
        """Entries that match all that is given, each with its number, in the order in which they were first claimed.

        ``within``: they were claimed no more than so many seconds ago, by the clock of the store.
        """
        ...

    def prune(self, older_than: float, limit: int, *, account: str | None = None) -> int:
        """Drop settled entries (of ``account``), ``limit`` at most; returns how many.

        They were recorded more than ``older_than`` seconds ago, by the clock of the store.
        """
        ...

    def close(self) -> None:
        """Close files and connections; the next question opens them again."""
        ...


def digest(key: bytes, message: Message, kind: Kind) -> bytes:
    """Return a keyed hash of all fields that distinguish ``message`` from others, see ``MessageField``.

    The reference is a part of it, so that equal texts have different hashes. A field outside ``_LAID_OUT`` is included
    only if it is set, so that a new field changes no stored digest.
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
    """Return an identifier unique across processes, for a claim or a place.

    It is the process number, a random word for this process, and a counter.
    """
    # A forked child inherits the value of its parent.
    global _process  # noqa: PLW0603
    if _process[0] != os.getpid():
        _process = (os.getpid(), secrets.token_hex(6))
    return f"{_process[0]}-{_process[1]}-{next(_turns)}"


def _word(value: object) -> str | None:
    """Return a code or a reason shortened and without phone numbers, since vendors write them freely."""
    return None if value is None else mask_numbers(_unicode(str(value)))[:_LONGEST_WORD]


def _unicode(value: str) -> str:
    """Return ``value`` without lone surrogates (halves of characters), which JSON can contain and no store takes."""
    return value.encode("utf-8", "backslashreplace").decode()
