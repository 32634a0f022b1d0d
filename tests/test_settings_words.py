"""An error about a setting names the setting and the allowed form, in plain words: no pattern, no value, no broken words."""

from __future__ import annotations

import re

import pytest
from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator

from smsbridge import environment
from smsbridge.builtin.memory import MemoryProvider
from smsbridge.cli import describe
from smsbridge.errors import ConfigurationError
from smsbridge.plugins import Plugins, default_plugins
from smsbridge.settings import Settings

KNOWN = Plugins()
MODELS = {
    None: Settings,
    **{name: default_plugins().policies.get(name) for name in default_plugins().policies.names()},
    **{name: KNOWN.provider_class(name) for name in KNOWN.names()},
}
SECRET = "Zq7-xPw 91 not a value"
WRONG = (
    SECRET, "-3", "0", "prod", "production!", "develop", "India", "http", "https://", "otp_", "POS", "{", "[", '{"a": 1}', "nan", "1e999",
    "yes please", "2h", "transactions", "IN,XX", "\x1b[31m", "5 per hour", "HMAC", "tru", "x" * 300,
)  # fmt: skip
OURS = ("http", "https://", "0", "[", "{")
"""Values that are also words in our errors."""
SETTINGS = [
    pytest.param(account, name, id=environment.variable(account, name))
    for account, model in MODELS.items()
    for name in model.model_fields
    if name not in ("account", "inner")
]
FORBIDDEN = re.compile(
    r"\*\*\*|\^|\$'|\\|\[0-9|\(\?|should match|Input should|String should|Value error|unable to parse|valid string|input_value|pydantic"
)


def complaints(account, name, value, monkeypatch):
    """The error about this setting if its variable has this value."""
    monkeypatch.setenv(environment.variable(account, name), value)
    model = MODELS[account]
    inner = {"inner": MemoryProvider()} if "inner" in model.model_fields else {}
    try:
        if account is None:
            Settings.from_env()
        elif name == "accounts":
            model.from_env(resolve=KNOWN.account)
        else:
            environment.load(model, account, exclude=["account"], **inner)
    except ConfigurationError as error:
        label = environment.variable(account, name)
        return [
            part for part in re.split(r"; (?=\S+ (?:is|in) )", str(error)) if label in part and "missing" not in part
        ]
    return []


@pytest.mark.filterwarnings("ignore::smsbridge.InsecureUrlWarning")
@pytest.mark.parametrize(("account", "name"), SETTINGS)
def test_what_is_wrong_is_said_in_words(account, name, monkeypatch):
    said = [(value, part) for value in WRONG for part in complaints(account, name, value, monkeypatch)]
    for value, words in said:
        rest = words.partition(environment.variable(account, name))[2]
        assert not FORBIDDEN.search(rest), words
        assert SECRET not in words
        assert name == "accounts" or value in OURS or value not in re.findall(r"[^\s,;:'\"]+", rest), words


TYPED = [
    (account, name)
    for account, model in MODELS.items()
    for name, info in model.model_fields.items()
    if describe.type_name(info.annotation).startswith(("one of", "yes or no", "number", "whole"))
]


@pytest.mark.parametrize(("account", "name"), TYPED)
def test_what_can_be_wrong_is_found(account, name, monkeypatch):
    """The table above covers all settings."""
    assert complaints(account, name, SECRET, monkeypatch)


@pytest.mark.parametrize(
    ("variable", "value", "words"),
    [
        ("ENV", "prod", "write production, staging, test or development"),
        ("ENV", "Production", "write production, staging, test or development"),
        ("DEFAULT_REGION", "India", "write two letters, such as IN (ISO 3166)"),
        ("DEFAULT_REGION", "UK", "write GB, as UK is called in ISO 3166"),
        ("DEFAULT_REGION", "el", "write GR, as EL is called in ISO 3166"),
        ("DEFAULT_REGION", "XX", "no country is called so: write the two letters of ISO 3166, such as IN or GB"),
        ("TIMEOUT", "5s", "write a number"),
        ("TIMEOUT", "0", "it has to be more than 0"),
        ("CONCURRENCY", "1.5", "write a whole number"),
        ("CONCURRENCY", "5000", "it has to be 1000 or less"),
        ("PUBLIC_URL", "app.example", "write http:// or https:// and a host, without a query"),
        ("PROVIDER", "My Provider", "write the name of a provider or an account: a-z and 0-9"),
        ("ENV_ALLOWS", "[1", "write a list: words with commas between them, or JSON in [ ]"),
    ],
)
def test_these_are_the_words(variable, value, words, monkeypatch):
    monkeypatch.setenv(f"SMSBRIDGE_{variable}", value)
    with pytest.raises(ConfigurationError) as caught:
        Settings.from_env()
    assert str(caught.value) == f"SMSBRIDGE_{variable} is wrong: {words}"


class Quotes(BaseModel):
    """The error of a plugin that quotes values."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    word: str = ""
    token: SecretStr = SecretStr("")
    sid: str = Field(default="", pattern="^AC[0-9]+$")

    @field_validator("word", "token")
    @classmethod
    def _refuse(cls, value):
        word = value.get_secret_value() if isinstance(value, SecretStr) else value
        if word:
            raise ValueError(f"not {word!r}, which is neither production nor {word}")
        return value


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("word", "prod", "not 'prod', which is neither production nor prod"),
        ("word", "hunter-2", "not '***', which is neither production nor ***"),
        ("word", "abcdefghij", "not '***', which is neither production nor ***"),
        ("word", "it's \\ odd", 'not "***", which is neither production nor ***'),
        ("token", "prod", "not '***', which is neither production nor ***"),
        ("sid", "AC-secret", "it is not written as it has to be"),
    ],
)
def test_a_validator_that_quotes_shows_no_secret_and_leaves_our_words_whole(name, value, words, monkeypatch):
    monkeypatch.setenv(f"SMSBRIDGE_ACME_{name.upper()}", value)
    with pytest.raises(ConfigurationError) as caught:
        environment.load(Quotes, "acme")
    assert str(caught.value) == f"SMSBRIDGE_ACME_{name.upper()} is wrong: {words}"
