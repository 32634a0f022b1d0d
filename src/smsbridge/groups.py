"""The groups of entry points under which distributions bring their parts, and how an entry point is named in errors."""

from __future__ import annotations

import re
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


def origin(point: EntryPoint) -> str:
    """The distribution that brings ``point``, with its version; without one, what the point names."""
    return f"{point.dist.name} {point.dist.version}" if point.dist else point.value


def failure(point: EntryPoint, error: Exception) -> str:
    """Why the import of ``point`` failed, and for which smsbridge its distribution was made, if it says so."""
    from importlib.metadata import version

    asked = [found[1].strip() for one in (point.dist and point.dist.requires) or () if (found := _OF_OURS.match(one))]
    words = f"cannot be imported: {type(error).__name__}: {error}"
    return f"{words}; it asks for smsbridge {asked[0]}, and this is {version('smsbridge')}" if asked else words
