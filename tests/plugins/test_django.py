"""smsbridge-django in a project: each file ``django_shop/check_*.py`` is run in a process of its own.

Django can be set up only once in a process, and other tests set it up in their way.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

SHOP = Path(__file__).with_name("django_shop")
FILES = sorted(path.name for path in SHOP.glob("check_*.py"))


def run(name, tmp_path, **variables):
    command = [sys.executable, "-m", "pytest", "-q", "-c", os.devnull, "--rootdir", SHOP, "--confcutdir", SHOP]
    command += ["-p", "no:cacheprovider", "-p", "smsbridge.testing.plugin", "-W", "error", "--import-mode=prepend"]
    env = {name: value for name, value in os.environ.items() if not name.startswith("SMSBRIDGE_")}
    env |= {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "TMPDIR": str(tmp_path)} | variables
    done = subprocess.run(
        [*command, SHOP / name], cwd=tmp_path, env=env, capture_output=True, text=True, timeout=180, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("name", FILES)
def test_the_shop(name, tmp_path):
    run(name, tmp_path)


@pytest.mark.parametrize("name", FILES)
def test_the_shop_with_its_ledger_in_postgresql(name, tmp_path, request):
    pytest.importorskip("smsbridge_postgres", reason="smsbridge-postgres is not installed")
    server = request.getfixturevalue("postgres")
    run(name, tmp_path, SHOP_STORE=server.url(schema=server.schema(tmp_path)))


def test_the_parts_of_the_shop_are_all_run():
    assert FILES == ["check_admin.py", "check_checks.py", "check_commits.py", "check_webhooks.py"]
