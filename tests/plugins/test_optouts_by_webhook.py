"""STOP and START from each vendor: a repeated event, under its key or another key, undoes no later event."""

from __future__ import annotations

import asyncio
from itertools import permutations

import pytest

from signed import OURS, PERSON, VENDORS
from smsbridge import AsyncSmsClient, Plugins, SmsClient
from smsbridge.optouts.policy import OptoutPolicy
from smsbridge.policies.failover import FailoverPolicy

TIMED = ["vonage", "infobip"]


def stopped(policy):
    return policy._kept.known.holds([f"+{OURS}"], f"+{PERSON}")


def take(policy, *webhooks):
    with SmsClient(policy, plugins=Plugins()) as sms:
        for webhook in webhooks:
            assert len(sms.receive(webhook).events) == 1
    return stopped(policy)


@pytest.fixture(params=VENDORS)
def vendor(request):
    return VENDORS[request.param]


@pytest.mark.parametrize("kept", ["in memory", "in a file"])
def test_what_comes_again_undoes_nothing_that_came_later(vendor, kept, tmp_path):
    by, make = vendor

    def policy():
        return OptoutPolicy(
            inner=make(sender=f"+{OURS}"), path=None if kept == "in memory" else tmp_path / "optouts.db"
        )

    start, stop, back = by("START", 1, 0), by("Stop!", 2, 1), by("START", 3, 2)
    first = policy()
    assert take(first, start) is False
    assert take(first, stop) is True
    assert take(first, start, start) is True
    again = first if kept == "in memory" else policy()  # a restart
    assert take(again, start) is True
    assert take(again, back, stop, start) is False
    assert take(again, by("Hello", 4, 3)) is False
    assert take(again, by("STOP", 5, 4), by("Hello", 6, 5), back) is True


def test_nor_does_it_through_another_account_or_the_other_client(vendor):
    by, make = vendor
    accounts = [make(account=name, sender=f"+{OURS}") for name in ("a", "b")]
    policy = OptoutPolicy(inner=FailoverPolicy(accounts=accounts))
    start, stop = by("START", 1, 0), by("STOP", 2, 1)
    assert take(policy, start, stop) is True
    later = OptoutPolicy(inner=FailoverPolicy(accounts=accounts[::-1])).using(policy._kept.known)
    assert take(later, start) is True

    async def main():
        async with AsyncSmsClient(later, plugins=Plugins()) as sms:
            await sms.receive(start)
            await sms.receive(by("START", 3, 2))
            await sms.receive(stop)

    asyncio.run(main())
    assert stopped(later) is False


@pytest.mark.parametrize("name", TIMED)
def test_where_the_vendor_says_when_no_order_and_no_other_id_matters(name):
    by, make = VENDORS[name]
    said = [
        by("START", 1, 0),
        by("STOP", 2, 1),
        by("START", 3, 0),
    ]  # the last event is the first event under another id
    for order in permutations(said):
        assert take(OptoutPolicy(inner=make(sender=f"+{OURS}")), *order) is True
