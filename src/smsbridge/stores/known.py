"""Open stores by the scheme of their URL: the stores of smsbridge, and those of other packages.

A URL may hold a password, so no error shows more of it than its scheme.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlsplit

from smsbridge import groups
from smsbridge.display import line
from smsbridge.errors import ConfigurationError
from smsbridge.forks import fresh_rlock

from .seam import Store

BUILT_IN = {"memory": "memory_store", "sqlite": "sqlite_store"}
"""The module of each store of the core, by scheme; its function ``open_url`` opens the store."""
_SCHEME = re.compile(r"([a-z][a-z0-9+.-]{0,30}):", re.ASCII)
_opened: dict[tuple[str, bool, str], Store] = {}
"""By URL, whether it may be created, and the working directory, since a URL may name a file relative to it."""
_lock = fresh_rlock()


def open_store(url: str, *, create: bool = True) -> Store:
    """Return the store with this ``url``. A process opens the store only once for each URL.

    If ``create`` is false, the store creates no file and no table. Raises ConfigurationError if there is no store for
    such a URL, or if the store cannot be opened.
    """
    try:
        here = str(Path.cwd())
    # The directory is gone.
    except OSError:
        here = ""
    with _lock:
        store = _opened.get((url, create, here))
        if store is None:
            store = _opened[url, create, here] = _open(url, create=create)
        return store


def forget_all() -> None:
    """Forget all opened stores, as a new process would. This is for tests."""
    _opened.clear()


def scheme_of(url: str) -> str:
    """Return the scheme of ``url``, such as ``sqlite``. Raises ConfigurationError if no store has this scheme."""
    found = _SCHEME.match(url)
    if found is None:
        raise ConfigurationError("this is no URL of a store: write it as in sqlite:///sms.db")
    scheme = found[1]
    if scheme not in BUILT_IN and not _points(scheme):
        raise ConfigurationError(_unknown(scheme))
    return scheme


def _open(url: str, *, create: bool) -> Store:
    scheme = scheme_of(url)
    opens, origin = _opener(scheme)
    try:
        return opens(url, create=create)
    except ConfigurationError as error:
        problem = str(error)
        ours = scheme in BUILT_IN
    # A store of a third party may raise any error.
    except Exception as error:  # noqa: BLE001
        problem, ours = f"it failed with {type(error).__name__}", False
    words = problem if ours or not _quotes(problem, url) else "its error is hidden, since it shows a part of the URL"
    raise ConfigurationError(words if ours else line(f"the store {scheme} of {origin} cannot be opened: {words}"))


def _opener(scheme: str) -> tuple[Callable[..., Store], str]:
    """Return the function that opens the stores of ``scheme``, and the name of its distribution."""
    points = _points(scheme)
    origins = [*(["smsbridge itself"] if scheme in BUILT_IN else []), *map(groups.origin, points)]
    if len(origins) > 1:
        raise ConfigurationError(f"two stores are named {scheme!r}: in {' and in '.join(origins)}; uninstall one")
    if scheme in BUILT_IN:
        module = importlib.import_module(f"{__package__}.{BUILT_IN[scheme]}")
        opens: Callable[..., Store] = module.open_url
        return opens, origins[0]
    try:
        found: Any = points[0].load()
    # The import may raise any error.
    except Exception as error:  # noqa: BLE001
        problem = line(f"store {scheme!r} of {origins[0]} {groups.failure(points[0], error)}")
    else:
        if callable(found):
            return cast("Callable[..., Store]", found), origins[0]
        problem = f"store {scheme!r} of {origins[0]} is no callable that opens a store"
    raise ConfigurationError(problem)


def _points(scheme: str) -> list[EntryPoint]:
    return list(entry_points(group=groups.STORES, name=scheme))


def _unknown(scheme: str) -> str:
    """Return the error message for an unknown scheme."""
    there = sorted({*BUILT_IN, *(point.name for point in entry_points(group=groups.STORES))})
    return f"there is no store {scheme!r}; known: {', '.join(there)}{groups.meant(scheme, there)}"


def _quotes(words: str, url: str) -> bool:
    """Return whether ``words`` show more of ``url`` than its scheme."""
    try:
        parts = urlsplit(url)
        behind = url.partition(":")[2].strip("/")
        held = [
            behind,
            parts.netloc,
            parts.username,
            parts.password,
            parts.hostname,
            parts.query,
            parts.path.strip("/"),
        ]
    except ValueError:
        return True
    return any(part and part in words for part in held)
