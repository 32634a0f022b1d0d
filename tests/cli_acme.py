"""Helps the tests of the command line: a provider whose answers are scripted, and a way to run the command."""

from __future__ import annotations

import copy
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from decimal import Decimal

import click.testing
from pydantic import Field, SecretStr

import smsbridge.plugins
from smsbridge import hookimpl
from smsbridge.cli.app import smsbridge as command
from smsbridge.errors import SmsBridgeError
from smsbridge.messages import Balance, DeliveryReport, Money, Status, Verification, VerificationCheck
from smsbridge.plugins import Plugins
from smsbridge.provider import Options, SmsProvider

TOKEN = "FAKE-TOKEN-DO-NOT-USE"
NUMBER = "+919876543210"
MASKED = "+91******3210"
SENT = []
ANSWERS = {}


@contextmanager
def pipe(text: str) -> Iterator[str]:
    """A path that can be read once, like a shell's ``<(...)``."""
    read, write = os.pipe()
    try:
        os.write(write, text.encode())
        os.close(write)
        yield f"/dev/fd/{read}"
    finally:
        os.close(read)


def answer(operation, default):
    """The entry of ANSWERS: raised if it is an exception, called if it is a function."""
    given = ANSWERS.get(operation, default)
    given = given() if callable(given) and not isinstance(given, type) else given
    if isinstance(given, BaseException):
        raise copy.copy(given)  # it gets the message's reference
    return given


class AcmeOptions(Options):
    flash: bool = Field(default=False, description="Shown at once.")
    tags: list[str] = Field(default=[])


class AcmeProvider(SmsProvider):
    """Acme SMS, for tests."""

    name = "acme"
    supports = frozenset({"sender", "send_at", "dlt"})
    verification_supports = frozenset({"sender"})
    options = AcmeOptions

    token: SecretStr = Field(description="From Acme's portal.")
    base_url: str = "https://acme.example"
    contact: str = Field(default="", description="Whom to call.")
    api_key: str = ""
    route: str | None = Field(default=None, deprecated="use SMSBRIDGE_ACME_BASE_URL")

    def send(self, message):
        yield from ()
        SENT.append(message)
        answer("send", None)
        price = Money(amount=Decimal("0.25"), unit="INR")
        return self.accepted(message, id=f"a-{len(SENT)}", status=Status.QUEUED, segments=1, price=price)

    def status(self, sent):
        yield from ()
        status = answer("status", Status.DELIVERED)
        at = datetime(2030, 1, 31, 9, 30, tzinfo=UTC)
        return DeliveryReport(
            account=self.account, provider=self.name, id=sent.id, to=NUMBER, status=status, final=status.final, at=at
        )

    def lookup(self, reference):
        yield from ()
        message = answer("lookup", None)
        return message and self.accepted(message, id="a-1")

    def balance(self):
        yield from ()
        return answer("balance", [Balance(service="sms", amount=Decimal("12.50"), unit="INR")])

    def start_verification(self, message):
        yield from ()
        SENT.append(message)
        answer("start", None)
        return Verification(account=self.account, provider=self.name, id="v-1", to=message.to)

    def check_verification(self, verification, code):
        yield from ()
        return answer(
            "check", VerificationCheck(approved=code == "123456", reason=None if code == "123456" else "wrong-code")
        )

    def cancel_verification(self, verification):
        yield from ()
        answer("cancel", None)


class AcmePlugin:
    __name__ = "smsbridge_acme"

    @hookimpl
    def smsbridge_providers(self):
        return [AcmeProvider]


def install(monkeypatch):
    """Make acme the chosen provider. Returns the plugins."""
    SENT.clear()
    ANSWERS.clear()
    plugins = Plugins(AcmePlugin())
    monkeypatch.setattr(smsbridge.plugins, "default_plugins", lambda: plugins)
    monkeypatch.setenv("SMSBRIDGE_PROVIDER", "acme")
    monkeypatch.setenv("SMSBRIDGE_ACME_TOKEN", TOKEN)
    return plugins


def run(*args, stdin=None):
    """Run the command in this process."""
    result = click.testing.CliRunner().invoke(command, args, input=stdin)
    assert "Traceback" not in result.output
    assert TOKEN not in result.output
    return result


def run_json(*args, stdin=None):
    """Run the command with --json. Returns its one document, and its exit code."""
    result = run(*args, "--json", stdin=stdin)
    return json.loads(result.stdout), result.exit_code


def every_error():
    """Every class of errors.py."""
    todo, found = [SmsBridgeError], []
    while todo:
        cls = todo.pop()
        todo += cls.__subclasses__()
        if cls.__module__ == "smsbridge.errors" and not cls.__name__.startswith("_"):
            found.append(cls)
    return sorted(found, key=lambda cls: cls.__name__)
