"""The policies that every account has, unless the environment says otherwise: which ones, in what order, with what
settings.

Each policy says where it stands (:class:`Place`), from the outside in; within a place they stand by name. Those outside
of ``ACCOUNT`` stand once, around the account that was asked for, which may be a failover over others; the others stand
around each account that talks to a vendor. ``SMSBRIDGE_RETRY_ATTEMPTS`` is for all accounts,
``SMSBRIDGE_OTP_RETRY_ATTEMPTS`` for the account ``otp`` alone, as long as it stands inside no other. A policy that the
environment composes itself (``SMSBRIDGE_SLOW_PROVIDER=retry``) is not added again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from smsbridge import environment
from smsbridge.composite import account_names, each, inside
from smsbridge.errors import ConfigurationError
from smsbridge.provider import SmsProvider

from .known import BUILT_IN, MAY_STAND_UNSET, WHERE_STORED, Policies
from .policy import Carrier, Place, Policy, Surroundings

HOLDERS = ("inner", "accounts")
"""Settings that name the accounts which a policy holds, where the environment composes it."""


def variables_set() -> list[str]:
    """The names of all variables that have a value: what :func:`within` and :func:`leaf` go by."""
    return [name for name, has_value in environment.variables().items() if has_value]


def within(
    provider: SmsProvider, there: Sequence[str], policies: Policies, around: Surroundings | None = None
) -> SmsProvider:
    """``provider`` within the policies that stand once, where the variables ``there`` are set."""
    for kind, is_set in _standing(provider, there, policies, lambda place: place < Place.ACCOUNT):
        if not _holds(provider, kind):
            provider = _put(kind, provider, around, is_set=is_set)
    for one in unheeded(provider, there, policies):
        if not _holds(provider, policies.get(one.policy)):
            raise ConfigurationError(f"{one.words}: {one.instead}")
    return provider


def leaf(
    provider: SmsProvider, there: Sequence[str], policies: Policies, around: Surroundings | None = None
) -> SmsProvider:
    """``provider`` within the policies that stand around each account, if it is one that talks to a vendor."""
    if inside(provider):
        return provider
    for kind, is_set in _standing(provider, there, policies, lambda place: place >= Place.ACCOUNT):
        provider = _put(kind, provider, around, is_set=is_set)
    return provider


def _put(kind: type[Policy], provider: SmsProvider, around: Surroundings | None, *, is_set: bool) -> SmsProvider:
    """``provider`` within a policy of the class ``kind``, if that applies."""
    try:
        if not kind.applies(provider, is_set=is_set):
            return provider
        return kind.standing(provider, *homes(provider.account, kind.name), around=around)
    except ConfigurationError:
        raise
    except Exception as bug:  # noqa: BLE001  # of somebody's policy; its words may quote a setting
        problem = f"policy {kind.name} failed with {type(bug).__name__}: report this to its authors"
    raise ConfigurationError(problem)


def _standing(
    provider: SmsProvider, there: Sequence[str], policies: Policies, here: Callable[[Place], bool]
) -> list[tuple[type[Policy], bool]]:
    """The policies that may stand ``here`` around ``provider``, from the inside out, and whether each has a setting."""
    found: list[tuple[Place, str, type[Policy], bool]] = []
    unset = frozenset[str]() if provider.stub and not provider.rates else MAY_STAND_UNSET  # so a first text is fast
    if environment.variable(None, "store") in there:
        unset |= WHERE_STORED
    for name in policies.names():
        is_set = _is_set(there, provider, name)
        if not is_set and name not in unset:
            continue
        kind = policies.get(name)
        if kind.place is None:
            _refuse_without_a_place(name, provider, there)
        elif not issubclass(kind, Policy):
            raise ConfigurationError(f"policy {name} has a place, but holds several accounts: it can only be composed")
        elif here(kind.place):
            found.append((kind.place, name, kind, is_set))
    return [(kind, is_set) for _, _, kind, is_set in sorted(found, key=lambda one: one[:2], reverse=True)]


def _refuse_without_a_place(name: str, provider: SmsProvider, there: Sequence[str]) -> None:
    """A policy that is set and stands nowhere would be missing in silence.

    One that the environment composes is an account.
    """
    composed = [environment.variable(name, holder) for holder in HOLDERS]
    if name not in BUILT_IN and not set(composed) & set(there) and not any(one.name == name for one in each(provider)):
        raise ConfigurationError(
            f"policy {name} has no place of its own, so its settings have no effect: compose it by {composed[0]}, "
            f"which names the account inside"
        )


@dataclass(frozen=True, slots=True)
class Unheeded:
    """A variable of an account that stands inside another, where the policy that it is for does not."""

    variable: str
    policy: str
    words: str
    instead: str


def unheeded(provider: SmsProvider, there: Iterable[str], policies: Policies) -> Iterator[Unheeded]:
    """Those of ``there`` that set policies around accounts inside ``provider``, where these stand around it alone."""
    outer, there = provider.account, list(there)
    for account in sorted(account_names(provider) - {outer}):
        for name in policies.names():
            home, everywhere = homes(account, name)
            variables = list(_of(home, provider, there))
            place = policies.get(name).place if variables else None
            for variable in variables if place is not None and place < Place.ACCOUNT else ():
                field = variable.removeprefix(environment.variable(home, ""))
                ours = environment.variable(homes(outer, name)[0], field)
                yield Unheeded(
                    variable=variable,
                    policy=name,
                    words=f"{variable} has no effect, as {name} is put around {outer}, and not around account "
                    f"{account} inside it",
                    instead=f"set {ours}, or {environment.variable(everywhere, field)} for all accounts",
                )


def _of(home: str, provider: SmsProvider, there: Iterable[str]) -> Iterator[str]:
    """Those of the variables ``there`` that are for the policy whose settings are at ``home``, and no account's own."""
    prefix = environment.variable(home, "")
    named_alike = {
        f"{prefix}{one.upper()}" for one in (*HOLDERS, "provider")
    }  # of an account that is named after the policy
    for variable in there:
        if variable.startswith(prefix) and variable not in named_alike and variable not in _own(provider):
            yield variable


def _own(provider: SmsProvider) -> set[str]:
    return {environment.variable(one.account, field) for one in each(provider) for field in type(one).model_fields}


def setting(account: str, name: str, setting: str) -> str | None:
    """What the environment says of the policy ``name`` around ``account``, or around all. Raises ConfigurationError."""
    for one in homes(account, name):
        found = environment.read(one, [setting]).get(setting)
        if found is not None:
            return found.value
    return None


def homes(account: str, name: str) -> tuple[str, str]:
    """The accounts under which policy ``name`` around ``account`` looks for each setting, in their order."""
    return f"{account}_{name}", name


def _holds(provider: SmsProvider, kind: type[Carrier]) -> bool:
    """Whether the environment has composed the policy itself.

    One of several accounts that has it spares the others no guard.
    """
    if kind.place is Place.REPEAT:  # two around each other would multiply their attempts
        return any(one.name == kind.name for one in each(provider))
    held = inside(provider)
    return provider.name == kind.name or (bool(held) and all(_holds(one, kind) for one in held))


def _is_set(there: Sequence[str], provider: SmsProvider, name: str) -> bool:
    return any(variable for home in homes(provider.account, name) for variable in _of(home, provider, there))
