"""The groups of entry points in which installed packages offer plugins, and words for errors about entry points."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

PROVIDERS = "smsbridge"
HOOKS = "smsbridge.hooks"
POLICIES = "smsbridge.policies"
COMMANDS = "smsbridge.commands"
STORES = "smsbridge.stores"
ALL = (PROVIDERS, HOOKS, POLICIES, COMMANDS, STORES)
"""Stores have entry points named after the scheme of their URLs."""

_OF_OURS = re.compile(r"smsbridge(?:\[[^]]*\])?\s*([^\w\s;\[-][^;]*)", re.ASCII)
"""A requirement for certain versions of smsbridge."""
_PACKAGE = re.compile(r"smsbridge-([a-z0-9]+)\b", re.ASCII)


def origin(point: EntryPoint) -> str:
    """Return the name and version of the package that has the entry point ``point``.

    For an entry point without a package, return the value of the entry point.
    """
    return f"{point.dist.name} {point.dist.version}" if point.dist else point.value


def failure(point: EntryPoint, error: Exception) -> str:
    """Explain why the plugin of the entry point ``point`` cannot be imported, which failed with ``error``.

    If the package of the plugin asks for another version of smsbridge, the words say so.
    """
    from importlib.metadata import version

    asked = [
        found[1].strip()
        for requirement in (point.dist and point.dist.requires) or ()
        if (found := _OF_OURS.match(requirement))
    ]
    words = f"cannot be imported: {type(error).__name__}: {error}"
    if not asked or _fits(asked[0], version("smsbridge")):
        return words
    return f"{words}; it asks for smsbridge {asked[0]}, and this is {version('smsbridge')}"


def _fits(asked: str, there: str) -> bool:
    """Whether the version ``there`` is among those ``asked`` for, as far as that can be told here."""
    try:
        from packaging.specifiers import InvalidSpecifier, SpecifierSet
    except ImportError:  # it comes with most tools, and nothing else here needs it
        return False
    try:
        return SpecifierSet(asked.strip("()")).contains(there, prereleases=True)
    except InvalidSpecifier:
        return False


NO_VENDORS = frozenset({"django", "postgres"})
"""The packages of ours that bring no provider, so that no variable of an account begins with their name."""


def packaged() -> list[str]:
    """Return the names of all plugins that packages of the smsbridge project provide, installed or not.

    Each of them can be installed as an extra of smsbridge.
    """
    from importlib.metadata import PackageNotFoundError, requires

    try:
        needed = requires("smsbridge") or []
    # It runs from a copy of the source.
    except PackageNotFoundError:
        return []
    return sorted({found[1] for requirement in needed if (found := _PACKAGE.match(requirement))})


def meant(name: str, there: Collection[str], policies: Collection[str] = ()) -> str:
    """Return advice for an unknown ``name``: a similar name, or the package to install; empty if there is no advice.

    ``there`` are the existing names, some of which are ``policies``. Only packages of the smsbridge project are named,
    since any other person can register the name of a package that does not exist yet.
    """
    from difflib import get_close_matches

    ours = packaged()
    near = [name] if name in ours else get_close_matches(name, [*there, *ours], 1)
    if not near:
        return ""
    kind = "the policy " if near[0] in policies else ""
    said = [] if near[0] == name else [f"did you mean {kind}{near[0]!r}?"]
    said += [] if near[0] in there else [f"try: pip install smsbridge-{near[0]}"]
    return f"; {' '.join(said)}"
