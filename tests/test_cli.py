"""The command as a whole: start, failures, and output."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tomllib
import warnings
from pathlib import Path

import pytest

from cli_acme import ANSWERS, MASKED, NUMBER, TOKEN, every_error, install, run, run_json
from smsbridge import errors
from smsbridge.cli import advice, app
from smsbridge.cli.app import OF_FEATURES
from smsbridge.cli.exits import MEANING, Exit


def process(*args, code=None, env=None, stdin=None):
    command = [sys.executable, *(["-c", code] if code else ["-m", "smsbridge"]), *args]
    surroundings = {**os.environ, "PYTHONIOENCODING": "utf-8", **(env or {})}
    return subprocess.run(command, capture_output=True, env=surroundings, input=stdin, timeout=60, check=False)


# --- how it starts


HEAVY = [
    "asyncio",
    "httpx",
    "phonenumbers",
    "pluggy",
    "pydantic",
    "pydantic_settings",
    "smsbridge.builtin",
    "smsbridge.cli.doctor",
    "smsbridge.cli.send",
    "smsbridge.client",
    "smsbridge.messages",
    "smsbridge.plugins",
    "smsbridge.provider",
    "smsbridge.settings",
    "smsbridge_twincle",
]
LISTS_MODULES = """
import sys
from smsbridge.cli import main
try:
    main(sys.argv[1:])
finally:
    print(*sys.modules, file=sys.stderr)
"""


@pytest.mark.parametrize("args", [["--help"], ["--version"], ["no-such-command"]], ids=" ".join)
def test_nothing_heavy_is_imported_to_show_what_there_is(args):
    loaded = process(*args, code=LISTS_MODULES).stderr.decode().split()
    assert "smsbridge.cli.app" in loaded
    assert [name for name in HEAVY if name in loaded] == []


@pytest.mark.parametrize("command", app.COMMANDS)
def test_the_help_of_a_command_imports_neither_http_nor_settings(command):
    loaded = process(command, "--help", code=LISTS_MODULES).stderr.decode().split()
    assert OF_FEATURES.get(command, f"smsbridge.cli.{command}") in loaded
    assert {"httpx", "pydantic_settings", "smsbridge_twincle"} & set(loaded) == set()


def test_without_click_the_command_says_what_to_install():
    code = """
import sys
sys.modules["click"] = None
import importlib.abc
class Blocker(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name == "click":
            raise ModuleNotFoundError("No module named 'click'", name="click")
del sys.modules["click"]
sys.meta_path.insert(0, Blocker())
from smsbridge.cli import main
main(["--help"])
"""
    done = process(code=code)
    assert done.returncode == Exit.CONFIGURATION
    assert b'pip install "smsbridge[cli]"' in done.stderr
    assert b"Traceback" not in done.stderr


def test_another_missing_module_is_not_taken_for_click():
    code = """
import sys
sys.modules["smsbridge.cli.app"] = None
from smsbridge.cli import main
main(["--help"])
"""
    assert b"smsbridge.cli.app" in process(code=code).stderr


def test_the_console_script_and_the_module_are_the_same_command():
    project = tomllib.loads((Path(__file__).parent.parent / "pyproject.toml").read_text("utf-8"))
    assert project["project"]["scripts"]["smsbridge"] == "smsbridge.cli:main"
    assert process("--version").stdout.startswith(b"smsbridge ")


def test_an_interrupt_during_the_imports_is_no_traceback():
    code = """
import sys, importlib.abc
class Interrupter(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name == "click":
            raise KeyboardInterrupt
sys.meta_path.insert(0, Interrupter())
from smsbridge.cli import main
main()
"""
    done = process("balance", code=code)
    assert (done.returncode, done.stdout, done.stderr.split()) == (Exit.INTERRUPTED, b"", [b"error:", b"interrupted"])
    done = process("balance", "--json", code=code)
    assert (done.returncode, done.stderr) == (Exit.INTERRUPTED, b"")
    assert json.loads(done.stdout)["error"] == {
        "type": "KeyboardInterrupt",
        "message": "interrupted",
        "exit_code": 130,
    }


# --- help


def test_the_help_lists_the_commands_and_every_exit_code():
    shown = run("--help").stdout
    for name, words in app.COMMANDS.items():
        assert f"{name} " in shown
        assert words in shown
    for code, meaning in MEANING.items():
        assert f"{code.value:>5}  {meaning}" in shown


@pytest.mark.parametrize(
    "args",
    [[name] for name in app.COMMANDS]
    + [["verify", command] for command in ("start", "check", "cancel")]
    + [["optouts", command] for command in ("list", "add", "remove", "import")],
)
def test_every_command_has_help_with_examples(args):
    done = run(*args, "--help")
    assert done.exit_code == 0
    assert "Example" in done.stdout
    assert f"smsbridge {' '.join(args)} " in done.stdout


def test_an_exit_code_never_changes_its_meaning():
    assert {code.name: code.value for code in Exit} == {
        "OK": 0,
        "INTERNAL": 1,
        "USAGE": 2,
        "CONFIGURATION": 3,
        "REFUSED": 4,
        "UNCERTAIN": 5,
        "UNSUPPORTED": 6,
        "QUERY_FAILED": 7,
        "NOT_FOUND": 8,
        "WRONG_CODE": 9,
        "HUNG_UP": 129,
        "INTERRUPTED": 130,
        "TERMINATED": 143,
    }
    assert set(MEANING) == set(Exit)


# --- how it fails


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["sned"], "did you mean 'send'?"),
        (["fly"], "have send, status"),
        (["send", "--nonsense"], "--nonsense"),
        (["status"], "give either ID or --reference"),
        (["send", NUMBER, "x", "--at", "tomorrow"], "2030-01-31T09:30+05:30"),
        (["send", NUMBER, "x", "--at", "2030-01-31T09:30"], "zone is missing"),
        (["send", NUMBER, "x", "--option", "flash"], "KEY=VALUE"),
        (["send", NUMBER, "x", "--option", "tags=[1"], "begins with [ or { but is not JSON"),
        (["send", NUMBER, "x", "--option", f"tags={'[' * 5000}"], "begins with [ or { but is not JSON"),
        (["send", NUMBER, "x", "--purpose", "fun"], "promotional"),
        (["send", NUMBER, "x", "--account", ""], "'--account': the value is empty"),
        (["send", NUMBER, "x", "--reference", ""], "'--reference': the value is empty"),
        (["send", "--many", "-", "--account="], "'--account': the value is empty"),
        (["status", "--reference", " "], "'--reference': the value is empty"),
        (["doctor", "--account", ""], "'--account': the value is empty"),
        (["send", NUMBER, "a\udcff"], "argument 3 is not UTF-8"),
        (["send", NUMBER, "x", "--from", "\udcff"], "argument 5, after --from, is not UTF-8"),
        (["send", NUMBER, "x", "--reference=\udcff"], "the value of --reference is not UTF-8"),
    ],
)
def test_a_mistake_in_the_command_exits_with_2_and_says_what_is_meant(args, words):
    done = run(*args)
    assert (done.exit_code, done.stdout) == (Exit.USAGE, "")
    assert words in done.stderr
    document, code = run_json(*args)
    assert code == document["error"]["exit_code"] == Exit.USAGE
    assert words in document["error"]["message"]


@pytest.mark.parametrize(
    "args", [["send", NUMBER, "-"], ["send", "--many", "-"], ["verify", "check", "v-1", "-", "--account", "memory"]]
)
def test_a_standard_input_that_is_closed_is_a_mistake_that_is_named(monkeypatch, args):
    from smsbridge.cli import main

    monkeypatch.setattr(sys, "stdin", None)
    with pytest.raises(SystemExit) as left:
        main(args)
    assert left.value.code == Exit.USAGE


@pytest.mark.skipif(os.name == "nt", reason="needs a shell of Unix")
@pytest.mark.parametrize("args", [f"{NUMBER} -", "--many -"])
def test_a_closed_standard_input_says_so(args):
    code, shown, complaint = shell(f"send {args} <&-")
    assert (code, shown) == (Exit.USAGE, "")
    assert "standard input is closed" in complaint


@pytest.mark.skipif(os.name == "nt", reason="arguments are characters there, not bytes")
def test_bytes_in_an_argument_that_are_not_utf_8_are_not_blamed_on_the_text():
    code, _, complaint = shell(f"send {NUMBER} \"$(printf 'a\\377')\"")
    assert code == Exit.USAGE
    assert "argument 3 is not UTF-8" in complaint


@pytest.mark.parametrize("error", every_error(), ids=lambda cls: cls.__name__)
def test_every_error_has_advice_of_its_own(error):
    assert error in advice.ADVICE
    text = advice.advise(error("it failed"))
    assert text
    assert "{" not in text


@pytest.mark.parametrize("error", every_error(), ids=lambda cls: cls.__name__)
def test_every_error_becomes_a_line_a_document_and_an_exit_code(monkeypatch, error):
    install(monkeypatch)

    def fail(*_args, **_more):
        raise error("it failed")

    monkeypatch.setattr("smsbridge.plugins.default_plugins", fail)
    done = run("balance")
    assert done.exit_code == advice.exit_code(error())
    assert done.stdout == ""
    assert "it failed" in done.stderr
    assert "next: " in done.stderr
    document, code = run_json("balance")
    assert set(document) == {"error"}
    assert document["error"].items() >= {"type": error.__name__, "message": "it failed", "exit_code": code}.items()


def test_the_exit_code_tells_refused_from_uncertain():
    assert advice.exit_code(errors.RefusedError()) == Exit.REFUSED
    refusals = {cls for cls in every_error() if issubclass(cls, errors.RefusedError)} - {errors.UnsupportedError}
    assert all(advice.exit_code(cls()) == Exit.REFUSED for cls in refusals)
    assert advice.exit_code(errors.UnsupportedError()) == Exit.UNSUPPORTED
    assert advice.exit_code(errors.UncertainError()) == Exit.UNCERTAIN
    assert advice.exit_code(errors.SendError()) == Exit.UNCERTAIN


def test_an_error_of_a_plugin_is_explained_like_its_base():
    class OddError(errors.FundsError):
        pass

    assert advice.exit_code(OddError()) == Exit.REFUSED
    assert advice.advise(OddError()) == advice.ADVICE[errors.FundsError]


def test_advice_says_how_long_to_wait():
    assert "wait 7 s" in advice.advise(errors.RateLimitedError(retry_after=7))
    assert "in 7 s" in advice.advise(errors.QueryError(retry_after=7))
    assert "retry after 5 h 48 min" in str(errors.VetoedError(retry_after=20862.1))


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (errors.ContentError(reason="reference-reused"), "another reference"),
        (errors.RefusedError(reason="ledger"), "the provider was not asked"),
        (errors.VetoedError(reason="quiet-hours"), "smsbridge hours"),
    ],
)
def test_what_a_policy_refused_has_advice_of_its_own(error, words):
    assert words in advice.advise(error)
    assert "credentials" in advice.advise(errors.QueryError(authentication=True))


def test_a_reference_in_an_advised_command_is_quoted(monkeypatch):
    install(monkeypatch)
    error = errors.UncertainError(account="acme", provider="acme", reference="a b; rm x")
    assert "--reference 'a b; rm x' --account acme" in advice.advise(error)


def test_no_lookup_is_advised_where_there_is_none():
    text = advice.advise(errors.UncertainError(account="console", provider="console", reference="r"))
    assert "smsbridge status" not in text
    assert "console" in text
    assert "smsbridge status" not in advice.advise(errors.UncertainError(provider="gone", reference="r"))


@pytest.mark.parametrize("debug", [False, True])
def test_an_internal_error_shows_its_place_but_no_value(monkeypatch, debug):
    def break_down(*_args):
        raise KeyError(f"{TOKEN} {NUMBER}")

    monkeypatch.setattr("smsbridge.plugins.default_plugins", break_down)
    args = ["--debug"] if debug else []
    done = run(*args, "balance")
    assert done.exit_code == Exit.INTERNAL
    assert "internal error: KeyError at test_cli:" in done.stderr.replace("tests.", "")
    assert "please report" in done.stderr
    assert NUMBER not in done.output
    assert ("in break_down" in done.stderr) == debug
    document, code = run_json("balance")
    assert (document["error"]["type"], code) == ("KeyError", Exit.INTERNAL)


def test_an_interrupt_exits_with_130(monkeypatch):
    def interrupt(*_args):
        raise KeyboardInterrupt

    monkeypatch.setattr("smsbridge.plugins.default_plugins", interrupt)
    assert run("balance").exit_code == Exit.INTERRUPTED
    document, code = run_json("balance")
    assert (document["error"]["message"], code) == ("interrupted", Exit.INTERRUPTED)


# --- where it writes


def test_a_warning_is_one_line_shown_once(monkeypatch):
    install(monkeypatch)

    def warn():
        warnings.warn("http is\nnot safe", UserWarning, stacklevel=1)
        return []

    ANSWERS["balance"] = lambda: [warn(), warn()][0]
    done = run("balance", "--json")
    assert done.stderr == "warning: http is not safe\n"
    json.loads(done.stdout)


def test_a_plain_http_url_is_a_warning(monkeypatch):
    install(monkeypatch)
    monkeypatch.setenv("SMSBRIDGE_ACME_BASE_URL", "http://acme.example")
    done = run("balance")
    assert done.exit_code == 0
    assert done.stderr.startswith("warning: SMSBRIDGE_ACME_BASE_URL: acme.example is reached over plain http")
    assert done.stderr.count("\n") == 1


def test_a_terminal_that_knows_only_ascii_is_no_problem():
    for more in ([], ["--json"]):
        done = process("send", NUMBER, "नमस्ते", *more, env={"PYTHONIOENCODING": "ascii"})
        assert done.returncode == 0
        assert b"Traceback" not in done.stderr
        assert MASKED.encode() in done.stdout


def test_json_keeps_every_character_on_any_terminal(monkeypatch):
    done = process("status", "x", "--account", "ñ", "--json", env={"PYTHONIOENCODING": "ascii"})
    assert done.stdout.isascii()
    assert json.loads(done.stdout)["error"]["type"] == "ConfigurationError"


def test_a_reader_that_went_away_is_no_error():
    command = [sys.executable, "-m", "smsbridge", "providers"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as child:
        child.stdout.close()
        complaint = child.stderr.read().decode()
        assert child.wait(60) == 0
    assert "Traceback" not in complaint
    assert "BrokenPipe" not in complaint


def shell(command, stdin=None):
    line = f'"$PYTHON" -m smsbridge {command}'
    surroundings = {**os.environ, "PYTHONIOENCODING": "utf-8", "PYTHON": sys.executable}
    done = subprocess.run(
        ["sh", "-c", line], capture_output=True, env=surroundings, input=stdin, timeout=60, check=False
    )
    assert b"Traceback" not in done.stderr
    assert b"Exception ignored" not in done.stderr
    assert b"internal error" not in done.stderr
    return done.returncode, done.stdout.decode(), done.stderr.decode()


needs_full = pytest.mark.skipif(not Path("/dev/full").exists(), reason="a device of Linux")
BROKEN = [">/dev/full", "--json >/dev/full", ">&-", "--json >&-"]


@needs_full
@pytest.mark.parametrize("where", BROKEN)
def test_an_accepted_text_that_cannot_be_printed_is_told_on_standard_error(where):
    code, _, complaint = shell(f"send {NUMBER} Hi --account file --reference r-1 {where}")
    assert code == Exit.OK
    assert "accepted: file took the text, id " in complaint
    assert "reference r-1; standard output cannot be written" in complaint
    assert "do not send it again" in complaint
    assert Path("sms.jsonl").read_text("utf-8").count("\n") == 1


@needs_full
@pytest.mark.parametrize("where", BROKEN)
def test_many_texts_that_cannot_be_printed_are_all_sent_and_told_on_standard_error(where):
    rows = "".join(json.dumps({"to": NUMBER, "text": "Hi", "reference": f"r-{row}"}) + "\n" for row in range(3))
    Path("many.jsonl").write_text(rows, "utf-8")
    code, _, complaint = shell(f"send --many many.jsonl --account file {where}")
    assert code == Exit.OK
    assert "3 messages: 3 accepted" in complaint
    assert all(f"(reference r-{row})" in complaint for row in range(3))


@needs_full
@pytest.mark.parametrize("where", ["2>/dev/full", "--json 2>/dev/full", "2>&-", "--json 2>&-"])
@pytest.mark.parametrize("account", ["file", "console"])
def test_a_standard_error_that_takes_nothing_fails_no_text(where, account):
    code, shown, _ = shell(f"send {NUMBER} Hi --account {account} {where}")
    assert code == Exit.OK
    assert "accepted" in shown


@needs_full
@pytest.mark.parametrize("where", BROKEN)
def test_an_outcome_keeps_its_exit_code_where_it_cannot_be_printed(where):
    code, _, complaint = shell(f"send 12 Hi --account file --reference r-1 {where}")
    assert code == Exit.REFUSED
    assert complaint.startswith("refused: file: ")
    assert ("reference: r-1" in complaint) == ("--json" in where)
    code, _, complaint = shell(f"fly {where}")
    assert code == Exit.USAGE
    assert "there is no command 'fly'" in complaint


@needs_full
@pytest.mark.parametrize("where", BROKEN)
def test_an_answer_that_cannot_be_printed_is_an_error_in_one_line(where):
    code, _, complaint = shell(f"providers {where}")
    assert code == Exit.INTERNAL
    assert complaint.startswith("error: standard output cannot be written: ")
    assert complaint.count("\n") == 1


@needs_full
def test_a_mistake_keeps_its_exit_code_where_nothing_can_be_printed():
    assert shell("fly >/dev/full 2>/dev/full")[0] == Exit.USAGE
    assert shell("fly --json >&- 2>&-")[0] == Exit.USAGE


def test_what_a_vendor_says_cannot_command_the_terminal(monkeypatch):
    install(monkeypatch)
    ANSWERS["balance"] = errors.QueryError(detail="\x1b[2Jbad\x9b")
    done = run("balance")
    assert "bad" in done.stderr
    assert not {"\x1b", "\x9b"} & set(done.stderr)


class Terminal:
    encoding = "utf-8"

    def __init__(self):
        self.text = ""

    def isatty(self):
        return True

    def write(self, text):
        self.text += text

    def flush(self):
        pass


def test_colour_is_for_terminals_that_want_it(monkeypatch):
    from smsbridge.cli.output import Output

    for setting, value, coloured in (("TERM", "xterm", True), ("NO_COLOR", "1", False), ("TERM", "dumb", False)):
        monkeypatch.delenv("NO_COLOR", raising=False)
        monkeypatch.setenv(setting, value)
        terminal = Terminal()
        monkeypatch.setattr(sys, "stdout", terminal)
        Output().line("fine", style="green")
        assert ("\x1b[32m" in terminal.text) == coloured


def test_progress_is_for_a_terminal_that_does_not_show_the_results(monkeypatch, capsys):
    from smsbridge.cli.output import Output

    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    Output().progress("half")
    assert terminal.text == "\r\x1b[Khalf"
