"""smsbridge doctor: what is configured, why, and what is wrong with it."""

from __future__ import annotations

import os
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

import smsbridge.plugins
from cli_acme import ANSWERS, TOKEN, AcmeProvider, install, run, run_json
from smsbridge import errors
from smsbridge.cli.exits import Exit
from smsbridge.messages import Status
from smsbridge.provider import SmsProvider

POSIX = pytest.mark.skipif(os.name == "nt", reason="no such permissions there")


@pytest.fixture
def acme(monkeypatch):
    return install(monkeypatch)


def findings(document):
    return [(one["level"], one["message"]) for one in document["findings"]]


def setting(document, variable):
    (found,) = [one for one in document["settings"] + document["provider_settings"] if one["variable"] == variable]
    return found["value"], found["source"]


# --- what is chosen, and why


def test_with_nothing_configured_it_is_console():
    done = run("doctor")
    assert done.exit_code == Exit.OK
    assert "provider    console\n" in done.stdout
    assert "the default, as SMSBRIDGE_PROVIDER is not set" in done.stdout
    assert "note: texts are printed and sent to nobody" in done.stdout
    assert "sending can work" in done.stdout
    assert "python 3." in done.stdout
    assert "hooks       none" in done.stdout


def test_as_json():
    document, code = run_json("doctor")
    assert code == Exit.OK
    assert set(document) == {
        "works",
        "account",
        "provider",
        "origin",
        "because",
        "versions",
        "hooks",
        "settings",
        "provider_settings",
        "findings",
        "live",
    }
    assert document["works"] is True
    assert {"python", "smsbridge", "httpx", "pydantic", "smsbridge-twincle"} <= set(document["versions"])


def test_each_setting_is_shown_with_its_source(acme, monkeypatch, tmp_path):
    secrets = tmp_path / "secrets"
    secrets.mkdir()
    (secrets / "smsbridge_acme_api_key").write_text("FAKE-KEY-DO-NOT-USE")
    Path(".env").write_text("SMSBRIDGE_TIMEOUT=5\nSMSBRIDGE_PROVIDER=console\n")
    monkeypatch.setenv("SMSBRIDGE_SECRETS_DIR", str(secrets))
    monkeypatch.setenv("SMSBRIDGE_ACME_CONTACT", "+919876543210")
    done = run("doctor", "--json")
    assert TOKEN not in done.output
    assert "FAKE-KEY-DO-NOT-USE" not in done.output
    document, code = run_json("doctor")
    assert (code, document["provider"], document["because"]) == (0, "acme", "SMSBRIDGE_PROVIDER, from environment")
    assert setting(document, "SMSBRIDGE_TIMEOUT") == ("5", ".env")
    assert setting(document, "SMSBRIDGE_CONCURRENCY") == ("10", "default")
    assert setting(document, "SMSBRIDGE_DEFAULT_REGION") == (None, "not set")
    assert setting(document, "SMSBRIDGE_ACME_TOKEN") == ("********", "environment")
    assert setting(document, "SMSBRIDGE_ACME_API_KEY") == ("********", "secrets directory")
    assert setting(document, "SMSBRIDGE_ACME_CONTACT") == ("+91******3210", "environment")


def test_the_choice_may_come_from_dotenv():
    Path(".env").write_text("SMSBRIDGE_PROVIDER=memory\n")
    document, _ = run_json("doctor")
    assert (document["provider"], document["because"]) == ("memory", "SMSBRIDGE_PROVIDER, from .env")


def test_an_account_is_explained(acme, monkeypatch):
    monkeypatch.setenv("SMSBRIDGE_OTP_PROVIDER", "acme")
    monkeypatch.setenv("SMSBRIDGE_OTP_TOKEN", TOKEN)
    document, code = run_json("doctor", "--account", "otp")
    assert code == Exit.OK
    assert (document["account"], document["provider"]) == ("otp", "acme")
    assert document["because"] == "--account; SMSBRIDGE_OTP_PROVIDER, from environment"
    assert setting(document, "SMSBRIDGE_OTP_TOKEN") == ("********", "environment")
    assert "acme (account otp)" in run("doctor", "--account", "otp").stdout


# --- what is wrong


def test_a_missing_setting_is_an_error(acme, monkeypatch):
    monkeypatch.delenv("SMSBRIDGE_ACME_TOKEN")
    document, code = run_json("doctor")
    assert code == Exit.CONFIGURATION
    assert document["works"] is False
    assert ("error", "provider acme: SMSBRIDGE_ACME_TOKEN is missing") in findings(document)
    assert setting(document, "SMSBRIDGE_ACME_TOKEN") == (None, "missing")
    assert "sending cannot work: 1 error above" in run("doctor").stdout


def test_an_empty_setting_counts_as_missing(acme, monkeypatch):
    monkeypatch.setenv("SMSBRIDGE_ACME_TOKEN", "")
    document, _ = run_json("doctor")
    assert ("warning", "SMSBRIDGE_ACME_TOKEN is empty, which counts as not set") in findings(document)


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("SMSBRIDGE_TIMEOUT", "soon"),
        ("SMSBRIDGE_DEFAULT_REGION", "India"),
        ("SMSBRIDGE_PROVIDER", "nosuch"),
        ("SMSBRIDGE_PROVIDER", "No Such"),
        ("SMSBRIDGE_SECRETS_DIR", "/no/such/directory"),
    ],
)
def test_a_wrong_setting_is_an_error_and_no_traceback(monkeypatch, variable, value):
    monkeypatch.setenv(variable, value)
    document, code = run_json("doctor", "--live")
    assert code == Exit.CONFIGURATION
    assert "error" in [level for level, _ in findings(document)]
    assert setting(document, variable) == (value, "environment")
    assert document["live"] is None
    assert "live: not tried" in run("doctor", "--live").stdout


def test_an_unreadable_dotenv_is_an_error():
    Path(".env").write_bytes(b"SMSBRIDGE_TIMEOUT=\xff\n")
    document, code = run_json("doctor")
    assert code == Exit.CONFIGURATION
    assert any(".env" in message for _, message in findings(document))


def test_a_plain_http_url_is_a_warning_but_works(acme, monkeypatch):
    monkeypatch.setenv("SMSBRIDGE_ACME_BASE_URL", "http://acme.example")
    done = run("doctor")
    assert done.exit_code == Exit.OK
    assert "warning: SMSBRIDGE_ACME_BASE_URL: acme.example is reached over plain http" in done.stdout
    assert done.stderr == ""


def test_a_deprecated_setting_is_a_warning_where_it_is_set(acme, monkeypatch):
    assert not any("deprecated" in message for _, message in findings(run_json("doctor")[0]))
    monkeypatch.setenv("SMSBRIDGE_ACME_ROUTE", "1")
    deprecated = ("warning", "SMSBRIDGE_ACME_ROUTE is deprecated: use SMSBRIDGE_ACME_BASE_URL")
    assert deprecated in findings(run_json("doctor")[0])


@POSIX
@pytest.mark.parametrize(("mode", "warned"), [(0o644, True), (0o640, False), (0o600, False)])
def test_a_secret_that_others_can_read_is_a_warning(acme, monkeypatch, mode, warned):
    monkeypatch.delenv("SMSBRIDGE_ACME_TOKEN")
    Path(".env").write_text(f"SMSBRIDGE_ACME_TOKEN={TOKEN}\n")
    Path(".env").chmod(mode)
    document, code = run_json("doctor")
    assert code == Exit.OK
    assert (("warning", ".env holds a secret, and every user here can read it") in findings(document)) == warned


@POSIX
def test_so_is_a_file_of_the_secrets_directory(acme, monkeypatch, tmp_path):
    monkeypatch.delenv("SMSBRIDGE_ACME_TOKEN")
    file = tmp_path / "smsbridge_acme_token"
    file.write_text(TOKEN)
    file.chmod(0o644)
    monkeypatch.setenv("SMSBRIDGE_SECRETS_DIR", str(tmp_path))
    assert ("warning", f"{file} holds a secret, and every user here can read it") in findings(run_json("doctor")[0])


@POSIX
def test_a_dotenv_without_secrets_may_be_read_by_anybody(acme):
    Path(".env").write_text("SMSBRIDGE_TIMEOUT=5\n")
    Path(".env").chmod(0o644)
    assert findings(run_json("doctor")[0]) == []


@pytest.mark.parametrize(
    ("variable", "meant"),
    [
        ("SMSBRIDGE_PROVDER", "SMSBRIDGE_PROVIDER"),
        ("SMSBRIDGE_ACME_TOKN", "SMSBRIDGE_ACME_TOKEN"),
        ("SMSBRIDGE_ACM_TOKEN", "SMSBRIDGE_ACME_TOKEN"),
        ("SMSBRIDGE_CONSOLE_SHOWNUMBERS", "SMSBRIDGE_CONSOLE_SHOW_NUMBERS"),
        ("SMSBRIDGE_QQQQ", None),
    ],
)
@pytest.mark.parametrize("place", ["environment", ".env"])
def test_a_variable_that_nothing_reads_is_a_warning(acme, monkeypatch, variable, meant, place):
    if place == ".env":
        Path(".env").write_text(f"{variable}=x\n")
    else:
        monkeypatch.setenv(variable, "x")
    document, code = run_json("doctor")
    assert code == Exit.OK
    (found,) = document["findings"]
    assert found["message"] == f"nothing reads {variable}"
    assert found["advice"] == (f"did you mean {meant}?" if meant else "")


def test_variables_of_other_providers_and_accounts_are_no_strays(acme, monkeypatch):
    monkeypatch.setenv("SMSBRIDGE_CONSOLE_SHOW_NUMBERS", "1")
    monkeypatch.setenv("SMSBRIDGE_OTP_PROVIDER", "memory")
    monkeypatch.setenv("SMSBRIDGE_OTP_CAPACITY", "5")
    monkeypatch.setenv("SMSBRIDGE_OLD_PROVIDER", "nosuch")
    monkeypatch.setenv("SMSBRIDGE_OLD_TOKEN", "x")
    assert findings(run_json("doctor")[0]) == []


def test_a_broken_hook_plugin_is_an_error(monkeypatch):
    point = EntryPoint(name="watcher", group="smsbridge.hooks", value="no_such_module_here")
    real = smsbridge.plugins.entry_points
    monkeypatch.setattr(
        smsbridge.plugins,
        "entry_points",
        lambda **wanted: [point] if wanted.get("group") == "smsbridge.hooks" else real(**wanted),
    )
    document, code = run_json("doctor")
    assert code == Exit.CONFIGURATION
    assert any("no_such_module_here" in message for _, message in findings(document))
    assert document["provider"] is None


def test_a_plugin_with_a_bug_is_an_error_without_its_words(acme, monkeypatch):
    def from_env(cls, account=None, resolve=None):
        raise RuntimeError(TOKEN)

    monkeypatch.setattr(AcmeProvider, "from_env", classmethod(from_env))
    document, code = run_json("doctor")
    assert code == Exit.CONFIGURATION
    assert ("error", "a plugin failed with RuntimeError") in findings(document)


# --- --live


def test_a_live_call_asks_for_the_balance(acme):
    done = run("doctor", "--live")
    assert done.exit_code == Exit.OK
    assert "live: balance: sms: 12.50 INR" in done.stdout


def test_a_live_call_that_fails_has_its_own_exit_code(acme):
    ANSWERS["balance"] = errors.AuthenticationError()
    document, code = run_json("doctor", "--live")
    assert code == Exit.QUERY_FAILED
    assert document["works"] is False
    assert document["live"]["ok"] is False
    assert "IP allow list" in document["live"]["advice"]
    assert "the live call failed" in run("doctor", "--live").stdout


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (errors.QueryError(), "ask again; if that does not help, check the network and SMSBRIDGE_ACME_BASE_URL"),
        (errors.QueryError(retry_after=7), "ask again in 7 seconds; if that"),
        (errors.QueryError(authentication=True), "check the credentials"),
    ],
)
def test_a_live_call_that_fails_does_not_advise_itself(acme, error, words):
    ANSWERS["balance"] = error
    document, _ = run_json("doctor", "--live")
    assert document["live"]["advice"].startswith(words)
    assert "doctor" not in document["live"]["advice"]


def test_without_a_balance_a_reference_that_nobody_used_is_looked_up(acme, monkeypatch):
    monkeypatch.setattr(AcmeProvider, "balance", SmsProvider.balance)
    document, code = run_json("doctor", "--live")
    assert (code, document["live"]["call"], document["live"]["message"]) == (0, "lookup", "it answered")


@pytest.mark.parametrize("answer", [errors.NotFoundError(), Status.UNKNOWN])
def test_without_a_lookup_an_id_that_nobody_knows_is_asked_for(acme, monkeypatch, answer):
    monkeypatch.setattr(AcmeProvider, "balance", SmsProvider.balance)
    monkeypatch.setattr(AcmeProvider, "lookup", SmsProvider.lookup)
    ANSWERS["status"] = answer
    document, code = run_json("doctor", "--live")
    assert (code, document["live"]["call"], document["live"]["ok"]) == (0, "status", True)


def test_a_provider_without_a_harmless_call_says_so():
    done = run("doctor", "--live")
    assert done.exit_code == Exit.OK
    assert "live: console has no call that sends nothing" in done.stdout
