"""Compare the abilities of a failover's accounts, because what happens to a text may depend on the account."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from smsbridge.composite import each, expresses, inside
from smsbridge.logs import logger
from smsbridge.message_fields import FIELDS
from smsbridge.provider import Capability, SmsProvider

_log = logger("smsbridge")
_Test = Callable[[SmsProvider], bool]


def _field(name: str) -> _Test:
    return lambda provider: expresses(provider, name)


def _any_of(*wanted: Capability) -> _Test:
    return lambda provider: not provider.capabilities.isdisjoint(wanted)


ABILITIES: Mapping[str, _Test] = {
    **{field.ability: _field(field.name) for field in FIELDS if field.declared},
    "delivery reports": _any_of(Capability.STATUS, Capability.WEBHOOKS),
    "look-ups by reference": _any_of(Capability.LOOKUP),
    "one-time codes": _any_of(Capability.VERIFICATION),
    "batches": _any_of(Capability.BATCH),
}
"""The abilities of an account, each with its test."""
_NO_MATTER = frozenset({"batches"})
"""Abilities that change neither the sending of a text nor what is known about it."""

_said: set[tuple[str, ...]] = set()


def unable(provider: SmsProvider) -> dict[str, list[str]]:
    """Return the accounts directly inside ``provider`` that lack an ability which another of these accounts has.

    The value for each account lists the names of the abilities that it lacks.
    """
    able = {name: [test(account) for account in inside(provider)] for name, test in ABILITIES.items()}
    return {
        account.account: missing
        for place, account in enumerate(inside(provider))
        if (missing := [name for name, those in able.items() if any(those) and not those[place]])
    }


def say_what_differs(provider: SmsProvider) -> None:
    """Log a warning for each account that lacks an important ability which another account of the same failover has.

    All failovers in ``provider`` are checked. A warning is logged once in a process.
    """
    for holder in each(provider):
        if len(inside(holder)) < 2:
            continue
        for account, missing in unable(holder).items():
            matters = [name for name in missing if name not in _NO_MATTER]
            said = (holder.account, account, *matters)
            if matters and said not in _said:
                _said.add(said)
                _log.warning("account %s of %s cannot do: %s", account, holder.account, ", ".join(matters))
