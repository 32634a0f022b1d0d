"""The pytest plugin of smsbridge: the fixture ``sms_outbox``.

pytest loads it at every start wherever smsbridge is installed, so it imports nothing that pytest has not.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from .outbox import Outbox

pytest.register_assert_rewrite("smsbridge.testing.contract")


@pytest.fixture
def sms_outbox() -> Iterator[Outbox]:
    """The texts that your application sends in this test; none of them leaves.

    Everything up to the wire is real: numbers, settings, accounts, hooks, the provider's own rendering and its refusals. ::

        def test_an_order_is_confirmed(sms_outbox):
            place_order(phone="+91 98765 43210")
            sms_outbox.assert_sent(to="+919876543210", contains="order")

        def test_a_lost_answer_is_not_sent_again(sms_outbox):
            sms_outbox.script("+919876543210", UncertainError)
            place_order(phone="+919876543210")
            assert len(sms_outbox) == 1

    See :class:`smsbridge.testing.Outbox`.
    """
    from .outbox import Outbox

    with Outbox() as outbox:
        yield outbox


def pytest_assertrepr_compare(op: str, left: object, right: object) -> list[str] | None:
    """Why ``sms_outbox == [(number, text), ...]`` is false."""
    module = sys.modules.get("smsbridge.testing.outbox")
    outbox = left if module and isinstance(left, module.Outbox) else right
    if op != "==" or module is None or not isinstance(outbox, module.Outbox):
        return None
    other = right if outbox is left else left
    return ["sms_outbox == [(number, text), ...]", *str(outbox).splitlines(), "expected:", *map(repr, _items(other))]


def _items(other: object) -> list[object]:
    return list(other) if isinstance(other, list | tuple) else [other]
