"""The policies that every account has, unless the environment says otherwise: which ones, in what order, with what settings.

From the outside in: guard, ledger, cost, optout, purpose, retry, hours (asked before each attempt); then the account that was asked for, which may be a failover over others; and around
each account that talks to a vendor, its limit. ``SMSBRIDGE_RETRY_ATTEMPTS`` is for all accounts, ``SMSBRIDGE_OTP_RETRY_ATTEMPTS``
for the account ``otp`` alone. A policy that the environment composes itself (``SMSBRIDGE_SLOW_PROVIDER=retry``) is not added again.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable, Iterator

from smsbridge import environment
from smsbridge.provider import SmsProvider, each

from .policy import Policy

AROUND_ALL = ("hours", "retry", "purpose", "optout", "cost", "ledger", "guard")
"""From the inside out. Retry is always there, the others where a setting of theirs is."""


def within(provider: SmsProvider, tell: Callable[..., None] | None = None) -> SmsProvider:
    """``provider`` within the policies that every account has; ``tell`` is told where a text costs something else than expected."""
    there = _there()
    account = provider.account
    for name in AROUND_ALL:
        if _holds(provider, name) or not (_always(name, provider) or _is_set(there, account, name)):
            continue
        provider = _class(name).around(provider, *_accounts(account, name))
        if name == "cost" and tell is not None:
            provider = provider.telling(tell)  # type: ignore[attr-defined]  # a CostPolicy, which is imported only if it is used
    return provider


def limited(provider: SmsProvider) -> SmsProvider:
    """``provider`` within its vendor's limits, or those that the environment sets for its account."""
    account = provider.account
    if provider.inside or not (provider.rates or _is_set(_there(), account, "limit")):
        return provider
    policy = _class("limit")
    set_here = {name for name in policy.model_fields if _is_set(_there(), account, "limit", name)}
    rates = {name: rate for name, rate in provider.rates.items() if name not in set_here}
    return policy.around(provider, *_accounts(account, "limit"), **rates)


def setting(account: str, name: str, setting: str) -> str | None:
    """What the environment says of the policy ``name`` around ``account``, or around all. Raises ConfigurationError."""
    for one in _accounts(account, name):
        found = environment.read(one, [setting]).get(setting)
        if found is not None:
            return found.value
    return None


def settings_of(account: str) -> Iterator[tuple[str, type[Policy]]]:
    """The accounts under which the policies around ``account`` look for their settings, each with the policy's class."""
    for name in (*AROUND_ALL, "limit"):
        for one in _accounts(account, name):
            yield one, _class(name)


def _class(name: str) -> type[Policy]:
    module = importlib.import_module(f"{__package__}.{name}")
    policy: type[Policy] = getattr(module, f"{name.title()}Policy")
    return policy


def _accounts(account: str, name: str) -> tuple[str, str]:
    return f"{account}_{name}", name


def _always(name: str, provider: SmsProvider) -> bool:
    """Texts that end in this process need no second attempt."""
    return name == "retry" and not provider.stub


def _holds(provider: SmsProvider, name: str) -> bool:
    return any(type(one).name == name for one in each(provider))


def _is_set(there: Iterable[str], account: str, name: str, setting: str = "") -> bool:
    prefixes = tuple(environment.variable(one, setting) for one in _accounts(account, name))
    return any(one in prefixes if setting else one.startswith(prefixes) for one in there)


def _there() -> list[str]:
    secrets_dir = environment.secrets_dir()
    return [name for name, has_value in environment.variables(secrets_dir).items() if has_value]
