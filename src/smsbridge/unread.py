"""Refuse variables that nothing reads, such as misspelt names, when a client is made from the environment.

A guard must not disappear because of a wrong letter, and a text must not be printed to the console because ``PROVIDER``
was misspelt. The first word of a variable is its owner, since no name has an underscore: an account, a provider, a
policy, or smsbridge itself.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Protocol

from . import environment
from .composite import Composite
from .display import joined, line
from .errors import ConfigurationError
from .policies import stack
from .policies.known import Policies
from .policies.policy import Carrier, Place, Policy
from .provider import SmsProvider
from .settings import Settings
from .snapshot import PREFIX

_OURS = frozenset({environment.variable(None, name) for name in (*Settings.model_fields, "record_to")})
"""The variables of smsbridge itself; ``record_to`` is for tests of providers that record a vendor's answers."""
WORDS = frozenset(name.removeprefix(PREFIX).lower().partition("_")[0] for name in _OURS)
"""Their first words: no account can have such a name, since it would read them as its own."""

_ACCOUNT = re.compile(r"[a-z0-9]{1,100}", re.ASCII)
_ALMOST = 0.9
"""How alike two names are whose letters are the same but for one or two."""

_LONGEST = 200
"""The most characters of a variable's name that are shown."""


class UnreadWarning(UserWarning):
    """A warning of a variable that nothing on this machine reads.

    The variable is for a provider of smsbridge whose package is not installed here.
    """


class Catalogue(Protocol):
    """The installed plugins, as far as the search for unread variables needs them."""

    @property
    def policies(self) -> Policies:
        """All known policies, installed or built in."""
        ...

    def names(self) -> list[str]:
        """Return the names of all known providers."""
        ...

    @property
    def observers(self) -> list[str]:
        """The names of the installed plugins that have hooks or stores.

        Such a plugin may read any variable, and only the plugin itself knows which.
        """
        ...

    def vendors_of_ours(self) -> list[str]:
        """Return the names of all providers that packages of the smsbridge project provide, installed or not."""
        ...

    def account_provider(self, name: str) -> str:
        """Return the name of the provider that the account ``name`` uses.

        Raises ConfigurationError if the account has no provider.
        """
        ...

    def provider_class(self, name: str) -> type[SmsProvider]:
        """Return the class of the provider ``name``.

        Raises ConfigurationError if the provider does not exist or cannot be loaded.
        """
        ...


@dataclass(frozen=True, slots=True)
class Stray:
    """A variable that nothing reads, with advice what to do about it.

    ``is_refused`` is false if another machine may read the variable: then there is only a warning.
    """

    variable: str
    advice: str
    is_refused: bool = True

    def __str__(self) -> str:
        return f"nothing reads {self.variable}: {self.advice}"


def refuse(catalogue: Catalogue, account: str, error: ConfigurationError | None = None) -> None:
    """Raise ConfigurationError for variables that a client of ``account`` should have read, but that nothing reads.

    ``error`` is the error with which making the client failed, if it failed. Variables of accounts through which this
    client does not send are not checked; :func:`everywhere` checks them. For variables that another machine may read,
    there is only a warning.
    """
    found = list(_strays(catalogue, [account], _there()))
    strays = [str(stray) for stray in found if stray.is_refused]
    for stray in found:
        if not stray.is_refused:
            warnings.warn(str(stray), UnreadWarning, stacklevel=2)
    if error is not None or strays:
        raise ConfigurationError(joined([*strays, *([str(error)] if error is not None else [])]))


def everywhere(catalogue: Catalogue) -> list[Stray]:
    """Find all variables that nothing reads, as if a client were made for every account."""
    there = _there()
    words = {name.removeprefix(PREFIX).lower().partition("_")[0] for name in there}
    accounts = (_declared(there) | {*catalogue.names()}) & words
    for name in words & {*catalogue.policies.names()}:
        kind = _class(catalogue.policies, name)
        if kind is not None and _is_composed(name, kind, there):
            accounts.add(name)
    return list(_strays(catalogue, sorted(accounts), there))


def _there() -> list[str]:
    return sorted(name for name, has_value in environment.variables().items() if has_value and name not in _OURS)


def _declared(there: Iterable[str]) -> set[str]:
    """Return the accounts for which a variable names a provider."""
    named = (
        name.removeprefix(PREFIX).removesuffix("_PROVIDER").lower() for name in there if name.endswith("_PROVIDER")
    )
    return {name for name in named if _ACCOUNT.fullmatch(name) and name not in WORDS}


def _is_composed(policy: str, kind: type[SmsProvider], there: Iterable[str]) -> bool:
    """Return whether the environment names the accounts inside a policy, which makes the policy an account."""
    holders = {environment.variable(policy, holder) for holder in stack.HOLDERS if holder in kind.model_fields}
    return bool(holders & {*there})


def _class(policies: Policies, name: str) -> type[Carrier] | None:
    """Return the class of a policy; None if it cannot be loaded, which is reported where the policy is used."""
    try:
        return policies.get(name)
    except ConfigurationError:
        return None


def _strays(catalogue: Catalogue, accounts: Iterable[str], there: Sequence[str]) -> Iterator[Stray]:
    """Yield the variables ``there`` that clients of ``accounts`` should have read, and did not."""
    if not there:
        return
    policies, survey, allowed = catalogue.policies, _Survey(catalogue), _allowed()
    for account in accounts:
        survey.add(account)
    others = _declared(there) | {*catalogue.names(), *catalogue.observers}
    for name in there:
        word, _, rest = name.removeprefix(PREFIX).lower().partition("_")
        advice: str | None = None
        if allowed & {word, f"{word}_{rest}", name.lower()}:
            continue
        if word in WORDS or not _ACCOUNT.fullmatch(word):
            advice = _meant(policies, name, word, rest, {**dict.fromkeys(others), **survey.members})
        elif word in survey.members:
            kind = survey.members[word]
            advice = _of_member(policies, word, kind, rest) if kind is not None else None
        elif word in policies:
            kind = _class(policies, word)
            if kind is not None and kind.place is not None and _is_composed(word, kind, there):
                # Of another client, or of the policy around this account.
                advice = _of_member(policies, word, kind, rest)
            else:
                advice = _of_policy(policies, name, word, rest)
        elif word not in others:
            if word in catalogue.vendors_of_ours():
                words = f"smsbridge-{word} is not installed here: pip install smsbridge-{word}"
                yield Stray(name, words, is_refused=False)
                continue
            advice = _meant(policies, name, word, rest, {**dict.fromkeys(others), **survey.members})
        if advice is not None:
            yield Stray(line(name, _LONGEST), line(advice))


@dataclass(slots=True)
class _Survey:
    """The accounts that clients send through, each with the class of its provider.

    The class is None if it cannot be found.
    """

    catalogue: Catalogue
    members: dict[str, type[SmsProvider] | None] = field(default_factory=dict)

    def add(self, account: str) -> None:
        """Add ``account`` and the accounts of all providers inside its provider."""
        if account in self.members:
            return
        self.members[account] = None
        try:
            kind = self.members[account] = self.catalogue.provider_class(self.catalogue.account_provider(account))
            if not issubclass(kind, Composite):
                return
            for name in stack.HOLDERS:
                found = environment.named(account, name) if name in kind.model_fields else None
                for held in found.value.split(",") if found else ():
                    self.add(held.strip())
        except ConfigurationError:
            # Making the client reports this error.
            return


def _allowed() -> set[str]:
    found = environment.read(None, ["unread_allows"]).get("unread_allows")
    return {word.strip().lower() for word in found.value.split(",")} if found else set()


def _of_member(policies: Policies, account: str, kind: type[SmsProvider], rest: str) -> str | None:
    """Return what is wrong with the setting ``rest`` of an account that a client sends through; None if it is read."""
    fields = [*_fields(kind), "provider"]
    if rest in fields:
        return None
    if (successor := _successor(kind, account, rest)) is not None:
        return successor
    word = rest.partition("_")[0]
    if word in policies and rest != word:
        name, last = environment.variable(account, rest), rest.removeprefix(f"{word}_")
        if _stands_around(policies, word, kind):
            return _of_policy(policies, name, word, last, account)
        if last in _policy_fields(policies, word) and issubclass(kind, Composite):
            everywhere = environment.variable(word, last)
            return f"{word} stands around each account that talks to a vendor: set {everywhere}, or that of one account"
    known = [environment.variable(account, name) for name in fields]
    # The name of the policy may be misspelt.
    near = get_close_matches(word, policies.names(), 1)
    also = [
        environment.variable(f"{account}_{name}", field)
        for name in near
        if _stands_around(policies, name, kind)
        for field in _policy_fields(policies, name)
    ]
    meant = environment.nearest(environment.variable(account, rest), [*known, *also])
    return f"did you mean {meant}?" if meant else f"the known variables are {', '.join(known)}"


def _stands_around(policies: Policies, name: str, kind: type[SmsProvider]) -> bool:
    """Return whether policy ``name`` can stand around an account of the class ``kind``.

    Policies that stand around each vendor's account stand around no policy.
    """
    found = _class(policies, name)
    place = found.place if found is not None else None
    return place is not None and (place < Place.ACCOUNT or not issubclass(kind, Composite))


def _of_policy(policies: Policies, name: str, policy: str, rest: str, account: str | None = None) -> str | None:
    """Return what is wrong with the setting ``rest`` of a policy; None if it is read, or if the policy has no place."""
    fields, kind = _policy_fields(policies, policy), _class(policies, policy)
    if kind is None or kind.place is None or rest in fields:
        return None
    if account is None and rest == "provider" and _is_itself(policy):
        return None
    home = f"{account}_{policy}" if account else policy
    if (successor := _successor(kind, home, rest)) is not None:
        return successor
    known = [environment.variable(home, field) for field in fields]
    meant = environment.nearest(name, known) if rest else None
    return f"did you mean {meant}?" if meant else f"the known variables are {', '.join(known)}"


def _policy_fields(policies: Policies, policy: str) -> list[str]:
    kind = _class(policies, policy)
    return [name for name in _fields(kind) if kind.place is None or name != "inner"] if kind is not None else []


def _is_itself(policy: str) -> bool:
    """Return whether ``SMSBRIDGE_<POLICY>_PROVIDER`` names the policy itself, its only valid value."""
    found = environment.read(policy, ["provider"]).get("provider")
    return found is not None and found.value == policy


def _fields(kind: type[SmsProvider]) -> list[str]:
    return [name for name in kind.model_fields if name != "account" and name not in _in_code(kind)]


def _in_code(kind: type[SmsProvider]) -> Mapping[str, tuple[str, str]]:
    return kind.in_code if issubclass(kind, Policy) else {}


def _successor(kind: type[SmsProvider], home: str, rest: str) -> str | None:
    """Return the variable to set instead, if ``rest`` is a field that only code sets."""
    if rest not in _in_code(kind):
        return None
    name, begins = _in_code(kind)[rest]
    found = environment.read(home, [rest]).get(rest)
    return f"set {environment.variable(home, name)}={begins}{found.value if found is not None else ''}"


def _meant(policies: Policies, name: str, word: str, rest: str, owners: Mapping[str, type[SmsProvider] | None]) -> str:
    """Return advice for a variable without an owner: the nearest known variable, first by owner and then by field."""
    meant = _parted(policies, f"{word}{rest}", owners)
    if meant is None:
        near = get_close_matches(word, [*owners, *policies.names(), *WORDS], 1)
        meant = _of_owner(policies, near[0], rest, owners) if near else environment.nearest(name, _OURS)
    if meant is not None:
        return f"did you mean {meant}?"
    allows = environment.variable(None, "unread_allows")
    return (
        f"there is no account, provider or policy {word!r} here; install what reads it, or, if something else does, "
        f"name it in {allows}"
    )


def _parted(policies: Policies, written: str, owners: Mapping[str, type[SmsProvider] | None]) -> str | None:
    """The variable that is meant by a name without the underscore behind its owner, such as GUARDTOTAL."""
    known: dict[str, str] = {}
    for owner in {*owners, *policies.names()}:
        kind = (owners.get(owner) or _class(policies, owner)) if written.startswith(owner) else None
        for name in [*_fields(kind), "provider"] if kind is not None else ():
            known[f"{owner}{name}".replace("_", "")] = environment.variable(owner, name)
    near = get_close_matches(written.replace("_", ""), known, 1, _ALMOST)
    return known[near[0]] if near else None


def _of_owner(policies: Policies, owner: str, rest: str, owners: Mapping[str, type[SmsProvider] | None]) -> str | None:
    """Return the variable of ``owner`` that the setting ``rest`` probably means.

    An owner whose class is unknown may have any setting.
    """
    wanted = environment.variable(owner, rest) if rest else environment.variable(None, owner)
    if owner in WORDS:
        return environment.nearest(wanted, _OURS)
    kind = owners.get(owner) or (_class(policies, owner) if owner in policies else None)
    if kind is None:
        return wanted if rest else None
    return environment.nearest(wanted, [environment.variable(owner, field) for field in (*_fields(kind), "provider")])
