"""A distribution may bring a command: it is listed, imported only when called, and its errors are explained like ours."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.metadata import EntryPoint
from types import ModuleType
from zipfile import ZipFile

import click
import pytest
from click.testing import CliRunner

from smsbridge import groups
from smsbridge.builtin.memory import MemoryProvider
from smsbridge.cli import installed
from smsbridge.cli.app import COMMANDS, smsbridge
from smsbridge.cli.kit import Exit, Output, account_option, json_option, open_client


@click.command()
@account_option
@json_option
def night(account, as_json):
    """Say whether it is night."""
    out = Output(as_json=as_json)
    with open_client(account, out) as client:
        if as_json:
            out.json({"account": client.provider.account})
        else:
            out.line(f"it is night for {client.provider.account}")
    return Exit.REFUSED


@pytest.fixture
def install(monkeypatch):
    points = []
    monkeypatch.setattr(installed, "_points", lambda: points)

    def put(name, command):
        module = ModuleType(f"smsbridge_{name}_command_{len(points)}")
        module.command = command
        monkeypatch.setitem(sys.modules, module.__name__, module)
        value = command if isinstance(command, str) else f"{module.__name__}:command"
        points.append(EntryPoint(name, value, groups.COMMANDS))

    return put


def run(*words):
    return CliRunner().invoke(smsbridge, words)


def test_it_is_listed_and_runs_with_our_options_output_and_exit_codes(install, monkeypatch):
    install("night", night)
    monkeypatch.setenv("SMSBRIDGE_PROVIDER", "memory")
    assert "Commands of plugins:\n  night  from smsbridge_night_command_0:command" in run("--help").stdout
    done = run("night")
    assert (done.exit_code, done.stdout) == (Exit.REFUSED, f"it is night for {MemoryProvider.name}\n")
    assert json.loads(run("night", "--json").stdout) == {"account": "memory"}
    assert "Say whether it is night." in run("night", "--help").stdout


def test_its_errors_are_explained_as_ours_are(install):
    install("night", night)
    done = run("night", "--account", "unknown")
    assert done.exit_code == Exit.CONFIGURATION
    assert "no provider 'unknown'" in done.stderr
    assert run("night", "--quiet").exit_code == Exit.USAGE


def test_a_bug_of_it_is_no_traceback(install):
    @click.command()
    def broken():
        raise LookupError("SECRET")

    install("broken", broken)
    done = run("broken")
    assert done.exit_code == Exit.INTERNAL
    assert "SECRET" not in done.output


@pytest.mark.parametrize(
    ("what", "words"),
    [("no_such_module:command", "cannot be imported: ModuleNotFoundError"), (print, "is not a click.Command")],
)
def test_one_that_cannot_be_used_says_so_when_it_is_called_and_disturbs_no_other(install, what, words):
    install("night", what)
    assert run("providers").exit_code == Exit.OK
    assert run("--help").exit_code == Exit.OK
    done = run("night")
    assert done.exit_code == Exit.CONFIGURATION
    assert words in done.stderr


def test_two_of_one_name_are_an_error_for_who_calls_it(install):
    install("night", night)
    install("night", night)
    assert run("--help").exit_code == Exit.OK
    done = run("night")
    assert done.exit_code == Exit.CONFIGURATION
    assert "two commands are named 'night'" in done.stderr


@pytest.mark.parametrize("name", COMMANDS)
def test_one_of_a_name_of_ours_is_not_reached(install, name):
    install(name, night)
    assert "Commands of plugins" not in run("--help").stdout
    assert "Say whether it is night." not in run(name, "--help").stdout


def test_a_misspelt_name_says_what_was_meant(install):
    install("night", night)
    done = run("nigt")
    assert done.exit_code == Exit.USAGE
    assert "did you mean 'night'?" in done.stderr


@pytest.mark.parametrize("in_a_zip", [False, True])
def test_no_command_is_imported_for_help(tmp_path, in_a_zip):
    place = tmp_path / "smsbridge_night.zip" if in_a_zip else tmp_path
    files = {
        "smsbridge_night-1.0.dist-info/METADATA": "Metadata-Version: 2.1\nName: smsbridge-night\nVersion: 1.0\n",
        "smsbridge_night-1.0.dist-info/entry_points.txt": "[smsbridge.commands]\nnight = night_command:night\n",
        "night_command.py": "print('IMPORTED')",
    }
    for name, text in files.items():
        if in_a_zip:
            with ZipFile(place, "a") as archive:
                archive.writestr(name, text)
        else:
            (place / name).parent.mkdir(exist_ok=True)
            (place / name).write_text(text)
    variables = os.environ | {"PYTHONPATH": str(place)}

    def printed(*words):
        command = [sys.executable, "-m", "smsbridge", *words]
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60, env=variables).stdout

    listed = printed("--help")
    assert "night  from smsbridge-night 1.0" in listed
    assert "IMPORTED" not in listed
    assert "IMPORTED" in printed("night")


def test_doctor_says_which_parts_of_a_distribution_cannot_be_used(tmp_path):
    info = tmp_path / "night-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: night\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[smsbridge.commands]\nsend = night:send\nnight = night:command\n"
        "[smsbridge.policy]\nnight = night:Policy\n"
        "[smsbridge.policies]\nguard = night:Policy\nconsole = night:Policy\ntimeout = night:Policy\nNight = night:Policy\n"
    )
    variables = os.environ | {"PYTHONPATH": str(tmp_path)}

    def printed(*words, **more):
        command = [sys.executable, "-m", "smsbridge", *words]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60, env=variables | more)
        return " ".join((done.stdout + done.stderr).split())

    said = printed("doctor")
    for words in (
        "command 'send' of night 1.0 cannot be reached: smsbridge has a command of that name",
        "nothing reads 'night' of night 1.0 in the group smsbridge.policy; did you mean smsbridge.policies?",
        "policy 'guard' of night 1.0 cannot be used: smsbridge has a policy of that name",
        "policy 'console' of night 1.0 cannot be used: a provider has that name",
        "policy 'timeout' of night 1.0 cannot be used: settings of smsbridge begin with this word",
        "policy 'Night' of night 1.0 cannot be used: a name may have only lower-case letters and digits",
    ):
        assert words in said
    # A command owns no variable: the policy that should read this variable is in a group that smsbridge does not read.
    assert "nothing reads SMSBRIDGE_NIGHT_QUIET" in printed("send", "+919876543210", "x", SMSBRIDGE_NIGHT_QUIET="yes")


def test_debug_shows_where_a_policy_failed(tmp_path):
    info = tmp_path / "night-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: night\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[smsbridge.policies]\nnight = night:NightPolicy\n")
    (tmp_path / "night.py").write_text(
        "from smsbridge import Gate\nfrom smsbridge.policies.policy import Place\n\n"
        "class NightPolicy(Gate):\n    name = 'night'\n    place = Place.ONCE\n    quiet: bool = True\n\n"
        "    def admit(self, message, *, verification=False):\n        yield from ()\n        return 1 / 0\n"
    )
    variables = os.environ | {
        "PYTHONPATH": str(tmp_path),
        "SMSBRIDGE_PROVIDER": "memory",
        "SMSBRIDGE_NIGHT_QUIET": "yes",
    }

    def said(*words):
        command = [sys.executable, "-m", "smsbridge", *words, "send", "+919876543210", "Hello"]
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60, env=variables).stderr

    assert "policy night failed before anything was sent: ZeroDivisionError" in said()
    assert "night.py" not in said()
    assert 'night.py", line 11, in admit' in said("--debug")
    assert "Hello" not in said("--debug")
