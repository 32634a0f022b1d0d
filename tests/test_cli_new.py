"""smsbridge new: the projects are complete and honest, and pass the contract from the start."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import subprocess
import sys
import tomllib
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
import yaml

from cli_acme import run, run_json
from smsbridge import environment
from smsbridge.cli import new
from smsbridge.cli.exits import Exit
from wheels import Environment, wheel

ROOT = Path(__file__).parent.parent
NUMBER = "+919876543210"
SECRET = "FAKE/TOKEN DO-NOT-USE"
PROJECTS = {
    "acme": [],
    "max9": ["--title", "Max & Co's SMS", "--auth=query", "--format=form", "--batch", "--webhooks"],
    "2factor": ["--auth=basic", "--batch", "--base-url=https://API.2factor.example:8443/v1/"],
    "abcdefghijklmnopqrstuvwxyz1234": ["--auth=header", "--format=form", "--webhooks"],
}
"""Every value of every flag, both formats with and without a batch, and the shortest and longest of names and lines."""
POLICIES = {
    "calm": [],
    "2calm": ["--title", "Calm & Co's rule"],
    "abcdefghijklmnopqrstuvwxyz1234": [],
}
RECORDED = ("max9", "2factor")
NEEDS = "smsbridge>=0.2,<0.3"
CREDENTIALS = ("token", "username", "password")
FILES = [
    ".github/workflows/ci.yml",
    ".gitignore",
    "CHANGELOG.md",
    "README.md",
    "cassettes/README.md",
    "pyproject.toml",
    "src/smsbridge_acme/__init__.py",
    "src/smsbridge_acme/provider.py",
    "src/smsbridge_acme/py.typed",
    "tests/test_cassettes.py",
    "tests/test_contract.py",
]
POLICY_FILES = [
    ".github/workflows/ci.yml",
    ".gitignore",
    "CHANGELOG.md",
    "README.md",
    "pyproject.toml",
    "src/smsbridge_calm/__init__.py",
    "src/smsbridge_calm/command.py",
    "src/smsbridge_calm/policy.py",
    "src/smsbridge_calm/py.typed",
    "tests/test_policy.py",
]


def python(*args, cwd, **variables):
    """Run our Python. Returns its exit code and what it printed."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("SMSBRIDGE_", "PYTEST_"))}
    done = subprocess.run(
        [sys.executable, *args],
        cwd=cwd,
        env={**kept, **variables},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    return done.returncode, f"{done.stdout}{done.stderr}"


class Vendor(BaseHTTPRequestHandler):
    """The invented API on the loopback interface. It accepts every text."""

    def do_POST(self):
        self.rfile.read(int(self.headers["content-length"]))
        self._answer(202, {"id": "live-1"})

    def do_GET(self):
        self._answer(200, {"id": self.path.split("?")[0].rpartition("/")[2], "status": "delivered"})

    def _answer(self, status, data):
        self.server.asked.append(f"{self.command} {self.path.split('?')[0]}")
        body = json.dumps(data).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.send_header("set-cookie", SECRET)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_args):
        pass


@pytest.fixture(scope="module")
def vendor():
    with ThreadingHTTPServer(("127.0.0.1", 0), Vendor) as server:
        server.asked = []
        Thread(target=server.serve_forever, daemon=True).start()
        server.url = f"http://127.0.0.1:{server.server_port}"
        yield server
        server.shutdown()


@pytest.fixture(scope="module")
def projects(tmp_path_factory):
    """All projects, as if they were installed. Returns their folder."""
    folder = tmp_path_factory.mktemp("projects")
    for name, flags in PROJECTS.items():
        assert run("new", name, "--directory", str(folder / name), *flags).exit_code == Exit.OK
        info = folder / name / "src" / f"smsbridge_{name}-0.1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: smsbridge-{name}\nVersion: 0.1.0\n")
        (info / "entry_points.txt").write_text(f"[smsbridge]\n{name} = smsbridge_{name}\n")
    return folder


@pytest.fixture(scope="module")
def policies(tmp_path_factory):
    """All policies, as if they were installed. Returns their folder."""
    folder = tmp_path_factory.mktemp("policies")
    for name, flags in POLICIES.items():
        assert run("new", "--policy", name, "--directory", str(folder / name), *flags).exit_code == Exit.OK
        points = tomllib.loads((folder / name / "pyproject.toml").read_text("utf-8"))["project"]["entry-points"]
        groups = [f"[{group}]\n{name} = {point[name]}\n" for group, point in points.items()]
        info = folder / name / "src" / f"smsbridge_{name}-0.1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: smsbridge-{name}\nVersion: 0.1.0\n")
        (info / "entry_points.txt").write_text("".join(groups))
    return folder


def run_tests(projects, *args, **variables):
    """Run pytest over the projects, with the configuration of the first of them."""
    path = os.pathsep.join(str(projects / name / "src") for name in PROJECTS)
    config = ["-c", "acme/pyproject.toml", "--rootdir=.", "-p", "no:cacheprovider", "-q", "-ra"]
    return python("-m", "pytest", *config, *args, cwd=projects, PYTHONPATH=path, **variables)


# --- refusals


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("Acme", "lower-case"),
        ("ac-me", "lower-case"),
        ("../acme", "lower-case"),
        ("acmé", "lower-case"),
        ("", "lower-case"),
        ("a" * 31, "at most 30"),
        ("console", "already, from smsbridge"),
        ("twincle", "already, from smsbridge-twincle"),
        ("timeout", "settings of smsbridge"),
    ],
)
def test_a_name_that_no_new_provider_can_have_is_refused(name, words, tmp_path):
    done = run("new", name)
    assert (done.exit_code, done.stdout) == (Exit.USAGE, "")
    assert words in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_name_of_ours_is_refused_also_where_it_is_not_installed(monkeypatch):
    monkeypatch.setattr(new.metadata, "requires", lambda _: ['smsbridge-far[x]>=1; extra == "far"', "httpx"])
    assert 'pip install "smsbridge[far]"' in run("new", "far").stderr
    assert run("new", "fa").exit_code == Exit.OK


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("Calm", "lower-case"),
        ("retry", "there is a policy 'retry' already, from smsbridge"),
        ("console", "there is a provider 'console' already, from smsbridge"),
        ("twincle", "there is a provider 'twincle' already, from smsbridge-twincle"),
        ("doctor", "there is a command 'doctor' already, from smsbridge"),
        ("timeout", "settings of smsbridge"),
    ],
)
def test_a_name_that_no_new_policy_can_have_is_refused(name, words, tmp_path):
    done = run("new", "--policy", name)
    assert (done.exit_code, done.stdout) == (Exit.USAGE, "")
    assert words in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_provider_may_have_the_name_of_a_command():
    assert run("new", "doctor").exit_code == Exit.OK


@pytest.mark.parametrize(
    "flag", ["--base-url=https://a.example", "--auth=basic", "--format=form", "--batch", "--webhooks"]
)
def test_what_is_for_providers_is_refused_for_a_policy(flag, tmp_path):
    done = run("new", "--policy", "calm", flag)
    assert done.exit_code == Exit.USAGE
    assert f"{flag.partition('=')[0]} is for providers: leave it out with --policy" in done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("title", ['a"b', "a\\", "a\nb", " a", "$a", "a" * 61, ""])
def test_a_title_that_would_break_a_file_is_refused(title):
    done = run("new", "acme", "--title", title)
    assert done.exit_code == Exit.USAGE
    assert "--title" in done.stderr


@pytest.mark.parametrize(
    "url", ["http://a.example", "a.example", 'https://a.example/"', "https://a.example?x=1", "https://", "https://é.in"]
)
def test_a_base_url_that_is_none_is_refused(url):
    assert "https://host/path" in run("new", "acme", "--base-url", url).stderr


# --- where it writes


def test_it_makes_these_files_and_says_so(tmp_path):
    done = run("new", "acme")
    assert done.exit_code == Exit.OK
    project = tmp_path / "smsbridge-acme"
    assert sorted(path.relative_to(project).as_posix() for path in project.rglob("*") if path.is_file()) == FILES
    assert [path.name for path in tmp_path.iterdir()] == ["smsbridge-acme"]
    assert all(f"  {path}\n" in done.stdout for path in FILES)
    commands = [line for line in done.stderr.splitlines() if line.startswith("next: ")]
    assert [len(commands), commands[0]] == [3, "next: cd smsbridge-acme"]


def test_as_json(tmp_path):
    document, code = run_json("new", "acme", "--directory", "my plugin")
    assert code == Exit.OK
    assert document.items() >= {"provider": "acme", "directory": "my plugin", "files": FILES}.items()
    assert document["next"][0] == "cd 'my plugin'"
    assert (tmp_path / "my plugin" / "pyproject.toml").exists()


def test_an_empty_directory_will_do(tmp_path):
    (tmp_path / "here").mkdir()
    assert run("new", "acme", "--directory", "here").exit_code == Exit.OK
    assert (tmp_path / "here" / "README.md").exists()


@pytest.mark.parametrize(
    ("directory", "words"),
    [
        ("full", "not an empty directory"),
        ("full/file", "not an empty directory"),
        ("full/file/below", "cannot be made"),
        ("no/where", "cannot be made: No such file or directory"),
        (".", "the current directory"),
    ],
)
def test_a_place_that_will_not_do_is_left_as_it_was(tmp_path, directory, words):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").write_text("mine")
    done = run("new", "acme", "--directory", directory)
    assert (done.exit_code, done.stdout) == (Exit.USAGE, "")
    assert words in done.stderr
    assert [path.name for path in tmp_path.rglob("*")] == ["full", "file"]
    assert (tmp_path / "full" / "file").read_text() == "mine"
    document, code = run_json("new", "acme", "--directory", directory)
    assert document["error"]["exit_code"] == code == Exit.USAGE


@pytest.mark.parametrize(
    ("error", "code"),
    [(KeyboardInterrupt(), Exit.INTERRUPTED), (OSError(28, "No space left on device"), Exit.USAGE)],
    ids=["interrupt", "full disk"],
)
def test_nothing_half_written_is_left(monkeypatch, tmp_path, error, code):
    write = Path.write_text

    def fail(path, *args, **more):
        if path.name == "provider.py":
            raise error
        return write(path, *args, **more)

    monkeypatch.setattr(Path, "write_text", fail)
    assert run("new", "acme").exit_code == code
    assert list(tmp_path.iterdir()) == []


def test_what_appears_meanwhile_is_not_overwritten(monkeypatch, tmp_path):
    rename = Path.rename

    def late(path, target):
        target.mkdir()
        (target / "mine").touch()
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", late)
    done = run("new", "acme")
    assert done.exit_code == Exit.USAGE
    assert "cannot be made" in done.stderr
    assert [path.name for path in tmp_path.rglob("*")] == ["smsbridge-acme", "mine"]


# --- questions


def test_it_asks_for_what_was_not_given_and_asks_again_after_a_mistake(tmp_path):
    answers = ["Acme SMS", "http://acme.example", "https://acme.example/v1", "basic", "", "y"]
    asked = run(
        "new", "acme", "--interactive", "--no-webhooks", "--directory", "asked", stdin="\n".join([*answers, ""])
    )
    assert asked.exit_code == Exit.OK
    assert "https://host/path" in asked.stderr
    assert "webhooks" not in asked.stderr
    given = ["--title", "Acme SMS", "--base-url", "https://acme.example/v1", "--auth", "basic", "--batch"]
    run("new", "acme", *given, "--directory", "given")
    for path in FILES:
        assert (tmp_path / "asked" / path).read_text("utf-8") == (tmp_path / "given" / path).read_text("utf-8")


def test_a_policy_is_asked_for_its_title_alone(tmp_path):
    asked = run("new", "--policy", "calm", "--interactive", stdin="Calm down\n")
    assert asked.exit_code == Exit.OK
    assert asked.stderr.count("[") == 1
    assert "Calm down" in (tmp_path / "smsbridge-calm" / "README.md").read_text("utf-8")


def test_without_answers_nothing_is_made(tmp_path):
    document, code = run_json("new", "acme", "--interactive", stdin="")
    assert code == document["error"]["exit_code"] == Exit.INTERRUPTED
    assert list(tmp_path.iterdir()) == []


# --- the project


def test_what_it_makes_passes_the_contract_and_its_recordings_replay(projects, vendor):
    """A run records from a vendor on this machine. A second run tests every project with the kit, and replays."""
    variables = {f"SMSBRIDGE_{name}_BASE_URL".upper(): vendor.url for name in RECORDED}
    variables |= {
        f"SMSBRIDGE_{name}_{credential}".upper(): f"{SECRET} {credential}"
        for name in RECORDED
        for credential in CREDENTIALS
    }
    files = [f"{name}/tests/test_cassettes.py" for name in RECORDED]
    _, shown = run_tests(projects, "--record-mode=rewrite", *files, **variables, SMSBRIDGE_RECORD_TO=NUMBER)
    failed = re.findall(r"^FAILED \S+::(\w+)", shown, re.MULTILINE)
    assert failed == ["test_every_recording_says_what_answered_it"] * 2, shown
    assert vendor.asked == [*("POST /messages", "GET /messages/live-1")] * 2
    vendor.asked.clear()

    for name in RECORDED:
        recorded = (projects / name / "cassettes" / "send.yaml").read_text("utf-8")
        port = vendor.url.rpartition(":")[2]
        for private in ("DO-NOT-USE", NUMBER[1:], port, "username", "cookie", "authorization"):
            assert private not in recorded
        with (projects / name / "cassettes" / "README.md").open("a") as readme:
            readme.write("\n| `send.yaml` | a text and its status | sandbox |\n")

    code, shown = run_tests(projects, *PROJECTS)
    assert code == pytest.ExitCode.OK, shown
    reasons = re.findall(r"^SKIPPED \[(\d+)\] (\S+?):\d+: (.*)", shown, re.MULTILINE)
    waiting = {where.split("/")[0] for _, where, why in reasons if "no recording yet" in why}
    assert waiting == PROJECTS.keys() - {*RECORDED}
    assert all("test_cassettes" in where or "no request before" in why for _, where, why in reasons)
    assert vendor.asked == []


def test_what_it_makes_is_clean_for_ruff_by_its_own_rules(projects):
    ruff = Path(sys.executable).with_name("ruff")
    if not ruff.exists():
        pytest.skip("ruff is not installed here")
    for command in (["format", "--check"], ["check"]):
        done = subprocess.run([ruff, *command, "--no-cache", *PROJECTS], cwd=projects, capture_output=True, check=False)
        assert done.returncode == 0, done.stdout.decode()


def test_what_it_makes_is_typed(projects):
    if importlib.util.find_spec("mypy") is None:
        pytest.skip("mypy is not installed here")
    sources = [f"{name}/src/smsbridge_{name}" for name in PROJECTS]
    more = ["--cache-dir", os.devnull, "--follow-imports=silent"]
    code, shown = python("-m", "mypy", "--config-file", "acme/pyproject.toml", *more, *sources, cwd=projects)
    assert code == 0, shown


def test_every_setting_is_in_the_readme(projects):
    code = """
import importlib, json, sys
found = {name: sorted(importlib.import_module(f"smsbridge_{name}").smsbridge_providers()[0].model_fields) for name in sys.argv[1:]}
print(json.dumps(found))
"""
    path = os.pathsep.join(str(projects / name / "src") for name in PROJECTS)
    _, printed = python("-c", code, *PROJECTS, cwd=projects, PYTHONPATH=path)
    for name, settings in json.loads(printed).items():
        readme = (projects / name / "README.md").read_text("utf-8")
        shown = re.findall(r"^\| `(SMSBRIDGE_\w+)` \|", readme, re.MULTILINE)
        assert sorted(shown) == sorted(
            environment.variable(name, setting) for setting in settings if setting != "account"
        )


def test_the_project_needs_this_smsbridge_and_has_its_entry_point(projects):
    for name in PROJECTS:
        project = tomllib.loads((projects / name / "pyproject.toml").read_text("utf-8"))
        assert project["project"]["name"] == f"smsbridge-{name}"
        assert project["project"]["dependencies"] == [NEEDS]
        assert project["project"]["entry-points"] == {"smsbridge": {name: f"smsbridge_{name}"}}


def test_ci_runs_all_checks_with_versions_pinned_by_major(projects):
    (job,) = yaml.safe_load((projects / "acme/.github/workflows/ci.yml").read_text("utf-8"))["jobs"].values()
    assert job["env"] == {"UV_PYTHON": "${{ matrix.python }}"}
    assert all(re.fullmatch(r"[\w-]+/[\w-]+@v\d+", step["uses"]) for step in job["steps"] if "uses" in step)
    runs = " ".join(step.get("run", "") for step in job["steps"])
    assert all(command in runs for command in ("ruff format --check", "ruff check", "mypy", "pytest", "uv build"))


def test_it_says_that_it_is_invented_and_what_to_look_up(projects):
    for name in PROJECTS:
        folder = projects / name
        package = folder / "src" / f"smsbridge_{name}"
        for path in (folder / "README.md", folder / "tests/test_contract.py", package / "provider.py"):
            assert "invented" in path.read_text("utf-8"), path
        marks = re.findall(r"# VENDOR: (.*)", (package / "provider.py").read_text("utf-8"))
        assert len(marks) >= 9
        assert all(len(mark) > 30 for mark in marks)


def test_no_word_of_the_templates_is_left(projects):
    for path in projects.rglob("*"):
        if path.is_file() and path.suffix != ".pyc":
            text = path.read_text("utf-8")
            assert not re.search(r"^%%|(?<![A-Z])NAME\b|\$(?!\{\{)", text, re.MULTILINE), path


# --- a policy's project


def test_it_makes_the_files_of_a_policy_and_says_so(tmp_path):
    done = run("new", "--policy", "calm")
    assert done.exit_code == Exit.OK
    project = tmp_path / "smsbridge-calm"
    assert sorted(path.relative_to(project).as_posix() for path in project.rglob("*") if path.is_file()) == POLICY_FILES
    assert all(f"  {path}\n" in done.stdout for path in POLICY_FILES)
    document, _ = run_json("new", "--policy", "calm", "--directory", "again")
    assert document.items() >= {"policy": "calm", "directory": "again", "files": POLICY_FILES}.items()
    assert "smsbridge new --policy calm" in run("new", "--help").stdout
    assert run("new", "--policy", "calm").exit_code == Exit.USAGE


def test_a_policy_that_it_makes_passes_the_contract(policies):
    path = os.pathsep.join(str(policies / name / "src") for name in POLICIES)
    config = ["-c", "calm/pyproject.toml", "--rootdir=.", "-p", "no:cacheprovider", "-q"]
    code, shown = python("-m", "pytest", *config, *POLICIES, cwd=policies, PYTHONPATH=path)
    assert code == pytest.ExitCode.OK, shown
    passed = int(re.search(r"^(\d+) passed", shown, re.MULTILINE)[1])
    assert passed > 60 * len(POLICIES)
    assert "skipped" not in shown


def test_the_tests_of_a_policy_that_it_makes_see_that_it_gives_back_what_may_have_arrived(tmp_path):
    run("new", "--policy", "calm", "--directory", "broken")
    policy = tmp_path / "broken/src/smsbridge_calm/policy.py"
    healthy = policy.read_text("utf-8")
    policy.write_text(healthy.replace("isinstance(ending, RefusedError)", "isinstance(ending, Exception)"), "utf-8")
    assert policy.read_text("utf-8") != healthy
    arguments = ["-q", "-p", "no:cacheprovider", "-k", "TestCalm and after_a_text"]
    _, shown = python("-m", "pytest", *arguments, cwd=tmp_path / "broken", PYTHONPATH="src")
    failed = re.findall(r"^FAILED \S+::(\w+)", shown, re.MULTILINE)
    assert failed == ["test_after_a_text_that_may_have_arrived_the_second_is_refused"], shown


def test_a_policy_that_it_makes_is_clean_and_typed(policies):
    ruff = Path(sys.executable).with_name("ruff")
    if not ruff.exists() or importlib.util.find_spec("mypy") is None:
        pytest.skip("ruff or mypy is not installed here")
    for command in (["format", "--check"], ["check"]):
        done = subprocess.run([ruff, *command, "--no-cache", *POLICIES], cwd=policies, capture_output=True, check=False)
        assert done.returncode == 0, done.stdout.decode()
    sources = [f"{name}/src/smsbridge_{name}" for name in POLICIES]
    more = ["--cache-dir", os.devnull, "--follow-imports=silent"]
    code, shown = python("-m", "mypy", "--config-file", "calm/pyproject.toml", *more, *sources, cwd=policies)
    assert code == 0, shown


def test_a_policy_that_it_makes_says_what_to_decide(policies):
    for name in POLICIES:
        package = policies / name / "src" / f"smsbridge_{name}"
        project = tomllib.loads((policies / name / "pyproject.toml").read_text("utf-8"))["project"]
        assert (project["name"], project["dependencies"]) == (f"smsbridge-{name}", [NEEDS])
        for path in (policies / name / "README.md", package / "policy.py"):
            assert "invented" in path.read_text("utf-8"), path
        marks = re.findall(r"# RULE: (.*)", (package / "policy.py").read_text("utf-8"))
        assert len(marks) >= 6
        for path in (policies / name).rglob("*"):
            if path.is_file() and path.suffix != ".pyc":
                assert not re.search(r"^%%|(?<![A-Z])NAME\b|\$(?!\{\{)", path.read_text("utf-8"), re.MULTILINE), path


# --- from wheel to text


def test_from_the_wheel_to_a_text(tmp_path, vendor):
    """smsbridge, installed from its wheel, makes a plugin. The plugin's wheel is installed, and smsbridge sends through it."""
    environment = Environment(tmp_path, ROOT)
    environment.install("smsbridge[cli]")
    made = json.loads(
        environment.run("-m", "smsbridge", "new", "acme", "--auth=basic", "--batch", "--webhooks", "--json")
    )
    assert made["files"] == FILES  # the templates are in the wheel

    wheel(environment.work / made["directory"], environment.wheels)
    environment.install("smsbridge[cli]", "smsbridge_acme")
    settings = {"PROVIDER": "acme", "ACME_USERNAME": "me", "ACME_PASSWORD": SECRET, "ACME_BASE_URL": vendor.url}
    variables = {f"SMSBRIDGE_{name}": value for name, value in settings.items()}
    vendor.asked.clear()
    sent = json.loads(
        environment.run("-m", "smsbridge", "send", NUMBER, "Your order has shipped", "--json", **variables)
    )
    assert (sent["outcome"], sent["provider"], sent["id"]) == ("accepted", "acme", "live-1")
    report = json.loads(environment.run("-m", "smsbridge", "status", sent["id"], "--json", **variables))
    assert report["status"] == "delivered"
    assert vendor.asked == ["POST /messages", "GET /messages/live-1"]
    listed = json.loads(environment.run("-m", "smsbridge", "providers", "--json"))["providers"]
    (acme,) = [provider for provider in listed if provider["name"] == "acme"]
    assert (acme["origin"], acme["capabilities"]) == ("smsbridge-acme 0.1.0", ["batch", "status", "webhooks"])


def test_from_the_wheel_to_a_refusal(tmp_path):
    """The same for a policy: its tests run in the empty environment, and the core's commands know it."""
    environment = Environment(tmp_path, ROOT)
    environment.install("smsbridge[cli]")
    made = json.loads(environment.run("-m", "smsbridge", "new", "--policy", "calm", "--json"))
    assert made["files"] == POLICY_FILES

    project = environment.work / made["directory"]
    wheel(project, environment.wheels)
    environment.install("smsbridge[cli,testing]", "smsbridge_calm")
    assert "passed" in environment.run("-m", "pytest", "-q", "-p", "no:cacheprovider", "-c", project / "pyproject.toml")
    strict = {"SMSBRIDGE_CALM_CAPITALS": "2"}
    refused = environment.command("send", NUMBER, "BUY NOW", "--json", fails=True, **strict)
    assert json.loads(refused)["error"]["reason"] == "capitals"
    assert "most abbreviations, such as INR, are refused" in environment.command("doctor", **strict)
    assert environment.command("calm", **strict) == "a text may have 2 capital letters in a row"
    assert "SMSBRIDGE_CALM_CAPITALS" in environment.command("providers", "calm")
