"""Texts and transactions: a text leaves after the commit, and what was sent stays in the ledger after a rollback."""

from __future__ import annotations

import logging
from contextlib import suppress

import pytest
from django.db import transaction
from django.test import Client, TestCase, override_settings
from django.views.debug import ExceptionReporter
from shop.models import Order
from shop.views import TO

import smsbridge
from smsbridge import Message, RefusedError, UncertainError
from smsbridge.errors import ConfigurationError
from smsbridge.values import State
from smsbridge_django import client, send_on_commit
from smsbridge_django.codes import send_code


class Undone(Exception):
    """Rolls a transaction back."""


def state_of(reference):
    found = client().history(reference)
    return found and found.text.state


def test_the_store_keeps_its_own_connection(number):
    """A claim inside of the request's transaction would be rolled back after the text has left."""
    reference = f"order-{number}"
    with suppress(Undone), transaction.atomic():
        Order.objects.create(number=number, reference=reference)
        client().send(TO, "Your order has shipped", reference=reference)
        raise Undone
    assert not Order.objects.exists()
    assert state_of(reference) is State.ACCEPTED
    assert client().send(TO, "Your order has shipped", reference=reference).repeated


def test_a_request_that_fails_sends_nothing(number):
    browser = Client(raise_request_exception=False)
    assert browser.get(f"/ship/{number}?fails").status_code == 500
    assert not Order.objects.exists()
    assert state_of(f"order-{number}") is None


def test_a_request_that_ends_well_sends_the_text(number):
    assert Client().get(f"/ship/{number}").status_code == 200
    assert state_of(Order.objects.get().reference) is State.ACCEPTED


def test_the_reference_is_known_before_the_commit():
    with transaction.atomic():
        references = [send_on_commit(TO, "Hello"), send_on_commit(Message(to=TO, text="Hello"))]
        assert len({*references}) == 2
        assert [state_of(reference) for reference in references] == [None, None]
    assert [state_of(reference) for reference in references] == [State.ACCEPTED, State.ACCEPTED]


def test_a_text_of_a_savepoint_that_is_undone_is_not_sent(number):
    with transaction.atomic():
        with suppress(Undone), transaction.atomic():
            undone = send_on_commit(TO, "Hello")
            raise Undone
        kept = send_on_commit(TO, "Hello")
    assert (state_of(undone), state_of(kept)) == (None, State.ACCEPTED)


def test_another_database_has_its_own_commit():
    with transaction.atomic():
        reference = send_on_commit(TO, "Hello", using="smsbridge")
        assert state_of(reference) is State.ACCEPTED


@pytest.mark.parametrize(("words", "error"), [("refused", RefusedError), ("lost", UncertainError)])
def test_a_failure_raises_nothing_out_of_the_commit(words, error, number, caplog):
    """What was committed stays, and what else waits for the commit is called."""
    results, called = [], []
    with transaction.atomic():
        Order.objects.create(number=number, reference="")
        reference = send_on_commit(TO, words, then=results.append)
        transaction.on_commit(lambda: called.append("next"))
    assert Order.objects.exists()
    assert called == ["next"]
    assert isinstance(results[0].error, error)
    (record,) = [record for record in caplog.records if record.name == "smsbridge.django"]
    assert reference in record.getMessage()
    assert TO not in record.getMessage()


def test_then_is_called_after_success_too():
    results = []
    send_on_commit(TO, "Hello", then=results.append)
    assert results[0].sent.provider == "courier"


def test_settings_that_are_wrong_come_out_of_the_commit():
    wrong = override_settings(SMSBRIDGE={"SMSBRIDGE_PROVIDER": "nosuch"})
    with wrong, pytest.raises(ConfigurationError), transaction.atomic():
        send_on_commit(TO, "Hello")


def test_a_message_is_not_given_together_with_a_text():
    with pytest.raises(TypeError, match="not both"):
        send_on_commit(Message(to=TO, text="Hello"), "Hello")


@pytest.mark.parametrize("send", [send_on_commit, send_code])
def test_an_error_report_shows_no_text_and_no_number(send):
    """Django mails the variables of each frame, but for those that are marked."""
    with override_settings(SMSBRIDGE={"SMSBRIDGE_PROVIDER": "nosuch"}), pytest.raises(ConfigurationError) as raised:
        send(TO, "SECRET-WORDS")
    frames = ExceptionReporter(None, raised.type, raised.value, raised.tb).get_traceback_frames()
    ours = [frame for frame in frames if "smsbridge_django" in frame["filename"]]
    assert ours
    assert "SECRET-WORDS" not in str([frame["vars"] for frame in ours])
    assert TO not in str([frame["vars"] for frame in ours])


def test_the_client_is_that_of_the_environment():
    assert client() is smsbridge.client()


def test_an_outbox_catches_the_texts(sms_outbox, number):
    Client().get(f"/ship/{number}")
    sms_outbox.assert_sent(to=TO, contains=f"order {number}", count=1)


def test_in_a_test_case_the_commit_is_played(sms_outbox, number, caplog):
    """TestCase never commits: captureOnCommitCallbacks plays what waits."""
    caplog.set_level(logging.WARNING)

    class Case(TestCase):
        def test(self):
            with self.captureOnCommitCallbacks(execute=True):
                send_on_commit(TO, "Hello")
            sms_outbox.assert_sent(contains="Hello", count=1)

    outcome = Case("test").run()
    assert outcome is not None
    assert outcome.wasSuccessful(), outcome.failures + outcome.errors
