"""Plugins are found by name, imported on demand, and refused if they would not work."""

from __future__ import annotations

import asyncio
import importlib
import subprocess
import sys
from importlib.metadata import EntryPoint, EntryPoints
from types import ModuleType

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import smsbridge.plugins
from scripted import Recorder, provider, tell
from smsbridge.client import SmsClient
from smsbridge.composite import account_names
from smsbridge.errors import ConfigurationError, OptedOutError, VetoedError
from smsbridge.hookspecs import hookimpl
from smsbridge.http import HttpRequest
from smsbridge.messages import DeliveryReport, SentMessage, Status
from smsbridge.plugins import Plugins
from smsbridge.policies.policy import Policy
from smsbridge.provider import SmsProvider
from smsbridge.settings import Settings


def provider_class(name):
    return type(provider(name=name))


def plugin(*classes, module="acme_module"):
    made = ModuleType(module)

    @hookimpl
    def smsbridge_providers():
        return list(classes)

    made.smsbridge_providers = smsbridge_providers
    return made


@pytest.fixture
def install(monkeypatch):
    """Install modules as plugins: ``install(acme=module)``; a string is the name of a module that may not exist."""
    points = []

    def put(group="smsbridge", **modules):
        for name, module in modules.items():
            if isinstance(module, ModuleType):
                monkeypatch.setitem(sys.modules, module.__name__, module)
            points.append(EntryPoint(name, getattr(module, "__name__", module), group))

    monkeypatch.setattr(smsbridge.plugins, "entry_points", lambda: EntryPoints(points))
    return put


# --- providers ------------------------------------------------------------------------------------------------------------


def test_what_is_installed_is_looked_for_once(monkeypatch):
    asked = []
    monkeypatch.setattr(smsbridge.plugins, "entry_points", lambda: asked.append("all") or EntryPoints())
    monkeypatch.setenv("SMSBRIDGE_FAILOVER_ACCOUNTS", "memory,file")
    monkeypatch.setenv("SMSBRIDGE_FILE_PATH", "sent.jsonl")
    plugins = Plugins()
    for _ in range(2):
        plugins.stack("failover")
    assert asked == ["all"]


def test_the_builtin_providers_are_there_without_any_plugin(install):
    plugins = Plugins()
    assert plugins.names() == ["console", "file", "http", "memory"]
    for name in plugins.names():
        assert plugins.provider_class(name).name == name
        assert plugins.origin(name) == "smsbridge"


def unknown(name):
    with pytest.raises(ConfigurationError) as caught:
        Plugins().provider_class(name)
    with pytest.raises(ConfigurationError) as again:
        Plugins().account(name)
    words = str(caught.value)
    then = "" if words.endswith("?") else ";"
    assert str(again.value) == f"{words}{then} for an account of that name, set SMSBRIDGE_{name.upper()}_PROVIDER"
    return words


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("acme", ""),
        ("zetta", "; did you mean 'zeta'?"),
        ("consol", "; did you mean 'console'?"),
        ("failovr", "; did you mean the policy 'failover'?"),
    ],
)
def test_an_unknown_provider_says_what_is_there_and_what_is_near(install, name, words):
    install(zeta="zeta_module")
    assert unknown(name) == f"no provider {name!r}; have console, file, http, memory, zeta{words}"


@pytest.mark.parametrize("name", ["infobip", "plivo", "twilio", "twincle", "vonage"])
def test_a_package_is_named_if_it_is_one_of_ours(install, name):
    install()
    assert unknown(name) == f"no provider {name!r}; have console, file, http, memory; try: pip install smsbridge-{name}"


def test_a_name_near_one_of_ours_says_so(install):
    install()
    assert unknown("twinkle").endswith("; did you mean 'twincle'? try: pip install smsbridge-twincle")
    install(twincle="twincle_module")
    assert unknown("twinkle").endswith("; did you mean 'twincle'?")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text("abcdefghijklmnopqrstuvwxyz0123456789", min_size=1, max_size=12))
def test_no_package_of_a_stranger_is_ever_named(name):
    try:
        Plugins().provider_class(name)
    except ConfigurationError as error:
        named = str(error).partition("pip install ")[2]
        assert named in ("", *(f"smsbridge-{vendor}" for vendor in ("infobip", "plivo", "twilio", "twincle", "vonage")))


def test_an_installed_provider_is_found_by_the_name_of_its_entry_point(install):
    acme = provider_class("acme")
    install(acme=plugin(acme))
    plugins = Plugins()
    assert plugins.provider_class("acme") is acme
    assert plugins.provider_class("acme") is acme
    assert plugins.account("acme").account == "acme"
    assert plugins.origin("acme") == "acme_module"


def test_no_provider_is_imported_before_it_is_asked_for(install):
    install(acme="smsbridge_no_such_module", memory2=plugin(provider_class("memory2"), module="memory2_module"))
    plugins = Plugins()
    assert "acme" in plugins.names()
    assert plugins.account("memory").name == "memory"
    assert plugins.account("memory2").name == "memory2"


def test_a_plugin_that_cannot_be_imported_is_named_and_disturbs_no_other(install):
    install(broken="smsbridge_no_such_module", acme=plugin(provider_class("acme")))
    plugins = Plugins()
    with pytest.raises(
        ConfigurationError, match=r"plugin smsbridge_no_such_module .*cannot be imported: ModuleNotFound"
    ):
        plugins.account("broken")
    assert plugins.account("acme").name == "acme"


def test_a_plugin_that_fails_when_imported_is_named(install, monkeypatch, tmp_path):
    (tmp_path / "smsbridge_breaks.py").write_text("raise RuntimeError('no licence')")
    monkeypatch.syspath_prepend(tmp_path)
    install(broken="smsbridge_breaks")
    with pytest.raises(ConfigurationError, match=r"smsbridge_breaks.*RuntimeError: no licence"):
        Plugins().provider_class("broken")


def test_two_installed_plugins_of_one_name_are_refused_by_name(install):
    install(acme=plugin(provider_class("acme"), module="one"))
    install(acme=plugin(provider_class("acme"), module="two"))
    with pytest.raises(ConfigurationError, match="two providers are named 'acme': in one and in two; uninstall one"):
        Plugins().provider_class("acme")


def test_no_plugin_can_take_the_name_of_a_builtin_provider(install):
    install(memory=plugin(provider_class("memory")))
    with pytest.raises(
        ConfigurationError, match="two providers are named 'memory': in smsbridge itself and in acme_module"
    ):
        Plugins().provider_class("memory")
    with pytest.raises(ConfigurationError, match="two providers are named 'console'"):
        Plugins().register(plugin(provider_class("console")))


def test_a_plugin_cannot_shadow_another_by_bringing_its_provider_too(install):
    install(acme=plugin(provider_class("acme"), provider_class("zeta"), module="greedy"))
    install(zeta=plugin(provider_class("zeta"), module="honest"))
    plugins = Plugins()
    plugins.provider_class("acme")
    with pytest.raises(ConfigurationError, match="two providers are named 'zeta': in honest and in greedy"):
        plugins.provider_class("zeta")


def test_a_plugin_registered_by_hand_cannot_shadow_an_installed_one(install):
    install(acme=plugin(provider_class("acme"), module="installed"))
    plugins = Plugins(plugin(provider_class("acme"), module="by_hand"))
    with pytest.raises(ConfigurationError, match="two providers are named 'acme'"):
        plugins.provider_class("acme")


def test_two_registered_plugins_of_one_name_are_refused_and_the_first_stays():
    plugins = Plugins(plugin(provider_class("acme"), module="one"))
    with pytest.raises(ConfigurationError, match="two providers are named 'acme': in one and in two"):
        plugins.register(plugin(provider_class("acme"), module="two"))
    assert plugins.origin("acme") == "one"


def test_one_plugin_cannot_bring_two_providers_of_one_name():
    with pytest.raises(ConfigurationError, match="two providers are named 'acme'"):
        Plugins().register(plugin(provider_class("acme"), provider_class("acme")))


class Brings:
    def __init__(self, made):
        self.made = made

    @hookimpl
    def smsbridge_providers(self):
        return [self.made]


def test_a_name_belongs_to_one_class_even_if_both_plugins_are_called_the_same():
    plugins = Plugins(Brings(provider_class("acme")))
    with pytest.raises(ConfigurationError, match="two providers are named 'acme'"):
        plugins.register(Brings(provider_class("acme")))


def test_one_class_may_be_brought_twice():
    acme = provider_class("acme")
    assert Plugins(Brings(acme), Brings(acme)).provider_class("acme") is acme


def test_one_plugin_may_bring_several_providers(install):
    module = plugin(provider_class("acme"), provider_class("acme2"))
    install(acme=module, acme2=module)
    plugins = Plugins()
    assert [plugins.provider_class(name).name for name in ("acme", "acme2")] == ["acme", "acme2"]


def test_a_plugin_without_the_provider_it_is_installed_for_is_refused(install):
    install(acme=plugin(provider_class("other")))
    with pytest.raises(ConfigurationError, match="plugin acme_module has no provider named 'acme'"):
        Plugins().provider_class("acme")


@pytest.mark.parametrize(
    "name", ["Acme", "my-acme", "my_acme", "", "provider", "timeout", "default", "secrets", "concurrency"]
)
def test_a_provider_cannot_have_a_name_that_its_variables_could_not_have(name):
    with pytest.raises(ConfigurationError, match="cannot be a provider's name"):
        Plugins().register(plugin(provider_class(name)))


@pytest.mark.parametrize(
    "given", [["acme"], [object], [provider_class("acme")()], [type("Nameless", (SmsProvider,), {})]]
)
def test_only_provider_classes_with_a_name_are_taken(given):
    with pytest.raises(ConfigurationError, match="must return classes of SmsProvider"):
        Plugins().register(plugin(*given))


def test_a_providers_hook_that_fails_or_returns_nothing_is_named():
    class Fails:
        @hookimpl
        def smsbridge_providers(self):
            raise LookupError("no licence")

    class Nothing:
        @hookimpl
        def smsbridge_providers(self):
            return None

    for broken, words in ((Fails(), "LookupError: no licence"), (Nothing(), "TypeError")):
        with pytest.raises(ConfigurationError, match=rf"plugin \w+: smsbridge_providers\(\) failed: {words}"):
            Plugins().register(broken)


def test_a_refused_plugin_leaves_nothing_behind():
    class Half(Recorder):
        @hookimpl
        def smsbridge_providers(self):
            return [provider_class("acme"), "zeta"]

    half, plugins = Half(), Plugins()
    with pytest.raises(ConfigurationError):
        plugins.register(half)
    tell(plugins)
    assert half.calls == []
    assert "acme" not in plugins.names()


def test_who_is_registered_later_is_told_of_what_comes_later_and_who_is_refused_of_nothing():
    class Half(Recorder):
        @hookimpl
        def smsbridge_providers(self):
            return ["zeta"]

    first, later, half, plugins = Recorder(), Recorder(), Half(), Plugins()
    tell(plugins)  # asked for before it exists
    plugins.register(first)
    tell(plugins)
    with pytest.raises(ConfigurationError):
        plugins.register(half)
    plugins.register(later)
    tell(plugins)
    assert (len(first.calls), len(later.calls), len(half.calls)) == (2, 1, 0)


# --- accounts -------------------------------------------------------------------------------------------------------------


def test_an_account_is_a_provider_under_another_name_with_settings_of_its_own(monkeypatch):
    monkeypatch.setenv("SMSBRIDGE_OTP_PROVIDER", "memory")
    monkeypatch.setenv("SMSBRIDGE_OTP_CAPACITY", "7")
    monkeypatch.setenv("SMSBRIDGE_MEMORY_CAPACITY", "3")
    with SmsClient("otp") as client:
        assert (client.provider.name, client.provider.account, client.provider.capacity) == ("memory", "otp", 7)
        assert client.send("+919876543210", "hello").account == "otp"


def test_nothing_is_inherited_between_an_account_and_its_provider(monkeypatch):
    monkeypatch.setenv("SMSBRIDGE_OTP_PROVIDER", "memory")
    monkeypatch.setenv("SMSBRIDGE_MEMORY_CAPACITY", "3")
    assert Plugins().account("otp").capacity == 10_000
    assert Plugins().account("memory").capacity == 3


@pytest.mark.parametrize("name", ["", "OTP", "my-otp", "my_otp", "otp ", "öTP", "otp\n"])
def test_the_name_of_an_account_has_small_letters_and_digits_only(name):
    with pytest.raises(ConfigurationError, match="lower-case letters and digits"):
        Plugins().account(name)


def test_an_account_of_an_unknown_provider_says_what_is_there(monkeypatch):
    monkeypatch.setenv("SMSBRIDGE_OTP_PROVIDER", "acme")
    with pytest.raises(ConfigurationError, match="no provider 'acme'; have console"):
        Plugins().account("otp")


def test_a_malformed_provider_of_an_account_is_named_by_its_variable_and_not_shown(monkeypatch):
    monkeypatch.setenv("SMSBRIDGE_OTP_PROVIDER", "SECRET value")
    with pytest.raises(ConfigurationError, match="SMSBRIDGE_OTP_PROVIDER") as caught:
        Plugins().account("otp")
    assert "SECRET" not in str(caught.value)


def test_the_name_of_a_provider_cannot_be_an_account_of_another(monkeypatch):
    monkeypatch.setenv("SMSBRIDGE_MEMORY_PROVIDER", "console")
    with pytest.raises(ConfigurationError, match="SMSBRIDGE_MEMORY_PROVIDER is set, but 'memory' is a provider"):
        Plugins().account("memory")


@pytest.mark.parametrize("name", ["provider", "timeout", "default", "secrets", "concurrency"])
def test_the_name_of_a_setting_cannot_be_an_account(monkeypatch, name):
    monkeypatch.setenv(f"SMSBRIDGE_{name.upper()}_PROVIDER", "memory")
    with pytest.raises(ConfigurationError, match=f"'{name}' cannot be the name of an account"):
        Plugins().account(name)


@pytest.mark.parametrize("setting", Settings.model_fields)
def test_no_account_can_have_the_first_word_of_a_setting_of_smsbridge(monkeypatch, setting):
    word = setting.partition("_")[0]
    monkeypatch.setenv(f"SMSBRIDGE_{word.upper()}_PROVIDER", "memory")
    with pytest.raises(ConfigurationError, match=f"{word!r} cannot be the name of an account"):
        Plugins().account_provider(word)


class Relay(Policy):
    """A provider that holds the account that its environment names."""

    name = "relay"

    @classmethod
    def from_env(cls, account=None, resolve=None):
        return cls(account=account or cls.name, inner=resolve({"relay": "a", "a": "b", "b": "a"}[account or "relay"]))


def test_accounts_that_hold_each_other_in_a_circle_are_refused(monkeypatch):
    monkeypatch.setenv("SMSBRIDGE_A_PROVIDER", "relay")
    monkeypatch.setenv("SMSBRIDGE_B_PROVIDER", "relay")
    plugins = Plugins(plugin(Relay))
    with pytest.raises(ConfigurationError, match="account 'a' holds itself: relay > a > b > a"):
        plugins.account("relay")


def test_an_account_may_be_held_twice_without_a_circle(monkeypatch):
    monkeypatch.setenv("SMSBRIDGE_A_PROVIDER", "memory")
    made = Plugins(plugin(Relay)).account("relay")
    assert account_names(made) == {"relay", "a"}


# --- hooks that would not work --------------------------------------------------------------------------------------------


class Async:
    @hookimpl
    async def smsbridge_after_send(self, sent):
        pass


class AsyncGenerator:
    @hookimpl
    async def smsbridge_before_send(self, message):
        yield


class Unmarked:
    def smsbridge_after_send(self, sent):
        pass


class Misspelt:
    @hookimpl
    def smsbridge_after_sent(self, sent):
        pass


class MisspeltUnmarked:
    def smsbridge_before_sent(self):
        pass


class WithoutPrefix:
    @hookimpl
    def after_send(self, sent):
        pass


class WrongArgument:
    @hookimpl
    def smsbridge_after_send(self, recipient):
        pass


class HookWrapper:
    @hookimpl(wrapper=True)
    def smsbridge_after_send(self):
        return (yield)


@pytest.mark.parametrize(
    ("broken", "words"),
    [
        (Async, "smsbridge_after_send is an async def"),
        (AsyncGenerator, "smsbridge_before_send is an async def"),
        (Unmarked, "smsbridge_after_send is not marked, so it would never run: write @hookimpl"),
        (Misspelt, "there is no hook smsbridge_after_sent; the hooks are smsbridge_providers, smsbridge_before_send"),
        (MisspeltUnmarked, "there is no hook smsbridge_before_sent"),
        (WithoutPrefix, "there is no hook after_send"),
        (WrongArgument, "recipient"),
        (HookWrapper, "smsbridge_after_send is a hook wrapper"),
    ],
)
def test_a_hook_that_would_never_run_is_refused_when_it_is_registered(broken, words):
    plugins, plugin = Plugins(), broken()
    for _ in range(2):  # and it leaves nothing behind
        with pytest.raises(ConfigurationError, match=rf"(?s)^plugin {broken.__name__}: .*{words}"):
            plugins.register(plugin)
    recorder = Recorder()
    plugins.register(recorder)
    tell(plugins)
    assert recorder.names == ["before"]


def test_a_plugin_registered_twice_is_refused_and_keeps_working():
    recorder = Recorder()
    plugins = Plugins(recorder)
    with pytest.raises(ConfigurationError, match="plugin Recorder"):
        plugins.register(recorder)
    tell(plugins)
    assert recorder.names == ["before"]


def test_hooks_of_installed_observers_run_from_the_start(install, monkeypatch):
    calls = []
    module = ModuleType("observer")

    @hookimpl
    def smsbridge_before_send(account):
        calls.append(account)

    module.smsbridge_before_send = smsbridge_before_send
    install("smsbridge.hooks", observer=module)
    tell(Plugins(), account="otp")
    assert calls == ["otp"]


def test_an_observer_that_cannot_be_imported_is_an_error_that_names_it(install):
    install("smsbridge.hooks", observer="smsbridge_no_such_module")
    with pytest.raises(ConfigurationError, match="plugin smsbridge_no_such_module"):
        Plugins()


# --- hooks that fail ------------------------------------------------------------------------------------------------------

SENT = SentMessage(account="a", provider="p", id="1")
REPORT = DeliveryReport(account="a", provider="p", id="1", status=Status.DELIVERED, final=True)


class RaisesLater:
    @hookimpl(trylast=True)
    def smsbridge_before_send(self):
        raise LookupError("second")

    @hookimpl(trylast=True)
    def smsbridge_event(self):
        raise LookupError("second")


class Raises:
    @hookimpl(tryfirst=True)
    def smsbridge_before_send(self):
        raise LookupError("first")

    @hookimpl(tryfirst=True)
    def smsbridge_after_send(self, message):
        raise LookupError(f"SECRET {message.text}")

    @hookimpl(tryfirst=True)
    def smsbridge_send_failed(self, message):
        raise LookupError(f"SECRET {message.text}")

    @hookimpl(tryfirst=True)
    def smsbridge_event(self):
        raise LookupError("first")


def test_the_first_exception_before_a_send_is_returned_and_all_hooks_are_told():
    recorder = Recorder()
    problem = tell(Plugins(recorder, Raises(), RaisesLater()))
    assert isinstance(problem, VetoedError)
    assert problem.detail == "LookupError: first"
    assert recorder.names == ["before"]


def test_a_veto_that_cannot_say_what_it_is_is_named():
    class Mute(Exception):
        def __str__(self):
            raise LookupError("SECRET")

    class Vetoes:
        @hookimpl
        def smsbridge_before_send(self):
            raise Mute

    problem = tell(Plugins(Vetoes()))
    assert (type(problem), problem.detail) == (VetoedError, "Mute")


def test_an_exception_after_a_send_is_logged_by_name_and_keeps_no_hook_from_running(caplog):
    recorder = Recorder()
    plugins = Plugins(recorder, Raises())
    tell(plugins, SENT)
    tell(plugins, OptedOutError())
    assert recorder.names == ["before", "after", "before", "failed"]
    assert [record.levelname for record in caplog.records] == ["ERROR", "ERROR"]
    assert "smsbridge_after_send failed in plugin Raises: LookupError" in caplog.text
    assert "SECRET" not in caplog.text


def test_an_exception_of_an_event_hook_is_raised_after_all_were_told():
    recorder = Recorder()
    with pytest.raises(LookupError, match="first"):
        Plugins(recorder, Raises(), RaisesLater()).event("a", "p", REPORT)
    assert recorder.names == ["event"]


def test_hooks_run_in_the_order_of_pluggy():
    order = []

    def observer(name, **options):
        class Observer:
            @hookimpl(**options)
            def smsbridge_before_send(self):
                order.append(name)

        return Observer()

    tell(Plugins(observer("last", trylast=True), observer("b"), observer("a"), observer("first", tryfirst=True)))
    assert order == ["first", "a", "b", "last"]


def test_default_plugins_are_made_once():
    assert smsbridge.plugins.default_plugins() is smsbridge.plugins.default_plugins()


def test_importing_plugins_imports_no_provider():
    code = "import sys, smsbridge.plugins as p; p.Plugins().names(); print([m for m in sys.modules if 'builtin.' in m or m.startswith('smsbridge_')])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_builtin_modules_are_ordinary_plugins():
    for name in smsbridge.plugins.BUILTIN:
        module = importlib.import_module(f"smsbridge.builtin.{name}")
        assert [provider.name for provider in module.smsbridge_providers()] == [name]


def test_a_wrapper_receives_what_its_inner_provider_receives(monkeypatch):
    monkeypatch.setenv("SMSBRIDGE_A_PROVIDER", "memory")
    made = Plugins(plugin(Relay)).account("relay")
    with pytest.raises(Exception, match="cannot tell whether a webhook is genuine"):
        made.verify(HttpRequest(method="POST", url="https://us.example"))


@pytest.mark.parametrize("problem", [ValueError, SystemExit, asyncio.CancelledError])
def test_whatever_an_after_hook_raises_the_text_is_accepted(problem):
    class Quits:
        @hookimpl
        def smsbridge_after_send(self):
            raise problem

    plugins = Plugins(Quits())
    tell(plugins, SENT)
