"""The environment is read once for a client, and no client reads another client's."""

from __future__ import annotations

import asyncio
import contextvars
import copy
import io
import os
import threading
import traceback
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from pydantic import SecretStr

from cli_acme import run
from smsbridge import environment, snapshot
from smsbridge.builtin.memory import MemoryProvider
from smsbridge.client import AsyncSmsClient, SmsClient
from smsbridge.composite import each
from smsbridge.errors import ConfigurationError, RefusedError
from smsbridge.hookspecs import hookimpl
from smsbridge.optouts.policy import OptoutPolicy
from smsbridge.plugins import Plugins
from smsbridge.policies.failover import FailoverPolicy
from smsbridge.policies.known import BUILT_IN
from smsbridge.provider import SmsProvider
from smsbridge.rehearsal import Rehearsal
from smsbridge.settings import Settings
from smsbridge.snapshot import Reading

SECRET = "SECRET-VALUE-5521"
CLIENTS = [SmsClient, AsyncSmsClient]
REGISTRY = """
entity_id = "1101234567890123456"

[[headers]]
name = "ACMEIN"

[[templates]]
id = "1107161234567890001"
name = "hello"
category = "service-implicit"
headers = ["ACMEIN"]
text = "hello {#var#}"
"""


class Speaking(SmsProvider):
    """A third party's provider with its own ``from_env``."""

    name = "speaking"
    token: SecretStr
    during = staticmethod(lambda made: None)
    """Set a function that is called while a client is made."""

    @classmethod
    def from_env(cls, account=None, resolve=None):
        made = super().from_env(account, resolve)
        cls.during(made)
        return made

    def send(self, message):
        yield from ()
        raise RefusedError("no")


class Plugin:
    @hookimpl
    def smsbridge_providers(self):
        return [Speaking]


@pytest.fixture
def during(monkeypatch):
    def set_to(function):
        monkeypatch.setattr(Speaking, "during", staticmethod(function))

    return set_to


@pytest.fixture
def opened(monkeypatch):
    """The number of times that each file was opened, by its name."""
    counts = Counter()
    real = io.open

    def watched(file, *args, **kwargs):
        if isinstance(file, str | os.PathLike):
            counts[Path(file).name] += 1
        return real(file, *args, **kwargs)

    monkeypatch.setattr("builtins.open", watched)
    monkeypatch.setattr(io, "open", watched)
    return counts


def every_policy(tmp_path):
    """An account over two others, and a setting of each policy that the environment puts around them."""
    (tmp_path / "dlt.toml").write_text(REGISTRY)
    (tmp_path / "prices.toml").write_text("[[rate]]\nprice = 1\ncurrency = 'INR'\n")
    values = {
        "PROVIDER": "failover",
        "FAILOVER_ACCOUNTS": "first,second",
        "FIRST_PROVIDER": "memory",
        "SECOND_PROVIDER": "memory",
        "TEXT_MAX_SEGMENTS": "3",
        "LEDGER_STORE": f"sqlite:///{tmp_path}/ledger.db",
        "GUARD_ALLOW": "+91*",
        "COST_PRICES": tmp_path / "prices.toml",
        "OPTOUT_STORE": f"sqlite:///{tmp_path}/optouts.db",
        "PURPOSE_OTP_EXPIRY": "10m",
        "RETRY_ATTEMPTS": "2",
        "RETRY_DUPLICATES": "otp",
        "HOURS_MARGIN": "60",
        "DLT_REGISTRY": tmp_path / "dlt.toml",
        "LIMIT_SENDS": "9/s",
    }
    return {f"SMSBRIDGE_{name}": str(value) for name, value in values.items()}


def write_dotenv(values):
    Path(".env").write_text("".join(f"{name}={value}\n" for name, value in values.items()))


def kinds(provider):
    return {type(layer).__name__.removesuffix("Policy").lower() for layer in each(provider)}


# --- once -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("client", CLIENTS)
def test_a_client_with_every_policy_opens_each_file_of_settings_once(client, opened, monkeypatch, tmp_path):
    folder = tmp_path / "secrets"
    folder.mkdir()
    write_dotenv({**every_policy(tmp_path), "SMSBRIDGE_SECRETS_DIR": folder})
    (folder / "SMSBRIDGE_LEDGER_KEY").write_text("k" * 16)
    opened.clear()
    made = client(plugins=Plugins())
    assert kinds(made.provider) >= BUILT_IN.keys()
    assert (opened[".env"], opened["SMSBRIDGE_LEDGER_KEY"]) == (1, 1)


@pytest.mark.parametrize(
    "read",
    [
        Settings.from_env,
        lambda: Plugins().stack("failover"),
        lambda: Plugins().account("failover"),
        lambda: FailoverPolicy.from_env(resolve=lambda name: MemoryProvider(account=name)),
        lambda: OptoutPolicy.around(MemoryProvider(), "memory_optout", "optout"),
        MemoryProvider.from_env,
    ],
)
def test_what_is_read_by_hand_is_a_reading_of_its_own(read, opened, tmp_path):
    write_dotenv(every_policy(tmp_path))
    for _ in range(2):
        opened.clear()
        read()
        assert opened[".env"] == 1


@pytest.mark.parametrize(
    "arguments",
    [
        ["doctor"],
        ["doctor", "--account", "first"],
        ["explain", "+919876543210", "hello you"],
        ["send", "+919876543210", "hello you", "--dry-run"],
        ["send", "+919876543210", "hello you"],
        ["hours", "+919876543210"],
        ["segments", "hello", "--to", "+919876543210"],
    ],
)
def test_a_command_reads_once(arguments, opened, tmp_path):
    write_dotenv(every_policy(tmp_path))
    opened.clear()
    run(*arguments)
    assert opened[".env"] == 1


@pytest.mark.parametrize("arguments", [["--help"], ["segments", "hello"], ["providers"], ["providers", "ledger"]])
def test_a_command_that_needs_no_setting_reads_none(arguments, opened, tmp_path):
    write_dotenv(every_policy(tmp_path))
    opened.clear()
    run(*arguments)
    assert opened[".env"] == 0


def test_a_new_client_reads_anew(monkeypatch):
    for attempts in (2, 3):
        write_dotenv({"SMSBRIDGE_TEXT_MAX_SEGMENTS": attempts})
        monkeypatch.setenv("SMSBRIDGE_TIMEOUT", str(attempts))
        client = SmsClient("memory", plugins=Plugins())
        assert (client.provider.max_segments, client.settings.timeout) == (attempts, attempts)


def test_what_changes_while_a_client_is_made_is_not_seen_half(during, monkeypatch):
    def change(made):
        write_dotenv({"SMSBRIDGE_SECOND_TOKEN": "later"})
        monkeypatch.setenv("SMSBRIDGE_SECOND_TOKEN", "later")

    during(change)
    values = {
        "FAILOVER_ACCOUNTS": "first,second",
        "FIRST_PROVIDER": "speaking",
        "SECOND_PROVIDER": "speaking",
        "FIRST_TOKEN": "a",
        "SECOND_TOKEN": "b",
    }
    write_dotenv({f"SMSBRIDGE_{name}": value for name, value in values.items()})
    for expected in ("b", "later"):
        provider = Plugins(Plugin()).stack("failover") if expected == "b" else None
        token = provider.inside[0].accounts[1].token if provider else Speaking.from_env("second").token
        assert token.get_secret_value() == expected


# --- a mapping instead of the environment -----------------------------------------------------------------------------------


@pytest.fixture
def hostile(monkeypatch, tmp_path):
    """Settings in all other places, which a client with a mapping must ignore."""
    folder = tmp_path / "hostile"
    folder.mkdir()
    (folder / "SMSBRIDGE_TIMEOUT").write_text("7")
    monkeypatch.setenv("SMSBRIDGE_SECRETS_DIR", str(folder))
    monkeypatch.setenv("SMSBRIDGE_PROVIDER", "file")
    write_dotenv({"SMSBRIDGE_TEXT_MAX_SEGMENTS": "1", "SMSBRIDGE_ENV": "production", "SMSBRIDGE_MEMORY_LOG": "x"})
    return folder


@pytest.mark.parametrize("client", CLIENTS)
def test_a_mapping_is_the_whole_truth(client, hostile, opened):
    made = client(environ={"SMSBRIDGE_PROVIDER": "memory"}, plugins=Plugins())
    assert made.settings == Settings(provider="memory")
    assert kinds(made.provider) == {"memoryprovider"}
    assert opened[".env"] == 0
    assert Settings.from_env(environ={}) == Settings()
    assert kinds(Plugins().stack("memory", environ={})) == {"memoryprovider"}


def test_unless_it_names_a_secrets_directory(hostile, tmp_path):
    folder = tmp_path / "ours"
    folder.mkdir()
    (folder / "SMSBRIDGE_TIMEOUT").write_text("9")
    settings = Settings.from_env(environ={"SMSBRIDGE_SECRETS_DIR": str(folder)})
    assert settings == Settings(timeout=9, secrets_dir=str(folder))
    with pytest.raises(ConfigurationError, match="SMSBRIDGE_SECRETS_DIR does not name a directory"):
        Settings.from_env(environ={"SMSBRIDGE_SECRETS_DIR": str(folder / "none")})


def test_each_rule_for_values_holds_in_it_too():
    for environ, words in (
        ({"SMSBRIDGE_TIMEOUT": '"5"'}, "SMSBRIDGE_TIMEOUT still has quotes"),
        ({"SMSBRIDGE_TIMEOUT": "x"}, "SMSBRIDGE_TIMEOUT is wrong"),
        ({"SMSBRIDGE_PROVIDER": "unknown"}, "no provider 'unknown'"),
        ({"SMSBRIDGE_RETRY_ATEMPTS": "3"}, "did you mean SMSBRIDGE_RETRY_ATTEMPTS"),
        ({"SMSBRIDGE_ENV": "production"}, "account 'console' ends texts here"),
    ):
        with pytest.raises(ConfigurationError, match=words):
            SmsClient(environ=environ, plugins=Plugins())
    settings = Settings.from_env(environ={"smsbridge_timeout": "5", "SMSBRIDGE_DEADLINE": " ", "SMSBRIDGE_ENV": None})
    assert settings == Settings(timeout=5)


@pytest.mark.parametrize(
    ("environ", "words"),
    [
        ({"SMSBRIDGE_TIMEOUT": 5}, "the values of environ are strings, but not that of SMSBRIDGE_TIMEOUT"),
        ({"SMSBRIDGE_SECRETS_DIR": Path()}, "but not that of SMSBRIDGE_SECRETS_DIR"),
        ([("SMSBRIDGE_TIMEOUT", "5")], "environ is a mapping of variables, not list"),
    ],
)
def test_a_mapping_of_other_things_is_refused(environ, words):
    for read in (SmsClient, Settings.from_env, lambda environ: Plugins().stack("memory", environ=environ)):
        with pytest.raises(ConfigurationError, match=words):
            read(environ=environ)
    assert Settings.from_env(environ={"DEBUG": True, 5: 5, "SMSBRIDGE_TIMEOUT": "5"}) == Settings(timeout=5)


def test_a_mapping_is_copied_when_it_is_given(during):
    environ = {"SMSBRIDGE_SPEAKING_TOKEN": "t", "SMSBRIDGE_TEXT_MAX_SEGMENTS": "2"}
    during(lambda made: environ.clear())
    assert Plugins(Plugin()).stack("speaking", environ=environ).max_segments == 2
    assert environ == {}


def test_what_a_policy_asks_later_is_still_the_environment_of_its_client(monkeypatch, tmp_path):
    """In production no file is made: neither when the first text is sent, nor when a rehearsal has ended."""
    monkeypatch.setenv("SMSBRIDGE_ENV", "production")
    environ = {f"SMSBRIDGE_{name}_STORE": f"sqlite:///{tmp_path / name}" for name in ("LEDGER", "OPTOUT")}
    with Rehearsal():
        client = SmsClient("memory", environ=environ, plugins=Plugins())
    client.send("+919876543210", "hello")
    client.close()
    assert (tmp_path / "LEDGER").exists()
    assert (tmp_path / "OPTOUT").exists()
    monkeypatch.delenv("SMSBRIDGE_ENV")
    elsewhere = {name: f"{path}2" for name, path in environ.items()}
    with Rehearsal():
        allowed = {"SMSBRIDGE_ENV": "production", "SMSBRIDGE_ENV_ALLOWS": "memory"}
        client = SmsClient("memory", environ={**elsewhere, **allowed}, plugins=Plugins())
    assert client.try_send("+919876543210", "hello").error is not None
    client.close()
    assert not [*tmp_path.glob("*2")]


# --- clients are separate ---------------------------------------------------------------------------------------------------


def made(tenant, client=SmsClient):
    environ = {"SMSBRIDGE_SPEAKING_TOKEN": tenant, "SMSBRIDGE_SPEAKING_TEXT_MAX_SEGMENTS": tenant}
    return client("speaking", environ=environ, plugins=Plugins(Plugin()))


def tenant_of(client):
    """The tenant's values that the client has: they must all be equal."""
    values = {layer.token.get_secret_value() for layer in each(client.provider) if isinstance(layer, Speaking)}
    values |= {str(layer.max_segments) for layer in each(client.provider) if hasattr(layer, "max_segments")}
    (value,) = values
    return value


def test_threads_that_make_clients_at_once_do_not_mix(during):
    barrier = threading.Barrier(8)
    during(lambda making: barrier.wait(10))
    with ThreadPoolExecutor(8) as pool:
        clients = [*pool.map(made, [str(tenant) for tenant in range(1, 9)])]
    assert [tenant_of(client) for client in clients] == [str(tenant) for tenant in range(1, 9)]


async def test_nor_do_tasks(monkeypatch):
    monkeypatch.setenv("SMSBRIDGE_TIMEOUT", "3")

    async def make(tenant):
        client = made(tenant, AsyncSmsClient)
        await asyncio.sleep(0)
        assert Settings.from_env().timeout == 3
        return tenant_of(client)

    tenants = [str(tenant) for tenant in range(1, 9)]
    assert await asyncio.gather(*map(make, tenants)) == tenants


@pytest.mark.parametrize("failure", [RuntimeError, ConfigurationError, KeyboardInterrupt, SystemExit, GeneratorExit])
@pytest.mark.parametrize("client", CLIENTS)
def test_one_that_fails_half_way_leaves_nothing_behind(client, failure, during, monkeypatch):
    def fail(making):
        raise failure

    during(fail)
    with pytest.raises(failure):
        made("1", client)
    monkeypatch.setenv("SMSBRIDGE_SPEAKING_TOKEN", "3")
    during(lambda making: None)
    assert Speaking.from_env().token.get_secret_value() == "3"
    assert tenant_of(made("2", client)) == "2"


def test_a_client_made_while_another_is_made_has_its_own_mapping_or_shares(during):
    inner = []

    def once(making):
        if not inner:
            inner.append(None)
            inner[:] = [Settings.from_env(environ={"SMSBRIDGE_TIMEOUT": "3"}), made("2"), Speaking.from_env()]

    during(once)
    client = made("1")
    assert inner[0] == Settings(timeout=3)
    assert tenant_of(inner[1]) == "2"
    assert inner[2].token.get_secret_value() == "1"
    assert tenant_of(client) == "1"


async def test_a_task_that_is_begun_meanwhile_reads_the_environment_once_the_client_is_made(during, monkeypatch):
    async def later():
        return Settings.from_env().timeout

    tasks, contexts = [], []

    def begin(making):
        tasks.append(asyncio.ensure_future(later()))
        contexts.append(contextvars.copy_context())

    during(begin)
    monkeypatch.setenv("SMSBRIDGE_TIMEOUT", "3")
    made("1", AsyncSmsClient)
    assert await tasks[0] == 3
    assert contexts[0].run(Settings.from_env).timeout == 3


# --- secrets ----------------------------------------------------------------------------------------------------------------


@pytest.fixture
def everywhere(monkeypatch, tmp_path):
    """A secret in each place."""
    (tmp_path / "SMSBRIDGE_A_TOKEN").write_text(SECRET)
    monkeypatch.setenv("SMSBRIDGE_SECRETS_DIR", str(tmp_path))
    monkeypatch.setenv("SMSBRIDGE_B_TOKEN", SECRET)
    write_dotenv({"SMSBRIDGE_C_TOKEN": SECRET})


def test_no_snapshot_shows_a_value(everywhere):
    taken = snapshot.current()
    assert [SECRET in str([*values.values()]) for values in taken.places().values()] == [True, True, True]
    assert SECRET not in f"{taken!r} {taken!s} {Reading(taken.process)!r} {copy.deepcopy(taken)!r}"


def test_what_could_not_be_read_is_known_and_the_rest_is_read(everywhere, tmp_path):
    (tmp_path / "SMSBRIDGE_D_TOKEN").write_bytes(b"\xff\xfe")
    (tmp_path / "SMSBRIDGE_E_TOKEN").write_text("\n")
    (tmp_path / "SMSBRIDGE_F_DIR").mkdir()
    (tmp_path / "FOREIGN").write_bytes(b"\xff\xfe")
    assert environment.read("a", ["token"])["token"].value == SECRET
    with pytest.raises(ConfigurationError, match="cannot be read as UTF-8"):
        environment.read("d", ["token"])
    names = {f"SMSBRIDGE_{letter}_TOKEN" for letter in "ABCD"} | {"SMSBRIDGE_SECRETS_DIR"}
    assert environment.variables() == {**dict.fromkeys(names, True), "SMSBRIDGE_E_TOKEN": False}


@pytest.mark.parametrize(
    "environ",
    [
        {"SMSBRIDGE_SPEAKING_TOKEN": SECRET, "SMSBRIDGE_TIMEOUT": "x"},
        {"SMSBRIDGE_SPEAKING_TOKEN": SECRET, "SMSBRIDGE_TIMEOUT": -5},
        {"SMSBRIDGE_SPEAKING_TOKEN": f'"{SECRET}"'},
        {"SMSBRIDGE_SPEAKING_TOKEN": SECRET, "SMSBRIDGE_TEXT_QQQQ": "x"},
        {"SMSBRIDGE_SPEAKING_TOKEN": SECRET, "SMSBRIDGE_SECRETS_DIR": "none"},
    ],
)
@pytest.mark.parametrize("given", ["environ", "process"])
def test_no_frame_of_ours_holds_a_value_when_a_client_cannot_be_made(environ, given, monkeypatch):
    if given == "process":
        for name, value in environ.items():
            monkeypatch.setenv(name, str(value))
    with pytest.raises(ConfigurationError) as caught:
        SmsClient("speaking", plugins=Plugins(Plugin()), **({"environ": environ} if given == "environ" else {}))
    assert_hidden(caught.value)


@pytest.mark.parametrize("read", [Settings.from_env, lambda environ: Plugins().stack("memory", environ=environ)])
def test_nor_where_a_stack_or_the_settings_cannot_be_made(read):
    with pytest.raises(ConfigurationError) as caught:
        read(environ={"SMSBRIDGE_SPEAKING_TOKEN": SECRET, "SMSBRIDGE_SECRETS_DIR": "none"})
    assert_hidden(caught.value)


def assert_hidden(error):
    shown = traceback.TracebackException.from_exception(error, capture_locals=True)
    ours = [frame for frame in shown.stack if "/src/smsbridge/" in frame.filename]
    assert ours
    assert SECRET not in str([frame.locals for frame in ours]) + str(error)
