"""The policies that every account has, unless the environment says otherwise: which ones, in what order, with what settings.

From the outside in: text, ledger, guard, cost, optout, purpose, retry, and hours, which is asked before each attempt; then the
account that was asked for, which may be a failover over others; and around each account that talks to a vendor, its DLT
templates and its limit. ``SMSBRIDGE_RETRY_ATTEMPTS`` is for all accounts, ``SMSBRIDGE_OTP_RETRY_ATTEMPTS`` for the account
``otp`` alone, as long as it stands inside no other. A policy that the environment composes itself (``SMSBRIDGE_SLOW_PROVIDER=retry``)
is not added again.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from smsbridge import environment
from smsbridge.composite import account_names, each, inside
from smsbridge.errors import ConfigurationError
from smsbridge.provider import SmsProvider

from .policy import Policy

AROUND_ALL = ("hours", "retry", "purpose", "optout", "cost", "guard", "ledger", "text")
"""From the inside out. Retry is always there, the others where a setting of theirs is."""
AROUND_AN_ACCOUNT = (*AROUND_ALL, "dlt", "limit")
POLICIES = (*sorted((*AROUND_AN_ACCOUNT, "failover")),)
"""Those of ``smsbridge.policies``: providers that hold the providers of other accounts."""


def variables_set() -> list[str]:
    """The names of all variables that have a value: what :func:`within` and :func:`leaf` go by."""
    return [name for name, has_value in environment.variables().items() if has_value]


def within(provider: SmsProvider, there: Sequence[str], tell: Callable[..., None] | None = None) -> SmsProvider:
    """``provider`` within the policies that every account has, where the variables ``there`` are set.

    ``tell`` is told where a text costs something else than expected.
    """
    account = provider.account
    for name in AROUND_ALL:
        if _holds(provider, name) or not (_always(name, provider) or _is_set(there, provider, name)):
            continue
        provider = policy_class(name).around(provider, *homes(account, name))
        if name == "cost" and tell is not None:
            provider = provider.telling(tell)  # type: ignore[attr-defined]  # a CostPolicy, which is imported only if it is used
    for one in unheeded(provider, there):
        if not _holds(provider, one.policy):
            raise ConfigurationError(f"{one.words}: {one.instead}")
    return provider


def leaf(provider: SmsProvider, there: Sequence[str]) -> SmsProvider:
    """``provider``, if it is one that holds none, within its own limits and the templates that are declared with its vendor."""
    if inside(provider):
        return provider
    limited, account = _limited(provider, there), provider.account
    if not _is_set(there, provider, "dlt"):
        return limited
    return policy_class("dlt").around(limited, *homes(account, "dlt"))


def _limited(provider: SmsProvider, there: Sequence[str]) -> SmsProvider:
    account = provider.account
    if not (provider.rates or _is_set(there, provider, "limit")):
        return provider
    policy = policy_class("limit")
    set_here = {
        name
        for name in policy.model_fields
        for home in homes(account, "limit")
        if environment.variable(home, name) in there
    }
    rates = {name: rate for name, rate in provider.rates.items() if name not in set_here}
    return policy.around(provider, *homes(account, "limit"), **rates)


@dataclass(frozen=True, slots=True)
class Unheeded:
    """A variable of an account that stands inside another, where the policy that it is for does not."""

    variable: str
    policy: str
    words: str
    instead: str


def unheeded(provider: SmsProvider, there: Iterable[str]) -> Iterator[Unheeded]:
    """Those of the variables ``there`` that set policies around the accounts inside ``provider``, which are around it alone."""
    outer = provider.account
    for account in sorted(account_names(provider) - {outer}):
        for name in AROUND_ALL:
            home, everywhere = homes(account, name)
            for variable in _of(home, provider, there):
                field = variable.removeprefix(environment.variable(home, ""))
                ours = environment.variable(homes(outer, name)[0], field)
                yield Unheeded(
                    variable=variable,
                    policy=name,
                    words=f"{variable} has no effect, as {name} is put around {outer}, and not around account {account} inside it",
                    instead=f"set {ours}, or {environment.variable(everywhere, field)} for all accounts",
                )


def _of(home: str, provider: SmsProvider, there: Iterable[str]) -> Iterator[str]:
    """Those of the variables ``there`` that are for the policy whose settings are at ``home``, and no account's own."""
    prefix = environment.variable(home, "")
    named_alike = (f"{prefix}INNER", f"{prefix}PROVIDER")  # of an account that is named after the policy
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


def settings_of(account: str) -> Iterator[tuple[str, str]]:
    """The accounts under which the policies around ``account`` look for their settings, each with the policy's name."""
    for name in AROUND_AN_ACCOUNT:
        for one in homes(account, name):
            yield one, name


def homes(account: str, name: str) -> tuple[str, str]:
    """The accounts under which policy ``name`` around ``account`` looks for each setting, in their order."""
    return f"{account}_{name}", name


def policy_class(name: str) -> type[Policy]:
    """The class of policy ``name``, imported if need be."""
    module = importlib.import_module(f"{__package__}.{name}")
    policy: type[Policy] = getattr(module, f"{name.title()}Policy")
    return policy


def _always(name: str, provider: SmsProvider) -> bool:
    """Texts that end in this process need no second attempt."""
    return name == "retry" and not provider.stub


def _holds(provider: SmsProvider, name: str) -> bool:
    """Whether the environment has composed policy ``name`` itself. One of several accounts that has it spares the others no guard."""
    if name == "retry":  # two around each other would multiply their attempts
        return any(one.name == name for one in each(provider))
    held = inside(provider)
    return provider.name == name or (bool(held) and all(_holds(one, name) for one in held))


def _is_set(there: Sequence[str], provider: SmsProvider, name: str) -> bool:
    return any(variable for home in homes(provider.account, name) for variable in _of(home, provider, there))
