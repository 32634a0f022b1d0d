"""Nothing that is set goes unread: a misspelt or orphaned variable is refused where a client is made from the environment.

A guard must not vanish with a wrong letter, and a text must not be printed to the console because ``PROVIDER`` was misspelt. The
first word of a variable owns it, as no name has an underscore: the account, provider or policy that it is for, or the setting of
smsbridge itself.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Protocol

from . import environment
from .composite import Composite
from .errors import ConfigurationError
from .policies import stack
from .provider import SmsProvider
from .settings import Settings
from .snapshot import PREFIX

_OURS = frozenset({environment.variable(None, name) for name in (*Settings.model_fields, "record_to")})
"""The variables of smsbridge itself; the last one is for tests of providers that record a vendor's answers."""
WORDS = frozenset(name.removeprefix(PREFIX).lower().partition("_")[0] for name in _OURS)
"""Their first words: no account can be called like that, as it would read them as its own."""
_HOLDERS = ("inner", "accounts")
"""Settings that name the accounts which a policy holds."""
_NOT_AROUND_POLICIES = ("dlt", "limit")
"""Policies that stand around accounts which talk to a vendor, and around no policy."""


class UnreadWarning(UserWarning):
    """A variable is for a vendor of ours whose package is not installed here."""


class Catalogue(Protocol):
    """What is asked of the plugins of a process."""

    def names(self) -> list[str]:
        """The names of all providers."""
        ...

    @property
    def observers(self) -> list[str]:
        """The names of plugins that only have hooks: what they read, they alone know."""
        ...

    def vendors_of_ours(self) -> list[str]:
        """The providers that we have a package for, installed or not."""
        ...

    def account_provider(self, name: str) -> str:
        """The provider of an account. Raises ConfigurationError."""
        ...

    def provider_class(self, name: str) -> type[SmsProvider]:
        """Raises ConfigurationError."""
        ...


@dataclass(frozen=True, slots=True)
class Stray:
    """A variable that nothing reads, and what to do about it."""

    variable: str
    advice: str

    def __str__(self) -> str:
        return f"nothing reads {self.variable}: {self.advice}"


@dataclass(slots=True)
class _Survey:
    """What may own a variable, as seen from one client."""

    catalogue: Catalogue
    members: dict[str, type[SmsProvider] | None] = field(default_factory=dict)
    """The accounts that the client sends through, and their classes; None where the class cannot be found."""

    def add(self, account: str) -> None:
        """``account``, and those that it holds."""
        if account in self.members:
            return
        self.members[account] = None
        try:
            kind = self.members[account] = self.catalogue.provider_class(self.catalogue.account_provider(account))
            if not issubclass(kind, Composite):
                return
            for name in _HOLDERS:
                found = environment.named(account, name) if name in kind.model_fields else None
                for held in found.value.split(",") if found else ():
                    self.add(held.strip())
        except ConfigurationError:
            return  # which the making of the client says


def refuse(catalogue: Catalogue, account: str, error: ConfigurationError | None = None) -> None:
    """Raise ConfigurationError if a variable is for nothing, seen from a client of ``account`` that was made or ended with ``error``.

    What is for accounts that this client does not send through is not its matter, see ``smsbridge doctor``.
    """
    strays = list(of_client(catalogue, account))
    if error is None and not strays:
        return
    raise ConfigurationError("; ".join([*map(str, strays), *([str(error)] if error is not None else [])]))


def of_client(catalogue: Catalogue, account: str) -> Iterator[Stray]:
    """The variables that a client of ``account`` should have read, and did not. Warns of those that another machine may read."""
    there = [name for name, has_value in environment.variables().items() if has_value and name not in _OURS]
    if not there:
        return
    survey = _Survey(catalogue)
    survey.add(account)
    allowed = _allowed()
    declared = {
        name.removeprefix(PREFIX).removesuffix("_PROVIDER").lower() for name in there if name.endswith("_PROVIDER")
    }
    others = declared | {*catalogue.names(), *catalogue.observers}
    for name in sorted(there):
        word, _, rest = name.removeprefix(PREFIX).lower().partition("_")
        if allowed & {word, f"{word}_{rest}", name.lower()}:
            continue
        if word in survey.members:
            kind = survey.members[word]
            if kind is not None and (advice := _of_member(word, kind, rest)) is not None:
                yield Stray(name, advice)
        elif word in stack.AROUND_AN_ACCOUNT:
            if (advice := _of_policy(name, word, rest)) is not None:
                yield Stray(name, advice)
        elif word not in others and word not in stack.POLICIES:
            if word in catalogue.vendors_of_ours():
                warnings.warn(
                    f"nothing reads {name}, as smsbridge-{word} is not installed here: pip install smsbridge-{word}",
                    UnreadWarning,
                    stacklevel=2,
                )
                continue
            yield Stray(name, _meant(name, word, rest, {**dict.fromkeys(others), **survey.members}))


def _allowed() -> set[str]:
    found = environment.read(None, ["unread_allows"]).get("unread_allows")
    return {one.strip().lower() for one in found.value.split(",")} if found else set()


def _of_member(account: str, kind: type[SmsProvider], rest: str) -> str | None:
    """What is wrong with the setting ``rest`` of an account that a client sends through; None if it is read."""
    fields = [*_fields(kind), "provider"]
    around = [
        name for name in stack.AROUND_AN_ACCOUNT if not (issubclass(kind, Composite) and name in _NOT_AROUND_POLICIES)
    ]
    policy = next((name for name in around if rest.startswith(f"{name}_")), None)
    if rest in fields:
        return None
    if policy is not None:
        return _of_policy(environment.variable(account, rest), policy, rest.removeprefix(f"{policy}_"), account)
    known = [environment.variable(account, name) for name in fields]
    near = get_close_matches(rest.partition("_")[0], around, 1)  # the name of the policy may be misspelt
    also = [environment.variable(f"{account}_{name}", one) for name in near for one in _policy_fields(name)]
    meant = environment.nearest(environment.variable(account, rest), [*known, *also])
    return f"did you mean {meant}?" if meant else f"there are {', '.join(known)}"


def _of_policy(name: str, policy: str, rest: str, account: str | None = None) -> str | None:
    """What is wrong with the setting ``rest`` of a policy; None if it is read."""
    fields = _policy_fields(policy)
    of_an_account = account is None and rest in ("inner", "provider")  # of one that is named after the policy
    if rest in fields or of_an_account:
        return None
    home = f"{account}_{policy}" if account else policy
    known = [environment.variable(home, one) for one in fields]
    meant = environment.nearest(name, known)
    return f"did you mean {meant}?" if meant else f"there are {', '.join(known)}"


def _policy_fields(policy: str) -> list[str]:
    kind = stack.policy_class(policy)
    return [name for name in _fields(kind) if name != "inner"] if policy in stack.AROUND_AN_ACCOUNT else _fields(kind)


def _fields(kind: type[SmsProvider]) -> list[str]:
    return [name for name in kind.model_fields if name != "account"]


def _meant(name: str, word: str, rest: str, owners: Mapping[str, type[SmsProvider] | None]) -> str:
    """What to do about a variable that nothing owns: the nearest that there is, by its owner first and then by its field."""
    near = get_close_matches(word, [*owners, *stack.POLICIES, *WORDS], 1)
    meant = _of_owner(near[0], rest, owners) if near else environment.nearest(name, _OURS)
    if meant is not None:
        return f"did you mean {meant}?"
    allows = environment.variable(None, "unread_allows")
    return (
        f"there is no account, provider or policy {word!r} here; install what reads it, or, if something else does, "
        f"name it in {allows}"
    )


def _of_owner(owner: str, rest: str, owners: Mapping[str, type[SmsProvider] | None]) -> str | None:
    """The variable of ``owner`` that was probably meant by its setting ``rest``; one whose class is not known may have any."""
    wanted = environment.variable(owner, rest) if rest else environment.variable(None, owner)
    if owner in WORDS:
        return environment.nearest(wanted, _OURS)
    kind = owners.get(owner) or (stack.policy_class(owner) if owner in stack.POLICIES else None)
    if kind is None:
        return wanted if rest else None
    return environment.nearest(wanted, [environment.variable(owner, one) for one in (*_fields(kind), "provider")])
