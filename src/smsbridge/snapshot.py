"""What the environment says at one moment: variables, ``.env`` of the working directory, the secrets directory.

Each is read once for a client: whatever is made for it reads one snapshot, see :class:`Reading`.
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
"""How an orchestrator writes where a service is, in ``<SERVICE>_PORT``."""
T = TypeVar("T")
Values = Mapping[str, str | None]
"""By variable, in upper case; None for a variable without a value."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """The variables of smsbridge, by where they were found. Shows none of its values."""

    process: Values = field(repr=False)
    dotenv: Values | None = field(default_factory=dict, repr=False)
    """None if it cannot be read."""
    files: Mapping[str, Path] | None = field(default_factory=dict, repr=False)
    """The files of the secrets directory, by variable; None if the directory cannot be read."""
    secrets: Values = field(default_factory=dict, repr=False)
    """What is in these files; None where a file cannot be read. One that leads out of its directory is not here."""
    problem: str | None = None
    """What is wrong with the mapping that stands for the environment."""

    def places(self) -> dict[str, dict[str, str]]:
        """What is set, by source; those that count most at the end."""
        places = {SECRETS: self.secrets, ENV_FILE: self.dotenv or {}, PROCESS: self.process}
        return {
            source: {name: value for name, value in values.items() if value and value.strip()}
            for source, values in places.items()
        }

    def variables(self) -> dict[str, bool]:
        """Every variable that is there, and whether it has a value.

        What cannot be read is left out, but for a secret, which counts.
        """
        found = {name: self.secrets.get(name) is None or _says(self.secrets[name]) for name in self.files or ()}
        for values in (self.dotenv or {}, self.process):
            for name, value in values.items():
                found[name] = found.get(name, False) or _says(value)
        return found


class Reading:
    """One reading of the environment, for all that this thread or task, and no other, makes within :meth:`run`.

    ``environ`` stands for the process's variables. It is the whole truth: an application that gives it has decided
    where its settings come from, and a ``.env`` that happens to lie in the working directory, or a variable of the
    process, must not mix with the settings of a tenant or a test. So ``.env`` is not read, and a secrets directory only
    if ``environ`` names one.
    """

    def __init__(self, environ: Mapping[str, str | None] | None = None) -> None:
        self._snapshot = None if environ is None else _of(environ)
        self.over = False

    def run(self, make: Callable[[], T]) -> T:
        """What ``make`` returns. Without ``environ``, and within another reading, it is a part of that."""
        if self._snapshot is None and _going_on() is not None:
            return make()
        context = copy_context()  # a variable that is set in a copy needs no reset, whatever interrupts this
        context.run(_readings.set, self)
        try:
            return context.run(make)
        finally:
            self.over = True  # for threads and tasks that were begun within

    def snapshot(self) -> Snapshot:
        """What is read, at the first question."""
        if self._snapshot is None:
            self._snapshot = _taken()
        return self._snapshot


_readings: ContextVar[Reading | None] = ContextVar("readings", default=None)


def current() -> Snapshot:
    """The snapshot of the reading that goes on, or one of this moment."""
    reading = _going_on()
    return _taken() if reading is None else reading.snapshot()


def is_shared() -> bool:
    """Whether a reading goes on, which will be over later."""
    return _going_on() is not None


def _going_on() -> Reading | None:
    reading = _readings.get()
    return None if reading is None or reading.over else reading


def _taken() -> Snapshot:
    process, dotenv = _without_services(_ours(os.environ)), _dotenv()
    files = _files(process, dotenv or {})
    return Snapshot(process=process, dotenv=dotenv, files=files, secrets=_secrets(files or {}))


def _of(environ: Mapping[str, str | None]) -> Snapshot:
    """What a mapping says.

    What is wrong with it is said when it is asked, as its values should be in no frame of a traceback then.
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
    """The variables of smsbridge among ``values``, in upper case."""
    named = ((name.upper(), value) for name, value in values.items() if isinstance(name, str))
    return {name: value for name, value in named if name.startswith(PREFIX)}


def _without_services(values: Values) -> Values:
    """``values`` without what Kubernetes makes for a service called ``smsbridge`` or ``smsbridge-...``."""
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
    # Here, because it takes some 200 ms to import, which a process without files of settings need not spend.
    from pydantic_settings import BaseSettings, DotEnvSettingsSource

    try:
        return _ours(DotEnvSettingsSource(BaseSettings, ENV_FILE, "utf-8").env_vars)
    except (OSError, ValueError):
        return None


def _files(*places: Values) -> dict[str, Path] | None:
    """The files of the directory that the first of ``places`` names which names one; None if it cannot be read."""
    directory = next((value for values in places if (value := values.get(SECRETS_DIR)) and value.strip()), None)
    if directory is None:
        return {}
    try:
        found = {path.name.upper(): path for path in Path(directory).iterdir() if path.is_file()}
    except (OSError, ValueError):
        return None
    return {name: path for name, path in found.items() if name.startswith(PREFIX)}


def _secrets(files: Mapping[str, Path]) -> dict[str, str | None]:
    """What is in ``files``, all of one directory."""
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
