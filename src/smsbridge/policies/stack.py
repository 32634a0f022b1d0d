"""Build the stack of policies around each account: which policies, in what order, with which settings.

Each policy has a place (:class:`Place`), from the outside in; within a place they are ordered by name. Policies outside
of ``ACCOUNT`` stand once, around the chosen account, which may be a failover over others. The other policies stand
around each account that talks to a vendor. ``SMSBRIDGE_RETRY_ATTEMPTS`` is for all accounts;
``SMSBRIDGE_OTP_RETRY_ATTEMPTS`` is only for the account ``otp``, if it is not inside another account. A policy that the
environment composes itself (``SMSBRIDGE_SLOW_PROVIDER=retry``) is not added again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from smsbridge import environment
from smsbridge.composite import account_names, each, inside
from smsbridge.errors import ConfigurationError
from smsbridge.provider import SmsProvider

from .known import BUILT_IN, STANDS_UNSET, WHERE_STORED, Policies
from .policy import Carrier, Place, Policy, Surroundings

HOLDERS = ("inner", "accounts")
"""Settings that name the accounts inside a policy that the environment composes."""


def variables_set() -> list[str]:
    """Return the names of all environment variables of smsbridge that are set to a value."""
    return [name for name, has_value in environment.variables().items() if has_value]


def within(
    provider: SmsProvider, there: Sequence[str], policies: Policies, around: Surroundings | None = None
) -> SmsProvider:
    """Put ``provider`` inside the policies that stand once, around all accounts, and return the outermost policy.

    ``there`` are the names of the variables that are set, ``policies`` are the installed policies, and ``around`` has
    the methods of plugins that a policy may call. Raises ConfigurationError if a variable for a policy would have no
    effect.
    """
    for kind, is_set in _standing(provider, there, policies, lambda place: place < Place.ACCOUNT):
        if not _holds(provider, kind):
            provider = _put(kind, provider, around, is_set=is_set)
    for stray in unheeded(provider, there, policies):
        if not _holds(provider, policies.get(stray.policy)):
            raise ConfigurationError(f"{stray.words}: {stray.instead}")
    return provider


def leaf(
    provider: SmsProvider, there: Sequence[str], policies: Policies, around: Surroundings | None = None
) -> SmsProvider:
    """Put ``provider`` inside the policies that stand around each account, and return the outermost policy.

    A provider that holds others does not talk to a vendor itself, and is returned without policies. The arguments are
    those of :func:`within`. Raises ConfigurationError if a policy cannot be made.
    """
    if inside(provider):
        return provider
    for kind, is_set in _standing(provider, there, policies, lambda place: place >= Place.ACCOUNT):
        provider = _put(kind, provider, around, is_set=is_set)
    return provider


def _put(kind: type[Policy], provider: SmsProvider, around: Surroundings | None, *, is_set: bool) -> SmsProvider:
    """Return ``provider`` inside a policy of the class ``kind``, if that applies."""
    try:
        if not kind.applies(provider, is_set=is_set):
            return provider
        return kind.standing(provider, *homes(provider.account, kind.name), around=around)
    except ConfigurationError:
        raise
    # Any policy may fail here. The error's words may quote a setting.
    except Exception as bug:  # noqa: BLE001
        problem = f"policy {kind.name} failed with {type(bug).__name__}: report this to its authors"
    raise ConfigurationError(problem)


def _standing(
    provider: SmsProvider, there: Sequence[str], policies: Policies, here: Callable[[Place], bool]
) -> list[tuple[type[Policy], bool]]:
    """Return the policies that may stand ``here`` around ``provider``, from the inside out; whether each is set."""
    found: list[tuple[Place, str, type[Policy], bool]] = []
    unset = {name for name, stands in STANDS_UNSET.items() if stands(provider)}
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
            raise ConfigurationError(
                f"policy {name} holds several accounts, so it must have no place: report this to its authors"
            )
        elif here(kind.place):
            found.append((kind.place, name, kind, is_set))
    return [(kind, is_set) for _, _, kind, is_set in sorted(found, key=lambda entry: entry[:2], reverse=True)]


def _refuse_without_a_place(name: str, provider: SmsProvider, there: Sequence[str]) -> None:
    """Raise ConfigurationError for a policy that is set but has no place: it would be missing silently.

    A policy that the environment composes is an account, and allowed.
    """
    composed = [environment.variable(name, holder) for holder in HOLDERS]
    if (
        name not in BUILT_IN
        and not set(composed) & set(there)
        and not any(held.name == name for held in each(provider))
    ):
        raise ConfigurationError(
            f"policy {name} has no place, so its settings have no effect: compose it by {composed[0]}, "
            f"which names the account inside"
        )


@dataclass(frozen=True, slots=True)
class Unheeded:
    """Describe an environment variable that has no effect: it sets a policy for an account inside another account.

    The policy stands only around the outer account. ``words`` says that to the user, and ``instead`` names the variable
    to set.
    """

    variable: str
    policy: str
    words: str
    instead: str


def unheeded(provider: SmsProvider, there: Iterable[str], policies: Policies) -> Iterator[Unheeded]:
    """Yield each variable without effect: it is for an inner account, but its policy stands around ``provider``.

    ``there`` are the names of the variables that are set, and ``policies`` are the installed policies.
    """
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
                    words=f"{variable} has no effect, since {name} stands around {outer}, and not around account "
                    f"{account} inside it",
                    instead=f"set {ours}, or {environment.variable(everywhere, field)} for all accounts",
                )


def _of(home: str, provider: SmsProvider, there: Iterable[str]) -> Iterator[str]:
    """Yield the variables ``there`` for the policy with settings at ``home``, without an account's own variables."""
    prefix = environment.variable(home, "")
    # Variables of an account that has the policy's name.
    named_alike = {f"{prefix}{setting.upper()}" for setting in (*HOLDERS, "provider")}
    for variable in there:
        if variable.startswith(prefix) and variable not in named_alike and variable not in _own(provider):
            yield variable


def _own(provider: SmsProvider) -> set[str]:
    return {environment.variable(held.account, field) for held in each(provider) for field in type(held).model_fields}


def setting(account: str, name: str, setting: str) -> str | None:
    """Return the value of ``setting`` of the policy ``name``, for ``account`` or for all accounts; None if not set.

    Raises ConfigurationError if the environment cannot be read.
    """
    for home in homes(account, name):
        found = environment.read(home, [setting]).get(setting)
        if found is not None:
            return found.value
    return None


def homes(account: str, name: str) -> tuple[str, str]:
    """Return the two names under which each setting of the policy ``name`` around ``account`` is looked up, in order.

    The first name is for this account alone, such as ``otp_retry`` for variables that begin with
    ``SMSBRIDGE_OTP_RETRY_``; the second is for all accounts, such as ``retry``.
    """
    return f"{account}_{name}", name


def _holds(provider: SmsProvider, kind: type[Carrier]) -> bool:
    """Return whether the environment has composed the policy ``kind`` inside ``provider``.

    Of several accounts inside, each must have the policy: otherwise some accounts would be unguarded.
    """
    # Two retries around each other would multiply their attempts.
    if kind.place is Place.REPEAT:
        return any(part.name == kind.name for part in each(provider))
    held = inside(provider)
    return provider.name == kind.name or (bool(held) and all(_holds(part, kind) for part in held))


def _is_set(there: Sequence[str], provider: SmsProvider, name: str) -> bool:
    return any(variable for home in homes(provider.account, name) for variable in _of(home, provider, there))
