"""smsbridge status, balance and verify: questions to a provider."""

from __future__ import annotations

import pytest

from cli_acme import ANSWERS, MASKED, NUMBER, SENT, AcmeProvider, install, run, run_json
from smsbridge import errors
from smsbridge.cli.exits import Exit
from smsbridge.cli.output import CannotPrint, Output
from smsbridge.messages import Message, Status


@pytest.fixture(autouse=True)
def acme(monkeypatch):
    return install(monkeypatch)


# --- status


def test_status_shows_the_report():
    done = run("status", "a-1")
    assert done.exit_code == Exit.OK
    assert done.stdout.startswith("delivered (final)\n")
    for words in (MASKED, "acme", "a-1", "2030-01-31 09:30:00+00:00"):
        assert words in done.stdout
    assert NUMBER not in done.output


def test_a_status_that_may_change_says_so():
    ANSWERS["status"] = Status.SENT
    assert run("status", "a-1").stdout.startswith("sent (more may come)\n")


def test_status_as_json():
    document, code = run_json("status", "a-1")
    assert code == Exit.OK
    assert document == {
        "account": "acme",
        "provider": "acme",
        "id": "a-1",
        "reference": "",
        "to": MASKED,
        "status": "delivered",
        "final": True,
        "code": None,
        "reason": None,
        "segments": None,
        "price": None,
        "at": "2030-01-31T09:30:00+00:00",
    }
    assert run_json("status", "a-1", "--show-number")[0]["to"] == NUMBER


def test_an_undelivered_text_is_an_answer_not_an_error():
    ANSWERS["status"] = Status.UNDELIVERED
    assert run("status", "a-1").exit_code == Exit.OK


def test_an_id_that_the_provider_does_not_know():
    ANSWERS["status"] = errors.NotFoundError()
    document, code = run_json("status", "a-9")
    assert code == Exit.NOT_FOUND
    assert document["error"].items() >= {"type": "NotFoundError", "outcome": "not found"}.items()
    assert "proves neither that the text was sent" in run("status", "a-9").stderr


def test_a_reference_that_was_accepted():
    ANSWERS["lookup"] = Message(to=NUMBER, text="Hi", reference="order-17")
    done = run("status", "--reference", "order-17")
    assert done.exit_code == Exit.OK
    assert "do not send it again" in done.stdout
    assert "order-17" in done.stdout
    document, _ = run_json("status", "--reference", "order-17")
    assert document.items() >= {"outcome": "accepted", "id": "a-1", "reference": "order-17", "to": MASKED}.items()


def test_a_reference_that_is_not_known_proves_nothing(monkeypatch):
    done = run("status", "--reference", "order-17")
    assert done.exit_code == Exit.NOT_FOUND
    assert "proves neither that the text was sent" in done.stderr
    assert run_json("status", "--reference", "order-17")[0]["error"]["reference"] == "order-17"


def test_unless_the_provider_promises_that_it_does(monkeypatch):
    from datetime import timedelta

    monkeypatch.setattr(AcmeProvider, "absence_proven_after", timedelta(minutes=5))
    assert "0:05:00 after sending, this proves that the text was not sent" in run("status", "--reference", "r").stderr


@pytest.mark.parametrize("args", [[], ["a-1", "--reference", "r"]])
def test_status_takes_an_id_or_a_reference(args):
    assert run("status", *args).exit_code == Exit.USAGE


# --- balance


def test_balance_is_a_table():
    done = run("balance")
    assert (done.exit_code, done.stdout) == (Exit.OK, "service  left   unit\nsms      12.50  INR\n")


def test_balance_as_json_keeps_every_digit():
    document, code = run_json("balance")
    assert code == Exit.OK
    balances = [{"service": "sms", "amount": "12.50", "unit": "INR"}]
    assert document == {"account": "acme", "provider": "acme", "balances": balances}


def test_no_balance_is_said():
    ANSWERS["balance"] = []
    assert run("balance").stdout == "acme reports no balance\n"


def test_a_provider_without_look_up_leaves_the_question_to_the_ledger(monkeypatch, tmp_path):
    asked = ("status", "--reference", "order 17", "--account", "console")
    assert run(*asked).stderr.endswith("next: smsbridge providers shows which questions each provider answers\n")
    monkeypatch.setenv("SMSBRIDGE_STORE", f"sqlite:///{tmp_path}/sms.db")
    done = run(*asked)
    assert done.exit_code == Exit.UNSUPPORTED
    assert done.stderr.endswith("next: ask the ledger: smsbridge texts show 'order 17'\n")


def test_what_a_provider_cannot_be_asked_is_unsupported():
    done = run("balance", "--account", "console")
    assert done.exit_code == Exit.UNSUPPORTED
    assert done.stderr.startswith("unsupported: provider console does not support asking for the balance\n")
    assert "smsbridge providers" in done.stderr
    document, code = run_json("balance", "--account", "console")
    error = document["error"]
    assert (code, error["outcome"], error["exit_code"]) == (Exit.UNSUPPORTED, "unsupported", Exit.UNSUPPORTED)


@pytest.mark.parametrize(
    ("error", "advice"),
    [
        (errors.QueryError(retryable=True), "ask again"),
        (errors.AuthenticationError(), "IP allow list"),
        (errors.RateLimitedError(retry_after=3), "ask again in 3 s"),
    ],
)
def test_a_question_that_failed(error, advice):
    ANSWERS["balance"] = error
    done = run("balance")
    assert done.exit_code == Exit.QUERY_FAILED
    assert advice in done.stderr
    assert run_json("balance")[0]["error"]["type"] == "QueryError"


# --- verify


def test_a_code_is_sent_and_the_next_command_shown():
    done = run("verify", "start", NUMBER, "{code} is your code", "--from", "ACMEIN")
    assert done.exit_code == Exit.OK
    assert "accepted: acme is sending a code" in done.stdout
    assert MASKED in done.stdout
    assert NUMBER not in done.output
    assert done.stderr == "next: smsbridge verify check v-1 CODE --account acme\n"
    assert (SENT[0].text, SENT[0].sender, SENT[0].purpose) == ("{code} is your code", "ACMEIN", "otp")


def test_a_code_is_sent_as_json():
    document, code = run_json("verify", "start", NUMBER)
    assert code == Exit.OK
    assert set(document) == {"outcome", "account", "provider", "id", "reference", "to", "expires_at"}
    assert document.items() >= {"outcome": "accepted", "id": "v-1", "to": MASKED}.items()


def test_a_code_that_is_refused():
    ANSWERS["start"] = errors.OptedOutError()
    assert run("verify", "start", NUMBER).exit_code == Exit.REFUSED


def test_an_interrupt_says_what_is_known_of_the_code():
    ANSWERS["start"] = KeyboardInterrupt()
    document, code = run_json("verify", "start", NUMBER)
    assert code == Exit.INTERRUPTED
    assert document["error"]["reason"] == "cancelled"


@pytest.mark.parametrize("args", [["123456"], ["-"]])
def test_the_right_code_is_approved(args):
    done = run("verify", "check", "v-1", *args, stdin="123456\n")
    assert (done.exit_code, done.stdout) == (Exit.OK, "approved\n")
    assert run_json("verify", "check", "v-1", "123456") == ({"approved": True, "reason": None}, Exit.OK)


def test_a_wrong_code_has_an_exit_code_of_its_own():
    done = run("verify", "check", "v-1", "000000")
    assert (done.exit_code, done.stdout) == (Exit.WRONG_CODE, "not approved: wrong-code\n")
    wrong = {"approved": False, "reason": "wrong-code"}
    assert run_json("verify", "check", "v-1", "000000") == (wrong, Exit.WRONG_CODE)


def test_a_code_is_cancelled():
    assert run("verify", "cancel", "v-1").stdout == "cancelled\n"
    assert run_json("verify", "cancel", "v-1") == ({"cancelled": True}, Exit.OK)
    ANSWERS["cancel"] = errors.NotFoundError()
    assert run("verify", "cancel", "v-9").exit_code == Exit.NOT_FOUND


def test_a_code_that_is_sent_but_cannot_be_printed_is_told_on_standard_error(acme, monkeypatch):
    def full(self, *_args, **_more):
        self.lost = "standard output cannot be written: No space left on device"
        raise CannotPrint(self.lost)

    monkeypatch.setattr(Output, "_print", full)
    done = run("verify", "start", NUMBER)
    assert (done.exit_code, done.stdout) == (Exit.OK, "")
    assert "accepted: acme is sending a code, id v-1; standard output cannot be written" in done.stderr


@pytest.mark.parametrize("args", [["status", "1"], ["verify", "check", "1", "123456"], ["verify", "cancel", "1"]])
def test_of_several_accounts_the_one_has_to_be_named_that_took_the_text(monkeypatch, args):
    monkeypatch.setenv("SMSBRIDGE_PROVIDER", "failover")
    monkeypatch.setenv("SMSBRIDGE_FAILOVER_ACCOUNTS", "acme,memory")
    done = run(*args)
    assert done.exit_code == Exit.CONFIGURATION
    assert "name the one that took the text (acme, memory)" in done.stderr
    assert run("status", "a-1", "--account", "acme").exit_code == Exit.OK
