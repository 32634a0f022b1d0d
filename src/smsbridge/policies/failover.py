"""The failover policy: it sends through the first of several accounts that takes the text."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, Self, TypeVar

from pydantic import Field, field_validator

from smsbridge import environment
from smsbridge.attempts import foresee, query, refusal
from smsbridge.composite import account_names, each, observe, receiver_of
from smsbridge.errors import (
    ConfigurationError,
    QueryError,
    RateLimitedError,
    SendError,
    SignatureError,
    UnavailableError,
    UncertainError,
)
from smsbridge.flow import Flow
from smsbridge.forks import cached_property
from smsbridge.http import HttpRequest
from smsbridge.messages import (
    Balance,
    DeliveryReport,
    Event,
    Foresight,
    Message,
    Purpose,
    Result,
    SentMessage,
    Verification,
    VerificationCheck,
)
from smsbridge.privacy import own
from smsbridge.provider import Capability, Resolve, SmsProvider
from smsbridge.rehearsal import Rehearsal
from smsbridge.snapshot import Reading

from .batch import Batch
from .breaker import Breaker
from .outcomes import asked_pause, conclude_all, elsewhere, fault_of, final, kept
from .policy import Carrier, Place, inner_of
from .records import record, wanted

T = TypeVar("T")


class FailoverPolicy(Carrier):
    """Sends through the first of ``accounts`` that takes the text.

    The next account is tried only if an account refuses the text for a fault of the account or its provider, or if the
    account cannot express the message. No other account is tried after a fault of the message or an opt-out; after a
    text that may have been sent, only if the text's purpose is among ``duplicates``. An account whose provider is at
    fault ``faults`` times in a row is paused for ``pause`` seconds, then probed by one text. An account whose vendor
    answered with ``Retry-After`` is paused until the time in that answer. Later questions about a text, such as for the
    status, go to the account that took the text.
    """

    name = "failover"
    records_attempts = True

    accounts: tuple[SmsProvider, ...] = Field(description="Accounts to send through, in order of preference.")
    duplicates: frozenset[Purpose] = Field(
        default=frozenset(), description="Purposes of which a text is better sent twice than never, such as otp."
    )
    faults: int = Field(default=5, ge=1, description="Faults of a provider in a row after which its account is paused.")
    pause: float = Field(default=30, gt=0, description="Seconds for which it is paused.")

    @cached_property
    def _clock(self) -> Callable[[], float]:
        """The clock. Not a private attribute, which takes pydantic microseconds to find."""
        return time.monotonic

    @field_validator("accounts")
    @classmethod
    def _distinct(cls, accounts: tuple[SmsProvider, ...]) -> tuple[SmsProvider, ...]:
        names = [account.account for account in accounts]
        if not names or len(set(names)) < len(names):
            raise ValueError("give at least one account, each with a different name")
        return accounts

    def model_post_init(self, context: Any, /) -> None:
        super().model_post_init(context)
        if len(self.accounts) > 1:
            self._refuse_records()
        # Made now, since two threads at first use would make two.
        _ = self._breakers

    @cached_property
    def _breakers(self) -> dict[str, Breaker]:
        return {account.account: Breaker(self.faults, self.pause) for account in self.accounts}

    def forget(self, rehearsal: Rehearsal) -> None:
        self._breakers = {
            account: rehearsal.instead_of(breaker, lambda: Breaker(self.faults, self.pause))
            for account, breaker in self._breakers.items()
        }

    def _refuse_records(self) -> None:
        """Raise ConfigurationError for a ledger inside: it does not know the texts that other accounts took."""
        for account in self.accounts:
            for keeper in each(account):
                if isinstance(keeper, Carrier) and keeper.place is Place.RECORD:
                    raise ConfigurationError(
                        f"account {account.account} of {self.account} has a {keeper.name}, which does not see what the "
                        f"other accounts take, so that a text could be sent twice: put it around {self.account} "
                        f"({environment.variable(f'{self.account}_{keeper.name}', '')}*)"
                    )

    @classmethod
    def from_env(cls, account: str | None = None, resolve: Resolve | None = None) -> Self:
        name, given = account or cls.name, {"account": account} if account else {}
        return Reading().run(
            lambda: environment.load(
                cls, name, exclude=["account"], accounts=tuple(inner_of(name, "accounts", resolve)), **given
            )
        )

    @property
    def inside(self) -> tuple[SmsProvider, ...]:
        return self.accounts

    def foresee(self, message: Message, *, now: datetime) -> Foresight:
        inside: list[Foresight] = []
        history: list[SendError] = []
        # Why no further account would be tried.
        over: str | None = None
        taker: Foresight | None = None
        for account in self.accounts:
            view = foresee(account, message, now=now)
            wait = self._breakers[account.account].peek(self._clock())
            if over is not None:
                view = replace(view, verdict="would skip", words=over)
            elif wait is not None:
                history.append(_left_alone(account, self._breakers[account.account], message, wait))
                view = replace(view, verdict="would skip", words=str(history[-1]))
            elif view.error is None:
                taker, over = view, f"tried only if {account.account} refuses for its own fault"
            else:
                history.append(view.error)
                if not self._goes_on(view.error, message):
                    over = f"not tried, since {account.account} refuses for a fault that is not its own"
            inside.append(view)
        if taker is None:
            return refusal(self, conclude_all(history, self, message), *inside)
        return Foresight(
            account=self.account,
            provider=self.name,
            verdict="would send",
            words=f"tries {taker.account} first",
            inside=tuple(inside),
        )

    # --- sending ------------------------------------------------------------------------------------------------------

    def carry(self, batch: Batch) -> Flow[None]:
        accounts: Sequence[SmsProvider] = self.accounts
        if batch.verification:
            accounts = [account for account in accounts if Capability.VERIFICATION in account.capabilities]
            if not accounts:
                raise self.unsupported("one-time codes")
        todo: Sequence[int] = range(len(batch.messages))
        for place, account in enumerate(accounts):
            following = accounts[place + 1] if place + 1 < len(accounts) else None
            todo = yield from self._try(batch, todo, account, following, accounts)
            if not todo:
                break
        for row in todo:
            batch.fail(row, conclude_all(batch.histories[row], self, batch.messages[row]))

    def _try(
        self,
        batch: Batch,
        todo: Sequence[int],
        account: SmsProvider,
        following: SmsProvider | None,
        accounts: Sequence[SmsProvider],
    ) -> Flow[Sequence[int]]:
        """Send the texts at ``todo`` through ``account``. Returns those that go on to the account ``following``."""
        breaker = self._breakers[account.account]
        begun = self._clock()
        judged = False
        try:
            wait = breaker.admit(begun)
            if wait is not None:
                judged = True
                for row in todo:
                    batch.histories[row].append(_left_alone(account, breaker, batch.messages[row], wait))
                return todo
            answers = yield from batch.through(account, todo)
            now = self._clock()
            if batch.stop is None:
                self._judge(breaker, account.account, answers, begun, now)
                judged = True
        finally:
            # After an interruption at any moment: a probe without an outcome would keep other attempts out.
            if not judged:
                breaker.dropped(begun)
        going_on = [
            answer.index
            for answer in answers
            if batch.stop is None
            and answer.error is not None
            and self._goes_on(answer.error, batch.messages[answer.index])
        ]
        if wanted(answers):
            for answer in answers:
                decision = _decision(answer, following if answer.index in going_on else None, batch.stop)
                record(answer, account=account, candidates=accounts, decision=decision, seconds=now - begun)
        batch.take(answers)
        batch.give_up(row for row in todo if row not in going_on)
        return going_on

    def _goes_on(self, error: SendError, message: Message) -> bool:
        """Return whether the next account is tried after ``error``."""
        if isinstance(error, UncertainError):
            return message.purpose in self.duplicates and error.reason != "cancelled" and not final(error)
        return elsewhere(error)

    def _judge(self, breaker: Breaker, account: str, answers: Sequence[Result], begun: float, now: float) -> None:
        """Record the answers of a request in ``breaker``: only the provider's own faults count, once per request.

        Errors that never reached the provider do not count. A pause that the vendor asks for is kept, within limits.
        """
        errors = [answer.error for answer in answers]
        if not any(errors):
            breaker.worked()
            return
        asked = max(map(asked_pause, errors))
        if asked:
            breaker.hold(now + kept(asked, account))
        told = [fault for fault in map(fault_of, errors) if fault != "local"]
        if not told:
            breaker.dropped(begun)
        elif all(fault == "provider" for fault in told):
            breaker.failed(now)
        else:
            breaker.worked()

    # --- afterwards: to the account that took the text ----------------------------------------------------------------

    def status(self, sent: SentMessage) -> Flow[DeliveryReport]:
        return self._holder(sent.account).status(sent)

    def lookup(self, reference: str) -> Flow[SentMessage | None]:
        """Look up ``reference`` at each account in order, and return the first text that is found.

        None if no account finds a text. Errors of accounts are raised only if no account finds the text.
        """
        able = [account for account in self.accounts if Capability.LOOKUP in account.capabilities]
        if not able:
            raise self.unsupported("looking a text up by its reference")
        problem: QueryError | ConfigurationError | None = None
        for account in able:
            try:
                found = yield from query(account, _lookup(account, reference))
            except (QueryError, ConfigurationError) as error:
                problem = problem or error
                continue
            if found is not None:
                return found
        if problem is not None:
            raise problem
        return None

    def balance(self) -> Flow[list[Balance]]:
        """Return the balances of all accounts that can tell them.

        The name of each service begins with the account's name.
        """
        able = [account for account in self.accounts if Capability.BALANCE in account.capabilities]
        if not able:
            raise self.unsupported("asking for the balance")
        found = []
        for account in able:
            balances = yield from query(account, account.balance)
            found += [
                Balance(service=f"{account.account}: {left.service}", amount=left.amount, unit=left.unit, raw=left.raw)
                for left in balances
            ]
        return found

    def check_verification(self, verification: Verification, code: str) -> Flow[VerificationCheck]:
        return self._holder(verification.account).check_verification(verification, code)

    def cancel_verification(self, verification: Verification) -> Flow[None]:
        return self._holder(verification.account).cancel_verification(verification)

    def receiver(self, webhook: HttpRequest) -> SmsProvider:
        for account in self.accounts:
            if Capability.WEBHOOKS not in account.capabilities:
                continue
            try:
                receiver = receiver_of(account, webhook)
                receiver.verify(webhook)
            # After any error, the webhook is not proven to come from this account.
            except Exception:  # noqa: BLE001, S112
                continue
            return receiver
        raise SignatureError("the webhook is not proven to come from any of the accounts: check their webhook secrets")

    def verify(self, webhook: HttpRequest) -> None:
        self.receiver(webhook)

    def parse(self, webhook: HttpRequest) -> Any:
        return self.receiver(webhook).parse(webhook)

    def observe(self, event: Event) -> Flow[Event | None]:
        for account in self.accounts:
            if event.account in account_names(account):
                event = yield from observe(account, event)
        return event

    def _holder(self, account: str) -> SmsProvider:
        for provider in self.accounts:
            if account in account_names(provider):
                return provider
        names = ", ".join(provider.account for provider in self.accounts)
        raise ConfigurationError(
            f"account {self.account!r} holds several accounts: name the one that took the text ({names})"
        )


def _lookup(provider: SmsProvider, reference: str) -> Callable[[], Flow[SentMessage | None]]:
    return lambda: provider.lookup(reference)


def _decision(answer: Result, following: SmsProvider | None, stop: BaseException | None) -> str:
    if answer.error is None:
        return "done"
    if stop is not None:
        return "cancelled"
    return f"next: {following.account}" if following else "given up"


def _left_alone(account: SmsProvider, breaker: Breaker, message: Message, wait: float) -> SendError:
    error: SendError
    if breaker.held:
        error = RateLimitedError("the provider asked for a pause", reason="retry-after", retry_after=wait)
    else:
        words = "the account is paused after several faults of its provider"
        error = UnavailableError(words, reason="circuit-open", retry_after=wait)
    return own(error, account, message)
