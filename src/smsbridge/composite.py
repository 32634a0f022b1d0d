"""Composite, the base of providers that send through providers inside them, such as policies.

This module also has functions for any provider, with or without providers inside.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Hashable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any, ClassVar, Protocol, cast, final, runtime_checkable

from .errors import RefusedError, SendError, SignatureError, UncertainError
from .flow import Flow
from .history import History, TextRecord, Wanted
from .http import HttpRequest
from .messages import Event, Foresight, Message, Result, SentMessage, Verification
from .provider import Capability, SmsProvider, honours

Around = Callable[[Flow[Any], Sequence[Message]], Flow[Any]]
"""A function that wraps a provider's flow that sends these messages; steps and value are those of the flow."""

Answers = tuple[list[Result], BaseException | None]
"""A Result for each message, in order, and the interruption, if any."""

_FINAL = ("send", "send_batch", "start_verification")


@runtime_checkable
class Recording(Protocol):
    """A policy that records texts and their delivery reports, such as the ledger."""

    def history(self, reference: str) -> Flow[History | None]:
        """Return the record of the text with this reference, and its delivery reports.

        None if there is no such record.
        """
        ...

    def page(self, wanted: Wanted, *, after: int = 0, limit: int = 500) -> Flow[list[tuple[int, TextRecord]]]:
        """Return up to ``limit`` texts that match ``wanted``, the oldest first, each with its row number in the record.

        ``after`` is the row number after which to begin. For the next page, give the row number of the last text.
        """
        ...


@runtime_checkable
class Closing(Protocol):
    """An object with a method ``close``, which a client calls when the client is closed.

    The object may still be used after that.
    """

    def close(self) -> None:
        """Finish pending work, such as writing records."""
        ...


class Composite(SmsProvider):
    """A provider that sends texts through other providers, which are called the providers inside it.

    Its capabilities are those of the providers inside. A subclass implements :meth:`sent_through`, which returns the
    outcome of each text and never raises it.
    """

    _kind = "policy"

    records_attempts: ClassVar[bool] = False
    """Whether it logs each attempt itself, so that policies around it need not."""

    def __init_subclass__(cls, **settings: Any) -> None:
        super().__init_subclass__(**settings)
        own = [name for name in _FINAL if name in vars(cls)]
        if own:
            raise TypeError(
                f"{cls.__name__} has a {own[0]} of its own, which would miss texts: write carry(batch), "
                "by which all are sent"
            )

    # --- what it holds ------------------------------------------------------------------------------------------------

    @property
    @abstractmethod
    def inside(self) -> tuple[SmsProvider, ...]:
        """The providers that this provider sends through, in order of preference."""

    @property
    def capabilities(self) -> frozenset[Capability]:
        """The capabilities that at least one provider inside has.

        ``BATCH`` is among them only if the first provider inside has it, since batches are made for that provider.
        """
        found = frozenset[Capability]().union(*(provider.capabilities for provider in self.inside))
        return found if Capability.BATCH in self.inside[0].capabilities else found - {Capability.BATCH}

    @property
    def supports(self) -> frozenset[str]:  # type: ignore[override]  # a constant of other providers
        return frozenset[str]().union(*(provider.supports for provider in self.inside))

    @property
    def verification_supports(self) -> frozenset[str]:  # type: ignore[override]
        return frozenset[str]().union(*(provider.verification_supports for provider in self.inside))

    @property
    def batch_size(self) -> int:  # type: ignore[override]
        return self.inside[0].batch_size

    @property
    def absence_proven_after(self) -> timedelta | None:  # type: ignore[override]
        """The longest ``absence_proven_after`` of the providers inside.

        After this time, a look-up that finds nothing proves that the text was not sent. None unless each provider
        inside can look up texts and can prove this.
        """
        proofs = [
            provider.absence_proven_after if Capability.LOOKUP in provider.capabilities else None
            for provider in self.inside
        ]
        known = [proof for proof in proofs if proof is not None]
        return max(known) if len(known) == len(proofs) else None

    def batch_key(self, message: Message) -> Hashable:
        return self.inside[0].batch_key(message)

    def check(self, message: Message, *, verification: bool = False) -> None:
        """Raise UnsupportedError for a message that none of the providers inside can express.

        It is the error of the first provider inside. With ``verification``, the message is for a one-time code.
        """
        problem: Exception | None = None
        for provider in self.inside:
            try:
                return provider.check(message, verification=verification)
            except RefusedError as error:
                problem = problem or error
        if problem is not None:
            raise problem
        return None

    # --- sending ------------------------------------------------------------------------------------------------------

    @abstractmethod
    def sent_through(
        self, messages: Sequence[Message], *, verification: bool = False, around: Around | None = None
    ) -> Flow[Answers]:
        """Send ``messages`` through the providers inside.

        With ``verification``, have a one-time code sent for each message.

        Returns a Result for each message, in order, and the interruption that stopped the work, or None. ``around`` is
        a function that wraps each flow with which a provider inside sends texts.
        """

    @final
    def send(self, message: Message) -> Flow[SentMessage]:
        (result,), stop = yield from self.sent_through([message])
        return sent_of(result, stop)

    @final
    def send_batch(self, messages: Sequence[Message]) -> Flow[list[Result]]:
        results, stop = yield from self.sent_through(messages)
        if stop is not None:
            raise stop
        return results

    @final
    def start_verification(self, message: Message) -> Flow[Verification]:
        (result,), stop = yield from self.sent_through([message], verification=True)
        return cast("Verification", sent_of(result, stop))

    @abstractmethod
    def foresee(self, message: Message, *, now: datetime) -> Foresight:
        """Return what sending would do with ``message``, as far as it is known without asking a vendor.

        ``now`` decides whether the message has expired. A subclass returns its own decision, and asks the providers
        inside through ``attempts.foresee``, as it sends through ``attempts.attempt``. It changes nothing (takes no
        place, counts nothing, lets no probe through) and contacts no other system, but may read its own file. Refusals
        by :meth:`check`, and faults of the message itself, were checked before.
        """

    # --- webhooks and the end -----------------------------------------------------------------------------------------

    @abstractmethod
    def receiver(self, webhook: HttpRequest) -> SmsProvider:
        """Return the provider inside that is to process ``webhook``.

        If there are several providers inside, this is the provider whose check proves that its vendor sent the webhook.
        """

    @abstractmethod
    def observe(self, event: Event) -> Flow[Event | None]:
        """Take note of an event of a verified webhook, before the hooks are told of the event.

        This is for policies that learn from events, such as delivery reports. Returns the event, completed with what
        the policy knows of its text, or None to leave the event unchanged. If this raises an error, the vendor gets a
        500 and delivers the webhook again, as for an error of a hook.
        """

    def close(self) -> None:
        """Have each provider inside finish its pending work. A client calls this when the client is closed."""
        for provider in self.inside:
            close(provider)


def sent_of(result: Result, stop: BaseException | None = None) -> SentMessage:
    """Return the accepted text of ``result``.

    Raises ``stop``, an interruption, if it is given. Otherwise raises the error of a text that was not accepted.
    """
    if stop is not None:
        raise stop
    if result.sent is None:
        error: SendError = result.error or UncertainError()
        raise error
    return result.sent


def inside(provider: SmsProvider) -> tuple[SmsProvider, ...]:
    """Return the providers that ``provider`` sends through, in order of preference.

    Only policies have such providers.
    """
    return provider.inside if isinstance(provider, Composite) else ()


def each(provider: SmsProvider) -> Iterator[SmsProvider]:
    """Yield ``provider`` and all providers inside it, at any depth, the outer before the inner."""
    yield provider
    for held in inside(provider):
        yield from each(held)


def account_names(provider: SmsProvider) -> frozenset[str]:
    """Return the account names of ``provider`` and of all providers inside it."""
    return frozenset(held.account for held in each(provider))


def expresses(provider: SmsProvider, field: str, *, verification: bool = False) -> bool:
    """Return whether ``provider``, or a provider inside it, can send a message that sets ``field``.

    ``field`` is a name of OPTIONAL_FIELDS, such as ``sender``. With ``verification``, the message is for a one-time
    code.
    """
    return any(honours(held, field, verification=verification) for held in each(provider))


def holder_of(provider: SmsProvider, account: str) -> SmsProvider:
    """Return the outermost provider of ``account``: ``provider`` itself, or a provider inside it.

    Raises KeyError if neither ``provider`` nor a provider inside it has this account.
    """
    for held in each(provider):
        if held.account == account:
            return held
    raise KeyError(account)


def vendor_inside(provider: SmsProvider, account: str) -> SmsProvider:
    """Return the provider that reaches the vendor of ``account``, without the policies around it.

    Raises SignatureError if ``provider`` has no such provider inside.
    """
    for held in each(provider):
        if held.account == account and not inside(held):
            return held
    raise SignatureError("the webhook is for another account")


def receiver_of(provider: SmsProvider, webhook: HttpRequest) -> SmsProvider:
    """Return the provider that is to process ``webhook``: ``provider`` itself, or a provider inside it."""
    return provider.receiver(webhook) if isinstance(provider, Composite) else provider


def observe(provider: SmsProvider, event: Event) -> Flow[Event]:
    """Show ``event`` to ``provider`` if it is a policy, which may learn from the event.

    Returns the event, completed with what the policy knows of its text.
    """
    if not isinstance(provider, Composite):
        return event
    return (yield from provider.observe(event)) or event


def close(provider: SmsProvider) -> None:
    """Have ``provider`` finish its pending work, if it has a method ``close``."""
    if isinstance(provider, Closing):
        provider.close()
