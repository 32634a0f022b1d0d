"""The contract kit for an author: collected tests, missing samples, and rules that cannot be weakened."""

import subprocess
import sys
from dataclasses import replace
from typing import ClassVar

import pytest

import smsbridge.testing
from smsbridge import HttpRequest, HttpResponse, Message, NoAnswer, SmsProvider, UncertainError, Wait
from smsbridge.builtin.memory import MemoryProvider
from smsbridge.http import with_query
from smsbridge.testing import FakeWire, ProviderContract, drive, dummy_secret
from smsbridge.testing.contract import forgeries
from smsbridge.testing.contract.kit import BY_NAME

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


# --- collected tests ------------------------------------------------------------------------------------------------------


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
    result.stdout.fnmatch_lines(["SKIPPED*TinyProvider does not send the reference"])


# --- missing samples ------------------------------------------------------------------------------------------------------


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


# --- rules that cannot be weakened ----------------------------------------------------------------------------------------


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
        ({"test_a_report_belongs_to_its_text": " "}, "needs a reason"),
        ({"test_a_changed_body_is_refused": "because"}, "does not apply"),
    ],
)
def test_an_expected_failure_has_a_known_name_and_a_reason(expected, problem):
    with pytest.raises(TypeError, match=problem):
        type("TestTiny", (ProviderContract,), {"provider_class": MemoryProvider, "expected_failures": expected})


def test_a_class_of_a_class_can_do_more():
    """A test that its base class does not collect returns when a sample makes it apply."""

    class Base(ProviderContract):
        provider_class = MemoryProvider

    class More(Base):
        def accepts(self, message, id):
            return HttpResponse.of_json({"id": id})

    assert Base.test_a_time_out_is_uncertain is None
    assert More.test_a_time_out_is_uncertain is ProviderContract.test_a_time_out_is_uncertain


class Reference(SmsProvider):
    """The vendor uses our reference as its id."""

    name = "reference"

    def send(self, message):
        response = yield from HttpRequest.post_json("https://api.example/sms", {"id": message.reference}, sends=True)
        return self.accepted(message, id=response.json_object()["id"])


def test_an_id_that_is_our_reference_needs_no_override():
    class Kit(ProviderContract):
        provider_class = Reference
        id_is_reference = True

        def accepts(self, message, id):
            assert id == message.reference
            return HttpResponse.of_json({"id": id})

    kit = Kit()
    assert [kit.vendor_id(n) for n in range(3)] == [kit.message(n).reference for n in range(3)]
    assert kit.vendor_id(9) == f"{9:032x}"
    assert kit.attempt(BY_NAME["send"], kit.message(reference="another")).value.id == "another"


def test_a_class_can_collect_some_groups_beside_one_that_collects_all():
    class Whole(ProviderContract):
        provider_class = MemoryProvider
        expected_failures: ClassVar = {"test_sync_equals_async": "memory forgets"}

    class Part(Whole):
        collect = ("declarations", "queries")

    class Back(Part):
        collect = ()

    assert Part.test_sync_equals_async is None
    assert Part.test_the_account_is_kept is ProviderContract.test_the_account_is_kept
    assert Back.test_sync_equals_async is ProviderContract.test_sync_equals_async


@pytest.mark.parametrize(
    ("own", "problem"),
    [
        ({"collect": ("webhooks",)}, "leaves tests out: make it a subclass of a class that collects all of them"),
        ({"collect": ("webhook",)}, "collect names no group of tests: webhook"),
        ({"proof_covers": "nothing"}, "proof_covers must be one of: body, parameters, secret"),
    ],
)
def test_what_is_said_of_a_vendor_cannot_be_anything(own, problem):
    with pytest.raises(TypeError, match=problem):
        type("TestTiny", (ProviderContract,), {"provider_class": MemoryProvider, **own})


def test_a_part_of_another_providers_contract_is_no_second_proof():
    class Whole(ProviderContract):
        provider_class = MemoryProvider

    with pytest.raises(TypeError, match="collects all of them for Twice"):
        type("TestTwice", (Whole,), {"provider_class": Twice, "collect": ("sends",)})


# --- forgeries ------------------------------------------------------------------------------------------------------------

FORM = HttpRequest.post_form("https://a.example/sms?a=1", [("id", "7"), ("text", "grüße & more")])
JSON = HttpRequest.post_json("https://a.example/sms", {"id": "7", "parts": 2})
GET = HttpRequest.get("https://a.example/sms", {"id": "7"})


@pytest.mark.parametrize("genuine", [FORM, JSON, GET, HttpRequest(method="POST", url="https://a.example", body=b"[7]")])
def test_every_forgery_says_something_else(genuine):
    forged = [
        forgery for parameters in (True, False) for _, forgery in forgeries.changed(genuine, parameters=parameters)
    ]
    forged += [*(forgery for _, forgery in forgeries.smuggled(genuine)), forgeries.another(genuine)]
    assert genuine not in forged
    assert genuine.headers == forged[0].headers


def test_the_same_in_other_bytes_is_no_change_to_parameters():
    longer = replace(JSON, body=JSON.body + b" ")
    assert longer in [forgery for _, forgery in forgeries.changed(JSON, parameters=False)]
    assert longer not in [forgery for _, forgery in forgeries.changed(JSON, parameters=True)]


def test_a_parameter_is_changed_taken_out_added_and_doubled():
    bodies = {forgery.body for _, forgery in forgeries.changed(JSON, parameters=True)}
    assert {b'{"id":"7"}', b'{"id":"7x","parts":2}', b'{"id":"7","parts":2,"added":"1"}'} <= {
        body.replace(b" ", b"") for body in bodies
    }
    urls = {forgery.url for _, forgery in forgeries.changed(GET, parameters=True)}
    assert urls == {f"https://a.example/sms{query}" for query in ("", "?id=7x", "?id=7&added=1")}
    assert [forgery.form() for _, forgery in forgeries.smuggled(FORM)][:2] == [
        [("id", "7x"), ("id", "7"), ("text", "grüße & more")],
        [("id", "7"), ("text", "grüße & more"), ("id", "7x")],
    ]


@pytest.mark.parametrize("plain", [FORM, JSON, GET])
@pytest.mark.parametrize("place", ["header", "query", "body"])
def test_a_proof_is_found_wherever_it_was_put(plain, place):
    if place == "header":
        genuine = replace(plain, headers={**plain.headers, "x-sig": "abcd"})
    elif place == "query" or not plain.body:
        place, genuine = "query", replace(plain, url=with_query(plain.url, {"x-sig": "abcd"}))
    elif plain is JSON:
        genuine = replace(plain, body=b'{"id":"7","parts":2,"x-sig":"abcd"}')
    else:
        genuine = replace(plain, body=plain.body + b"&x-sig=abcd")
    (proof,) = forgeries.proofs(plain, genuine)
    assert (proof.place, proof.name) == (place, "x-sig")
    assert forgeries.proofs(plain, forgeries.without(genuine, proof)) == []
    garbled = list(forgeries.garbled(genuine, proof))
    assert len(garbled) >= 9
    assert genuine not in garbled
    assert forgeries.proofs(plain, forgeries.stripped(plain, genuine)) == []


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
        "PolicyContract",
        "Posted",
        "ProviderContract",
        "Refusal",
        "Row",
        "Samples",
        "StoreContract",
        "Webhook",
        "drive",
        "dummy_secret",
    ]
    assert all(getattr(smsbridge.testing, name) for name in smsbridge.testing.__all__)
    assert dir(smsbridge.testing) == smsbridge.testing.__all__
    with pytest.raises(AttributeError):
        _ = smsbridge.testing.nothing


def test_the_kit_needs_no_hypothesis_and_no_network():
    code = "import sys; import smsbridge.testing as kit; kit.ProviderContract, kit.PolicyContract; print({'hypothesis', 'httpx'} & set(sys.modules))"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "set()"
