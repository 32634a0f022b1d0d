"""Sets the shop up, once, in a folder of its own; each test begins with empty tables and no client."""

from __future__ import annotations

import itertools
import os
import shutil
import sys
import tempfile
from pathlib import Path

import pytest

_numbers = itertools.count(1)
HOME = Path(tempfile.mkdtemp(prefix="shop-"))
for name in [name for name in os.environ if name.startswith("SMSBRIDGE_")]:
    del os.environ[name]
os.environ |= {
    "SHOP_HOME": str(HOME),
    "DJANGO_SETTINGS_MODULE": "shop.settings",
    "SMSBRIDGE_PROVIDER": "courier",
    "SMSBRIDGE_STORE": os.environ.get("SHOP_STORE", f"sqlite:///{HOME / 'sms.db'}"),
}
os.chdir(HOME)
HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent.parent)]  # the shop, and servers.py

import django  # noqa: E402
from shop import SECRET  # noqa: E402

os.environ["SMSBRIDGE_COURIER_WEBHOOK_SECRET"] = SECRET
django.setup()

from django.core.management import call_command  # noqa: E402
from django.test.utils import setup_test_environment, teardown_test_environment  # noqa: E402

from smsbridge.client import _shared_client  # noqa: E402


@pytest.fixture(scope="session", autouse=True)
def _shop():
    setup_test_environment()
    call_command("migrate", run_syncdb=True, verbosity=0)
    yield
    teardown_test_environment()
    shutil.rmtree(HOME)


@pytest.fixture(autouse=True)
def _empty():
    yield
    from shop.models import Order, Reply

    Order.objects.all().delete()
    Reply.objects.all().delete()
    _shared_client.cache_clear()


@pytest.fixture
def number():
    """The number of an order, which no other test has: the ledger keeps what was sent."""
    return next(_numbers)
