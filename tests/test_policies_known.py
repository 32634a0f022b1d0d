"""A distribution's policy stands at its place, is imported only if it is set, and is known like our own policies."""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import Distribution, EntryPoint, EntryPoints
from types import ModuleType

import pytest
from click.testing import CliRunner

import smsbridge.plugins
from scripted import HttpProvider
from smsbridge import ConfigurationError, ContentError, Gate, Plugins, Policy, SmsClient, groups
from smsbridge.cli.app import smsbridge as smsbridge_command
from smsbridge.composite import each
from smsbridge.hookspecs import hookimpl
from smsbridge.policies.known import BUILT_IN
from smsbridge.policies.policy import Finding, Place


class NightPolicy(Gate):
    """Refuses texts at night."""

    name = "night"
    place = Place.ONCE
    quiet: bool = True

    def admit(self, message, *, verification=False):
        yield from ()
        if self.quiet:
            raise ContentError("it is night", reason="night")
        return message

    def findings(self):
        yield Finding("note", "it is night", "sleep")


class TextPolicy(Policy):
    name = "night"  # and no place


@pytest.fixture
def install(monkeypatch):
    """``install(night=NightPolicy)`` installs policies; a string is what an entry point names. Returns the plugins."""
    monkeypatch.setenv("SMSBRIDGE_PROVIDER", "memory")

    def put(*more, **policies):
        points = [*more]
        for name, kind in policies.items():
            module = ModuleType(f"smsbridge_{name}_policy")
            module.kind = kind
            monkeypatch.setitem(sys.modules, module.__name__, module)
            value = kind if isinstance(kind, str) else f"{module.__name__}:kind"
            points.append(EntryPoint(name, value, "smsbridge.policies"))
        monkeypatch.setattr(smsbridge.plugins, "entry_points", lambda: EntryPoints(points))
        monkeypatch.setattr(smsbridge.plugins, "default_plugins", Plugins)
        return Plugins()

    return put


def placed(where, name="night"):
    return type("Placed", (NightPolicy,), {"name": name, "place": where, "__module__": __name__})


def names(plugins, account="memory"):
    return [layer.name for layer in each(plugins.stack(account))]


EVERYTHING = {
    "TEXT_MAX_SEGMENTS": "5",
    "GUARD_TOTAL": "9/1h",
    "PURPOSE_OTP_EXPIRY": "10m",
    "RETRY_ATTEMPTS": "2",
    "HOURS_MARGIN": "60",
    "LIMIT_SENDS": "9/1s",
}


@pytest.mark.parametrize("place", list(Place))
def test_it_stands_where_its_place_says_and_within_a_place_by_its_name(install, monkeypatch, place):
    plugins = install(night=placed(place))
    for name, value in EVERYTHING.items():
        monkeypatch.setenv(f"SMSBRIDGE_{name}", value)
    ours = names(plugins)
    assert "night" not in ours
    monkeypatch.setenv("SMSBRIDGE_NIGHT_QUIET", "yes")
    found = names(plugins)
    assert [name for name in found if name != "night"] == ours
    expected = {"night": place, "text": 0, "guard": 2, "purpose": 2, "retry": 3, "hours": 4, "limit": 6}
    order = [(expected[name], name) for name in found if name != "memory"]
    assert order == sorted(order)


def test_what_stands_at_the_account_stands_at_each_and_the_rest_once(install, monkeypatch):
    monkeypatch.setenv("SMSBRIDGE_FAILOVER_ACCOUNTS", "memory,console")
    monkeypatch.setenv("SMSBRIDGE_NIGHT_QUIET", "no")
    assert names(install(night=placed(Place.ACCOUNT)), "failover").count("night") == 2
    assert names(install(night=placed(Place.ONCE)), "failover").count("night") == 1


def test_it_changes_what_is_sent_and_has_settings_for_one_account(install, monkeypatch):
    plugins = install(night=NightPolicy)
    monkeypatch.setenv("SMSBRIDGE_NIGHT_QUIET", "yes")
    assert SmsClient(plugins=plugins).try_send("+919876543210", "Hello").error.reason == "night"
    monkeypatch.setenv("SMSBRIDGE_MEMORY_NIGHT_QUIET", "no")
    assert SmsClient(plugins=plugins).try_send("+919876543210", "Hello").sent


def test_it_is_not_imported_where_nothing_of_it_is_set(install, monkeypatch):
    plugins = install(night="no_such_module:kind", broken="neither:kind")
    assert names(plugins) == ["memory"]
    assert {"night", "broken"} <= set(plugins.policies.names())
    monkeypatch.setenv("SMSBRIDGE_NIGHT_QUIET", "yes")
    with pytest.raises(ConfigurationError, match=r"policy 'night' of .* cannot be imported: ModuleNotFoundError"):
        plugins.stack("memory")


@pytest.mark.parametrize(
    ("stray", "meant"),
    [("NIGHT_QUIT", "NIGHT_QUIET"), ("NIGT_QUIET", "NIGHT_QUIET"), ("MEMORY_NIGHT_QUITE", "MEMORY_NIGHT_QUIET")],
)
def test_a_misspelt_setting_of_it_says_what_was_meant(install, monkeypatch, stray, meant):
    plugins = install(night=NightPolicy)
    monkeypatch.setenv(f"SMSBRIDGE_{stray}", "no")
    with pytest.raises(ConfigurationError, match=f"nothing reads SMSBRIDGE_{stray}: did you mean SMSBRIDGE_{meant}"):
        plugins.stack("memory")


def test_a_wrong_setting_of_it_is_named_without_its_value(install, monkeypatch):
    plugins = install(night=NightPolicy)
    monkeypatch.setenv("SMSBRIDGE_NIGHT_QUIET", "SECRET-VALUE")
    with pytest.raises(ConfigurationError, match="SMSBRIDGE_NIGHT_QUIET is wrong") as caught:
        plugins.stack("memory")
    assert "SECRET" not in str(caught.value)


def test_one_without_a_place_is_refused_where_it_is_set_and_can_be_composed(install, monkeypatch):
    class Roaming(NightPolicy):
        place = None

    plugins = install(night=Roaming)
    monkeypatch.setenv("SMSBRIDGE_NIGHT_QUIET", "no")
    with pytest.raises(ConfigurationError, match=r"policy night has no place.*SMSBRIDGE_NIGHT_INNER"):
        plugins.stack("memory")
    monkeypatch.setenv("SMSBRIDGE_NIGHT_INNER", "memory")
    assert names(plugins, "night") == ["night", "memory"]
    assert names(plugins) == ["memory"]


@pytest.mark.parametrize("method", ["applies", "standing"])
def test_a_policy_that_raises_is_named_without_its_words(install, monkeypatch, method):
    def fail(cls, *given, **more):
        raise LookupError("SECRET")

    broken = type("Broken", (NightPolicy,), {method: classmethod(fail), "__module__": __name__})
    plugins = install(night=broken)
    monkeypatch.setenv("SMSBRIDGE_NIGHT_QUIET", "no")
    with pytest.raises(ConfigurationError, match="policy night failed with LookupError") as caught:
        plugins.stack("memory")
    assert "SECRET" not in str(caught.value)
    assert caught.value.__context__ is None


@pytest.mark.parametrize(
    "kind",
    [
        HttpProvider,
        NightPolicy(inner=HttpProvider()),
        type("Other", (NightPolicy,), {"name": "other", "__module__": __name__}),
    ],
)
def test_what_is_no_policy_of_that_name_is_refused(install, monkeypatch, kind):
    plugins = install(night=kind)
    monkeypatch.setenv("SMSBRIDGE_NIGHT_QUIET", "no")
    with pytest.raises(
        ConfigurationError, match=r"policy 'night' of .* is no subclass of smsbridge.Policy of that name"
    ):
        plugins.stack("memory")


def test_two_of_one_name_are_an_error_for_who_wants_that_name_alone(install, monkeypatch):
    second = EntryPoint("night", "another_module:kind", "smsbridge.policies")
    plugins = install(second, night=NightPolicy)
    assert names(plugins) == ["memory"]
    monkeypatch.setenv("SMSBRIDGE_NIGHT_QUIET", "no")
    with pytest.raises(ConfigurationError, match=r"two policies are named 'night': in .* and in .*; uninstall one"):
        plugins.stack("memory")


@pytest.mark.parametrize("name", sorted(BUILT_IN))
def test_no_plugin_can_take_the_name_of_a_policy_of_ours(install, monkeypatch, name):
    plugins = install(**{name: placed(Place.ONCE, name)})
    with pytest.raises(ConfigurationError, match=f"two policies are named '{name}': in smsbridge itself and in"):
        plugins.policies.get(name)


@pytest.mark.parametrize("name", ["memory", "timeout"])
def test_nor_that_of_a_provider_or_of_a_setting(install, monkeypatch, name):
    plugins = install(**{name: placed(Place.ONCE, name)})
    with pytest.raises(ConfigurationError, match=r"cannot have this name: .*; uninstall smsbridge_"):
        plugins.policies.get(name)
    assert names(plugins) == ["memory"]


def test_one_with_the_name_of_a_provider_is_in_the_way_only_of_variables_that_could_be_its_own(install, monkeypatch):
    """Passing over these variables would let a policy vanish that is set up."""
    plugins = install(console=placed(Place.ONCE, "console"))
    monkeypatch.setenv("SMSBRIDGE_CONSOLE_SHOW_NUMBERS", "1")
    assert names(plugins, "console") == ["console"]
    monkeypatch.setenv("SMSBRIDGE_CONSOLE_QUIET", "no")
    words = "policy 'console' of smsbridge_console_policy:kind cannot have this name: a provider has that name; uninstall smsbridge_console_policy:kind"
    for account in ("console", "memory"):
        with pytest.raises(ConfigurationError) as caught:
            plugins.stack(account)
        assert words in str(caught.value)


def test_a_provider_of_the_name_of_a_policy_is_refused(install):
    plugins = install(night=NightPolicy)
    other = type("Other", (HttpProvider,), {"name": "guard", "__module__": __name__})
    with pytest.raises(ConfigurationError, match="two providers are named 'guard'"):
        plugins.register(type("Hooks", (), {"smsbridge_providers": hookimpl(lambda self: [other])})())


def test_a_place_that_is_none_is_refused(install, monkeypatch):
    plugins = install(night=placed("once"))
    monkeypatch.setenv("SMSBRIDGE_NIGHT_QUIET", "no")
    with pytest.raises(ConfigurationError, match=r"policy 'night' of .* has a place that is no"):
        plugins.stack("memory")


@pytest.mark.parametrize(
    "said", [None, 7, "words", ["words"], [Finding("odd", "it is night")], LookupError("its words")]
)
def test_findings_that_are_none_do_no_harm(install, monkeypatch, said):
    def findings(self):
        if isinstance(said, Exception):
            raise said
        return said

    install(night=type("Odd", (NightPolicy,), {"findings": findings, "__module__": __name__}))
    monkeypatch.setenv("SMSBRIDGE_NIGHT_QUIET", "no")
    done = CliRunner().invoke(smsbridge_command, ["doctor"])
    assert done.exit_code == 0
    assert "its words" not in done.output


def test_a_variable_without_the_underscore_behind_a_third_partys_policy_is_told_apart(install, monkeypatch):
    class LullPolicy(NightPolicy):
        name = "lull"
        pause: float = 1.0
        path: str = ""

    install(lull=LullPolicy)
    monkeypatch.setenv("SMSBRIDGE_LULLPAUSE", "5")
    with pytest.raises(ConfigurationError, match=r"SMSBRIDGE_LULLPAUSE: did you mean SMSBRIDGE_LULL_PAUSE\?"):
        SmsClient()


def test_clients_that_are_made_in_many_threads_at_once_are_all_made():
    for _ in range(20):
        with ThreadPoolExecutor(8) as pool:
            made = list(pool.map(Plugins().stack, ["memory"] * 8))
        assert {layer.name for layer in made} == {"memory"}


@pytest.mark.parametrize(
    ("requires", "words"),
    [
        ("smsbridge>=0.9,<0.10", "it asks for smsbridge >=0.9,<0.10, and this is "),
        ("smsbridge (>=0.9)", "it asks for smsbridge (>=0.9), and this is "),
        ("smsbridge[cli]>=0.9", "it asks for smsbridge >=0.9, and this is "),
        ("smsbridge>=0.1", None),
        ("smsbridge (>=0.1,<99)", None),
        ("smsbridge>=what", "it asks for smsbridge >=what, and this is "),
        ("smsbridge-twincle>=0.9", None),
        ("smsbridge", None),
    ],
)
def test_a_part_for_another_smsbridge_says_which(tmp_path, requires, words):
    info = tmp_path / "night-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: night\nVersion: 1.0\nRequires-Dist: {requires}\n")
    (info / "entry_points.txt").write_text("[smsbridge.policies]\nnight = smsbridge:NotYetThere\n")
    (point,) = Distribution.at(info).entry_points
    said = groups.failure(point, ImportError("no NotYetThere"))
    assert said.startswith("cannot be imported: ImportError: no NotYetThere")
    assert ("it asks for" in said) == (words is not None)
    assert words is None or words in said
