"""console prints texts, and no text controls the terminal."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from scripted import TO, message
from smsbridge.builtin import console
from smsbridge.builtin.console import ConsoleProvider
from smsbridge.cli.output import Output
from smsbridge.cli.segment_view import show_segments
from smsbridge.client import SmsClient
from smsbridge.messages import Dlt, Status
from smsbridge.plugins import Plugins
from smsbridge.text import measure

AT = datetime(2126, 1, 1, tzinfo=UTC)
PLUGINS = Plugins()


@pytest.fixture
def client():
    with SmsClient(ConsoleProvider(), plugins=Plugins()) as sms:
        yield sms


def test_it_is_the_default_provider(capsys):
    with SmsClient() as client:
        assert client.send(TO, "hello").provider == "console"
    assert "hello" in capsys.readouterr().out


def test_a_text_is_printed_with_a_masked_number_and_said_not_to_be_sent(client, capsys):
    sent = client.send(message(text="line one\nline two", sender="ACME"))
    out = capsys.readouterr().out
    for words in ("line one\n", "line two\n", "+91******3210", "ACME", "transactional", sent.id, "not sent to a phone"):
        assert words in out
    assert TO not in out
    assert sent.status is Status.SENT


def test_numbers_are_shown_only_when_asked_for(capsys):
    SmsClient(ConsoleProvider(show_numbers=True), plugins=Plugins()).send(message())
    assert TO in capsys.readouterr().out


def test_everything_that_was_asked_for_is_shown(client, capsys):
    client.send(
        message(
            send_at=AT,
            valid_until=AT + timedelta(hours=1),
            dlt=Dlt(entity_id="1101", template_id="1107"),
            purpose="otp",
        )
    )
    out = capsys.readouterr().out
    for words in ("send at", "valid until", "2126-01-01T00:00:00+00:00", "1101", "1107", "otp"):
        assert words in out


@pytest.mark.parametrize(
    ("text", "row"),
    [
        ("hello", "│ segments     1 (GSM-7, 5 units)\n"),
        ("a" * 161, "│ segments     2 (GSM-7, 161 units)\n"),
        (
            "it\u2019s",
            "│ segments     1 (UCS-2, 4 units; 1 character forces UCS-2: U+2019 RIGHT SINGLE QUOTATION MARK)\n",
        ),
        ("नमस्ते", "│ segments     1 (UCS-2, 6 units; 6 characters force UCS-2: DEVANAGARI)\n"),
    ],
)
def test_what_a_text_costs_is_shown_and_why(client, capsys, text, row):
    sent = client.send(message(text=text))
    assert row in capsys.readouterr().out
    assert sent.segments is None  # a vendor's value: there is no vendor


CURLY = "Dear Asha, your order\u2019s ready\u2026 it costs \u20b9500 only.\nWe hope to see you again \u2014 soon!"


def test_a_text_of_several_segments_is_shown_as_it_is_cut_and_marked(monkeypatch, client, capsys):
    monkeypatch.setenv("COLUMNS", "60")
    client.send(message(text=CURLY))
    body = capsys.readouterr().out.split("├─\n")[1]
    assert (
        body
        == """\
│ segment 1 of 2: 67 of 67 units
│   Dear Asha, your order\u2019s ready\u2026 it costs \u20b9500 only.\u240a
│                        ^       ^          ^
│   We hope to see y
│ segment 2 of 2: 16 of 67 units
│   ou again \u2014 soon!
│            ^
└─
"""
    )


@pytest.mark.parametrize("text", [CURLY, "a" * 161, "नमस्ते" * 20, "🎉\n\x1b[2J" * 20])
def test_it_is_shown_like_that_by_the_command(client, capsys, text):
    client.send(message(text=text))
    shown = [line.removeprefix("│ ") for line in capsys.readouterr().out.split("├─\n")[1].splitlines()[:-1]]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COLUMNS", "78")  # the line on the left, and a space
        show_segments(Output(), measure(text))
    assert shown == capsys.readouterr().out.splitlines()


def test_it_is_shown_without_what_the_command_needs_too():
    code = f"""
import sys
sys.modules["wcwidth"] = None
from smsbridge import SmsClient
SmsClient("console").send({TO!r}, "नमस्ते " * 20)
assert not {{"click", "smsbridge.cli"}} & set(sys.modules)
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, encoding="utf-8", check=True, timeout=60,
        env=os.environ | {"PYTHONIOENCODING": "utf-8", "COLUMNS": "80"},
    )  # fmt: skip
    assert "│ segment 1 of 3: 67 of 67 units\n│   नमस्ते नमस्ते" in done.stdout


def test_one_segment_is_shown_as_it_is(client, capsys):
    client.send(message(text="a" * 160))
    assert capsys.readouterr().out.endswith(f"├─\n│ {'a' * 160}\n└─\n")


def test_an_account_is_named(capsys):
    SmsClient(ConsoleProvider(account="otp"), plugins=Plugins()).send(message())
    assert "console (account otp)" in capsys.readouterr().out


@example("\t\n\x1b[2J\x85\xa0" * 40, "")
@given(st.text(st.characters(max_codepoint=0xFF), min_size=1), st.text(st.characters(max_codepoint=0xFF), max_size=8))
def test_no_control_character_reaches_the_terminal(text, sender):
    stream, before = io.StringIO(), sys.stdout
    sys.stdout = stream
    try:
        SmsClient(ConsoleProvider(), plugins=PLUGINS).send(message(text=text, sender=sender))
    finally:
        sys.stdout = before
    controls = {character for character in stream.getvalue() if ord(character) < 0x20 or 0x7F <= ord(character) < 0xA0}
    assert controls <= {"\n", "\t"}


def test_a_text_cannot_clear_the_screen_or_change_its_title(client, capsys):
    client.send(message(text="\x1b[2J\x1b]0;title\x07\x9b2J\r\b\x7f"))
    out = capsys.readouterr().out
    assert not {"\x1b", "\x07", "\x9b", "\r", "\b", "\x7f"} & set(out)
    assert "\u241b[2J" in out


@pytest.mark.parametrize("encoding", ["latin-1", "ascii", "cp1252", "utf-8"])
def test_a_terminal_that_cannot_show_a_character_shows_another(monkeypatch, client, encoding):
    stream = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    monkeypatch.setattr(sys, "stdout", stream)
    client.send(message(text="नमस्ते 🎉 plain"))
    assert b"plain" in stream.buffer.getvalue()


def test_a_stream_without_encoding_will_do(monkeypatch, client):
    class Plain:
        encoding = None
        written = ""

        def write(self, text):
            self.written += text

        def flush(self):
            pass

    monkeypatch.setattr(sys, "stdout", Plain())
    client.send(message(text="नमस्ते"))
    assert "नमस्ते" in sys.stdout.written


def test_it_is_a_plugin():
    assert console.smsbridge_providers() == [ConsoleProvider]
