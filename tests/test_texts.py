"""What became of a text: a ledger keeps its reports, tells of what they change, and is asked about it."""

from __future__ import annotations

import itertools
import json
import threading
from datetime import UTC, datetime, timedelta
from unittest import mock

import pytest

from smsbridge import AsyncSmsClient, SmsClient, hookimpl
from smsbridge.errors import ConfigurationError, RecipientError, UncertainError
from smsbridge.flow import Call, Driven
from smsbridge.http import HttpRequest
from smsbridge.ledger.policy import LedgerPolicy
from smsbridge.messages import DeliveryReport, Message, Purpose, Status
from smsbridge.plugins import Plugins
from smsbridge.policies.failover import FailoverPolicy
from smsbridge.promise import wait_for
from smsbridge.provider import SmsProvider
from smsbridge.stores.blocking import at_once
from smsbridge.testing import Outbox
from smsbridge.values import State

TO, OTHER = "+919876543210", "+14155550123"
TEXT = "Your order has shipped"
AT = datetime(2030, 1, 31, 12, 0, tzinfo=UTC)


class Reports(SmsProvider):
    """Accepts texts under ids of its own, and takes in reports as JSON."""

    name = "reports"
    stub = True
    echoes: bool = True

    def send(self, message):
        early = getattr(type(self), "early", None)
        yield from Call(early or (lambda _: None), message, sends=True)
        if message.text == "lost":
            raise UncertainError("no answer came")
        return self.accepted(message, id=f"{self.account}-{message.reference}", status=Status.QUEUED, segments=1)

    def status(self, sent):
        yield from ()
        return DeliveryReport(
            account=self.account, provider=self.name, id=sent.id, status=Status.DELIVERED, final=True, at=AT
        )

    def verify(self, webhook):
        pass

    def parse(self, webhook):
        said = json.loads(webhook.body)
        status = Status(said["status"])
        return [
            DeliveryReport(
                account=self.account,
                provider=self.name,
                id=f"{self.account}-{said['reference']}",
                reference=said["reference"] if self.echoes else "",
                status=status,
                final=status.final,
                code=said.get("code"),
                at=AT,
                key=said.get("key", f"{said['reference']}/{status}"),
            )
        ]


class Gone(BaseException):
    """The process ends here."""


class Changes:
    """Notes each change that it is told of; raises at those that ``fails`` names."""

    def __init__(self):
        self.seen, self.fails = [], set()

    @hookimpl
    def smsbridge_status_changed(self, account, carried_by, text):
        self.seen.append((account, carried_by, text.reference, text.status))
        if text.status in self.fails:
            raise RuntimeError("the application's database is away")

    @property
    def statuses(self):
        return [status for _, _, _, status in self.seen]


class Events:
    """Notes the events that it is told of."""

    def __init__(self):
        self.seen = []

    @hookimpl
    def smsbridge_event(self, event):
        self.seen.append(event)


def webhook(status, reference="order-17", **more):
    body = json.dumps({"status": status, "reference": reference, **more}).encode()
    return HttpRequest(method="POST", url="https://app.example/sms", body=body)


@pytest.fixture(params=["memory", "sqlite"])
def store(request, tmp_path):
    return "memory:" if request.param == "memory" else f"sqlite:///{tmp_path / 'sms.db'}"


@pytest.fixture
def changes():
    return Changes()


@pytest.fixture
def make(store, changes):
    """Makes clients of one store, as processes have them; the store ends with the test."""
    from smsbridge.stores import known

    made = []

    def client(kind=SmsClient, inner=None, *observers, **settings):
        plugins = Plugins(changes, *observers)
        ledger = LedgerPolicy(inner=inner or Reports(), store=store, **settings).telling(plugins.status_changed)
        made.append(ledger)
        return kind(ledger, plugins=plugins)

    yield client
    for ledger in made:
        ledger.close()
    known.forget_all()


def send(sms, reference="order-17", text=TEXT, **fields):
    return sms.send(Message(to=TO, text=text, reference=reference, **fields))


def test_history_says_what_became_of_a_text(make):
    sms = make()
    send(sms, context={"customer": "41"})
    sms.receive(webhook("sent"))
    sms.receive(webhook("delivered"))
    history = sms.history("order-17")
    text = history.text
    assert (text.state, text.status, text.final) == (State.ACCEPTED, Status.DELIVERED, True)
    assert (text.account, text.carried_by, text.provider, text.id) == ("reports",) * 3 + ("reports-order-17",)
    assert (text.sent_at, text.delivered_at, text.segments) == (AT, AT, 1)
    assert (text.to, text.text, text.context) == ("+91******3210", None, {"customer": "41"})
    assert [report.status for report in history.reports] == [Status.SENT, Status.DELIVERED]
    assert history.reports[0].context == {"customer": "41"}


def test_of_an_unknown_reference_there_is_no_history(make):
    sms = make()
    assert (sms.history("order-18"), list(sms.texts())) == (None, [])
    send(sms)
    assert sms.history("order-18") is None


def test_a_hook_is_told_of_each_change_once_whatever_comes_twice_or_late(make, changes):
    sms = make()
    send(sms)
    for status in ("queued", "sent", "sent", "queued", "delivered", "failed", "delivered"):
        sms.receive(webhook(status))
    assert changes.statuses == [Status.SENT, Status.DELIVERED]
    assert changes.seen[0] == ("reports", "reports", "order-17", Status.SENT)


def test_a_hook_that_raises_is_told_again_when_the_report_comes_again_and_then_no_more(make, changes):
    sms = make()
    send(sms)
    changes.fails = {Status.DELIVERED}
    with pytest.raises(RuntimeError):
        sms.receive(webhook("delivered"))
    assert sms.history("order-17").text.status is Status.DELIVERED
    changes.fails = set()
    sms.receive(webhook("delivered"))
    sms.receive(webhook("delivered"))
    assert changes.statuses == [Status.DELIVERED] * 2


@pytest.mark.parametrize("echoes", [True, False])
def test_a_report_that_comes_before_send_has_returned_is_told_once_it_has(make, changes, monkeypatch, echoes):
    sms = make(SmsClient, Reports(echoes=echoes))
    monkeypatch.setattr(Reports, "early", lambda message: sms.receive(webhook("delivered")), raising=False)
    sent = send(sms)
    assert sent.status is Status.QUEUED
    assert changes.statuses == [Status.DELIVERED]
    assert sms.history("order-17").text.status is Status.DELIVERED


def test_an_event_comes_with_its_reference_and_context_also_where_the_vendor_echoes_neither(make):
    events = Events()
    sms = make(SmsClient, Reports(echoes=False), events)
    send(sms, context={"customer": "41"})
    received = sms.receive(webhook("delivered"))
    assert [(event.reference, event.context) for event in events.seen] == [("order-17", {"customer": "41"})]
    assert received.events == tuple(events.seen)


def test_a_report_of_an_unknown_text_is_passed_on_and_forgotten_by_nobody(make, changes):
    events = Events()
    sms = make(SmsClient, None, events)
    sms.receive(webhook("delivered", reference="order-99"))
    assert [event.reference for event in events.seen] == ["order-99"]
    assert changes.seen == []


@pytest.mark.parametrize("state", [State.ACCEPTED, State.REFUSED])
def test_a_person_settles_a_text_in_doubt(make, state):
    sms = make()
    with pytest.raises(UncertainError):
        sms.send(TO, "lost", reference="order-17")
    assert at_once(sms.provider.settle("order-17", state)) is state
    assert sms.history("order-17").text.state is state
    assert sms.history("order-17").text.reason == "operator"


def test_a_settled_text_stays_what_it_is_whatever_a_person_says(make):
    sms = make()
    sms.send(TO, TEXT, reference="order-17")
    assert at_once(sms.provider.settle("order-17", State.REFUSED)) is State.ACCEPTED
    assert sms.history("order-17").text.state is State.ACCEPTED


def test_reports_that_prove_a_text_count_more_than_a_person(make, changes):
    """The sending process is gone, and its outcome with it: a report waits for that."""
    sms = make()

    def dies(message):
        raise Gone

    with mock.patch.object(Reports, "early", staticmethod(dies), create=True), pytest.raises(Gone):
        sms.send(TO, TEXT, reference="order-17")
    sms.receive(webhook("delivered"))
    assert at_once(sms.provider.settle("order-17", State.REFUSED)) is State.ACCEPTED
    assert sms.history("order-17").text.status is Status.DELIVERED
    assert changes.statuses == [Status.DELIVERED]


def test_what_the_ledger_does_not_know_cannot_be_settled(make):
    sms = make()
    assert at_once(sms.provider.settle("order-17", State.REFUSED)) is None
    sms.send(TO, TEXT, reference="order-18")
    assert at_once(sms.provider.settle("order-17", State.REFUSED)) is None


def test_a_text_is_settled_as_accepted_or_refused(make):
    with pytest.raises(ValueError, match="accepted or refused"):
        at_once(make().provider.settle("order-17", State.UNCERTAIN))


def test_a_report_settles_a_text_that_may_have_been_sent(make, changes):
    sms = make()
    with pytest.raises(UncertainError):
        send(sms, text="lost")
    assert sms.history("order-17").text.state is State.UNCERTAIN
    sms.receive(webhook("delivered"))
    text = sms.history("order-17").text
    assert (text.state, text.status, changes.statuses) == (State.ACCEPTED, Status.DELIVERED, [Status.DELIVERED])
    assert send(sms, text="lost").repeated


def test_a_repeat_after_the_report_says_how_far_the_text_came(make):
    sms = make()
    send(sms)
    sms.receive(webhook("delivered"))
    again = send(sms)
    assert (again.status, again.repeated) == (Status.DELIVERED, True)


def test_a_report_of_the_account_that_failed_over_moves_the_text_of_no_other(make, store):
    first, second = Reports(account="first"), Reports(account="second")
    sms = make(SmsClient, FailoverPolicy(accounts=[first, second]))
    send(sms)
    failed = DeliveryReport(
        account="second",
        provider="reports",
        id="second-order-17",
        reference="order-17",
        status=Status.FAILED,
        final=True,
        key="k",
    )
    perform(sms.provider.observe(failed))
    assert sms.history("order-17").text.status is Status.QUEUED
    assert sms.history("order-17").text.carried_by == "first"


def perform(flow):
    from smsbridge.stores.blocking import at_once

    return at_once(flow)


def test_what_the_vendor_answers_is_kept_like_a_report(make, changes):
    sms = make()
    sent = send(sms)
    assert sms.status(sent).status is Status.DELIVERED
    assert sms.status(sent).status is Status.DELIVERED
    assert (sms.history("order-17").text.status, changes.statuses) == (Status.DELIVERED, [Status.DELIVERED])
    assert len(sms.history("order-17").reports) == 1


def test_texts_are_found_by_what_became_of_them(make):
    sms = make()
    for number in range(5):
        sms.send(Message(to=TO if number % 2 else OTHER, text=TEXT, reference=f"order-{number}"))
    sms.receive(webhook("delivered", reference="order-1"))
    sms.receive(webhook("failed", reference="order-2", code="7"))

    def found(**wanted):
        return [text.reference for text in sms.texts(**wanted)]

    assert found() == [f"order-{number}" for number in range(5)]
    assert found(status=Status.DELIVERED) == ["order-1"]
    assert found(status=["failed", "delivered"]) == ["order-1", "order-2"]
    assert found(to="+91 98765 43210") == ["order-1", "order-3"]
    assert found(since=timedelta(hours=1), state=State.ACCEPTED) == [f"order-{number}" for number in range(5)]
    assert found(since=datetime.now(UTC) + timedelta(hours=1)) == []
    assert found(account="other") == []
    assert next(iter(sms.texts(status=Status.FAILED))).code == "7"


def test_texts_come_page_by_page(make, monkeypatch):
    monkeypatch.setattr("smsbridge.base_client.PAGE", 2)
    sms = make()
    for number in range(5):
        send(sms, f"order-{number}")
    assert [text.reference for text in sms.texts()] == [f"order-{number}" for number in range(5)]


@pytest.mark.parametrize(
    ("wanted", "error"),
    [
        ({"to": "41"}, RecipientError),
        ({"since": AT.replace(tzinfo=None)}, ValueError),
        ({"status": "arrived"}, ValueError),
        ({"state": "sent"}, ValueError),
        ({"colour": "red"}, TypeError),
    ],
)
def test_what_cannot_be_asked_for_is_an_error(make, wanted, error):
    with pytest.raises(error):
        list(make().texts(**wanted))


def test_number_and_text_are_kept_where_settings_say_so_and_never_of_a_code(make):
    sms = make(SmsClient, None, keep_numbers=True, keep_texts=True)
    send(sms)
    send(sms, "code-1", text="123456 is your code", purpose=Purpose.OTP)
    text, code = (sms.history(reference).text for reference in ("order-17", "code-1"))
    assert (text.to, text.text) == (TO, TEXT)
    assert (code.to, code.text) == ("+91******3210", None)
    assert TO not in repr(text)
    assert TEXT not in repr(text)
    assert [found.reference for found in sms.texts(to=TO)] == ["order-17", "code-1"]


def test_without_a_ledger_there_is_nothing_to_ask():
    with SmsClient(Reports()) as sms:
        with pytest.raises(ConfigurationError, match="SMSBRIDGE_STORE"):
            sms.history("order-17")
        with pytest.raises(ConfigurationError, match="SMSBRIDGE_STORE"):
            list(sms.texts())


async def test_the_async_client_has_the_same(make, changes):
    sms = make(AsyncSmsClient)
    await sms.send(Message(to=TO, text=TEXT, reference="order-17"))
    await sms.receive(webhook("delivered"))
    assert (await sms.history("order-17")).text.status is Status.DELIVERED
    assert [text.reference async for text in sms.texts(status=Status.DELIVERED)] == ["order-17"]
    assert changes.statuses == [Status.DELIVERED]


def test_reports_from_many_threads_tell_each_change_once(make, changes):
    clients = [make() for _ in range(4)]
    for number in range(10):
        send(clients[0], f"order-{number}")
    came = [(status, f"order-{number}") for number in range(10) for status in ("sent", "failed", "delivered")] * 3
    start = threading.Barrier(len(clients))

    def work(sms, part):
        start.wait()
        for status, reference in part:
            sms.receive(webhook(status, reference=reference))

    threads = [threading.Thread(target=work, args=(sms, came[place::4])) for place, sms in enumerate(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {text.status for text in clients[0].texts()} == {Status.DELIVERED}
    told = [(reference, status) for _, _, reference, status in changes.seen]
    assert len(told) == len(set(told))
    assert {reference for reference, status in told if status is Status.DELIVERED} == {f"order-{n}" for n in range(10)}


def test_under_an_outbox_no_store_is_written(tmp_path, changes):
    path = tmp_path / "sms.db"
    ledger = LedgerPolicy(inner=Reports(), path=path)
    with Outbox(), SmsClient(ledger, plugins=Plugins(changes)) as sms:
        send(sms)
        sms.receive(webhook("delivered"))
        assert sms.history("order-17").text.status is Status.DELIVERED
    assert not path.exists()


def test_a_store_that_cannot_be_written_takes_in_no_report(tmp_path, changes):
    path = tmp_path / "sms.db"
    path.write_text("this is no database of ours, and has been here before")
    ledger = LedgerPolicy(inner=Reports(), path=path)
    with SmsClient(ledger, plugins=Plugins(changes)) as sms:
        with pytest.raises(Exception, match=r"sms\.db"):
            sms.receive(webhook("delivered"))
        with pytest.raises(ConfigurationError):
            sms.history("order-17")


def test_a_hook_that_raises_for_one_of_several_texts_is_told_again_of_that_one_alone(make, changes, monkeypatch):
    sms = make()
    early = {"order-1": "sent", "order-2": "failed", "order-3": "sent"}
    monkeypatch.setattr(
        Reports,
        "early",
        lambda message: sms.receive(webhook(early[message.reference], message.reference)),
        raising=False,
    )
    changes.fails = {Status.FAILED}
    results = list(sms.send_many([Message(to=TO, text=TEXT, reference=reference) for reference in early]))
    assert all(result.sent for result in results)
    changes.fails = set()
    for reference, status in early.items():
        sms.receive(webhook(status, reference))
    told = sorted((reference, status.value) for _, _, reference, status in changes.seen)
    assert told == [("order-1", "sent"), ("order-2", "failed"), ("order-2", "failed"), ("order-3", "sent")]


def test_an_early_report_comes_with_the_context_of_its_text(make, monkeypatch):
    events = Events()
    sms = make(SmsClient, None, events)
    monkeypatch.setattr(Reports, "early", lambda message: sms.receive(webhook("sent")), raising=False)
    send(sms, context={"customer": "41"})
    assert [event.context for event in events.seen] == [{"customer": "41"}]


def test_a_webhook_that_is_interrupted_at_any_step_is_taken_in_when_it_comes_again(make, changes):
    """The store may have done what was asked, or may do it later. The change is told in the end."""
    sms = make()
    for step in itertools.count():
        changes.seen.clear()
        reference = f"order-{step}"
        send(sms, reference)
        run = Driven(sms._receive(webhook("delivered", reference), None))
        for _ in range(step):
            if run.step is not None:
                run.perform(_performed, run.step)
        if run.step is None:
            break
        told_before = len(changes.seen)
        with pytest.raises(KeyboardInterrupt):
            run.fail([KeyboardInterrupt()])
        run.drop()
        sms.receive(webhook("delivered", reference))
        assert sms.history(reference).text.status is Status.DELIVERED
        assert len(changes.seen) in {1, 1 + told_before}
    assert step >= 2


def _performed(step):
    return step.function(*step.args) if isinstance(step, Call) else wait_for(step.future, 10)
