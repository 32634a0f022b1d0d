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
from smsbridge.composite import each
from smsbridge.errors import (
    ConfigurationError,
    ContentError,
    RefusedError,
    SendError,
    UncertainError,
)
from smsbridge.flow import Flow
from smsbridge.forks import cached_property
from smsbridge.messages import Foresight, Message, Result, SentMessage
from smsbridge.policies.asking import ask_for
from smsbridge.policies.batch import Batch
from smsbridge.policies.outcomes import not_sent
from smsbridge.policies.policy import Finding, Place, Policy
from smsbridge.policies.records import record_always
from smsbridge.privacy import own
from smsbridge.promise import Overdue
from smsbridge.provider import Capability, SmsProvider
from smsbridge.rehearsal import Rehearsal, newest
from smsbridge.stores.blocking import at_once
from smsbridge.stores.choice import PATH_IN_CODE, SETTING, chosen, opened, part_of, problem_of, stand_in, store_of
from smsbridge.stores.entries import Claim, Entry, Kind, Outcome, State, Unwritable
from smsbridge.stores.kept import FileEntries, MemoryEntries
from smsbridge.stores.seam import Entries
from smsbridge.stores.sqlite import LEDGER
from smsbridge.stores.sqlite_file import Sync
from smsbridge.stores.writer import log_lost


class LedgerPolicy(Policy):
    """Records each text in a store before it leaves, and what became of it afterwards.

    A reference that was accepted is not sent again, through whatever account: what was recorded is returned. One that
    was refused may be sent again. One that may have been sent is not: it is looked up where the provider can do that,
    and is an UncertainError with the reason ``in-ledger`` unless it is found. The same reference with other content is
    a ContentError (``reference-reused``). A text that cannot be recorded is refused (``ledger``).

    Threads and tasks may share the store; processes too, unless it is memory. It holds no text and no full number: a
    hash with ``key`` tells whether content is the same. Without ``key``, one is made and kept in the store; whoever has
    that can then try out what a text may have been.
    """

    name = "ledger"
    place = Place.RECORD
    advice: ClassVar[Mapping[str, str]] = {
        "reference-reused": "use another reference; smsbridge ledger explain says what was sent under this one",
        "ledger": "the provider was not asked; smsbridge doctor says what is wrong with the ledger",
    }

    in_code: ClassVar[Mapping[str, tuple[str, str]]] = PATH_IN_CODE

    store: SecretStr | None = Field(
        default=None, description="URL of the store, such as sqlite:///ledger.db; default: SMSBRIDGE_STORE; or off."
    )
    path: Path | None = Field(default=None, description="Short for the store in this SQLite file.")
    key: SecretStr | None = Field(
        default=None,
        min_length=16,
        description="Key of the hashes, 16 characters or more; default: one kept in the store.",
    )
    sync: Sync = Field(
        default="normal", description="What a record survives: normal a crash of the process, full also a power cut."
    )
    keep_days: int = Field(
        default=90, ge=1, le=36500, description="Days after which what is accepted or refused is forgotten."
    )

    _kept: Entries | None = PrivateAttr(default=None)
    _hash_key: bytes = PrivateAttr(default=b"")
    _in_production: bool | None = PrivateAttr(default_factory=environment.known_production)

    @cached_property
    def _clock(self) -> Callable[[], float]:
        """No private attribute: a model takes microseconds to find one of those."""
        return time.monotonic

    def model_post_init(self, context: Any, /) -> None:
        super().model_post_init(context)
        if any(isinstance(one, LedgerPolicy) for one in each(self.inner)):
            raise ConfigurationError(f"account {self.account} is a ledger around another ledger: leave one of them out")
        if self.path is None and self.store is None:
            raise ConfigurationError(
                f"a ledger needs a store: set {environment.variable(None, SETTING)} or "
                f"{environment.variable(self.name, SETTING)}, such as sqlite:///ledger.db"
            )

    @classmethod
    def applies(cls, inner: SmsProvider, *, is_set: bool) -> bool:
        choice = chosen(f"{inner.account}_{cls.name}", cls.name)
        return not choice.is_off and (is_set or choice.url is not None)

    @classmethod
    def around(cls, inner: SmsProvider, *accounts: str, **given: Any) -> Self:
        return super().around(inner, *accounts, **given).checked()

    @classmethod
    def completed(cls, accounts: Sequence[str], given: Mapping[str, Any]) -> Mapping[str, Any]:
        return {**store_of(accounts, given), **given}

    def checked(self) -> Self:
        """Return the same policy. Raises ConfigurationError if the ledger is there already and was made with another
        key.

        Or if its file is not, in production: elsewhere it is made when the first text is sent. A store without a file
        is asked with the first text.
        """
        if newest() is not None:
            return self
        entries = self._entries()
        if not isinstance(entries, FileEntries):
            return self
        if entries.is_made:
            try:
                self._hash_key = at_once(entries.identify(self._given_key()))
            except ConfigurationError as error:
                raise ConfigurationError(f"{environment.variable('ledger', 'key')}: {error}") from None
            except (Unwritable, Overdue):  # each text that is refused says so
                pass
        elif entries.is_absent and environment.in_production():
            raise ConfigurationError(LEDGER.only_on_purpose(entries.path))
        return self

    def foresee(self, message: Message, *, now: datetime) -> Foresight:
        batch = Batch([message])
        try:
            there, claim = self._known(message)
        except Exception as problem:  # noqa: BLE001  # its text may quote anything
            ours = isinstance(problem, Unwritable | ConfigurationError | Overdue)
            self._refuse(batch, [0], str(problem) if ours else type(problem).__name__)
        else:
            if there is None or there.gives_way_to(claim):
                unseen = "; what it has already is not looked into here" if self._is_in_memory() else ""
                return self._would_pass(message, f"records it first{unseen}", now=now)
            self._answer(batch, 0, there, claim)
        error = batch.results[0].error
        if error is not None:
            return self._would_refuse(error, message)
        words = "has it already, as accepted: that is the answer, and nothing is sent again"
        return Foresight(account=self.account, provider=self.name, verdict="would skip", words=words)

    def findings(self) -> Iterable[Finding]:
        """Whether the store can be used. Makes no file, and in a rehearsal opens none."""
        problem = problem_of(self.path, self.store, "entries")
        if problem is not None:
            yield Finding(
                "error",
                f"the ledger cannot be used: {problem}",
                "as it is, every text would be refused: name a ledger, or a file that can be made",
            )

    def close(self) -> None:
        super().close()
        if self._kept is not None:
            self._kept.close()  # not every process that ends runs what is registered for its exit

    def forget(self, rehearsal: Rehearsal) -> None:
        self._kept, self._hash_key = stand_in(self.path, self.store, rehearsal).entries(keep=timedelta(0)), b""

    def _is_in_memory(self) -> bool:
        return isinstance(self._kept, MemoryEntries)

    def _entries(self) -> Entries:
        """Where the entries are kept, opened when they are asked for first."""
        if self._kept is None:
            store = opened(self.path, self.store, in_production=self._in_production)
            self._kept = part_of(store, "entries", store.entries(keep=timedelta(days=self.keep_days), sync=self.sync))
        return self._kept

    # --- sending ------------------------------------------------------------------------------------------------------

    def carry(self, batch: Batch) -> Flow[None]:
        todo = batch.open
        while todo and batch.stop is None:
            first: dict[str | None, int] = {}
            for row in todo:
                first.setdefault(batch.messages[row].reference, row)
            yield from self._send_rows(batch, list(first.values()))
            todo = batch.open  # repeats in this batch: by now the ledger knows

    # --- inside -------------------------------------------------------------------------------------------------------

    def _send_rows(self, batch: Batch, rows: Sequence[int]) -> Flow[None]:
        """Send those messages at ``rows`` whose references are new; afterwards, something is known of each."""
        begun = self._clock()
        claims: dict[int, Claim] = {}
        there: dict[int, Entry] = {}
        inside = False
        try:
            there = yield from self._claim(batch, rows, claims)
            for row, entry in there.items():  # before anything is awaited: to be interrupted must not hide a doubt
                self._answer(batch, row, entry, claims[row])
            mine = [row for row in claims if row not in there]
            inside = True
            answers = yield from batch.through(self.inner, mine)
            self._record_results(answers, [claims[row] for row in mine])
            batch.take(answers)
            batch.give_up(mine)
        except (Unwritable, ConfigurationError) as problem:  # no claim was made
            inside = True
            self._refuse(batch, rows, str(problem))
        except Exception as problem:  # its text may quote anything
            if inside:
                raise
            self._refuse(batch, rows, str(problem) if isinstance(problem, Overdue) else type(problem).__name__)
        finally:
            if not inside:  # the claims may have been made, or may still be
                self._entries().release(list(claims.values()))
        if there and batch.stop is None:
            yield from self._answer_all(batch, there, claims, begun)

    def _claim(self, batch: Batch, rows: Sequence[int], claims: dict[int, Claim]) -> Flow[dict[int, Entry]]:
        """Claim the messages at ``rows``, noting the ``claims``. Returns the entries in the way of some of them."""
        if not self._hash_key:
            self._hash_key = yield from self._entries().identify(self._given_key())
        key = self._hash_key
        kind = Kind.CODE if batch.verification else Kind.TEXT
        for row in rows:
            claims[row] = Claim.of(batch.messages[row], account=self.account, kind=kind, key=key)
        there = yield from self._entries().claim(list(claims.values()))
        return {row: entry for row, entry in zip(rows, there, strict=True) if entry is not None}

    def _refuse(self, batch: Batch, rows: Iterable[int], detail: str) -> None:
        """Refuse those messages at ``rows`` of which nothing is known, since there are no claims, or none any more."""
        for row in (row for row in rows if row not in batch.results):
            words = "the text cannot be recorded in the ledger, so it is not sent"
            refused = RefusedError(words, reason="ledger", fault="local", detail=detail)
            batch.fail(row, own(refused, self, batch.messages[row]))

    def _answer_all(
        self, batch: Batch, there: Mapping[int, Entry], claims: Mapping[int, Claim], begun: float
    ) -> Flow[None]:
        """Answer from the ledger, and look up what is in doubt."""
        doubtful = {row: entry for row, entry in there.items() if self._answer(batch, row, entry, claims[row])}
        texts = {row: entry for row, entry in doubtful.items() if entry.claim.kind is Kind.TEXT}
        if texts and Capability.LOOKUP in self.inner.capabilities:  # no vendor finds a code by its reference
            yield from self._look_up(batch, texts)
        for row in there:
            decision = "not sent again: in doubt" if row in doubtful else "not sent again: in the ledger"
            seconds = self._clock() - begun
            record_always(
                batch.results[row], account=self, candidates=(self.inner,), decision=decision, seconds=seconds
            )

    def _answer(self, batch: Batch, row: int, entry: Entry, claim: Claim) -> bool:
        """Answer from the ledger; whether that leaves a doubt."""
        message = batch.messages[row]
        error: SendError
        if entry.claim.content != claim.content:
            error = ContentError("another message has had this reference", reason="reference-reused", fault="message")
        elif entry.state is State.ACCEPTED:
            is_text = entry.claim.kind is Kind.TEXT
            sent = entry.sent_message(message.to) if is_text else entry.verification(message.to)
            batch.accept(row, cast("SentMessage", sent))
            return False
        else:
            words = "it may have been sent before under this reference, so it is not sent again"
            since = f"{entry.state} since {entry.since:%Y-%m-%d %H:%M:%S} UTC"
            error = UncertainError(words, reason="in-ledger", fault="local", detail=since)
        batch.fail(row, own(error, self, message))
        return isinstance(error, UncertainError)

    def _look_up(self, batch: Batch, doubtful: Mapping[int, Entry]) -> Flow[None]:
        """Settle what can be settled of the texts that may have been sent before."""
        proof = self.inner.absence_proven_after
        for row, entry in doubtful.items():
            found, absent = yield from ask_for(self.inner, batch.messages[row])
            error = batch.results[row].error
            if found is not None:
                batch.accept(row, replace(found, repeated=True))
                self._record([Entry(claim=entry.claim, outcome=Outcome.accepted(found, reason="lookup"))])
            elif absent and error is not None and entry.claim.account == self.account and entry.proven_absent(proof):
                batch.fail(row, not_sent(error))
                self._record([Entry(claim=entry.claim, outcome=Outcome.refused("absent"))])

    def _known(self, message: Message) -> tuple[Entry | None, Claim]:
        """What is recorded under the reference of ``message``, and the claim that sending it would make.

        Makes no file.
        """
        entries = self._entries()
        there = entries.is_made if isinstance(entries, FileEntries) else True
        key = self._hash_key or (at_once(entries.identify(self._given_key())) if there else b"")
        claim = Claim.of(message, account=self.account, kind=Kind.TEXT, key=key)
        return (at_once(entries.find(claim.reference)) if there else None), claim

    def _record_results(self, results: Sequence[Result], claims: Iterable[Claim]) -> None:
        try:
            outcomes = map(Outcome.of, results)
            entries = [Entry(claim=claim, outcome=one) for claim, one in zip(claims, outcomes, strict=True)]
        except Exception as error:  # noqa: BLE001  # values of a kind that nobody foresaw: they stay open
            log_lost(error, len(results))
        else:
            self._record(entries)

    def _record(self, entries: Sequence[Entry]) -> None:
        """Not awaited.

        To be interrupted here would cast a doubt on what is known. What is asked next comes after it.
        """
        self._entries().record(entries)

    def _given_key(self) -> bytes | None:
        return self.key.get_secret_value().encode() if self.key is not None else None
