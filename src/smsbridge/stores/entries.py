"""What a ledger holds, as values, and what has to be done to store them. No I/O."""

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
    """What is known of a text.

    ``OPEN``: claimed, and no outcome recorded. It is on its way, or whoever claimed it is gone and it may have been
    sent.
    """

    OPEN = "open"
    UNCERTAIN = "uncertain"
    ACCEPTED = "accepted"
    REFUSED = "refused"

    @property
    def settled(self) -> bool:
        """Whether it is certain what became of the text."""
        return self in (State.ACCEPTED, State.REFUSED)


class Kind(StrEnum):
    """What was asked for under a reference."""

    TEXT = "text"
    CODE = "code"


class Unwritable(Exception):
    """The store cannot be read or written now; the words say why and hold nothing private."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """A text that is about to be sent. ``to`` is masked, ``content`` a keyed hash; ``token`` is this claim's alone."""

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
        """A claim of ``message`` by this process, now."""
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
    """What became of a text. ``taker`` is the account that took it; ``error`` is the name of a class, without any
    words.

    ``reason`` is that of the error, or who settled it afterwards: ``lookup`` or ``operator``.
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
        """What the result of an attempt says."""
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
        """``sent`` was accepted; None if no more than that is known."""
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
        """It was certainly not sent, for this ``reason``."""
        return cls(state=State.REFUSED, at=utc_now(), error=RefusedError.__name__, reason=reason)


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A claim, and its outcome if one is recorded. ``claims`` counts this one and those that were refused before it."""

    claim: Claim
    outcome: Outcome | None = None
    claims: int = 1

    @property
    def state(self) -> State:
        return State.OPEN if self.outcome is None else self.outcome.state

    @property
    def since(self) -> datetime:
        """Since when it has been in this state."""
        return self.claim.at if self.outcome is None else self.outcome.at

    def gives_way_to(self, claim: Claim) -> bool:
        """Whether ``claim`` may take its place: it was certainly not sent, and is the same text."""
        return self.state is State.REFUSED and self.claim.content == claim.content

    def proven_absent(self, proof: timedelta | None) -> bool:
        """Whether *not found* means not sent, ``proof`` being the provider's ``absence_proven_after``.

        Never of what is open: nobody knows whether it is still to come.
        """
        return proof is not None and self.state is State.UNCERTAIN and utc_now() - self.since >= proof

    def sent_message(self, to: str) -> SentMessage:
        """The text that was accepted, to ``to``: here the number is masked."""
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
        """The one-time code that was accepted, to ``to``."""
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
    """Where entries are kept: one per reference, whatever the account. Used by one thread at a time; raises Unwritable.

    Everything else is called within :meth:`together`.
    """

    def together(self) -> AbstractContextManager[None]:
        """One transaction that excludes all other writers: kept for good at its end, undone if something is raised."""
        ...

    def identify(self, key: bytes | None) -> bytes:
        """The key of the hashes.

        ``key``, or one that is kept in the store. ConfigurationError if they were made with another.
        """
        ...

    def claim(self, claims: Sequence[Claim]) -> list[Entry | None]:
        """Claim each in turn: None if that was done, or the entry that is in its way.

        An entry that :meth:`Entry.gives_way_to` a claim becomes that claim's.
        """
        ...

    def record(self, entries: Sequence[Entry]) -> int:
        """Keep the outcomes of claims; returns how many were kept.

        Ignored is an outcome whose claim has given way to another, or is settled already; but *accepted* is always
        kept.
        """
        ...

    def find(self, reference: str) -> Entry | None:
        """The entry of a reference."""
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
        """Let go of files and connections; whatever is asked next takes hold of them again."""
        ...


def digest(key: bytes, message: Message, kind: Kind) -> bytes:
    """A keyed hash of what makes ``message`` this message and no other: all fields that distinguish, see
    ``MessageField``.

    With its reference: that two texts are equal is nobody's business. A field that is not in ``_LAID_OUT`` enters only
    where it is set, so that a new field changes no digest that is kept.
    """
    dlt, send_at = message.dlt, message.send_at
    content = ascii(  # no two tuples of these are written alike, and all Pythons write them so
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
"""The fields that have a place of their own in a digest, set or not: this layout is kept in stores, and stays."""
_FURTHER = tuple(known for known in FIELDS if known.distinguishes and known.name not in _LAID_OUT)


def _further(message: Message) -> list[tuple[str, str]]:
    values = ((further, getattr(message, further.name)) for further in _FURTHER)
    return [(further.name, _JSON.encode(_canonical(value))) for further, value in values if value != further.default]


def _canonical(value: Any) -> Any:
    """A value as a digest has it: a time is the same in each zone."""
    return plain_value(value.astimezone(UTC) if isinstance(value, datetime) else value)


@cache
def _keyed(key: bytes) -> hmac.HMAC:
    """What a hash with ``key`` begins with; to begin anew takes twice as long as all the rest."""
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
    """What tells a claim, or a place, from all others of all processes: process, a random word of it, and a number."""
    global _process  # noqa: PLW0603  # a forked child has its parent's
    if _process[0] != os.getpid():
        _process = (os.getpid(), secrets.token_hex(6))
    return f"{_process[0]}-{_process[1]}-{next(_turns)}"


def _word(value: object) -> str | None:
    """A code or a reason, which vendors may make up: short, without numbers."""
    return None if value is None else mask_numbers(_unicode(str(value)))[:_LONGEST_WORD]


def _unicode(value: str) -> str:
    """``value`` without halves of characters, which JSON can bring and no store takes."""
    return value.encode("utf-8", "backslashreplace").decode()
