"""smsbridge ledger: list, explain, settle and prune its entries."""

from __future__ import annotations

import csv
import json
import os
import re
import sqlite3
from contextlib import closing
from datetime import timedelta

import click.testing
import pytest

from cli_acme import ANSWERS, MASKED, NUMBER, SENT, AcmeProvider, install, run, run_json
from smsbridge.cli import main
from smsbridge.cli.app import smsbridge as command
from smsbridge.cli.exits import Exit
from smsbridge.errors import FundsError, QueryError, UncertainError
from smsbridge.messages import Message, Status
from smsbridge.provider import SmsProvider
from smsbridge.stores import writer

TEXT = "SECRET-TEXT-7719"


@pytest.fixture(autouse=True)
def acme(monkeypatch, tmp_path):
    monkeypatch.setenv("SMSBRIDGE_LEDGER_STORE", f"sqlite:///{tmp_path}/sms.db")
    monkeypatch.setenv("SMSBRIDGE_RETRY_LOOKUPS", "0")
    yield install(monkeypatch)
    writer.close_all()
    writer._shared.clear()
    writer._writers.clear()


def send(reference, outcome=None, *more):
    ANSWERS["send"] = outcome
    done = run("send", NUMBER, TEXT, "--reference", reference, *more)
    writer.close_all()  # as at the end of the process
    return done


def open_text(reference):
    """A text whose process was killed while it was on its way."""
    send(reference, UncertainError())
    change(f"state = 'open', recorded_at = NULL WHERE reference = '{reference}'")


def change(what):
    with closing(sqlite3.connect("sms.db", isolation_level=None)) as db:
        db.execute(f"UPDATE smsbridge_ledger SET {what}")


def states():
    with closing(sqlite3.connect("sms.db")) as db:
        return dict(db.execute("SELECT reference, state FROM smsbridge_ledger ORDER BY number"))


def four():
    send("taken")
    send("refused", FundsError())
    send("lost", UncertainError())
    open_text("killed")


def documents(done):
    return [json.loads(line) for line in done.stdout.splitlines()]


# --- list


def test_the_list_has_every_text_and_nothing_private():
    four()
    done = run("texts", "list")
    assert done.exit_code == Exit.OK
    assert [line.split()[0] for line in done.stdout.splitlines()] == ["accepted", "refused", "uncertain", "open"]
    assert [line.split()[-1] for line in done.stdout.splitlines()] == ["taken", "refused", "lost", "killed"]
    assert {line.split()[-2] for line in done.stdout.splitlines()} == {"acme"}
    assert MASKED in done.stdout
    assert NUMBER not in done.output
    assert TEXT not in done.output


def test_the_list_shows_what_is_asked_for():
    four()
    change("claimed_at = claimed_at - 7200 WHERE reference = 'taken'")
    assert len(documents(run("texts", "list", "--state", "open", "--state", "uncertain", "--json"))) == 2
    assert len(documents(run("texts", "list", "--since", "1h", "--json"))) == 3
    assert len(documents(run("texts", "list", "--account", "acme", "--json"))) == 4
    done = run("texts", "list", "--account", "memory")
    assert (done.exit_code, done.stdout) == (Exit.OK, "the ledger has no such text\n")


def test_as_json_each_text_has_a_line_of_its_own():
    send("taken")
    (one,) = documents(run("texts", "list", "--json"))
    assert (one["reference"], one["state"], one["account"], one["to"]) == ("taken", "accepted", "acme", MASKED)
    assert (one["id"], one["segments"], one["price"]) == ("a-1", 1, {"amount": "0.25", "unit": "INR"})


@pytest.mark.parametrize("age", ["soon", "-1d", "1y", "", "90", "999999d"])
def test_a_wrong_age_is_a_usage_error(age):
    send("taken")
    assert run("texts", "list", "--since", age).exit_code == Exit.USAGE


@pytest.mark.parametrize("args", [["list"], ["show", "x"], ["settle", "x"], ["prune", "--older-than", "1d"]])
def test_without_a_ledger_the_command_says_how_to_get_one(args, monkeypatch, tmp_path):
    assert "there is no ledger at" in run("texts", *args).stderr
    monkeypatch.delenv("SMSBRIDGE_LEDGER_STORE")
    done = run("texts", *args)
    assert (done.exit_code, "SMSBRIDGE_LEDGER_STORE" in done.stderr) == (Exit.CONFIGURATION, True)
    assert list(tmp_path.glob("*.db*")) == []


def test_what_is_no_ledger_is_said_to_be_none(tmp_path):
    (tmp_path / "notes.db").write_text("my notes, " * 500)
    done = run("texts", "list", "--path", "notes.db")
    assert done.exit_code == Exit.CONFIGURATION
    assert "cannot be used" in done.stderr


def test_the_ledger_may_be_that_of_one_account(monkeypatch):
    send("taken")
    monkeypatch.delenv("SMSBRIDGE_LEDGER_STORE")
    monkeypatch.setenv("SMSBRIDGE_ACME_LEDGER_STORE", "sqlite:///sms.db")
    assert len(documents(run("texts", "list", "--json"))) == 1


# --- explain


@pytest.mark.parametrize(
    ("reference", "words"),
    [
        ("taken", "a repeat is not sent: it is answered"),
        ("refused", "certainly not sent; a repeat is sent"),
        ("lost", "the text may have been sent"),
        ("killed", "its process is gone"),
    ],
)
def test_what_happened_and_what_a_repeat_would_do_is_explained(reference, words):
    four()
    done = run("texts", "show", reference)
    assert done.exit_code == Exit.OK
    assert words in done.stderr
    assert ("smsbridge texts settle" in done.stderr) is (reference in ("lost", "killed"))
    (one,) = run_json("texts", "show", reference)[0]["entries"]
    assert words in one["repeat"]


def test_a_price_is_shown_in_words():
    send("taken")
    assert re.search("price +0.25 INR\n", run("texts", "show", "taken").stdout)


def test_an_unknown_reference_is_not_found():
    send("taken")
    assert run("texts", "show", "other").exit_code == Exit.NOT_FOUND
    assert run_json("texts", "show", "other") == ({"reference": "other", "entries": []}, Exit.NOT_FOUND)


# --- settle


def test_a_text_that_the_provider_finds_is_settled_as_accepted():
    open_text("killed")
    ANSWERS["lookup"] = Message(to=NUMBER, text="", reference="killed")
    done = run("texts", "settle", "killed")
    assert (done.exit_code, states()) == (Exit.OK, {"killed": "accepted"})
    assert "1 settled, 0 still in doubt" in done.stdout
    sent = len(SENT)
    assert send("killed").exit_code == Exit.OK
    assert len(SENT) == sent


def test_a_text_that_is_not_found_stays_in_doubt():
    open_text("killed")
    done = run("texts", "settle", "killed")
    assert (done.exit_code, states()) == (Exit.UNCERTAIN, {"killed": "open"})
    assert "killed: the provider does not find the text" in done.stderr
    assert "then smsbridge texts settle killed --as accepted, or --as refused" in done.stderr
    assert run_json("texts", "settle", "killed") == ({"settled": 0, "in_doubt": 1, "entries": []}, Exit.UNCERTAIN)


def test_all_that_is_in_doubt_can_be_asked_for_at_once():
    four()
    ANSWERS["lookup"] = Message(to=NUMBER, text="", reference="")
    done = run("texts", "settle", "--all", "--json")
    assert done.exit_code == Exit.OK
    document = json.loads(done.stdout)
    assert (document["settled"], document["in_doubt"]) == (2, 0)
    assert [entry["reference"] for entry in document["entries"]] == ["lost", "killed"]
    assert states() == {"taken": "accepted", "refused": "refused", "lost": "accepted", "killed": "accepted"}


def test_a_question_that_fails_settles_nothing_and_the_next_is_asked_all_the_same():
    open_text("first")
    open_text("second")
    answers = iter([QueryError("down"), Message(to=NUMBER, text="", reference="")])
    ANSWERS["lookup"] = lambda: next(answers)
    done = run("texts", "settle", "--all")
    assert (done.exit_code, states()) == (Exit.UNCERTAIN, {"first": "open", "second": "accepted"})
    assert "down" in done.stderr


def test_each_text_is_looked_up_through_the_account_that_it_was_sent_through(monkeypatch):
    monkeypatch.setenv("SMSBRIDGE_OTP_PROVIDER", "memory")
    open_text("here")
    send("there", None, "--account", "otp")
    change("state = 'open', recorded_at = NULL WHERE reference = 'there'")
    ANSWERS["lookup"] = Message(to=NUMBER, text="", reference="")
    done = run("texts", "settle", "--all")
    assert states() == {"here": "accepted", "there": "open"}  # that process's memory has gone with it
    assert done.exit_code == Exit.UNCERTAIN
    done = run("texts", "settle", "--all", "--account", "acme")
    assert done.exit_code == Exit.OK


def test_a_code_is_not_looked_up_since_no_provider_finds_it():
    ANSWERS["start"] = UncertainError()
    run("verify", "start", NUMBER, "--reference", "code-1")
    writer.close_all()
    ANSWERS["lookup"] = AssertionError("no vendor may be asked")
    done = run("texts", "settle", "--all")
    assert (done.exit_code, states()) == (Exit.UNCERTAIN, {"code-1": "uncertain"})
    assert "--as" in done.stderr


@pytest.mark.parametrize("state", ["accepted", "refused"])
def test_who_knows_what_became_of_a_text_can_say_so(state):
    open_text("killed")
    sent = len(SENT)
    assert run("texts", "settle", "killed", "--as", state, "--yes").exit_code == Exit.OK
    assert states() == {"killed": state}
    send("killed")
    assert len(SENT) - sent == (state == "refused")


def test_without_a_vendor_to_ask_a_confirmation_has_to_be_given():
    open_text("killed")
    done = run("texts", "settle", "killed", "--as", "refused")
    assert (done.exit_code, states()) == (Exit.USAGE, {"killed": "open"})
    assert "--yes" in done.stderr


@pytest.mark.parametrize(("said", "code"), [("y\n", Exit.OK), ("n\n", Exit.INTERRUPTED)])
def test_a_person_is_asked_first(monkeypatch, said, code):
    open_text("killed")
    monkeypatch.setattr("smsbridge.ledger.settling.standard_input", Terminal)
    done = click.testing.CliRunner().invoke(command, ["texts", "settle", "killed", "--as", "refused"], input=said)
    assert done.exit_code == code
    assert "so that a repeat of it is sent?" in done.stderr
    assert states()["killed"] == ("refused" if code is Exit.OK else "open")


class Terminal:
    def isatty(self):
        return True


def test_what_is_settled_already_stays_as_it_is_and_who_wants_it_otherwise_is_told_so():
    send("taken")
    done = run("texts", "settle", "taken", "--as", "refused", "--yes")
    assert (done.exit_code, states()) == (Exit.USAGE, {"taken": "accepted"})
    assert "the text is already settled, and stays so: accepted (account acme)" in done.stderr
    document, code = run_json("texts", "settle", "taken", "--as", "refused", "--yes")
    assert (document["error"]["exit_code"], code) == (Exit.USAGE, Exit.USAGE)


@pytest.mark.parametrize("more", [[], ["--as", "accepted", "--yes"]])
def test_to_settle_what_is_settled_in_that_way_is_no_mistake(more):
    send("taken")
    done = run("texts", "settle", "taken", *more)
    assert (done.exit_code, done.stdout) == (Exit.OK, "the text is already settled: accepted (account acme)\n")
    document, code = run_json("texts", "settle", "taken", *more)
    assert (document["settled"], document["in_doubt"], code) == (0, 0, Exit.OK)
    assert [entry["state"] for entry in document["entries"]] == ["accepted"]


def test_an_unknown_reference_cannot_be_settled():
    send("taken")
    done = run("texts", "settle", "other")
    assert (done.exit_code, "smsbridge texts list" in done.stderr) == (Exit.NOT_FOUND, True)
    document, code = run_json("texts", "settle", "other")
    assert (document["error"]["type"], code) == ("NotFoundError", Exit.NOT_FOUND)


@pytest.mark.parametrize("args", [[], ["killed", "--all"], ["--all", "--as", "refused", "--yes"]])
def test_settle_takes_a_reference_or_all(args):
    assert run("texts", "settle", *args).exit_code == Exit.USAGE


# --- prune


def test_only_what_is_settled_and_old_is_forgotten():
    four()
    assert run("texts", "prune", "--older-than", "1d").stdout == "0 deleted\n"
    change("recorded_at = recorded_at - 2 * 86400, claimed_at = claimed_at - 2 * 86400")
    assert run_json("texts", "prune", "--older-than", "1d") == ({"pruned": 2}, Exit.OK)
    assert states() == {"lost": "uncertain", "killed": "open"}


# --- the process


def test_an_interrupted_command_records_what_it_knows(monkeypatch):
    """Even if abandoned threads keep the process from an ordinary end."""
    closed = []
    monkeypatch.setattr(writer, "close_all", lambda: closed.append(1))
    monkeypatch.setattr("smsbridge.cli._run", lambda args: Exit.INTERRUPTED)
    monkeypatch.setattr("threading.active_count", lambda: 2)
    monkeypatch.setattr("os._exit", lambda code: (_ for _ in ()).throw(SystemExit(code)))
    with pytest.raises(SystemExit) as left:
        main([])
    assert (left.value.code, closed) == (Exit.INTERRUPTED, [1])


def test_each_part_of_the_command_has_help_with_examples():
    for name in ("list", "show", "settle", "prune", "stats", "poll"):
        assert f"smsbridge texts {name} " in run("texts", name, "--help").stdout


@pytest.mark.parametrize("name", ["list", "show", "settle"])
def test_without_an_account_those_of_all_are_looked_at_and_the_help_says_so(name):
    assert "default: through any" in " ".join(run("texts", name, "--help").stdout.split())


# --- a repeated reference ---------------------------------------------------------------------------------------------------


@pytest.fixture
def kept(tmp_path, monkeypatch):
    monkeypatch.setenv("SMSBRIDGE_LEDGER_STORE", f"sqlite:///{tmp_path}/ledger.db")
    monkeypatch.setenv("SMSBRIDGE_FILE_PATH", str(tmp_path / "sms.jsonl"))


@pytest.mark.parametrize("provider", ["console", "file", "memory"])
def test_of_a_repeated_reference_nothing_is_said_to_be_printed_or_written_when_nothing_was(kept, monkeypatch, provider):
    monkeypatch.setenv("SMSBRIDGE_PROVIDER", provider)
    send = ("send", "+919876543210", "Your order has shipped", "--reference", "order-17")
    first, again = run(*send), run(*send)
    assert ("printed above" in first.stdout) == (provider == "console")
    assert again.exit_code == 0
    assert again.stdout.startswith(f"accepted before: {provider} has this reference already, so nothing was sent now\n")
    for words in ("printed", "took the text", "┌─ SMS"):
        assert words not in again.stdout
    assert (run_json(*send)[0]["repeated"], run_json(*send, "--account", provider)[0]["outcome"]) == (True, "accepted")


@pytest.mark.parametrize("provider", ["console", "file", "memory"])
def test_nor_of_many(kept, monkeypatch, tmp_path, provider):
    monkeypatch.setenv("SMSBRIDGE_PROVIDER", provider)
    (tmp_path / "many.jsonl").write_text('{"to": "+919876543210", "text": "Hello", "reference": "order-17"}\n')
    run("send", "+919876543210", "Hello", "--reference", "order-17")
    again = run("send", "--many", str(tmp_path / "many.jsonl"))
    assert "(before, so nothing was sent now)" in again.stdout
    assert "┌─ SMS" not in again.stdout


def test_nor_of_a_code(kept, monkeypatch):
    monkeypatch.setenv("SMSBRIDGE_PROVIDER", "memory")
    start = ("verify", "start", "+919876543210", "--reference", "login-17")
    first, again = run(*start), run(*start)
    assert first.stdout.startswith("accepted: memory is sending a code\n")
    assert again.stdout.startswith("accepted before: memory has this reference already, so nothing was sent now\n")
    assert run_json(*start)[0]["repeated"] is True


# --- what became of accepted texts ------------------------------------------------------------------------------------------


def report(reference, status, **fields):
    """A report that a webhook brought."""
    from datetime import UTC, datetime

    from smsbridge.messages import DeliveryReport
    from smsbridge.stores.blocking import at_once
    from smsbridge.stores.known import open_store

    about = {
        "account": "acme",
        "provider": "acme",
        "id": f"{reference}-id",
        "at": datetime(2030, 1, 31, 12, tzinfo=UTC),
        **fields,
    }
    came = DeliveryReport(reference=reference, status=status, final=status.final, key=f"{reference}/{status}", **about)
    entries = open_store(os.environ["SMSBRIDGE_LEDGER_STORE"]).entries(keep=timedelta(days=90))
    at_once(entries.note([came]))
    at_once(entries.fold([reference], [(came.account, came.id)]))
    entries.close()


def test_show_has_the_reports_and_how_far_the_text_came():
    send("taken", None, "--context", "customer=41")
    report("taken", Status.UNDELIVERED, code="27", reason="absent")
    done = run("texts", "show", "taken")
    assert done.stdout.splitlines()[0] == "taken: undelivered"
    assert "report      2030-01-31 12:00:00+00:00  undelivered (code 27, absent)" in done.stdout
    (one,) = run_json("texts", "show", "taken")[0]["entries"]
    assert (one["status"], one["final"], one["code"], one["context"]) == ("undelivered", True, "27", {"customer": "41"})
    assert [came["status"] for came in one["reports"]] == ["undelivered"]


def test_the_list_finds_texts_by_status_and_number():
    four()
    report("taken", Status.DELIVERED)
    assert [entry["reference"] for entry in documents(run("texts", "list", "--status", "delivered", "--json"))] == [
        "taken"
    ]
    assert documents(run("texts", "list", "--status", "failed", "--json")) == []
    assert len(documents(run("texts", "list", "--to", NUMBER, "--json"))) == 4
    assert documents(run("texts", "list", "--to", "+14155550123", "--json")) == []
    assert run("texts", "list", "--to", "41").exit_code == Exit.USAGE


def test_the_list_as_csv_opens_in_a_spreadsheet_and_runs_no_formula():
    send("taken")
    send("=HYPERLINK(1)")
    rows = list(csv.DictReader(run("texts", "list", "--csv").stdout.splitlines()))
    assert [row["reference"] for row in rows] == ["taken", "'=HYPERLINK(1)"]
    assert (rows[0]["state"], rows[0]["price"], rows[0]["unit"], rows[0]["to"]) == (
        "accepted",
        "0.25",
        "INR",
        f"'{MASKED}",
    )
    assert run("texts", "list", "--csv", "--json").exit_code == Exit.USAGE


def test_stats_count_what_became_of_texts():
    four()
    report("taken", Status.DELIVERED)
    document, code = run_json("texts", "stats")
    assert code == Exit.OK
    found = document["accounts"]["acme"]
    assert (found["texts"], found["states"]) == (4, {"accepted": 1, "open": 1, "refused": 1, "uncertain": 1})
    assert (found["statuses"], found["delivered_share"]) == ({"delivered": 1}, 1.0)
    assert found["prices"] == {"INR": "0.25"}
    assert "4 texts" in run("texts", "stats").stdout
    assert run("texts", "stats", "--since", "1h", "--account", "other").stdout == "the ledger has no such text\n"


def test_poll_asks_about_what_is_not_final_and_keeps_the_answer():
    send("taken")
    send("done")
    report("done", Status.DELIVERED, id="a-2")
    change("claimed_at = claimed_at - 7200")
    ANSWERS["status"] = Status.DELIVERED
    document, code = run_json("texts", "poll", "--rate", "1000")
    assert (document["asked"], document["changed"], code) == (1, 1, Exit.OK)
    writer.close_all()
    (one,) = run_json("texts", "show", "taken")[0]["entries"]
    assert (one["status"], one["final"], len(one["reports"])) == ("delivered", True, 1)
    assert "no text is waiting" in run("texts", "poll").stdout


def test_poll_leaves_texts_alone_that_were_sent_just_now():
    send("taken")
    assert "no text is waiting" in run("texts", "poll").stdout
    assert run("texts", "poll", "--after", "soon").exit_code == Exit.USAGE


def test_poll_says_what_could_not_be_asked():
    send("taken")
    change("claimed_at = claimed_at - 7200")
    ANSWERS["status"] = QueryError("down")
    done = run("texts", "poll", "--rate", "1000")
    assert (done.exit_code, "1 could not be asked about" in done.stdout) == (Exit.QUERY_FAILED, True)


def test_a_report_settles_a_text_in_doubt_without_asking_the_vendor():
    open_text("killed")
    report("killed", Status.DELIVERED)
    ANSWERS["lookup"] = QueryError("no vendor may be asked")
    document, code = run_json("texts", "settle", "killed")
    assert (document["settled"], document["in_doubt"], code) == (1, 0, Exit.OK)
    (one,) = run_json("texts", "show", "killed")[0]["entries"]
    assert (one["state"], one["status"], one["reason"]) == ("accepted", "delivered", "report")


def test_poll_says_where_a_provider_answers_no_question_about_a_text(monkeypatch):
    send("taken")
    change("claimed_at = claimed_at - 7200")
    monkeypatch.setattr(AcmeProvider, "status", SmsProvider.status)
    done = run("texts", "poll", "--rate", "1000")
    assert (done.exit_code, "cannot be asked for the status" in done.stderr) == (Exit.UNSUPPORTED, True)
