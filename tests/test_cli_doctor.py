"""smsbridge doctor: the configuration, its sources, and its mistakes."""

from __future__ import annotations

import os
from importlib.metadata import EntryPoint, EntryPoints
from pathlib import Path

import pytest

import smsbridge.plugins
from cli_acme import ANSWERS, TOKEN, AcmeProvider, install, run, run_json
from smsbridge import errors
from smsbridge.cli.exits import Exit
from smsbridge.messages import Status
from smsbridge.policies.policy import Finding
from smsbridge.provider import SmsProvider

POSIX = pytest.mark.skipif(os.name == "nt", reason="no such permissions there")


@pytest.fixture
def acme(monkeypatch):
    return install(monkeypatch)


def findings(document):
    return [(finding["level"], finding["message"]) for finding in document["findings"]]


def setting(document, variable):
    (found,) = [
        setting for setting in document["settings"] + document["provider_settings"] if setting["variable"] == variable
    ]
    return found["value"], found["source"]


# --- what is chosen, and why


def test_with_nothing_configured_it_is_console():
    done = run("doctor")
    assert done.exit_code == Exit.OK
    assert "provider    console\n" in done.stdout
    assert "the default, because SMSBRIDGE_PROVIDER is not set" in done.stdout
    assert "note: texts are printed and not sent" in done.stdout
    assert "sending can work" in done.stdout
    assert "python 3." in done.stdout
    assert "hooks       none" in done.stdout


def test_a_policy_is_called_one(monkeypatch):
    monkeypatch.setenv("SMSBRIDGE_PROVIDER", "failover")
    monkeypatch.setenv("SMSBRIDGE_FAILOVER_ACCOUNTS", "console,memory")
    assert "policy      failover\n" in run("doctor").stdout


@pytest.mark.parametrize(
    ("timeout", "deadline", "said"),
    [
        ("60", None, "60) is longer than SMSBRIDGE_DEADLINE (25)"),
        (None, "9.5", "15) is longer than SMSBRIDGE_DEADLINE (9.5)"),
        ("9", "9", ""),
        (None, None, ""),
    ],
)
def test_a_timeout_that_is_longer_than_the_deadline_is_told(monkeypatch, timeout, deadline, said):
    for name, value in (("TIMEOUT", timeout), ("DEADLINE", deadline)):
        if value is not None:
            monkeypatch.setenv(f"SMSBRIDGE_{name}", value)
    document, code = run_json("doctor")
    told = [message for level, message in findings(document) if level == "warning" and "TIMEOUT" in message]
    assert code == Exit.OK
    assert [said in message for message in told] == ([True] if said else [])


def test_as_json():
    document, code = run_json("doctor")
    assert code == Exit.OK
    assert set(document) == {
        "works",
        "account",
        "provider",
        "is_policy",
        "origin",
        "because",
        "versions",
        "hooks",
        "settings",
        "provider_settings",
        "other_settings",
        "tree",
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


# --- a ledger


@pytest.mark.parametrize("path", [".", "nowhere/x.db", "garbage.db", "garbage.db/x.db"])
def test_a_ledger_that_would_make_every_send_fail_is_an_error(acme, monkeypatch, path, tmp_path):
    monkeypatch.chdir(tmp_path)
    Path("garbage.db").write_text("no database, but long enough to be looked at as one")
    monkeypatch.setenv("SMSBRIDGE_LEDGER_STORE", f"sqlite:///{path}")
    document, code = run_json("doctor")
    assert (code, document["works"]) == (Exit.CONFIGURATION, False)
    ((level, words),) = findings(document)
    assert level == "error"
    assert words.startswith("the ledger cannot be used: ")
    assert f"({path})" in words
    done = run("texts", "list")
    assert (done.exit_code, words in done.stderr) == (Exit.CONFIGURATION, True)


@POSIX
@pytest.mark.skipif(hasattr(os, "geteuid") and os.geteuid() == 0, reason="root may write anywhere")
def test_a_directory_in_which_no_ledger_can_be_made_is_one(acme, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    Path("closed").mkdir(mode=0o500)
    monkeypatch.setenv("SMSBRIDGE_LEDGER_STORE", "sqlite:///closed/x.db")
    assert findings(run_json("doctor")[0]) == [("error", "the ledger cannot be used: Permission denied (closed/x.db)")]


def test_a_ledger_is_looked_at_without_being_made(acme, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SMSBRIDGE_LEDGER_STORE", "sqlite:///sms.db")
    assert run("doctor").exit_code == Exit.OK
    assert not Path("sms.db").exists()
    assert "it is created with the first text" in run("texts", "list").stderr
    assert run("send", "+919876543210", "hello").exit_code == Exit.OK
    assert run("doctor").exit_code == Exit.OK


# --- what a text goes through


def several(monkeypatch, *accounts):
    monkeypatch.setenv("SMSBRIDGE_PROVIDER", "failover")
    monkeypatch.setenv("SMSBRIDGE_FAILOVER_ACCOUNTS", ",".join(accounts))


def other(document, of):
    (section,) = [setting for setting in document["other_settings"] if setting["of"] == of]
    return {setting["variable"]: (setting["value"], setting["source"]) for setting in section["settings"]}


def drawn(stdout):
    lines = stdout.split("a text goes through\n")[1].split("\n\n")[0].splitlines()
    return [" ".join(line.split()) for line in lines], [len(line) - len(line.lstrip()) for line in lines]


def test_the_tree_that_results_is_drawn(acme, monkeypatch):
    monkeypatch.setenv("SMSBRIDGE_SPARE_PROVIDER", "memory")
    monkeypatch.setenv("SMSBRIDGE_ACME_LIMIT_SENDS", "10/s")
    monkeypatch.setenv("SMSBRIDGE_GUARD_COUNTRIES", "in")
    monkeypatch.setenv("SMSBRIDGE_GUARD_REDIRECT", "+919999988888")
    monkeypatch.setenv("SMSBRIDGE_RETRY_ATTEMPTS", "5")
    several(monkeypatch, "acme", "spare")
    done = run("doctor")
    assert done.exit_code == Exit.OK
    assert "+919999988888" not in done.output
    lines, depths = drawn(done.stdout)
    assert lines == [
        "guard redirect +91******8888, countries IN",
        "retry attempts 5",
        "failover",
        "limit sends 10/1s",
        "acme",
        "memory (account spare) texts end here",
    ]
    assert depths == [2, 4, 6, 8, 10, 8]
    tree = run_json("doctor")[0]["tree"]
    assert (tree["name"], tree["inside"][0]["name"]) == ("guard", "retry")
    failover = tree["inside"][0]["inside"][0]
    assert [(layer["name"], layer["account"]) for layer in failover["inside"]] == [
        ("limit", "acme"),
        ("memory", "spare"),
    ]


def test_a_provider_by_itself_is_not_drawn():
    assert "a text goes through" not in run("doctor").stdout
    assert run_json("doctor")[0]["tree"] == {
        "name": "console",
        "account": "console",
        "about": "texts end here",
        "inside": [],
    }


def test_the_settings_of_each_policy_and_account_are_shown_with_their_source(acme, monkeypatch):
    monkeypatch.setenv("SMSBRIDGE_SPARE_PROVIDER", "memory")
    monkeypatch.setenv("SMSBRIDGE_SPARE_CAPACITY", "7")
    monkeypatch.setenv("SMSBRIDGE_ACME_LIMIT_SENDS", "10/s")
    Path(".env").write_text("SMSBRIDGE_RETRY_ATTEMPTS=5\nSMSBRIDGE_LIMIT_QUERIES=1/s\n")
    monkeypatch.setenv("SMSBRIDGE_FAILOVER_RETRY_SECONDS", "9")
    several(monkeypatch, "acme", "spare")
    document, _ = run_json("doctor")
    retry = other(document, "retry")
    assert retry["SMSBRIDGE_RETRY_ATTEMPTS"] == ("5", ".env")
    assert retry["SMSBRIDGE_FAILOVER_RETRY_SECONDS"] == ("9", "environment")
    assert retry["SMSBRIDGE_RETRY_FIRST_WAIT"] == ("0.5", "default")
    assert not any(name.endswith("INNER") for name in retry)
    limit = other(document, "limit around acme")
    assert limit["SMSBRIDGE_ACME_LIMIT_SENDS"] == ("10/s", "environment")
    assert limit["SMSBRIDGE_LIMIT_QUERIES"] == ("1/s", ".env")
    assert other(document, "acme")["SMSBRIDGE_ACME_TOKEN"] == ("********", "environment")
    assert other(document, "spare")["SMSBRIDGE_SPARE_CAPACITY"] == ("7", "environment")
    assert document["findings"]
    assert all(finding["level"] == "note" for finding in document["findings"])
    assert "settings of limit around acme" in run("doctor").stdout


def test_a_limit_of_the_vendors_is_said_to_be_one(acme, monkeypatch):
    monkeypatch.setattr(AcmeProvider, "rates", {"sends": "1000/1m"})
    limit = other(run_json("doctor")[0], "limit")
    assert limit["SMSBRIDGE_LIMIT_SENDS"] == ("1000/1m", "the vendor's own limit")
    assert limit["SMSBRIDGE_LIMIT_QUERIES"] == (None, "not set")


def test_a_policy_that_is_an_account_of_its_own_has_its_settings_there(acme, monkeypatch):
    monkeypatch.setenv("SMSBRIDGE_PROVIDER", "patient")
    monkeypatch.setenv("SMSBRIDGE_PATIENT_PROVIDER", "retry")
    monkeypatch.setenv("SMSBRIDGE_PATIENT_INNER", "acme")
    monkeypatch.setenv("SMSBRIDGE_PATIENT_ATTEMPTS", "9")
    document, code = run_json("doctor")
    assert code == Exit.OK
    assert setting(document, "SMSBRIDGE_PATIENT_ATTEMPTS") == ("9", "environment")
    assert [setting["of"] for setting in document["other_settings"]] == ["acme"]


def test_what_one_account_cannot_do_that_another_can_is_a_note(acme, monkeypatch):
    monkeypatch.setenv("SMSBRIDGE_SPARE_PROVIDER", "memory")
    several(monkeypatch, "acme", "spare", "console")
    notes = [message for level, message in findings(run_json("doctor")[0]) if level == "note"]
    assert "account acme lacks what other accounts of failover can do: validity, batches" in notes
    assert any(
        finding.startswith("account console lacks what other accounts of failover can do: ") for finding in notes
    )
    assert not any(finding.startswith("account spare") for finding in notes)


# --- what is wrong


@pytest.mark.parametrize(
    ("accounts", "words"),
    [
        (" ", "SMSBRIDGE_FAILOVER_ACCOUNTS is missing"),
        (" , ", "SMSBRIDGE_FAILOVER_ACCOUNTS names no account"),
        ("acme,memory,acme", "SMSBRIDGE_FAILOVER_ACCOUNTS names an account twice: acme"),
        ("acme,twinkle", "SMSBRIDGE_FAILOVER_ACCOUNTS names twinkle: no provider 'twinkle'; have"),
        ("acme,No Such", "SMSBRIDGE_FAILOVER_ACCOUNTS: the name of a provider or an account"),
        (
            "acme,failover",
            "SMSBRIDGE_FAILOVER_ACCOUNTS names failover: account 'failover' holds itself: failover > failover",
        ),
        ("acme,loop", "account 'failover' holds itself: failover > loop > failover"),
    ],
)
def test_wrong_accounts_of_a_failover_are_errors_that_name_the_variable(acme, monkeypatch, accounts, words):
    monkeypatch.setenv("SMSBRIDGE_LOOP_PROVIDER", "retry")
    monkeypatch.setenv("SMSBRIDGE_LOOP_INNER", "failover")
    several(monkeypatch, accounts)
    document, code = run_json("doctor")
    assert code == Exit.CONFIGURATION
    (error,) = [message for level, message in findings(document) if level == "error"]
    assert words in error
    assert "SMSBRIDGE_FAILOVER_ACCOUNTS" in error


def test_what_is_missing_at_an_account_inside_is_an_error(acme, monkeypatch):
    monkeypatch.delenv("SMSBRIDGE_ACME_TOKEN")
    several(monkeypatch, "memory", "acme")
    errors_found = [message for level, message in findings(run_json("doctor")[0]) if level == "error"]
    assert errors_found == ["SMSBRIDGE_FAILOVER_ACCOUNTS names acme: provider acme: SMSBRIDGE_ACME_TOKEN is missing"]


def test_an_account_that_is_not_for_this_environment_is_an_error(acme, monkeypatch):
    monkeypatch.setenv("SMSBRIDGE_ENV", "production")
    several(monkeypatch, "acme", "memory", "console")
    document, code = run_json("doctor", "--live")
    assert code == Exit.CONFIGURATION
    wrong = [message for level, message in findings(document) if level == "error"]
    assert [words.split("'")[1] for words in wrong] == ["memory", "console"]
    assert document["live"] is None
    monkeypatch.setenv("SMSBRIDGE_ENV_ALLOWS", "memory,console")
    assert run("doctor").exit_code == Exit.OK


def test_a_wrong_setting_of_a_policy_is_an_error(acme, monkeypatch):
    monkeypatch.setenv("SMSBRIDGE_ACME_RETRY_ATTEMPTS", "SECRET")
    document, code = run_json("doctor")
    assert code == Exit.CONFIGURATION
    (error,) = [message for level, message in findings(document) if level == "error"]
    assert "SMSBRIDGE_ACME_RETRY_ATTEMPTS is wrong" in error
    assert "SECRET" not in error


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
    assert ("warning", "SMSBRIDGE_ACME_TOKEN is empty and counts as not set") in findings(document)


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
def test_a_dotenv_without_secrets_may_be_readable_for_all(acme):
    Path(".env").write_text("SMSBRIDGE_TIMEOUT=5\n")
    Path(".env").chmod(0o644)
    assert findings(run_json("doctor")[0]) == []


@pytest.fixture(params=["environment", ".env"])
def put(request, monkeypatch):
    """Set a variable, here or there."""
    if request.param == ".env":
        return lambda variable: Path(".env").write_text(f"{variable}=x\n")
    return lambda variable: monkeypatch.setenv(variable, "x")


@pytest.mark.parametrize(
    ("variable", "meant"),
    [
        ("SMSBRIDGE_CONSOLE_SHOWNUMBERS", "SMSBRIDGE_CONSOLE_SHOW_NUMBERS"),
        ("SMSBRIDGE_TWINCLE_LIMT_SENDS", "SMSBRIDGE_TWINCLE_LIMIT_SENDS"),
        ("SMSBRIDGE_TWINCLE_GUARD_ALOW", "SMSBRIDGE_TWINCLE_GUARD_ALLOW"),
    ],
)
def test_a_variable_that_nothing_reads_is_a_warning_where_the_account_is_another(acme, put, variable, meant):
    put(variable)
    document, code = run_json("doctor")
    assert code == Exit.OK
    (found,) = document["findings"]
    assert (found["level"], found["message"]) == ("warning", f"nothing reads {variable}")
    assert found["advice"] == f"did you mean {meant}?"


@pytest.mark.parametrize(
    ("variable", "meant"),
    [
        ("SMSBRIDGE_PROVDER", "SMSBRIDGE_PROVIDER"),
        ("SMSBRIDGE_ACME_TOKN", "SMSBRIDGE_ACME_TOKEN"),
        ("SMSBRIDGE_ACM_TOKEN", "SMSBRIDGE_ACME_TOKEN"),
        ("SMSBRIDGE_TWINCE_LIMIT_SENDS", "SMSBRIDGE_TWINCLE_LIMIT_SENDS"),
        ("SMSBRIDGE_GARD_ALLOW", "SMSBRIDGE_GUARD_ALLOW"),
        ("SMSBRIDGE_QQQQ", None),
    ],
)
def test_one_that_keeps_a_client_from_being_made_is_an_error(acme, put, variable, meant):
    put(variable)
    document, code = run_json("doctor")
    assert code == Exit.CONFIGURATION
    (found,) = document["findings"]
    words = f"did you mean {meant}?" if meant else "there is no account, provider or policy 'qqqq' here"
    assert (found["level"], found["message"].startswith(f"nothing reads {variable}: {words}")) == ("error", True)


@pytest.mark.parametrize(
    "variable", ["SMSBRIDGE_RETRY_ATEMPTS", "SMSBRIDGE_ACME_RETRY_ATEMPTS", "SMSBRIDGE_GUARD_ALOW"]
)
def test_of_a_policy_around_the_account_it_is_an_error_said_once(acme, monkeypatch, variable):
    monkeypatch.setenv(variable, "2")
    document, code = run_json("doctor")
    assert code == Exit.CONFIGURATION
    ((level, words),) = findings(document)
    assert (level, words.startswith(f"nothing reads {variable}: did you mean SMSBRIDGE_")) == ("error", True)


def test_a_policy_of_one_of_several_accounts_is_a_warning_where_it_stands_around_all_of_them(acme, monkeypatch):
    several(monkeypatch, "acme", "memory")
    monkeypatch.setenv("SMSBRIDGE_GUARD_COUNTRIES", "IN")
    monkeypatch.setenv("SMSBRIDGE_ACME_GUARD_TOTAL", "9/1h")
    monkeypatch.setenv("SMSBRIDGE_MEMORY_RETRY_ATTEMPTS", "1")
    document, code = run_json("doctor")
    assert code == Exit.OK
    assert [
        (finding["message"], finding["advice"]) for finding in document["findings"] if finding["level"] == "warning"
    ] == [
        (
            "SMSBRIDGE_ACME_GUARD_TOTAL has no effect, since guard stands around failover, and not around account acme inside it",
            "set SMSBRIDGE_FAILOVER_GUARD_TOTAL, or SMSBRIDGE_GUARD_TOTAL for all accounts",
        ),
        (
            "SMSBRIDGE_MEMORY_RETRY_ATTEMPTS has no effect, since retry stands around failover, and not around account memory inside it",
            "set SMSBRIDGE_FAILOVER_RETRY_ATTEMPTS, or SMSBRIDGE_RETRY_ATTEMPTS for all accounts",
        ),
    ]


def test_variables_of_other_providers_and_accounts_are_no_strays(acme, monkeypatch):
    monkeypatch.setenv("SMSBRIDGE_CONSOLE_SHOW_NUMBERS", "1")
    monkeypatch.setenv("SMSBRIDGE_OTP_PROVIDER", "memory")
    monkeypatch.setenv("SMSBRIDGE_OTP_CAPACITY", "5")
    monkeypatch.setenv("SMSBRIDGE_OLD_PROVIDER", "nosuch")
    monkeypatch.setenv("SMSBRIDGE_OLD_TOKEN", "x")
    assert findings(run_json("doctor")[0]) == []


def test_neither_are_those_of_policies(acme, monkeypatch):
    monkeypatch.setenv("SMSBRIDGE_OTP_PROVIDER", "memory")
    for name in (
        "SMSBRIDGE_RETRY_ATTEMPTS",
        "SMSBRIDGE_ACME_RETRY_ATTEMPTS",
        "SMSBRIDGE_OTP_RETRY_ATTEMPTS",
        "SMSBRIDGE_FAILOVER_RETRY_ATTEMPTS",
        "SMSBRIDGE_FAILOVER_FAULTS",
    ):
        monkeypatch.setenv(name, "2")
    for name in ("SMSBRIDGE_LIMIT_SENDS", "SMSBRIDGE_TWINCLE_LIMIT_SENDS", "SMSBRIDGE_OTP_GUARD_TOTAL"):
        monkeypatch.setenv(name, "5/1m")
    assert findings(run_json("doctor")[0]) == [
        ("note", "the limits of acme hold for each process alone: two processes send twice as fast")
    ]


@pytest.mark.parametrize(
    ("use", "rate", "note"),
    [
        (
            "LIMIT",
            "SENDS",
            {
                "level": "note",
                "message": "the limits of acme hold for each process alone: two processes send twice as fast",
                "advice": "to share them, set SMSBRIDGE_LIMIT_STORE, such as sqlite:///sms.db",
            },
        ),
        (
            "GUARD",
            "TOTAL",
            {
                "level": "note",
                "message": "the caps of acme count for each process alone: two processes send twice as many texts",
                "advice": "to count together, set SMSBRIDGE_STORE, such as sqlite:///sms.db",
            },
        ),
    ],
)
def test_what_counts_for_each_process_alone_is_a_note_until_there_is_a_store(acme, monkeypatch, use, rate, note):
    monkeypatch.setenv(f"SMSBRIDGE_{use}_{rate}", "5/1m")
    assert run_json("doctor")[0]["findings"] == [note]
    monkeypatch.setenv(f"SMSBRIDGE_{use}_STORE", "memory:")
    assert run_json("doctor")[0]["findings"] == [note]
    monkeypatch.setenv(f"SMSBRIDGE_{use}_STORE", "sqlite:///sms.db")
    assert run_json("doctor")[0]["findings"] == []


def test_a_limit_of_an_account_that_talks_to_no_vendor_is_not_read(acme, monkeypatch):
    monkeypatch.setenv("SMSBRIDGE_BOTH_PROVIDER", "failover")
    monkeypatch.setenv("SMSBRIDGE_BOTH_ACCOUNTS", "acme,memory")
    monkeypatch.setenv("SMSBRIDGE_BOTH_LIMIT_SENDS", "5/1m")
    assert [message for _, message in findings(run_json("doctor")[0])] == ["nothing reads SMSBRIDGE_BOTH_LIMIT_SENDS"]


def test_a_broken_hook_plugin_is_an_error(monkeypatch):
    point = EntryPoint(name="watcher", group="smsbridge.hooks", value="no_such_module_here")
    monkeypatch.setattr(smsbridge.plugins, "entry_points", lambda: EntryPoints([point]))
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


def test_each_account_of_several_is_asked(acme, monkeypatch):
    monkeypatch.setenv("SMSBRIDGE_OTP_PROVIDER", "acme")
    monkeypatch.setenv("SMSBRIDGE_OTP_TOKEN", TOKEN)
    several(monkeypatch, "acme", "otp", "console")
    done = run("doctor", "--live")
    assert done.exit_code == Exit.OK
    assert "live: acme: balance: sms: 12.50 INR" in done.stdout
    assert "live: otp: balance: sms: 12.50 INR" in done.stdout
    assert "live: console: console has no call that sends nothing" in done.stdout
    assert "live: 3 of 3 accounts answered" in done.stdout
    ANSWERS["balance"] = errors.AuthenticationError()
    document, code = run_json("doctor", "--live")
    assert (code, document["live"]["ok"], document["works"]) == (Exit.QUERY_FAILED, False, False)
    assert [(member["account"], member["ok"]) for member in document["live"]["members"]] == [
        ("acme", False),
        ("otp", False),
        ("console", True),
    ]


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (errors.QueryError(), "ask again; if that does not help, check the network and SMSBRIDGE_ACME_BASE_URL"),
        (errors.QueryError(retry_after=7), "ask again in 7 s; if that"),
        (errors.QueryError(authentication=True), "check the credentials"),
    ],
)
def test_a_live_call_that_fails_does_not_advise_itself(acme, error, words):
    ANSWERS["balance"] = error
    document, _ = run_json("doctor", "--live")
    assert document["live"]["advice"].startswith(words)
    assert "doctor" not in document["live"]["advice"]


def test_without_a_balance_an_unused_reference_is_looked_up(acme, monkeypatch):
    monkeypatch.setattr(AcmeProvider, "balance", SmsProvider.balance)
    document, code = run_json("doctor", "--live")
    assert (code, document["live"]["call"], document["live"]["message"]) == (0, "lookup", "it answered")


@pytest.mark.parametrize("answer", [errors.NotFoundError(), Status.UNKNOWN])
def test_without_a_lookup_an_unknown_id_is_asked_for(acme, monkeypatch, answer):
    monkeypatch.setattr(AcmeProvider, "balance", SmsProvider.balance)
    monkeypatch.setattr(AcmeProvider, "lookup", SmsProvider.lookup)
    ANSWERS["status"] = answer
    document, code = run_json("doctor", "--live")
    assert (code, document["live"]["call"], document["live"]["ok"]) == (0, "status", True)


def test_a_provider_without_a_harmless_call_says_so():
    done = run("doctor", "--live")
    assert done.exit_code == Exit.OK
    assert "live: console has no call that sends nothing" in done.stdout


# --- quotes, and where secrets would go


@pytest.mark.parametrize("variable", ["ACME_TOKEN", "ACME_CONTACT", "LEDGER_STORE", "PROVIDER", "ENV"])
@pytest.mark.usefixtures("acme")
def test_a_value_that_still_has_its_quotes_is_an_error(monkeypatch, variable):
    monkeypatch.setenv(f"SMSBRIDGE_{variable}", '"abcd"')
    done = run("doctor")
    assert done.exit_code == Exit.CONFIGURATION
    assert f"error: SMSBRIDGE_{variable} still has quotes around its value" in done.stdout
    assert [*Path().iterdir()] == []


@pytest.mark.usefixtures("acme")
def test_a_url_from_another_place_than_the_token_is_an_error_that_names_both_places(monkeypatch):
    Path(".env").write_text("SMSBRIDGE_ACME_BASE_URL=https://stranger.example\n")
    document, code = run_json("doctor", "--live")
    assert code == Exit.CONFIGURATION
    (words,) = [message for level, message in findings(document) if level == "error"]
    assert words.startswith("SMSBRIDGE_ACME_BASE_URL is from .env, and SMSBRIDGE_ACME_TOKEN from the environment: ")
    assert document["live"] is None
    assert setting(document, "SMSBRIDGE_ACME_BASE_URL") == ("https://stranger.example", ".env")


@pytest.mark.usefixtures("acme")
def test_no_command_hands_the_token_over(monkeypatch):
    Path(".env").write_text("SMSBRIDGE_ACME_BASE_URL=https://stranger.example\n")
    for args in (["balance"], ["status", "1"], ["send", "+919876543210", "hi"], ["verify", "start", "+919876543210"]):
        done = run(*args)
        assert done.exit_code == Exit.CONFIGURATION
        assert "SMSBRIDGE_ACME_BASE_URL is from .env" in done.stderr


@pytest.mark.parametrize("breaks", [False, True])
def test_a_provider_that_has_findings_is_asked_too(monkeypatch, breaks):
    def findings(self):
        yield Finding("warning", f"the token of {self.account} ends tomorrow", "make another")
        if breaks:
            raise LookupError("QUOTED")

    monkeypatch.setattr(AcmeProvider, "findings", findings, raising=False)
    install(monkeypatch)
    said = run("doctor").stdout
    if breaks:
        assert "the method findings of provider acme failed with LookupError" in said
        assert "QUOTED" not in said
    else:
        assert "the token of acme ends tomorrow" in said
        assert "next: make another" in said
