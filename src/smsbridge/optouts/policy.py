"""The optout policy: it sends no texts to recipients who said STOP."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar, Self, cast

from pydantic import Field, PrivateAttr, SecretStr, ValidationError

from smsbridge import environment, stores
from smsbridge.composite import each, inside
from smsbridge.errors import OptedOutError, VetoedError
from smsbridge.flow import Flow
from smsbridge.forks import cached_property
from smsbridge.logs import logger
from smsbridge.messages import (
    DeliveryReport,
    Event,
    Foresight,
    InboundMessage,
    Message,
    Purpose,
)
from smsbridge.own_file import NotOurs
from smsbridge.phone import mask_numbers
from smsbridge.policies.batch import Batch
from smsbridge.policies.gate import Gate
from smsbridge.policies.policy import Finding, Place
from smsbridge.provider import Options
from smsbridge.reading import Duration, now, phone
from smsbridge.rehearsal import Rehearsal, newest
from smsbridge.stores.blocking import at_once
from smsbridge.stores.choice import PATH_IN_CODE, SETTING, opened, part_of, problem_of, stand_in, store_of
from smsbridge.stores.entries import Unwritable
from smsbridge.stores.listed import CalledOptOuts, MemoryListed

from . import REPLY, MemoryOptOuts, OptOuts, same_sender
from .stop_words import START_WORDS, STOP_WORDS, said

log = logger("smsbridge.optout")

OURS = "opt-out"
_SAID = frozenset({None, "opted-out", OURS})
"""Vendors' reasons that mean that the person opted out. They do not include a do-not-disturb register (``dnd``), which
the vendor checks each time and which is not about us, nor a vendor's own block: we would not learn when they end."""


class OptoutOptions(Options):
    """Hold the options that a message may have for this policy, in ``Message.options["optout"]``."""

    confirmation: bool = Field(False, description="The text confirms an opt-out that its recipient has just texted.")


class OptoutPolicy(Gate):
    """Refuses texts to recipients who opted out (OptedOutError, ``opt-out``), and learns of new opt-outs.

    New opt-outs come from three sources: inbound texts that consist only of one of ``stop_words`` or ``start_words``,
    unless the vendor itself says how it understood them; vendors that refuse a text because the recipient has opted
    out; and delivery reports that say so. Hooks and ``receive`` get an inbound text of this kind with the field
    ``taken_as`` set to ``stop`` or ``start``. The same event changes nothing a second time. If the inbound text came to
    a number among ``senders``, or to the account's own ``sender``, the opt-out is only from that sender, otherwise from
    all senders. If the list cannot be read, all texts are refused.

    One-time codes are not among ``purposes`` by default: the recipient has just asked for the code and waits for it.
    After each opt-out, one text with the option ``{"optout": {"confirmation": True}}`` may confirm it to the person.
    """

    name = "optout"
    place = Place.ONCE

    in_code: ClassVar[Mapping[str, tuple[str, str]]] = PATH_IN_CODE

    store: SecretStr | None = Field(
        default=None,
        description="URL of the store; on: SMSBRIDGE_STORE; off: memory. Default: SMSBRIDGE_STORE, or memory.",
    )
    path: Path | None = Field(default=None, description="Short for the store in this SQLite file.")
    purposes: frozenset[Purpose] = Field(
        default=frozenset(Purpose) - {Purpose.OTP}, description="Purposes of texts that an opt-out stops."
    )
    senders: tuple[str, ...] = Field(
        default=(), description="Our own numbers and names that texts may come from, each with separate opt-outs."
    )
    stop_words: tuple[str, ...] = Field(default=STOP_WORDS, description="Inbound texts that opt out.")
    start_words: tuple[str, ...] = Field(default=START_WORDS, description="Inbound texts that opt in again.")
    confirmation: Duration = Field(
        default=timedelta(minutes=5),
        description="How long after a STOP a single text that confirms it may leave, such as 5m.",
    )

    _kept: stores.OptOuts = PrivateAttr()
    _unread: bool = PrivateAttr(default=False)
    """Whether this is a stand-in in a rehearsal, which does not read the real list."""
    _is_stored: bool = PrivateAttr(default=True)
    _in_production: bool | None = PrivateAttr(default_factory=environment.known_production)

    def model_post_init(self, context: Any, /) -> None:
        super().model_post_init(context)
        if self.path is None and self.store is None:
            self.using(MemoryOptOuts())
        elif newest() is None:
            self._kept = self._opened()
        else:
            self._kept = cast("stores.OptOuts", _OpenedLater(self))

    @classmethod
    def completed(cls, accounts: Sequence[str], given: Mapping[str, Any]) -> Mapping[str, Any]:
        return {**store_of(accounts, given), **given}

    def using(self, opt_outs: OptOuts) -> Self:
        """Use the list ``opt_outs``, an object of your own, in place of the list in a store. Returns this policy."""
        self._kept = MemoryListed(opt_outs) if type(opt_outs) is MemoryOptOuts else CalledOptOuts(opt_outs)
        self._is_stored = False
        return self

    def forget(self, rehearsal: Rehearsal) -> None:
        kept = self._kept
        known = kept.known if isinstance(kept, CalledOptOuts) else kept
        self._unread = not isinstance(known, MemoryOptOuts)
        if self._is_stored:
            self._kept = stand_in(self.path, self.store, rehearsal).opt_outs()
        else:
            self._kept = MemoryListed(rehearsal.instead_of(known, MemoryOptOuts))

    def findings(self) -> Iterable[Finding]:
        """Yield a finding if the store cannot be used, or if the list is only in memory and ends with the process."""
        if not self._is_stored:
            words = f"the opt-outs of {self.account} are kept in memory, and lost when the process ends"
            yield Finding("warning", words, f"set {environment.variable(None, SETTING)}, such as sqlite:///sms.db")
            return
        problem = problem_of(self.path, self.store, "opt_outs")
        if problem is not None:
            words = f"the list of opt-outs cannot be used: {problem}"
            yield Finding("error", words, "every text would be refused: name another store")

    def _opened(self) -> stores.OptOuts:
        store = opened(self.path, self.store, in_production=self._in_production)
        return part_of(store, "opt_outs", store.opt_outs())

    # --- asking -------------------------------------------------------------------------------------------------------

    def admit(self, message: Message, *, verification: bool = False) -> Flow[Message]:
        confirms = self._confirms(message) and not verification
        if message.purpose not in self.purposes:
            return message
        opted_out: bool | None = None
        why: str | None = None
        try:
            opted_out = yield from self._kept.holds(self._shown(message), message.to)
            if opted_out and confirms:
                opted_out = not (yield from self._confirm(message))
        except NotOurs as error:
            opted_out, why = None, f"{error.problem} ({error.path})"
        except Unwritable as error:
            opted_out, why = None, str(error)
        # Any list may fail here.
        except Exception:  # noqa: BLE001
            opted_out = None
        # Raised outside of except, so that the error does not keep its cause, which may quote the number.
        if opted_out is None:
            raise VetoedError(
                "the list of opt-outs cannot be read, so no text may leave", reason="opt-outs-unreadable", detail=why
            )
        if opted_out:
            raise OptedOutError(reason=OURS)
        return message

    def foresee(self, message: Message, *, now: datetime) -> Foresight:
        """Return what :meth:`admit` would do with ``message`` at the time ``now``.

        It reads the same list of opt-outs, but does not use up the one text that may confirm an opt-out.
        """
        if self._unread and message.purpose in self.purposes:
            words = "lets it through, unless the recipient has opted out: the list is not looked into here"
            return self._would_pass(message, words, now=now)
        # After a wrong option or an error of the list, the text is refused below.
        with suppress(Exception):
            if message.purpose in self.purposes and self._confirms(message):
                if at_once(self._confirm(message, take=False)):
                    return self._would_pass(message, "lets it through, since it confirms an opt-out", now=now)
                message = replace(message, options={**message.options, "optout": {}})
        return super().foresee(message, now=now)

    def _confirms(self, message: Message) -> bool:
        """Return whether the text's options say that it confirms an opt-out.

        Raises UnsupportedError, which names an unknown or wrong option.
        """
        given = message.options.get("optout")
        if not given:
            return False
        try:
            return OptoutOptions.model_validate(dict(given)).confirmation
        except ValidationError as error:
            names = ", ".join(sorted({str(problem["loc"][0]) for problem in error.errors()}))
        raise self.unsupported(f"these entries of options['optout'], or their values: {names}")

    def _confirm(self, message: Message, *, take: bool = True) -> Flow[bool]:
        return self._kept.confirm(self._shown(message), message.to, within=self.confirmation, take=take)

    def _shown(self, message: Message) -> list[str] | None:
        """Return the senders that the text may show; None if they are not known."""
        return [message.sender] if message.sender else self._senders()

    def _senders(self, account: str | None = None) -> list[str] | None:
        """Return the default senders of ``account``, or of all accounts inside; None if they are not all known."""
        ends = [
            provider for provider in each(self.inner) if not inside(provider) and account in (None, provider.account)
        ]
        senders = [getattr(end, "sender", None) for end in ends]
        known = [sender for sender in senders if isinstance(sender, str) and sender]
        return known if len(known) == len(senders) else None

    # --- learning -----------------------------------------------------------------------------------------------------

    def carry(self, batch: Batch) -> Flow[None]:
        begun = now()
        yield from super().carry(batch)
        if batch.stop is not None:
            return
        for row, message in enumerate(batch.messages):
            error = batch.results[row].error
            if isinstance(error, OptedOutError):
                yield from self._learn(message, error, begun)

    def observe(self, event: Event) -> Flow[Event | None]:
        known = (yield from super().observe(event)) or event
        if isinstance(known, InboundMessage):
            opts_out = self._said(known)
            if opts_out is not None:
                sender = self._texted(known.to)
                if (yield from self._keep(known, known.sender, sender, REPLY, opts_out=opts_out)):
                    known = replace(known, taken_as="stop" if opts_out else "start")
        elif isinstance(event, DeliveryReport) and event.reason is not None and event.reason in _SAID:
            yield from self._keep(event, event.to, self._one_sender(event.account), "report", opts_out=True)
        return known

    def _said(self, event: InboundMessage) -> bool | None:
        if event.taken_as is not None:
            return {"stop": True, "start": False}.get(event.taken_as)
        return said(event.text, self.stop_words, self.start_words)

    def _keep(self, event: Event, person: str, sender: str | None, source: str, *, opts_out: bool) -> Flow[bool]:
        """Record the change of an event; return whether ``person`` is a number, which can be on the list."""
        number = phone(person)
        if not number.startswith("+"):
            return False
        change = self._kept.add if opts_out else self._kept.remove
        named = _name(event, source, opts_out=opts_out)
        yield from change(sender, number, at=event.at, source=source, event=named)
        return True

    def _learn(self, message: Message, error: OptedOutError, begun: datetime) -> Flow[None]:
        """Record the opt-out in a vendor's error; if that fails, the vendor will repeat it.

        The opt-out is as old as the start of the attempt: an opt-in while the text was on its way stays in force.
        """
        if error.reason not in _SAID or error.reason == OURS:
            return
        sender = message.sender or self._one_sender(error.account)
        try:
            yield from self._kept.add(sender, message.to, at=begun, source="vendor")
        # The text's own error says more.
        except Exception as problem:  # noqa: BLE001
            reference = mask_numbers(message.reference or "")
            # Without a trace, which may quote the number.
            log.error("the opt-out that stopped text %s is not recorded: %s", reference, type(problem).__name__)  # noqa: TRY400

    def _texted(self, number: str) -> str | None:
        """Return which of our senders got the text; None (all senders) if the number is not a known sender."""
        ours = [*self.senders, *(self._senders() or ())]
        return next((sender for sender in ours if same_sender(sender, number)), None)

    def _one_sender(self, account: str | None) -> str | None:
        senders = self._senders(account)
        return senders[0] if senders and len(senders) == 1 else None


class _OpenedLater:
    """The opt-outs of a policy made in a rehearsal, opened at first use outside of it."""

    def __init__(self, policy: OptoutPolicy) -> None:
        self._policy = policy

    @cached_property
    def _opened(self) -> stores.OptOuts:
        return self._policy._opened()  # noqa: SLF001  # a part of the policy

    def __getattr__(self, name: str) -> Any:
        return getattr(self._opened, name)


def _name(event: Event, source: str, *, opts_out: bool) -> str:
    """Return a name by which an event is recognised when it comes again, also to another account of the provider.

    Empty if the event has no key and no id.
    """
    key = event.key or event.id
    parts = (event.provider, source, str(opts_out), event.to, key)
    return hashlib.sha256("\n".join(parts).encode("utf-8", "surrogatepass")).hexdigest() if key else ""
