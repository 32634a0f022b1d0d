"""Make the diagnosis of ``smsbridge doctor``. Nothing here raises, because doctor explains broken configurations."""

from __future__ import annotations

import platform
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from importlib.metadata import PackageNotFoundError, entry_points, version
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from pydantic import BaseModel

from .. import environment, groups, plugins, snapshot, unread
from ..composite import each, inside
from ..errors import ConfigurationError
from ..policies import members, stack
from ..policies.policy import LEVELS, Finding, Policy
from ..provider import SmsProvider
from ..settings import Settings
from . import describe, hygiene, installed, tree
from .app import COMMANDS
from .tree import Branch

if TYPE_CHECKING:
    from ..environment import Found
    from ..plugins import Plugins

T = TypeVar("T")
NOWHERE = ("missing", "not set", "default")
_PACKAGES = ("smsbridge", "httpx", "pydantic", "pydantic-settings", "pluggy", "phonenumberslite", "click")


@dataclass(frozen=True, slots=True, kw_only=True)
class Value:
    """Hold the value of a setting as text to show, and where the value comes from.

    ``source`` is "missing", "not set" or "default" if the user set no value.
    """

    variable: str
    value: str | None
    source: str
    required: bool
    secret: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """Hold the settings of a policy around the chosen account, or of an account inside the chosen account.

    ``of`` names the policy or the account in words; ``policy`` is false for an account that talks to a vendor itself.
    """

    of: str
    policy: bool
    settings: list[Value]


@dataclass(slots=True, kw_only=True)
class Diagnosis:
    """Collect what ``smsbridge doctor`` finds out: the chosen provider and why, all settings, and all problems."""

    account: str = ""
    provider: str | None = None
    is_policy: bool = False
    origin: str | None = None
    because: str = ""
    versions: dict[str, str] = field(default_factory=dict)
    hooks: list[str] = field(default_factory=list)
    settings: list[Value] = field(default_factory=list)
    provider_settings: list[Value] = field(default_factory=list)
    other_settings: list[Section] = field(default_factory=list)
    tree: Branch | None = None
    findings: list[Finding] = field(default_factory=list)

    @property
    def works(self) -> bool:
        """Return whether sending could work, because no finding is an error."""
        return not any(finding.level == "error" for finding in self.findings)

    def find(self, level: Literal["error", "warning", "note"], message: str, advice: str = "") -> None:
        """Add a finding with ``message`` and ``advice``. A finding with the same ``message`` is not added twice."""
        if message not in [finding.message for finding in self.findings]:
            self.findings.append(Finding(level, message, advice))


def diagnose(account: str | None) -> tuple[Diagnosis, SmsProvider | None]:
    """Check everything that sending through ``account`` needs.

    Returns the diagnosis, and the provider of the account; None in its place if the settings are wrong and make no
    provider.
    """
    found = Diagnosis(versions=_versions(), hooks=_hook_plugins())
    known = _try(found, plugins.default_plugins)
    own = _read(found, Settings, None)
    settings = _try(found, Settings.from_env)
    if settings is not None and settings.timeout > settings.deadline:
        _note_a_long_timeout(found, settings)
    found.settings = _values(found, Settings, own)
    _choose(found, account, own.get("provider"))
    provider = _look_at_provider(found, known) if known is not None else None
    if provider is not None and known is not None:
        _look_inside(found, provider, settings or Settings(), known)
    elif known is not None:
        found.other_settings += _of_what_is_set(found, known)
    _look_for_strays(found, known)
    return found, provider


def _note_a_long_timeout(found: Diagnosis, settings: Settings) -> None:
    timeout, deadline = (environment.variable(None, name) for name in ("timeout", "deadline"))
    found.find(
        "warning",
        f"{timeout} ({settings.timeout:g}) is longer than {deadline} ({settings.deadline:g}): "
        f"a single slow answer uses up the whole call, and its text is uncertain",
        f"set {timeout} below {deadline}",
    )


def _choose(found: Diagnosis, account: str | None, setting: Found | None) -> None:
    variable = environment.variable(None, "provider")
    if account is not None:
        found.account, found.because = account, "--account"
    elif setting is not None:
        found.account, found.because = setting.value, f"{variable}, from {setting.source}"
    else:
        found.account, found.because = Settings().provider, f"the default, because {variable} is not set"
        found.find("note", "texts are printed and not sent", f"to send texts, set {variable}")


def _look_at_provider(found: Diagnosis, known: Plugins) -> SmsProvider | None:
    name = _try(found, lambda: known.account_provider(found.account))
    cls = _try(found, lambda: known.provider_class(name)) if name is not None else None
    if name is None or cls is None:
        return None
    found.provider, found.origin, found.is_policy = name, known.origin(name), name in known.policies
    if name != found.account:
        chosen = environment.read(found.account, ["provider"])["provider"]
        found.because += f"; {environment.variable(found.account, 'provider')}, from {chosen.source}"
    values = _read(found, cls, found.account)
    found.provider_settings = _values(found, cls, values, account=found.account)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UserWarning)
        provider = _try(found, lambda: known.stack(found.account))
    for warning in caught:
        found.find("warning", " ".join(str(warning.message).split()))
    if provider is not None and "file" in values:
        found.provider_settings = _with_file(found.provider_settings, innermost(provider), found.account)
    return provider


def innermost(provider: SmsProvider) -> SmsProvider:
    """Return the provider inside all policies around ``provider``.

    If a provider on the way holds several providers, such as a failover, that provider is returned.
    """
    while len(held := inside(provider)) == 1:
        (provider,) = held
    return provider


def _look_inside(found: Diagnosis, provider: SmsProvider, settings: Settings, known: Plugins) -> None:
    """Check the policies and the other accounts inside ``provider``, and whether they fit together."""
    found.tree = tree.of_provider(provider)
    for problem in settings.unfit(provider):
        found.find("error", problem)
    for ignored in stack.unheeded(provider, stack.variables_set(), known.policies):
        found.find("warning", ignored.words, ignored.instead)
    for holder in each(provider):
        _ask(found, holder)
        if _is_around(found, holder):
            found.other_settings.append(_of_policy(found, holder))
        elif holder.account != found.account:
            values = _read(found, type(holder), holder.account)
            shown = _values(found, type(holder), values, account=holder.account)
            found.other_settings.append(Section(of=holder.account, policy=bool(inside(holder)), settings=shown))
        for account, missing in (members.unable(holder) if len(inside(holder)) > 1 else {}).items():
            found.find(
                "note", f"account {account} lacks what other accounts of {holder.account} can do: {', '.join(missing)}"
            )


def _ask(found: Diagnosis, provider: SmsProvider) -> None:
    """Ask a policy, or a provider with a method ``findings``, for problems."""
    findings_of = getattr(provider, "findings", None)
    if findings_of is None:
        return
    try:
        findings = [finding for finding in findings_of() if isinstance(finding, Finding)]
    except Exception as bug:  # noqa: BLE001  # a plugin's bug; its text may quote a setting
        kind = "policy" if inside(provider) else "provider"
        words = f"the method findings of {kind} {provider.name} failed with {type(bug).__name__}"
        findings = [Finding("warning", words, "report this to its authors")]
    for finding in findings:
        found.find(finding.level if finding.level in LEVELS else "warning", finding.message, finding.advice)


def _is_around(found: Diagnosis, provider: SmsProvider) -> bool:
    """Whether ``provider`` is a policy that stack.py put around an account."""
    return (
        isinstance(provider, Policy) and provider.inner.account == provider.account and provider.name != found.provider
    )


def _of_policy(found: Diagnosis, policy: SmsProvider) -> Section:
    rates = {name.upper(): rate for name, rate in policy.rates.items()}
    around = "" if policy.account == found.account else f" around {policy.account}"
    shown = _around(found, type(policy), policy.account, rates)
    return Section(of=f"{policy.name}{around}", policy=True, settings=shown)


def _of_what_is_set(found: Diagnosis, known: Plugins) -> Iterator[Section]:
    """The settings of policies that variables ask for, where no provider could be made."""
    there = stack.variables_set()
    for name in known.policies.names():
        prefixes = tuple(environment.variable(home, "") for home in stack.homes(found.account, name))
        if not any(variable.startswith(prefixes) for variable in there):
            continue
        kind = _try(found, partial(known.policies.get, name))
        if kind is not None and kind.place is not None:
            yield Section(of=name, policy=True, settings=_around(found, kind, found.account))


def _around(
    found: Diagnosis, kind: type[SmsProvider], account: str, rates: Mapping[str, Any] = MappingProxyType({})
) -> list[Value]:
    """The settings of a policy of class ``kind`` around ``account``: those for the account, or else those for all."""
    own, shared = (
        {
            value.variable.removeprefix(environment.variable(home, "")): value
            for value in _values(found, kind, _read(found, kind, home), account=home)
        }
        for home in stack.homes(account, kind.name)
    )
    shown = []
    for name, general in shared.items():
        value = own[name] if own[name].source not in NOWHERE else general
        if name in rates and value.source in NOWHERE:
            value = replace(value, value=rates[name], source="the vendor's own limit")
        if name != "INNER":
            shown.append(value)
    return shown


def _read(found: Diagnosis, model: type[BaseModel], account: str | None) -> dict[str, Found]:
    names = [name for name in model.model_fields if name != "account"]
    values = _try(found, lambda: environment.read(account, names))
    if values is not None:
        return values
    process = snapshot.current().process
    said = {name: (process.get(environment.variable(account, name)) or "").strip() for name in names}
    return {name: environment.Found(value, snapshot.PROCESS) for name, value in said.items() if value}


def _values(
    found: Diagnosis,
    model: type[BaseModel],
    values: dict[str, Found],
    *,
    account: str | None = None,
) -> list[Value]:
    result = []
    for setting in describe.settings(model, account):
        read = values.get(setting.name)
        if read is None:
            source = "missing" if setting.required else "default" if setting.default is not None else "not set"
            shown = setting.default
        else:
            source = read.source
            shown = describe.HIDDEN if setting.secret else _shown(setting, read.value)
            if setting.deprecated:
                found.find("warning", f"{setting.variable} is deprecated: {setting.deprecated}")
            path = hygiene.file_of(source, setting.variable)
            if setting.secret and path is not None and hygiene.readable_by_others(path):
                found.find("warning", f"{path} holds a secret, and every user here can read it", f"chmod 600 {path}")
        result.append(
            Value(
                variable=setting.variable,
                value=shown,
                source=source,
                required=setting.required,
                secret=setting.secret,
            )
        )
    return result


def _shown(setting: describe.Setting, value: str) -> str:
    # JSON may hold credentials deep inside.
    return describe.show({} if setting.type == "JSON object" else value)


def _with_file(values: list[Value], provider: SmsProvider, account: str) -> list[Value]:
    """``values`` with the settings that the provider read from its file."""
    filed = {environment.variable(account, name) for name in provider.model_fields_set}
    return [
        replace(value, value="(set)", source=f"the file of {environment.variable(account, 'file')}")
        if value.variable in filed and value.source in NOWHERE
        else value
        for value in values
    ]


def _look_for_strays(found: Diagnosis, known: Plugins | None) -> None:
    there = environment.variables()
    others = [value for section in found.other_settings for value in section.settings]
    for value in (*found.settings, *found.provider_settings, *others):
        if there.get(value.variable) is False:
            found.find("warning" if value.required else "note", f"{value.variable} is empty and counts as not set")
    for words in (*known.policies.unusable(), *installed.unusable(COMMANDS)) if known is not None else ():
        found.find("warning", words, "uninstall it, or ask its authors for another name")
    strays = _try(found, lambda: unread.everywhere(known)) if known is not None else []
    refused = [finding.message for finding in found.findings if finding.level == "error"]
    for stray in strays or ():
        if not any(f"nothing reads {stray.variable}:" in message for message in refused):
            found.find("warning", f"nothing reads {stray.variable}", stray.advice)


def _try(found: Diagnosis, call: Callable[[], T]) -> T | None:
    """Return the result of ``call``; its exception becomes a finding."""
    try:
        return call()
    except ConfigurationError as error:
        found.find("error", str(error))
    except Exception as error:  # noqa: BLE001  # a plugin's bug; its text may quote a setting
        found.find("error", f"a plugin failed with {type(error).__name__}", "report this to its authors")
    return None


def _versions() -> dict[str, str]:
    found = {"python": platform.python_version()}
    installed = [*_PACKAGES]
    for group in (groups.PROVIDERS, groups.HOOKS, groups.POLICIES, groups.COMMANDS):
        installed += sorted({point.dist.name for point in entry_points(group=group) if point.dist})
    for name in dict.fromkeys(installed):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed"
    return found


def _hook_plugins() -> list[str]:
    points = entry_points(group=groups.HOOKS)
    return sorted(
        f"{value.name} ({value.dist.name} {value.dist.version})" if value.dist else value.name for value in points
    )
