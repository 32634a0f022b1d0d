"""``smsbridge store``: the tables and files of the stores that the environment names."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from .exits import Exit
from .output import Output
from .session import json_option

if TYPE_CHECKING:
    from ..stores.seam import Part, Store

_PARTS: tuple[Part, ...] = ("entries", "counters", "opt_outs")
_NAMES_ONE = re.compile(r"SMSBRIDGE_(?:(\w+)_)?STORE", re.ASCII)


@click.group()
def store() -> None:
    """Make and upgrade the tables or files of stores.

    \b
    Examples:
      smsbridge store upgrade
      smsbridge store upgrade --sql
    """  # noqa: D301  # click reads \b as "do not wrap"


@store.command()
@click.option("--sql", is_flag=True, help="Print the statements of each version instead; connects to nothing.")
@json_option
def upgrade(*, sql: bool, as_json: bool) -> Exit:
    """Make the tables or the file of each store, or upgrade them to this version of smsbridge.

    The stores are those that are named by SMSBRIDGE_STORE, and by each variable that ends with _STORE. A store that is
    complete stays unchanged. If SMSBRIDGE_ENV is production, sending makes no tables and files: run this command before
    new workers start.

    With --sql, statements are printed for your own migrations: take those of the versions that your database lacks.

    \b
    Examples:
      smsbridge store upgrade
      smsbridge store upgrade --sql > smsbridge.sql
    """  # noqa: D301  # click reads \b as "do not wrap"
    from ..errors import ConfigurationError

    out = Output(as_json=as_json)
    done: list[dict[str, Any]] = []
    for variable, name, opened in _stores():
        try:
            found = _statements(opened) if sql else _made(opened)
        except ConfigurationError as error:
            problem = f"{variable}: {error}"
        else:
            done.append({"variable": variable, "store": name, **found})
            if not as_json:
                _show(out, done[-1])
            continue
        raise ConfigurationError(problem)
    if as_json:
        out.json({"stores": done})
    return Exit.OK


# --- inside -----------------------------------------------------------------------------------------------------------


def _stores() -> Iterator[tuple[str, str, Store]]:
    """Each store that is named: by which variable, its scheme or file, and itself. Raises ConfigurationError."""
    from .. import environment
    from ..errors import ConfigurationError
    from ..stores.choice import SETTING
    from ..stores.known import open_store, scheme_of
    from ..stores.sqlite_store import SqliteStore

    urls: dict[str, str] = {}
    for variable in sorted(environment.variables(), key=lambda name: (len(name), name)):
        named = _NAMES_ONE.fullmatch(variable)
        value = environment.read(named[1], [SETTING]).get(SETTING) if named else None
        if value is not None and value.value.strip().lower() not in ("on", "off"):
            urls.setdefault(value.value.strip(), variable)
    if not urls:
        raise ConfigurationError("SMSBRIDGE_STORE names no store: set it, to sqlite:///sms.db for example")
    for url, variable in urls.items():
        try:
            opened, scheme = open_store(url), scheme_of(url)
        except ConfigurationError as error:
            problem = f"{variable}: {error}"
        else:
            yield variable, str(opened.given) if isinstance(opened, SqliteStore) else scheme, opened
            continue
        raise ConfigurationError(problem)


def _made(opened: Store) -> dict[str, Any]:
    """Make what ``opened`` lacks; what was done."""
    from ..stores.memory_store import MemoryStore
    from ..stores.upgrades import Upgradable

    if isinstance(opened, Upgradable):
        found = opened.upgrade()
        return {"made": found.before == 0, "before": found.before, "after": found.after}
    if isinstance(opened, MemoryStore):
        return {"made": False, "note": "it is in memory, ends with each process, and has nothing to be made"}
    made = [opened.init(part) for part in _PARTS]
    return {"made": any(made)}


def _statements(opened: Store) -> dict[str, Any]:
    from ..stores.upgrades import Upgradable

    if not isinstance(opened, Upgradable):
        return {"steps": [], "note": "it has no statements to print: smsbridge store upgrade makes what it needs"}
    return {"steps": [{"version": step.number, "statements": list(step.statements)} for step in opened.steps()]}


def _show(out: Output, done: dict[str, Any]) -> None:
    where = f"{done['variable']} ({done['store']})"
    for step in done.get("steps", ()):
        out.line(f"-- version {step['version']} of the tables of smsbridge")
        out.verbatim("\n".join(f"{statement};" for statement in step["statements"]) + "\n")
    if "note" in done:
        out.aside(f"{where}: {done['note']}")
    elif "steps" not in done:
        before, after = done.get("before"), done.get("after")
        words = "made" if done["made"] else "nothing to do" if before == after else f"upgraded from {before} to {after}"
        out.line(f"{where}: {words}", style="green")
