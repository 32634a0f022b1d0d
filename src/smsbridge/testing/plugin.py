"""The pytest plugin of smsbridge: the fixture ``sms_outbox``, and a guard that stops real texts from tests.

pytest loads it at every start where smsbridge is installed, so it imports only what pytest imports already.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from smsbridge import under_test

if TYPE_CHECKING:
    from .outbox import Outbox

_MARK = "sms_real"
_GUARD = "smsbridge-guard"
_CARRIERS = (
    ("httpx", "HTTPTransport", "handle_request"),
    ("httpx", "AsyncHTTPTransport", "handle_async_request"),
    ("httpcore", "ConnectionPool", "handle_request"),
    ("httpcore", "AsyncConnectionPool", "handle_async_request"),
)
"""The methods that carry our requests; tools that answer in a vendor's place replace them with their own."""
_TOOLS = ("pytest_httpx", "respx", "vcr")

pytest.register_assert_rewrite("smsbridge.testing.contract", "smsbridge.testing.policy")


def pytest_load_initial_conftests(early_config: pytest.Config) -> None:
    # Modules that a conftest.py imports run before pytest_configure.
    _begin(early_config)


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers", f"{_MARK}: this test may send real texts, through the provider that the environment names."
    )
    _begin(config)


def _begin(config: pytest.Config) -> None:
    if config.pluginmanager.has_plugin(_GUARD):
        return
    guard = _Guard()
    config.pluginmanager.register(guard, _GUARD)
    under_test.begin(guard.allows)
    config.add_cleanup(lambda: under_test.end(guard.allows))


class _Guard:
    """The running tests, and whether all of them may send real texts.

    Only a test marked ``sms_real`` reaches a vendor; code between tests, such as an import, does not.
    """

    def __init__(self) -> None:
        self._running: list[pytest.Item] = []

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        self._running.append(item)
        try:
            return (yield)
        finally:
            self._running.remove(item)

    def allows(self) -> bool:
        marked = [item.get_closest_marker(_MARK) is not None for item in self._running]
        return (bool(marked) and all(marked)) or any(map(_is_replaced, _CARRIERS))


def _is_replaced(carrier: tuple[str, str, str]) -> bool:
    """Whether a tool of ``_TOOLS`` answers requests at this moment."""
    module, owner, method = carrier
    function = getattr(getattr(sys.modules.get(module), owner, None), method, None)
    return getattr(function, "__globals__", {}).get("__name__", "").partition(".")[0] in _TOOLS


@pytest.fixture
def sms_outbox() -> Iterator[Outbox]:
    """Collect the texts that your application sends in this test; no text leaves the process.

    Everything before the wire is real: numbers, settings, accounts, hooks, the provider's requests and refusals. ::

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
    """Explain why ``sms_outbox == [(number, text), ...]`` is false."""
    module = sys.modules.get("smsbridge.testing.outbox")
    outbox = left if module and isinstance(left, module.Outbox) else right
    if op != "==" or module is None or not isinstance(outbox, module.Outbox):
        return None
    other = right if outbox is left else left
    return ["sms_outbox == [(number, text), ...]", *str(outbox).splitlines(), "expected:", *map(repr, _items(other))]


def _items(other: object) -> list[object]:
    return list(other) if isinstance(other, list | tuple) else [other]
