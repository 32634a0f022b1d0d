"""Composite, the base of providers that send through providers which they hold.

And what is asked of any provider, whether it holds some or not.
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
"""Wraps the flow of a provider that sends these messages; its steps and its value are the flow's."""

Answers = tuple[list[Result], BaseException | None]
"""One Result for each message, in order, and what interrupted the sending, if anything did."""

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
    """What is told that its client is closed. It may be used again."""

    def close(self) -> None:
        """Finish what is still to be done on the side, such as records."""
        ...


class Composite(SmsProvider):
    """A provider that sends by attempts at providers which it holds: it never raises an outcome, it returns it.

    What it can do is what those can do.
    """

    _kind = "policy"

    records_attempts: ClassVar[bool] = False
    """Whether it logs each attempt by itself; policies around it then need not."""

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
        """The providers that it holds, in their order of preference."""

    @property
    def capabilities(self) -> frozenset[Capability]:
        """What one of those inside can do; batches are made as the first one takes them."""
        found = frozenset[Capability]().union(*(one.capabilities for one in self.inside))
        return found if Capability.BATCH in self.inside[0].capabilities else found - {Capability.BATCH}

    @property
    def supports(self) -> frozenset[str]:  # type: ignore[override]  # a constant of other providers
        return frozenset[str]().union(*(one.supports for one in self.inside))

    @property
    def verification_supports(self) -> frozenset[str]:  # type: ignore[override]
        return frozenset[str]().union(*(one.verification_supports for one in self.inside))

    @property
    def batch_size(self) -> int:  # type: ignore[override]
        return self.inside[0].batch_size

    @property
    def absence_proven_after(self) -> timedelta | None:  # type: ignore[override]
        """Only if every account that may have been tried proves it, which takes that it can be asked."""
        proofs = [one.absence_proven_after if Capability.LOOKUP in one.capabilities else None for one in self.inside]
        known = [proof for proof in proofs if proof is not None]
        return max(known) if len(known) == len(proofs) else None

    def batch_key(self, message: Message) -> Hashable:
        return self.inside[0].batch_key(message)

    def check(self, message: Message, *, verification: bool = False) -> None:
        """Raise what the first one raises, if none of those inside can express ``message``."""
        problem: Exception | None = None
        for one in self.inside:
            try:
                return one.check(message, verification=verification)
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
        """What sending would do with ``message``, as far as can be known here; ``now`` is the time by which texts
        expire.

        Say what you would decide yourself, and ask those inside through ``attempts.foresee``, as you send through
        ``attempts.attempt``. Change nothing (take no place, count nothing, let no probe through) and reach nobody:
        reading a file of one's own is the most. What :meth:`check` refuses, and what is wrong with the message itself,
        was looked at before.
        """

    # --- webhooks and the end -----------------------------------------------------------------------------------------

    @abstractmethod
    def receiver(self, webhook: HttpRequest) -> SmsProvider:
        """The provider inside that takes ``webhook`` in: of several, the one that it is proven to be from."""

    @abstractmethod
    def observe(self, event: Event) -> Flow[Event | None]:
        """Take note of an event of a verified webhook, before the hooks do, and pass it on; for policies that learn
        from them.

        Returns the event with what is known of its text, or None to leave it as it is. What this raises goes where a
        hook's exception goes: the vendor gets a 500 and delivers again.
        """

    def close(self) -> None:
        """See :class:`Closing`."""
        for one in self.inside:
            close(one)


def sent_of(result: Result, stop: BaseException | None = None) -> SentMessage:
    """What was sent; raises ``stop``, or else the error, if nothing was."""
    if stop is not None:
        raise stop
    if result.sent is None:
        error: SendError = result.error or UncertainError()
        raise error
    return result.sent


def inside(provider: SmsProvider) -> tuple[SmsProvider, ...]:
    """The providers that ``provider`` holds, in their order of preference; most hold none."""
    return provider.inside if isinstance(provider, Composite) else ()


def each(provider: SmsProvider) -> Iterator[SmsProvider]:
    """``provider`` and every one that it holds, however deep, from the outside in."""
    yield provider
    for one in inside(provider):
        yield from each(one)


def account_names(provider: SmsProvider) -> frozenset[str]:
    """The names of the accounts that ``provider`` sends through: its own, and of those that it holds."""
    return frozenset(one.account for one in each(provider))


def expresses(provider: SmsProvider, field: str, *, verification: bool = False) -> bool:
    """Whether ``provider``, or one that it holds, honours this one of OPTIONAL_FIELDS."""
    return any(honours(one, field, verification=verification) for one in each(provider))


def receiver_of(provider: SmsProvider, webhook: HttpRequest) -> SmsProvider:
    """The provider that takes ``webhook`` in: ``provider``, or one that it holds."""
    return provider.receiver(webhook) if isinstance(provider, Composite) else provider


def observe(provider: SmsProvider, event: Event) -> Flow[Event]:
    """Have ``provider`` take note of an event, if it is one that learns from them. Returns what is known of it then."""
    if not isinstance(provider, Composite):
        return event
    return (yield from provider.observe(event)) or event


def close(provider: SmsProvider) -> None:
    """Have ``provider`` finish what is still to be done on the side, if it has anything there.

    A provider may have a ``close``.
    """
    if isinstance(provider, Closing):
        provider.close()
