"""Runs beside the files of docs/recipes/packages.md: its task, called eagerly and by a Celery worker."""

from __future__ import annotations

import pytest
from celery import Celery
from celery.contrib.testing.worker import start_worker
from tasks import tell_shipped

from smsbridge import RecipientError, Status, UnavailableError, UncertainError

PHONE = "+919876543210"
SOON = 0.05
"""Seconds after which a task is repeated: a worker really waits for them."""

app = Celery("shop", broker="memory://", backend="cache+memory://")
app.conf.update(broker_transport_options={"polling_interval": 0.01}, worker_hijack_root_logger=False)
app.set_default()


@pytest.fixture(scope="module")
def worker():
    with start_worker(app, pool="solo", perform_ping_check=False):
        yield


@pytest.fixture(params=["eager", "by a worker"])
def call(request):
    """Calls the task, and waits for its end."""
    if request.param == "eager":
        return lambda *arguments: tell_shipped.apply(arguments).get()
    request.getfixturevalue("worker")
    return lambda *arguments: tell_shipped.delay(*arguments).get(timeout=30, interval=0.01)


def test_a_task_sends_a_text(sms_outbox, call):
    call(PHONE, 17)
    sms_outbox.assert_sent(to=PHONE, text="Your order 17 has shipped", count=1)


def test_what_was_certainly_not_sent_is_sent_again(sms_outbox, call):
    sms_outbox.script(PHONE, UnavailableError(retry_after=SOON), UnavailableError(retry_after=SOON), Status.SENT)
    call(PHONE, 17)
    sms_outbox.assert_sent(to=PHONE, count=1)
    assert len(sms_outbox.refused) == 2


def test_what_was_refused_for_good_is_not(sms_outbox, call):
    sms_outbox.script(PHONE, RecipientError)
    with pytest.raises(RecipientError):
        call(PHONE, 17)
    assert len(sms_outbox.refused) == 1


def test_what_may_have_been_sent_is_not(sms_outbox, call):
    sms_outbox.script(PHONE, UncertainError)
    with pytest.raises(UncertainError):
        call(PHONE, 17)
    assert len(sms_outbox) == 1


def test_a_task_that_runs_twice_sends_once_with_a_ledger(sms_outbox, call, monkeypatch):
    monkeypatch.setenv("SMSBRIDGE_LEDGER_STORE", "memory:")
    for _ in range(2):
        call(PHONE, 17)
    assert len(sms_outbox) == 1
