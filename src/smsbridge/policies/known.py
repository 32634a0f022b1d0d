"""Find policies by name: our own, and those of other distributions in the entry point group ``smsbridge.policies``.

A policy is imported only if at least one of its settings is set, so that a broken plugin harms no other account.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from importlib.metadata import EntryPoint

from smsbridge import groups
from smsbridge.display import line
from smsbridge.errors import ConfigurationError
from smsbridge.provider import SmsProvider

from .policy import Carrier, Place

STANDS_UNSET: Mapping[str, Callable[[SmsProvider], bool]] = {
    "limit": lambda inner: bool(inner.rates),
    "retry": lambda inner: not inner.stub,
}
"""Policies that may stand around a provider without any of their settings, and the rule of each.

The rules are here, so that a first text imports neither policy. A stub needs no second attempt.
"""
WHERE_STORED = frozenset({"ledger"})
"""Policies that may apply without their settings if ``SMSBRIDGE_STORE`` is set."""
BUILT_IN = {
    "cost": "smsbridge.cost.policy",
    "dlt": "smsbridge.dlt.policy",
    "failover": "smsbridge.policies.failover",
    "guard": "smsbridge.guard.policy",
    "hours": "smsbridge.hours.policy",
    "ledger": "smsbridge.ledger.policy",
    "limit": "smsbridge.policies.limit",
    "optout": "smsbridge.optouts.policy",
    "purpose": "smsbridge.policies.purpose",
    "retry": "smsbridge.policies.retry",
    "text": "smsbridge.text.policy",
}
"""The policies of smsbridge itself, each with its module; the class there is named after it, as in RetryPolicy."""
_NAME = re.compile(r"[a-z0-9]{1,100}", re.ASCII)


class Policies:
    """Find the installed policies of smsbridge and of other packages by name, and import each when it is needed.

    ``points`` are the entry points of all policies. ``reserved`` gets a name, and returns why no policy may have that
    name, or None.
    """

    def __init__(self, points: Iterable[EntryPoint], reserved: Callable[[str], str | None]) -> None:
        self._points = list(points)
        self._reserved = reserved
        self._classes: dict[str, type[Carrier]] = {}

    def names(self) -> list[str]:
        """Return the names of all policies, sorted. Imports no policy."""
        return sorted({*BUILT_IN, *(point.name for point in self._points if _NAME.fullmatch(point.name))})

    def unusable(self) -> list[str]:
        """Return a message for each policy that cannot be used because of its name."""
        return [
            f"policy {point.name!r} of {groups.origin(point)} cannot be used: {why}"
            for point in self._points
            if (why := self._why_not(point.name)) is not None
        ]

    def _why_not(self, name: str) -> str | None:
        """Return why no distribution can provide a policy called ``name``; None if it can."""
        if not _NAME.fullmatch(name):
            return "a name may have only lower-case letters and digits"
        return "smsbridge has a policy of that name" if name in BUILT_IN else self._reserved(name)

    def __contains__(self, name: object) -> bool:
        return name in BUILT_IN or any(point.name == name and _NAME.fullmatch(point.name) for point in self._points)

    def origin(self, name: str) -> str:
        """Return where the policy ``name`` comes from: ``smsbridge``, or the distributions with their versions."""
        if name in BUILT_IN:
            return "smsbridge"
        return ", ".join(sorted(groups.origin(point) for point in self._points if point.name == name))

    def get(self, name: str) -> type[Carrier]:
        """Return the class of the policy ``name``. It is imported at the first call.

        Raises ConfigurationError if it does not exist, cannot be imported or is no policy, or if its name is taken.
        """
        if name not in self._classes:
            self._classes[name] = self._found(name)
        return self._classes[name]

    def advice(self, reason: str, there: Iterable[str]) -> str | None:
        """Return what to do about an error with ``reason``, as the policy that raises it says; None if no policy does.

        ``there`` are the names of the environment variables that are set. A policy of another package is imported and
        asked only if such a name contains the name of the policy.
        """
        words = {word.lower() for name in there for word in name.split("_")}
        for name in self.names():
            if name in BUILT_IN or name in words:
                # A policy that cannot be imported has given no error its reason.
                with suppress(ConfigurationError, ImportError):
                    if reason in (known := self.get(name).advice):
                        return known[reason]
        return None

    def _found(self, name: str) -> type[Carrier]:
        points = [point for point in self._points if point.name == name]
        origins = [*(["smsbridge itself"] if name in BUILT_IN else []), *map(groups.origin, points)]
        if not origins:
            raise ConfigurationError(f"there is no policy {name!r}; known: {', '.join(self.names())}")
        if len(origins) > 1:
            raise ConfigurationError(f"two policies are named {name!r}: in {' and in '.join(origins)}; uninstall one")
        if name in BUILT_IN:
            module = importlib.import_module(BUILT_IN[name])
            found: type[Carrier] = getattr(module, f"{name.title()}Policy")
            return found
        taken = self._reserved(name)
        if taken is not None:
            raise ConfigurationError(
                f"policy {name!r} of {origins[0]} cannot have this name: {taken}; uninstall {origins[0]}"
            )
        return _loaded(points[0], name, origins[0])


def _loaded(point: EntryPoint, name: str, origin: str) -> type[Carrier]:
    try:
        found = point.load()
    # The import may raise any error.
    except Exception as error:  # noqa: BLE001
        problem = line(f"policy {name!r} of {origin} {groups.failure(point, error)}")
    else:
        if isinstance(found, type) and issubclass(found, Carrier) and getattr(found, "name", None) == name:
            if found.place is None or isinstance(found.place, Place):
                return found
            raise ConfigurationError(
                f"policy {name!r} of {origin} has a place that is no smsbridge.policies.policy.Place: "
                "report this to its authors"
            )
        problem = f"policy {name!r} of {origin} is no subclass of smsbridge.Policy of that name"
    raise ConfigurationError(problem)
