"""The ledger policy: it records each text before it leaves, so that no text is sent twice, not even after a crash."""

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
from smsbridge.policies.policy import Finding, Place, Surroundings
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
from smsbridge.stores.sqlite_file import Sync
from smsbridge.stores.sqlite_schema import LEDGER
from smsbridge.stores.writer import log_lost

from .reporting import Reporting


class LedgerPolicy(Reporting):
    """Records each text in a store before it leaves, and its outcome afterwards.

    What happens if a text is sent again with the same reference depends on the record. If the text was accepted,
    through any account, nothing is sent and the recorded answer is returned. If it was refused, it is sent again. If it
    may have been sent, nothing is sent: the text is looked up if the provider can look up references, and if it is not
    found, UncertainError is raised with the reason ``in-ledger``. If the text has other content than the recorded text,
    ContentError is raised (``reference-reused``). A text that cannot be recorded is refused (``ledger``).

    Threads and tasks may share the store; processes may share it unless the store is in memory. The store holds no
    message text and no full number: a hash with ``key`` shows whether content is the same. Without ``key``, a key is
    made and kept in the store; a reader of the store can then test guesses of what a text was.
    """

    name = "ledger"
    place = Place.RECORD
    advice: ClassVar[Mapping[str, str]] = {
        "reference-reused": "use another reference; smsbridge texts show says what was sent under this one",
        "ledger": "the provider was not asked; smsbridge doctor says what is wrong with the ledger",
    }

    in_code: ClassVar[Mapping[str, tuple[str, str]]] = PATH_IN_CODE

    store: SecretStr | None = Field(
        default=None,
        description="URL of the store; on: SMSBRIDGE_STORE; off: no ledger. Default: SMSBRIDGE_STORE, or no ledger.",
    )
    path: Path | None = Field(default=None, description="Short for the store in this SQLite file.")
    key: SecretStr | None = Field(
        default=None,
        min_length=16,
        description="Key of the hashes, 16 characters or more; default: a key kept in the store.",
    )
    sync: Sync = Field(
        default="normal", description="What a record survives: normal a crash of the process, full also a power cut."
    )
    keep_days: int = Field(
        default=90, ge=1, le=36500, description="Days after which accepted and refused texts are deleted."
    )

    keep_numbers: bool = Field(
        default=False, description="Keep phone numbers in full, except those of one-time codes; else masked."
    )
    keep_texts: bool = Field(
        default=False, description="Keep texts, except one-time codes; else only a keyed hash of each."
    )

    _kept: Entries | None = PrivateAttr(default=None)
    _hash_key: bytes = PrivateAttr(default=b"")
    _in_production: bool | None = PrivateAttr(default_factory=environment.known_production)

    @cached_property
    def _clock(self) -> Callable[[], float]:
        """The clock. Not a private attribute, which takes pydantic microseconds to find."""
        return time.monotonic

    def model_post_init(self, context: Any, /) -> None:
        super().model_post_init(context)
        if any(isinstance(provider, LedgerPolicy) for provider in each(self.inner)):
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

    @classmethod
    def standing(cls, inner: SmsProvider, *accounts: str, around: Surroundings | None = None) -> Self:
        made = cls.around(inner, *accounts)
        return made if around is None else made.telling(around.status_changed)

    def checked(self) -> Self:
        """Check the file of the ledger, and return this policy.

        Raises ConfigurationError if the existing ledger was made with another key, or if its file is missing in
        production. Outside production, a missing file is created when the first text is sent. A store without a file is
        checked when the first text is sent.
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
            # Each text that is refused says so.
            except (Unwritable, Overdue):
                pass
        elif entries.is_absent and environment.in_production():
            raise ConfigurationError(LEDGER.only_on_purpose(entries.path))
        return self

    def foresee(self, message: Message, *, now: datetime) -> Foresight:
        batch = Batch([message])
        try:
            there, claim = self._known(message)
        except Exception as problem:  # noqa: BLE001  # the error's words may quote anything
            ours = isinstance(problem, Unwritable | ConfigurationError | Overdue)
            self._refuse(batch, [0], str(problem) if ours else type(problem).__name__)
        else:
            if there is None or there.gives_way_to(claim):
                unseen = "; its earlier entries are not looked into here" if self._is_in_memory() else ""
                return self._would_pass(message, f"records it first{unseen}", now=now)
            self._answer(batch, 0, there, claim)
        error = batch.results[0].error
        if error is not None:
            return self._would_refuse(error, message)
        words = "has it recorded as accepted: it answers from the record and sends nothing"
        return Foresight(account=self.account, provider=self.name, verdict="would skip", words=words)

    def findings(self) -> Iterable[Finding]:
        """Yield a finding if the store cannot be used.

        Creates no file, and opens no file in a rehearsal such as a dry run.
        """
        problem = problem_of(self.path, self.store, "entries")
        if problem is not None:
            yield Finding(
                "error",
                f"the ledger cannot be used: {problem}",
                "every text would be refused: name a ledger, or a file that can be created",
            )

    def close(self) -> None:
        super().close()
        if self._kept is not None:
            # Not every process runs its exit handlers when it ends.
            self._kept.close()

    def forget(self, rehearsal: Rehearsal) -> None:
        self._kept, self._hash_key = stand_in(self.path, self.store, rehearsal).entries(keep=timedelta(0)), b""

    def _is_in_memory(self) -> bool:
        return isinstance(self._kept, MemoryEntries)

    def _entries(self) -> Entries:
        """The store's entries, opened at first use."""
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
            # What is left repeats a reference of this batch, which the ledger knows by now.
            todo = batch.open

    # --- inside -------------------------------------------------------------------------------------------------------

    def _send_rows(self, batch: Batch, rows: Sequence[int]) -> Flow[None]:
        """Send the messages at ``rows`` whose references are new; afterwards each row has a result."""
        begun = self._clock()
        claims: dict[int, Claim] = {}
        there: dict[int, Entry] = {}
        inside = False
        try:
            there = yield from self._claim(batch, rows, claims)
            # Before anything is awaited: an interruption must not hide a doubt.
            for row, entry in there.items():
                self._answer(batch, row, entry, claims[row])
            mine = [row for row in claims if row not in there]
            inside = True
            answers = yield from batch.through(self.inner, mine)
            self._record_results(answers, [claims[row] for row in mine])
            batch.take(answers)
            batch.give_up(mine)
        # No claim was made.
        except (Unwritable, ConfigurationError) as problem:
            inside = True
            self._refuse(batch, rows, str(problem))
        # The error's words may quote anything.
        except Exception as problem:
            if inside:
                raise
            self._refuse(batch, rows, str(problem) if isinstance(problem, Overdue) else type(problem).__name__)
        finally:
            # The claims may have been made, or may still be made.
            if not inside:
                self._entries().release(list(claims.values()))
        if batch.stop is None:
            yield from self._catch_up([claims[row].reference for row in claims if row not in there])
        if there and batch.stop is None:
            yield from self._answer_all(batch, there, claims, begun)

    def _claim(self, batch: Batch, rows: Sequence[int], claims: dict[int, Claim]) -> Flow[dict[int, Entry]]:
        """Claim the messages at ``rows`` and note the ``claims``. Returns the entries that block a claim, by row."""
        key = yield from self._identified()
        kind = Kind.CODE if batch.verification else Kind.TEXT
        for row in rows:
            claims[row] = self._claim_of(batch.messages[row], kind, key)
        there = yield from self._entries().claim(list(claims.values()))
        return {row: entry for row, entry in zip(rows, there, strict=True) if entry is not None}

    def _claim_of(self, message: Message, kind: Kind, key: bytes) -> Claim:
        return Claim.of(
            message,
            account=self.account,
            kind=kind,
            key=key,
            keeps_number=self.keep_numbers,
            keeps_text=self.keep_texts,
        )

    def _refuse(self, batch: Batch, rows: Iterable[int], detail: str) -> None:
        """Refuse the messages at ``rows`` that have no result yet: they have no claim, or no claim any more."""
        for row in (row for row in rows if row not in batch.results):
            words = "the text cannot be recorded in the ledger, so it is not sent"
            refused = RefusedError(words, reason="ledger", fault="local", detail=detail)
            batch.fail(row, own(refused, self, batch.messages[row]))

    def _answer_all(
        self, batch: Batch, there: Mapping[int, Entry], claims: Mapping[int, Claim], begun: float
    ) -> Flow[None]:
        """Answer from the ledger, and look up the texts in doubt."""
        doubtful = {row: entry for row, entry in there.items() if self._answer(batch, row, entry, claims[row])}
        texts = {row: entry for row, entry in doubtful.items() if entry.claim.kind is Kind.TEXT}
        # No vendor finds a one-time code by its reference.
        if texts and Capability.LOOKUP in self.inner.capabilities:
            yield from self._look_up(batch, texts)
        for row in there:
            decision = "not sent again: in doubt" if row in doubtful else "not sent again: in the ledger"
            seconds = self._clock() - begun
            record_always(
                batch.results[row], account=self, candidates=(self.inner,), decision=decision, seconds=seconds
            )

    def _answer(self, batch: Batch, row: int, entry: Entry, claim: Claim) -> bool:
        """Answer from the ledger. Returns whether the text stays in doubt."""
        message = batch.messages[row]
        error: SendError
        if entry.claim.content != claim.content:
            words = "another message was sent under this reference"
            error = ContentError(words, reason="reference-reused", fault="message")
        elif entry.state is State.ACCEPTED:
            is_text = entry.claim.kind is Kind.TEXT
            sent = entry.sent_message(message.to) if is_text else entry.verification(message.to)
            batch.accept(row, cast("SentMessage", sent))
            return False
        else:
            words = "the text may have been sent before under this reference, so it is not sent again"
            since = f"{entry.state} since {entry.since:%Y-%m-%d %H:%M:%S} UTC"
            error = UncertainError(words, reason="in-ledger", fault="local", detail=since)
        batch.fail(row, own(error, self, message))
        return isinstance(error, UncertainError)

    def _look_up(self, batch: Batch, doubtful: Mapping[int, Entry]) -> Flow[None]:
        """Ask the provider for the texts in doubt, and settle those with a clear answer."""
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
        """The entry under the reference of ``message``, and the claim that sending would make. Creates no file."""
        entries = self._entries()
        there = entries.is_made if isinstance(entries, FileEntries) else True
        key = self._hash_key or (at_once(entries.identify(self._given_key())) if there else b"")
        claim = self._claim_of(message, Kind.TEXT, key)
        return (at_once(entries.find(claim.reference)) if there else None), claim

    def _record_results(self, results: Sequence[Result], claims: Iterable[Claim]) -> None:
        try:
            outcomes = map(Outcome.of, results)
            entries = [Entry(claim=claim, outcome=outcome) for claim, outcome in zip(claims, outcomes, strict=True)]
        # Values of an unexpected kind: their entries stay open.
        except Exception as error:  # noqa: BLE001
            log_lost(error, len(results))
        else:
            self._record(entries)

    def _record(self, entries: Sequence[Entry]) -> None:
        """Tell the store the outcomes, without waiting: an interruption would put known outcomes in doubt.

        The store handles later questions after this.
        """
        self._entries().record(entries)

    def _identified(self) -> Flow[bytes]:
        if not self._hash_key:
            self._hash_key = yield from self._entries().identify(self._given_key())
        return self._hash_key

    def _given_key(self) -> bytes | None:
        return self.key.get_secret_value().encode() if self.key is not None else None
