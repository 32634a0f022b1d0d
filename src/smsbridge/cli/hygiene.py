"""What lies about in the environment: variables that nothing reads, and files that others can read."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import BaseModel

from .. import environment, snapshot
from ..errors import ConfigurationError
from ..policies import stack
from ..policies.stack import POLICIES
from ..provider import SmsProvider
from ..settings import Settings

if TYPE_CHECKING:
    from ..plugins import Plugins

_ALIKE = 0.85


def unread(there: Iterable[str], plugins: Plugins) -> dict[str, str | None]:
    """The variables that nothing reads, each with the one that was probably meant."""
    there = list(there)
    known = _names_of(Settings, None)
    accounts = [
        name.removeprefix(snapshot.PREFIX).removesuffix("_PROVIDER").lower() for name in there if _is_account(name)
    ]
    known += [environment.variable(account, "provider") for account in accounts]
    unsure: list[str] = []
    for account in {*plugins.names(), *POLICIES, *accounts}:
        # A provider or a policy is imported only if something looks as if it were meant for it.
        holds = account in POLICIES
        if _is_meant(account, there):
            try:
                provider = plugins.account_provider(account)
                known += _names_of(plugins.provider_class(provider), account)
            except ConfigurationError:  # nobody knows what it would read
                unsure.append(environment.variable(account, ""))
                continue
            holds = provider in POLICIES
        for home, policy in stack.settings_of(account):
            never = holds and policy in ("dlt", "limit") and home != policy  # those are around who talks to a vendor
            if policy in POLICIES and not never and _is_meant(home, there):
                names = _names_of(stack.policy_class(policy), home)
                known += [name for name in names if name != environment.variable(home, "inner")]
    strays = [name for name in sorted(there) if name not in known and not name.startswith(tuple(unsure))]
    return {name: environment.nearest(name, known) for name in strays}


def _is_meant(account: str, there: Iterable[str]) -> bool:
    prefix = environment.variable(account, "")
    return bool(get_close_matches(prefix, [name[: len(prefix)] for name in there], 1, _ALIKE))


def _is_account(name: str) -> bool:
    return name.endswith("_PROVIDER") and name != environment.variable(None, "provider")


def _names_of(model: type[BaseModel], account: str | None) -> list[str]:
    skipped = {"account"} if issubclass(model, SmsProvider) else set()
    return [environment.variable(account, name) for name in model.model_fields if name not in skipped]


def readable_by_others(path: Path) -> bool:
    """Whether any user of this machine can read the file (never so on Windows, which has no such bits)."""
    try:
        return os.name != "nt" and bool(path.stat().st_mode & stat.S_IROTH)
    except OSError:
        return False


def file_of(source: str, variable: str) -> Path | None:
    """The file that a value came from."""
    if source == snapshot.ENV_FILE:
        return Path(snapshot.ENV_FILE)
    return (snapshot.current().files or {}).get(variable) if source == snapshot.SECRETS else None
