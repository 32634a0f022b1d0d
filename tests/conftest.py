"""Every test starts clean: no setting, no ``.env``, no client or plugin of an earlier test."""

from __future__ import annotations

import gc
import importlib
import os
import pkgutil
import signal
import sys
import tempfile
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis.configuration import set_hypothesis_home_dir

import smsbridge
from smsbridge.client import _shared_client
from smsbridge.plugins import default_plugins

sys.path.insert(0, str(Path(__file__).parent))  # for scripted.py: importlib mode does not add the folder
import postgres_server
from scripted import forget_writers
from smsbridge.stores import known

# pytester unloads modules that it imported first, so a class would exist twice
for module in pkgutil.walk_packages(smsbridge.__path__, "smsbridge."):
    if not module.name.endswith("__main__"):
        importlib.import_module(module.name)

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # a shell starts background jobs with Ctrl-C ignored
    signal.signal(signal.SIGINT, signal.default_int_handler)

set_hypothesis_home_dir(Path(tempfile.gettempdir(), "smsbridge-hypothesis"))
settings.register_profile("smsbridge", deadline=None, max_examples=60, database=None)
settings.load_profile("smsbridge")


def pytest_collection_finish():
    """Freeze all objects that exist before the tests: collecting them takes a third of a second each time."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch, tmp_path):
    for name in [name for name in os.environ if name.upper().startswith("SMSBRIDGE_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)  # away from a developer's .env
    _forget()
    yield
    _forget()


def _forget():
    default_plugins.cache_clear()
    _shared_client.cache_clear()


@pytest.fixture
def nothing_is_open():
    """After the test, this process knows no store any more, and no writer owns one."""
    yield
    forget_writers()
    known.forget_all()


@pytest.fixture(scope="session")
def postgres(request):
    """A PostgreSQL server; without one, its tests are skipped."""
    if request.config.getoption("--surroundings", None):
        pytest.skip("a database is the same in all surroundings")
    try:
        server = postgres_server.server()
    except LookupError as error:
        if os.environ.get(postgres_server.NEEDED):
            raise
        pytest.skip(str(error))
    yield server
    server.remove()
    postgres_server.server.cache_clear()
