"""The settings of smsbridge itself."""

from __future__ import annotations

import pytest

from scripted import URL, AsyncWire, HttpProvider, Wire, message
from smsbridge.builtin.console import ConsoleProvider
from smsbridge.builtin.memory import MemoryProvider
from smsbridge.client import AsyncSmsClient, SmsClient
from smsbridge.errors import ConfigurationError, UnavailableError
from smsbridge.plugins import Plugins
from smsbridge.policies.failover import FailoverPolicy
from smsbridge.policies.policy import Policy
from smsbridge.policies.retry import RetryPolicy
from smsbridge.settings import Settings
from smsbridge.testing import Outbox
from smsbridge.wire import over_httpx


def test_nothing_is_needed_and_the_default_provider_sends_nothing():
    assert Settings.from_env() == Settings(
        provider="console", timeout=15, deadline=25, default_region=None, concurrency=10
    )


def test_every_setting_has_its_variable(monkeypatch, tmp_path):
    values = {
        "PROVIDER": "memory",
        "TIMEOUT": "2.5",
        "DEADLINE": "7",
        "DEFAULT_REGION": " in ",
        "CONCURRENCY": "3",
        "SECRETS_DIR": tmp_path,
    }
    for name, value in values.items():
        monkeypatch.setenv(f"SMSBRIDGE_{name}", str(value))
    assert Settings.from_env() == Settings(
        provider="memory", timeout=2.5, deadline=7, default_region="IN", concurrency=3, secrets_dir=str(tmp_path)
    )


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("TIMEOUT", "0"),
        ("TIMEOUT", "-1"),
        ("TIMEOUT", "inf"),
        ("TIMEOUT", "nan"),
        ("TIMEOUT", "SECRET"),
        ("CONCURRENCY", "0"),
        ("CONCURRENCY", "1001"),
        ("CONCURRENCY", "1.5"),
        ("DEFAULT_REGION", "India"),
        ("DEFAULT_REGION", "1N"),
        ("PROVIDER", "SECRET"),
        ("PROVIDER", "my-provider"),
    ],
)
def test_a_wrong_setting_is_named_and_not_shown(monkeypatch, name, value):
    monkeypatch.setenv(f"SMSBRIDGE_{name}", value)
    with pytest.raises(ConfigurationError, match=f"SMSBRIDGE_{name} is wrong") as caught:
        Settings.from_env()
    assert "SECRET" not in str(caught.value)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"timeout": 0}, "SMSBRIDGE_TIMEOUT is wrong"),
        ({"concurrency": "SECRET"}, "SMSBRIDGE_CONCURRENCY is wrong"),
        ({"timeout": -1, "public_url": "SECRET"}, "SMSBRIDGE_TIMEOUT is wrong: .*; SMSBRIDGE_PUBLIC_URL is wrong"),
        ({"timeuot": 1}, "there is no setting timeuot"),
    ],
)
def test_a_wrong_setting_given_by_hand_is_named_and_not_shown_either(given, words):
    with pytest.raises(ConfigurationError, match=words) as caught:
        Settings(**given)
    assert "SECRET" not in str(caught.value)
    assert caught.value.__context__ is None


def test_a_scheme_is_the_same_in_capitals():
    assert Settings(public_url="HTTPS://App.example").public_url == "HTTPS://App.example"
    with pytest.raises(ConfigurationError, match="SMSBRIDGE_PUBLIC_URL is wrong: write http:// or https://"):
        Settings(public_url="FTP://app.example")


def test_an_empty_setting_is_its_default(monkeypatch):
    monkeypatch.setenv("SMSBRIDGE_PROVIDER", "")
    monkeypatch.setenv("SMSBRIDGE_TIMEOUT", " ")
    assert Settings.from_env() == Settings()


# --- SMSBRIDGE_ENV --------------------------------------------------------------------------------------------------------


class Plain(Policy):
    """A wrapper of an application."""

    name = "plain"


REAL = HttpProvider(account="otp")
STUB = MemoryProvider(account="fake")


def complaints(settings, provider):
    return [words.partition("account ")[2].partition("'")[2].partition("'")[0] for words in settings.unfit(provider)]


@pytest.mark.parametrize(
    ("env", "provider", "unfit"),
    [
        (None, STUB, []),
        (None, REAL, []),
        ("staging", STUB, []),
        ("staging", REAL, []),
        ("development", REAL, []),
        ("production", REAL, []),
        ("production", STUB, ["fake"]),
        ("production", ConsoleProvider(), ["console"]),
        ("test", STUB, []),
        ("test", REAL, ["otp"]),
        ("test", Plain(inner=REAL), ["otp"]),
        ("test", Plain(inner=REAL, account="outer"), ["otp"]),
        ("production", RetryPolicy(inner=Plain(inner=STUB)), ["fake"]),
        ("production", FailoverPolicy(accounts=[REAL, STUB]), ["fake"]),
        ("test", FailoverPolicy(accounts=[REAL, STUB]), ["otp"]),
        ("test", FailoverPolicy(accounts=[REAL, Plain(inner=HttpProvider(account="b"))]), ["otp", "b"]),
    ],
)
def test_no_stub_stands_for_a_provider_in_production_and_no_vendor_is_reached_in_a_test(env, provider, unfit):
    settings = Settings(env=env)
    assert complaints(settings, provider) == unfit
    for client in (SmsClient, AsyncSmsClient):
        if unfit:
            with pytest.raises(ConfigurationError, match=f"SMSBRIDGE_ENV is {env}, but account '{unfit[0]}'"):
                client(provider, settings=settings, plugins=Plugins())
        else:
            client(provider, settings=settings, plugins=Plugins())


def test_unless_the_account_is_named():
    tree = FailoverPolicy(accounts=[REAL, Plain(inner=HttpProvider(account="b"), account="outer")])
    assert complaints(Settings(env="test", env_allows=("otp",)), tree) == ["b"]
    assert complaints(Settings(env="test", env_allows=("otp", "outer", "failover")), tree) == ["b"]
    assert complaints(Settings(env="test", env_allows=("otp", "b")), tree) == []


def test_the_environment_says_so_by_variables(monkeypatch):
    monkeypatch.setenv("SMSBRIDGE_ENV", "production")
    with pytest.raises(ConfigurationError, match="account 'console' ends texts here") as caught:
        SmsClient(plugins=Plugins())
    assert "name it in SMSBRIDGE_ENV_ALLOWS" in str(caught.value)
    monkeypatch.setenv("SMSBRIDGE_ENV_ALLOWS", "file, console")
    SmsClient(plugins=Plugins())
    monkeypatch.setenv("SMSBRIDGE_ENV", "prod")
    with pytest.raises(ConfigurationError, match="SMSBRIDGE_ENV is wrong"):
        Settings.from_env()


def test_an_outbox_lifts_it_as_nothing_leaves_there():
    for env, provider in (("production", STUB), ("test", REAL)):
        with Outbox() as outbox, SmsClient(provider, settings=Settings(env=env), plugins=Plugins()) as client:
            client.send(message())
            assert len(outbox) == 1
        with pytest.raises(ConfigurationError):
            SmsClient(provider, settings=Settings(env=env), plugins=Plugins())


@pytest.mark.sms_real
async def test_a_client_that_outlives_its_outbox_still_reaches_no_vendor(monkeypatch):
    for name, wire in (("Transport", Wire()), ("AsyncTransport", AsyncWire())):
        monkeypatch.setattr(over_httpx, name, lambda timeout, wire=wire: wire)
        with Outbox():
            cls = SmsClient if name == "Transport" else AsyncSmsClient
            client = cls(REAL, settings=Settings(env="test"), plugins=Plugins())
        with pytest.raises(UnavailableError, match="SMSBRIDGE_ENV is test") as caught:
            client.send(message()) if name == "Transport" else await client.send(message())
        assert wire.requests == []
        assert URL not in str(caught.value)
