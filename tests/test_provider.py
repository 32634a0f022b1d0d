"""A provider is a frozen model of its settings. It refuses operations that it does not have."""

from __future__ import annotations

import inspect
import re
import traceback
import warnings
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import ClassVar

import pytest
from pydantic import SecretStr, ValidationError, model_validator

import manual
from scripted import OK, TO, HttpProvider, drive, message, provider
from smsbridge.composite import Composite, account_names, receiver_of
from smsbridge.errors import ConfigurationError, PayloadError, SignatureError, UnsupportedError
from smsbridge.http import HttpRequest, HttpResponse
from smsbridge.messages import Dlt, Message, SentMessage, Verification
from smsbridge.policies.policy import Policy
from smsbridge.provider import Capability, InsecureUrlWarning, Options, SmsProvider, implemented, title_of, vendor_of

VALUE = "SECRET-VALUE-5521"
WEBHOOK = HttpRequest(method="POST", url="https://us.example/hook")


class AcmeOptions(Options):
    flash: bool = False


class AcmeProvider(SmsProvider):
    name = "acme"
    options: ClassVar = AcmeOptions

    token: SecretStr
    retries: int = 0
    keys: tuple[SecretStr, ...] = ()
    base_url: str = "https://api.acme.example"

    @model_validator(mode="after")
    def _together(self):
        if self.retries > 9:
            raise ValueError(f"too many retries for {self.token.get_secret_value()}")
        return self

    def send(self, message):
        yield from ()
        return self.accepted(message, id="1")


# --- settings -------------------------------------------------------------------------------------------------------------


def test_a_constructor_reads_nothing_from_outside(monkeypatch):
    monkeypatch.setenv("SMSBRIDGE_ACME_RETRIES", "3")
    assert AcmeProvider(token="t").retries == 0


def test_from_env_reads_the_variables_of_its_own_name(monkeypatch):
    monkeypatch.setenv("SMSBRIDGE_ACME_TOKEN", "t")
    monkeypatch.setenv("SMSBRIDGE_ACME_ACCOUNT", "not read")
    made = AcmeProvider.from_env()
    assert (made.account, made.token.get_secret_value()) == ("acme", "t")


def test_from_env_reads_the_variables_of_an_account_and_inherits_nothing(monkeypatch):
    monkeypatch.setenv("SMSBRIDGE_ACME_RETRIES", "3")
    monkeypatch.setenv("SMSBRIDGE_OTP_TOKEN", "t")
    made = AcmeProvider.from_env("otp")
    assert (made.account, made.retries) == ("otp", 0)
    monkeypatch.delenv("SMSBRIDGE_OTP_TOKEN")
    monkeypatch.setenv("SMSBRIDGE_ACME_TOKEN", "t")
    with pytest.raises(ConfigurationError, match="SMSBRIDGE_OTP_TOKEN is missing"):
        AcmeProvider.from_env("otp")


def test_a_provider_is_frozen_and_shows_no_secret():
    made = AcmeProvider(token=VALUE)
    with pytest.raises(ValidationError):
        made.retries = 1
    assert VALUE not in f"{made!r} {made}"


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({}, "SMSBRIDGE_ACME_TOKEN is missing"),
        ({"token": [VALUE]}, "SMSBRIDGE_ACME_TOKEN is wrong"),
        ({"token": VALUE, "retries": VALUE}, "SMSBRIDGE_ACME_RETRIES is wrong"),
        ({"token": VALUE, "retries": 10}, "is wrong: too many retries"),
        ({"token": VALUE, "tokn": VALUE}, "there is no setting tokn"),
        ({"token": VALUE, "account": [1]}, "ACCOUNT is wrong"),
    ],
)
def test_a_bad_setting_given_by_hand_is_named_and_its_value_is_nowhere_in_the_error(settings, words):
    with pytest.raises(ConfigurationError, match=f"^provider acme: .*{words}") as caught:
        AcmeProvider(**settings)
    error = caught.value
    assert VALUE not in str(error)
    assert error.__cause__ is None
    assert error.__context__ is None
    shown = traceback.TracebackException.from_exception(error, capture_locals=True)
    assert VALUE not in str([frame.locals for frame in shown.stack if Path(frame.filename).name == "provider.py"])


def test_a_class_without_send_cannot_be_made():
    class Nothing(SmsProvider):
        name = "nothing"

    with pytest.raises(TypeError, match="send"):
        Nothing()


def test_all_secrets_are_known_to_those_who_hide_them():
    assert AcmeProvider(token="a", keys=("b", "c")).secrets() == ["a", "b", "c"]


@pytest.mark.parametrize("url", ["http://api.acme.example", "http://10.0.0.1:8000/x", "http://localhost.evil.example"])
def test_a_plain_http_url_warns_and_names_the_setting(url):
    with pytest.warns(InsecureUrlWarning, match="SMSBRIDGE_ACME_BASE_URL"):
        AcmeProvider(token="t", base_url=url)


@pytest.mark.parametrize(
    "url", ["https://a.example", "http://localhost:1", "http://127.0.0.1", "http://[::1]:8000", "http://a.localhost"]
)
def test_https_and_this_machine_do_not_warn(url):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        AcmeProvider(token="t", base_url=url)


def test_a_url_that_cannot_be_read_is_a_bad_setting():
    with pytest.raises(ConfigurationError, match="provider acme"):
        AcmeProvider(token="t", base_url=f"http://[{VALUE}")


# --- capabilities ---------------------------------------------------------------------------------------------------------

SENT = SentMessage(account="acme", provider="acme", id="1")
VERIFICATION = Verification(account="acme", provider="acme", id="1")


@pytest.mark.parametrize(
    "call",
    [
        lambda provider: provider.send_batch([message()]),
        lambda provider: provider.status(SENT),
        lambda provider: provider.lookup("ref"),
        lambda provider: provider.balance(),
        lambda provider: provider.start_verification(message()),
        lambda provider: provider.check_verification(VERIFICATION, "1"),
        lambda provider: provider.cancel_verification(VERIFICATION),
        lambda provider: provider.parse(WEBHOOK),
    ],
)
def test_all_but_send_is_unsupported_unless_it_is_implemented(call):
    with pytest.raises(UnsupportedError, match="provider acme does not support") as caught:
        call(AcmeProvider(token="t"))
    assert caught.value.account == "acme"


def test_a_provider_that_cannot_verify_a_webhook_refuses_it():
    with pytest.raises(SignatureError, match="cannot tell"):
        AcmeProvider(token="t").verify(WEBHOOK)


def test_capabilities_follow_from_what_is_implemented():
    assert AcmeProvider(token="t").capabilities == frozenset()
    assert implemented(HttpProvider) == set(Capability) - {Capability.BATCH}


@pytest.mark.parametrize("field", ["sender", "send_at", "valid_until", "dlt"])
def test_a_field_that_a_provider_does_not_honour_is_refused_and_not_dropped(field):
    values = {"sender": "ACME", "dlt": Dlt(entity_id="1")}
    given = message(**{field: values.get(field, datetime.now(UTC))})
    with pytest.raises(UnsupportedError, match=f"these fields of a message: {field}$"):
        AcmeProvider(token="t").check(given)
    provider(base=AcmeProvider, __init__=lambda self: SmsProvider.__init__(self, token="t"), supports={field}).check(
        given
    )


def test_purpose_and_reference_are_for_every_provider():
    AcmeProvider(token="t").check(Message(to=TO, text="x", purpose="promotional", reference="r"))


def test_verifications_have_supported_fields_of_their_own():
    made = provider(supports={"sender"}, verification_supports=frozenset())
    made.check(message(sender="A"))
    with pytest.raises(UnsupportedError):
        made.check(message(sender="A"), verification=True)


def test_options_are_checked_for_the_chosen_provider_and_ignored_for_others():
    acme = AcmeProvider(token="t")
    acme.check(message(options={"other": {"anything": 1}, "acme": {"flash": True}}))
    assert acme.options_of(message(options={"acme": {"flash": True}})) == AcmeOptions(flash=True)
    assert acme.options_of(message()) == AcmeOptions()


def test_an_option_that_is_required_and_missing_is_named():
    class Needy(Options):
        campaign: str

    with pytest.raises(UnsupportedError, match="these options, or their values: campaign"):
        provider(options=Needy).check(message())


@pytest.mark.parametrize("options", [{"flsh": True}, {"flash": VALUE}])
def test_an_unknown_or_wrong_option_is_named_without_its_value(options):
    with pytest.raises(UnsupportedError, match=next(iter(options))) as caught:
        AcmeProvider(token="t").check(message(options={"acme": options}))
    assert VALUE not in str(caught.value)
    assert caught.value.__context__ is None


def test_an_accepted_message_carries_account_reference_number_and_time():
    sent = AcmeProvider(token="t", account="otp").accepted(message(), id="7")
    assert (sent.account, sent.provider, sent.id, sent.reference, sent.to) == ("otp", "acme", "7", "ref-1", TO)
    assert sent.at.utcoffset().total_seconds() == 0


# --- wrappers -------------------------------------------------------------------------------------------------------------


class Plain(Policy):
    name = "plain"


def test_a_policy_passes_every_question_on():
    inner = provider(
        base=HttpProvider,
        send_batch=lambda self, messages: messages,
        batch_key=lambda self, message: "key",
        batch_size=7,
        stub=True,
        rates={"sends": "1/1s"},
        status=lambda self, sent: ("status", sent),
        lookup=lambda self, reference: ("lookup", reference),
        balance=lambda self: "balance",
        check_verification=lambda self, verification, code: ("check", verification, code),
        cancel_verification=lambda self, verification: ("cancel", verification),
        verify=lambda self, webhook: (_ for _ in ()).throw(SignatureError("inner")),
        handshake=lambda self, webhook: HttpResponse(status=299),
        parse=lambda self, webhook: ["event"],
        acknowledge=lambda self, events: HttpResponse(status=298),
    )
    outer = Plain(inner=Plain(inner=inner))
    given = message()
    assert (outer.batch_key(given), outer.batch_size) == ("key", 7)
    assert (outer.stub, outer.rates) == (True, {"sends": "1/1s"})
    assert outer.status(SENT) == ("status", SENT)
    assert outer.lookup("r") == ("lookup", "r")
    assert outer.balance() == "balance"
    assert outer.check_verification(VERIFICATION, "1") == ("check", VERIFICATION, "1")
    assert outer.cancel_verification(VERIFICATION) == ("cancel", VERIFICATION)
    with pytest.raises(SignatureError, match="inner"):
        outer.verify(WEBHOOK)
    assert receiver_of(outer, WEBHOOK) is inner
    assert outer.handshake(WEBHOOK).status == 299
    assert outer.parse(WEBHOOK) == ["event"]
    assert outer.acknowledge([]).status == 298


def test_a_policy_sends_through_the_provider_inside():
    outer = Plain(inner=HttpProvider(account="otp"))
    assert drive(outer.send(message()), OK).account == "otp"
    assert [result.sent.account for result in drive(outer.send_batch([message()]), OK)] == ["otp"]
    assert drive(outer.start_verification(message()), OK).account == "otp"


def test_a_policy_declares_what_the_inner_one_declares():
    inner = provider(
        base=HttpProvider,
        supports=frozenset({"sender"}),
        verification_supports=frozenset({"valid_until"}),
        absence_proven_after=timedelta(minutes=5),
    )
    outer = Plain(inner=Plain(inner=inner))
    for name in ("supports", "verification_supports", "absence_proven_after", "capabilities"):
        assert getattr(outer, name) == getattr(inner, name)

    class Deaf(Plain):
        absence_proven_after: ClassVar = None

    assert Deaf(inner=inner).absence_proven_after is None


def test_a_policy_knows_both_accounts_and_all_secrets_and_errors_name_the_vendor():
    outer = Plain(inner=Plain(inner=AcmeProvider(token=VALUE, account="otp"), account="front"))
    assert (outer.name, Plain.name, vendor_of(outer), title_of(outer)) == ("plain", "plain", "acme", "provider acme")
    assert title_of(Plain) == "policy plain"
    assert outer.account == "front"
    assert account_names(outer) == {"front", "otp"}
    assert outer.secrets() == [VALUE]
    with pytest.raises(UnsupportedError, match="provider acme") as caught:
        outer.check(message(sender="x"))
    assert (caught.value.account, caught.value.provider) == ("otp", "acme")
    error = outer.unsupported("rain")
    assert (error.account, error.provider) == ("front", "acme")
    assert VALUE not in repr(outer)


@pytest.mark.parametrize("name", ["send", "send_batch", "start_verification"])
def test_a_policy_with_a_sending_of_its_own_is_refused_as_it_would_miss_texts(name):
    with pytest.raises(TypeError, match=f"Own has a {name} of its own, .* write carry"):
        type("Own", (Plain,), {name: lambda self, message: None, "__module__": "app"})


PASSED_ON = {
    "batch_key", "check", "status", "lookup", "balance", "check_verification", "cancel_verification", "verify", "handshake",
    "parse", "acknowledge", "capabilities", "send", "send_batch", "start_verification", "webhook_lacks",
}  # fmt: skip
OWN = {"accepted", "options_of", "unsupported", "from_env", "secrets", "model_post_init"}


def methods(kind):
    found = {name for name, item in vars(kind).items() if not name.startswith("_")}
    return {name for name in found if inspect.isroutine(vars(kind)[name]) or isinstance(vars(kind)[name], property)}


def test_a_policy_overrides_every_method_of_a_provider():
    assert methods(SmsProvider) == PASSED_ON | OWN
    assert {*vars(Policy), *vars(Composite)} >= PASSED_ON


def test_the_author_of_a_provider_sees_the_methods_of_the_documented_tables_and_nothing_else():
    tables = manual.text("docs/extend/provider.md") + manual.text("docs/extend/provider-rules.md")
    documented = set(re.findall(r"`(?:self\.|AcmeProvider\.)?([a-z_]+)\(", tables)) | {
        "capabilities",
        "model_post_init",
    }
    assert methods(SmsProvider) <= documented


def test_a_webhook_of_a_scripted_provider_needs_its_secret():
    with pytest.raises(PayloadError):
        HttpProvider(webhook_secret="s").parse(HttpRequest(method="POST", url="https://us.example", body=b"{}"))
    assert drive(AcmeProvider(token="t").send(message())).id == "1"
