"""The same application with five vendors and the built-in providers: only the environment changes."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from demonstration.vendors import OTHER_SECRET, SECRET, VENDORS, WRONG_CODE, Twilio, Twincle, post
from smsbridge import Plugins

APPLICATION = Path(__file__).parent / "demonstration" / "app.py"
COMMAND = [sys.executable, "-W", "error", str(APPLICATION), "+91 98765 43210"]
COMPLAINT = re.compile(r"Traceback|Warning|Exception")


@contextmanager
def application(provider: str, port: int, environment: dict[str, str]) -> Iterator[subprocess.Popen[str]]:
    """The running application. Its command is always the same; only the environment differs."""
    assert all(name.startswith("SMSBRIDGE_") for name in environment)
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("SMSBRIDGE_")}
    own = {"PORT": str(port), "PYTHONUTF8": "1", "SMSBRIDGE_PROVIDER": provider}
    with subprocess.Popen(
        COMMAND,
        env=inherited | own | environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def outcome(process: subprocess.Popen[str], *codes: str) -> dict[str, Any]:
    """The output of the application after a person has typed ``codes``."""
    printed, problems = process.communicate("".join(f"{code}\n" for code in codes), timeout=30)
    assert process.returncode == 0, printed + problems
    assert not COMPLAINT.search(problems), problems
    return {"printed": printed, **json.loads(printed.splitlines()[-1])}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def changed(request: httpx.Request) -> httpx.Request:
    """The same report with another number and the old signature."""
    body = request.content.replace(b"9876543210", b"9876543211")
    assert body != request.content
    kept = {name: value for name, value in request.headers.items() if name not in ("host", "content-length")}
    return httpx.Request(request.method, request.url, content=body, headers=kept)


@pytest.mark.filterwarnings("ignore::DeprecationWarning:vonage.*", "ignore:.*key is .* bytes long.*")
@pytest.mark.parametrize("kind", VENDORS, ids=lambda kind: kind.name)
def test_a_text_is_sent_followed_and_reported_and_a_code_is_checked(kind):
    port = free_port()
    with (
        kind(f"http://127.0.0.1:{port}/sms") as vendor,
        application(vendor.name, port, vendor.environment) as process,
    ):
        code = vendor.code()
        [vendors_id] = vendor.texts
        forged = [vendor.report(vendors_id, "failed", OTHER_SECRET)]
        if kind is not Twincle:  # its proof is a secret that covers no field
            forged.append(changed(vendor.report(vendors_id, "delivered")))
        answers = [post(webhook) for webhook in forged]
        happened = outcome(process, WRONG_CODE, code)

    sent = happened["sent"]
    assert sent["id"] == vendors_id
    if vendor.has_status:
        assert happened["polled"] == "delivered"
    else:
        assert happened["polled"] == "not possible: provider vonage does not support asking for the status of a text"
    assert happened["reports"] == [
        {"id": vendors_id, "reference": sent["reference"], "status": word} for word in vendor.reported
    ]
    assert vendor.acknowledged == vendor.reported
    assert answers == [401] * len(forged)
    assert happened["code"] == ["wrong-code", "approved"]
    assert SECRET not in happened["printed"]
    if kind is Twincle:  # it verified the webhook before the first report
        assert vendor.handshakes == [200]


@pytest.mark.parametrize("name", ["console", "file", "memory"])
def test_what_a_provider_cannot_do_is_said_and_the_rest_goes_on(name, tmp_path):
    texts = tmp_path / "texts.jsonl"
    with application(name, 0, {"SMSBRIDGE_FILE_PATH": str(texts)}) as process:
        happened = outcome(process, WRONG_CODE)
    no_status = f"not possible: provider {name} does not support asking for the status of a text"
    no_codes = f"not possible: provider {name} does not support one-time codes"
    assert happened["sent"]["status"] == "sent"
    assert happened["reports"] == "not possible: this provider sends none"
    assert happened["polled"] == ("delivered" if name == "memory" else no_status)
    assert happened["code"] == (["wrong-code"] if name == "memory" else no_codes)
    assert ("has shipped" in happened["printed"]) == (name == "console")
    assert texts.exists() == (name == "file")


def test_a_refusal_is_said_and_nothing_is_left_open():
    with Twilio("http://127.0.0.1:9/sms") as vendor:
        wrong = {"SMSBRIDGE_TWILIO_AUTH_TOKEN": "dummy-token-that-is-wrong"}
        with application("twilio", 0, vendor.environment | wrong) as process:
            printed, problems = process.communicate(timeout=30)
    assert (process.returncode, problems) == (1, "")
    assert json.loads(printed)["error"].startswith(
        "AuthenticationError: twilio: the provider did not accept our credentials"
    )


def test_the_application_knows_no_provider():
    source = APPLICATION.read_text("utf-8").lower()
    assert not [name for name in (*Plugins().names(), "nexmo") if re.search(rf"\b{name}\b", source)]
    assert {kind.name for kind in VENDORS} < set(Plugins().names())
