"""Settings come from the environment, ``.env`` and the secrets directory. Errors name a setting and never show its value."""

from __future__ import annotations

import logging
import traceback
from pathlib import Path

import pytest
from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator

from smsbridge import environment
from smsbridge.client import SmsClient
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
    assert {name: item.source for name, item in found.items()} == {
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


# --- values that still have their quotes --------------------------------------------------------------------------------------

QUOTED = ['"abcd"', "'abcd'", '"with space"', '""', "''", '"a\\"b"', "`abcd`", "„abcd“", "‚abcd‘", "‹abcd›", "＂abcd＂", "´abcd´", "“abcd”", "‘abcd’", "”abcd”", "«abcd»", ' "abcd" ', "'{\"IN\": \"x\"}'", '"1,2"']  # fmt: skip  # noqa: RUF001
MEANT = [
    "abcd",
    'a"b"',
    '"a" and "b"',
    '"',
    "'",
    '"open',
    'closed"',
    "o'clock",
    '"a"b"',
    "it's 'so'",
    '["a", "b"]',
    '{"a": "b"}',
    "''a",
    "`open",
    "“open",
    "closed\u2019",
]
HALF = ['"abcd', 'abcd"', "'abcd", "`abcd", "abcd`", "“abcd", "abcd”", '"abcd, efgh', '“abcd"', " 'abcd"]
WORDS = ['a"b', "it's", "James'", "James’", "it’s", '{"a": "b"}', '"a" and "b"', "a`b"]  # noqa: RUF001


@pytest.mark.parametrize("name", ["token", "sender", "picky"])
@pytest.mark.parametrize("value", QUOTED)
def test_a_value_in_quotes_is_refused_and_not_shown(monkeypatch, name, value):
    monkeypatch.setenv("SMSBRIDGE_ACME_TOKEN", "t")
    monkeypatch.setenv(f"SMSBRIDGE_ACME_{name.upper()}", value)
    with pytest.raises(ConfigurationError, match=f"SMSBRIDGE_ACME_{name.upper()} still has quotes") as caught:
        load()
    assert "abcd" not in str(caught.value)


@pytest.mark.parametrize("value", MEANT)
def test_a_value_with_quotes_in_it_is_taken_as_it_is(monkeypatch, value):
    monkeypatch.setenv("SMSBRIDGE_ACME_TOKEN", value)
    assert load().token.get_secret_value() == value


@pytest.mark.parametrize("value", ['"A","B"', "'A', 'B'", 'A,"B"', '"A,B"'])
def test_so_are_the_words_of_a_list(monkeypatch, value):
    monkeypatch.setenv("SMSBRIDGE_ACME_TOKEN", "t")
    monkeypatch.setenv("SMSBRIDGE_ACME_SENDERS", value)
    with pytest.raises(ConfigurationError, match="SMSBRIDGE_ACME_SENDERS still has quotes"):
        load()


@pytest.mark.parametrize("name", ["sender", "senders", "picky"])
@pytest.mark.parametrize("value", HALF)
def test_half_a_pair_of_quotes_is_refused_too(monkeypatch, name, value):
    monkeypatch.setenv("SMSBRIDGE_ACME_TOKEN", "t")
    monkeypatch.setenv(f"SMSBRIDGE_ACME_{name.upper()}", value)
    with pytest.raises(ConfigurationError, match=f"SMSBRIDGE_ACME_{name.upper()} still has quotes") as caught:
        load()
    assert "abcd" not in str(caught.value)


@pytest.mark.parametrize("value", WORDS)
def test_words_may_have_quotes_in_them(monkeypatch, value):
    monkeypatch.setenv("SMSBRIDGE_ACME_TOKEN", "t")
    monkeypatch.setenv("SMSBRIDGE_ACME_SENDER", value)
    assert load().sender == value


@pytest.mark.parametrize(
    "value",
    [
        '"console","memory"',
        '"console,memory"',
        '"console,memory',
        "console,'memory'",
        "`console`,memory",
        "“console”, “memory”",
        "console,memory'",
    ],
)
@pytest.mark.parametrize("variable", ["SMSBRIDGE_FAILOVER_ACCOUNTS", "SMSBRIDGE_OTP_PROVIDER", "SMSBRIDGE_RETRY_INNER"])
def test_what_names_accounts_has_no_quotes(monkeypatch, variable, value):
    monkeypatch.setenv("SMSBRIDGE_PROVIDER", variable.split("_")[1].lower())
    monkeypatch.setenv(variable, value)
    with pytest.raises(ConfigurationError, match=f"{variable} still has quotes"):
        SmsClient()


def test_every_quoted_variable_is_named_at_once(monkeypatch):
    monkeypatch.setenv("SMSBRIDGE_ACME_TOKEN", '"abcd"')
    monkeypatch.setenv("SMSBRIDGE_ACME_SENDER", "'ACME'")
    with pytest.raises(ConfigurationError, match=r"_TOKEN still has quotes.*; SMSBRIDGE_ACME_SENDER still has quotes"):
        load()


def test_dotenv_takes_its_own_quotes_off_and_keeps_those_inside():
    Path(".env").write_text("""SMSBRIDGE_ACME_TOKEN="abcd"\nSMSBRIDGE_ACME_SENDER='"AC ME"'\n""")
    assert (load().token.get_secret_value(), load().sender) == ("abcd", '"AC ME"')


def test_dotenv_does_not_take_off_those_of_a_word_processor():
    Path(".env").write_text("SMSBRIDGE_ACME_TOKEN=“abcd”\n", "utf-8")
    with pytest.raises(ConfigurationError, match="SMSBRIDGE_ACME_TOKEN still has quotes"):
        load()


def test_a_file_of_the_secrets_directory_has_no_quotes_either(secrets_dir):
    (secrets_dir / "SMSBRIDGE_ACME_TOKEN").write_text('"abcd"\n')
    with pytest.raises(ConfigurationError, match="SMSBRIDGE_ACME_TOKEN still has quotes"):
        load()


def test_the_name_of_the_secrets_directory_has_none(monkeypatch, tmp_path):
    monkeypatch.setenv("SMSBRIDGE_SECRETS_DIR", f'"{tmp_path}"')
    with pytest.raises(ConfigurationError, match="SMSBRIDGE_SECRETS_DIR still has quotes"):
        load()


@pytest.mark.parametrize(
    "variable",
    [
        "LEDGER_STORE",
        "OPTOUT_STORE",
        "FILE_PATH",
        "MEMORY_LEDGER_STORE",
        "PROVIDER",
        "SECRETS_DIR",
        "ENV",
        "DLT_REGISTRY",
        "COST_PRICES",
        "HOURS_RULES",
    ],
)
@pytest.mark.parametrize("quote", ['"', "'"])
def test_nothing_is_made_of_a_quoted_path(monkeypatch, variable, quote):
    monkeypatch.setenv("SMSBRIDGE_PROVIDER", "file" if variable == "FILE_PATH" else "memory")
    monkeypatch.setenv(f"SMSBRIDGE_{variable}", f"{quote}some.db{quote}")
    with pytest.raises(ConfigurationError, match=f"SMSBRIDGE_{variable} still has quotes"):
        SmsClient().send("+919876543210", "hello")
    assert [*Path().iterdir()] == []


# --- where a URL and a secret come from -----------------------------------------------------------------------------------


class Remote(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    token: SecretStr | None = None
    webhook_secret: SecretStr | None = None
    headers: dict[str, str] = Field(default={}, repr=False)
    base_url: str = "https://vendor.example"
    callback_url: str = ""
    url: str = Field(default="", repr=False)
    file: str = ""
    host: str = ""
    sender: str = ""


def remote(monkeypatch, secrets_dir=None, **places):
    """Load settings from ``environment``, ``dotenv`` and ``secrets``, each a dict of settings."""
    for name, value in places.get("environment", {}).items():
        monkeypatch.setenv(f"SMSBRIDGE_ACME_{name.upper()}", value)
    lines = [f"SMSBRIDGE_ACME_{name.upper()}={value}\n" for name, value in places.get("dotenv", {}).items()]
    with Path(".env").open("a") as file:
        file.write("".join(lines))
    for name, value in places.get("secrets", {}).items():
        (secrets_dir / f"SMSBRIDGE_ACME_{name.upper()}").write_text(value)
    return environment.load(Remote, "acme")


ELSEWHERE = "https://stranger.example"


@pytest.mark.parametrize("leading", ["base_url", "callback_url", "url", "host", "file"])
@pytest.mark.parametrize("secret", ["token", "headers"])
@pytest.mark.parametrize("place", ["environment", "secrets"])
def test_a_url_from_dotenv_gets_no_secret_from_elsewhere(monkeypatch, secrets_dir, leading, secret, place):
    value = {"token": "t0ken", "headers": '{"Authorization": "t0ken"}'}[secret]
    with pytest.raises(ConfigurationError) as caught:
        remote(monkeypatch, secrets_dir, dotenv={leading: ELSEWHERE}, **{place: {secret: value}})
    where = "environment" if place == "environment" else "secrets directory"
    assert str(caught.value).startswith(
        f"SMSBRIDGE_ACME_{leading.upper()} is from .env, and SMSBRIDGE_ACME_{secret.upper()} from the {where}: "
    )
    assert ELSEWHERE not in str(caught.value)
    assert "t0ken" not in str(caught.value)


def test_not_even_one_of_this_machine(monkeypatch):
    """A stranger's program may listen there."""
    with pytest.raises(ConfigurationError, match=r"SMSBRIDGE_ACME_BASE_URL is from \.env"):
        remote(monkeypatch, environment={"token": "t0ken"}, dotenv={"base_url": "http://127.0.0.1:1/"})


@pytest.mark.parametrize(
    "places",
    [
        {"dotenv": {"token": "t", "base_url": ELSEWHERE}},
        {"environment": {"token": "t", "base_url": ELSEWHERE}},
        {"environment": {"token": "t", "base_url": ELSEWHERE}, "dotenv": {"base_url": "https://other.example"}},
        {"environment": {"base_url": ELSEWHERE}, "dotenv": {"token": "t"}},
        {"secrets": {"token": "t"}, "environment": {"base_url": ELSEWHERE}},
        {"secrets": {"token": "t", "base_url": ELSEWHERE}},
        {"environment": {"token": "t"}, "dotenv": {"sender": "ACME"}},
        {"environment": {"webhook_secret": "t"}, "dotenv": {"base_url": ELSEWHERE, "token": "t"}},
        {"environment": {"token": "t", "url": ELSEWHERE}, "dotenv": {"file": "gateway.toml"}},
        {"environment": {"token": "t", "url": ELSEWHERE, "file": "gateway.toml"}},
        {"environment": {"token": "t", "file": str(Path("gateway.toml").absolute())}},
        {"environment": {"file": "gateway.toml"}, "dotenv": {"token": "t"}},
        {"environment": {"file": "gateway.toml"}},
    ],
)
def test_a_url_of_a_place_that_is_trusted_as_much_is_fine(monkeypatch, secrets_dir, places):
    remote(monkeypatch, secrets_dir, **places)


def test_a_secrets_directory_that_dotenv_names_is_trusted_like_dotenv(monkeypatch, tmp_path):
    folder = tmp_path / "theirs"
    folder.mkdir()
    (folder / "SMSBRIDGE_ACME_BASE_URL").write_text(ELSEWHERE)
    Path(".env").write_text("SMSBRIDGE_SECRETS_DIR=theirs\n")
    with pytest.raises(ConfigurationError, match="SMSBRIDGE_ACME_BASE_URL is from secrets directory"):
        remote(monkeypatch, environment={"token": "t"})
    monkeypatch.delenv("SMSBRIDGE_ACME_TOKEN")
    remote(monkeypatch, folder, secrets={"token": "t"})


@pytest.mark.parametrize(
    "path", ["gateway.toml", "./gateway.toml", "../gateway.toml", "conf/gateway.toml", "~/gateway.toml"]
)
@pytest.mark.parametrize("place", ["environment", "secrets"])
def test_a_file_in_whatever_folder_a_command_runs_in_gets_no_secret_either(monkeypatch, secrets_dir, path, place):
    monkeypatch.setenv("SMSBRIDGE_ACME_FILE", path)
    with pytest.raises(ConfigurationError) as caught:
        remote(monkeypatch, secrets_dir, **{place: {"token": "t0ken"}})
    assert str(caught.value).startswith(
        "SMSBRIDGE_ACME_FILE is a path in the working directory, and SMSBRIDGE_ACME_TOKEN "
    )
    assert str(caught.value).endswith("; write the whole path")


def test_nor_does_a_secrets_directory_there(monkeypatch):
    Path("theirs").mkdir()
    Path("theirs", "SMSBRIDGE_ACME_BASE_URL").write_text(ELSEWHERE)
    monkeypatch.setenv("SMSBRIDGE_SECRETS_DIR", "theirs")
    with pytest.raises(ConfigurationError, match="SMSBRIDGE_ACME_BASE_URL is from secrets directory"):
        remote(monkeypatch, environment={"token": "t"})
    monkeypatch.setenv("SMSBRIDGE_SECRETS_DIR", str(Path("theirs").absolute()))
    remote(monkeypatch, environment={"token": "t"})


PROVIDERS = {
    "twincle": {"access_token": "t0ken"},
    "twilio": {"account_sid": f"AC{'0' * 32}", "auth_token": "t0ken"},
    "infobip": {"api_key": "t0ken"},
    "plivo": {"auth_id": "MA", "auth_token": "t0ken"},
    "vonage": {"api_key": "k", "api_secret": "t0ken"},
    "http": {
        "token": "t0ken",
        "body": '{"t": "{text}", "to": "{to}", "key": "{token}"}',
        "accept_if": '{"status": 200}',
        "id": "id",
    },
}


@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize("around", ["", "otp", "failover"])
def test_so_it_is_with_every_account_of_every_provider(monkeypatch, provider, around):
    account = "otp" if around == "otp" else provider
    if around == "otp":
        monkeypatch.setenv("SMSBRIDGE_OTP_PROVIDER", provider)
    if around == "failover":
        monkeypatch.setenv("SMSBRIDGE_FAILOVER_ACCOUNTS", f"memory,{provider}")
    monkeypatch.setenv("SMSBRIDGE_PROVIDER", around or provider)
    for name, value in PROVIDERS[provider].items():
        monkeypatch.setenv(f"SMSBRIDGE_{account.upper()}_{name.upper()}", value)
    leading = "url" if provider == "http" else "base_url"
    Path(".env").write_text(f"SMSBRIDGE_{account.upper()}_{leading.upper()}={ELSEWHERE}/\n")
    with pytest.raises(ConfigurationError, match=rf"SMSBRIDGE_{account.upper()}_{leading.upper()} is from \.env, and "):
        SmsClient()
    monkeypatch.setenv(f"SMSBRIDGE_{account.upper()}_{leading.upper()}", f"{ELSEWHERE}/")
    SmsClient().close()
