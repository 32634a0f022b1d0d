"""Find the store that the environment names for a use, such as the ledger.

A use has its own variable; ``SMSBRIDGE_STORE`` is for all uses.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from pydantic import SecretStr

from smsbridge import environment
from smsbridge.errors import ConfigurationError
from smsbridge.rehearsal import Rehearsal, newest

from .known import BUILT_IN, open_store, scheme_of
from .memory_store import MemoryStore
from .seam import Counters, Part, Store
from .sqlite_store import SqliteStore

SETTING = "store"
"""The name of a policy's field, and of the core's setting."""
T = TypeVar("T")
PATH_IN_CODE: Mapping[str, tuple[str, str]] = {"path": (SETTING, "sqlite:///")}
"""In code, ``path`` is short for a store in a SQLite file; the environment has only the store."""
_WORDS: Mapping[Part, str] = {"entries": "a ledger", "counters": "limits and caps", "opt_outs": "opt-outs"}


@dataclass(frozen=True, slots=True)
class Choice:
    """The store that the environment chooses for a feature, such as the ledger, and the variable that names the store.

    ``url`` is None if there is no store, so that nothing is kept after the process ends.
    """

    url: str | None = field(default=None, repr=False)
    variable: str | None = None

    @property
    def is_off(self) -> bool:
        """Whether a variable says ``off``, so that this feature has no store."""
        return self.url is None and self.variable is not None


def chosen(*accounts: str, common: bool = True) -> Choice:
    """Return the store for a feature: the first store that the settings of ``accounts`` name, in their order.

    The word ``off`` means no store. The word ``on`` means the store in ``SMSBRIDGE_STORE``, which is for all features.
    If no account names a store, the result is the store in ``SMSBRIDGE_STORE`` if ``common`` is true, otherwise no
    store. Raises ConfigurationError if an account says ``on``, but ``SMSBRIDGE_STORE`` names no store.
    """
    for account in accounts:
        found = environment.read(account, [SETTING]).get(SETTING)
        if found is None:
            continue
        variable, word = environment.variable(account, SETTING), found.value.strip()
        if word.lower() == "off":
            return Choice(variable=variable)
        if word.lower() != "on":
            return Choice(word, variable)
        everywhere = _everywhere()
        if everywhere.url is None:
            raise ConfigurationError(
                f"{variable} is on, but {environment.variable(None, SETTING)} is not set: "
                "set it to a store, such as sqlite:///sms.db"
            )
        return everywhere
    return _everywhere() if common else Choice()


def _everywhere() -> Choice:
    variable = environment.variable(None, SETTING)
    found = environment.read(None, [SETTING]).get(SETTING)
    if found is None or found.value.strip().lower() == "off":
        return Choice()
    return Choice(found.value.strip(), variable)


def store_of(accounts: Sequence[str], given: Mapping[str, Any], *, common: bool = True) -> dict[str, SecretStr | None]:
    """Return a policy's field ``store``, as the environment sets it, in a dict; empty if ``given`` has a store.

    ``accounts`` and ``common`` are explained at :func:`chosen`; ``given`` has the fields that the caller sets. Raises
    ConfigurationError, which names the variable, for a store that cannot be opened.
    """
    if given.get(SETTING) is not None or given.get("path") is not None:
        return {}
    choice = chosen(*accounts, common=common)
    if choice.url is None:
        return {SETTING: None}
    try:
        if newest() is None:
            # This connects to nothing. It is done here because the error can name the variable.
            opened(None, SecretStr(choice.url))
        else:
            scheme_of(choice.url)
    except ConfigurationError as error:
        problem = f"{choice.variable}: {error}"
    else:
        return {SETTING: SecretStr(choice.url)}
    raise ConfigurationError(problem)


def opened(path: Path | None, url: SecretStr | None, *, in_production: bool | None = None) -> Store:
    """Return the store in the SQLite file ``path``, or else the store at ``url``; in memory if both are None.

    Nothing is added to a file at ``path`` that already keeps other parts. In production, the store creates no file.
    ``in_production`` says whether this is production; if it is None, the environment says so. Raises ConfigurationError
    if the store cannot be opened.
    """
    create = not environment.in_production(known=in_production)
    if path is not None:
        return SqliteStore(path, create=create, joins=False)
    return open_store(url.get_secret_value() if url is not None else "memory:", create=create)


class CountersAt:
    """The counters of the store at ``url``. Call this object to get the counters.

    The store is opened when this object is made; in a rehearsal, at the first call. Raises ConfigurationError if the
    store cannot be opened, or keeps no counters.
    """

    def __init__(self, url: SecretStr) -> None:
        self._url = url
        self._in_production = environment.known_production()
        self._opened: Counters | None = None
        if newest() is None:
            self()

    def __call__(self) -> Counters:
        """Return the counters, and open them at the first call in a rehearsal."""
        if self._opened is None:
            store = opened(None, self._url, in_production=self._in_production)
            self._opened = part_of(store, "counters", store.counters())
        return self._opened

    def close(self) -> None:
        """Close the counters, if they were opened. A later question opens them again."""
        if self._opened is not None:
            self._opened.close()


def stand_in(path: Path | None, url: SecretStr | None, rehearsal: Rehearsal) -> MemoryStore:
    """Return the store in memory that replaces the store at ``path`` or ``url`` in ``rehearsal``."""
    which = path.absolute() if path is not None else url and url.get_secret_value()
    return rehearsal.shared(("store", which), MemoryStore)


def part_of(store: Store, part: Part, found: T | None) -> T:
    """Return ``found``, which is the part ``part`` of ``store``.

    Raises ConfigurationError if ``found`` is None, because the store cannot keep such a part.
    """
    if found is None:
        raise ConfigurationError(f"{type(store).__name__} cannot keep {_WORDS[part]}: name another store for it")
    return found


def is_in_process(url: SecretStr | None) -> bool:
    """Return whether the store at ``url`` ends with this process, so that other processes have their own."""
    return url is None or url.get_secret_value().startswith("memory:")


def problem_of(path: Path | None, url: SecretStr | None, part: Part) -> str | None:
    """Return why ``part`` of the store at ``path`` or ``url`` cannot be used; None if no problem is known.

    ``smsbridge doctor`` calls this. In a rehearsal no file is opened.
    """
    try:
        if newest() is not None and url is not None and scheme_of(url.get_secret_value()) not in BUILT_IN:
            return None
        return opened(path, url).problem(part)
    except ConfigurationError as error:
        return str(error)
