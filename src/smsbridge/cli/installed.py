"""Find the commands of installed distributions, from entry points of the group ``smsbridge.commands``."""

from __future__ import annotations

import os
import sys
from collections.abc import Collection
from importlib.machinery import PathFinder
from typing import TYPE_CHECKING

import click

from .. import groups
from ..display import line

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint


def names() -> dict[str, str]:
    """Return the names of all commands that other distributions add, each with its distribution.

    Imports none of them.
    """
    found: dict[str, list[str]] = {}
    for point in _points():
        found.setdefault(point.name, []).append(groups.origin(point))
    return {name: " and ".join(sorted(found[name])) for name in sorted(found)}


def unusable(taken: Collection[str]) -> list[str]:
    """Return a message for each command of another distribution that users cannot run, and for each unknown group.

    ``taken`` are the names of the commands of smsbridge itself.
    """
    from difflib import get_close_matches
    from importlib.metadata import distributions

    points = [point for distribution in distributions() for point in distribution.entry_points]
    found = [
        f"command {point.name!r} of {groups.origin(point)} cannot be reached: smsbridge has a command of that name"
        for point in points
        if point.group == groups.COMMANDS and point.name in taken
    ]
    ours = groups.ALL
    for point in points:
        if point.group.partition(".")[0] == "smsbridge" and point.group not in ours:
            meant = f"; did you mean {near[0]}?" if (near := get_close_matches(point.group, ours, 1)) else ""
            found.append(f"nothing reads {point.name!r} of {groups.origin(point)} in the group {point.group}{meant}")
    return found


def command(name: str) -> click.Command | None:
    """Import and return the command ``name`` of another distribution; None if no distribution adds that command.

    Raises ConfigurationError if the command cannot be imported or used.
    """
    points = [point for point in _points() if point.name == name]
    if not points:
        return None
    # Not imported for --help.
    from ..errors import ConfigurationError

    if len(points) > 1:
        origins = " and in ".join(sorted(map(groups.origin, points)))
        raise ConfigurationError(f"two commands are named {name!r}: in {origins}; uninstall one of the packages")
    try:
        found = points[0].load()
    except Exception as error:  # noqa: BLE001  # an import may raise anything
        problem = groups.failure(points[0], error)
    else:
        if isinstance(found, click.Command):
            return found
        problem = "is not a click.Command"
    raise ConfigurationError(line(f"command {name!r} of {groups.origin(points[0])} {problem}"))


def _points() -> tuple[EntryPoint, ...]:
    if not _may_be_some():
        return ()
    # This import takes a third of the time of --help.
    from importlib.metadata import entry_points

    return tuple(entry_points(group=groups.COMMANDS))


def _may_be_some() -> bool:
    """False if no distribution names the group. Only plain folders are searched; any other place may have commands."""
    for finder in sys.meta_path:
        if finder is not PathFinder and hasattr(finder, "find_distributions"):
            return True
    return any(map(_may_hold_some, dict.fromkeys(sys.path)))


def _may_hold_some(place: str) -> bool:
    # A zip file. pathlib is slow to import.
    if os.path.isfile(place):
        return True
    try:
        names = os.listdir(place or os.curdir)
    except OSError:
        return False
    return any(_names_some(os.path.join(place, name)) for name in names if name.endswith((".dist-info", ".egg-info")))


def _names_some(distribution: str) -> bool:
    try:
        with open(os.path.join(distribution, "entry_points.txt"), "rb") as points:
            return groups.COMMANDS.encode() in points.read()
    except OSError:
        return False
