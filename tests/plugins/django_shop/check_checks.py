"""What manage.py check says, with and without --deploy, and what the app costs before it is used."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from django.apps import apps
from django.conf import settings
from django.core.checks import run_checks
from django.core.management import call_command
from django.test import override_settings
from django.test.utils import get_unique_databases_and_mirrors
from django.urls import clear_url_caches
from shop import SECRET

import smsbridge_django
from smsbridge.errors import ConfigurationError

GOOD = {
    "SMSBRIDGE_PROVIDER": "courier",
    "SMSBRIDGE_COURIER_WEBHOOK_SECRET": SECRET,
    "SMSBRIDGE_PUBLIC_URL": "https://testserver",
    "SMSBRIDGE_STORE": os.environ["SMSBRIDGE_STORE"],
}


def without(name):
    return {variable: value for variable, value in GOOD.items() if variable != name}


def found(environ=None, *, deploy=False, **settings):
    """The ids and words of what the checks of this app say."""
    with override_settings(SMSBRIDGE=environ if environ is not None else GOOD, **settings):
        clear_url_caches()
        said = run_checks(include_deployment_checks=deploy, app_configs=[apps.get_app_config("smsbridge")])
    return {message.id: f"{message.msg} {message.hint}" for message in said if message.id.startswith("smsbridge.")}


@pytest.mark.parametrize("deploy", [False, True])
def test_a_project_that_is_right_has_nothing_said_of_it(deploy):
    assert found(deploy=deploy) == {}


def test_settings_that_are_missing_or_wrong_are_an_error():
    said = found({"SMSBRIDGE_PROVIDER": "nosuch"})
    assert list(said) == ["smsbridge.E001"]
    assert "nosuch" in said["smsbridge.E001"]
    assert list(found({"SMSBRIDGE_PROVIDER": "courier", "SMSBRIDGE_COURIER_NOSUCH": "1"})) == ["smsbridge.E001"]


@pytest.mark.parametrize("wrong", [{"SMSBRIDGE": "courier"}, {"SMSBRIDGE": {"SMSBRIDGE_TIMEOUT": 3}}])
def test_a_mapping_that_is_none_is_an_error(wrong):
    assert list(found(wrong["SMSBRIDGE"])) == ["smsbridge.E002"]


@pytest.mark.parametrize("wrong", ["courier", [1]])
def test_accounts_that_are_no_list_are_an_error(wrong):
    assert list(found(SMSBRIDGE_WEBHOOK_ACCOUNTS=wrong)) == ["smsbridge.E002"]


def test_a_webhook_without_its_secret_is_an_error():
    said = found(without("SMSBRIDGE_COURIER_WEBHOOK_SECRET"))
    assert list(said) == ["smsbridge.E003"]
    assert "SMSBRIDGE_COURIER_WEBHOOK_SECRET is not set" in said["smsbridge.E003"]
    assert found(without("SMSBRIDGE_COURIER_WEBHOOK_SECRET"), SMSBRIDGE_WEBHOOK_ACCOUNTS=[]) == {}
    assert found(without("SMSBRIDGE_COURIER_WEBHOOK_SECRET"), ROOT_URLCONF="shop.no_urls") == {}


def test_an_account_that_is_not_there_is_an_error():
    assert list(found(SMSBRIDGE_WEBHOOK_ACCOUNTS=["other"])) == ["smsbridge.E003"]


def test_a_database_that_is_not_there_is_an_error():
    assert list(found(SMSBRIDGE_DATABASE="other")) == ["smsbridge.E004"]


def test_an_admin_without_the_ledgers_database_is_told_of_it(monkeypatch):
    monkeypatch.delitem(settings.DATABASES, "smsbridge")
    assert list(found()) == ["smsbridge.I001"]


def test_without_the_ledgers_database_the_admin_has_no_texts():
    code = """import django, shop.settings
shop.settings.DATABASES.pop("smsbridge")
django.setup()
from django.contrib import admin
from smsbridge_django.models import Text
print(admin.site.is_registered(Text))"""
    env = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=env, check=True, timeout=60)
    assert done.stdout.split() == ["False"]


def test_a_stub_in_production_is_a_warning():
    stub = {"SMSBRIDGE_PROVIDER": "console", "SMSBRIDGE_STORE": GOOD["SMSBRIDGE_STORE"]}
    stub["SMSBRIDGE_PUBLIC_URL"] = GOOD["SMSBRIDGE_PUBLIC_URL"]
    assert found(stub) == {}
    assert list(found(stub, deploy=True)) == ["smsbridge.W001"]
    assert found({**stub, "SMSBRIDGE_ENV_ALLOWS": "console"}, deploy=True) == {}


def test_no_public_url_is_a_warning():
    assert list(found(without("SMSBRIDGE_PUBLIC_URL"), deploy=True)) == ["smsbridge.W002"]


@pytest.mark.parametrize(
    ("url", "hosts", "ids"),
    [
        ("https://sms.example", ["shop.example"], ["smsbridge.W003"]),
        ("https://sms.example", [".example"], []),
        ("https://sms.example:8443/behind", ["sms.example"], []),
        ("https://[::1]", ["[::1]"], []),
    ],
)
def test_a_public_url_that_django_refuses_is_a_warning(url, hosts, ids):
    assert list(found({**GOOD, "SMSBRIDGE_PUBLIC_URL": url}, deploy=True, ALLOWED_HOSTS=hosts)) == ids


def test_no_store_is_a_warning():
    assert list(found(without("SMSBRIDGE_STORE"), deploy=True)) == ["smsbridge.W004"]


def test_the_shop_passes_the_whole_check():
    call_command("check", fail_level="INFO")


def test_no_migration_is_missing():
    call_command("makemigrations", check=True, dry_run=True, verbosity=0)


# --- tests of a project -----------------------------------------------------------------------------------------------


def test_a_projects_own_tests_run_beside_the_ledgers_database():
    """Django makes a test database of every alias, and migrates the project into it: not into the ledger's."""
    assert get_unique_databases_and_mirrors()[1] == {"smsbridge": "default"}
    done = subprocess.run(
        [sys.executable, "-W", "error", "-m", "django", "test", "shop"],
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "Ran 1 test" in done.stderr


# --- the ledger as a database -----------------------------------------------------------------------------------------


def test_the_database_is_that_of_the_ledger(tmp_path):
    entry = smsbridge_django.database({"SMSBRIDGE_STORE": f"sqlite:///{tmp_path}/a b?.db"})
    assert entry["ENGINE"] == "django.db.backends.sqlite3"
    assert entry["NAME"] == f"file:{tmp_path}/a%20b%3F.db?mode=ro"


def test_without_a_store_the_database_is_empty():
    assert smsbridge_django.database({})["NAME"] == ":memory:"
    assert smsbridge_django.database({"SMSBRIDGE_STORE": "memory:"})["NAME"] == ":memory:"


def test_a_database_in_postgresql_is_read_only():
    pytest.importorskip("smsbridge_postgres", reason="smsbridge-postgres is not installed")
    url = "postgresql://user:FAKE%20PASSWORD@db.example:5433/sms?sslmode=verify-full&options=-csearch_path%3Dtexts"
    entry = smsbridge_django.database({"SMSBRIDGE_STORE": url})
    assert entry["ENGINE"] == "django.db.backends.postgresql"
    assert [entry[name] for name in ("NAME", "USER", "PASSWORD", "HOST", "PORT")] == [
        *("sms", "user", "FAKE PASSWORD", "db.example", "5433")
    ]
    assert entry["OPTIONS"] == {
        "sslmode": "verify-full",
        "options": "-csearch_path=texts -c default_transaction_read_only=on",
    }


def test_the_error_of_a_url_that_cannot_be_read_shows_nothing_of_it():
    pytest.importorskip("smsbridge_postgres", reason="smsbridge-postgres is not installed")
    with pytest.raises(ConfigurationError) as raised:
        smsbridge_django.database({"SMSBRIDGE_STORE": "postgresql://user:FAKE-PASSWORD@[db.example/sms"})
    assert str(raised.value) == "SMSBRIDGE_STORE: its URL cannot be read"
    assert raised.value.__context__ is None


def test_a_store_that_is_no_database_is_an_error():
    with pytest.raises(ConfigurationError, match="SMSBRIDGE_LEDGER_STORE: only a store in SQLite or PostgreSQL"):
        smsbridge_django.database({"SMSBRIDGE_LEDGER_STORE": "redis://:FAKE-PASSWORD@host/0"})


# --- what it costs ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "module"),
    [
        ("import smsbridge_django", "pydantic"),
        ("import smsbridge_django; smsbridge_django.database({})", "django"),
        ("import smsbridge; smsbridge.client()", "django"),
    ],
)
def test_what_is_slow_to_import_is_imported_when_it_is_asked_for(code, module):
    shown = f"import sys; {code}; print({module!r} in sys.modules)"
    env = {name: value for name, value in os.environ.items() if not name.startswith("SMSBRIDGE_")}
    done = subprocess.run(
        [sys.executable, "-c", shown], capture_output=True, text=True, env=env, check=True, timeout=60
    )
    assert done.stdout.split() == ["False"]


def test_other_names_are_not_there():
    with pytest.raises(AttributeError, match="no attribute 'nosuch'"):
        _ = smsbridge_django.nosuch
