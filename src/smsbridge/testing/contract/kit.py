"""The mechanics of the contract kit: operations, outcomes, and which cases there are to collect."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import pytest

from smsbridge.attempts import attempt, attempt_batch, attempt_verification, query
from smsbridge.errors import UncertainError
from smsbridge.flow import Flow
from smsbridge.http import HttpRequest, HttpResponse
from smsbridge.messages import Message, Result, SentMessage, Verification
from smsbridge.plugins import Plugins
from smsbridge.provider import Capability, SmsProvider, implemented
from smsbridge.sending import deliver_batch
from smsbridge.testing.samples import Row, Samples
from smsbridge.testing.standard import set_up
from smsbridge.testing.wire import Answer, FakeWire, Reply, drive

T = TypeVar("T")
CODE = "918273"
"""The one-time code that the kit asks about; nobody may log it."""


@dataclass(slots=True)
class Outcome:
    """What became of an operation: a value or an error, and what was asked on the way."""

    requests: list[HttpRequest] = field(default_factory=list)
    value: Any = None
    error: Exception | None = None

    def each(self) -> list[Any]:
        """What became of each message: the error, or what was returned."""
        if self.error is not None:
            return [self.error]
        if isinstance(self.value, list) and self.value and all(isinstance(one, Result) for one in self.value):
            return [one.error or one.sent for one in self.value]
        return [self.value]


@dataclass(frozen=True, slots=True)
class Operation:
    """Something that a provider can do, in the three ways in which the kit does it, and a good answer to it."""

    name: str
    capability: Capability | None
    sends: bool
    raw: Callable[[Any, SmsProvider], Flow[Any]]
    """The provider's own flow."""
    guarded: Callable[[Any, SmsProvider], Flow[Any]]
    """Through smsbridge.attempts, which classifies."""
    call: Callable[[Any, Any], Any]
    """Through a client of either colour; what AsyncSmsClient returns has to be awaited."""
    answer: Callable[[Any], HttpResponse]


def _asking(
    name: str, capability: Capability, arguments: Callable[[Any, SmsProvider], tuple[Any, ...]], answer: Any
) -> Operation:
    def raw(kit: Kit, provider: SmsProvider) -> Flow[Any]:
        flow: Flow[Any] = getattr(provider, name)(*arguments(kit, provider))
        return flow

    def guarded(kit: Kit, provider: SmsProvider) -> Flow[Any]:
        given = arguments(kit, provider)
        return query(provider, lambda: getattr(provider, name)(*given))

    def call(kit: Kit, client: Any) -> Any:
        return getattr(client, name)(*arguments(kit, client.provider))

    return Operation(name, capability, False, raw, guarded, call, answer)


OPERATIONS = (
    Operation(
        "send",
        None,
        True,
        lambda kit, provider: provider.send(kit.message()),
        lambda kit, provider: attempt(provider, kit.message()),
        lambda kit, client: client.send(kit.message()),
        lambda kit: kit.accepts(kit.message(), kit.vendor_id(0)),
    ),
    Operation(
        "send_batch",
        Capability.BATCH,
        True,
        lambda kit, provider: provider.send_batch(kit.batch()),
        lambda kit, provider: attempt_batch(provider, kit.batch()),
        lambda kit, client: client._run(deliver_batch(client.plugins, client.provider, kit.batch())),  # noqa: SLF001  # of either client
        lambda kit: kit.accepts_batch([Row(message, kit.vendor_id(n)) for n, message in enumerate(kit.batch())]),
    ),
    Operation(
        "start_verification",
        Capability.VERIFICATION,
        True,
        lambda kit, provider: provider.start_verification(kit.verification_message()),
        lambda kit, provider: attempt_verification(provider, kit.verification_message()),
        lambda kit, client: client.start_verification(kit.verification_message()),
        lambda kit: kit.starts_verification(kit.verification_message(), kit.vendor_id(0)),
    ),
    _asking(
        "status",
        Capability.STATUS,
        lambda kit, provider: (kit.sent(provider),),
        lambda kit: kit.reports(kit.sent(kit.make()), next(iter(kit.status_words), "")),
    ),
    _asking(
        "lookup",
        Capability.LOOKUP,
        lambda kit, provider: (kit.sent(provider).reference,),
        lambda kit: kit.finds(kit.message(), kit.vendor_id(0)),
    ),
    _asking("balance", Capability.BALANCE, lambda _kit, _provider: (), lambda kit: kit.tells_balance()),
    _asking(
        "check_verification",
        Capability.VERIFICATION,
        lambda kit, provider: (kit.verification(provider), CODE),
        lambda kit: kit.approves(kit.verification(kit.make())),
    ),
    _asking(
        "cancel_verification",
        Capability.CANCEL_VERIFICATION,
        lambda kit, provider: (kit.verification(provider),),
        lambda kit: kit.cancels(kit.verification(kit.make())),
    ),
)
BY_NAME = {operation.name: operation for operation in OPERATIONS}
Cases = Iterable[Any]
Test = TypeVar("Test", bound=Callable[..., None])

_NEEDS: dict[str, Callable[[type[Kit]], bool]] = {
    "http": lambda kit: kit.uses_http(),
    "no http": lambda kit: not kit.uses_http(),
    "queries": lambda kit: any(kit.can(one.capability) for one in OPERATIONS if not one.sends),
    "options": lambda kit: bool(kit.provider_class.options.model_fields),
    "verification options": lambda kit: bool(kit.provider_class.verification_options.model_fields),
    "required settings": lambda kit: any(one.is_required() for one in kit.provider_class.model_fields.values()),
    "covering proof": lambda kit: kit.proof_covers != "secret",
    "shared secret": lambda kit: kit.proof_covers == "secret",
    "handshake": lambda kit: kit.provider_class.handshake is not SmsProvider.handshake,
}


def needs(*conditions: str | Capability) -> Callable[[Test], Test]:
    """Collect a standard test only where all ``conditions`` hold: a capability, or a key of ``_NEEDS``."""

    def mark(test: Test) -> Test:
        test.needs = conditions  # type: ignore[attr-defined]
        return test

    return mark


def applies(test: Callable[..., None], kit: type[Kit]) -> bool:
    """Whether ``test`` says anything about the provider of ``kit``."""
    return all(kit.can(one) if isinstance(one, Capability) else _NEEDS[one](kit) for one in getattr(test, "needs", ()))


class Kit(Samples):
    """What the standard tests are made of. Nothing here is for overriding."""

    @pytest.fixture(autouse=True)
    def _contract_setup(self, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        """An empty working directory, no settings around, and the expected failures marked."""
        set_up(request, monkeypatch, tmp_path, self.expected_failures)

    # --- providers and wires ------------------------------------------------------------------------------------------

    def make(self, **changes: Any) -> SmsProvider:
        """The provider of the samples, with ``changes`` to its settings."""
        return self.provider_class(**{**self.settings, **changes})

    def skip_registered(self, field: str) -> None:
        """Skip a test of ``field`` where it is DLT ids, and the settings say that these are registered with the account."""
        if field == "dlt" and getattr(self.make(), "dlt_registered", False):
            pytest.skip("DLT ids are registered with the account, so no request has them")

    @classmethod
    def can(cls, capability: Capability | None) -> bool:
        """Whether the provider declares ``capability``."""
        return capability is None or capability in implemented(cls._class())

    @classmethod
    def _class(cls) -> type[SmsProvider]:
        found = getattr(cls, "provider_class", None)
        if not (isinstance(found, type) and issubclass(found, SmsProvider)):
            pytest.fail(f"{cls.__name__} needs `provider_class = YourProvider`, a subclass of SmsProvider.")
        return found

    @classmethod
    def uses_http(cls) -> bool:
        """Whether there is a vendor to answer."""
        return cls.accepts is not Samples.accepts

    def wire(self, reply: Reply | None = None, *, then: Reply | None = None) -> FakeWire:
        """A wire on which ``reply`` (and ``then``, for later requests) answers all but preliminary requests."""
        asked = 0

        def answer(request: HttpRequest) -> Answer:
            nonlocal asked
            first = self.preliminary(request)
            if first is not None:
                return first
            asked += 1
            chosen = then if then is not None and asked > 1 else reply
            if chosen is None:
                pytest.fail(f"{self._class().__name__} asked for {request!r}, but `accepts` is not overridden.")
            return chosen if isinstance(chosen, HttpResponse | Exception) else chosen(request)

        return FakeWire(always=answer)

    def run(
        self,
        operation: Operation,
        reply: Reply | None = None,
        *,
        then: Reply | None = None,
        flow: Flow[Any] | None = None,
        provider: SmsProvider | None = None,
        wire: FakeWire | None = None,
        about: Message | None = None,
    ) -> Outcome:
        """Do ``operation`` through the core, with ``reply`` (default: a good answer), and tell what became of it.

        ``about`` is the message of ``flow``, for the good answer, where it is not the sample.
        """
        if flow is None:
            flow = operation.guarded(self, provider or self.make())
        wire = wire or self.wire(self._good(operation, about) if reply is None else reply, then=then)
        outcome = Outcome(wire.requests)
        try:
            outcome.value = drive(flow, wire)
        except Exception as error:  # noqa: BLE001  # the tests look at it
            outcome.error = error
        return outcome

    def _good(self, operation: Operation, about: Message | None = None) -> Reply | None:
        if not self.uses_http():
            return None
        if about is None:
            return lambda _: operation.answer(self)
        if operation.name == "start_verification":
            return lambda _: self.starts_verification(about, self.vendor_id(0))
        own = about.reference if self.id_is_reference else None
        return lambda _: self.accepts(about, own or self.vendor_id(0))

    def batch(self) -> list[Message]:
        """The messages of the sample batch."""
        return [self.message(n) for n in range(len(self.numbers))]

    def sent(self, provider: SmsProvider) -> SentMessage:
        """A text that ``provider`` has sent."""
        return self._done(attempt(provider, self.message()), BY_NAME["send"])

    def verification(self, provider: SmsProvider) -> Verification:
        """A verification that ``provider`` has started."""
        return self._done(attempt_verification(provider, self.verification_message()), BY_NAME["start_verification"])

    def _done(self, flow: Flow[T], operation: Operation) -> T:
        outcome = self.run(operation, flow=flow)
        if outcome.error is not None:
            pytest.fail(f"the sample answer of {operation.name} is not accepted: {describe(outcome.error)}")
        value: T = outcome.value
        return value

    def attempt(self, operation: Operation, message: Message, reply: Reply | None = None) -> Outcome:
        """Send ``message`` (or a code to it) by ``operation``, with ``reply`` or an answer that accepts it."""
        start = attempt_verification if operation.name == "start_verification" else attempt
        return self.run(operation, reply, flow=start(self.make(), message), about=message)

    def asked(self, operation: Operation, message: Message) -> list[Any]:
        """The fingerprints of the requests that sending ``message`` makes; it has to be accepted."""
        outcome = self.attempt(operation, message)
        if outcome.error is not None:
            pytest.fail(f"{operation.name} should have been accepted: {describe(outcome.error)}")
        return [self.fingerprint(request) for request in outcome.requests]

    def picked(self, samples: Mapping[str, T], name: str | None, attribute: str, capability: str) -> T:
        """The sample of that name; without any, the test fails."""
        if name is None:
            pytest.fail(
                f"{self._class().__name__} declares {capability} but there is no sample of it: fill `{attribute}`."
            )
        return samples[name]

    # --- what is collected --------------------------------------------------------------------------------------------

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """One case per sample, and only for what the provider can do."""
        for name in metafunc.fixturenames:
            cases = getattr(self, f"_cases_of_{name}", None)
            if cases is not None:
                metafunc.parametrize(name, cases())

    def _operations(self, wanted: Callable[[Operation], bool]) -> Cases:
        return [pytest.param(one, id=one.name) for one in OPERATIONS if wanted(one) and self.can(one.capability)]

    def _cases_of_operation(self) -> Cases:
        return self._operations(lambda _: True)

    _cases_of_answered = _cases_of_operation

    def _cases_of_sending(self) -> Cases:
        return self._operations(lambda one: one.sends)

    def _cases_of_asking(self) -> Cases:
        return self._operations(lambda one: not one.sends)

    def _cases_of_refusal(self) -> Cases:
        return _named(self.refusals)

    def _cases_of_word(self) -> Cases:
        return _named(self.status_words)

    def _cases_of_disapproval(self) -> Cases:
        return _named(self.disapprovals)

    def _cases_of_webhook(self) -> Cases:
        return _named(self.webhooks)

    def _cases_of_handshake(self) -> Cases:
        return _named(self.handshakes)

    def _cases_of_option(self) -> Cases:
        return list(self._class().options.model_fields)

    def _cases_of_verification_option(self) -> Cases:
        return list(self._class().verification_options.model_fields)


def _named(samples: Mapping[str, Any]) -> Cases:
    """One case per sample; without any, one that fails."""
    return [pytest.param(name, id=name) for name in samples] or [pytest.param(None, id="no sample")]


@cache
def plugins() -> Plugins:
    """The plugins of the kit's clients: finding them again for each takes longer than most tests."""
    return Plugins()


def describe(one: object) -> str:
    """An error, or what came instead, for people; with the notes that say where a provider's own bug is."""
    if not isinstance(one, BaseException):
        return repr(one)
    notes = "".join(f"\n    {note}" for note in getattr(one, "__notes__", ()))
    return f"{type(one).__name__}: {one}{notes}"


def uncertain(outcome: Outcome) -> bool:
    """Whether every message of ``outcome`` is uncertain."""
    return all(isinstance(one, UncertainError) for one in outcome.each())
