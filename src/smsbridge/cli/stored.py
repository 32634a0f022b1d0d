"""Open the store that a command reads: a named file, or the store that the environment sets for a policy."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from .exits import Exit

if TYPE_CHECKING:
    from ..stores.choice import Choice
    from ..stores.seam import Part, Store
    from .output import Output


@dataclass(frozen=True, slots=True)
class Chosen:
    """Hold the store that a command reads, and ``name``, which tells people which store that is.

    ``name`` is the path of a file, or the scheme of a URL such as ``postgresql``. ``is_common`` is true if
    ``SMSBRIDGE_STORE`` names this store: then the store keeps the data of all features.
    """

    store: Store
    name: str
    path: Path | None = None
    is_common: bool = False

    @property
    def is_absent(self) -> bool:
        """Return whether the store is a file that does not exist yet."""
        return self.path is not None and not self.path.is_file()

    def refuse_unusable(self, part: Part, what: str) -> None:
        """Raise ConfigurationError if ``part`` of the store, such as ``entries``, cannot be used.

        ``what`` is the name of that part in the error's message, such as ``ledger``.
        """
        from ..errors import ConfigurationError

        problem = self.store.problem(part)
        if problem is not None:
            raise ConfigurationError(f"the {what} cannot be used: {problem}")


def chosen(account: str | None, policy: str, *, path: str | None = None, create: bool = False) -> Chosen:
    """Open the store in the file ``path``. Without ``path``, open the store that the settings of ``policy`` name.

    The settings are those of ``account``, or of all accounts. If ``create`` is false, no file or table is made. Raises
    ConfigurationError if the settings name no store, or a store that cannot be used.
    """
    from .. import environment
    from ..errors import ConfigurationError
    from ..stores.choice import SETTING
    from ..stores.known import open_store, scheme_of
    from ..stores.sqlite_store import SqliteStore

    if path is not None:
        return Chosen(SqliteStore(Path(path), create=create), path, Path(path))
    choice = _choice(account, policy)
    if choice.url is None:
        own, common = (f"SMSBRIDGE_{name}STORE" for name in (f"{policy.upper()}_", ""))
        raise ConfigurationError(f"{choice.variable or own} names no store: set it, or {common}, to sqlite:///sms.db")
    try:
        scheme = scheme_of(choice.url)
        if scheme == "memory":
            raise ConfigurationError("only the process that sends can read its memory; name a file or a database")
        store = open_store(choice.url, create=create)
    except ConfigurationError as error:
        problem = f"{choice.variable}: {error}"
    else:
        file = store.given if isinstance(store, SqliteStore) else None
        is_common = choice.variable == environment.variable(None, SETTING)
        return Chosen(store, scheme if file is None else str(file), file, is_common)
    raise ConfigurationError(problem)


def init(out: Output, found: Chosen, part: Part) -> Exit:
    """Make ``part`` of the store, such as ``entries``, unless it exists, and print whether it was made.

    If the store is that of SMSBRIDGE_STORE, its counters are made, too, because caps and limits need them as soon as a
    text is sent. Returns the exit code. Raises ConfigurationError if the store cannot be made.
    """
    made = found.store.init(part)
    if found.is_common and found.store.counters() is not None:
        made = found.store.init("counters") or made
    if out.as_json:
        out.json({"path": found.name, "made": made})
    else:
        out.line(f"made: {found.name}" if made else f"exists already: {found.name}", style="green")
    return Exit.OK


def _choice(account: str | None, policy: str) -> Choice:
    from ..policies import stack
    from ..settings import Settings
    from ..stores import choice

    return choice.chosen(*stack.homes(account or Settings.from_env().provider, policy))
