"""Words from outside cannot forge a line or control a terminal in any output: logs, warnings, terminals, tables, JSON."""

from __future__ import annotations

import ast
import json
import logging
import unicodedata
import warnings
from datetime import UTC, datetime
from decimal import Decimal
from functools import partial
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import cli_acme
from cli_acme import NUMBER, run
from policed import play
from scripted import HttpProvider, message, provider, tell
from smsbridge import errors, logs
from smsbridge.attempts import attempt
from smsbridge.builtin.console import ConsoleProvider
from smsbridge.cli import output
from smsbridge.client import SmsClient
from smsbridge.cost.policy import CostPolicy
from smsbridge.hookspecs import hookimpl
from smsbridge.http import HttpRequest, HttpResponse
from smsbridge.messages import (
    Balance,
    DeliveryReport,
    InboundMessage,
    Message,
    Money,
    SentMessage,
    Status,
    Verification,
    VerificationCheck,
)
from smsbridge.optouts import MemoryOptOuts
from smsbridge.optouts.policy import OptoutPolicy
from smsbridge.plugins import Plugins
from smsbridge.policies.retry import RetryPolicy
from smsbridge.provider import InsecureUrlWarning, SmsProvider
from smsbridge.stores import writer

ROOT = Path(__file__).parent.parent
SOURCES = [ROOT / "src" / "smsbridge", *ROOT.glob("plugins/*/src/*")]
FORGED = "forged by a vendor"
HOSTILE = f"17\nINFO {FORGED}\r\nWARNING {FORGED}\x1b[2J\x1b]0;x\x07\x9b31m\x85{FORGED}\u2028{FORGED}\u202e\u2066\u200b\U000e0041\ufeff\x00"
UNFIT = ("Cc", "Cf", "Cs", "Zl", "Zp")
WORDS = st.text(st.one_of(st.characters(), st.sampled_from(HOSTILE)), max_size=60)


def unfit(text):
    return [character for character in text if unicodedata.category(character) in UNFIT]


def assert_fit(text, *, shows_a_text=False, endless=False):
    """Check that the output ``text`` has only our lines (or those of a shown text), and that each ends."""
    for row in text.split("\n"):
        assert not unfit(row), ascii(row)
        assert shows_a_text or not row.lstrip(" │").startswith((f"INFO {FORGED}", f"WARNING {FORGED}", FORGED)), row
        assert endless or len(row) < 5000, len(row)


# --- places of output -----------------------------------------------------------------------------------------------------

SINKS = {
    "logging.getLogger": {
        "smsbridge/logs.py",
        "smsbridge/wire/over_httpx.py",
        "smsbridge/testing/watching.py",
        "smsbridge_postgres/connection.py",
    },
    "warnings.warn": {"smsbridge/provider.py", "smsbridge/many.py", "smsbridge/unread.py"},
    "print": {"smsbridge_twincle/sandbox/printing.py", "smsbridge_twincle/sandbox/command.py"},
    "click.echo": {"smsbridge/cli/output.py", "smsbridge/cli/app.py"},
    "stream.write": {"smsbridge/builtin/console.py", "smsbridge/cli/__init__.py"},
    "self._stream.write": {"smsbridge/cli/output.py", "smsbridge/wire/network.py"},
    "sys.stderr.write": {"smsbridge/cli/__init__.py"},
    "stream.write_text": set(),
}
"""Every call that may output words, and the files that may call it: each has a test below, or writes only our own words."""


def calls(path):
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Call):
            yield ast.unparse(node.func)


@pytest.mark.parametrize("sink", SINKS)
def test_words_come_out_in_these_files_alone(sink):
    found = {
        path.relative_to(source.parent).as_posix()
        for source in SOURCES
        for path in source.rglob("*.py")
        if sink in calls(path)
    }
    assert found <= SINKS[sink]


# --- logs -----------------------------------------------------------------------------------------------------------------


@pytest.fixture
def logged(caplog):
    """Every logged line, with its fields."""
    caplog.set_level(logging.DEBUG, "smsbridge")

    def lines():
        for record in caplog.records:
            fields = {name: value for name, value in vars(record).items() if name in ("attempt", "cost")}
            yield from (record.getMessage(), json.dumps(fields, ensure_ascii=False))

    return lambda: [*lines()]


@given(WORDS, WORDS)
def test_a_record_is_one_line_whatever_it_is_given(first, second):
    record = logging.LogRecord("smsbridge.x", logging.INFO, "", 1, "at %s: %s", (first, second), None)
    record.attempt = {"code": first, "candidates": [second]}
    log = logs.logger("smsbridge.x")
    assert log.filter(record)
    assert_fit(record.getMessage())
    assert_fit(json.dumps(record.attempt, ensure_ascii=False))


def test_a_record_has_an_end():
    record = logging.LogRecord("smsbridge.x", logging.INFO, "", 1, "at %s", ("x" * 1_000_000,), None)
    logs.logger("smsbridge.x").filter(record)
    assert len(record.getMessage()) < 1000


@given(WORDS, WORDS, WORDS)
@example("a", "b", "half \ud83d")
def test_an_attempt_is_one_line_whatever_the_vendor_and_the_application_say(code, reason, reference):
    def refuses(self, message):
        yield from HttpRequest.post_json("https://api.example/", {}, sends=True)
        raise errors.RefusedError(code=code, reason=reason, detail=code)

    handler = Handler()
    log = logging.getLogger("smsbridge.attempts")
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    # Half a character, which is refused unasked.
    half = any("\ud800" <= character <= "\udfff" for character in reference)
    answers = [] if half else [HttpResponse(status=400)]
    try:
        error, _ = play(attempt(RetryPolicy(inner=provider(refuses)), message(reference=reference)), *answers)
    finally:
        log.removeHandler(handler)
        log.setLevel(logging.NOTSET)
    assert_fit("\n".join(handler.lines))
    assert len(handler.lines) == 1
    for shown in (
        str(error),
        repr(error),
        *map(str, error.args),
        *error.__notes__,
        error.code or "",
        error.detail or "",
    ):
        assert not unfit(shown)
    assert error.reference == reference


class Handler(logging.Handler):
    def __init__(self):
        super().__init__()
        self.lines = []

    def emit(self, record):
        self.lines.append(f"{record.getMessage()} {record.attempt}")


def test_a_text_that_costs_something_else_is_one_line(logged, tmp_path):
    prices = tmp_path / "prices.toml"
    prices.write_text('[[rate]]\ncurrency = "INR"\nprice = "0.1"\n', "utf-8")

    class Dear(HttpProvider):
        def send(self, message):
            yield from ()
            return self.accepted(message, id=HOSTILE, segments=9, price=Money(amount=Decimal(1), unit=HOSTILE))

    play(attempt(CostPolicy(inner=Dear(), prices=prices), message(reference=HOSTILE)))
    assert len(logged()) == 2
    assert_fit("\n".join(logged()))


def test_an_opt_out_that_is_not_kept_is_one_line(logged):
    class Broken(MemoryOptOuts):
        def add(self, *args, **kwargs):
            raise type(HOSTILE.replace("\x00", ""), (OSError,), {})

    def refuses(self, message):
        yield from HttpRequest.post_json("https://api.example/", {}, sends=True)
        raise errors.OptedOutError(reason="opted-out")

    policy = OptoutPolicy(inner=provider(refuses)).using(Broken())
    with pytest.raises(errors.OptedOutError):
        do(attempt(policy, message(reference=HOSTILE)), HttpResponse(status=403))
    assert logged()
    assert_fit("\n".join(logged()))


def do(flow, answer):
    """Drive ``flow``, and perform its calls."""
    step = next(flow)
    while True:
        try:
            value = step.function(*step.args) if hasattr(step, "function") else answer
        except OSError as error:
            step = flow.throw(error)
        else:
            step = flow.send(value)


def test_a_hook_that_fails_is_one_line_whatever_it_is_called(logged):
    class Hook:
        __name__ = HOSTILE

        @hookimpl
        def smsbridge_after_send(self):
            raise type(HOSTILE.replace("\x00", ""), (Exception,), {})

    tell(Plugins(Hook()), SentMessage(account="a", provider="a", id="1"))
    assert_fit("\n".join(logged()))
    assert logged()


def test_outcomes_that_are_lost_are_one_line(logged):
    writer.log_lost(writer.Unwritable(HOSTILE))
    assert_fit("\n".join(logged()))
    assert logged()


# --- warnings and notes ---------------------------------------------------------------------------------------------------


def test_a_warning_is_one_line():
    class Plain(HttpProvider):
        base_url: str = "http://api.example"

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        Plain(account="a\nb", base_url="http://a\x1bb\x9b.example/")
    assert [warning.category for warning in caught] == [InsecureUrlWarning]
    assert_fit(str(caught[0].message))


def test_the_notes_of_an_error_are_lines():
    def breaks(self, message):
        yield from ()
        raise type(HOSTILE.replace("\x00", ""), (Exception,), {})(HOSTILE)

    error, _ = play(attempt(provider(breaks), message()))
    assert error.__notes__
    for note in error.__notes__:
        assert not unfit(note)


# --- terminals ------------------------------------------------------------------------------------------------------------


class Hostile(SmsProvider):
    """A vendor whose words are all terminal commands."""

    name = "acme"
    supports = frozenset({"sender"})
    token: str = ""
    refuses: bool = False

    def _failed(self):
        return errors.QueryError(HOSTILE, code=HOSTILE, reason=HOSTILE, detail=HOSTILE)

    def send(self, message):
        yield from HttpRequest.post_json("https://api.example/", {}, sends=True)
        if message.text == "refuse":
            raise errors.RefusedError(HOSTILE, code=HOSTILE, reason=HOSTILE, detail=HOSTILE)
        if message.text == "lose":
            raise errors.UncertainError(code=HOSTILE, reason=HOSTILE, detail=HOSTILE * 9999)
        return self.accepted(message, id=HOSTILE, segments=1, price=Money(amount=Decimal(1), unit=HOSTILE))

    def status(self, sent):
        yield from ()
        if sent.id == "fails":
            raise self._failed()
        return DeliveryReport(
            account=self.account,
            provider=self.name,
            id=HOSTILE,
            to=HOSTILE,
            reference=HOSTILE,
            status=Status.REJECTED,
            final=True,
            code=HOSTILE,
            reason=HOSTILE,
            price=Money(amount=Decimal(1), unit=HOSTILE),
        )

    def lookup(self, reference):
        yield from ()
        if reference == "fails":
            raise self._failed()
        return SentMessage(account=self.account, provider=self.name, id=HOSTILE, to=HOSTILE, reference=HOSTILE)

    def balance(self):
        yield from ()
        return [
            Balance(service=HOSTILE, amount=Decimal(1), unit=HOSTILE),
            Balance(service="x" * 9999, amount=Decimal(2), unit="INR"),
        ]

    def start_verification(self, message):
        yield from HttpRequest.post_json("https://api.example/", {}, sends=True)
        return Verification(account=self.account, provider=self.name, id=HOSTILE, to=HOSTILE, reference=HOSTILE)

    def check_verification(self, verification, code):
        yield from ()
        return VerificationCheck(approved=False, reason=HOSTILE)

    def verify(self, webhook):
        pass

    def parse(self, webhook):
        yield InboundMessage(
            account=self.account, provider=self.name, id=HOSTILE, sender=HOSTILE, to=HOSTILE, text=HOSTILE
        )


@pytest.fixture
def acme(monkeypatch, tmp_path):
    monkeypatch.setattr(cli_acme, "AcmeProvider", Hostile)
    monkeypatch.setattr("smsbridge.client.SmsClient", partial(SmsClient, transport=Transport()))
    monkeypatch.setenv("SMSBRIDGE_RETRY_LOOKUPS", "0")
    cli_acme.install(monkeypatch)
    yield
    writer.close_all()
    writer._shared.clear()
    writer._writers.clear()


class Transport:
    def send(self, request, **how):
        return HttpResponse(status=200)

    def close(self):
        pass


COMMANDS = {
    "send": ["send", NUMBER, "hello", "--reference", HOSTILE],
    "send, refused": ["send", NUMBER, "refuse", "--reference", HOSTILE],
    "send, uncertain": ["send", NUMBER, "lose", "--reference", HOSTILE, "--from", HOSTILE],
    "status": ["status", "a-1"],
    "status, failed": ["status", "fails"],
    "lookup": ["status", "--reference", "r"],
    "lookup, failed": ["status", "--reference", "fails"],
    "balance": ["balance"],
    "start": ["verify", "start", NUMBER],
    "check": ["verify", "check", HOSTILE, "123456"],
    "explain": ["explain", NUMBER, "hello", "--reference", HOSTILE],
    "dry run": ["send", NUMBER, HOSTILE, "--dry-run"],
    "no such command": [HOSTILE],
    "no such option": ["send", f"--{HOSTILE}"],
    "no such file": ["send", "--many", HOSTILE.replace("\x00", "")],
    "no such account": ["balance", "--account", HOSTILE],
    "segments": ["segments", HOSTILE],
    "a code": ["dlt", "explain", HOSTILE],
    "doctor": ["doctor", "--live"],
}


@pytest.mark.parametrize("as_json", [False, True], ids=["words", "JSON"])
@pytest.mark.parametrize("terminal", [False, True], ids=["pipe", "terminal"])
@pytest.mark.parametrize("name", COMMANDS)
@pytest.mark.usefixtures("acme")
def test_no_command_passes_them_on(name, terminal, as_json, monkeypatch):
    monkeypatch.setattr(output, "_is_terminal", lambda stream: terminal)
    monkeypatch.setenv("NO_COLOR", "1")
    done = run(*COMMANDS[name], *(["--json"] if as_json else []))
    assert_fit(done.stderr)
    assert_fit(done.stdout, shows_a_text=name in ("dry run", "segments"), endless=as_json and not terminal)
    assert done.output


@pytest.mark.usefixtures("acme")
def test_neither_does_the_ledger(monkeypatch):
    monkeypatch.setenv("SMSBRIDGE_LEDGER_STORE", "sqlite:///sms.db")
    references = {text: f"{HOSTILE}{text}" for text in ("hello", "refuse", "lose")}
    for text, reference in references.items():
        run("send", NUMBER, text, "--reference", reference)
    writer.close_all()
    for args in (
        ["list"],
        ["list", "--json"],
        *(["show", value] for value in references.values()),
        ["settle", "--all"],
    ):
        done = run("texts", *args)
        assert_fit(done.output)
        assert done.output


@pytest.mark.usefixtures("acme")
def test_neither_does_the_list_of_opt_outs(monkeypatch):
    monkeypatch.setenv("SMSBRIDGE_OPTOUT_STORE", "sqlite:///optouts.db")
    run("optouts", "add", NUMBER, "--from", HOSTILE)
    for args in (["list"], ["list", "--json"], ["remove", NUMBER, "--from", HOSTILE]):
        done = run("optouts", *args)
        assert_fit(done.output)
        assert done.output


@pytest.mark.usefixtures("acme")
def test_neither_do_many_texts(tmp_path):
    rows = [{"to": NUMBER, "text": text, "reference": f"{HOSTILE}{text}"} for text in ("hello", "refuse", "lose")]
    path = tmp_path / "many.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)), "utf-8")
    for more in ([], ["--json"], ["--dry-run"]):
        done = run("send", "--many", str(path), *more)
        assert_fit(done.output)


@pytest.mark.usefixtures("acme")
def test_neither_does_a_registry_of_templates(tmp_path):
    path = tmp_path / "dlt.toml"
    name = json.dumps(HOSTILE)
    path.write_text(
        f'entity_id = "1101456780000012345"\n[[templates]]\nid = "1107456780000012345"\nname = {name}\ntext = {name}\n',
        "utf-8",
    )
    for args in (["check", str(path)], ["match", "17", "--registry", str(path)], ["check", str(path), "--json"]):
        assert_fit(run("dlt", *args).output)


def test_the_provider_that_prints_prints_a_text_and_no_commands(capsys):
    text = f"first line{HOSTILE}\nsecond line, क्\u200dष"
    shown = Message(to=NUMBER, text=text, sender=HOSTILE, reference=HOSTILE)
    with SmsClient(ConsoleProvider(), plugins=Plugins()) as sms:
        sms.send(shown)
    out = capsys.readouterr().out
    assert "second line, क्\u200dष" in out or "<U+" in out
    assert_fit(out.replace("\u200d", ""), shows_a_text=True)


def test_json_on_a_terminal_has_an_end_and_for_a_program_is_whole(monkeypatch, capsys):
    document = {"text": "x" * 10_000, "inside": [{"code": "y" * 10_000}], "at": datetime(2030, 1, 1, tzinfo=UTC)}
    output.Output(as_json=True).json(document)
    assert json.loads(capsys.readouterr().out)["text"] == document["text"]
    monkeypatch.setattr(output, "_is_terminal", lambda stream: True)
    output.Output(as_json=True).json(document)
    shown = json.loads(capsys.readouterr().out)
    assert len(shown["text"]) < 5000
    assert len(shown["inside"][0]["code"]) < 5000
