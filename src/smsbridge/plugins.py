"""Find plugins, look up providers and accounts in them, and call their hooks.

A provider plugin is an entry point in the group ``smsbridge`` whose name is the provider's name; it is imported only
when that provider is used, so a broken plugin harms no other provider. Plugins that only observe use the group
``smsbridge.hooks`` and are loaded at start. Mistakes that pluggy ignores are refused: ``async def`` hooks, misspelt or
unmarked hooks, wrappers, and two providers with the same name.
"""

from __future__ import annotations

import importlib
import inspect
import re
from collections.abc import Callable, Mapping
from functools import cache
from importlib.metadata import EntryPoint, EntryPoints, entry_points
from typing import Any

import pluggy

from . import environment, groups, hookspecs, unread
from .display import joined, line
from .errors import ConfigurationError
from .forks import cached_property, fresh_rlock
from .history import TextRecord
from .hook_calls import NO_CALLS, HookCall, HookCalls, logged
from .messages import Cost, Event, Message, SentMessage
from .policies import stack
from .policies.known import BUILT_IN as BUILT_IN_POLICIES
from .policies.known import Policies
from .provider import SmsProvider
from .rehearsal import newest
from .snapshot import Reading

BUILTIN = ("console", "file", "http", "memory")
"""Ordinary plugin modules of ``smsbridge.builtin``, named after their providers."""

"""First words of smsbridge's own settings: an account of that name would read them as its own."""
_NAME = re.compile(r"[a-z0-9]{1,100}", re.ASCII)
_AROUND_A_SEND = ("smsbridge_before_send", "smsbridge_after_send", "smsbridge_send_failed")


class Plugins:
    """The plugins that clients use: built-in plugins, installed plugins, and plugins registered in code."""

    def __init__(self, *hooks: object) -> None:
        self._manager = pluggy.PluginManager(hookspecs.PROJECT)
        self._manager.add_hookspecs(hookspecs)
        self._classes: dict[str, type[SmsProvider]] = {}
        self._lock = fresh_rlock()
        # Classes that were looked up, and that a single plugin claims.
        self._known: dict[str, type[SmsProvider]] = {}
        self._origins: dict[str, str] = {}
        self._forget_hooks()
        self.policies = Policies(self._installed.select(group=groups.POLICIES), self._taken_from_policies)
        """The policies of smsbridge and of installed distributions."""
        self.observers = [point.name for point in self._installed.select(group=groups.STORES)]
        """The names of installed plugins with hooks or stores: only they know which variables they read.

        A command owns no variables: otherwise a guard that its package failed to provide would be missing silently.
        """
        for entry_point in self._installed.select(group=groups.HOOKS):
            self.observers.append(entry_point.name)
            self.register(_load(entry_point), groups.origin(entry_point))
        for plugin in hooks:
            self.register(plugin)

    def register(self, plugin: object, origin: str | None = None) -> list[type[SmsProvider]]:
        """Register a plugin, which is a module or an object with hooks. Returns the provider classes of the plugin.

        ``origin`` names the plugin in errors. Raises ConfigurationError for hooks that would not work and for names
        already taken.
        """
        origin = origin or _name(plugin)
        if self._manager.is_registered(plugin):
            raise ConfigurationError(f"plugin {origin} is already registered: register it once")
        _refuse_dead_hooks(plugin, origin)
        try:
            self._manager.register(plugin)
            self._forget_hooks()
            self._manager.check_pending()
        except (ValueError, pluggy.PluginValidationError) as error:
            if self._manager.is_registered(plugin):
                self._unregister(plugin)
            raise ConfigurationError(f"plugin {origin}: {error}") from None
        try:
            return self._collect(plugin, origin)
        except ConfigurationError:
            self._unregister(plugin)
            raise

    def _forget_hooks(self) -> None:
        self._implementations: dict[
            str, list[pluggy.HookImpl]
        ] = {}  # by hook, in the order of their calls, once asked for

    def _unregister(self, plugin: object) -> None:
        self._manager.unregister(plugin)
        self._forget_hooks()

    def _collect(self, plugin: object, origin: str) -> list[type[SmsProvider]]:
        hook = getattr(plugin, "smsbridge_providers", None)
        if hook is None:
            return []
        try:
            classes = list(hook())
        except Exception as error:
            raise ConfigurationError(f"plugin {origin}: smsbridge_providers() failed: {_describe(error)}") from error
        taken = dict(self._classes)
        for cls in classes:
            name = getattr(cls, "name", None)
            if not (isinstance(cls, type) and issubclass(cls, SmsProvider) and isinstance(name, str)):
                raise ConfigurationError(f"plugin {origin}: smsbridge_providers() must return classes of SmsProvider")
            if not _NAME.fullmatch(name) or name in unread.WORDS:
                words = f"plugin {origin}: {name!r} cannot be a provider's name"
                raise ConfigurationError(f"{words}: write a-z and 0-9, and no first word of smsbridge's settings")
            takes_ours = self._is_ours(name) and not origin.startswith(f"{__package__}.")
            if takes_ours or taken.setdefault(name, cls) is not cls:
                other = "smsbridge itself" if takes_ours else self._origins.get(name, origin)
                do = f"uninstall {origin}" if takes_ours else "uninstall one"
                raise ConfigurationError(f"two providers are named {name!r}: in {other} and in {origin}; {do}")
        self._classes = taken
        self._known.clear()
        self._origins |= {cls.name: origin for cls in classes}
        return classes

    def _is_ours(self, name: str) -> bool:
        return name in BUILTIN or name in BUILT_IN_POLICIES

    @cached_property
    def _installed(self) -> EntryPoints:
        """The installed entry points, read once, since that takes milliseconds: a new process sees later plugins."""
        found = entry_points()
        return EntryPoints(point for group in groups.ALL for point in found.select(group=group))

    def _taken_from_policies(self, name: str) -> str | None:
        """Return why no policy can have ``name``; None if it can."""
        if name in unread.WORDS:
            return "settings of smsbridge begin with this word"
        return "a provider has that name" if name in self._providers() else None

    # --- providers and accounts ---------------------------------------------------------------------------------------

    def names(self) -> list[str]:
        """Return the names of all known providers, sorted, without policies. Imports no plugin."""
        return sorted(self._providers())

    def _providers(self) -> set[str]:
        return {*BUILTIN, *self._classes, *(point.name for point in self._installed.select(group=groups.PROVIDERS))}

    def vendors_of_ours(self) -> list[str]:
        """Return the names of all providers that packages of the smsbridge project provide, installed or not."""
        return [name for name in groups.packaged() if name not in groups.NO_VENDORS]

    def origin(self, name: str) -> str:
        """Return the package that has the provider ``name``.

        This is ``smsbridge``, or the name and version of another package.
        """
        if name in BUILTIN:
            return "smsbridge"
        if name in self.policies:
            return self.policies.origin(name)
        points = self._installed.select(group=groups.PROVIDERS, name=name)
        return ", ".join(sorted(map(groups.origin, points))) or self._origins.get(name, "unknown")

    def provider_class(self, name: str) -> type[SmsProvider]:
        """Return the class of the provider ``name``. The plugin of this provider is imported at first use.

        Raises ConfigurationError if the provider does not exist, cannot be imported, or if two plugins claim the name.
        """
        kind = self._known.get(name)
        if kind is None:
            # Clients may be made in several threads.
            with self._lock:
                kind = self._known[name] = self._found(name)
        return kind

    def _found(self, name: str) -> type[SmsProvider]:
        points = list(self._installed.select(group=groups.PROVIDERS, name=name))
        if name in self.policies and name not in self._providers():
            return self.policies.get(name)
        origins = [*(["smsbridge itself"] if self._is_ours(name) else []), *map(groups.origin, points)]
        if name not in BUILTIN and self._origins.get(name, "") not in {"", *origins}:
            # A plugin with another name, or one registered in code, has this provider too.
            origins.append(self._origins[name])
        if len(origins) > 1:
            raise ConfigurationError(f"two providers are named {name!r}: in {' and in '.join(origins)}; uninstall one")
        if name not in self._classes:
            if name in BUILTIN:
                self.register(importlib.import_module(f"{__package__}.builtin.{name}"))
            elif points:
                self.register(_load(points[0]), groups.origin(points[0]))
                if name not in self._classes:
                    raise ConfigurationError(
                        f"plugin {origins[0]} has no provider named {name!r}: its smsbridge_providers() has to return "
                        "a class with this name"
                    )
            else:
                raise ConfigurationError(self._unknown(name))
        return self._classes[name]

    def _unknown(self, name: str) -> str:
        """Return the error message for the unknown provider ``name``."""
        there, policies = self.names(), self.policies.names()
        return f"no provider {name!r}; have {', '.join(there)}{groups.meant(name, [*there, *policies], policies)}"

    def stack(self, name: str, environ: Mapping[str, str | None] | None = None) -> SmsProvider:
        """Make the provider of the account ``name`` with the policies around it, for clients to send through.

        ``environ`` replaces the environment, see :class:`SmsClient`. Raises ConfigurationError for settings that are
        missing or wrong.
        """
        reading = Reading(environ)
        # The frames of a traceback should hold no token.
        del environ
        return reading.run(lambda: self._stack(name))

    def _stack(self, name: str) -> SmsProvider:
        there = stack.variables_set()
        rehearsal = newest()
        refuses_strays = rehearsal is None or rehearsal.refuses_strays
        try:
            inside = self._account(name, (), around=lambda provider: stack.leaf(provider, there, self.policies, self))
            made = stack.within(inside, there, self.policies, self)
        except ConfigurationError as error:
            problem = error
        else:
            if refuses_strays:
                unread.refuse(self, name)
            return made
        if refuses_strays:
            unread.refuse(self, name, problem)
        raise problem

    def account(self, name: str) -> SmsProvider:
        """Make the provider of the account ``name`` from the environment, without the policies around it.

        ``name`` is the name of a provider or of another account: the account ``otp`` needs ``SMSBRIDGE_OTP_PROVIDER``
        and reads ``SMSBRIDGE_OTP_*``. Raises ConfigurationError for settings that are missing or wrong.
        """
        return Reading().run(lambda: self._account(name, ()))

    def _account(
        self, name: str, above: tuple[str, ...], around: Callable[[SmsProvider], SmsProvider] | None = None
    ) -> SmsProvider:
        if name in above:
            raise ConfigurationError(
                f"account {name!r} holds itself: {' > '.join((*above, name))}; name other accounts in it"
            )
        chosen = self.account_provider(name)
        provider = self.provider_class(chosen).from_env(
            None if chosen == name else name, resolve=lambda inner: self._account(inner, (*above, name), around)
        )
        return around(provider) if around is not None else provider

    def account_provider(self, name: str) -> str:
        """Return the name of the provider that the account ``name`` uses.

        Raises ConfigurationError if there is no such account, or if its provider does not exist.
        """
        if not isinstance(name, str):
            raise ConfigurationError(
                f"give a provider, or the name of a provider or account, not {type(name).__name__}"
            )
        if not _NAME.fullmatch(name):
            raise ConfigurationError(
                "the name of a provider or an account may have only lower-case letters and digits, at most 100"
            )
        chosen = environment.named(name, "provider")
        variable = environment.variable(name, "provider")
        if name in self.policies or name in self.names():
            if chosen is not None and chosen.value != name:
                kind = "policy" if name in self.policies else "provider"
                raise ConfigurationError(f"{variable} is set, but {name!r} is a {kind}: give the account another name")
            return name
        if name in unread.WORDS:
            words = f"{name!r} cannot be the name of an account: settings of smsbridge begin with this word"
            raise ConfigurationError(words)
        if chosen is None:
            raise ConfigurationError(joined([self._unknown(name), f"for an account of that name, set {variable}"]))
        if not _NAME.fullmatch(chosen.value):
            raise ConfigurationError(
                f"{variable} is not the name of a provider (only lower-case letters and digits, at most 100)"
            )
        if chosen.value not in (*self.policies.names(), *self.names()):
            of_an_account = environment.named(chosen.value, "provider") is not None
            words = (
                f"{chosen.value!r} is an account: name its provider" if of_an_account else self._unknown(chosen.value)
            )
            raise ConfigurationError(f"{variable}: {words}")
        return chosen.value

    # --- hooks --------------------------------------------------------------------------------------------------------

    def cost_differs(self, account: str, provider: str, message: Message, sent: SentMessage, expected: Cost) -> None:
        """Call the hook ``smsbridge_cost_differs`` of every plugin.

        ``expected`` is the cost that smsbridge calculated; ``sent`` has the vendor's figures, which differ.
        """
        self._tell(
            "smsbridge_cost_differs", account=account, provider=provider, message=message, sent=sent, expected=expected
        )

    def status_changed(self, account: str, provider: str, text: TextRecord) -> None:
        """Call the hook ``smsbridge_status_changed`` of every plugin: a report changed the status of ``text``.

        After all calls, raises the first error of a hook.
        """
        about = {"account": account, "carried_by": text.carried_by, "provider": provider, "text": text}
        self.calls("smsbridge_status_changed", **about).make(lambda _, error: error)

    def event(self, account: str, provider: str, event: Event) -> None:
        """Call the hook ``smsbridge_event`` of every plugin.

        After all calls, raises the first error of a hook, if any.
        """
        self.calls("smsbridge_event", account=account, provider=provider, event=event).make(lambda _, error: error)

    def calls(self, name: str, **arguments: Any) -> HookCalls:
        """Prepare the calls of the hook ``name`` with ``arguments``, in all plugins that have this hook.

        No call is made yet: :class:`HookCalls` makes them.
        """
        hooks = self._hooks(name)
        return HookCalls([HookCall(name, hook, arguments) for hook in hooks]) if hooks else NO_CALLS

    @property
    def are_told_of_sends(self) -> bool:
        """Whether a plugin has a hook that is called before or after a text is sent."""
        return any(map(self._hooks, _AROUND_A_SEND))

    def _hooks(self, name: str) -> list[pluggy.HookImpl]:
        # A plugin that is registered meanwhile replaces this dict.
        known = self._implementations
        if name not in known:
            known[name] = getattr(self._manager.hook, name).get_hookimpls()[::-1]
        return known[name]

    def _tell(self, name: str, **arguments: Any) -> None:
        self.calls(name, **arguments).make(logged)


def _name(plugin: object) -> str:
    return str(getattr(plugin, "__name__", type(plugin).__name__))


@cache
def default_plugins() -> Plugins:
    """Return the plugins that all clients of this process share. A client may be given other plugins instead."""
    return Plugins()


def _load(entry_point: EntryPoint) -> object:
    try:
        return entry_point.load()
    except Exception as error:
        words = line(groups.failure(entry_point, error))
        raise ConfigurationError(f"plugin {groups.origin(entry_point)} ({entry_point.value}) {words}") from error


def _describe(error: Exception) -> str:
    return line(f"{type(error).__name__}: {error}")


def _refuse_dead_hooks(plugin: object, origin: str) -> None:
    """Raise ConfigurationError for hooks that would never run, or never do their work: pluggy ignores them."""
    for name in dir(plugin):
        function = getattr(plugin, name, None)
        marks = getattr(function, f"{hookspecs.PROJECT}_impl", None)
        if not callable(function) or not (marks or name.startswith("smsbridge_")):
            continue
        if not hasattr(hookspecs, name):
            raise ConfigurationError(
                f"plugin {origin}: there is no hook {name}; the hooks are {', '.join(_hook_names())}"
            )
        if not marks:
            raise ConfigurationError(
                f"plugin {origin}: {name} is not marked, so it would never run: write @hookimpl above it"
            )
        if inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function):
            raise ConfigurationError(f"plugin {origin}: {name} is an async def; hooks are plain functions: write def")
        if marks.get("wrapper") or marks.get("hookwrapper"):
            raise ConfigurationError(f"plugin {origin}: {name} is a hook wrapper; to change behaviour, wrap a provider")


def _hook_names() -> list[str]:
    return [name for name in vars(hookspecs) if name.startswith("smsbridge_")]
