"""smsbridge explain: a preview of a text's way."""

from __future__ import annotations

import pytest

from cli_acme import MASKED, NUMBER, SENT, TOKEN, install, run, run_json
from smsbridge.cli.exits import Exit
from smsbridge.guard import policy as guard

TEXT = "SECRET-TEXT-7719"
AMERICAN = "+14155552671"


@pytest.fixture(autouse=True)
def acme(monkeypatch):
    monkeypatch.setattr(guard, "_shared", {})
    yield install(monkeypatch)
    assert SENT == []


def several(monkeypatch, *accounts):
    monkeypatch.setenv("SMSBRIDGE_PROVIDER", "failover")
    monkeypatch.setenv("SMSBRIDGE_FAILOVER_ACCOUNTS", ",".join(accounts))


def test_it_says_which_account_would_be_used_and_why_and_sends_nothing():
    done = run("explain", NUMBER, TEXT)
    assert done.exit_code == Exit.OK
    assert done.stdout.startswith("would be sent through acme\n")
    assert "acme, because of SMSBRIDGE_PROVIDER, from environment" in done.stdout
    assert "retry tries it up to 3 times within 15 s acme takes it" in " ".join(done.stdout.split())
    assert MASKED in done.stdout
    assert TEXT not in done.output
    assert NUMBER not in done.output


def test_as_json(monkeypatch):
    monkeypatch.setenv("SMSBRIDGE_RETRY_ATTEMPTS", "5")
    document, code = run_json("explain", NUMBER)
    assert code == Exit.OK
    assert set(document) == {
        "sends",
        "account",
        "provider",
        "asked",
        "because",
        "to",
        "plan",
        "settings",
        "error",
    }
    assert (document["sends"], document["account"], document["to"], document["error"]) == (True, "acme", MASKED, None)
    assert document["plan"]["provider"] == "retry"
    assert [layer["provider"] for layer in document["plan"]["inside"]] == ["acme"]
    assert [(setting["variable"], setting["value"], setting["source"]) for setting in document["settings"]] == [
        ("SMSBRIDGE_RETRY_ATTEMPTS", "5", "environment")
    ]


def test_another_account(monkeypatch):
    monkeypatch.setenv("SMSBRIDGE_OTP_PROVIDER", "acme")
    monkeypatch.setenv("SMSBRIDGE_OTP_TOKEN", TOKEN)
    done = run("explain", NUMBER, "--account", "otp")
    assert done.stdout.startswith("would be sent through acme (account otp)\n")
    assert "otp, because of --account; SMSBRIDGE_OTP_PROVIDER, from environment" in done.stdout


def test_the_number_may_be_shown():
    assert NUMBER in run("explain", NUMBER, "--show-number").stdout


@pytest.mark.parametrize(
    ("args", "code", "words"),
    [
        ([AMERICAN], Exit.REFUSED, "would not be sent: acme: the guard allows no texts to the country"),
        (["98765"], Exit.REFUSED, "would not be sent: acme: the recipient has no country code"),
        ([NUMBER, ""], Exit.REFUSED, "would not be sent: acme: the text is empty"),
        ([NUMBER, "--valid-until", "2030-01-01T00:00Z"], Exit.UNSUPPORTED, "valid_until"),
        ([NUMBER, "--option", "nosuch=1"], Exit.UNSUPPORTED, "options"),
    ],
)
def test_what_would_be_refused_has_the_exit_code_of_send(monkeypatch, args, code, words):
    monkeypatch.setenv("SMSBRIDGE_GUARD_COUNTRIES", "IN")
    done = run("explain", *args)
    assert done.exit_code == code
    assert words in done.stdout
    assert done.stderr.startswith("next: ")
    document, json_code = run_json("explain", *args)
    assert (json_code, document["sends"], document["account"]) == (code, False, None)
    assert document["error"]["exit_code"] == code
    assert (
        run("send", *(args if len(args) > 1 and not args[1].startswith("-") else [args[0], "x", *args[1:]])).exit_code
        == code
    )


def test_a_broken_configuration_is_explained_by_its_error(monkeypatch):
    monkeypatch.setenv("SMSBRIDGE_GUARD_COUNTRIES", "India")
    document, code = run_json("explain", NUMBER)
    assert code == Exit.CONFIGURATION
    assert "SMSBRIDGE_GUARD_COUNTRIES is wrong" in document["error"]["message"]
    monkeypatch.delenv("SMSBRIDGE_GUARD_COUNTRIES")
    monkeypatch.setenv("SMSBRIDGE_ENV", "test")
    document, code = run_json("explain", NUMBER)
    assert (code, "account 'acme' would send real texts" in document["error"]["message"]) == (Exit.CONFIGURATION, True)


def test_of_several_accounts_the_first_that_can_is_named(monkeypatch):
    monkeypatch.setenv("SMSBRIDGE_SPARE_PROVIDER", "memory")
    several(monkeypatch, "acme", "spare")
    done = run("explain", NUMBER)
    assert done.stdout.startswith("would be sent through acme\n")
    assert "tried only if acme refuses for its own fault" in done.stdout
    done = run("explain", NUMBER, "--valid-until", "2030-01-31T09:30Z")
    assert done.stdout.startswith("would be sent through memory (account spare)\n")
    assert "would refuse: provider acme does not support these fields of a message: valid_until" in done.stdout


def test_a_redirection_is_said_with_the_setting_that_makes_it(monkeypatch):
    monkeypatch.setenv("SMSBRIDGE_ACME_GUARD_REDIRECT", "+919999988888")
    done = run("explain", NUMBER)
    assert "sends it to +91******8888 instead" in done.stdout
    assert "SMSBRIDGE_ACME_GUARD_REDIRECT  +91******8888  (environment)" in done.stdout
    assert "+919999988888" not in done.output


def test_help_has_examples():
    assert "smsbridge explain +919876543210" in run("explain", "--help").stdout


@pytest.mark.parametrize("args", [["explain"], ["send", "--dry-run"]])
def test_what_is_remembered_in_files_is_not_looked_into_and_that_is_said(monkeypatch, tmp_path, args):
    ledger, opt_outs = tmp_path / "sms.db", tmp_path / "optouts.db"
    monkeypatch.setenv("SMSBRIDGE_LEDGER_STORE", f"sqlite:///{ledger}")
    monkeypatch.setenv("SMSBRIDGE_OPTOUT_STORE", f"sqlite:///{opt_outs}")
    words = "records it first; its earlier entries are not looked into here"
    done = run(*args, NUMBER, TEXT, "--reference", "order-1")
    assert (done.exit_code, words in done.stdout) == (Exit.OK, True)
    assert not ledger.exists()
    assert not opt_outs.exists()
    run("send", NUMBER, TEXT, "--reference", "order-1")
    run("optouts", "add", NUMBER)
    SENT.clear()
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    document, code = run_json(*args, NUMBER, TEXT, "--reference", "order-1")
    assert (document["sends"], document["plan"]["words"], code) == (True, words, Exit.OK)
    assert "the list is not looked into here" in run(*args, NUMBER, TEXT).stdout
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_a_ledger_that_cannot_be_made_is_told_all_the_same(monkeypatch, tmp_path):
    monkeypatch.setenv("SMSBRIDGE_LEDGER_STORE", f"sqlite:///{tmp_path}/nowhere/sms.db")
    document, code = run_json("explain", NUMBER)
    assert code == Exit.CONFIGURATION
    assert "the ledger cannot be used" in document["error"]["message"]


def test_a_reference_belongs_to_a_text():
    assert run("explain", NUMBER, "--reference", "order-1").exit_code == Exit.USAGE
