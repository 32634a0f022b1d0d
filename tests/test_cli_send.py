"""smsbridge send: one text."""

from __future__ import annotations

import os
import stat
from datetime import UTC, datetime, timedelta, timezone

import pytest

from cli_acme import ANSWERS, MASKED, NUMBER, SENT, install, run, run_json
from smsbridge import errors
from smsbridge.cli.exits import Exit
from smsbridge.messages import Dlt, Purpose


@pytest.fixture
def acme(monkeypatch):
    return install(monkeypatch)


# --- with nothing configured


def test_the_first_text_is_printed_well_and_costs_nothing():
    done = run("send", NUMBER, "Your order has shipped")
    assert done.exit_code == Exit.OK
    for words in (MASKED, "Your order has shipped", "console", "sent", "(no sender id)"):
        assert words in done.stdout
    assert done.stdout.count("Your order has shipped") == 1
    assert NUMBER not in done.output
    assert "not sent" in done.stdout
    assert "SMSBRIDGE_PROVIDER" in done.stderr


def test_the_number_is_shown_if_asked():
    assert NUMBER in run("send", NUMBER, "Hi", "--show-number").stdout
    document, _ = run_json("send", NUMBER, "Hi", "--show-number")
    assert document["to"] == NUMBER


def test_as_json_the_box_is_not_in_the_way():
    done = run("send", NUMBER, "Hi", "--json")
    assert "┌─ SMS" in done.stderr
    document, code = run_json("send", NUMBER, "Hi")
    assert code == Exit.OK
    assert set(document) == {
        "outcome", "account", "provider", "id", "reference", "to", "status", "segments", "price", "at",
    }  # fmt: skip
    assert document["outcome"] == "accepted"
    assert document["to"] == MASKED


def test_the_file_provider_is_chosen_by_account(tmp_path):
    assert run("send", NUMBER, "Hi", "--account", "file").exit_code == Exit.OK
    kept = tmp_path / "sms.jsonl"
    assert "Hi" in kept.read_text("utf-8")
    assert os.name == "nt" or stat.S_IMODE(kept.stat().st_mode) == 0o600


# --- with a provider


def test_an_accepted_text_shows_all_there_is_to_know(acme):
    done = run("send", NUMBER, "Hi\nthere", "--from", "ACMEIN", "--reference", "order-17")
    assert done.exit_code == Exit.OK
    assert "accepted: acme took the text, which is not yet delivered" in done.stdout
    for words in (MASKED, "ACMEIN", "Hi\n", "there", "a-1", "order-17", "queued", "0.25 INR"):
        assert words in done.stdout
    assert done.stderr == "next: smsbridge status a-1 --account acme\n"
    assert NUMBER not in done.output


def test_every_option_reaches_the_message(acme):
    done = run(
        "send", NUMBER, "Hi", "--from", "ACMEIN", "--purpose", "otp", "--reference", "r-1",
        "--at", "2030-01-31T09:30+05:30", "--dlt-entity", "11", "--dlt-template", "22",
        "--option", "flash=true", "--option", 'tags=["a"]',
    )  # fmt: skip
    assert done.exit_code == Exit.OK
    (message,) = SENT
    assert message.sender == "ACMEIN"
    assert message.purpose is Purpose.OTP
    assert message.reference == "r-1"
    assert message.send_at == datetime(2030, 1, 31, 9, 30, tzinfo=timezone(timedelta(hours=5, minutes=30)))
    assert message.dlt == Dlt(entity_id="11", template_id="22")
    assert message.options == {"acme": {"flash": "true", "tags": ["a"]}}


def test_z_means_utc(acme):
    run("send", NUMBER, "Hi", "--at", "2030-01-31T04:00:00Z")
    assert SENT[0].send_at == datetime(2030, 1, 31, 4, tzinfo=UTC)


@pytest.mark.parametrize("given", ["Grüße\n", "Grüße\r\n", "\ufeffGrüße"])
def test_the_text_can_come_from_standard_input(acme, given):
    assert run("send", NUMBER, "-", stdin=given.encode()).exit_code == Exit.OK
    assert SENT[0].text == "Grüße"


def test_standard_input_has_to_be_utf_8(acme):
    assert run("send", NUMBER, "-", stdin=b"\xff\xfe").exit_code == Exit.USAGE
    assert SENT == []


def test_a_text_may_begin_with_a_dash_after_two_of_them(acme):
    assert run("send", NUMBER, "--", "--json").exit_code == Exit.OK
    assert SENT[0].text == "--json"


def test_a_text_without_its_number_is_a_mistake():
    assert run("send", "Hi").exit_code == Exit.USAGE


# --- refused, uncertain, unsupported


def test_a_refused_text_was_certainly_not_sent(acme):
    ANSWERS["send"] = errors.ContentError(code="1703", reason="dlt-template", detail=f"no template for {NUMBER}")
    done = run("send", NUMBER, "My text")
    assert (done.exit_code, done.stdout) == (Exit.REFUSED, "")
    assert done.stderr.startswith("refused: acme: the text was refused")
    assert "[1703, dlt-template]" in done.stderr
    assert "next: compare the text with the registered template" in done.stderr
    assert NUMBER not in done.output
    document, code = run_json("send", NUMBER, "My text", "--reference", "r-1")
    assert code == Exit.REFUSED
    assert (
        document["error"].items()
        >= {
            "type": "ContentError",
            "outcome": "refused",
            "account": "acme",
            "provider": "acme",
            "reference": "r-1",
            "code": "1703",
            "reason": "dlt-template",
            "fault": "message",
            "exit_code": 4,
        }.items()
    )
    assert NUMBER not in str(document)
    assert "My text" not in str(document)


def test_a_number_that_is_none_is_refused(acme):
    document, code = run_json("send", "12345abc", "Hi")
    assert code == Exit.REFUSED
    assert document["error"]["type"] == "RecipientError"
    assert "country code" in document["error"]["advice"]
    assert SENT == []


def test_what_the_provider_cannot_express_is_not_sent(acme):
    done = run("send", NUMBER, "Hi", "--valid-until", "2030-01-31T09:30Z")
    assert done.exit_code == Exit.UNSUPPORTED
    assert "valid_until" in done.stderr
    assert "smsbridge providers" in done.stderr
    assert run("send", NUMBER, "Hi", "--option", "colour=red").exit_code == Exit.UNSUPPORTED
    assert SENT == []


def test_a_missing_setting_is_named_and_leads_to_the_doctor(acme, monkeypatch):
    monkeypatch.delenv("SMSBRIDGE_ACME_TOKEN")
    done = run("send", NUMBER, "Hi")
    assert done.exit_code == Exit.CONFIGURATION
    assert "SMSBRIDGE_ACME_TOKEN is missing" in done.stderr
    assert "smsbridge doctor" in done.stderr


def test_an_unknown_provider_says_what_is_near(monkeypatch):
    monkeypatch.setenv("SMSBRIDGE_PROVIDER", "twillio")
    done = run("send", NUMBER, "Hi")
    assert done.exit_code == Exit.CONFIGURATION
    assert "did you mean 'twilio'?" in done.stderr


# --- Ctrl-C


def test_an_interrupt_says_what_is_known_of_the_text(acme):
    ANSWERS["send"] = KeyboardInterrupt()
    document, code = run_json("send", NUMBER, "Hi")
    assert code == document["error"]["exit_code"] == Exit.INTERRUPTED
    assert (document["error"]["type"], document["error"]["reason"]) == ("RefusedError", "cancelled")


def test_an_interrupt_after_the_text_was_accepted_says_so(acme, monkeypatch):
    def interrupt(*_args):
        raise KeyboardInterrupt

    monkeypatch.setattr("smsbridge.cli.send._show", interrupt)
    done = run("send", NUMBER, "Hi", "--reference", "r-1")
    assert done.exit_code == Exit.INTERRUPTED
    assert "interrupted: acme took the text, id a-1, reference r-1\nnext: do not send it again\n" in done.stderr


def test_an_interrupt_while_the_text_leaves_is_uncertain(monkeypatch):
    def interrupt(*_args):
        raise KeyboardInterrupt

    monkeypatch.setattr("smsbridge.builtin.console._write", interrupt)
    done = run("send", NUMBER, "Hi", "--reference", "r-1")
    assert done.exit_code == Exit.INTERRUPTED
    assert done.stderr.replace("\n", " ").strip().startswith("uncertain: console: cancelled while it was being sent")
    assert "before sending again" in done.stderr


def test_an_answer_that_never_came_is_uncertain(monkeypatch):
    def fail(*_args):
        raise OSError("gone")

    monkeypatch.setattr("smsbridge.builtin.console._write", fail)
    document, code = run_json("send", NUMBER, "Hi", "--reference", "r-1")
    assert code == document["error"]["exit_code"] == Exit.UNCERTAIN
    assert document["error"]["outcome"] == "uncertain"
    assert document["error"]["reference"] == "r-1"


@pytest.mark.sms_real
def test_an_uncertain_text_of_a_provider_with_lookup_says_the_command(acme, monkeypatch):
    from cli_acme import AcmeProvider
    from smsbridge import Call

    def send(self, message):
        yield from Call(lambda: 1 / 0, sends=True)

    monkeypatch.setattr(AcmeProvider, "send", send)
    done = run("send", NUMBER, "Hi", "--reference", "r-1")
    assert done.exit_code == Exit.UNCERTAIN
    assert "next: it may have been sent: look it up with smsbridge status --reference r-1 --account acme" in done.stderr
