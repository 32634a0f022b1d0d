"""A feature is a folder: without it, everything that does not use it works as before."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import smsbridge

FEATURES = {
    "cost": ["cost"],
    "dlt": ["dlt"],
    "guard": ["guard"],
    "hours": ["hours"],
    "ledger": ["ledger"],
    "optouts": ["optouts"],
    "text": ["text/policy.py", "text/command.py"],  # every provider counts with its figures
    "web": ["web"],
    "all": ["cost", "dlt", "guard", "hours", "ledger", "optouts", "text/policy.py", "text/command.py", "web"],
}
SEND = """
import smsbridge
from smsbridge.builtin.memory import MemoryProvider
from smsbridge.policies.limit import LimitPolicy
from smsbridge.policies.retry import RetryPolicy
from smsbridge import RefusedError, SmsClient

assert smsbridge.send("+919876543210", "Your order has shipped").id
with SmsClient(RetryPolicy(inner=LimitPolicy(inner=MemoryProvider(), sends="10/1s"))) as client:
    assert client.send("+919876543210", "Your order has shipped").id
    try:
        client.send("+919876543210", "")
    except RefusedError:
        print(smsbridge.__file__)
"""


@pytest.fixture(params=FEATURES)
def without(request, tmp_path):
    """A function that runs Python with an smsbridge without the feature."""
    house = tmp_path / "smsbridge"
    shutil.copytree(Path(smsbridge.__file__).parent, house, ignore=shutil.ignore_patterns("__pycache__"))
    for room in FEATURES[request.param]:
        part = house / room
        shutil.rmtree(part) if part.is_dir() else part.unlink()
    variables = {name: value for name, value in os.environ.items() if not name.startswith("SMSBRIDGE_")}

    def run(*words, **more):
        return subprocess.run(
            [sys.executable, *words],
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
            cwd=tmp_path,
            env=variables | {"PYTHONPATH": str(tmp_path)} | more,
        )

    run.house = house
    return run


def test_a_text_is_sent_without_the_folder_of_a_feature(without):
    done = without("-c", SEND)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[-1] == str(without.house / "__init__.py")


@pytest.mark.parametrize(
    "words",
    [
        ["send", "+919876543210", "Hello", "--dry-run"],
        ["doctor"],
        ["--help"],
    ],
    ids=" ".join,
)
def test_commands_of_the_core_work_without_it(without, words):
    done = without("-m", "smsbridge", *words)
    assert done.returncode == 0, done.stderr
    assert "internal error" not in done.stderr


def test_an_error_gets_its_advice_without_it(without):
    done = without("-m", "smsbridge", "send", "+919876543210", "Hello", SMSBRIDGE_PROVIDER="twinkel")
    assert done.returncode == 3
    assert "no provider 'twinkel'" in done.stderr
    assert "next: smsbridge doctor" in done.stderr
