"""The contract kit as an author meets it: what is collected, what fails for want of a sample, and what cannot be bent."""

import subprocess
import sys

import pytest

import smsbridge.testing
from smsbridge import HttpRequest, HttpResponse, Message, NoAnswer, SmsProvider, UncertainError, Wait
from smsbridge.builtin.memory import MemoryProvider
from smsbridge.testing import FakeWire, ProviderContract, drive, dummy_secret

pytest_plugins = ["pytester"]

PROVIDER = '''
from pydantic import SecretStr
from smsbridge import *
from smsbridge.errors import FundsError
from smsbridge.testing import *

class TinyProvider(SmsProvider):
    """Tiny SMS"""
    name = "tiny"
    token: SecretStr

    def send(self, message):
        response = yield from HttpRequest.post_json(
            "https://api.tiny.example/sms",
            {"to": message.to, "text": message.text},
            headers={"authorization": f"Bearer {self.token.get_secret_value()}"},
            sends=True,
        )
        if not response.ok:
            raise response.error()
        data = response.json_object()
        if data.get("error") == "no_credit":
            raise response.error(FundsError)
        if not isinstance(data.get("id"), str) or not data["id"]:
            raise response.error(UncertainError)
        return self.accepted(message, id=data["id"])

class Tiny(ProviderContract):
    provider_class = TinyProvider
    settings = {"token": dummy_secret("token")}

    def accepts(self, message, id):
        return HttpResponse.of_json({"id": id})

    refusals = {"no credit": Refusal(answer=HttpResponse.of_json({"error": "no_credit"}), error=FundsError)}
'''


@pytest.fixture
def run(pytester):
    """Run a test file that begins with TinyProvider and its samples."""

    def run(code, *arguments):
        pytester.makeini("[pytest]\nasyncio_default_fixture_loop_scope = function\nfilterwarnings = error")
        pytester.makepyfile(test_tiny=PROVIDER + code)
        return pytester.runpytest_inprocess("-q", "-p", "no:cacheprovider", *arguments)

    return run


# --- what is run ----------------------------------------------------------------------------------------------------------


def test_a_minimal_author_supplies_three_samples(run):
    result = run("class TestTiny(Tiny): pass")
    outcomes = result.parseoutcomes()
    assert outcomes["passed"] > 120
    assert set(outcomes) == {"passed", "skipped"}


def test_what_does_not_apply_is_not_collected(run):
    listing = run("class TestTiny(Tiny): pass", "--collect-only").stdout.str()
    for absent in ("batch", "webhook", "verification", "lookup", "balance", "option_is_sent"):
        assert absent not in listing.replace("unknown_option", ""), absent
    assert "test_a_refusal_raises_its_class[no credit]" in listing


def test_a_skipped_test_says_why(run):
    result = run("class TestTiny(Tiny): pass", "-rs")
    result.stdout.fnmatch_lines(["SKIPPED*TinyProvider keeps the reference to itself"])


# --- what is missing ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("declared", "missing"),
    [
        ("def status(self, sent): yield from HttpRequest.get('https://api.tiny.example')", "status_words"),
        ("def status(self, sent): yield from HttpRequest.get('https://api.tiny.example')", "reports(sent, word)"),
        (
            "batch_size = 9\n    def send_batch(self, messages): yield HttpRequest.get('https://x.example')",
            "accepts_batch(rows)",
        ),
        ("def balance(self): yield from HttpRequest.get('https://api.tiny.example')", "tells_balance()"),
        ("def lookup(self, reference): yield from HttpRequest.get('https://api.tiny.example')", "finds(message, id)"),
        ("def verify(self, webhook): 1\n    def parse(self, webhook): return []", "webhooks"),
        ("def start_verification(self, message): yield HttpRequest.get('https://x.example')", "starts_verification"),
        ("class options(Options):\n        flash: bool = False", "option_values"),
    ],
)
def test_a_capability_without_a_sample_fails_and_says_what_to_supply(run, declared, missing):
    result = run(
        f"class Able(TinyProvider):\n    {declared}\nclass TestTiny(Tiny):\n    provider_class = Able",
        "-k",
        "not shows and not odd and not surprises and not pickled",
    )
    assert result.parseoutcomes()["failed"]
    assert f"`{missing}" in result.stdout.str()


def test_http_without_an_accepting_answer_fails(run):
    result = run("class TestTiny(Tiny):\n    accepts = ProviderContract.accepts", "-k", "keeps_id")
    result.assert_outcomes(failed=1, deselected=result.parseoutcomes()["deselected"])
    assert "`accepts` is not overridden" in result.stdout.str()


def test_a_contract_without_a_provider_says_so(run):
    result = run("class TestTiny(ProviderContract): pass")
    assert "needs `provider_class = YourProvider`" in result.stdout.str()


def test_refusals_only_by_status_must_be_explained(run):
    refusals = "refusals = {'no credit': Refusal(answer=HttpResponse(status=402), error=FundsError)}"
    name = "test_a_refusal_inside_a_2xx_body_is_sampled"
    assert run(f"class TestTiny(Tiny):\n    {refusals}", "-k", name).parseoutcomes()["failed"] == 1
    explained = f"expected_failures = {{'{name}': 'Tiny always says no by its HTTP status'}}"
    assert run(f"class TestTiny(Tiny):\n    {refusals}\n    {explained}", "-k", name).parseoutcomes()["xfailed"] == 1


# --- what cannot be bent --------------------------------------------------------------------------------------------------


def test_an_expected_failure_that_passes_fails(run):
    expected = {"test_a_time_out_is_uncertain": "we thought so"}
    result = run(f"class TestTiny(Tiny):\n    expected_failures = {expected}", "-k", "test_a_time_out_is_uncertain")
    assert result.parseoutcomes()["failed"] == 1
    result.stdout.fnmatch_lines(["*XPASS(strict)*we thought so*"])


def test_one_case_of_a_test_can_be_expected_to_fail(run):
    code = """
class Strips(TinyProvider):
    def send(self, message):
        from dataclasses import replace
        return (yield from super().send(replace(message, text=message.text.strip())))
class TestTiny(Tiny):
    provider_class = Strips
    expected_failures = {"test_a_text_arrives_as_it_was_written[edges]": "Tiny strips texts"}
"""
    outcomes = run(code, "-k", "test_a_text_arrives").parseoutcomes()
    assert (outcomes["xfailed"], outcomes["passed"]) == (1, 7)


def test_a_standard_test_cannot_be_overridden():
    def test_a_time_out_is_uncertain(self):
        pass

    own = {"test_a_time_out_is_uncertain": test_a_time_out_is_uncertain}
    with pytest.raises(TypeError, match="overrides the standard test test_a_time_out_is_uncertain"):
        type("TestTiny", (ProviderContract,), own)
    with pytest.raises(TypeError, match="overrides the standard test"):
        type("TestTiny", (ProviderContract,), {"test_a_time_out_is_uncertain": None})
    with pytest.raises(TypeError, match="overrides the standard test"):
        type("TestTiny", (type("Mixin", (), own), ProviderContract), {})


@pytest.mark.parametrize(
    ("expected", "problem"),
    [
        ({"test_no_such": "because"}, "names no standard test: test_no_such"),
        ({"test_a_report_belongs_to_its_text": " "}, "needs its reason"),
        ({"test_a_changed_body_is_refused": "because"}, "does not apply"),
    ],
)
def test_an_expected_failure_has_a_known_name_and_a_reason(expected, problem):
    with pytest.raises(TypeError, match=problem):
        type("TestTiny", (ProviderContract,), {"provider_class": MemoryProvider, "expected_failures": expected})


def test_a_class_of_a_class_can_do_more():
    """What its base does not collect comes back when a sample makes it apply."""

    class Base(ProviderContract):
        provider_class = MemoryProvider

    class More(Base):
        def accepts(self, message, id):
            return HttpResponse.of_json({"id": id})

    assert Base.test_a_time_out_is_uncertain is None
    assert More.test_a_time_out_is_uncertain is ProviderContract.test_a_time_out_is_uncertain


# --- the tools ------------------------------------------------------------------------------------------------------------


class Twice(SmsProvider):
    """Waits, then asks twice."""

    name = "twice"

    def send(self, message):
        yield from Wait(3600)
        first = yield from HttpRequest.get("https://api.twice.example/token")
        second = yield from HttpRequest.post_json("https://api.twice.example/sms", first.json(), sends=True)
        return self.accepted(message, id=second.json()["id"])


def test_drive_answers_a_flow_by_hand():
    answers = [HttpResponse.of_json({"token": 1}), HttpResponse.of_json({"id": "7"})]
    assert drive(Twice().send(Message(to="+919876543210", text="x")), *answers).id == "7"
    with pytest.raises(NoAnswer):
        drive(Twice().send(Message(to="+919876543210", text="x")), NoAnswer("lost"))


def test_a_request_without_an_answer_fails_the_test():
    with pytest.raises(pytest.fail.Exception, match="request 2 has no answer"):
        drive(Twice().send(Message(to="+919876543210", text="x")), HttpResponse.of_json({}))
    with pytest.raises(TypeError, match="a flow yields steps"):
        drive(iter_of_nothing())


def iter_of_nothing():
    yield 1


def test_a_fake_wire_drives_real_clients():
    wire = FakeWire(always=lambda request: HttpResponse.of_json({"id": request.method}))
    with wire.client(Twice()) as sms:
        assert sms.send("+91 98765 43210", "Hello").id == "POST"
    assert [request.sends for request in wire.requests] == [False, True]


async def test_a_fake_wire_drives_async_clients():
    wire = FakeWire(HttpResponse.of_json({}), NoAnswer("lost"))
    async with wire.async_client(Twice()) as sms:
        with pytest.raises(UncertainError):
            await sms.send("+919876543210", "Hello")


def test_dummy_secrets_cannot_be_mistaken():
    assert dummy_secret("token") == "dummy-token-do-not-leak"


def test_the_public_names():
    assert smsbridge.testing.__all__ == [
        "FakeWire",
        "Outbox",
        "Posted",
        "ProviderContract",
        "Refusal",
        "Row",
        "Webhook",
        "drive",
        "dummy_secret",
    ]
    assert all(getattr(smsbridge.testing, name) for name in smsbridge.testing.__all__)
    assert dir(smsbridge.testing) == smsbridge.testing.__all__
    with pytest.raises(AttributeError):
        _ = smsbridge.testing.nothing


def test_the_kit_needs_no_hypothesis_and_no_network():
    code = "import sys; import smsbridge.testing as kit; kit.ProviderContract; print({'hypothesis', 'httpx'} & set(sys.modules))"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "set()"
