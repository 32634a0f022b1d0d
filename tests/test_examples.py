"""The README and docs/ are the manual: their examples run unchanged."""

from __future__ import annotations

import asyncio
import os
import re
import shlex
import shutil
import socket
import subprocess
import sys
import tomllib
from dataclasses import fields
from importlib import metadata
from itertools import pairwise
from pathlib import Path

import click
import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from manual import PAGES, ROOT, Block, blocks, files, lines_about_smsbridge, run_pytest, text, whole
from pip_setup import groups_of, plugins_of, setup
from smsbridge import (
    Balance,
    Batch,
    DeliveryReport,
    InboundMessage,
    SentMessage,
    Status,
    Verification,
    VerificationCheck,
)
from smsbridge.cli import app
from smsbridge.cost import Rates
from smsbridge.dlt import Registry
from smsbridge.history import History, TextRecord
from smsbridge.hours import Hours

LANGUAGES = {"python", "bash", "sh", "toml", "text", "json"}
"""``bash`` runs unchanged. ``sh`` needs an account, a vendor or an index: only its commands are checked."""
WEBHOOKS = {"webhook_starlette.py", "webhook_flask.py", "webhook_django.py"}
TESTED = sorted({block.page for block in blocks("python") if (block.title or "").startswith("test_")})


@pytest.mark.parametrize("page", PAGES)
def test_every_block_of_code_is_found_and_of_a_language_that_is_tested(page):
    assert len(re.findall(r"^ *```", whole(page), re.MULTILINE)) == 2 * len(blocks(page=page))
    assert {block.language for block in blocks(page=page)} <= LANGUAGES


@pytest.mark.parametrize("page", PAGES)
def test_every_file_that_a_page_shows_is_tested(page):
    untested = {block.title for block in blocks("python", page) if block.title} - WEBHOOKS
    assert not untested or page in TESTED or page == "docs/recipes/packages.md"  # tests/test_packages.py


@pytest.mark.parametrize(
    "block", [block for block in blocks("python") if not block.title], ids=lambda block: block.label
)
def test_every_python_example_runs(block: Block, sms_outbox, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    exec(compile(block.code, block.page, "exec"), {"__name__": "manual"})


@pytest.mark.parametrize("page", TESTED)
def test_the_tests_that_a_page_shows_pass(page, tmp_path):
    done = run_pytest(tmp_path, files(page))
    assert done.returncode == 0, done.stdout + done.stderr
    for promised in re.findall(r"which runs some (\d+) tests", text(page)):
        assert abs(int(re.search(r"(\d+) passed", done.stdout)[1]) - int(promised)) < 15


NOT_REAL = {
    "twincle": {"ACCESS_TOKEN": "not-real", "BASE_URL": "https://sms.example/api/v2", "SENDER": "ACMEIN"},
    "twilio": {"ACCOUNT_SID": f"AC{0:032}", "AUTH_TOKEN": "not-real", "SENDER": "+15557122661"},
    "infobip": {"API_KEY": "not-real", "BASE_URL": "https://xyz.api.infobip.example", "SENDER": "ACMEIN"},
    "plivo": {"AUTH_ID": "MAXXXXXXXXXXXXXXXXXX", "AUTH_TOKEN": "not-real", "SENDER": "ACMEIN"},
    "vonage": {"API_KEY": "abcd1234", "API_SECRET": "not-real", "SENDER": "ACMEIN"},
}


@pytest.mark.parametrize("provider", NOT_REAL)
def test_the_tests_of_an_application_hold_with_every_provider(provider, tmp_path):
    shown = files("docs/recipes/testing.md")
    own = {f"SMSBRIDGE_{provider.upper()}_{name}": value for name, value in NOT_REAL[provider].items()}
    shown["conftest.py"] = f"import os\n\nos.environ |= {own | {'SMSBRIDGE_PROVIDER': provider}}\n"
    done = run_pytest(tmp_path, shown)
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"[1-9] passed", done.stdout)


def test_the_example_provider_is_tested_with_the_contract_kit():
    page = "docs/extend/provider.md"
    assert page in TESTED
    assert files(page).keys() == {"smsbridge_acme.py", "test_acme.py"}
    assert "which runs some" in text(page)


@pytest.mark.parametrize("page", ["docs/recipes/django-shop.md", "docs/recipes/fastapi-shop.md"])
def test_a_shop_has_fewer_than_sixty_lines_about_smsbridge_and_says_how_many(page):
    shop = {name: code for name, code in files(page).items() if name.endswith(".py")}
    tests = {name for name in shop if name.startswith("test_") or name == "conftest.py"}
    lines = lines_about_smsbridge({name: code for name, code in shop.items() if name not in tests})
    assert lines < 60
    assert f"{lines} of its lines name smsbridge or its objects" in text(page)


def test_lines_about_smsbridge_are_those_that_name_it_or_what_comes_from_it():
    shop = {
        "a.py": "from smsbridge import (\n    SmsClient,\n)\n\nsms = SmsClient()\nother = 1\n",
        "b/c.py": "from a import other, sms\n\ndef f(x):\n    with g():\n        y = sms.send(\n            x,\n        )\n    if y:\n        return other\n",
        "b/d.py": "from . import c\nfrom .c import f, sms\n\nc.f(1)\nf(sms)\nf(2)\n",
    }
    assert [lines_about_smsbridge({name: shop[name] for name in list(shop)[:count]}) for count in (1, 2, 3)] == [
        4,
        9,
        11,
    ]


@pytest.mark.parametrize("block", blocks("toml"), ids=lambda block: block.label)
def test_every_toml_file_can_be_read(block: Block, tmp_path):
    assert tomllib.loads(block.code)
    load = {"hours.toml": Hours.load, "prices.toml": Rates.load, "dlt.toml": Registry.load}.get(block.title or "")
    if load is not None:
        (tmp_path / "file.toml").write_text(block.code, "utf-8")
        assert load(tmp_path / "file.toml")


def test_the_files_of_hours_prices_and_templates_are_among_them():
    assert {block.title for block in blocks("toml")} >= {"hours.toml", "prices.toml", "dlt.toml"}


def test_the_tables_of_values_are_complete():
    page = text("docs/reference/values.md")
    results = (SentMessage, DeliveryReport, InboundMessage, Balance, Verification, VerificationCheck)
    for value in (*results, TextRecord, History):
        (row,) = re.findall(rf"^\| `{value.__name__}` \| (.*) \|$", page, re.MULTILINE)
        assert row == ", ".join(f"`{field.name}`" for field in fields(value))
    listed = page.split("| `Status` | Means | Final |")[1].split("\n\n")[0]
    assert set(re.findall(r"`([A-Z]+)`", listed)) == set(Status.__members__)


def test_the_table_of_the_members_of_a_batch_is_complete():
    page = text("docs/extend/policy.md").split("| Member | Is or does |")[1].split("\n\n")[0]
    listed = {
        name for cell in re.findall(r"^\| (`.*?`) \|", page, re.MULTILINE) for name in re.findall(r"`(\w+)", cell)
    }
    assert listed == {name for name in dir(Batch) if not name.startswith("_")}


UV_OPTIONS = r"(?:--no-sync |--no-default-groups |--(?:extra|group) \w+ )*"
STAND_IN_FOR_UV = """#!/bin/sh
[ "$1" = run ] || exit 9
shift
while :; do
    case "$1" in
        --no-sync | --no-default-groups) shift ;;
        --extra | --group) shift 2 ;;
        *) exec "$@" ;;
    esac
done
"""


# --- commands -------------------------------------------------------------------------------------------------------------


def commands() -> list[tuple[str, str]]:
    """Each command line of the manual that calls ``smsbridge``, with its page."""
    parts = [
        (block.page, part)
        for block in [*blocks("bash"), *blocks("sh")]
        for part in re.split(r"&&|\|\||[;|\n]", block.code.replace("\\\n", " "))
    ]
    found = [(page, re.match(rf"^\s*(?:uv run {UV_OPTIONS})?smsbridge (.*)", part)) for page, part in parts]
    return [(page, match[1].split(" #")[0]) for page, match in found if match]


@pytest.mark.parametrize(("page", "line"), commands())
def test_every_command_of_the_manual_exists(page, line):
    words = [word for word in shlex.split(re.sub(r"\s[<>]\s*\S+|\s&$", "", line)) if word != "&"]
    context = click.Context(app.smsbridge, info_name="smsbridge")
    command: click.Command = app.smsbridge
    while isinstance(command, click.Group) and words and not words[0].startswith("-"):
        found = command.get_command(context, words.pop(0))
        assert found is not None, line
        command = found
    options = {name for option in command.params for name in [*option.opts, *option.secondary_opts]} | {
        "--help",
        "--version",
    }
    assert {word.split("=")[0] for word in words if re.match(r"--?[a-z]", word)} <= options, line


# --- the webhook recipes --------------------------------------------------------------------------------------------------

REPORT = b'{"id":"00000000-0000-4000-8000-000000000000:1","mobile":"919876543210","status":"DELIVRD"}'
ANSWERS = {"right": 200, "wrong": 401}


RECIPES = {title: [block for block in blocks("python") if block.title == title] for title in WEBHOOKS}


def recipes(framework):
    """Run a test with each block of the manual that shows this webhook."""
    shown = RECIPES[f"webhook_{framework}.py"]
    return pytest.mark.parametrize("recipe", shown, indirect=True, ids=lambda block: block.page)


@pytest.fixture
def recipe(request, monkeypatch, capsys):
    monkeypatch.setenv("SMSBRIDGE_TWINCLE_ACCESS_TOKEN", "FAKE-TOKEN-DO-NOT-USE")
    monkeypatch.setenv("SMSBRIDGE_TWINCLE_BASE_URL", "https://sms.example/api/v2/")
    monkeypatch.setenv("SMSBRIDGE_TWINCLE_WEBHOOK_SECRET", "right")
    namespace: dict[str, object] = {"__name__": "manual"}
    exec(compile(request.param.code, request.param.page, "exec"), namespace)
    return namespace


def test_there_is_a_webhook_recipe_for_each_framework():
    assert all(RECIPES.values())


@recipes("starlette")
@pytest.mark.parametrize("secret", ANSWERS)
def test_the_starlette_recipe_takes_a_report_and_refuses_a_forged_one(recipe, secret):
    import httpx

    async def post() -> httpx.Response:
        transport = httpx.ASGITransport(recipe["app"])
        async with httpx.AsyncClient(transport=transport, base_url="http://testserver") as client:
            return await client.post("/sms/twincle", content=REPORT, headers=headers(secret))

    assert asyncio.run(post()).status_code == ANSWERS[secret]


@recipes("flask")
@pytest.mark.parametrize("secret", ANSWERS)
def test_the_flask_recipe_takes_a_report_and_refuses_a_forged_one(recipe, secret):
    response = recipe["app"].test_client().post("/sms/twincle", data=REPORT, headers=headers(secret))
    assert response.status_code == ANSWERS[secret]


@recipes("django")
@pytest.mark.parametrize("secret", ANSWERS)
def test_the_django_recipe_takes_a_report_and_refuses_a_forged_one(recipe, secret):
    from django.conf import settings
    from django.test import RequestFactory

    if not settings.configured:
        settings.configure(ALLOWED_HOSTS=["testserver"])
    given = headers(secret)
    request = RequestFactory().post(
        "/sms", data=REPORT, content_type=given["content-type"], headers={"authorization": given["authorization"]}
    )
    assert recipe["webhook"](request, "twincle").status_code == ANSWERS[secret]


def headers(secret: str) -> dict[str, str]:
    return {"authorization": f"Bearer {secret}", "content-type": "application/json"}


TALES = sorted({block.page for block in blocks("bash")})
SAYS = {
    "README.md": (
        "Your order has shipped",
        "accepted: printed above",
        "\nconsole console-",
        "SMSBRIDGE_FILE_PATH",
        "sending can work",
    ),
    "docs/start/tour.md": ("Your order has shipped", "console took it as", "file took it as", "twincle took it as"),
}


@pytest.mark.skipif(shutil.which("bash") is None, reason="the manual is written for a POSIX shell")
@pytest.mark.parametrize("page", TALES)
def test_the_commands_of_a_page_work_word_for_word(page, tmp_path):
    """All in one shell. Only ``pip install uv`` and ``uv run`` are replaced: the environment that they would make is
    part of the one that runs this test. The sandbox gets a free port, and pytest is only asked for its version."""
    stand_ins = tmp_path / "bin"
    stand_ins.mkdir()
    (stand_ins / "pip").write_text("#!/bin/sh\n[ \"$*\" = 'install uv' ]\n")
    (stand_ins / "uv").write_text(STAND_IN_FOR_UV)
    for stand_in in stand_ins.iterdir():
        stand_in.chmod(0o755)
    commands = "\n".join(block.code for block in blocks("bash", page))
    commands = commands.replace("8025", str(free_port())).replace("uv run pytest", "uv run pytest --version")
    wait = "\nfor i in $(seq 100); do smsbridge balance >/dev/null 2>&1 && break; sleep 0.1; done\n"
    commands = commands.replace("SENDER=SMSBRG\n", f"SENDER=SMSBRG{wait}")
    work = tmp_path / "work"
    work.mkdir()
    for name, code in files(page).items():
        (work / name).write_text(code, "utf-8")
    env = {name: value for name, value in os.environ.items() if not name.startswith("SMSBRIDGE_")}
    env["PATH"] = os.pathsep.join([str(stand_ins), str(Path(sys.executable).parent), env["PATH"]])
    done = subprocess.run(
        ["bash", "-euc", f"trap 'kill $(jobs -p) 2>/dev/null || true' EXIT\n{commands}"],
        cwd=work,
        env=env | {"HOME": str(tmp_path), "PYTHONUTF8": "1"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    for words in SAYS[page]:
        assert words in done.stdout
    shown = [line for line in (done.stdout + done.stderr).splitlines() if "sandbox-token" in line]
    assert all(line.startswith("READY ") for line in shown), "only the sandbox itself may print its token"


FIRST = [block.code for page in SAYS for block in blocks("bash", page)[:1]]


@pytest.mark.parametrize("command", FIRST, ids=list(SAYS))
def test_the_first_command_installs_no_sdk_and_no_framework(command):
    options = re.match(rf"pip install uv && uv run ({UV_OPTIONS})smsbridge send ", command)
    assert options, "a first command of another form is not read by this test"
    words = shlex.split(options[1])
    assert words[0] == "--no-default-groups"
    extras = [word for option, word in pairwise(words) if option == "--extra"]
    installed = installed_by(f"smsbridge[{','.join(extras)}]", *sorted(groups_of(options[1])))
    assert installed >= {"smsbridge", "click", "httpx", "pydantic"}, "what is asked for is followed"
    not_needed = groups_of("--group dev --group plugins --group recipes --group docs --group lint") - {"smsbridge"}
    assert not_needed > {"twilio", "plivo", "vonage", "infobip-api-python-client", "django", "flask", "fastapi"}
    assert installed & (not_needed | {"starlette", "uvicorn", "werkzeug"}) == set()


def test_ci_ends_with_the_command_for_all_tests():
    _, command = (block.code for block in blocks("bash", "README.md")[:2])
    assert command.endswith(" pytest\n")
    assert (ROOT / ".ci/run").read_text("utf-8").endswith(f"\n{command}")


def installed_by(*requirements: str) -> set[str]:
    """The distributions that an installation of these brings, as those that are installed here say."""
    found: set[tuple[str, str]] = set()
    todo = [Requirement(requirement) for requirement in requirements]
    while todo:
        wanted = todo.pop()
        name = canonicalize_name(wanted.name)
        for extra in {"", *wanted.extras}:
            if (name, extra) in found:
                continue
            found.add((name, extra))
            needed = [Requirement(line) for line in metadata.requires(name) or ()]
            todo += [
                requirement
                for requirement in needed
                if requirement.marker is None or requirement.marker.evaluate({"extra": extra})
            ]
    return {name for name, _ in found}


def test_the_setup_with_pip_alone_looks_for_no_plugin_in_an_index():
    """``tests/pip_setup.py`` tests that it works, which takes minutes and an index."""
    installs = [command for command in setup() if "--group" in command]
    assert installs
    for command in installs:
        assert {f"-e plugins/{folder}" in command.replace('"', "") for folder in plugins_of()} == {True}
        assert not groups_of(command) & {f"smsbridge-{folder}" for folder in plugins_of()}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
