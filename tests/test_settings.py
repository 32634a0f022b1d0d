"""The settings of smsbridge itself."""

from __future__ import annotations

import pytest

from smsbridge.errors import ConfigurationError
from smsbridge.settings import Settings


def test_nothing_is_needed_and_the_default_provider_sends_nothing():
    assert Settings.from_env() == Settings(provider="console", timeout=30, default_region=None, concurrency=10)


def test_every_setting_has_its_variable(monkeypatch, tmp_path):
    values = {
        "PROVIDER": "memory",
        "TIMEOUT": "2.5",
        "DEFAULT_REGION": " in ",
        "CONCURRENCY": "3",
        "SECRETS_DIR": tmp_path,
    }
    for name, value in values.items():
        monkeypatch.setenv(f"SMSBRIDGE_{name}", str(value))
    assert Settings.from_env() == Settings(
        provider="memory", timeout=2.5, default_region="IN", concurrency=3, secrets_dir=str(tmp_path)
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


def test_an_empty_setting_is_its_default(monkeypatch):
    monkeypatch.setenv("SMSBRIDGE_PROVIDER", "")
    monkeypatch.setenv("SMSBRIDGE_TIMEOUT", " ")
    assert Settings.from_env() == Settings()
