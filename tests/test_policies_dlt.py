"""Texts to India are compared with the registered templates before they leave; the ids are part of the message."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from scripted import OK, TO, BatchProvider, HttpProvider, Wire, drive, message, provider
from smsbridge.attempts import attempt, attempt_verification
from smsbridge.client import SmsClient
from smsbridge.dlt import Registry
from smsbridge.dlt.policy import DltPolicy
from smsbridge.errors import ConfigurationError, ContentError, UnsupportedError
from smsbridge.http import HttpRequest, HttpResponse
from smsbridge.messages import Dlt, Message, Result
from smsbridge.policies.failover import FailoverPolicy

REGISTRY = """
entity_id = "1101234567890123456"

[[headers]]
name = "ACMEIN"

[[templates]]
id = "1107161234567890001"
name = "order-shipped"
category = "service-implicit"
headers = ["ACMEIN"]
text = "Dear customer, your order {#numeric#} has shipped. ACME"

[[templates]]
id = "1107161234567890002"
name = "code"
category = "service-implicit"
headers = ["ACMEIN"]
text = "Your code is {#numeric#}. ACME"
"""
SHIPPED, CODE = "1107161234567890001", "1107161234567890002"
TEXT = "Dear customer, your order 17 has shipped. ACME"


class Indian(HttpProvider):
    supports = frozenset({"sender", "dlt"})
    verification_supports = supports

    def send(self, message):
        data = yield from self._ask("/send", sends=True, text=message.text)
        return self.accepted(message, id=data["id"], raw={"dlt": message.dlt, "sender": message.sender})

    start_verification = HttpProvider.start_verification


@pytest.fixture
def registry(tmp_path):
    path = tmp_path / "dlt.toml"
    path.write_text(REGISTRY, "utf-8")
    return path


def test_a_text_that_fits_a_template_gets_its_ids_and_its_only_sender(registry):
    sent = drive(attempt(DltPolicy(inner=Indian(), registry=registry), message(text=TEXT)), OK)
    assert sent.raw["dlt"] == Dlt(entity_id="1101234567890123456", template_id=SHIPPED)
    assert sent.raw["sender"] == "ACMEIN"


def test_a_text_that_differs_by_one_character_is_refused_before_anything_leaves(registry):
    with pytest.raises(ContentError) as raised:
        drive(attempt(DltPolicy(inner=Indian(), registry=registry), message(text=TEXT.replace(".", "!"))))
    assert (raised.value.reason, raised.value.account, raised.value.reference) == ("dlt-template", "scripted", "ref-1")
    assert "Dear" not in f"{raised.value} {raised.value!r}"


ENDS = {"\n": "a line break", "\r\n": "a line break", " ": "a space", "\t": "a tab", "\u200b": "a zero width space"}


@pytest.mark.parametrize("end", ENDS, ids=repr)
@pytest.mark.parametrize("dlt", [None, Dlt(template_id=SHIPPED)])
def test_a_text_that_ends_in_what_is_not_seen_is_told_so(registry, end, dlt):
    with pytest.raises(ContentError, match=f"; the text ends in {ENDS[end]}") as caught:
        drive(attempt(DltPolicy(inner=Indian(), registry=registry), message(text=TEXT + end, dlt=dlt)))
    assert caught.value.detail.count("the text ends in") == 1


@pytest.mark.parametrize(("end", "words"), [*ENDS.items(), ("", ""), (".", "")])
@pytest.mark.parametrize("made", [HttpProvider, BatchProvider])
def test_so_is_a_text_that_a_vendor_holds_against_its_template(made, end, words):
    refused = ContentError(reason="dlt-template", detail="template mismatch")

    def send(self, given):
        yield from HttpRequest.post_json("https://api.scripted.example/send", {}, sends=True)
        if made is HttpProvider:
            raise refused
        return [Result(index=0, message=given[0], error=refused), Result(index=1, message=given[1], error=refused)]

    carrier = provider(base=made, **{"send" if made is HttpProvider else "send_batch": send})
    with SmsClient(carrier, transport=Wire(OK)) as sms:
        texts = [message(text=TEXT + end, reference=name) for name in "ab"]
        errors = [result.error for result in sms.send_many(texts)]
    assert all(
        error.detail.startswith("template mismatch; the text ends in " + words if words else "template mismatch")
        for error in errors
    )
    assert all(("ends in" in error.detail) == bool(words) for error in errors)


def test_of_what_is_no_matter_of_templates_it_is_not_said():
    with SmsClient(HttpProvider(), transport=Wire(HttpResponse(status=401))) as sms:
        assert "ends in" not in str(sms.try_send(message(text=TEXT + "\n")).error)


def test_a_text_to_another_country_passes_as_it_is(registry):
    sent = drive(attempt(DltPolicy(inner=Indian(), registry=registry), message(to="+447400123456", text="hello")), OK)
    assert sent.raw == {"dlt": None, "sender": None}


def test_a_vendor_without_a_field_for_the_ids_gets_the_checked_text_without_them(registry):
    assert drive(attempt(DltPolicy(inner=HttpProvider(), registry=registry), message(text=TEXT)), OK).id == "vendor-1"


@pytest.mark.parametrize("declared", [{"headers": ("OTHERS",)}, {"templates": (CODE,)}])
def test_a_failover_considers_only_accounts_with_whom_header_and_template_are_declared(registry, declared):
    first = DltPolicy(inner=Indian(account="first"), registry=registry, **declared)
    with pytest.raises(UnsupportedError, match="not declared with this account's vendor"):
        drive(attempt(first, message(text=TEXT)))
    second = DltPolicy(inner=Indian(account="second"), registry=registry, headers=("ACMEIN",), templates=(SHIPPED,))
    assert drive(attempt(FailoverPolicy(accounts=(first, second)), message(text=TEXT)), OK).account == "second"


def test_the_template_of_a_code_is_checked_with_a_code_in_its_place(registry):
    policy = DltPolicy(inner=Indian(), registry=registry)
    answer = HttpResponse.of_json({"id": "1"})
    assert drive(attempt_verification(policy, message(text="Your code is {code}. ACME")), answer).id == "1"
    assert drive(attempt_verification(policy, message(text="")), answer).id == "1"
    with pytest.raises(ContentError):
        drive(attempt_verification(policy, message(text="The code is {code}. ACME")))


def test_the_environment_names_the_registry_for_all_accounts_and_what_is_declared_for_each(registry, monkeypatch):
    monkeypatch.setenv("SMSBRIDGE_DLT_REGISTRY", str(registry))
    with SmsClient("memory") as sms:
        sms.send("+919876543210", TEXT)
        with pytest.raises(ContentError, match="dlt-template"):
            sms.send("+919876543210", "Something else")
    monkeypatch.setenv("SMSBRIDGE_MEMORY_DLT_TEMPLATES", CODE)
    with SmsClient("memory") as sms, pytest.raises(UnsupportedError, match="not declared"):
        sms.send("+919876543210", TEXT)


def test_a_registry_that_cannot_be_read_is_said_at_start(tmp_path, monkeypatch):
    monkeypatch.setenv("SMSBRIDGE_DLT_REGISTRY", str(tmp_path / "none.toml"))
    with pytest.raises(ConfigurationError, match=r"none\.toml"):
        SmsClient("memory")


def test_what_is_foreseen_is_what_comes(registry):
    from datetime import UTC, datetime

    policy = DltPolicy(inner=Indian(), registry=registry)
    view = policy.foresee(message(text=TEXT), now=datetime.now(UTC))
    assert (view.verdict, view.words) == ("would send", "sets sender, dlt")
    assert policy.foresee(message(text="else"), now=datetime.now(UTC)).verdict == "would refuse"


# --- ids that are registered with the account -----------------------------------------------------------------------------


class Registers(HttpProvider):
    """A vendor whose requests have no field for the ids."""

    dlt_registered: bool = False
    start_verification = HttpProvider.start_verification


def with_ids(**fields):
    return message(text=TEXT, dlt=Dlt(entity_id="1101234567890123456", template_id=SHIPPED), **fields)


def test_ids_that_are_registered_with_the_account_are_satisfied():
    sent = drive(attempt(Registers(dlt_registered=True), with_ids()), OK)
    assert sent.id == "vendor-1"


def test_without_the_setting_they_are_refused_and_the_refusal_names_it():
    with pytest.raises(UnsupportedError, match="SMSBRIDGE_MAIN_DLT_REGISTERED=true"):
        drive(attempt(Registers(account="main"), with_ids()))


def test_a_provider_without_the_setting_does_not_name_it():
    with pytest.raises(UnsupportedError) as refused:
        drive(attempt(HttpProvider(), with_ids()))
    assert "DLT_REGISTERED" not in str(refused.value)


def test_the_setting_lets_no_other_field_through():
    with pytest.raises(UnsupportedError, match="send_at") as refused:
        drive(attempt(Registers(dlt_registered=True), with_ids(send_at=datetime(2030, 1, 1, tzinfo=UTC))))
    assert "DLT_REGISTERED" not in str(refused.value)


def test_ids_are_satisfied_for_one_time_codes_too():
    code = message(text="", dlt=Dlt(template_id=CODE))
    with pytest.raises(UnsupportedError, match="DLT_REGISTERED"):
        drive(attempt_verification(Registers(), code))
    assert drive(attempt_verification(Registers(dlt_registered=True), code), OK).id == "vendor-1"


def test_a_text_with_ids_goes_on_to_an_account_where_they_are_registered(registry):
    first, second = Indian(account="first"), Registers(account="second", dlt_registered=True)
    filled = Registry.load(registry).fill("order-shipped", ["17"])
    for wrapped in (False, True):
        accounts = (
            [DltPolicy(inner=inner, registry=registry) for inner in (first, second)] if wrapped else [first, second]
        )
        sent = drive(
            attempt(FailoverPolicy(accounts=accounts), Message(to=TO, reference="ref-1", **filled.fields)),
            HttpResponse(status=402),
            OK,
        )
        assert sent.account == "second"


def test_the_policy_still_holds_texts_against_the_templates_there(registry):
    policy = DltPolicy(inner=Registers(dlt_registered=True), registry=registry)
    with pytest.raises(ContentError):
        drive(attempt(policy, message(text="Dear customer, hello")))
    assert drive(attempt(policy, message(text=TEXT)), OK).id == "vendor-1"
