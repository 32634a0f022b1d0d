"""Test that a provider's declarations are true, and that its settings come from arguments and the environment alike."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from smsbridge import environment
from smsbridge.errors import ConfigurationError, QueryError, SmsBridgeError, UnsupportedError
from smsbridge.http import HttpRequest
from smsbridge.messages import SentMessage, Verification
from smsbridge.provider import OPTIONAL_FIELDS, Capability, SmsProvider
from smsbridge.testing.samples import SECRET_MARK
from smsbridge.testing.wire import FakeWire, drive

from .kit import BY_NAME, CODE, Kit, describe, needs


class Declarations(Kit):
    """Test the name, the supported fields, the capabilities and the settings of a provider."""

    def test_its_name_can_be_the_name_of_an_entry_point(self) -> None:
        name = getattr(self._class(), "name", None)
        assert isinstance(name, str), "give the class a `name`"
        assert re.fullmatch("[a-z0-9]+", name), f"the name {name!r} must have lower-case letters and digits only"

    def test_it_supports_only_fields_that_exist(self) -> None:
        provider = self._class()
        for attribute in ("supports", "verification_supports"):
            unknown = set(getattr(provider, attribute)) - set(OPTIONAL_FIELDS)
            assert not unknown, f"`{attribute}` names {sorted(unknown)}; the fields are {', '.join(OPTIONAL_FIELDS)}"

    def test_what_belongs_together_is_implemented_together(self) -> None:
        provider = self._class()
        has = {
            name: getattr(provider, name) is not getattr(SmsProvider, name)
            for name in (
                "start_verification",
                "check_verification",
                "cancel_verification",
                "parse",
                "verify",
                "handshake",
            )
        }
        assert has["start_verification"] == has["check_verification"], (
            "implement start_verification and check_verification together: a code that cannot be checked is of no use"
        )
        assert has["start_verification"] or not has["cancel_verification"], (
            "cancel_verification has nothing to cancel: implement start_verification and check_verification too"
        )
        assert has["parse"] == has["verify"], (
            "implement parse and verify together: without verify, every webhook is refused; without parse, none is read"
        )
        assert has["parse"] or not has["handshake"], "handshake needs verify and parse: implement all three"
        if self.can(Capability.BATCH):
            size = getattr(self.make(), "batch_size", None)
            assert isinstance(size, int), "send_batch needs `batch_size`, the maximum of messages per request"
            assert size >= 2, "`batch_size` must be 2 or more"
        assert provider.absence_proven_after is None or self.can(Capability.LOOKUP), (
            "`absence_proven_after` has no effect without lookup: implement lookup or remove it"
        )

    def test_what_it_cannot_do_is_unsupported_and_makes_no_request(self) -> None:
        provider = self.make()
        sent = SentMessage(account=provider.account, provider=provider.name, id="1")
        verification = Verification(account=provider.account, provider=provider.name, id="1")
        arguments: dict[Capability, tuple[str, tuple[Any, ...]]] = {
            Capability.BATCH: ("send_batch", ([self.message()],)),
            Capability.STATUS: ("status", (sent,)),
            Capability.LOOKUP: ("lookup", ("reference",)),
            Capability.BALANCE: ("balance", ()),
            Capability.VERIFICATION: ("check_verification", (verification, CODE)),
            Capability.CANCEL_VERIFICATION: ("cancel_verification", (verification,)),
            Capability.WEBHOOKS: ("parse", (HttpRequest(method="POST", url="https://app.example/sms"),)),
        }
        for capability, (name, given) in arguments.items():
            if self.can(capability):
                continue
            with pytest.raises(UnsupportedError):
                _use(getattr(provider, name), given)

    def test_what_it_declares_it_does(self) -> None:
        """A provider must not implement a method that only raises UnsupportedError.

        Each implemented method declares a capability, on which applications rely.
        """
        liars = []
        for name, capability in (
            ("send_batch", Capability.BATCH),
            ("status", Capability.STATUS),
            ("lookup", Capability.LOOKUP),
            ("balance", Capability.BALANCE),
            ("start_verification", Capability.VERIFICATION),
            ("cancel_verification", Capability.CANCEL_VERIFICATION),
        ):
            if self.can(capability):
                outcome = self.run(BY_NAME[name])
                if any(map(_is_unsupported, outcome.each())):
                    liars.append(name)
        assert not liars, f"{', '.join(liars)} is implemented but raises UnsupportedError: remove the method instead"

    # --- settings -----------------------------------------------------------------------------------------------------

    def test_the_samples_hold_dummy_secrets_only(self) -> None:
        for name, value in self._values().items():
            if isinstance(value, SecretStr) and value.get_secret_value():
                text = value.get_secret_value()
                assert SECRET_MARK in text or text in self.secrets, (
                    f'set settings["{name}"] = dummy_secret("{name}"); if the vendor needs another form, name the value in '
                    "`secrets`: the kit searches all output for these values"
                )

    def test_a_setting_that_holds_a_secret_is_a_secretstr(self) -> None:
        for name, value in self._values().items():
            secret = isinstance(value, str) and (SECRET_MARK in value or value in self.secrets)
            assert not secret, f"`{name}` holds a secret but is a plain string: declare it as pydantic's SecretStr"

    def test_the_environment_makes_the_same_provider(self, monkeypatch: pytest.MonkeyPatch) -> None:
        provider = self.make()
        for name, value in self._values().items():
            text = _as_variable(value)
            if text is not None:
                monkeypatch.setenv(environment.variable(provider.name, name), text)
        assert _settings(type(provider).from_env()) == _settings(provider), (
            f"{type(provider).__name__}.from_env() differs from the provider made with the same settings as arguments"
        )
        for name, value in self._values().items():
            text = _as_variable(value)
            if text is not None:
                monkeypatch.setenv(environment.variable("second", name), text)
        assert type(provider).from_env("second").account == "second", "from_env must keep the name of the account"

    @needs("required settings")
    def test_a_missing_setting_is_named_by_its_variable(self) -> None:
        provider = self._class()
        required = [name for name, field in provider.model_fields.items() if field.is_required() and name != "account"]
        with pytest.raises(ConfigurationError) as raised:
            provider.from_env()
        for name in required:
            assert environment.variable(provider.name, name) in str(raised.value), (
                f"the error does not name the variable of {name}"
            )

    def test_the_account_is_kept(self) -> None:
        provider = self.make(account="second")
        outcome = self.run(BY_NAME["send"], provider=provider)
        assert outcome.error is None, f"the sample answer is not accepted: {describe(outcome.error)}"
        assert (outcome.value.account, outcome.value.provider) == ("second", provider.name), (
            "a SentMessage must name the account and the provider: make it with self.accepted(message, id=...)"
        )

    def _values(self) -> dict[str, Any]:
        provider = self.make()
        return {name: getattr(provider, name) for name in type(provider).model_fields if name != "account"}


def _settings(provider: SmsProvider) -> dict[str, Any]:
    return {name: getattr(provider, name) for name in type(provider).model_fields}


def _use(method: Callable[..., Any], given: tuple[Any, ...]) -> None:
    drive(method(*given), FakeWire())


def _is_unsupported(error: SmsBridgeError) -> bool:
    """Whether ``error`` is the core's form of a provider's UnsupportedError."""
    asked = isinstance(error, QueryError) and error.reason == "unsupported"
    return asked or isinstance(error, UnsupportedError)


def _as_variable(value: Any) -> str | None:
    if isinstance(value, SecretStr):
        return value.get_secret_value() or None
    if isinstance(value, bool | int | float | str | Path):
        return str(value) or None
    return json.dumps(value) if isinstance(value, list | dict) and value else None
