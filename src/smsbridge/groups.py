"""The groups of entry points under which distributions bring their parts, and how an entry point is named in errors."""

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
"""By the scheme of their URLs."""

_OF_OURS = re.compile(r"smsbridge(?:\[[^]]*\])?\s*([^\w\s;\[-][^;]*)", re.ASCII)
"""A requirement of smsbridge itself that names versions."""
_PACKAGE = re.compile(r"smsbridge-([a-z0-9]+)\b", re.ASCII)


def origin(point: EntryPoint) -> str:
    """The distribution that brings ``point``, with its version; without one, what the point names."""
    return f"{point.dist.name} {point.dist.version}" if point.dist else point.value


def failure(point: EntryPoint, error: Exception) -> str:
    """Why the import of ``point`` failed, and for which smsbridge its distribution was made, if it says so."""
    from importlib.metadata import version

    asked = [found[1].strip() for one in (point.dist and point.dist.requires) or () if (found := _OF_OURS.match(one))]
    words = f"cannot be imported: {type(error).__name__}: {error}"
    return f"{words}; it asks for smsbridge {asked[0]}, and this is {version('smsbridge')}" if asked else words


def packaged() -> list[str]:
    """The plugins that smsbridge has a package for, whether or not they are installed: each is an extra."""
    from importlib.metadata import PackageNotFoundError, requires

    try:
        needed = requires("smsbridge") or []
    except PackageNotFoundError:  # run from a copy of its source
        return []
    return sorted({found[1] for one in needed if (found := _PACKAGE.match(one))})


def meant(name: str, there: Collection[str], policies: Collection[str] = ()) -> str:
    """Words behind the list of what is ``there``, for a ``name`` that is not: what was meant, or what to install.

    No package but ours is named: anybody can take a name for theirs.
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
