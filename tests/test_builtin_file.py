"""file appends whole lines that only its owner can read, or refuses the text."""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
import resource
import socket
import stat
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from scripted import TEXT, TO, message
from smsbridge import private_file
from smsbridge.builtin import file
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
    given = message(
        text="नमस्ते\n\u2028line",
        sender="ACME",
        purpose="otp",
        send_at=AT,
        valid_until=AT + timedelta(hours=1),
        dlt=Dlt(entity_id="1", template_id="2"),
        options={"twincle": {"flash": True}},
    )
    sent = client(path).send(given)
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
        "text": given.text,
        "purpose": "otp",
        "send_at": AT.isoformat(),
        "valid_until": (AT + timedelta(hours=1)).isoformat(),
        "dlt": {"entity_id": "1", "template_id": "2"},
        "options": {"twincle": {"flash": True}},
        "context": {},
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


@pytest.mark.parametrize("mode", [0o644, 0o666, 0o640, 0o604, 0o777])
def test_a_file_that_others_could_read_is_closed_to_them(tmp_path, mode):
    path = tmp_path / "sms.jsonl"
    path.write_text('{"text": "before"}\n')
    path.chmod(mode)
    client(path).send(message(text="after"))
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [line["text"] for line in lines(path)] == ["before", "after"]


def send_now(path):
    client(path).send(message())


def send_soon(path):
    async def main():
        async with AsyncSmsClient(FileProvider(path=path), plugins=Plugins()) as sms:
            await sms.send(message())

    asyncio.run(main())


def fifo(path):
    os.mkfifo(path)


def fifo_with_a_reader(path):
    os.mkfifo(path)
    return os.open(path, os.O_RDONLY | os.O_NONBLOCK)


def unix_socket(path):
    made = socket.socket(socket.AF_UNIX)
    made.bind(str(path))
    return made


NO_FILES = {
    "a pipe": (fifo, "no ordinary file"),
    "a pipe that is read": (fifo_with_a_reader, "no ordinary file"),
    "a socket": (unix_socket, "no ordinary file"),
    "a folder": (Path.mkdir, "no ordinary file"),
    "a link to a file": (lambda path: path.symlink_to(path.with_name("other")), "it is a link"),
    "a link to nothing": (lambda path: path.symlink_to("nothing"), "it is a link"),
    "another file by a second name": (lambda path: path.hardlink_to("other"), "second name"),
    "a link to itself": (lambda path: path.symlink_to(path), "it is a link"),
}


@pytest.mark.parametrize("name", NO_FILES)
@pytest.mark.parametrize("send", [send_now, send_soon])
def test_what_is_no_file_of_ours_is_refused_at_once(name, send, monkeypatch, tmp_path):
    make, words = NO_FILES[name]
    monkeypatch.chdir(tmp_path)  # the path of a socket has to be short
    path, other = Path("sms.jsonl"), Path("other")
    other.write_text("before")
    other.chmod(0o644)
    kept = make(path)
    begun = time.monotonic()
    with pytest.raises(RefusedError, match=words) as caught:
        send(path)
    assert time.monotonic() - begun < 5
    assert caught.value.fault == "account"
    assert TEXT not in str(caught.value)
    assert (other.read_text(), stat.S_IMODE(other.stat().st_mode)) == ("before", 0o644)
    if isinstance(kept, int):
        os.close(kept)
    elif isinstance(kept, socket.socket):
        kept.close()


@pytest.mark.parametrize("device", ["/dev/null", "/dev/full", "/dev/tty", "/dev/stdout"])
def test_a_device_is_refused(device):
    if not os.path.lexists(device):
        pytest.skip("this system has none")
    with pytest.raises(RefusedError, match=r"no ordinary file|it is a link"):
        client(device).send(message())


def test_a_pipe_that_comes_between_looking_and_opening_is_refused_too(monkeypatch, tmp_path):
    path = tmp_path / "sms.jsonl"
    reader = fifo_with_a_reader(path)
    monkeypatch.setattr(private_file, "_not_to_open", lambda path: None)
    with pytest.raises(RefusedError, match="no ordinary file"):
        client(path).send(message())
    os.close(reader)


def test_a_file_of_another_user_is_refused_and_left_as_it_is(monkeypatch, tmp_path):
    path = tmp_path / "sms.jsonl"
    path.write_text("theirs\n")
    path.chmod(0o666)
    owner = os.geteuid()
    monkeypatch.setattr(os, "geteuid", lambda: owner + 1)
    with pytest.raises(RefusedError, match="belongs to another user"):
        client(path).send(message())
    assert (path.read_text(), stat.S_IMODE(path.stat().st_mode)) == ("theirs\n", 0o666)


def test_a_file_that_another_process_holds_is_not_waited_for_for_ever(monkeypatch, tmp_path):
    monkeypatch.setattr(file, "_PATIENCE", 0.05)
    path = tmp_path / "sms.jsonl"
    client(path).send(message(text="first"))
    with path.open("rb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(RefusedError, match="another process has locked it for too long"):
            client(path).send(message())
    client(path).send(message(text="next"))
    assert [line["text"] for line in lines(path)] == ["first", "next"]


@pytest.mark.parametrize("before", [b"", b"\n", b"{}\n", b'{"open": "li', b"\xff", b"a\r", b"\n\n{}"])
def test_a_last_line_that_was_left_open_is_ended_first(tmp_path, before):
    path = tmp_path / "sms.jsonl"
    path.write_bytes(before)
    client(path).send(message())
    client(path).send(message(text="second"))
    end = b"\n" if before and not before.endswith(b"\n") else b""
    assert path.read_bytes().startswith(before + end + b'{"id"')
    assert [json.loads(line)["text"] for line in path.read_bytes().split(b"\n")[-3:-1]] == [TEXT, "second"]


def test_what_was_open_stays_as_it_was_where_nothing_can_be_written(monkeypatch, tmp_path):
    path = tmp_path / "sms.jsonl"
    path.write_bytes(b"open")
    monkeypatch.setattr(file, "_write_all", fails_half_way)
    with pytest.raises(RefusedError):
        client(path).send(message())
    assert path.read_bytes() == b"open"


def fails_half_way(descriptor, data):
    os.write(descriptor, data[: len(data) // 2])
    raise OSError(28, "No space left on device")


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
from smsbridge import private_file
from smsbridge.builtin import file
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
    assert [process.wait() for process in running] == [0, 0, 0, 0]
    texts = [line["text"] for line in lines(path)]
    assert sorted(texts) == sorted(letter * 5000 for letter in "abcd" for _ in range(100))


async def test_several_tasks_append_whole_lines(tmp_path):
    path = tmp_path / "sms.jsonl"
    async with AsyncSmsClient(FileProvider(path=path), plugins=Plugins()) as sms:
        await asyncio.gather(*(sms.send(message(text=str(n), reference=str(n))) for n in range(50)))
    assert sorted(int(line["text"]) for line in lines(path)) == list(range(50))
