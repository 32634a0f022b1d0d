"""The README is the manual: its examples run as they stand."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import socket
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import pytest

from pip_setup import groups_of, plugins_of, setup
from smsbridge import (
    Balance,
    DeliveryReport,
    InboundMessage,
    Plugins,
    SentMessage,
    Status,
    Verification,
    VerificationCheck,
)
from smsbridge.cli.providers import markdown_table

README = Path(__file__).parent.parent / "README.md"
BLOCK = re.compile(r"^```(?P<language>\w+)(?P<mark>[^\n]*)\n(?P<code>.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(language: str, section: str = "") -> list[re.Match[str]]:
    text = README.read_text("utf-8")
    if section:
        text = text.split(f"\n## {section}\n")[1].split("\n## ")[0]
    return [block for block in BLOCK.finditer(text) if block["language"] == language]


def first_line(block: re.Match[str]) -> str:
    return block["mark"].strip() or f"{block['code'].strip().splitlines()[-1][:60]}"


PLAIN = [block for block in blocks("python") if not block["mark"].strip()]


@pytest.mark.parametrize("block", PLAIN, ids=first_line)
def test_every_python_example_runs(block, sms_outbox):
    exec(compile(block["code"], str(README), "exec"), {"__name__": "readme"})


def test_the_example_provider_keeps_the_contract(tmp_path):
    files = {
        block["mark"].strip().removeprefix("file="): block["code"] for block in blocks("python", "Writing a provider")
    }
    assert files.keys() == {"smsbridge_acme.py", "test_acme.py"}
    for name, code in files.items():
        (tmp_path / name).write_text(code)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(tmp_path)]
    done = subprocess.run(
        command,
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    passed = int(re.search(r"(\d+) passed", done.stdout)[1])
    (promised,) = re.findall(r"which runs some (\d+) tests", README.read_text("utf-8"))
    assert abs(passed - int(promised)) < 15


def test_the_example_of_testing_an_application_passes(tmp_path):
    (block,) = [one for one in blocks("python", "Testing your application") if one["mark"].strip()]
    (tmp_path / "test_orders.py").write_text(block["code"])
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(tmp_path)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert "2 passed" in done.stdout, done.stdout


def test_the_tables_of_values_are_complete():
    text = README.read_text("utf-8")
    for value in (SentMessage, DeliveryReport, InboundMessage, Balance, Verification, VerificationCheck):
        (row,) = re.findall(rf"^\| `{value.__name__}` \| (.*) \|$", text, re.MULTILINE)
        assert row == ", ".join(f"`{one.name}`" for one in fields(value))
    listed = text.split("| `Status` | Means | Final |")[1].split("\n\n")[0]
    assert set(re.findall(r"`([A-Z]+)`", listed)) == set(Status.__members__)


def test_the_table_of_providers_is_current():
    names = ["console", "file", "http", "infobip", "memory", "plivo", "twilio", "twincle", "vonage"]
    begin, end = "a test holds it to the code -->\n", "\n<!-- /providers -->"
    table = README.read_text("utf-8").split(begin)[1].split(end)[0]
    assert table == markdown_table(Plugins(), names).strip(), "put what `smsbridge providers --markdown` prints there"


REPORT = b'{"id":"00000000-0000-4000-8000-000000000000:1","mobile":"919876543210","status":"DELIVRD"}'
ANSWERS = {"right": 200, "wrong": 401}


@pytest.fixture
def recipe(request, monkeypatch, capsys):
    monkeypatch.setenv("SMSBRIDGE_TWINCLE_ACCESS_TOKEN", "FAKE-TOKEN-DO-NOT-USE")
    monkeypatch.setenv("SMSBRIDGE_TWINCLE_BASE_URL", "https://sms.example/api/v2/")
    monkeypatch.setenv("SMSBRIDGE_TWINCLE_WEBHOOK_SECRET", "right")
    (code,) = [block["code"] for block in blocks("python") if block["mark"].strip() == f"webhook={request.param}"]
    namespace: dict[str, object] = {"__name__": "readme"}
    exec(compile(code, str(README), "exec"), namespace)
    return namespace


@pytest.mark.parametrize("recipe", ["starlette"], indirect=True)
@pytest.mark.parametrize("secret", ANSWERS)
def test_the_starlette_recipe_takes_a_report_and_refuses_a_forged_one(recipe, secret):
    import httpx

    async def post() -> httpx.Response:
        transport = httpx.ASGITransport(recipe["app"])
        async with httpx.AsyncClient(transport=transport, base_url="http://testserver") as client:
            return await client.post("/sms", content=REPORT, headers=headers(secret))

    assert asyncio.run(post()).status_code == ANSWERS[secret]


@pytest.mark.parametrize("recipe", ["flask"], indirect=True)
@pytest.mark.parametrize("secret", ANSWERS)
def test_the_flask_recipe_takes_a_report_and_refuses_a_forged_one(recipe, secret):
    response = recipe["app"].test_client().post("/sms", data=REPORT, headers=headers(secret))
    assert response.status_code == ANSWERS[secret]


@pytest.mark.parametrize("recipe", ["django"], indirect=True)
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
    assert recipe["webhook"](request).status_code == ANSWERS[secret]


def headers(secret: str) -> dict[str, str]:
    return {"authorization": f"Bearer {secret}", "content-type": "application/json"}


@pytest.mark.skipif(shutil.which("bash") is None, reason="the tour is written for a POSIX shell")
def test_the_tour_works_word_for_word(tmp_path):
    """Every command of the tour, in one shell. Only ``pip install uv`` and ``uv run`` are stood in for: the environment
    that they would make is the one that runs this test. The sandbox gets a port that is free here."""
    stand_ins = tmp_path / "bin"
    stand_ins.mkdir()
    (stand_ins / "pip").write_text("#!/bin/sh\n[ \"$*\" = 'install uv' ]\n")
    (stand_ins / "uv").write_text('#!/bin/sh\n[ "$1" = run ] || exit 9\nshift\nexec "$@"\n')
    for stand_in in stand_ins.iterdir():
        stand_in.chmod(0o755)
    commands = "\n".join(block["code"] for block in blocks("bash", "A five-minute tour") if not block["mark"].strip())
    commands = commands.replace("8025", str(free_port()))
    wait = "\nfor i in $(seq 100); do smsbridge balance >/dev/null 2>&1 && break; sleep 0.1; done\n"
    commands = commands.replace("SENDER=SMSBRG\n", f"SENDER=SMSBRG{wait}")
    work = tmp_path / "work"
    work.mkdir()
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
    for line in ("Your order has shipped", "console took it as", "file took it as", "twincle took it as"):
        assert line in done.stdout
    shown = [line for line in (done.stdout + done.stderr).splitlines() if "sandbox-token" in line]
    assert all(line.startswith("READY ") for line in shown), "only the sandbox itself may print its token"


def test_the_setup_with_pip_alone_looks_for_no_plugin_in_an_index():
    """That it works is shown by ``tests/pip_setup.py``, which takes minutes and an index."""
    installs = [command for command in setup() if "--group" in command]
    assert installs
    for command in installs:
        assert {f"-e plugins/{folder}" in command.replace('"', "") for folder in plugins_of()} == {True}
        assert not groups_of(command) & {f"smsbridge-{folder}" for folder in plugins_of()}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
