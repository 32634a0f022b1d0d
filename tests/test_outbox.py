"""The fixture sms_outbox: everything except the wire is real, and nothing leaves."""

import asyncio
import subprocess
import sys

import pytest
from pydantic import SecretStr

import smsbridge
from smsbridge import (
    AsyncSmsClient,
    AuthenticationError,
    Dlt,
    HttpRequest,
    Message,
    NotFoundError,
    OptedOutError,
    Plugins,
    Policy,
    QueryError,
    RecipientError,
    SmsClient,
    SmsProvider,
    Status,
    UncertainError,
    UnsupportedError,
    VetoedError,
    Wait,
    hookimpl,
)
from smsbridge.builtin.memory import MemoryProvider
from smsbridge.provider import OPTIONAL_FIELDS
from smsbridge.testing import Outbox
from smsbridge.testing.interception import Interception
from smsbridge.testing.samples import Samples

pytest_plugins = ["pytester"]
NUMBER = "+919876543210"
OTHER = "+919123456780"


class WireProvider(SmsProvider):
    """Makes a request, and cannot read any answer."""

    name = "wire"
    supports = frozenset({"sender"})
    batch_size = 10
    token: SecretStr = SecretStr("dummy")
    logs_in: bool = False

    def send(self, message):
        if self.logs_in:
            yield from HttpRequest.get("https://api.wire.example/token")
        yield from HttpRequest.post_json("https://api.wire.example/sms", {"text": message.text}, sends=True)
        raise AssertionError("nothing answers")

    def send_batch(self, messages):
        yield from HttpRequest.post_json(
            "https://api.wire.example/many", [message.text for message in messages], sends=True
        )
        raise AssertionError("nothing answers")

    def status(self, sent):
        yield from HttpRequest.get("https://api.wire.example/status")
        raise AssertionError("nothing answers")

    def lookup(self, reference):
        return self.status(None)

    def balance(self):
        return self.status(None)

    def start_verification(self, message):
        yield from HttpRequest.post_json("https://api.wire.example/verify", {"to": message.to}, sends=True)
        raise AssertionError("nothing answers")

    def check_verification(self, verification, code):
        return self.status(None)

    def cancel_verification(self, verification):
        return self.status(None)


class Hooks:
    """Records the calls of hooks."""

    def __init__(self):
        self.told = []

    @hookimpl
    def smsbridge_before_send(self, message):
        if "forbidden" in message.text:
            raise ValueError("no")

    @hookimpl
    def smsbridge_after_send(self, sent):
        self.told.append(("after", sent.to))

    @hookimpl
    def smsbridge_send_failed(self, error):
        self.told.append(("failed", type(error).__name__))

    @hookimpl
    def smsbridge_event(self, event):
        self.told.append(("event", event.id, event.status))


@pytest.fixture
def sms():
    """A client that is older than the outbox."""
    with SmsClient(WireProvider()) as client:
        yield client


# --- messages -------------------------------------------------------------------------------------------------------------


def test_a_text_is_kept_as_it_would_have_left(sms, sms_outbox):
    sent = sms.send("+91 98765 43210", "Your order has shipped", sender="ACME", reference="ref-1")
    posted = sms_outbox.last
    assert (posted.to, posted.text, posted.sender, posted.reference) == (
        NUMBER,
        "Your order has shipped",
        "ACME",
        "ref-1",
    )
    assert (posted.account, posted.provider, posted.id) == ("wire", "wire", sent.id)
    assert (sent.status, sent.to, sent.reference) == (Status.QUEUED, NUMBER, "ref-1")
    assert posted.request.url == "https://api.wire.example/sms"
    assert posted.request.json() == {"text": "Your order has shipped"}


def test_the_default_provider_prints_nothing(sms_outbox, capsys):
    smsbridge.send(NUMBER, "Hello")
    assert capsys.readouterr().out == ""
    assert (sms_outbox.last.provider, sms_outbox.last.request) == ("console", None)


def test_a_client_of_the_environment_reads_the_environment_of_the_test(sms_outbox, monkeypatch):
    monkeypatch.setenv("SMSBRIDGE_PROVIDER", "otp")
    monkeypatch.setenv("SMSBRIDGE_OTP_PROVIDER", "memory")
    smsbridge.send(NUMBER, "Hello")
    assert (sms_outbox.last.account, sms_outbox.last.provider) == ("otp", "memory")


def test_the_client_behind_the_module_is_its_own_in_each_test():
    with Outbox() as first:
        smsbridge.send(NUMBER, "one")
    with Outbox() as second:
        smsbridge.send(NUMBER, "two")
    assert (first.pairs, second.pairs) == ([(NUMBER, "one")], [(NUMBER, "two")])


async def test_the_async_client_is_kept_from_the_wire_too(sms_outbox):
    async with AsyncSmsClient(WireProvider()) as sms:
        await asyncio.gather(sms.send(NUMBER, "one"), sms.send(OTHER, "two"))
        results = [
            result async for result in sms.send_many([Message(to=NUMBER, text="three"), Message(to=OTHER, text="4")])
        ]
    assert [result.sent.to for result in results] == [NUMBER, OTHER]
    assert sorted(sent.text for sent in sms_outbox) == ["4", "one", "three", "two"]


def test_a_batch_has_one_request_and_a_result_for_each_row(sms, sms_outbox):
    sms_outbox.script(OTHER, OptedOutError)
    with sms.send_many(
        [Message(to=NUMBER, text="one"), Message(to=OTHER, text="two"), Message(to="+91", text="x")]
    ) as many:
        results = sorted(many, key=lambda result: result.index)
    assert results[0].sent.id == sms_outbox.last.id
    assert [type(result.error) for result in results[1:]] == [OptedOutError, RecipientError]
    assert sms_outbox.last.request.json() == ["one", "two"]


def test_many_threads_lose_nothing(sms_outbox):
    messages = [Message(to=NUMBER, text=str(n)) for n in range(500)]
    with SmsClient(MemoryProvider()) as sms, sms.send_many(messages) as many:
        assert all(result.sent for result in many)
    assert {sent.text for sent in sms_outbox} == {str(n) for n in range(500)}
    assert len({sent.id for sent in sms_outbox}) == 500


def test_what_comes_before_the_text_does_not_leave_either(sms_outbox):
    with SmsClient(WireProvider(logs_in=True)) as sms:
        sms.send(NUMBER, "Hello")
    assert sms_outbox.last.request is None


# --- the pipeline is real -------------------------------------------------------------------------------------------------


def test_what_the_provider_cannot_express_is_refused(sms, sms_outbox):
    with pytest.raises(UnsupportedError):
        sms.send(NUMBER, "Hello", options={"wire": {"flash": True}})
    with pytest.raises(RecipientError):
        sms.send("call me", "Hello")
    sms_outbox.assert_nothing_sent()


def test_a_text_that_cannot_be_rendered_is_refused(sms_outbox):
    class Strict(WireProvider):
        def send(self, message):
            if "{" in message.text:
                raise smsbridge.ContentError("a placeholder was left in the text")
            return (yield from super().send(message))

    with SmsClient(Strict()) as sms, pytest.raises(smsbridge.ContentError):
        sms.send(NUMBER, "Dear {name}")
    sms_outbox.assert_nothing_sent()


def test_hooks_are_told_as_in_production(sms_outbox):
    hooks = Hooks()
    sms_outbox.script(OTHER, UncertainError)
    with SmsClient(WireProvider(), plugins=Plugins(hooks)) as sms:
        sms.send(NUMBER, "Hello")
        with pytest.raises(UncertainError):
            sms.send(OTHER, "Hello")
        with pytest.raises(VetoedError):
            sms.send(NUMBER, "forbidden")
    assert hooks.told == [("after", NUMBER), ("failed", "UncertainError"), ("failed", "VetoedError")]
    assert len(sms_outbox) == 2


def test_a_provider_that_holds_a_provider_runs(sms_outbox):
    class Retry(Policy):
        """Tries once more after a refusal, ten seconds later."""

        name = "retry"

        def carry(self, batch):
            answers = yield from batch.through(self.inner, [0])
            if isinstance(answers[0].error, OptedOutError):
                yield from Wait(10)
                answers = yield from batch.through(self.inner, [0])
            batch.take(answers)
            batch.give_up([0])

    sms_outbox.script(NUMBER, OptedOutError, Status.DELIVERED)
    with SmsClient(Retry(inner=WireProvider())) as sms:
        assert sms.send(NUMBER, "Hello").account == "wire"
    assert (len(sms_outbox.refused), len(sms_outbox)) == (1, 1)
    assert sms_outbox.last.account == "wire"


# --- scripted outcomes ----------------------------------------------------------------------------------------------------


def test_an_uncertain_text_may_have_been_sent(sms, sms_outbox):
    sms_outbox.script(NUMBER, UncertainError("lost"))
    with pytest.raises(UncertainError) as raised:
        sms.send(NUMBER, "Hello", reference="ref-1")
    assert raised.value.reference == "ref-1"
    assert len(sms_outbox) == 1
    assert sms.lookup("ref-1").id == sms_outbox.last.id


def test_a_refused_text_was_not_sent(sms, sms_outbox):
    sms_outbox.script(NUMBER, AuthenticationError(code="401"))
    with pytest.raises(AuthenticationError) as raised:
        sms.send(NUMBER, "Hello")
    assert (raised.value.code, raised.value.account) == ("401", "wire")
    sms_outbox.assert_nothing_sent()
    assert [sent.text for sent in sms_outbox.refused] == ["Hello"]


def test_outcomes_come_in_turn_and_only_for_their_number(sms, sms_outbox):
    sms_outbox.script("+91 98765-43210", OptedOutError, Status.UNDELIVERED)
    sms.send(OTHER, "Hello")
    with pytest.raises(OptedOutError):
        sms.send(NUMBER, "Hello")
    assert [sms.status(sms.send(NUMBER, "Hello")).status for _ in "12"] == [Status.UNDELIVERED] * 2


def test_a_script_takes_outcomes_only(sms_outbox):
    for wrong in (ValueError("no"), "delivered", ValueError):
        with pytest.raises(TypeError):
            sms_outbox.script(NUMBER, wrong)
    with pytest.raises(TypeError):
        sms_outbox.script(NUMBER)


# --- questions ------------------------------------------------------------------------------------------------------------


def test_questions_are_answered_from_the_outbox(sms, sms_outbox):
    sent = sms.send(NUMBER, "Hello")
    assert sms.status(sent).status is Status.DELIVERED
    assert sms.status(sent.id).id == sent.id
    assert sms.lookup(sent.reference).id == sent.id
    assert sms.lookup("unknown") is None
    assert sms.balance() == sms_outbox.balances
    with pytest.raises(NotFoundError):
        sms.status("unknown")


def test_what_the_provider_cannot_be_asked_stays_unsupported(sms_outbox):
    with SmsClient() as sms, pytest.raises(QueryError, match="does not support asking for the balance"):
        sms.balance()


def test_a_one_time_code_can_be_read_and_is_checked(sms, sms_outbox):
    started = sms.start_verification(NUMBER)
    code = sms_outbox.code("+91 9876543210")
    assert sms.check_verification(started, "000000").reason == "wrong-code"
    assert sms.check_verification(started, code).approved
    assert sms.check_verification(started, code).reason == "used"
    assert sms.check_verification("unknown", code).reason == "unknown"


async def test_a_one_time_code_can_be_cancelled(sms_outbox):
    async with AsyncSmsClient(MemoryProvider()) as sms:
        started = await sms.start_verification(NUMBER)
        await sms.cancel_verification(started)
        check = await sms.check_verification(started, sms_outbox.code(NUMBER))
        assert not check.approved
        with pytest.raises(NotFoundError):
            await sms.cancel_verification(started)


def test_a_report_reaches_the_hooks_of_the_client_that_sent(sms_outbox):
    hooks = Hooks()
    with SmsClient(WireProvider(), plugins=Plugins(hooks)) as sms:
        sent = sms.send(NUMBER, "Hello")
        report = sms_outbox.deliver_report(sms_outbox.last, Status.UNDELIVERED, code="27", reason="absent")
        assert sms.status(sent).status is Status.UNDELIVERED
    assert hooks.told[-1] == ("event", sent.id, Status.UNDELIVERED)
    assert (report.final, report.code, report.reference) == (True, "27", sent.reference)


# --- assertions -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("field", OPTIONAL_FIELDS)
def test_each_field_of_a_message_is_one_of_what_was_sent(sms_outbox, field):
    value = Samples().field_values[field][0]
    with SmsClient(MemoryProvider()) as client:
        client.send(OTHER, "Shipped", **{field: value})
    assert getattr(sms_outbox.last, field) == value
    assert sms_outbox.assert_sent(**{field: value})


def test_what_was_sent_has_no_other_fields(sms_outbox):
    with SmsClient(MemoryProvider()) as client:
        client.send(OTHER, "Shipped")
    with pytest.raises(AttributeError, match="'Posted' object has no attribute 'valid_untill'"):
        _ = sms_outbox.last.valid_untill


def test_assertions_find_what_was_sent(sms, sms_outbox):
    sms.send(NUMBER, "Your code is 123")
    sms.send(OTHER, "Shipped", sender="ACME")
    assert sms_outbox.assert_sent(to=OTHER, text="Shipped", sender="ACME").to == OTHER
    assert sms_outbox.assert_sent(contains="code", count=1).to == NUMBER
    sms_outbox.assert_sent(count=2)
    assert sms_outbox.assert_sent(to="+919999999999", count=0) is None
    with pytest.raises(AssertionError, match="expected 0 texts; 2 of these were sent"):
        sms_outbox.assert_sent(count=0)
    assert [sent.text for sent in sms_outbox.to("+91 9876543210")] == ["Your code is 123"]
    assert sms_outbox == [(NUMBER, "Your code is 123"), (OTHER, "Shipped")]
    assert sms_outbox[0].text == "Your code is 123"
    assert [sent.text for sent in sms_outbox[1:]] == ["Shipped"]
    sms_outbox.clear()
    assert len(sms_outbox) == 0
    assert sms_outbox.assert_sent(count=0) is None


def test_what_a_text_costs_can_be_asserted(sms, sms_outbox):
    sms.send(NUMBER, "a" * 161)
    sms.send(NUMBER, "it\u2019s shipped")
    assert sms_outbox.last.segments == 1
    assert sms_outbox.last.text_info.encoding == "ucs2"
    assert [character.index for character in sms_outbox.last.text_info.guilty] == [2]
    assert sms_outbox.last.sent.segments is None  # the vendor's count: there is no vendor
    assert sms_outbox.assert_sent(segments=1, count=1).text == "it\u2019s shipped"
    assert sms_outbox.assert_sent(segments=2).text == "a" * 161
    sms_outbox.assert_sent(segments=3, count=0)
    with pytest.raises(
        AssertionError, match=r"expected a text, segments 3; 0 of these were sent:\n(.|\n)*  2 segments\n"
    ):
        sms_outbox.assert_sent(segments=3)


def test_a_failure_shows_what_was_sent(sms, sms_outbox):
    sms_outbox.script(OTHER, UncertainError)
    sms.send(NUMBER, "Your order has shipped")
    with pytest.raises(UncertainError):
        sms.send(OTHER, "x" * 100)
    with pytest.raises(AssertionError) as raised:
        sms_outbox.assert_sent(to=NUMBER, contains="delivered", count=1)
    assert str(raised.value).splitlines() == [
        f"expected 1 text, to '{NUMBER}', contains 'delivered'; 0 of these were sent:",
        "2 texts were sent:",
        "     to             account  text",
        f"  0  {NUMBER}  wire     Your order has shipped",
        f"  1  {OTHER}  wire     {'x' * 59}…  UncertainError",
    ]
    with pytest.raises(AssertionError, match="has shipped"):
        sms_outbox.assert_nothing_sent()
    with pytest.raises(AssertionError, match="no one-time code was sent"):
        sms_outbox.code(NUMBER)


def test_the_last_of_nothing_is_a_failed_assertion(sms_outbox):
    with pytest.raises(AssertionError, match="nothing was sent"):
        _ = sms_outbox.last


# --- and afterwards -------------------------------------------------------------------------------------------------------


def test_a_request_that_would_still_reach_the_wire_finds_no_connection(sms):
    class Incapable:
        """A provider without any ability."""

    def asking():
        yield from HttpRequest.get("https://api.wire.example")

    with Interception(Incapable()), pytest.raises(smsbridge.NotConnected):
        sms._run(asking())


def test_it_works_without_pytest():
    with Outbox() as outbox:
        smsbridge.send(NUMBER, "Hello")
    assert outbox.pairs == [(NUMBER, "Hello")]


# --- the plugin -----------------------------------------------------------------------------------------------------------


def test_an_application_with_its_own_client_is_tested(pytester):
    pytester.makepyfile(
        shop="""
        from smsbridge import SmsClient
        sms = SmsClient()
        def confirm(number):
            sms.send(number, "Your order has shipped")
        """,
        test_shop="""
        from shop import confirm
        def test_a_confirmation_is_sent(sms_outbox):
            confirm("+919876543210")
            sms_outbox.assert_sent(to="+919876543210", contains="shipped")
        def test_compares(sms_outbox):
            confirm("+919876543210")
            assert sms_outbox == [("+919876543210", "Another text")]
        """,
    )
    result = pytester.runpytest_subprocess("-q", "-p", "no:cacheprovider")
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(["*sms_outbox == *", "*0*+919876543210*Your order has shipped", "*'Another text'*"])
    assert "┌─ SMS" not in result.stdout.str()


def test_the_plugin_makes_pytest_no_slower():
    """It is loaded at every start of pytest, if smsbridge is installed."""
    heavy = ("pydantic", "httpx", "asyncio", "pluggy", "smsbridge.client", "smsbridge.testing.outbox")
    code = (
        "import sys, pytest; before = set(sys.modules); import smsbridge.testing.plugin;"
        f"print([name for name in {heavy!r} if name in set(sys.modules) - before])"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"


def test_the_template_that_a_text_went_under_can_be_asserted(sms_outbox):
    with SmsClient("memory") as sms:
        sms.send(NUMBER, "Hello", dlt=Dlt(template_id="1107"))
        sms.send(NUMBER, "Hello")
    sms_outbox.assert_sent(template="1107", count=1)
    assert sms_outbox.last.template is None
