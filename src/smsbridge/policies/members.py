"""What some of the accounts of one failover can do and others cannot: where a text goes on may depend on it."""

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
"""What may be asked of an account, and whether it can do it."""
_NO_MATTER = frozenset({"batches"})
"""Without which a text goes all the same, and is known about as well."""

_said: set[tuple[str, ...]] = set()


def unable(provider: SmsProvider) -> dict[str, list[str]]:
    """Of the accounts that ``provider`` holds, those that cannot do what another one can, and what that is."""
    able = {name: [test(one) for one in inside(provider)] for name, test in ABILITIES.items()}
    return {
        one.account: missing
        for place, one in enumerate(inside(provider))
        if (missing := [name for name, those in able.items() if any(those) and not those[place]])
    }


def say_what_differs(provider: SmsProvider) -> None:
    """Warn in the log, once in this process, where accounts that stand in for each other differ in ways that matter."""
    for holder in each(provider):
        if len(inside(holder)) < 2:
            continue
        for account, missing in unable(holder).items():
            matters = [name for name in missing if name not in _NO_MATTER]
            said = (holder.account, account, *matters)
            if matters and said not in _said:
                _said.add(said)
                _log.warning("account %s of %s cannot do: %s", account, holder.account, ", ".join(matters))
