"""Take a snapshot of the environment: variables of the process, the file ``.env``, the secrets directory.

Each is read once for a client: all its parts are made from the same snapshot, see :class:`Reading`. ``.env`` is that of
the working directory.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Mapping
from contextvars import ContextVar, copy_context
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

PREFIX = "SMSBRIDGE_"
ENV_FILE = ".env"
PROCESS = "environment"
SECRETS = "secrets directory"
SECRETS_DIR = f"{PREFIX}SECRETS_DIR"
_OF_A_SERVICE = re.compile(
    r"_SERVICE_(HOST|PORT(_[A-Z0-9_]+)?)|_PORT_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?", re.ASCII
)
_ADDRESS = re.compile(r"(tcp|udp|sctp)://")
"""The beginning of a service's address that an orchestrator writes into ``<SERVICE>_PORT``."""
T = TypeVar("T")
Values = Mapping[str, str | None]
"""By variable, in upper case; None for a variable without a value."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """The variables of smsbridge at a single moment, by source. The ``repr`` of a Snapshot shows no value.

    The sources are the environment, ``.env`` and the secrets directory.
    """

    process: Values = field(repr=False)
    dotenv: Values | None = field(default_factory=dict, repr=False)
    """None if it cannot be read."""
    files: Mapping[str, Path] | None = field(default_factory=dict, repr=False)
    """The files of the secrets directory, by variable; None if the directory cannot be read."""
    secrets: Values = field(default_factory=dict, repr=False)
    """The content of these files; None if a file cannot be read. A link out of the directory is left out."""
    problem: str | None = None
    """What is wrong with the mapping that replaces the environment."""

    def places(self) -> dict[str, dict[str, str]]:
        """Return the variables that have a value, by source. The last source has the highest priority."""
        places = {SECRETS: self.secrets, ENV_FILE: self.dotenv or {}, PROCESS: self.process}
        return {
            source: {name: value for name, value in values.items() if value and value.strip()}
            for source, values in places.items()
        }

    def variables(self) -> dict[str, bool]:
        """Return the name of every existing variable, and whether it has a value.

        Sources that cannot be read are left out. A secret whose file cannot be read counts as set.
        """
        found = {name: self.secrets.get(name) is None or _says(self.secrets[name]) for name in self.files or ()}
        for values in (self.dotenv or {}, self.process):
            for name, value in values.items():
                found[name] = found.get(name, False) or _says(value)
        return found


class Reading:
    """A period in which the environment is read only once.

    All objects that are made within :meth:`run` use the same values. A Reading holds for the present thread or task.
    ``environ`` replaces the process's variables completely: an application that gives it has decided where its settings
    come from, and a ``.env`` in the working directory, or a variable of the process, must not mix with the settings of
    a tenant or a test. So ``.env`` is not read, and a secrets directory only if ``environ`` names it.
    """

    def __init__(self, environ: Mapping[str, str | None] | None = None) -> None:
        self._snapshot = None if environ is None else _of(environ)
        self.over = False

    def run(self, make: Callable[[], T]) -> T:
        """Call ``make`` while this reading is in force, and return the result of ``make``.

        Inside another reading, a reading without ``environ`` uses the outer one.
        """
        if self._snapshot is None and _going_on() is not None:
            return make()
        # A variable set in a copy needs no reset after an interruption.
        context = copy_context()
        context.run(_readings.set, self)
        try:
            return context.run(make)
        finally:
            # For threads and tasks that began inside.
            self.over = True

    def snapshot(self) -> Snapshot:
        """Return the snapshot of this reading, which is taken at first use."""
        if self._snapshot is None:
            self._snapshot = _taken()
        return self._snapshot


_readings: ContextVar[Reading | None] = ContextVar("readings", default=None)


def current() -> Snapshot:
    """Return the snapshot of the reading in force, or take a new one if none is in force."""
    reading = _going_on()
    return _taken() if reading is None else reading.snapshot()


def is_shared() -> bool:
    """Return whether a reading is in force now.

    Then all objects that are made get their settings from the same snapshot.
    """
    return _going_on() is not None


def _going_on() -> Reading | None:
    reading = _readings.get()
    return None if reading is None or reading.over else reading


def _taken() -> Snapshot:
    process, dotenv = _without_services(_ours(os.environ)), _dotenv()
    files = _files(process, dotenv or {})
    return Snapshot(process=process, dotenv=dotenv, files=files, secrets=_secrets(files or {}))


def _of(environ: Mapping[str, str | None]) -> Snapshot:
    """Take a snapshot of a mapping.

    Errors in it are raised later, when it is read: then no frame of the traceback holds its values.
    """
    if not isinstance(environ, Mapping):
        return Snapshot(process={}, problem=f"environ is a mapping of variables, not {type(environ).__name__}")
    process = _ours(environ)
    wrong = [name for name, value in process.items() if not isinstance(value, str | None)]
    if wrong:
        return Snapshot(process={}, problem=f"the values of environ are strings, but not that of {', '.join(wrong)}")
    process = _without_services(process)
    files = _files(process)
    return Snapshot(process=process, files=files, secrets=_secrets(files or {}))


def _ours(values: Values) -> Values:
    """Return the variables of smsbridge among ``values``, in upper case."""
    named = ((name.upper(), value) for name, value in values.items() if isinstance(name, str))
    return {name: value for name, value in named if name.startswith(PREFIX)}


def _without_services(values: Values) -> Values:
    """Return ``values`` without the variables of Kubernetes for a service called ``smsbridge`` or ``smsbridge-...``."""
    return {name: value for name, value in values.items() if not _is_of_a_service(name, value)}


def _is_of_a_service(name: str, value: str | None) -> bool:
    if name.endswith("_PORT") and _ADDRESS.match(value or ""):
        return True
    found = _OF_A_SERVICE.search(name)
    return found is not None and found.end() == len(name)


def _says(value: str | None) -> bool:
    return bool(value and value.strip())


def _dotenv() -> Values | None:
    if not Path(ENV_FILE).is_file():
        return {}
    # Imported here, because it takes some 200 ms, which a process without files of settings need not spend.
    from pydantic_settings import BaseSettings, DotEnvSettingsSource

    try:
        return _ours(DotEnvSettingsSource(BaseSettings, ENV_FILE, "utf-8").env_vars)
    except (OSError, ValueError):
        return None


def _files(*places: Values) -> dict[str, Path] | None:
    """Return the files of the first directory that ``places`` name; None if it cannot be read."""
    directory = next((value for values in places if (value := values.get(SECRETS_DIR)) and value.strip()), None)
    if directory is None:
        return {}
    try:
        found = {path.name.upper(): path for path in Path(directory).iterdir() if path.is_file()}
    except (OSError, ValueError):
        return None
    return {name: path for name, path in found.items() if name.startswith(PREFIX)}


def _secrets(files: Mapping[str, Path]) -> dict[str, str | None]:
    """Return the content of ``files``, which are all in the same directory."""
    if not files:
        return {}
    try:
        return _read(next(iter(files.values())).parent, files)
    except (OSError, ValueError):
        if len(files) == 1:
            return dict.fromkeys(files)
    found: dict[str, str | None] = {}
    for name, path in files.items():
        found |= _secrets({name: path})
    return found


def _read(directory: Path, names: Iterable[str]) -> dict[str, str | None]:
    from pydantic import Field, create_model
    from pydantic_settings import BaseSettings, SecretsSettingsSource

    fields: dict[str, Any] = {
        f"file_{place}": (str | None, Field(default=None, validation_alias=name)) for place, name in enumerate(names)
    }
    found = SecretsSettingsSource(create_model("Secrets", __base__=BaseSettings, **fields), directory)()
    return {name.upper(): value for name, value in found.items() if isinstance(value, str)}
