"""smsbridge send --many: a file of JSON lines."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from cli_acme import ANSWERS, MASKED, NUMBER, SENT, AcmeProvider, install, pipe, run
from smsbridge import Call, errors
from smsbridge.cli import many as many_module
from smsbridge.cli.exits import Exit
from smsbridge.cli.output import CannotPrint, Output
from smsbridge.many import SendMany
from smsbridge.messages import Dlt, Message, Purpose


@pytest.fixture
def acme(monkeypatch):
    return install(monkeypatch)


def lines(*rows):
    return "".join(json.dumps({"to": NUMBER, "text": "Hi"} | row) + "\n" for row in rows)


def documents(done):
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.fixture
def many(tmp_path):
    def send(*rows, more=()):
        path = tmp_path / "messages.jsonl"
        path.write_text(lines(*rows), "utf-8")
        return run("send", "--many", str(path), *more)

    return send


def test_one_line_is_printed_per_message(acme, many):
    done = many({}, {"text": "Ho"})
    assert done.exit_code == Exit.OK
    shown = sorted(done.stdout.splitlines())
    assert [line.split()[:3] for line in shown] == [["accepted", "1", MASKED], ["accepted", "2", MASKED]]
    assert done.stderr == "2 messages: 2 accepted\n"


def test_as_json_there_is_one_document_per_line(acme, many):
    done = many({"reference": "r-1"}, {"to": "12"}, more=["--json"])
    first, second = sorted(documents(done), key=lambda document: document["index"])
    assert first["outcome"] == "accepted"
    assert first.items() >= {"index": 0, "reference": "r-1", "to": MASKED, "status": "queued"}.items()
    assert second.items() >= {"index": 1, "outcome": "refused"}.items()
    assert second["error"]["type"] == "RecipientError"
    assert done.exit_code == Exit.REFUSED


def test_a_line_may_have_every_field_and_the_options_are_its_defaults(acme, many):
    row = {
        "sender": "ROWIN",
        "purpose": "otp",
        "reference": "r-1",
        "send_at": "2030-01-31T09:30+05:30",
        "dlt": {"entity_id": "1"},
        "options": {"acme": {"flash": True}},
        "valid_until": None,
    }
    assert many(row, {}, more=["--from", "CMDIN", "--option", "flash=no"]).exit_code == Exit.OK
    full, plain = sorted(SENT, key=lambda message: message.sender, reverse=True)
    assert (full.sender, full.purpose, full.dlt) == ("ROWIN", Purpose.OTP, Dlt(entity_id="1"))
    assert full.options == {"acme": {"flash": True}}
    assert (plain.sender, plain.options) == ("CMDIN", {"acme": {"flash": "no"}})


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ("not json", "line 2 is not JSON"),
        ('"text"', 'line 2 is not a JSON object: write {"to": ..., "text": ...}'),
        ('{"to": "+919876543210"}', "line 2 has no text: each message needs to and text"),
        ('{"to": "+919876543210", "text": "x", "form": "A"}', "line 2 has an unknown key 'form'"),
        ('{"to": 919876543210, "text": "x"}', "line 2: to "),
        ('{"to": "+919876543210", "text": "x", "send_at": "soon"}', "line 2: send_at must be a date"),
        ('{"to": "+919876543210", "text": "x", "send_at": "2030-01-31T09:30"}', "line 2: send_at has no time zone"),
        ('{"to": "+919876543210", "text": "x", "dlt": {"id": 1}}', "line 2: dlt must be entity_id and template_id"),
        (
            '{"to": "+919876543210", "text": "x", "purpose": "+919876543210"}',
            "line 2: purpose must be one of otp, transactional, service, promotional",
        ),
    ],
)
def test_a_wrong_line_stops_a_file_before_anything_is_sent(acme, tmp_path, row, words):
    path = tmp_path / "messages.jsonl"
    path.write_text(f"{lines({})}{row}\n{lines({})}", "utf-8")
    done = run("send", "--many", str(path))
    assert done.exit_code == Exit.USAGE
    assert words in done.stderr
    assert "nothing was sent" in done.stderr
    assert "9876543210" not in done.output
    assert SENT == []


def test_the_first_few_wrong_lines_are_named(acme, tmp_path):
    path = tmp_path / "messages.jsonl"
    path.write_text("x\n" * 9, "utf-8")
    done = run("send", "--many", str(path))
    assert "line 5" in done.stderr
    assert "line 6" not in done.stderr


def test_standard_input_is_sent_as_it_comes_up_to_a_wrong_line(acme):
    done = run("send", "--many", "-", "--json", stdin=f"{lines({}, {})}\nx\n{lines({})}")
    *sent, last = documents(done)
    assert [text["outcome"] for text in sent] == ["accepted", "accepted"]
    assert "line 4 is not JSON" in last["error"]["message"]
    assert done.exit_code == Exit.USAGE
    assert len(SENT) == 2


def test_a_wrong_line_of_standard_input_says_what_was_sent_and_where_to_resume(acme):
    rows = lines({}, {}, {"to": "12"}, {}, {})
    done = run("send", "--many", "-", stdin=f"{rows}x\n{lines({})}")
    assert done.exit_code == Exit.USAGE
    assert "line 6 is not JSON in UTF-8" in done.stderr
    assert "of the lines before it: 5 messages: 4 accepted, 1 refused; correct it, resume at line 6" in done.stderr
    assert len(SENT) == 4
    assert "resume at line 1" in run("send", "--many", "-", stdin="x\n").stderr


def test_a_line_without_end_is_not_read_to_its_end(acme, tmp_path, monkeypatch):
    monkeypatch.setattr("smsbridge.cli.lines.LONGEST_LINE", 200)
    long = f"{lines({})}{lines({'text': 'x' * 200})}"
    path = tmp_path / "long.jsonl"
    path.write_text(long, "utf-8")
    done = run("send", "--many", str(path))
    assert done.exit_code == Exit.USAGE
    assert "line 2 is longer than 200 bytes: write one message on each line; nothing was sent" in done.stderr
    assert SENT == []
    done = run("send", "--many", "-", stdin=long)
    assert done.exit_code == Exit.USAGE
    assert "line 2 is longer than 200 bytes" in done.stderr
    assert "1 accepted; correct it, resume at line 2" in done.stderr


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a device of Linux")
def test_a_device_that_never_ends_is_refused(acme):
    done = run("send", "--many", "/dev/full")
    assert done.exit_code == Exit.USAGE
    assert "line 1 is longer than 1048576 bytes: write one message on each line; nothing was sent" in done.stderr


def test_a_pipe_cannot_be_read_twice_and_is_refused_before_anything_is_sent(acme):
    with pipe(lines({})) as path:
        done = run("send", "--many", path)
    assert done.exit_code == Exit.USAGE
    assert f"{path} cannot be read twice; use --many - < {path}" in done.stderr
    assert SENT == []


def test_one_message_is_counted_as_one(acme, many):
    assert many({}).stderr == "1 message: 1 accepted\n"


def test_nothing_to_send_is_no_failure(acme, many):
    done = many()
    assert (done.exit_code, done.stdout, done.stderr) == (Exit.OK, "", "0 messages: nothing was sent\n")


def test_a_file_that_is_not_there_is_a_mistake(acme):
    done = run("send", "--many", "nowhere.jsonl")
    assert done.exit_code == Exit.USAGE
    assert "nowhere.jsonl cannot be read" in done.stderr


@pytest.mark.parametrize("args", [[NUMBER, "Hi"], [NUMBER], ["--reference", "r"]])
def test_what_belongs_to_one_text_does_not_go_with_many(acme, args):
    assert run("send", "--many", "-", *args).exit_code == Exit.USAGE


@pytest.mark.sms_real
def test_uncertain_outweighs_refused_and_says_what_to_do(acme, many, monkeypatch):
    def send(self, message):
        if message.text == "lost":
            yield from Call(lambda: 1 / 0, sends=True)
        raise errors.OptedOutError

    monkeypatch.setattr(AcmeProvider, "send", send)
    done = many({"text": "no"}, {"text": "lost", "reference": "r-2"})
    assert done.exit_code == Exit.UNCERTAIN
    assert "2 messages: 1 refused, 1 uncertain" in done.stderr
    assert "before sending them again" in done.stderr
    assert "(reference r-2)" in done.stdout


def test_unsupported_has_its_own_code(acme, many):
    assert many({"valid_until": "2030-01-31T09:30Z"}, {}).exit_code == Exit.UNSUPPORTED


def test_with_json_the_console_provider_does_not_get_in_the_way(many):
    done = many({}, {}, more=["--json"])
    assert len(documents(done)) == 2
    assert "┌─ SMS" in done.stderr


def test_an_interrupt_reports_what_was_in_flight_and_sends_no_more(acme, many, monkeypatch):
    monkeypatch.setenv("SMSBRIDGE_CONCURRENCY", "1")
    ANSWERS["send"] = lambda: signal.raise_signal(signal.SIGINT) if len(SENT) == 2 else None
    done = many(*[{"reference": f"r-{number}"} for number in range(50)], more=["--json"])
    assert done.exit_code == Exit.INTERRUPTED
    shown = [document["reference"] for document in documents(done)]
    assert shown == [message.reference for message in SENT]
    assert 2 <= len(shown) < 50
    assert [document["index"] for document in documents(done)] == list(range(len(shown)))
    assert "interrupted: the rest was not sent" in done.stderr


def test_what_was_being_shown_at_an_interrupt_is_shown_all_the_same(acme, many, monkeypatch):
    real, calls = many_module._show, []

    def show(out, result):
        calls.append(result)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return real(out, result)

    monkeypatch.setenv("SMSBRIDGE_CONCURRENCY", "1")
    monkeypatch.setattr(many_module, "_show", show)
    done = many(*[{"reference": f"r-{number}"} for number in range(50)], more=["--json"])
    assert done.exit_code == Exit.INTERRUPTED
    assert [document["reference"] for document in documents(done)] == [message.reference for message in SENT]


def test_an_interrupt_while_reading_sends_nothing_that_was_only_read(monkeypatch):
    from smsbridge.builtin.memory import MemoryProvider

    def send_batch(self, messages):
        raise AssertionError("a batch was sent after the interrupt")

    def messages(stream, defaults):
        yield Message(to=NUMBER, text="Hi")
        yield Message(to=NUMBER, text="Ho")
        raise KeyboardInterrupt

    monkeypatch.setattr(MemoryProvider, "send_batch", send_batch)
    monkeypatch.setattr("smsbridge.cli.lines.messages", messages)
    done = run("send", "--many", "-", "--account", "memory")
    assert (done.exit_code, done.stdout) == (Exit.INTERRUPTED, "")
    assert done.stderr == "0 messages: nothing was sent; interrupted: the rest was not sent\n"


def test_a_second_interrupt_lists_what_is_on_its_way_as_uncertain(acme, monkeypatch):
    started, leave = threading.Barrier(3), threading.Event()
    close = SendMany.close

    def send():
        started.wait(20)
        leave.wait(20)

    def messages(stream, defaults):
        yield Message(to=NUMBER, text="Hi", reference="r-1")
        yield Message(to=NUMBER, text="Ho", reference="r-2")
        started.wait(20)
        raise KeyboardInterrupt

    def interrupted_close(self):
        monkeypatch.setattr(SendMany, "close", close)
        self._stop()
        raise KeyboardInterrupt

    ANSWERS["send"] = send
    monkeypatch.setattr("smsbridge.cli.lines.messages", messages)
    monkeypatch.setattr(SendMany, "close", interrupted_close)
    with contextlib.ExitStack() as stack:
        stack.callback(leave.set)
        done = run("send", "--many", "-", "--json")
    assert (done.exit_code, done.stdout) == (Exit.INTERRUPTED, "")
    assert "waiting for 2 texts" in done.stderr
    assert f"uncertain    {MASKED:<16}  reference r-1\n" in done.stderr
    assert f"uncertain    {MASKED:<16}  reference r-2\n" in done.stderr
    assert "2 messages: 2 uncertain; interrupted" in done.stderr
    assert "nothing was sent" not in done.stderr


def test_what_ended_but_was_not_shown_before_a_second_interrupt_is_listed_with_its_outcome(acme, many, monkeypatch):
    monkeypatch.setenv("SMSBRIDGE_CONCURRENCY", "1")

    def interrupt(*_args):
        raise KeyboardInterrupt

    def fill_and_interrupt(self):
        self._started = True
        self._fill()
        raise KeyboardInterrupt

    monkeypatch.setattr(SendMany, "__next__", fill_and_interrupt)
    monkeypatch.setattr(many_module._Tally, "resume", lambda self: (many_results[0].close(), interrupt()))
    many_results = []
    real = SendMany.__init__
    monkeypatch.setattr(SendMany, "__init__", lambda self, *args: (many_results.append(self), real(self, *args))[1])
    done = many({"reference": "r-1"})
    assert done.exit_code == Exit.INTERRUPTED
    assert f"accepted     {MASKED:<16}  id a-1, reference r-1\n" in done.stderr
    assert "1 message: 1 accepted; interrupted" in done.stderr


STUCK = """
import sys, threading
import cli_acme, pytest
from smsbridge.cli import main
cli_acme.install(pytest.MonkeyPatch())
def send():
    sys.stderr.write("on its way\\n")
    sys.stderr.flush()
    threading.Event().wait()
cli_acme.ANSWERS["send"] = send
main(["send", "--many", "-"])
"""


@pytest.mark.skipif(os.name == "nt", reason="Ctrl-C cannot be sent to one process there")
def test_two_interrupts_leave_at_once_however_long_the_requests_would_take():
    surroundings = {**os.environ, "PYTHONPATH": str(Path(__file__).parent)}
    with subprocess.Popen(
        [sys.executable, "-c", STUCK],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=surroundings,
    ) as child:  # fmt: skip
        child.stdin.write(lines({"reference": "r-1"}))
        child.stdin.close()
        for words in ("on its way", "interrupted: waiting for 1"):
            assert words in child.stderr.readline()
            child.send_signal(signal.SIGINT)
        complaint = child.stderr.read()
        assert child.wait(20) == Exit.INTERRUPTED
    assert "reference r-1" in complaint
    assert "1 message: 1 uncertain" in complaint
    assert "Traceback" not in complaint


@pytest.mark.parametrize("more", [[], ["--json"]])
def test_results_that_cannot_be_printed_are_counted_and_told_on_standard_error(acme, many, monkeypatch, more):
    def full(self, *_args, **_more):
        self.lost = "standard output cannot be written: No space left on device"
        raise CannotPrint(self.lost)

    monkeypatch.setattr(Output, "_print", full)
    done = many(*[{"reference": f"r-{number}"} for number in range(5)], more=more)
    assert (done.exit_code, done.stdout) == (Exit.OK, "")
    assert len(SENT) == 5
    assert "5 messages: 5 accepted" in done.stderr
    assert all(f"(reference r-{number})" in done.stderr for number in range(5))
    assert "5 results printed above, on standard error: standard output cannot be written: No space" in done.stderr
