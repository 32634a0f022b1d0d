"""Commands that distributions bring by entry points of the group ``smsbridge.commands``."""

from __future__ import annotations

from importlib.metadata import EntryPoint, entry_points

import click

from .. import groups
from ..display import line
from ..errors import ConfigurationError


def names() -> dict[str, str]:
    """The names of all of them, each with what brings it; none is imported for it."""
    found: dict[str, list[str]] = {}
    for point in entry_points(group=groups.COMMANDS):
        found.setdefault(point.name, []).append(_origin(point))
    return {name: " and ".join(sorted(found[name])) for name in sorted(found)}


def command(name: str) -> click.Command | None:
    """The command ``name``, imported; None if there is none. Raises ConfigurationError if it cannot be used."""
    points = [point for point in entry_points(group=groups.COMMANDS) if point.name == name]
    if not points:
        return None
    if len(points) > 1:
        origins = " and in ".join(sorted(map(_origin, points)))
        raise ConfigurationError(f"two commands are named {name!r}: in {origins}; uninstall one")
    try:
        found = points[0].load()
    except Exception as error:  # noqa: BLE001  # whatever its import does
        problem = f"cannot be imported: {type(error).__name__}: {error}"
    else:
        if isinstance(found, click.Command):
            return found
        problem = "is no click.Command"
    raise ConfigurationError(line(f"command {name!r} of {_origin(points[0])} {problem}"))


def _origin(point: EntryPoint) -> str:
    return f"{point.dist.name} {point.dist.version}" if point.dist else point.value
