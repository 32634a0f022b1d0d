"""The values that a ledger keeps: claims, outcomes, and the entries made of them. No I/O."""

from __future__ import annotations

from collections.abc import Collection, Mapping
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
    "EVERY_ENTRY",
    "Change",
    "Claim",
    "Clash",
    "Entry",
    "EntryFilters",
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
    """Raised if a store cannot be read or written now. The error text says why, and holds no private data."""


class Clash(Unwritable):
    """Raised if another process uses the same rows of a store. Nothing was done: try the same again at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """The record that is made before a text is sent, so that no other process sends the same text. ``token`` is unique.

    ``to`` is the masked number, ``content`` a keyed hash of the message, and ``person`` a keyed hash of the number, by
    which entries are found. ``number`` and ``text`` are None unless a setting keeps them.
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
        """Make a claim for ``message`` by this process, now. For a one-time code, neither number nor text is kept."""
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
        """The number of the process that made the claim, as a string."""
        return self.token.partition("-")[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """The outcome of sending a text. ``taker`` is the name of the account that accepted the text.

    ``error`` is the name of the error's class, ``reason`` the reason in the error. If the outcome was found out later,
    ``reason`` is ``lookup`` (the provider was asked) or ``operator`` (a person decided).
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
        """Make the outcome of a text from the Result of sending it."""
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
        """Make the outcome of an accepted text or one-time code.

        ``sent`` has the provider's answer; it is None if that is unknown. ``reason`` says how the outcome was found out
        later.
        """
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
        """Make the outcome of a text that was certainly not sent, for this ``reason``."""
        return cls(state=State.REFUSED, at=utc_now(), error=RefusedError.__name__, reason=reason)


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """The record of a text in a ledger: the claim, and the outcome if that is known.

    ``claims`` counts how often the text was claimed: this claim, and earlier claims whose texts were refused.
    ``standing`` is how far an accepted text has come, according to the vendor's answer and the delivery reports.
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
        """The time of the outcome; of the claim if there is no outcome."""
        return self.claim.at if self.outcome is None else self.outcome.at

    def gives_way_to(self, claim: Claim) -> bool:
        """Return whether ``claim`` may replace this entry.

        It may if both are for the same text, and this entry says that the text was certainly not sent.
        """
        return self.state is State.REFUSED and self.claim.content == claim.content

    def proven_absent(self, proof: timedelta | None) -> bool:
        """Return whether the provider's answer *not found* proves that the text was not sent.

        ``proof`` is the provider's ``absence_proven_after``. If the entry has no outcome, the answer proves nothing,
        because the text may still be on the way to the provider.
        """
        return proof is not None and self.state is State.UNCERTAIN and utc_now() - self.since >= proof

    def sent_message(self, to: str) -> SentMessage:
        """Return the accepted text as a SentMessage.

        ``to`` is the full number of the recipient, because the entry has only the masked number.
        """
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
        """Return the accepted one-time code as a Verification.

        ``to`` is the full number of the recipient, because the entry has only the masked number.
        """
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


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryFilters:
    """Which entries a store is asked for: the entries that match every filter that is not None or empty.

    ``within`` and ``beyond`` are seconds by the clock of the store: the texts were claimed at most ``within`` and more
    than ``beyond`` seconds ago. ``person`` is the keyed hash of the recipient's number
    (:func:`~smsbridge.stores.digests.person_of`). ``statuses`` and ``final`` match accepted texts only.
    """

    account: str | None = None
    reference: str | None = None
    states: Collection[State] = ()
    statuses: Collection[Status] = ()
    final: bool | None = None
    person: bytes | None = None
    within: float | None = None
    beyond: float | None = None


EVERY_ENTRY = EntryFilters()


@dataclass(frozen=True, slots=True)
class Change:
    """An entry after its delivery reports were read. ``number`` is the number of the entry's row in the store.

    ``to_tell`` is true if the text has come further than the hooks know, and the caller has to tell the hooks.
    """

    number: int
    entry: Entry
    to_tell: bool

    @property
    def rank(self) -> int:
        """How far the text has come, as a number; 0 if it has not been accepted."""
        return self.entry.standing.rank if self.entry.standing else 0


def _word(value: object) -> str | None:
    """Return a code or a reason shortened and without phone numbers, since vendors write them freely."""
    return None if value is None else mask_numbers(unicode(str(value)))[:_LONGEST_WORD]


def unicode(value: str) -> str:
    """Return ``value`` with lone surrogates (halves of characters) written as escapes, since no store takes them."""
    return value.encode("utf-8", "backslashreplace").decode()
