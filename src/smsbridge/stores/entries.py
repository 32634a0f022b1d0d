"""The values that a ledger holds, and the interface to keep them. No I/O."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from smsbridge.attempts import utc_now
from smsbridge.errors import RefusedError
from smsbridge.messages import Message, Money, Purpose, Result, SentMessage, Status, Verification
from smsbridge.phone import mask, mask_numbers
from smsbridge.values import State

from .digests import Kind, digest, new_ticket, person_of
from .standing import Standing

__all__ = [
    "Change",
    "Claim",
    "Clash",
    "Entry",
    "Kind",
    "Outcome",
    "State",
    "Unwritable",
    "digest",
    "new_ticket",
    "person_of",
    "unicode",
]
_LONGEST_WORD = 64


class Unwritable(Exception):
    """The store cannot be read or written now; the message says why and holds nothing private."""


class Clash(Unwritable):
    """Another process was in the way: nothing was done, and the same may be tried again at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """A text that is about to be sent. ``to`` is masked, ``content`` a keyed hash; ``token`` is this claim's alone.

    ``person`` is a keyed hash of the number, to find it by. ``number`` and ``text`` are None unless a setting keeps
    them.
    """

    account: str
    reference: str
    kind: Kind
    content: bytes = field(repr=False)
    to: str
    purpose: str
    token: str
    at: datetime
    person: bytes = field(default=b"", repr=False)
    context: Mapping[str, str] = field(default_factory=dict, repr=False)
    number: str | None = field(default=None, repr=False)
    text: str | None = field(default=None, repr=False)

    @classmethod
    def of(
        cls,
        message: Message,
        *,
        account: str,
        kind: Kind,
        key: bytes,
        keeps_number: bool = False,
        keeps_text: bool = False,
    ) -> Claim:
        """A claim of ``message`` by this process, now. Of a one-time code neither number nor text is kept."""
        is_code = kind is Kind.CODE or message.purpose is Purpose.OTP
        return cls(
            account=account,
            reference=unicode(message.reference or ""),
            kind=kind,
            content=digest(key, message, kind),
            to=mask(message.to),
            purpose=message.purpose.value,
            token=new_ticket(),
            at=utc_now(),
            person=person_of(key, message.to),
            context=message.context,
            number=message.to if keeps_number and not is_code else None,
            text=unicode(message.text) if keeps_text and not is_code else None,
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
                id=unicode(sent.id),
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
            id=unicode(sent.id),
            expires_at=sent.expires_at,
            reason=reason,
        )

    @classmethod
    def refused(cls, reason: str) -> Outcome:
        """Return the outcome of a text that was certainly not sent, for this ``reason``."""
        return cls(state=State.REFUSED, at=utc_now(), error=RefusedError.__name__, reason=reason)


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A claim, and its outcome if one is recorded. ``claims`` counts this one and those that were refused before it.

    ``standing`` is how far an accepted text has come, by its answer and its reports.
    """

    claim: Claim
    outcome: Outcome | None = None
    claims: int = 1
    standing: Standing | None = None

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
            status=self.standing.status if self.standing else one.status or Status.UNKNOWN,
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


@dataclass(frozen=True, slots=True)
class Change:
    """An entry after its reports were looked at; ``number`` is that of its row.

    ``to_tell``: it came further since that was told last, and the asker is to tell it.
    """

    number: int
    entry: Entry
    to_tell: bool

    @property
    def rank(self) -> int:
        """How far it came."""
        return self.entry.standing.rank if self.entry.standing else 0


def _word(value: object) -> str | None:
    """Return a code or a reason shortened and without phone numbers, since vendors write them freely."""
    return None if value is None else mask_numbers(unicode(str(value)))[:_LONGEST_WORD]


def unicode(value: str) -> str:
    """Return ``value`` without lone surrogates (halves of characters), which JSON can contain and no store takes."""
    return value.encode("utf-8", "backslashreplace").decode()
