"""memory has all capabilities, keeps a bounded number of texts, and follows a test's script."""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from scripted import TO, message
from smsbridge.builtin.memory import MemoryProvider
from smsbridge.client import AsyncSmsClient, SmsClient
from smsbridge.errors import (
    ConfigurationError,
    NotFoundError,
    OptedOutError,
    RateLimitedError,
    SendError,
    UncertainError,
)
from smsbridge.messages import Status
from smsbridge.plugins import Plugins
from smsbridge.provider import OPTIONAL_FIELDS, Capability
from smsbridge.testing.samples import Samples

OTHER = "+919876543211"


@pytest.fixture
def memory():
    return MemoryProvider()


@pytest.fixture
def client(memory):
    with SmsClient(memory, plugins=Plugins()) as sms:
        yield sms


def test_a_text_is_kept_and_found_again(client, memory):
    sent = client.send(message())
    assert memory.sent == [message()]
    assert client.lookup("ref-1") == sent
    assert client.lookup("ref-2") is None
    report = client.status(sent)
    assert (report.status, report.final, report.reference) == (Status.DELIVERED, True, "ref-1")
    with pytest.raises(NotFoundError):
        client.status("no-such-id")


def test_it_can_do_all_but_webhooks(memory):
    assert memory.capabilities == set(Capability) - {Capability.WEBHOOKS}


@pytest.mark.parametrize("status", Status)
def test_a_scripted_status_is_what_is_reported(client, memory, status):
    memory.script(TO, status)
    report = client.status(client.send(message()))
    assert (report.status, report.final) == (status, status.final)


@pytest.mark.parametrize("error", [OptedOutError(detail="dnd"), RateLimitedError(retry_after=3)])
def test_a_scripted_error_is_raised_as_a_copy_and_the_text_is_not_kept(client, memory, error):
    memory.script(TO, error)
    with pytest.raises(type(error)) as caught:
        client.send(message())
    assert caught.value is not error
    assert (caught.value.reference, error.reference) == ("ref-1", None)
    assert memory.sent == []


async def test_a_scripted_uncertainty_is_one_for_one_text_and_for_many_with_both_clients(memory):
    memory.script(TO, UncertainError())
    memory.script(OTHER, OptedOutError())
    texts = [message(reference="a"), message(to=OTHER, reference="b")]
    with SmsClient(memory, plugins=Plugins()) as client:
        with pytest.raises(UncertainError):
            client.send(message(reference="alone"))
        with client.send_many(texts) as results:
            assert [type(result.error) for result in results] == [UncertainError, OptedOutError]
    async with AsyncSmsClient(memory, plugins=Plugins()) as client:
        with pytest.raises(UncertainError):
            await client.send(message(reference="async"))
    assert [sent.reference for sent in memory.sent] == ["alone", "a", "async"]


def test_the_oldest_texts_and_codes_go_first():
    memory = MemoryProvider(capacity=3)
    with SmsClient(memory, plugins=Plugins()) as client:
        started = [client.start_verification(TO, reference=str(n)) for n in range(5)]
        assert [sent.reference for sent in memory.sent] == ["2", "3", "4"]
        assert client.check_verification(started[0], "0").reason == "unknown"
        assert client.check_verification(started[4], "0").reason == "wrong-code"
        assert client.balance()[0].amount == 0


@pytest.mark.parametrize("capacity", [0, -1])
def test_a_memory_keeps_at_least_one_text(capacity):
    with pytest.raises(ConfigurationError, match="SMSBRIDGE_MEMORY_CAPACITY"):
        MemoryProvider(capacity=capacity)


def test_a_code_is_right_once(client, memory):
    verification = client.start_verification(TO, "{code} is your code")
    code = memory.sent[-1].text.removesuffix(" is your code")
    assert len(code) == 6
    assert client.check_verification(verification, "x").reason == "wrong-code"
    assert client.check_verification(verification, "é").approved is False
    assert client.check_verification(verification, code).approved
    assert client.check_verification(verification, code).reason == "unknown"


def test_a_code_expires_when_asked_to(client):
    until = datetime.now(UTC) + timedelta(minutes=1)
    assert client.start_verification(TO, valid_until=until).expires_at == until
    assert client.start_verification(TO).expires_at > until


@pytest.mark.parametrize("field", OPTIONAL_FIELDS)
def test_what_was_asked_of_a_code_is_kept_with_it(memory, field):
    asked = message(text="{code}", **{field: Samples().field_values[field][0]})
    with SmsClient(memory) as client:
        client.start_verification(asked)
    assert memory.sent == [replace(asked, text=memory.sent[0].text)]


def test_a_cancelled_code_is_unknown(client):
    verification = client.start_verification(TO)
    client.cancel_verification(verification.id)
    assert client.check_verification(verification.id, "1").reason == "unknown"
    with pytest.raises(NotFoundError):
        client.cancel_verification(verification)


def test_clear_forgets_texts_codes_and_scripts(client, memory):
    memory.script(TO, OptedOutError())
    verification = client.start_verification(OTHER)
    memory.clear()
    assert memory.sent == []
    assert client.check_verification(verification, "1").reason == "unknown"
    assert client.send(message()).id


def test_threads_lose_no_text(client, memory):
    threads = [threading.Thread(target=lambda: [client.send(TO, "x") for _ in range(50)]) for _ in range(4)]
    for thread in threads:
        thread.start()
    for worker in threads:
        worker.join()
    assert len(memory.sent) == 200
    assert len({sent.reference for sent in memory.sent}) == 200


def test_a_bare_error_is_refused_rather_than_left_open(client, memory):
    memory.script(TO, SendError())
    with pytest.raises(SendError) as caught:
        client.send(message())
    assert type(caught.value) is not SendError
