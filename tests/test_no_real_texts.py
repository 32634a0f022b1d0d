"""With the pytest plugin and without an outbox, no request reaches a vendor by accident."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
import vcr

from scripted import AsyncWire, HttpProvider, Wire
from smsbridge import under_test
from smsbridge.attempts import attempt_batch
from smsbridge.builtin.http import HttpProvider as DescribedProvider
from smsbridge.builtin.memory import MemoryProvider
from smsbridge.client import AsyncSmsClient, SmsClient
from smsbridge.errors import NotAllowed, QueryError, UncertainError, VetoedError
from smsbridge.http import Call, HttpRequest, HttpResponse
from smsbridge.ledger.policy import LedgerPolicy
from smsbridge.messages import Message
from smsbridge.plugins import Plugins
from smsbridge.policies.failover import FailoverPolicy
from smsbridge.policies.retry import RetryPolicy
from smsbridge.provider import SmsProvider
from smsbridge.settings import Settings
from smsbridge.testing import FakeWire, Outbox
from smsbridge.urls import is_loopback
from smsbridge.wire import over_httpx

pytest_plugins = ["pytester"]
NUMBER = "+919876543210"
HERE = "http://127.0.0.1:8025/"
THERE = "https://vendor.example/"
WAYS = ("sms_outbox", "loopback", "SMSBRIDGE_ENV_ALLOWS", "@pytest.mark.sms_real")


class Vendor(SmsProvider):
    """Uses ``base_url`` for everything except one-time codes, which use ``verify_base_url``."""

    name = "vendor"
    base_url: str = THERE
    verify_base_url: str = THERE
    callback_url: str | None = None
    batch_size = 10

    def _ask(self, base, sends=False):
        response = yield from HttpRequest.post_json(f"{base}x", {}, sends=sends)
        raise response.error()

    def send(self, message):
        return self._ask(self.base_url, sends=True)

    def send_batch(self, messages):
        return self._ask(self.base_url, sends=True)

    def start_verification(self, message):
        return self._ask(self.verify_base_url, sends=True)

    def status(self, sent):
        return self._ask(self.base_url)

    def lookup(self, reference):
        return self._ask(self.base_url)

    def balance(self):
        return self._ask(self.base_url)

    def check_verification(self, verification, code):
        return self._ask(self.verify_base_url)

    def cancel_verification(self, verification):
        return self._ask(self.verify_base_url)


SENDS = {
    "send": lambda sms: sms.send(NUMBER, "Hello"),
    "start_verification": lambda sms: sms.start_verification(NUMBER),
}
QUERIES = {
    "status": lambda sms: sms.status("1"),
    "lookup": lambda sms: sms.lookup("order-1"),
    "balance": lambda sms: sms.balance(),
    "check_verification": lambda sms: sms.check_verification("1", "123456"),
    "cancel_verification": lambda sms: sms.cancel_verification("1"),
}
clients = pytest.mark.parametrize("kind", [SmsClient, AsyncSmsClient])


@pytest.fixture
def wire(monkeypatch):
    """Replaces our connections, and records the requests that would have left."""
    wire = Wire(HttpResponse(status=400))
    awaited = AsyncWire(HttpResponse(status=400))
    awaited.requests = wire.requests
    monkeypatch.setattr(over_httpx, "Transport", lambda **_: wire)
    monkeypatch.setattr(over_httpx, "AsyncTransport", lambda **_: awaited)
    return wire


def client_of(provider, kind=SmsClient, **settings):
    return kind(provider, settings=Settings(**settings), plugins=Plugins())


def outcome(client, call):
    """The exception that ``call`` raises in both clients."""

    async def main():
        async with client:
            return await call(client)

    with pytest.raises(Exception) as caught:
        asyncio.run(main()) if isinstance(client, AsyncSmsClient) else call(client)
    return caught.value


# --- refusals -------------------------------------------------------------------------------------------------------------


@clients
@pytest.mark.parametrize("call", SENDS.values(), ids=SENDS)
def test_nothing_is_sent_and_the_error_is_certain_and_says_what_to_do(kind, call, wire):
    error = outcome(client_of(Vendor(), kind), call)
    assert type(error) is VetoedError
    assert (error.reason, error.fault, error.account) == ("in-test", "local", "vendor")
    assert all(way in str(error) for way in ("account 'vendor'", *WAYS))
    assert wire.requests == []


@clients
@pytest.mark.parametrize("call", QUERIES.values(), ids=QUERIES)
def test_nothing_is_asked_either(kind, call, wire):
    error = outcome(client_of(Vendor(), kind), call)
    assert isinstance(error, QueryError)
    assert not error.retryable
    assert all(way in str(error) for way in WAYS)
    assert wire.requests == []


@clients
def test_of_many_texts_each_is_refused(kind, wire):
    texts = [Message(to=NUMBER, text=str(n)) for n in range(25)]
    client = client_of(Vendor(), kind)

    async def main():
        async with client:
            return [result async for result in client.send_many(texts)]

    results = asyncio.run(main()) if kind is AsyncSmsClient else list(client.send_many(texts))
    assert [type(result.error) for result in results] == [VetoedError] * 25
    assert wire.requests == []


def test_what_may_not_leave_is_tried_no_second_time_and_through_no_other_account(wire):
    waits = []

    class Waiting(SmsClient):
        def _perform(self, step):
            waits.append(step)
            return super()._perform(step)

    spare = MemoryProvider(account="spare")
    client = Waiting(
        RetryPolicy(inner=FailoverPolicy(accounts=[Vendor(), spare])), settings=Settings(), plugins=Plugins()
    )
    assert isinstance(outcome(client, SENDS["send"]), VetoedError)
    assert (waits, wire.requests, spare.sent) == ([], [], [])


def test_a_ledger_knows_that_it_did_not_leave(wire, tmp_path):
    policy = LedgerPolicy(inner=Vendor(), path=tmp_path / "ledger.db")
    with client_of(policy) as client:
        for _ in "12":
            with pytest.raises(VetoedError):
                client.send(NUMBER, "Hello", reference="order-1")


def test_a_provider_without_http_is_refused_where_it_sends(wire):
    called = []

    class Sdk(SmsProvider):
        name = "sdk"

        def send(self, message):
            yield from Call(called.append, message.text, sends=True)
            return self.accepted(message, id="1")

    assert isinstance(outcome(client_of(Sdk()), SENDS["send"]), VetoedError)
    assert called == []


def test_a_stub_may_do_what_it_likes(wire):
    class Stub(Vendor):
        name = "stub"
        stub = True

    outcome(client_of(Stub()), SENDS["send"])
    assert len(wire.requests) == 1


def test_a_client_that_outlives_its_outbox_is_refused(wire):
    with Outbox() as outbox:
        client = client_of(Vendor())
        client.send(NUMBER, "Hello")
        assert len(outbox) == 1
    assert isinstance(outcome(client, SENDS["send"]), VetoedError)


def test_what_left_before_is_not_forgotten(wire):
    """Where the first part of a text went to a sandbox, and the second would go elsewhere."""

    class TwoParts(Vendor):
        def send(self, message):
            yield from HttpRequest.post_json(HERE, {}, sends=True)
            return (yield from super().send(message))

    assert isinstance(outcome(client_of(TwoParts()), SENDS["send"]), UncertainError)


# --- requests that pass ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "here"),
    {
        "http://localhost:8025/": True,
        "http://LOCALHOST/": True,
        "http://localhost./": True,
        "http://127.0.0.1:8025/api/v2/": True,
        "https://127.8.9.10/": True,
        "http://[::1]:8025/": True,
        "http://user:pass@127.0.0.1/": True,
        "http://127.0.0.1@vendor.example/": False,
        "http://localhost@vendor.example/": False,
        "http://localhost.vendor.example/": False,
        "http://127.0.0.1.nip.io/": False,
        "http://vendor.example/127.0.0.1": False,
        "http://vendor.example/#localhost": False,
        "http://notlocalhost/": False,
        "http://10.0.0.1/": False,
        "http://192.168.1.5/": False,
        "http://128.0.0.1/": False,
        "http://0.0.0.0/": False,
        "http://[2001:db8::1]/": False,
        "https://vendor.invalid/": False,
        "localhost:8025": False,
        "http://[::1/": False,
        "": False,
    }.items(),
)
def test_loopback_is_this_machine_and_nothing_else(url, here):
    assert is_loopback(url) is here


@clients
def test_a_sandbox_is_reached(kind, wire):
    provider = Vendor(base_url=HERE, verify_base_url=HERE, callback_url="https://app.example/hooks")
    for call in (*SENDS.values(), *QUERIES.values()):
        outcome(client_of(provider, kind), call)
    assert len(wire.requests) == len(SENDS) + len(QUERIES)


@clients
def test_each_request_counts_by_itself(kind, wire):
    provider = Vendor(base_url=HERE)  # codes would go to the vendor
    outcome(client_of(provider, kind), SENDS["send"])
    assert isinstance(outcome(client_of(provider, kind), SENDS["start_verification"]), VetoedError)
    assert [request.url for request in wire.requests] == [f"{HERE}x"]


def test_a_sandbox_that_asks_elsewhere_is_refused_there(wire):
    class Fixed(Vendor):
        def send(self, message):
            return self._ask(THERE, sends=True)

    provider = Fixed(base_url=HERE, verify_base_url=HERE)
    assert isinstance(outcome(client_of(provider), SENDS["send"]), VetoedError)
    assert wire.requests == []


def test_a_gateway_that_is_described_counts_by_its_url(wire):
    for url in (THERE, HERE):
        gateway = DescribedProvider(url=f"{url}{{to}}", body={"text": "{text}"}, accept_if={"status": 200}, id="id")
        outcome(client_of(gateway), SENDS["send"])
    assert [request.url.partition("%2B")[0] for request in wire.requests] == [HERE]


@clients
def test_an_account_that_is_allowed_by_name_is_reached(kind, wire):
    outcome(client_of(Vendor(account="live"), kind, env_allows=("live",)), SENDS["send"])
    assert len(wire.requests) == 1
    assert isinstance(outcome(client_of(Vendor(), kind, env_allows=("live",)), SENDS["send"]), VetoedError)


def test_of_several_accounts_each_is_allowed_or_a_sandbox(wire):
    def failover(**second):
        return RetryPolicy(
            attempts=1, inner=FailoverPolicy(accounts=[Vendor(account="live"), Vendor(account="spare", **second)])
        )

    error = outcome(client_of(failover(), env_allows=("live",)), SENDS["send"])
    assert "account 'spare'" in str(error)
    assert wire.requests == []
    outcome(client_of(failover(), env_allows=("live", "spare")), SENDS["send"])
    assert len(wire.requests) == 1
    outcome(client_of(failover(base_url=HERE, verify_base_url=HERE), env_allows=("live",)), SENDS["send"])
    assert len(wire.requests) == 2


@clients
@pytest.mark.sms_real
def test_a_test_that_says_so_reaches_a_vendor(kind, wire):
    outcome(client_of(Vendor(), kind), SENDS["send"])
    assert len(wire.requests) == 1


class TestOfAClass:
    pytestmark = pytest.mark.sms_real

    def test_the_mark_may_be_on_a_class(self, wire):
        outcome(client_of(Vendor()), SENDS["send"])
        assert len(wire.requests) == 1


def test_a_wire_of_the_test_is_no_vendor():
    fake = FakeWire(HttpResponse(status=400))
    with fake.client(Vendor()) as client, pytest.raises(Exception, match="400"):
        client.send(NUMBER, "Hello")
    assert len(fake.requests) == 1


def test_a_client_that_has_connected_for_one_test_is_refused_in_the_next(wire):
    client = client_of(HttpProvider())
    under_test.begin(lambda: True)
    try:
        outcome(client, SENDS["send"])
    finally:
        under_test.end(under_test._allowed[-1])
    assert isinstance(outcome(client, SENDS["send"]), VetoedError)
    assert len(wire.requests) == 1


def test_a_recording_answers_in_the_vendors_place(tmp_path):
    with vcr.VCR(record_mode="none").use_cassette(str(tmp_path / "nothing.yaml")):
        error = outcome(client_of(Vendor()), SENDS["send"])
    assert "sms_real" not in str(error)
    assert isinstance(outcome(client_of(Vendor()), SENDS["send"]), VetoedError)


def test_inside_a_flow_it_is_a_request_that_did_not_leave():
    results = []
    flow = attempt_batch(Vendor(), [Message(to=NUMBER, text=text, reference=text) for text in ("one", "two")])
    next(flow)
    try:
        flow.throw(NotAllowed("no"))
    except StopIteration as stop:
        results = stop.value
    assert [(type(result.error), result.error.reason) for result in results] == [(VetoedError, "in-test")] * 2


# --- the plugin -----------------------------------------------------------------------------------------------------------

SHOP = """
    from smsbridge import SmsClient

    sms = SmsClient()

    def confirm():
        sms.send("+919876543210", "Your order has shipped")
    """


@pytest.fixture
def shop(pytester, monkeypatch):
    """An application whose folder has a .env with a vendor at a closed port."""
    monkeypatch.setenv("NO_PROXY", "*")
    pytester.makefile(".env", "")
    Path(".env").write_text(
        "SMSBRIDGE_PROVIDER=twincle\nSMSBRIDGE_TWINCLE_ACCESS_TOKEN=dummy-token\nSMSBRIDGE_RETRY_ATTEMPTS=1\n"
        "SMSBRIDGE_TWINCLE_BASE_URL=https://sms.invalid/\n"
    )
    pytester.makepyfile(shop=SHOP)

    def tested(code, *arguments, **outcomes):
        pytester.makepyfile(test_shop=textwrap.dedent(code))
        done = pytester.runpytest_subprocess("-q", "-p", "no:cacheprovider", "--strict-markers", *arguments)
        done.assert_outcomes(**outcomes)
        return done.stdout.str()

    return tested


def test_without_the_fixture_a_env_file_reaches_no_vendor(shop):
    shown = shop(
        """
        import pytest, smsbridge, shop

        def test_forgotten():
            shop.confirm()

        def test_of_the_module():
            smsbridge.send("+919876543210", "Hello")

        def test_with_the_fixture(sms_outbox):
            shop.confirm()
            assert len(sms_outbox) == 1

        @pytest.mark.sms_real
        def test_meant():
            with pytest.raises(smsbridge.UnavailableError):
                shop.confirm()

        def test_forgotten_again():
            shop.confirm()

        @pytest.fixture(scope="session")
        def confirmed():
            with pytest.raises(smsbridge.VetoedError):
                shop.confirm()

        def test_with_a_fixture_of_the_session(confirmed):
            pass
        """,
        failed=3,
        passed=3,
    )
    assert shown.count("account 'twincle' would reach its vendor from a test") >= 3


def test_what_runs_outside_of_tests_reaches_no_vendor_either(shop):
    shown = shop("import shop\n\nshop.confirm()\n\ndef test_it(): pass\n", errors=1)
    assert "sms_real" in shown


def test_a_conftest_file_reaches_no_vendor_either(shop, pytester):
    pytester.makeconftest("import shop, smsbridge\ntry:\n    shop.confirm()\nexcept smsbridge.VetoedError:\n    pass\n")
    shop("def test_it(): pass\n", passed=1)


def test_in_other_processes_of_xdist_it_is_the_same(shop):
    code = "import shop\n\n" + "\n\n".join(f"def test_{n}():\n    shop.confirm()" for n in range(4))
    shop(code, "-n2", failed=4)


def test_the_marker_is_listed(pytester):
    done = pytester.runpytest_subprocess("--markers", "-p", "no:cacheprovider")
    done.stdout.fnmatch_lines(["@pytest.mark.sms_real: *"])


def test_a_run_of_pytest_inside_a_test_leaves_the_guard_as_it_was(pytester):
    before = list(under_test._allowed)
    pytester.makepyfile("def test_it(): pass")
    pytester.runpytest_inprocess("-q", "-p", "no:cacheprovider", "-p", "no:asyncio").assert_outcomes(passed=1)
    assert under_test._allowed == before


def test_outside_of_pytest_nothing_is_guarded():
    code = "import smsbridge.testing.plugin, smsbridge.under_test as u; print(u.unguarded())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
