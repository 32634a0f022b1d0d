"""Test a provider's webhooks: every genuine sample is read, and every forgery made from it is refused."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import fields, replace
from typing import Any

import pytest
from pydantic import SecretStr

from smsbridge.errors import ConfigurationError, PayloadError, SignatureError
from smsbridge.http import HttpRequest
from smsbridge.messages import DeliveryReport, Event, InboundMessage, Received
from smsbridge.provider import Capability, SmsProvider
from smsbridge.receiving import receive
from smsbridge.testing.samples import Webhook, dummy_secret
from smsbridge.testing.wire import drive

from . import forgeries
from .kit import Kit, describe, needs, plugins
from .mutations import ODD_JSON, UNREADABLE, mutants

OTHER_SECRET = dummy_secret("of-another-account")


class Webhooks(Kit):
    """Test ``verify``, ``handshake`` and ``parse`` of a provider, each only if the provider implements it."""

    @needs(Capability.WEBHOOKS)
    def test_a_genuine_webhook_brings_its_events(self, webhook: str | None) -> None:
        sample = self._sample(webhook)
        received = self._receive(self.make(), self._signed(sample.request))
        assert isinstance(received, Received), f"the genuine webhook was refused: {describe(received)}"
        assert received.response.ok, "acknowledge() must return an answer that the vendor takes as received"
        assert len(received.events) == len(sample.events), (
            f"the webhook should bring {len(sample.events)} events, but brings {received.events}"
        )
        for event, expected in zip(received.events, sample.events, strict=True):
            assert type(event) is type(expected), f"the event should be a {type(expected).__name__}"
            for name, value in _given(expected):
                found = getattr(event, name)
                assert found == value, f"{type(event).__name__}.{name} should be {value!r}, but is {found!r}"

    @needs(Capability.WEBHOOKS)
    def test_an_event_is_complete_and_has_a_stable_key(self, webhook: str | None) -> None:
        sample = self._sample(webhook)
        provider = self.make()
        twice = [self._receive(provider, self._signed(sample.request)) for _ in "12"]
        for received in twice:
            assert isinstance(received, Received), f"the genuine webhook was refused: {describe(received)}"
            for event in received.events:
                assert (event.account, event.provider) == (provider.account, provider.name)
                assert isinstance(event.id, str), "an event's id is a string"
                assert event.id, "an event needs the id of its text: set `id` to the vendor's id"
                assert event.at is None or event.at.utcoffset() is not None, (
                    "an event's `at` has no time zone: give it one, such as UTC"
                )
                assert event.key, "give every event a `key`, so that applications recognise a repeated webhook"
        keys = [[event.key for event in received.events] for received in twice if isinstance(received, Received)]
        assert keys[0] == keys[1], "the `key` of an event must be the same each time the webhook is delivered"
        assert len(set(keys[0])) == len(keys[0]), (
            "different events must have different keys: build `key` from what tells them apart"
        )

    # --- forgeries ----------------------------------------------------------------------------------------------------

    @needs(Capability.WEBHOOKS, "covering proof")
    def test_a_changed_body_is_refused(self, webhook: str | None) -> None:
        genuine = self._signed(self._sample(webhook).request)
        parameters = self.proof_covers == "parameters"
        what = "every parameter that parse() reads" if parameters else "every byte that the vendor sent"
        for how, forged in forgeries.changed(genuine, parameters=parameters):
            self._must_refuse(self.make(), forged, f"{how}: the proof must cover {what}")

    @needs(Capability.WEBHOOKS, "covering proof")
    def test_nothing_is_smuggled_in_beside_what_the_proof_covers(self, webhook: str | None) -> None:
        """A webhook with an added or doubled parameter must be refused, even if its proof is genuine.

        If verify() and parse() read different copies of a parameter, a forger can deceive both.
        """
        genuine = self._signed(self._sample(webhook).request)
        for how, forged in forgeries.smuggled(genuine):
            received = self._receive(self.make(), forged)
            assert isinstance(received, SignatureError | PayloadError), (
                f"the webhook must not be believed, because {how}; got {describe(received)}"
            )

    @needs(Capability.WEBHOOKS, "shared secret")
    def test_the_proof_is_a_shared_secret_that_covers_no_content(self, webhook: str | None) -> None:
        """If ``proof_covers`` is ``"secret"``, verify() must accept any content that comes with the secret.

        If verify() refuses a changed webhook, the proof covers more than the secret: change ``proof_covers``.
        """
        genuine = self._signed(self._sample(webhook).request)
        try:
            self.make().verify(forgeries.another(genuine))
        except Exception as error:  # noqa: BLE001  # any error refuses the webhook
            pytest.fail(f"the proof covers more than `proof_covers` says; change `proof_covers`: {describe(error)}")

    @needs(Capability.WEBHOOKS)
    def test_a_webhook_without_its_proof_is_refused(self, webhook: str | None) -> None:
        plain = self._sample(webhook).request
        genuine = self._signed(plain)
        self._must_refuse(self.make(), plain, "it carries no proof at all")
        self._must_refuse(self.make(), forgeries.stripped(plain, genuine), "its headers and its query are gone")
        for proof in forgeries.proofs(plain, genuine):
            self._must_refuse(self.make(), forgeries.without(genuine, proof), f"{proof} is missing")

    @needs(Capability.WEBHOOKS)
    def test_a_garbled_proof_is_refused(self, webhook: str | None) -> None:
        """verify() must refuse a webhook whose proof is cut, lengthened or replaced, with SignatureError."""
        plain = self._sample(webhook).request
        genuine = self._signed(plain)
        for proof in forgeries.proofs(plain, genuine):
            for forged in forgeries.garbled(genuine, proof):
                self._must_refuse(self.make(), forged, f"{proof} is garbled")
        if genuine.url != plain.url:
            for url in (plain.url, genuine.url[:-1], f"{genuine.url}0"):
                self._must_refuse(self.make(), replace(genuine, url=url), "the proof in its URL is garbled")

    @needs(Capability.WEBHOOKS)
    def test_a_proof_with_another_secret_is_refused(self, webhook: str | None) -> None:
        sample = self._sample(webhook)
        for secret in (OTHER_SECRET, "", " ", "None", self._secret()[:-1], f"{self._secret()}0"):
            forged = self._try_to_sign(sample.request, secret)
            if forged is not None:
                self._must_refuse(self.make(), forged, "it was signed with another secret")

    @needs(Capability.WEBHOOKS)
    def test_the_configured_secret_decides(self, webhook: str | None) -> None:
        sample = self._sample(webhook)
        other = self.make(**{self.webhook_secret: OTHER_SECRET})
        self._must_refuse(other, self._signed(sample.request), "it was signed with a secret that is not configured")
        forged = self._try_to_sign(sample.request, OTHER_SECRET)
        assert forged is None or isinstance(self._receive(other, forged), Received), (
            f"a webhook signed with the configured secret was refused: is `{self.webhook_secret}` what verify() uses?"
        )

    @needs(Capability.WEBHOOKS)
    def test_without_a_configured_secret_every_webhook_is_refused(self, webhook: str | None) -> None:
        sample = self._sample(webhook)
        for provider in self._without_secret():
            for secret in (self._secret(), "", " ", "None"):
                forged = self._try_to_sign(sample.request, secret)
                if forged is not None:
                    self._must_refuse(provider, forged, "no secret is configured, so any sender could have made it")
            self._must_refuse(provider, sample.request, "no secret is configured, and it carries no proof")

    @needs(Capability.WEBHOOKS)
    def test_it_says_which_secret_is_not_set(self) -> None:
        """``webhook_lacks()`` must name the webhook secret that is not set, and nothing if verify() has a secret.

        An application relies on it: its route for webhooks must not start if every webhook would be refused.
        """
        assert not self.make().webhook_lacks(), "webhook_lacks() names a secret where verify() has one"
        others = {name: value for name, value in self.settings.items() if name != self.webhook_secret}
        try:  # another key for webhooks, such as a second one, may do instead
            unset = self.provider_class(**{name: others[name] for name in others if not name.startswith("webhook_")})
        except ConfigurationError:
            return  # it is required, so it is never missing
        lacks = unset.webhook_lacks()
        assert self.webhook_secret in lacks, (
            f"webhook_lacks() should name {self.webhook_secret!r} where it is not set, as verify() refuses all then; got {lacks!r}"
        )
        unknown = set(lacks) - set(type(unset).model_fields)
        assert not unknown, f"webhook_lacks() names settings, but {sorted(unknown)} are none"

    # --- handshakes ---------------------------------------------------------------------------------------------------

    @needs(Capability.WEBHOOKS, "handshake")
    def test_a_handshake_is_answered_and_brings_no_event(self, handshake: str | None) -> None:
        sample = self._handshake(handshake)
        received = self._receive(self.make(), self._signed(sample.request))
        assert isinstance(received, Received), f"the handshake was refused: {describe(received)}"
        assert not received.events, "a handshake must bring no events: let handshake() answer it"
        assert self.make().handshake(self._signed(sample.request)) is not None, "handshake() did not recognise it"
        assert sample.reply in received.response.body, f"the answer to the handshake should hold {sample.reply!r}"

    @needs(Capability.WEBHOOKS, "handshake")
    def test_a_forged_handshake_is_refused(self, handshake: str | None) -> None:
        sample = self._handshake(handshake)
        self._must_refuse(self.make(), sample.request, "it carries no proof")
        for provider in self._without_secret():
            self._must_refuse(
                provider, self._try_to_sign(sample.request, "") or sample.request, "no secret is configured"
            )

    @needs(Capability.WEBHOOKS)
    def test_an_ordinary_webhook_is_no_handshake(self, webhook: str | None) -> None:
        genuine = self._signed(self._sample(webhook).request)
        assert self.make().handshake(genuine) is None, (
            "handshake() took a report for a handshake: the report would be lost"
        )

    # --- odd shapes ---------------------------------------------------------------------------------------------------

    @needs(Capability.WEBHOOKS)
    def test_a_genuine_webhook_of_an_odd_shape_is_a_payload_error_or_read(self, webhook: str | None) -> None:
        """parse() must read a genuine webhook of an unexpected shape, or raise PayloadError and no other error.

        Any other error would be answered with HTTP 500, and the vendor would repeat the webhook again and again.
        """
        sample = self._sample(webhook)
        bodies: Iterable[bytes] = [*ODD_JSON.values(), *UNREADABLE.values()]
        data = _json_of(sample.request.body)
        if data is not None:
            bodies = [*bodies, *(json.dumps(mutant).encode() for _, mutant in mutants(data))]
        for body in bodies:
            odd = replace(sample.request, body=body)
            try:
                signed = self._signed(odd)
            except ValueError:
                assert self.proof_covers == "parameters", "sign(webhook, secret) must sign any body"
                self._must_refuse(self.make(), odd, "its body cannot be signed")
                continue
            received = self._receive(self.make(), signed)
            assert isinstance(received, Received | PayloadError), (
                f"the body {body[:80]!r} ended as {describe(received)}; raise PayloadError"
            )
            for event in received.events if isinstance(received, Received) else ():
                assert isinstance(event, DeliveryReport | InboundMessage), f"{event!r} is no event"
                assert isinstance(event.id, str), f"the body {body[:200]!r} brought an event with the id {event.id!r}"
                assert event.id not in {"", "None"}, (
                    f"the body {body[:200]!r} brought an event with the id {event.id!r}"
                )

    # --- inside -------------------------------------------------------------------------------------------------------

    def _sample(self, name: str | None) -> Webhook:
        return self.picked(self.webhooks, name, "webhooks", "webhooks (it has `parse`)")

    def _handshake(self, name: str | None) -> Webhook:
        return self.picked(self.handshakes, name, "handshakes", "a handshake")

    def _secret(self) -> str:
        value = getattr(self.make(), self.webhook_secret, None)
        if isinstance(value, SecretStr):
            value = value.get_secret_value()
        if not isinstance(value, str) or not value:
            pytest.fail(
                f'set settings["{self.webhook_secret}"] = dummy_secret("webhook"); or, if verify() depends on another '
                "setting, name that setting in `webhook_secret`"
            )
        return value

    def _signed(self, webhook: HttpRequest) -> HttpRequest:
        return self.sign(webhook, self._secret())

    def _try_to_sign(self, webhook: HttpRequest, secret: str) -> HttpRequest | None:
        try:
            return self.sign(webhook, secret)
        except Exception:  # noqa: BLE001  # a secret that cannot sign makes no forgery
            return None

    def _receive(self, provider: SmsProvider, webhook: HttpRequest) -> Received | Exception:
        try:
            return drive(receive(plugins(), provider, webhook))
        except Exception as error:  # noqa: BLE001  # the tests check it
            return error

    def _must_refuse(self, provider: SmsProvider, forged: HttpRequest, why: str) -> None:
        try:
            provider.verify(forged)
            end: object = "no error"
        except Exception as error:  # noqa: BLE001  # the core turns a bug into a refusal; here it counts as a bug
            end = error
        assert isinstance(end, SignatureError), (
            f"verify() must raise SignatureError, because {why}; got {describe(end)}"
        )
        received = self._receive(provider, forged)
        assert isinstance(received, SignatureError), (
            f"the webhook must be refused, because {why}; got {describe(received)}"
        )

    def _without_secret(self) -> Iterator[SmsProvider]:
        """Yield the provider with its secret unset, empty or blank, where its settings allow that."""
        assert self.can(Capability.WEBHOOKS)
        unset = {name: value for name, value in self.settings.items() if name != self.webhook_secret}
        for settings in (unset, *({**unset, self.webhook_secret: value} for value in (None, "", " "))):
            try:
                yield self.provider_class(**settings)
            except ConfigurationError:
                # The settings refuse this secret, which is safer still.
                continue


def _given(event: Event) -> Iterator[tuple[str, Any]]:
    """Yield the fields of ``event`` with another value than the default."""
    for field in fields(event):
        value = getattr(event, field.name)
        if field.name != "raw" and value not in (None, "", field.default):
            yield field.name, value


def _json_of(body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError:
        return None
