"""Ledger: each text is recorded before it leaves, so that none is sent twice, not even after a crash."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar, Self, cast

from pydantic import Field, PrivateAttr, SecretStr

from smsbridge import environment
from smsbridge.attempts import Interrupted, attempt, attempt_all, placed
from smsbridge.errors import (
    ConfigurationError,
    ContentError,
    RefusedError,
    SendError,
    UncertainError,
)
from smsbridge.hookspecs import hookimpl
from smsbridge.http import Await, Flow
from smsbridge.messages import Foresight, Message, Result, SentMessage, Verification
from smsbridge.own_file import is_known
from smsbridge.privacy import own
from smsbridge.promise import Overdue, Promise
from smsbridge.provider import Capability, SmsProvider, each
from smsbridge.rehearsal import Rehearsal, newest

from .asking import Send, ask_for, attempt_verifications
from .entries import Claim, Entry, Kind, Outcome, State, Store, Unwritable
from .in_memory import MemoryStore, MemoryWriter
from .outcomes import Tries, not_sent, sent_of
from .policy import Named, Policy, state
from .records import record_always
from .sqlite import LEDGER, SqliteStore, Sync
from .writer import Writer, log_lost, shared

_LONGEST = 20.0
"""Seconds that an answer of the writer is waited for where no client does; see Await."""


class LedgerPolicy(Policy):
    """Records each text in ``path``, a SQLite file, before it leaves, and what became of it afterwards.

    A reference that was accepted is not sent again, through whatever account: what was recorded is returned. One that was refused
    may be sent again. One that may have been sent is not: it is looked up where the provider can do that, and is an UncertainError
    with the reason ``in-ledger`` unless it is found. The same reference with other content is a ContentError
    (``reference-reused``). A text that cannot be recorded is refused (``ledger``).

    Threads, tasks and processes of one machine may share the file. It holds no text and no full number: a hash with ``key`` tells
    whether content is the same. Without ``key``, one is made and kept in the file; whoever has the file can then try out what a
    text may have been.
    """

    name: ClassVar[Any] = Named("ledger")

    path: Path = Field(description="The SQLite file; it is made with mode 0600, and has two others beside it.")
    key: SecretStr | None = Field(
        default=None,
        min_length=16,
        description="Key of the hashes, 16 characters or more; default: one kept in the file.",
    )
    sync: Sync = Field(
        default="normal", description="What a record survives: normal a crash of the process, full also a power cut."
    )
    keep_days: int = Field(
        default=90, ge=1, le=36500, description="Days after which what is accepted or refused is forgotten."
    )

    _writer: Writer | MemoryWriter | None = PrivateAttr(default=None)
    _hash_key: bytes = PrivateAttr(default=b"")
    _clock: Callable[[], float] = PrivateAttr(default=time.monotonic)

    def model_post_init(self, context: Any, /) -> None:
        super().model_post_init(context)
        if any(isinstance(one, LedgerPolicy) for one in each(self.inner)):
            raise ConfigurationError(f"account {self.account} is a ledger around another ledger: leave one of them out")

    @classmethod
    def around(cls, inner: SmsProvider, *accounts: str, **given: Any) -> Self:
        return super().around(inner, *accounts, **given).checked()

    def checked(self) -> Self:
        """Return the same policy. Raises ConfigurationError if the ledger is there already and was made with another key.

        Or if it is not, in production: elsewhere it is made when the first text is sent.
        """
        if newest() is not None:
            return self
        if self.path.is_file():
            try:
                self._hash_key = self._identified().result(_LONGEST)
            except ConfigurationError as error:
                raise ConfigurationError(f"{environment.variable('ledger', 'key')}: {error}") from None
            except (Unwritable, Overdue):  # each text that is refused says so
                pass
        elif type(self).store is LedgerPolicy.store and not self.path.exists() and environment.in_production():
            raise ConfigurationError(LEDGER.only_on_purpose(self.path))
        return self

    def foresee(self, message: Message, *, now: datetime) -> Foresight:
        tries = Tries([message])
        try:
            there, claim = self._known(message)
        except Exception as problem:  # noqa: BLE001  # see there
            self._not_claimed(tries, [0], {}, problem)
        else:
            if there is None or there.gives_way_to(claim):
                unseen = "; what it has already is not looked into here" if self._is_in_memory() else ""
                return self._would_pass(message, f"records it first{unseen}", now=now)
            self._answer(tries, 0, there, claim)
        error = tries.results[0].error
        if error is not None:
            return self._would_refuse(error, message)
        words = "has it already, as accepted: that is the answer, and nothing is sent again"
        return Foresight(account=self.account, provider=type(self).name, verdict="would skip", words=words)

    def close(self) -> None:
        super().close()
        if self._writer is not None:
            self._writer.close()  # not every process that ends runs what is registered for its exit

    def forget(self, rehearsal: Rehearsal) -> None:
        which = (type(self), self.path.absolute())
        self._writer, self._hash_key = rehearsal.shared(which, lambda: MemoryWriter(MemoryStore())), b""

    def _is_in_memory(self) -> bool:
        return isinstance(self._writer, MemoryWriter)

    def store(self) -> Store:
        """Where entries are kept. Another store needs this method alone."""
        return SqliteStore(self.path.absolute(), sync=self.sync, create=not environment.in_production())

    # --- sending ----------------------------------------------------------------------------------------------------------

    def send(self, message: Message) -> Flow[SentMessage]:
        key: bytes = state(self, "_hash_key")
        if not key:
            return sent_of(*(yield from self._send_once([message], attempt_all)))
        # What follows is the same for one text that nothing is wrong with, in little more than half the time.
        claims: dict[int, Claim] = {}
        begun = state(self, "_clock")()
        inside = False
        try:
            claims[0] = claim = Claim.of(message, account=self.account, kind=Kind.TEXT, key=key)
            (there,) = yield from Await(self._books().do(lambda store: store.claim([claim])))
            if there is None:
                inside = True
                sent = yield from attempt(self.inner, message)
                self._record_results([Result(index=0, message=message, sent=sent)], [claim])
                return sent
        except BaseException as problem:
            tries = Tries([message])
            if inside:
                self._record_failure(tries, claims[0], problem)
                raise
            self._not_claimed(tries, [0], claims, problem)
            return sent_of(tries.results[0])
        tries = Tries([message])
        yield from self._answer_all(tries, {0: there}, claims, begun)
        return sent_of(tries.results[0])

    def send_batch(self, messages: Sequence[Message]) -> Flow[list[Result]]:
        return self._send_once(messages, attempt_all)

    def start_verification(self, message: Message) -> Flow[Verification]:
        results = yield from self._send_once([message], attempt_verifications, Kind.CODE)
        return cast("Verification", sent_of(*results))

    # --- inside -----------------------------------------------------------------------------------------------------------

    def _send_once(self, messages: Sequence[Message], send: Send, kind: Kind = Kind.TEXT) -> Flow[list[Result]]:
        tries = Tries(messages)
        todo = list(range(len(messages)))
        while todo:
            first: dict[str | None, int] = {}
            for row in todo:
                first.setdefault(messages[row].reference, row)
            yield from self._send_rows(tries, list(first.values()), send, kind)
            todo = [row for row in todo if row not in tries.results]  # repeats in this batch: by now the ledger knows
        return tries.in_order()

    def _send_rows(self, tries: Tries, rows: Sequence[int], send: Send, kind: Kind) -> Flow[None]:
        """Send those messages at ``rows`` whose references are new; afterwards, something is known of each."""
        begun = self._clock()
        claims: dict[int, Claim] = {}
        inside = False
        try:
            there = yield from self._claim(tries, rows, kind, claims)
            mine = {row: claim for row, claim in claims.items() if row not in there}
            for row, entry in there.items():  # before anything is awaited: to be interrupted must not hide a doubt
                self._answer(tries, row, entry, claims[row])
            if mine:
                inside = True
                yield from self._send_claimed(tries, mine, send)
        except BaseException as problem:
            if inside:
                raise
            self._not_claimed(tries, rows, claims, problem)
            return
        if there:
            yield from self._answer_all(tries, there, claims, begun)

    def _claim(self, tries: Tries, rows: Sequence[int], kind: Kind, claims: dict[int, Claim]) -> Flow[dict[int, Entry]]:
        """Claim the messages at ``rows``, noting the ``claims``. Returns the entries in the way of some of them."""
        if not self._hash_key:
            self._hash_key = yield from Await(self._identified())
        key: bytes = state(self, "_hash_key")
        for row in rows:
            claims[row] = Claim.of(tries.messages[row], account=self.account, kind=kind, key=key)
        wanted = list(claims.values())
        there = yield from Await(self._books().do(lambda store: store.claim(wanted)))
        return {row: entry for row, entry in zip(rows, there, strict=True) if entry is not None}

    def _not_claimed(
        self, tries: Tries, rows: Iterable[int], claims: Mapping[int, Claim], problem: BaseException
    ) -> None:
        """Refuse the messages at ``rows``, since there are no claims, or none any more; raise what came from outside."""
        ours = isinstance(problem, Unwritable | ConfigurationError)
        if not ours:  # the claims may have been made, or may still be
            self._release(claims.values())
        if not isinstance(problem, Exception):
            if isinstance(problem, GeneratorExit):
                raise problem
            raise tries.interrupted(problem) from None
        detail = str(problem) if ours or isinstance(problem, Overdue) else type(problem).__name__
        for row in (row for row in rows if row not in tries.results):
            words = "the text cannot be recorded in the ledger, so it is not sent"
            refused = RefusedError(words, reason="ledger", fault="local", detail=detail)
            tries.fail(row, own(refused, self, tries.messages[row]))

    def _answer_all(
        self, tries: Tries, there: Mapping[int, Entry], claims: Mapping[int, Claim], begun: float
    ) -> Flow[None]:
        """Answer from the ledger, and look up what is in doubt."""
        doubtful = {row: entry for row, entry in there.items() if self._answer(tries, row, entry, claims[row])}
        texts = {row: entry for row, entry in doubtful.items() if entry.claim.kind is Kind.TEXT}
        if texts and Capability.LOOKUP in self.inner.capabilities:  # no vendor finds a code by its reference
            yield from self._look_up(tries, texts)
        for row in there:
            decision = "not sent again: in doubt" if row in doubtful else "not sent again: in the ledger"
            seconds = self._clock() - begun
            record_always(
                tries.results[row], account=self, candidates=(self.inner,), decision=decision, seconds=seconds
            )

    def _answer(self, tries: Tries, row: int, entry: Entry, claim: Claim) -> bool:
        """Answer from the ledger; whether that leaves a doubt."""
        message = tries.messages[row]
        error: SendError
        if entry.claim.content != claim.content:
            error = ContentError("another message has had this reference", reason="reference-reused", fault="message")
        elif entry.state is State.ACCEPTED:
            is_text = entry.claim.kind is Kind.TEXT
            sent = entry.sent_message(message.to) if is_text else entry.verification(message.to)
            tries.accept(row, cast("SentMessage", sent))
            return False
        else:
            words = "it may have been sent before under this reference, so it is not sent again"
            since = f"{entry.state} since {entry.since:%Y-%m-%d %H:%M:%S} UTC"
            error = UncertainError(words, reason="in-ledger", fault="local", detail=since)
        tries.fail(row, own(error, self, message))
        return isinstance(error, UncertainError)

    def _send_claimed(self, tries: Tries, claims: Mapping[int, Claim], send: Send) -> Flow[None]:
        rows = list(claims)
        try:
            answers = yield from send(self.inner, [tries.messages[row] for row in rows])
        except Interrupted as stop:
            interrupted = tries.interrupted(stop, rows)
            self._record_results([tries.results[row] for row in rows], claims.values())
            raise interrupted from None
        tries.results.update(placed(rows, answers))
        self._record_results(answers, claims.values())

    def _look_up(self, tries: Tries, doubtful: Mapping[int, Entry]) -> Flow[None]:
        """Settle what can be settled of the texts that may have been sent before."""
        proof = self.inner.absence_proven_after
        for row, entry in doubtful.items():
            try:
                found, absent = yield from ask_for(self.inner, tries.messages[row])
            except (Exception, GeneratorExit):
                raise
            except BaseException as stop:  # noqa: BLE001  # cancelled while nothing was on its way
                raise tries.interrupted(stop) from None
            error = tries.results[row].error
            if found is not None:
                tries.accept(row, replace(found, repeated=True))
                self._record([Entry(claim=entry.claim, outcome=Outcome.accepted(found, reason="lookup"))])
            elif absent and error is not None and entry.claim.account == self.account and entry.proven_absent(proof):
                tries.fail(row, not_sent(error))
                self._record([Entry(claim=entry.claim, outcome=Outcome.refused("absent"))])

    def _known(self, message: Message) -> tuple[Entry | None, Claim]:
        """What is recorded under the reference of ``message``, and the claim that sending it would make. Makes no file."""
        there = self._is_in_memory() or self.path.exists() or is_known(LEDGER, self.path)
        key = self._hash_key or (self._identified().result(_LONGEST) if there else b"")
        claim = Claim.of(message, account=self.account, kind=Kind.TEXT, key=key)
        found = self._books().do(lambda store: store.find(claim.reference)).result(_LONGEST) if there else None
        return found, claim

    def _record_failure(self, tries: Tries, claim: Claim, problem: BaseException) -> None:
        """Record what is known of the one message of ``tries``: nothing, if ``problem`` says nothing; then its entry stays open."""
        if isinstance(problem, Interrupted):
            self._record_results(tries.interrupted(problem, [0]).results, [claim])
        elif isinstance(problem, SendError):
            self._record_results([Result(index=0, message=tries.messages[0], error=problem)], [claim])

    def _record_results(self, results: Sequence[Result], claims: Iterable[Claim]) -> None:
        try:
            outcomes = map(Outcome.of, results)
            entries = [Entry(claim=claim, outcome=one) for claim, one in zip(claims, outcomes, strict=True)]
        except Exception as error:  # noqa: BLE001  # values of a kind that nobody foresaw: they stay open
            log_lost(error, len(results))
        else:
            self._record(entries)

    def _record(self, entries: Sequence[Entry]) -> None:
        """Not awaited: to be interrupted here would cast a doubt on what is known. What is asked next comes after it."""
        self._books().record(entries)

    def _release(self, claims: Iterable[Claim]) -> None:
        """Give up claims whose texts never left; in its turn, because they may not have been made yet."""
        entries = [Entry(claim=claim, outcome=Outcome.refused("cancelled")) for claim in claims]
        self._books().do(lambda store: store.record(entries))

    def _identified(self) -> Promise[bytes]:
        key = self.key.get_secret_value().encode() if self.key is not None else None
        return self._books().do(lambda store: store.identify(key))

    def _books(self) -> Writer | MemoryWriter:
        writer: Writer | MemoryWriter | None = state(self, "_writer")
        if writer is None:
            which = (type(self), self.path.absolute(), self.sync, self.keep_days)
            keep = timedelta(days=self.keep_days)
            writer = self._writer = shared(which, lambda: Writer(self.store(), keep=keep))
        return writer


@hookimpl
def smsbridge_providers() -> list[type[SmsProvider]]:
    return [LedgerPolicy]
