"""Composite, the base of providers that send through providers inside them.

This module also has functions for any provider, with or without providers inside.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Hashable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any, ClassVar, Protocol, cast, final, runtime_checkable

from .errors import RefusedError, SendError, UncertainError
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
    """A policy that keeps what became of texts."""

    def history(self, reference: str) -> Flow[History | None]:
        """What is kept of the text under a reference; None if nothing is."""
        ...

    def page(self, wanted: Wanted, *, after: int = 0, limit: int = 500) -> Flow[list[tuple[int, TextRecord]]]:
        """Texts that are ``wanted``, the oldest first, each with a number; ``after`` is that of the last one seen."""
        ...


@runtime_checkable
class Closing(Protocol):
    """An object that is told when its client is closed. It may be used again."""

    def close(self) -> None:
        """Finish pending work, such as records."""
        ...


class Composite(SmsProvider):
    """A provider that sends by attempts through the providers inside: it never raises an outcome, but returns it.

    Its capabilities are those of the providers inside.
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
        """The providers inside, in order of preference."""

    @property
    def capabilities(self) -> frozenset[Capability]:
        """The capabilities of all providers inside; batches are made for the first provider."""
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
        """The longest time of the providers inside; None unless all of them can look up texts and prove absence."""
        proofs = [
            provider.absence_proven_after if Capability.LOOKUP in provider.capabilities else None
            for provider in self.inside
        ]
        known = [proof for proof in proofs if proof is not None]
        return max(known) if len(known) == len(proofs) else None

    def batch_key(self, message: Message) -> Hashable:
        return self.inside[0].batch_key(message)

    def check(self, message: Message, *, verification: bool = False) -> None:
        """Raise the error of the first provider inside if no provider inside can express ``message``."""
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
        """Send ``messages``, or have a one-time code sent for each.

        ``around`` wraps each flow of a provider that carries texts.
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
        """Return what sending would do with ``message``, as far as it is known here; ``now`` decides about expiry.

        Give your own decision, and ask the providers inside through ``attempts.foresee``, as you send through
        ``attempts.attempt``. Change nothing (take no place, count nothing, let no probe through) and contact no other
        system: reading your own file is allowed. Refusals by :meth:`check`, and faults of the message itself, were
        checked before.
        """

    # --- webhooks and the end -----------------------------------------------------------------------------------------

    @abstractmethod
    def receiver(self, webhook: HttpRequest) -> SmsProvider:
        """Return the provider inside that receives ``webhook``: of several, the provider that provably sent it."""

    @abstractmethod
    def observe(self, event: Event) -> Flow[Event | None]:
        """Take note of an event of a verified webhook, before the hooks do, and pass it on; for policies that learn
        from them.

        Returns the event with what is known of its text, or None to leave it as it is. What this raises goes where a
        hook's exception goes: the vendor gets a 500 and delivers again.
        """

    def close(self) -> None:
        """See :class:`Closing`."""
        for provider in self.inside:
            close(provider)


def sent_of(result: Result, stop: BaseException | None = None) -> SentMessage:
    """Return the sent text of ``result``; raises ``stop``, or else the error."""
    if stop is not None:
        raise stop
    if result.sent is None:
        error: SendError = result.error or UncertainError()
        raise error
    return result.sent


def inside(provider: SmsProvider) -> tuple[SmsProvider, ...]:
    """Return the providers inside ``provider``, in order of preference; most have none."""
    return provider.inside if isinstance(provider, Composite) else ()


def each(provider: SmsProvider) -> Iterator[SmsProvider]:
    """Yield ``provider`` and all providers inside it, at any depth, from the outside in."""
    yield provider
    for held in inside(provider):
        yield from each(held)


def account_names(provider: SmsProvider) -> frozenset[str]:
    """Return the names of the accounts that ``provider`` sends through: its own, and those inside."""
    return frozenset(held.account for held in each(provider))


def expresses(provider: SmsProvider, field: str, *, verification: bool = False) -> bool:
    """Return whether ``provider``, or a provider inside, honours ``field``, a name of OPTIONAL_FIELDS."""
    return any(honours(held, field, verification=verification) for held in each(provider))


def holder_of(provider: SmsProvider, account: str) -> SmsProvider:
    """The outermost provider of ``account``: ``provider``, or one that it holds. Raises KeyError if it holds none."""
    for held in each(provider):
        if held.account == account:
            return held
    raise KeyError(account)


def receiver_of(provider: SmsProvider, webhook: HttpRequest) -> SmsProvider:
    """Return the provider that receives ``webhook``: ``provider``, or a provider inside."""
    return provider.receiver(webhook) if isinstance(provider, Composite) else provider


def observe(provider: SmsProvider, event: Event) -> Flow[Event]:
    """Have ``provider`` take note of an event, if it is one that learns from them. Returns what is known of it then."""
    if not isinstance(provider, Composite):
        return event
    return (yield from provider.observe(event)) or event


def close(provider: SmsProvider) -> None:
    """Have ``provider`` finish pending work, if it has a method ``close``."""
    if isinstance(provider, Closing):
        provider.close()
