"""file appends whole lines for its owner to read, or refuses the text."""

from __future__ import annotations

import asyncio
import json
import os
import resource
import stat
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from scripted import TEXT, TO, message
from smsbridge.builtin.file import FileProvider
from smsbridge.client import AsyncSmsClient, SmsClient
from smsbridge.errors import ProviderBugError, RefusedError
from smsbridge.messages import Dlt
from smsbridge.plugins import Plugins

AT = datetime(2126, 1, 1, tzinfo=UTC)


def client(path):
    return SmsClient(FileProvider(path=path), plugins=Plugins())


def lines(path):
    text = Path(path).read_text("utf-8")
    assert text.endswith("\n")
    return [json.loads(line) for line in text.splitlines()]


def test_each_text_is_one_line_of_json_with_everything_in_it(tmp_path):
    path = tmp_path / "sms.jsonl"
    one = message(
        text="नमस्ते\n\u2028line",
        sender="ACME",
        purpose="otp",
        send_at=AT,
        valid_until=AT + timedelta(hours=1),
        dlt=Dlt(entity_id="1", template_id="2"),
        options={"twincle": {"flash": True}},
    )
    sent = client(path).send(one)
    client(path).send(message(text="second"))
    first = json.loads(path.read_text("utf-8").split("\n")[0])
    assert first == {
        "id": sent.id,
        "account": "file",
        "reference": "ref-1",
        "at": sent.at.isoformat(),
        "status": "sent",
        "to": TO,
        "sender": "ACME",
        "text": one.text,
        "purpose": "otp",
        "send_at": AT.isoformat(),
        "valid_until": (AT + timedelta(hours=1)).isoformat(),
        "dlt": {"entity_id": "1", "template_id": "2"},
        "options": {"twincle": {"flash": True}},
    }
    assert path.read_text("utf-8").count("\n") == 2


def test_the_path_is_a_setting(monkeypatch, tmp_path):
    monkeypatch.setenv("SMSBRIDGE_FILE_PATH", str(tmp_path / "other.jsonl"))
    SmsClient("file").send(TO, "hello")
    assert lines(tmp_path / "other.jsonl")[0]["text"] == "hello"


def test_only_the_owner_may_read_the_file(tmp_path):
    before = os.umask(0)
    try:
        client(tmp_path / "sms.jsonl").send(message())
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "sms.jsonl").stat().st_mode) == 0o600


@pytest.mark.parametrize("path", ["missing/sms.jsonl", "."])
def test_a_path_that_cannot_be_written_is_a_refusal_without_the_text(path):
    with pytest.raises(RefusedError, match="could not be written") as caught:
        client(path).send(message())
    assert caught.value.fault == "account"
    assert TEXT not in str(caught.value)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_a_full_disk_is_a_refusal_that_says_so():
    with pytest.raises(RefusedError, match="No space left on device"):
        client("/dev/full").send(message())


def test_a_line_that_was_cut_short_is_taken_back(tmp_path):
    path = tmp_path / "sms.jsonl"
    client(path).send(message(text="whole"))
    room = path.stat().st_size + 100
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, before[1]))
    try:
        with pytest.raises(RefusedError, match="File too large"):
            client(path).send(message(text="x" * 1000))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert [line["text"] for line in lines(path)] == ["whole"]
    client(path).send(message(text="next"))
    assert [line["text"] for line in lines(path)] == ["whole", "next"]


def test_an_option_that_is_no_json_is_found_before_anything_is_written(tmp_path):
    path = tmp_path / "sms.jsonl"
    circle = {}
    circle["self"] = circle
    with pytest.raises(ProviderBugError):
        client(path).send(message(options={"other": circle}))
    assert not path.exists()


APPEND = """
import sys
from smsbridge.builtin.file import FileProvider
from smsbridge.client import SmsClient
from smsbridge.plugins import Plugins
with SmsClient(FileProvider(path=sys.argv[1]), plugins=Plugins()) as sms:
    for n in range(100):
        sms.send("+919876543210", sys.argv[2] * 5000)
"""


def test_several_processes_append_whole_lines(tmp_path):
    path = tmp_path / "sms.jsonl"
    running = [subprocess.Popen([sys.executable, "-c", APPEND, str(path), letter]) for letter in "abcd"]
    assert [one.wait() for one in running] == [0, 0, 0, 0]
    texts = [line["text"] for line in lines(path)]
    assert sorted(texts) == sorted(letter * 5000 for letter in "abcd" for _ in range(100))


async def test_several_tasks_append_whole_lines(tmp_path):
    path = tmp_path / "sms.jsonl"
    async with AsyncSmsClient(FileProvider(path=path), plugins=Plugins()) as sms:
        await asyncio.gather(*(sms.send(message(text=str(n), reference=str(n))) for n in range(50)))
    assert sorted(int(line["text"]) for line in lines(path)) == list(range(50))
