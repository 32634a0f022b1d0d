"""Settings come from the environment, ``.env`` and the secrets directory; what is wrong is named and never shown."""

from __future__ import annotations

import logging
import traceback
from pathlib import Path

import pytest
from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator

from smsbridge import environment
from smsbridge.errors import ConfigurationError

VALUE = "SECRET-VALUE-5521"


class Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    token: SecretStr
    sender: str = "ACME"
    port: int = Field(default=1, ge=1)
    senders: list[str] = []
    numbers: tuple[int, ...] | None = None
    routes: dict[str, str] = {}
    picky: str = ""

    @field_validator("picky")
    @classmethod
    def _picky(cls, value):
        if value:
            raise ValueError(f"{value!r} is not picky enough")
        return value


def load():
    return environment.load(Model, "acme")


@pytest.fixture
def secrets_dir(monkeypatch, tmp_path):
    folder = tmp_path / "secrets"
    folder.mkdir()
    monkeypatch.setenv("SMSBRIDGE_SECRETS_DIR", str(folder))
    return folder


@pytest.mark.parametrize(
    ("account", "name", "variable"),
    [("otp", "access_token", "SMSBRIDGE_OTP_ACCESS_TOKEN"), (None, "timeout", "SMSBRIDGE_TIMEOUT")],
)
def test_a_variable_is_named_after_account_and_setting(account, name, variable):
    assert environment.variable(account, name) == variable


def test_the_environment_goes_before_dotenv_and_dotenv_before_the_secrets_directory(monkeypatch, secrets_dir):
    (secrets_dir / "SMSBRIDGE_ACME_TOKEN").write_text("from-secrets\n")
    assert load().token.get_secret_value() == "from-secrets"
    Path(".env").write_text("SMSBRIDGE_ACME_TOKEN=from-dotenv\n")
    assert load().token.get_secret_value() == "from-dotenv"
    monkeypatch.setenv("SMSBRIDGE_ACME_TOKEN", "from-environment")
    assert load().token.get_secret_value() == "from-environment"


def test_the_source_of_each_value_is_known_and_its_value_is_not_shown(monkeypatch, secrets_dir):
    (secrets_dir / "SMSBRIDGE_ACME_TOKEN").write_text(VALUE)
    Path(".env").write_text(f"SMSBRIDGE_ACME_SENDER={VALUE}\n")
    monkeypatch.setenv("SMSBRIDGE_ACME_PORT", "7")
    found = environment.read("acme", ["token", "sender", "port", "senders"])
    assert {name: one.source for name, one in found.items()} == {
        "token": "secrets directory",
        "sender": ".env",
        "port": "environment",
    }
    assert VALUE not in repr(found)


@pytest.mark.parametrize("empty", ["", "  ", "\n"])
def test_an_empty_value_counts_as_unset(monkeypatch, empty):
    monkeypatch.setenv("SMSBRIDGE_ACME_TOKEN", empty)
    with pytest.raises(ConfigurationError, match="SMSBRIDGE_ACME_TOKEN is missing"):
        load()
    Path(".env").write_text("SMSBRIDGE_ACME_TOKEN=from-dotenv\n")
    assert load().token.get_secret_value() == "from-dotenv"


def test_foreign_variables_are_ignored(monkeypatch):
    monkeypatch.setenv("SMSBRIDGE_ACME_TOKEN", "t")
    monkeypatch.setenv("SMSBRIDGE_ACME_NO_SUCH_SETTING", "x")
    monkeypatch.setenv("TOKEN", "x")
    monkeypatch.setenv("SMSBRIDGE_OTHER_SENDER", "x")
    Path(".env").write_text("DATABASE_URL=postgres://x\nSMSBRIDGE_ACME_TYPO=1\n")
    assert load() == Model(token="t")


@pytest.mark.parametrize(
    ("written", "read"),
    [("A", ["A"]), ("A,B", ["A", "B"]), (" A , B ,", ["A", "B"]), ('["A", "B,C"]', ["A", "B,C"])],
)
def test_a_list_is_separated_by_commas_or_is_json(monkeypatch, written, read):
    monkeypatch.setenv("SMSBRIDGE_ACME_TOKEN", "t")
    monkeypatch.setenv("SMSBRIDGE_ACME_SENDERS", written)
    assert load().senders == read


def test_an_optional_tuple_is_a_list_too_and_a_mapping_is_json(monkeypatch):
    monkeypatch.setenv("SMSBRIDGE_ACME_TOKEN", "t")
    monkeypatch.setenv("SMSBRIDGE_ACME_NUMBERS", "1,2")
    monkeypatch.setenv("SMSBRIDGE_ACME_ROUTES", '{"IN": "x"}')
    assert load().numbers == (1, 2)
    assert load().routes == {"IN": "x"}


def test_a_string_keeps_its_commas_and_brackets(monkeypatch):
    monkeypatch.setenv("SMSBRIDGE_ACME_TOKEN", "[a,b")
    assert load().token.get_secret_value() == "[a,b"


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("PORT", VALUE),
        ("PORT", "0"),
        ("NUMBERS", f"1,{VALUE}"),
        ("NUMBERS", f"[{VALUE}"),
        ("ROUTES", VALUE),
        ("ROUTES", f'{{"{VALUE}": 1}}'),
        ("ROUTES", "[" * 100_000),
        ("PICKY", VALUE),
    ],
)
def test_a_wrong_setting_is_named_and_its_value_is_nowhere_in_the_error(monkeypatch, variable, value):
    monkeypatch.setenv("SMSBRIDGE_ACME_TOKEN", VALUE)
    monkeypatch.setenv(f"SMSBRIDGE_ACME_{variable}", value)
    with pytest.raises(ConfigurationError, match=f"SMSBRIDGE_ACME_{variable} is wrong: ") as caught:
        load()
    assert_hidden(caught.value)


def assert_hidden(error):
    assert VALUE not in str(error)
    assert error.__cause__ is None
    assert error.__context__ is None
    shown = traceback.TracebackException.from_exception(error, capture_locals=True)
    ours = [frame for frame in shown.stack if Path(frame.filename).parent.name == "smsbridge"]
    assert ours
    assert VALUE not in str([frame.locals for frame in ours])


def test_all_that_is_wrong_is_said_at_once(monkeypatch):
    monkeypatch.setenv("SMSBRIDGE_ACME_PORT", "x")
    with pytest.raises(ConfigurationError, match="SMSBRIDGE_ACME_TOKEN is missing; SMSBRIDGE_ACME_PORT is wrong"):
        load()


@pytest.mark.parametrize("encoding", ["utf-16", "latin-1"])
def test_a_dotenv_that_is_not_utf8_is_refused_without_being_quoted(encoding):
    Path(".env").write_text(f"SMSBRIDGE_ACME_TOKEN={VALUE}é\n", encoding=encoding)
    with pytest.raises(ConfigurationError, match=r"\.env .*cannot be read as UTF-8") as caught:
        load()
    assert_hidden(caught.value)


def test_a_dotenv_with_a_byte_order_mark_keeps_its_first_line():
    Path(".env").write_text("SMSBRIDGE_ACME_TOKEN=t\n", encoding="utf-8-sig")
    assert load().token.get_secret_value() == "t"


def test_a_malformed_line_in_dotenv_does_not_hide_the_others_and_is_not_quoted(caplog):
    caplog.set_level(logging.DEBUG)
    Path(".env").write_text(f"?? {VALUE} 'oops\nSMSBRIDGE_ACME_TOKEN=t\n")
    assert load().token.get_secret_value() == "t"
    assert VALUE not in caplog.text


def test_a_secrets_directory_that_is_not_there_is_an_error(monkeypatch, tmp_path):
    monkeypatch.setenv("SMSBRIDGE_SECRETS_DIR", str(tmp_path / VALUE))
    with pytest.raises(ConfigurationError, match="SMSBRIDGE_SECRETS_DIR does not name a directory") as caught:
        load()
    assert VALUE not in str(caught.value)


def test_the_secrets_directory_may_be_named_in_dotenv(tmp_path):
    (tmp_path / "SMSBRIDGE_ACME_TOKEN").write_text("t")
    Path(".env").write_text(f"SMSBRIDGE_SECRETS_DIR={tmp_path}\n")
    assert load().token.get_secret_value() == "t"


def test_a_secret_that_is_not_utf8_is_refused(secrets_dir):
    (secrets_dir / "SMSBRIDGE_ACME_TOKEN").write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigurationError, match="secrets directory cannot be read as UTF-8"):
        load()


def test_excluded_and_given_settings_are_not_read(monkeypatch):
    monkeypatch.setenv("SMSBRIDGE_ACME_TOKEN", "from-environment")
    monkeypatch.setenv("SMSBRIDGE_ACME_SENDER", "from-environment")
    model = environment.load(Model, "acme", exclude=["sender"], token=SecretStr("given"))
    assert (model.sender, model.token.get_secret_value()) == ("ACME", "given")
