"""smsbridge webhooks: the URL of each account, and what is missing."""

from __future__ import annotations

import pytest

from cli_acme import run, run_json
from smsbridge import hookimpl
from smsbridge.cli.exits import Exit
from smsbridge.plugins import default_plugins
from smsbridge.provider import SmsProvider


class Vendor(SmsProvider):
    name = "vendor"

    webhook_secret: str | None = None

    def send(self, message):
        yield from ()

    def verify(self, webhook):
        pass

    def webhook_lacks(self):
        return () if self.webhook_secret else ("webhook_secret",)

    def parse(self, webhook):
        return []


class Brings:
    @hookimpl
    def smsbridge_providers(self):
        return [Vendor]


@pytest.fixture(autouse=True)
def two_accounts(monkeypatch):
    default_plugins().register(Brings())
    monkeypatch.setenv("SMSBRIDGE_PROVIDER", "failover")
    monkeypatch.setenv("SMSBRIDGE_FAILOVER_ACCOUNTS", "vendor,second,memory")
    monkeypatch.setenv("SMSBRIDGE_SECOND_PROVIDER", "vendor")
    monkeypatch.setenv("SMSBRIDGE_VENDOR_WEBHOOK_SECRET", "dummy-1")
    monkeypatch.setenv("SMSBRIDGE_SECOND_WEBHOOK_SECRET", "dummy-2")
    monkeypatch.setenv("SMSBRIDGE_PUBLIC_URL", "https://app.example/prefix/")


def rows(output):
    return [line.split(maxsplit=2) for line in output.splitlines()[1:]]


def test_each_account_has_its_url():
    done = run("webhooks")
    assert done.exit_code == Exit.OK
    assert rows(done.stdout) == [
        ["vendor", "vendor", "https://app.example/prefix/sms/vendor"],
        ["second", "vendor", "https://app.example/prefix/sms/second"],
        ["memory", "memory", "has no webhooks"],
    ]
    assert "dummy" not in done.output


@pytest.mark.parametrize(
    ("mount", "path"),
    [("/hooks/sms", "/hooks/sms/vendor"), ("hooks/", "/hooks/vendor"), ("/", "/vendor"), ("", "/vendor")],
)
def test_the_mount_is_where_the_application_has_it(mount, path):
    document, _ = run_json("webhooks", "--mount", mount)
    first = document["webhooks"][0]
    assert (first["path"], first["url"]) == (path, f"https://app.example/prefix{path}")


def test_a_secret_that_is_not_set_is_missing_by_its_name(monkeypatch):
    monkeypatch.delenv("SMSBRIDGE_SECOND_WEBHOOK_SECRET")
    words = "SMSBRIDGE_SECOND_WEBHOOK_SECRET is not set, so no webhook of vendor can be believed"
    done = run("webhooks")
    assert done.exit_code == Exit.CONFIGURATION
    assert done.stdout.count(f"missing: {words}") == 1
    document, code = run_json("webhooks")
    assert code == Exit.CONFIGURATION
    assert [row["missing"] for row in document["webhooks"]] == [[], [words], []]


def test_without_a_public_url_there_is_a_path_alone(monkeypatch):
    monkeypatch.delenv("SMSBRIDGE_PUBLIC_URL")
    done = run("webhooks", "--account", "vendor")
    assert done.exit_code == Exit.CONFIGURATION
    assert rows(done.stdout)[0] == ["vendor", "vendor", "/sms/vendor"]
    assert done.stdout.count("missing: SMSBRIDGE_PUBLIC_URL is not set") == 1
    assert run_json("webhooks", "--account", "vendor")[0]["webhooks"][0]["url"] is None


def test_a_client_without_any_webhooks_is_said_to_have_none():
    done = run("webhooks", "--account", "memory")
    assert done.exit_code == Exit.UNSUPPORTED
    assert rows(done.stdout) == [["memory", "memory", "has no webhooks"]]


def test_what_is_wrong_with_the_settings_is_explained(monkeypatch):
    monkeypatch.setenv("SMSBRIDGE_PROVIDER", "nowhere")
    done = run("webhooks")
    assert done.exit_code == Exit.CONFIGURATION
    assert "no provider 'nowhere'" in done.stderr
