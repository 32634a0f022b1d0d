"""Run the operations of a provider for its contract tests, record their outcomes, and choose the tests that apply."""

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
"""The one-time code of the kit's checks; it must not appear in any output."""


@dataclass(slots=True)
class Outcome:
    """Hold the result of an operation of the provider under test, and the HTTP requests that the operation made.

    The result is a value or an error.
    """

    requests: list[HttpRequest] = field(default_factory=list)
    value: Any = None
    error: Exception | None = None

    def each(self) -> list[Any]:
        """Return the outcome of each message of the operation, in order: its error or its value.

        An operation without a list of results has a single outcome.
        """
        if self.error is not None:
            return [self.error]
        if isinstance(self.value, list) and self.value and all(isinstance(result, Result) for result in self.value):
            return [result.error or result.sent for result in self.value]
        return [self.value]


@dataclass(frozen=True, slots=True)
class Operation:
    """Describe an operation of a provider, such as ``send``, and how the contract tests run it.

    ``answer`` makes, from the samples, the vendor's answer if the operation succeeds.
    """

    name: str
    capability: Capability | None
    sends: bool
    raw: Callable[[Any, SmsProvider], Flow[Any]]
    """The provider's own flow."""
    guarded: Callable[[Any, SmsProvider], Flow[Any]]
    """The flow through ``smsbridge.attempts``, which classifies errors."""
    call: Callable[[Any, Any], Any]
    """The call through a client, sync or async; await the result of AsyncSmsClient."""
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
    "queries": lambda kit: any(kit.can(operation.capability) for operation in OPERATIONS if not operation.sends),
    "options": lambda kit: bool(kit.provider_class.options.model_fields),
    "verification options": lambda kit: bool(kit.provider_class.verification_options.model_fields),
    "required settings": lambda kit: any(field.is_required() for field in kit.provider_class.model_fields.values()),
    "covering proof": lambda kit: kit.proof_covers != "secret",
    "shared secret": lambda kit: kit.proof_covers == "secret",
    "handshake": lambda kit: kit.provider_class.handshake is not SmsProvider.handshake,
}


def needs(*conditions: str | Capability) -> Callable[[Test], Test]:
    """Mark a standard test as a test of those providers only for which all ``conditions`` hold.

    A condition is a capability, or a key of ``_NEEDS`` such as ``"http"``. For other providers, pytest does not collect
    the test.
    """

    def mark(test: Test) -> Test:
        test.needs = conditions  # type: ignore[attr-defined]
        return test

    return mark


def applies(test: Callable[..., None], kit: type[Kit]) -> bool:
    """Return whether the standard test ``test`` is for the provider whose samples are in the class ``kit``."""
    return all(
        kit.can(condition) if isinstance(condition, Capability) else _NEEDS[condition](kit)
        for condition in getattr(test, "needs", ())
    )


class Kit(Samples):
    """Offer the helpers of the standard tests of a provider. Do not override them; override the samples in ``Samples``."""

    @pytest.fixture(autouse=True)
    def _contract_setup(self, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        """Start in an empty directory without settings in the environment, and mark the expected failures."""
        set_up(request, monkeypatch, tmp_path, self.expected_failures)

    # --- providers and wires ------------------------------------------------------------------------------------------

    def make(self, **changes: Any) -> SmsProvider:
        """Make the provider under test from the sample settings. ``changes`` replace or add settings."""
        return self.provider_class(**{**self.settings, **changes})

    def skip_registered(self, field: str) -> None:
        """Skip the test of a message's ``field`` if that is ``dlt`` and the provider under test sends no DLT ids.

        It sends none if the sample settings say that the DLT ids are registered with the vendor's account.
        """
        if field == "dlt" and getattr(self.make(), "dlt_registered", False):
            pytest.skip("DLT ids are registered with the account, so no request has them")

    @classmethod
    def can(cls, capability: Capability | None) -> bool:
        """Return whether the provider under test has ``capability``. True for None, when no capability is needed."""
        return capability is None or capability in implemented(cls._class())

    @classmethod
    def _class(cls) -> type[SmsProvider]:
        found = getattr(cls, "provider_class", None)
        if not (isinstance(found, type) and issubclass(found, SmsProvider)):
            pytest.fail(f"{cls.__name__} needs `provider_class = YourProvider`, a subclass of SmsProvider.")
        return found

    @classmethod
    def uses_http(cls) -> bool:
        """Return whether the provider under test makes HTTP requests. It does if the samples override ``accepts``."""
        return cls.accepts is not Samples.accepts

    def wire(self, reply: Reply | None = None, *, then: Reply | None = None) -> FakeWire:
        """Make a FakeWire that answers the first request with ``reply`` and later requests with ``then``.

        Without ``then``, ``reply`` answers them too. Preliminary requests, such as for a token, get the answer of the
        sample ``preliminary`` and do not count.
        """
        asked = 0

        def answer(request: HttpRequest) -> Answer:
            nonlocal asked
            first = self.preliminary(request)
            if first is not None:
                return first
            asked += 1
            chosen = then if then is not None and asked > 1 else reply
            if chosen is None:
                pytest.fail(
                    f"{self._class().__name__} asked for {request!r}, but `accepts` is not overridden: let it return the vendor's answer."
                )
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
        """Run ``operation`` of the provider under test as a client would, and return its outcome.

        If the operation raises an error, the error is in the outcome. ``reply`` answers the first request and ``then``
        the later ones; without ``reply``, the vendor accepts. ``flow`` runs instead of the sample operation; if it
        sends another message than the sample, give that message as ``about``. ``provider`` and ``wire`` are used in
        place of new ones.
        """
        if flow is None:
            flow = operation.guarded(self, provider or self.make())
        wire = wire or self.wire(self._good(operation, about) if reply is None else reply, then=then)
        outcome = Outcome(wire.requests)
        try:
            outcome.value = drive(flow, wire)
        except Exception as error:  # noqa: BLE001  # the tests check it
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
        """Return the sample messages of a batch, with one message for each of the sample ``numbers``."""
        return [self.message(n) for n in range(len(self.numbers))]

    def sent(self, provider: SmsProvider) -> SentMessage:
        """Send the sample text through ``provider`` and return the accepted text.

        The test fails if the provider does not accept it.
        """
        return self._done(attempt(provider, self.message()), BY_NAME["send"])

    def verification(self, provider: SmsProvider) -> Verification:
        """Start the sample verification at ``provider`` and return it. The test fails if it cannot be started."""
        return self._done(attempt_verification(provider, self.verification_message()), BY_NAME["start_verification"])

    def _done(self, flow: Flow[T], operation: Operation) -> T:
        outcome = self.run(operation, flow=flow)
        if outcome.error is not None:
            pytest.fail(f"the sample answer of {operation.name} is not accepted: {describe(outcome.error)}")
        value: T = outcome.value
        return value

    def attempt(self, operation: Operation, message: Message, reply: Reply | None = None) -> Outcome:
        """Send ``message`` by ``operation`` through a new provider, and return the outcome.

        If ``operation`` is ``start_verification``, a one-time code is sent to the number of ``message``. The vendor
        answers with ``reply``; without ``reply``, it accepts.
        """
        start = attempt_verification if operation.name == "start_verification" else attempt
        return self.run(operation, reply, flow=start(self.make(), message), about=message)

    def asked(self, operation: Operation, message: Message) -> list[Any]:
        """Send ``message`` by ``operation``, and return the fingerprint of each request that the provider made.

        A fingerprint is the part of a request that tests compare: see ``Samples.fingerprint``. The test fails if the
        text is not accepted.
        """
        outcome = self.attempt(operation, message)
        if outcome.error is not None:
            pytest.fail(f"{operation.name} should have been accepted: {describe(outcome.error)}")
        return [self.fingerprint(request) for request in outcome.requests]

    def picked(self, samples: Mapping[str, T], name: str | None, attribute: str, capability: str) -> T:
        """Return the sample called ``name`` from ``samples``.

        If ``name`` is None, there are no samples although the provider declares ``capability``: the test fails and asks
        the author of the provider to fill ``attribute``.
        """
        if name is None:
            pytest.fail(f"{self._class().__name__} declares {capability} but has no sample: fill `{attribute}`.")
        return samples[name]

    # --- collected cases ----------------------------------------------------------------------------------------------

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """Make a test case for each sample and each operation of the provider under test. pytest calls this."""
        for name in metafunc.fixturenames:
            cases = getattr(self, f"_cases_of_{name}", None)
            if cases is not None:
                metafunc.parametrize(name, cases())

    def _operations(self, wanted: Callable[[Operation], bool]) -> Cases:
        return [
            pytest.param(operation, id=operation.name)
            for operation in OPERATIONS
            if wanted(operation) and self.can(operation.capability)
        ]

    def _cases_of_operation(self) -> Cases:
        return self._operations(lambda _: True)

    _cases_of_answered = _cases_of_operation

    def _cases_of_sending(self) -> Cases:
        return self._operations(lambda operation: operation.sends)

    def _cases_of_asking(self) -> Cases:
        return self._operations(lambda operation: not operation.sends)

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
    """One case per sample; without samples, one case that fails."""
    return [pytest.param(name, id=name) for name in samples] or [pytest.param(None, id="no sample")]


@cache
def plugins() -> Plugins:
    """Return the installed plugins, which all clients of the contract tests share. They are searched for only once."""
    return Plugins()


def describe(outcome: object) -> str:
    """Return ``outcome`` in words, for the message of a failed test.

    For a value the words are its repr; for an error its class, message and notes. The notes say where in the provider's
    code a bug is.
    """
    if not isinstance(outcome, BaseException):
        return repr(outcome)
    notes = "".join(f"\n    {note}" for note in getattr(outcome, "__notes__", ()))
    return f"{type(outcome).__name__}: {outcome}{notes}"


def uncertain(outcome: Outcome) -> bool:
    """Return whether every message of the operation ended with an UncertainError: it may have been sent.

    ``outcome`` is the outcome of the operation.
    """
    return all(isinstance(result, UncertainError) for result in outcome.each())
