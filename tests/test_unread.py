"""No variable is ignored: with a misspelt or orphaned variable, no client is made, and the error suggests the right name."""

from __future__ import annotations

import subprocess
import sys
import warnings

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from scripted import HttpProvider
from smsbridge import ConfigurationError, Plugins, Settings, SmsClient
from smsbridge.builtin.memory import MemoryProvider
from smsbridge.cli.app import smsbridge as command_line
from smsbridge.cli.exits import Exit
from smsbridge.hookspecs import hookimpl
from smsbridge.plugins import default_plugins
from smsbridge.policies.known import BUILT_IN
from smsbridge.testing import Outbox
from smsbridge.unread import UnreadWarning

TOKEN = "dummy-access-token"
OTP = {"PROVIDER": "otp", "OTP_PROVIDER": "memory"}
BOTH = {"PROVIDER": "failover", "FAILOVER_ACCOUNTS": "memory,otp", "OTP_PROVIDER": "memory"}
TWINCLE = {"PROVIDER": "twincle", "TWINCLE_ACCESS_TOKEN": TOKEN, "TWINCLE_BASE_URL": "https://twincle.example/"}


def client(plugins=None, **variables):
    return SmsClient(environ={f"SMSBRIDGE_{name}": value for name, value in variables.items()}, plugins=plugins)


def said(plugins=None, **variables):
    with pytest.raises(ConfigurationError) as caught:
        client(plugins, **variables)
    assert "VALUE" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("others", "stray", "meant"),
    [
        ({}, "PROVDER", "PROVIDER"),
        ({}, "TIME_OUT", "TIMEOUT"),
        ({}, "DEFAULTREGION", "DEFAULT_REGION"),
        ({}, "ENV_ALOWS", "ENV_ALLOWS"),
        ({}, "LEGDER_STORE", "LEDGER_STORE"),
        ({}, "GARD_ALLOW", "GUARD_ALLOW"),
        ({}, "LIMIT_SNEDS", "LIMIT_SENDS"),
        ({}, "CONSOLE_SHOWNUMBERS", "CONSOLE_SHOW_NUMBERS"),
        ({}, "CONSOLE_RETRY_ATEMPTS", "CONSOLE_RETRY_ATTEMPTS"),
        ({}, "TWINCEL_SENDER", "TWINCLE_SENDER"),
        (TWINCLE, "TWINCLE_SENDR", "TWINCLE_SENDER"),
        (TWINCLE, "TWINCLE_LIMT_SENDS", "TWINCLE_LIMIT_SENDS"),
        (OTP, "OTP_CAPCITY", "OTP_CAPACITY"),
        (OTP, "OTP_GARD_TOTAL", "OTP_GUARD_TOTAL"),
        (BOTH, "OTP_CAPCITY", "OTP_CAPACITY"),
        (BOTH, "MEMORY_CAPCITY", "MEMORY_CAPACITY"),
        (BOTH, "FAILOVER_FAULT", "FAILOVER_FAULTS"),
        ({}, "GUARDTOTAL", "GUARD_TOTAL"),
        ({}, "GUARDPER_RECIPIENT", "GUARD_PER_RECIPIENT"),
        ({}, "LEDGERSTORE", "LEDGER_STORE"),
        (TWINCLE, "TWINCLESENDER", "TWINCLE_SENDER"),
        (OTP, "OTPCAPACTY", "OTP_CAPACITY"),
    ],
)
def test_what_nothing_reads_is_refused_and_says_what_was_meant(others, stray, meant):
    assert f"nothing reads SMSBRIDGE_{stray}: did you mean SMSBRIDGE_{meant}?" in said(**others, **{stray: "VALUE"})


def test_it_is_named_beside_what_is_missing():
    words = said(PROVIDER="twincle", TWINCLE_ACESS_TOKEN="VALUE")
    assert "SMSBRIDGE_TWINCLE_ACCESS_TOKEN is missing" in words
    assert "nothing reads SMSBRIDGE_TWINCLE_ACESS_TOKEN: did you mean SMSBRIDGE_TWINCLE_ACCESS_TOKEN?" in words


def test_all_are_named_at_once():
    words = said(PROVDER="VALUE", LEGDER_PATH="VALUE", QQQQ="VALUE")
    assert [words.count(f"nothing reads SMSBRIDGE_{name}:") for name in ("PROVDER", "LEGDER_PATH", "QQQQ")] == [1, 1, 1]


def test_a_question_mark_ends_what_was_meant_and_no_semicolon_follows_it():
    words = said(PROVDER="VALUE", LEGDER_PATH="VALUE")
    assert "did you mean SMSBRIDGE_LEDGER_STORE? nothing reads SMSBRIDGE_PROVDER:" in words


@pytest.mark.parametrize("stray", ["NIGHT_QUIET", "IMAGE_TAG", "QQQQ", "X", "_", "__", "A__B"])
def test_what_is_like_nothing_says_how_to_allow_it(stray):
    assert "name it in SMSBRIDGE_UNREAD_ALLOWS" in said(**{stray: "VALUE"})


@pytest.mark.parametrize("allows", ["IMAGE_TAG", "image", "SMSBRIDGE_IMAGE_TAG", " other , image_tag "])
def test_what_something_else_reads_may_be_allowed(allows):
    assert client(IMAGE_TAG="x", UNREAD_ALLOWS=allows).provider.name == "console"
    assert "SMSBRIDGE_IMAGES" in said(IMAGES="VALUE", UNREAD_ALLOWS=allows)


@pytest.mark.parametrize(
    "variables",
    [
        {"OTP_PROVIDER": "memory", "OTP_FOO": "x"},
        {"TWINCLE_FOO": "x"},
        {"FAILOVER_FOO": "x", "FAILOVER_ACCOUNTS": "memory"},
        {**TWINCLE, "OTP_PROVIDER": "memory", "OTP_CAPCITY": "x", "PLIVO_X": "x"},
    ],
)
def test_what_stands_in_no_stack_of_this_client_is_no_matter_of_it(variables):
    client(**variables)


def test_a_name_that_is_no_name_is_one_line(monkeypatch):
    words = said(**{"\x1b[31mX\nY": "VALUE", "TWINCEL_\x1b]0;": "VALUE", "Q" * 5000: "VALUE"})
    assert len(words.splitlines()) == 1
    assert "\x1b" not in words
    assert len(words) < 2000


@pytest.mark.parametrize(
    "stray",
    [
        *("_PROVIDER", "DEFAULT_PROVIDER", "ENV_PROVIDER", "PUBLIC_PROVIDER", "TIMEOUT_PROVIDER", "PROVIDER_PROVIDER"),
        *("SECRETS_PROVIDER", "UNREAD_PROVIDER", "RECORD_PROVIDER", "OTP.X_PROVIDER", "DÉFAUT_PROVIDER"),
        *("GUARD_PROVIDER", "RETRY_PROVIDER", "LEDGER_ACCOUNTS"),
    ],
)
def test_what_only_looks_as_if_it_declared_an_account_is_refused(stray):
    assert "nothing reads SMSBRIDGE_" in said(**{stray: "twincle"})


def test_nor_does_it_open_its_word_to_others():
    assert "SMSBRIDGE_DEFAULT_REGON: did you mean SMSBRIDGE_DEFAULT_REGION" in said(
        DEFAULT_PROVIDER="x", DEFAULT_REGON="IN"
    )


@pytest.mark.parametrize(
    "variables",
    [
        {"GUARD_INNER": "memory", "GUARD_TOTAL": "5/1h", "GUARD_RETRY_ATTEMPTS": "2"},
        {"RETRY_INNER": "memory", "RETRY_GUARD_TOTAL": "5/1h"},
        {"RETRY_PROVIDER": "retry", "RETRY_INNER": "memory"},
    ],
)
def test_an_account_that_is_named_after_a_policy_has_settings_like_any_other(variables):
    client(PROVIDER="memory", **variables)
    client(PROVIDER="guard" if "GUARD_INNER" in variables else "retry", **variables)


def test_of_a_policy_that_stands_at_each_account_it_says_so():
    words = said(**BOTH, FAILOVER_LIMIT_SENDS="1/1s")
    assert "limit stands around each account that talks to a vendor: set SMSBRIDGE_LIMIT_SENDS" in words


@pytest.mark.parametrize(
    "command", [["explain", "+919876543210"], ["send", "--dry-run", "+919876543210", "Hello"], ["balance"]]
)
def test_the_commands_refuse_what_a_client_refuses(monkeypatch, command):
    monkeypatch.setenv("SMSBRIDGE_PROVDER", "twincle")
    done = CliRunner().invoke(command_line, command)
    assert done.exit_code == Exit.CONFIGURATION
    assert "did you mean SMSBRIDGE_PROVIDER?" in done.output


def test_an_empty_variable_is_none():
    client(PROVDER="", LEGDER_PATH=" ")


def test_a_provider_made_by_hand_needs_no_environment(monkeypatch):
    monkeypatch.setenv("SMSBRIDGE_LEGDER_PATH", "x")
    SmsClient(MemoryProvider())
    with pytest.raises(ConfigurationError, match="LEGDER"):
        SmsClient("memory")


def test_in_an_outbox_nothing_of_it_is_asked(monkeypatch):
    for name in ("PROVDER", "LEGDER_PATH", "NIGHT_QUIET"):
        monkeypatch.setenv(f"SMSBRIDGE_{name}", "x")
    with Outbox():
        SmsClient()


@pytest.mark.parametrize("place", [".env", "secrets"])
def test_every_place_is_looked_at(place, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    if place == ".env":
        (tmp_path / ".env").write_text("SMSBRIDGE_PROVDER=twincle\n")
    else:
        (tmp_path / "smsbridge_provder").write_text("twincle")
        monkeypatch.setenv("SMSBRIDGE_SECRETS_DIR", str(tmp_path))
    with pytest.raises(ConfigurationError, match="SMSBRIDGE_PROVDER: did you mean SMSBRIDGE_PROVIDER"):
        SmsClient()


def test_credentials_of_a_vendor_of_ours_whose_package_is_absent_are_a_warning(monkeypatch):
    plugins = Plugins()
    monkeypatch.setattr(plugins, "names", lambda: ["console", "memory"])
    with pytest.warns(
        UnreadWarning, match="nothing reads SMSBRIDGE_TWILIO_AUTH_TOKEN: smsbridge-twilio is not installed"
    ):
        client(plugins, TWILIO_AUTH_TOKEN="VALUE")
    assert "SMSBRIDGE_STRANGER_TOKEN" in said(plugins, STRANGER_TOKEN="VALUE")


def test_a_plugin_that_only_observes_owns_its_variables():
    plugins = Plugins()
    plugins.observers.append("metrics")
    client(plugins, METRICS_URL="https://metrics.example")


def test_a_field_of_a_provider_that_looks_like_a_policys_is_its_own():
    class Priced(HttpProvider):
        name = "priced"
        cost_center: str = ""

    plugins = Plugins(type("Other", (), {"smsbridge_providers": hookimpl(lambda self: [Priced])})())
    client(plugins, PROVIDER="priced", PRICED_TOKEN=TOKEN, PRICED_COST_CENTER="17")


SERVICES = {
    "SERVICE_HOST": "10.0.0.1",
    "SERVICE_PORT": "80",
    "PORT": "tcp://10.0.0.1:80",
    "PORT_80_TCP": "tcp://10.0.0.1:80",
    "PORT_80_TCP_PROTO": "tcp",
    "PORT_80_TCP_PORT": "80",
    "PORT_80_TCP_ADDR": "10.0.0.1",
}
NAMED = {"SERVICE_PORT_HTTP": "80", "SERVICE_PORT_GRPC_WEB": "90", "PORT_53_UDP": "udp://10.0.0.1:53"}


@pytest.mark.parametrize("service", ["", "LEDGER_", "GUARD_", "TWINCLE_", "QQQQ_", "LEDGER_GUARD_"])
@pytest.mark.parametrize("made", [SERVICES, SERVICES | NAMED])
def test_what_an_orchestrator_makes_for_services_is_not_there(service, made):
    sms = client(**{f"{service}{name}": value for name, value in made.items()})
    assert sms.provider.name == "console"  # no ledger, no guard


def test_a_port_that_is_no_address_of_a_service_is_a_variable_like_any_other():
    assert "nothing reads SMSBRIDGE_LEDGER_PORT" in said(LEDGER_PORT="8025")


@given(st.sampled_from(sorted({*Settings.model_fields} - {"provider"})), st.data())
def test_a_setting_of_ours_with_one_wrong_letter_is_never_silent(name, data):
    place = data.draw(st.integers(0, len(name) - 1).filter(lambda index: name[index] not in "qxzj"))
    typo = name[:place] + data.draw(st.sampled_from("qxzj")) + name[place + 1 :]
    with pytest.raises(ConfigurationError, match=f"nothing reads SMSBRIDGE_{typo.upper()}: "):
        client(**{typo.upper(): "1"})


@given(st.sampled_from(sorted(BUILT_IN.keys() - {"failover"})), st.data())
def test_nor_is_one_of_a_policy(policy, data):
    fields = sorted({*default_plugins().policies.get(policy).model_fields} - {"inner", "account"})
    word = f"{policy}_{data.draw(st.sampled_from(fields))}"
    place = data.draw(st.integers(0, len(word) - 1).filter(lambda index: word[index] not in "_qxzj"))
    typo = word[:place] + data.draw(st.sampled_from("qxzj")) + word[place + 1 :]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(ConfigurationError, match=f"nothing reads SMSBRIDGE_{typo.upper()}: "):
            client(**{typo.upper(): "1"})


def test_the_check_imports_no_plugin_that_the_client_does_not_use():
    code = (
        "import sys; from smsbridge import SmsClient; SmsClient(environ={'SMSBRIDGE_TWINCLE_SENDER': 'A', 'SMSBRIDGE_OTP_PROVIDER': 'plivo'}); "
        "print([m for m in sys.modules if m.startswith('smsbridge_') or m in ('smsbridge.ledger.policy', 'smsbridge.guard.policy')])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "[]"


def test_the_bare_name_of_a_policy_gets_all_its_settings(monkeypatch):
    monkeypatch.setenv("SMSBRIDGE_LEDGER", "x")
    with pytest.raises(
        ConfigurationError,
        match=r"nothing reads SMSBRIDGE_LEDGER: the known variables are SMSBRIDGE_LEDGER_.*, SMSBRIDGE_LEDGER_KEEP_DAYS",
    ):
        SmsClient()


def test_a_package_of_ours_without_a_provider_excuses_no_variable(monkeypatch):
    monkeypatch.setenv("SMSBRIDGE_DJANGO_TOKEN", "x")
    with pytest.raises(ConfigurationError, match="SMSBRIDGE_DJANGO_TOKEN"):
        SmsClient()
