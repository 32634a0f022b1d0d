"""A person who texts STOP gets no text: the policy checks each text, and learns from texts, vendors and reports."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import MappingProxyType

import pytest

from scripted import OK, TEXT, TO, AsyncWire, BatchProvider, HttpProvider, Recorder, Wire, drive, interrupt, message
from smsbridge.attempts import attempt, attempt_batch, attempt_each, attempt_verification, foresee
from smsbridge.builtin.memory import MemoryProvider
from smsbridge.client import AsyncSmsClient, SmsClient
from smsbridge.composite import each
from smsbridge.errors import (
    ConfigurationError,
    OptedOutError,
    RefusedError,
    SendError,
    UnsupportedError,
    VetoedError,
)
from smsbridge.flow import Call, Driven
from smsbridge.hookspecs import hookimpl
from smsbridge.http import HttpRequest, HttpResponse
from smsbridge.messages import DeliveryReport, InboundMessage, Purpose, Status
from smsbridge.optouts import MemoryOptOuts, SqliteOptOuts
from smsbridge.optouts.policy import OptoutPolicy
from smsbridge.plugins import Plugins
from smsbridge.policies.failover import FailoverPolicy
from smsbridge.policies.retry import RetryPolicy
from smsbridge.receiving import receive
from smsbridge.rehearsal import Rehearsal

OTHER = "+919876543211"
NOON = datetime(2026, 11, 25, 12, tzinfo=UTC)
HOOK = HttpRequest(method="POST", url="https://app.example/sms")


class Sender(MemoryProvider):
    """A provider with a sender, and with webhooks that bring a test's events."""

    sender: str | None = "ACMEIN"
    events: tuple[object, ...] = ()

    def verify(self, webhook):
        pass

    def parse(self, webhook):
        return list(self.events)


class Slow(HttpProvider):
    """A provider whose vendor knows opt-outs."""

    def send(self, message):
        response = yield from HttpRequest.post_json("https://api.example", {"to": message.to}, sends=True)
        if response.status == 410:
            raise response.error(OptedOutError, reason=response.json_object().get("reason"), detail=message.to)
        return self.accepted(message, id="vendor-1")


def optout(inner=None, **settings):
    return OptoutPolicy(inner=Sender() if inner is None else inner, **settings)


class Asked(MemoryOptOuts):
    """A list that answers in a step, like all lists except the list in memory."""


def list_at(path):
    return optout(path=path)._kept.known


def perform(flow):
    """Drive a flow whose steps are calls."""
    run = Driven(flow)
    while run.step is not None:
        assert isinstance(run.step, Call), run.step
        run.perform(run.step.function, *run.step.args)
    return run.value


def outcome(policy, given=None, how=attempt):
    try:
        return perform(how(policy, given or message()))
    except SendError as error:
        return error


def refused(vendors_reason):
    return HttpResponse.of_json({"reason": vendors_reason}, status=410)


def text(words, sender=TO, to="ACMEIN", at=None, *, account="memory", key="k", taken_as=None):
    return InboundMessage(
        account=account,
        provider="memory",
        id="i",
        sender=sender,
        to=to,
        text=words,
        taken_as=taken_as,
        at=at,
        key=key,
    )


def report(reason, to=TO, *, account="memory", at=NOON, key=""):
    return DeliveryReport(
        account=account,
        provider="memory",
        id="r",
        to=to,
        status=Status.REJECTED,
        final=True,
        reason=reason,
        at=at,
        key=key,
    )


def outs(policy):
    return [(opt_out.recipient, opt_out.sender, opt_out.source) for opt_out in policy._kept.known]


# --- asking ---------------------------------------------------------------------------------------------------------------


def test_who_has_opted_out_is_not_texted():
    policy = optout()
    assert outcome(policy).id
    policy._kept.known.add("ACMEIN", TO)
    error = outcome(policy)
    assert type(error) is OptedOutError
    assert (error.reason, error.fault, error.account, error.reference) == ("opt-out", "message", "memory", "ref-1")
    assert len(policy.inner.sent) == 1
    assert outcome(policy, message(to=OTHER)).id


@pytest.mark.parametrize(
    ("opted_out_from", "account_sender", "message_sender", "stopped"),
    [
        ("ACMEIN", "ACMEIN", None, True),
        ("ACMEIN", "ACMEIN", "OTHER", False),
        ("OTHER", "ACMEIN", None, False),
        ("OTHER", "ACMEIN", "other", True),
        (None, "ACMEIN", "OTHER", True),
        ("OTHER", None, None, True),  # the vendor chooses the name, so it is unknown
        ("OTHER", "", None, True),
    ],
)
def test_an_opt_out_is_from_the_sender_that_the_text_would_show(
    opted_out_from, account_sender, message_sender, stopped
):
    policy = optout(Sender(sender=account_sender))
    policy._kept.known.add(opted_out_from, TO)
    assert isinstance(outcome(policy, message(sender=message_sender)), OptedOutError) is stopped


def test_of_several_accounts_the_text_may_show_the_sender_of_any():
    policy = optout(FailoverPolicy(accounts=[Sender(account="a", sender="A"), Sender(account="b", sender="B")]))
    policy._kept.known.add("B", TO)
    assert isinstance(outcome(policy), OptedOutError)
    policy._kept.known.remove("B", TO)
    assert outcome(policy).account == "a"


class Odd(Sender):
    """A provider whose field ``sender`` is not the sender of a text."""

    def sender(self):
        """An opt-out from another sender."""


@pytest.mark.parametrize(
    "unknown", [Sender(account="b", sender=None), Sender(account="b", sender=""), Odd(account="b")]
)
def test_where_one_account_of_several_has_no_known_sender_an_opt_out_from_any_stops_the_text(unknown):
    policy = optout(FailoverPolicy(accounts=[Sender(account="a", sender="A"), unknown]))
    policy._kept.known.add("ELSEWHERE", TO)
    assert isinstance(outcome(policy), OptedOutError)
    assert outcome(policy, message(sender="A")).id


@pytest.mark.parametrize(("account", "sender"), [("a", "A"), ("b", "B"), ("unknown", None), (None, None)])
def test_a_report_opts_out_of_the_sender_of_its_account_and_of_all_where_that_is_not_known(account, sender):
    policy = optout(FailoverPolicy(accounts=[Sender(account="a", sender="A"), Sender(account="b", sender="B")]))
    assert heard(policy, report("opted-out", account=account)) == [(TO, sender, "report")]


@pytest.mark.parametrize("purpose", Purpose)
def test_all_but_codes_are_stopped_unless_the_settings_say_otherwise(purpose):
    policy = optout()
    policy._kept.known.add(None, TO)
    given = message(purpose=purpose)
    assert isinstance(outcome(policy, given), OptedOutError) is (purpose is not Purpose.OTP)
    promotional = optout(purposes=["promotional"]).using(policy._kept.known)
    assert isinstance(outcome(promotional, given), OptedOutError) is (purpose is Purpose.PROMOTIONAL)


def test_a_code_of_the_vendors_is_stopped_only_where_codes_are():
    policy = optout()
    policy._kept.known.add(None, TO)
    code = message(text="", purpose="otp")
    assert outcome(policy, code, attempt_verification).id
    strict = optout(purposes=["otp"]).using(policy._kept.known)
    assert isinstance(outcome(strict, code, attempt_verification), OptedOutError)


def test_it_is_never_tried_elsewhere_or_again():
    inner = optout(Sender(account="a"))
    inner._kept.known.add(None, TO)
    other = Sender(account="b")
    policy = RetryPolicy(inner=FailoverPolicy(accounts=[inner, other]))
    assert isinstance(outcome(policy), OptedOutError)
    assert other.sent == []


def test_in_a_batch_each_text_is_judged_alone():
    policy = optout()
    policy._kept.known.add(None, TO)
    first, other = perform(attempt_batch(policy, [message(reference="a"), message(reference="b", to=OTHER)]))
    assert (first.error.reason, first.error.reference) == ("opt-out", "a")
    assert other.sent.reference == "b"


class Broken:
    def holds(self, senders, recipient):
        raise OSError(f"cannot read of {recipient}")

    def add(self, sender, recipient, **more):
        raise OSError(f"cannot write of {recipient}")

    remove = add


def test_a_list_that_cannot_be_read_lets_nothing_through():
    policy = optout().using(Broken())
    error = outcome(policy)
    assert (type(error), error.reason) == (VetoedError, "opt-outs-unreadable")
    assert error.__cause__ is error.__context__ is None
    assert policy.inner.sent == []
    assert foresee(policy, message(), now=datetime.now(UTC)).error == error


def test_in_production_no_list_is_made_not_even_in_the_place_of_one_that_goes_as_it_is_opened(monkeypatch, tmp_path):
    path = tmp_path / "optouts.db"
    monkeypatch.setenv("SMSBRIDGE_ENV", "production")
    with pytest.raises(ConfigurationError):
        list_at(path)
    monkeypatch.setattr("os.path.exists", lambda path: True)
    with pytest.raises(ConfigurationError):
        list_at(path)
    assert [*tmp_path.iterdir()] == []
    monkeypatch.undo()
    list_at(path).add(None, TO)
    monkeypatch.setenv("SMSBRIDGE_ENV", "production")
    assert list_at(path).holds(None, TO)


def test_a_list_that_is_another_than_before_is_named_with_its_path(tmp_path):
    policy = optout(path=tmp_path / "optouts.db")
    (tmp_path / "optouts.db").unlink()
    error = outcome(policy)
    assert error.detail.endswith(f" ({tmp_path / 'optouts.db'})")
    assert policy.inner.sent == []


def test_cancelled_while_the_list_is_asked_nothing_was_sent():
    flow = attempt_each(optout().using(Asked()), [message()])
    next(flow)
    (result,) = interrupt(flow, KeyboardInterrupt())
    assert type(result.error) is RefusedError


# --- learning from inbound texts ------------------------------------------------------------------------------------------


def heard(policy, *events):
    for event in events:
        perform(policy.observe(event))
    return outs(policy)


def test_stop_opts_out_of_the_sender_that_was_texted_and_start_in_again():
    policy = optout()
    assert heard(policy, text("Stop")) == [(TO, "ACMEIN", "reply")]
    assert isinstance(outcome(policy), OptedOutError)
    assert outcome(policy, message(sender="OTHER")).id
    assert heard(policy, text("START")) == []
    assert outcome(policy).id


def test_a_number_that_no_text_is_known_to_come_from_stands_for_all():
    policy = optout(senders=["+91 not one", "+15550001111"])
    assert heard(policy, text("STOP", to="56161")) == [(TO, None, "reply")]
    assert isinstance(outcome(policy, message(sender="OTHER")), OptedOutError)
    assert heard(policy, text("STOP", sender=OTHER, to="15550001111"))[1] == (OTHER, "+15550001111", "reply")


@pytest.mark.parametrize("words", ["please stop", "bus stop?", "", "yes", "Hello", "HELP", "\U0001f6d1"])
def test_other_texts_say_nothing_whatever_was_said_before(words):
    stop, start, other = text("STOP", key="1"), text("START", key="2"), text(words, key="3")
    assert heard(optout(), other) == []
    assert heard(optout(), stop, other) == [(TO, "ACMEIN", "reply")]
    assert heard(optout(), stop, start, other) == []


@pytest.mark.parametrize(
    ("words", "taken_as", "out"),
    [
        ("बंद करो", "stop", True),
        ("", "stop", True),
        ("START", "stop", True),
        ("चालू करो", "start", False),
        ("STOP", "start", False),
        ("STOP", "help", None),
        ("START", "help", None),
        ("मदद", "help", None),
        ("बंद करो", None, None),
    ],
)
def test_where_the_vendor_says_what_it_took_a_text_for_that_decides(words, taken_as, out):
    for before in (False, True):
        policy = optout()
        if before:
            policy._kept.known.add("ACMEIN", TO)
        heard(policy, text(words, taken_as=taken_as))
        assert policy._kept.known.holds(["ACMEIN"], TO) is (before if out is None else out)


@pytest.mark.parametrize(
    ("words", "taken_as", "told"),
    [
        ("stop!", None, "stop"),
        ("BAND KARO", None, "stop"),
        ("बंद करो", None, "stop"),
        ("END", None, None),
        ("Start", None, "start"),
        ("CHALU KARO", None, "start"),
        ("UNSTOP", None, None),
        ("Where does the bus stop?", None, None),
        ("DETENER", "stop", "stop"),
        ("STOP", "start", "start"),
        ("STOP", "help", "help"),
    ],
)
def test_hooks_and_views_are_told_what_a_text_was_taken_for(words, taken_as, told):
    policy = optout(stop_words=["STOP", "band karo", "बंद करो"], start_words=["START", "chalu karo"])
    given = text(words, taken_as=taken_as)
    seen = perform(policy.observe(given))
    assert seen.taken_as == told
    assert replace(seen, taken_as=taken_as) == given
    assert (outs(policy) != []) is (told == "stop")


def test_a_repeated_stop_is_told_as_a_stop():
    policy = optout()
    assert [perform(policy.observe(text("STOP"))).taken_as for _ in range(2)] == ["stop", "stop"]


def test_what_a_policy_inside_took_a_text_for_counts():
    class Translated(RetryPolicy):
        def observe(self, event):
            yield from ()
            return replace(event, taken_as="stop")

    policy = optout(Translated(inner=Sender()))
    assert heard(policy, text("ARRET")) == [(TO, "ACMEIN", "reply")]


def test_a_word_that_cannot_be_on_the_list_is_not_told_as_a_stop():
    assert perform(optout().observe(text("STOP", sender="56161"))).taken_as is None


def test_the_words_are_settings():
    policy = optout(stop_words=["HALT"], start_words=["GO"])
    assert heard(policy, text("STOP")) == []
    assert heard(policy, text("halt")) == [(TO, "ACMEIN", "reply")]
    assert heard(policy, text("go")) == []


def test_a_short_code_that_texts_us_is_no_person():
    assert heard(optout(), text("STOP", sender="56161")) == []
    assert heard(optout(), text("STOP", sender="")) == []
    assert heard(optout(), text("STOP", sender=TO[1:])) == [(TO, "ACMEIN", "reply")]


def test_a_webhook_that_is_delivered_again_after_a_start_does_not_opt_out_again():
    policy = optout()
    stop, start = text("STOP", at=NOON), text("START", at=NOON + timedelta(hours=1))
    assert heard(policy, stop, start, stop) == []


START, STOP = text("START", key="start"), text("STOP", key="stop")


@pytest.mark.parametrize(
    "again",
    [
        START,
        replace(START, account="another"),
        replace(START, id="another"),
        replace(START, at=NOON),
        replace(START, at=datetime.now(UTC) + timedelta(days=1)),
        replace(START, text="start!"),
        replace(START, raw={"a": "b"}),
    ],
    ids=["the same", "another account", "another id", "an old time", "a new time", "other words", "other raw"],
)
def test_a_start_that_comes_again_does_not_undo_a_later_stop(again):
    assert heard(optout(), START, STOP, again) == [(TO, "ACMEIN", "reply")]


def test_a_stop_that_comes_again_does_not_undo_a_later_start():
    assert heard(optout(), STOP, START, STOP, STOP) == []


def test_nor_does_an_older_one_under_another_key():
    first, later = NOON, NOON + timedelta(minutes=1)
    start, stop, again = (
        text("START", at=first, key="1"),
        text("STOP", at=later, key="2"),
        text("START", at=first, key="3"),
    )
    assert heard(optout(), start, stop, again) == [(TO, "ACMEIN", "reply")]
    assert heard(optout(), stop, start) == [(TO, "ACMEIN", "reply")]


def test_a_start_of_its_own_opts_in_again_although_an_earlier_one_was_heard():
    assert heard(optout(), START, STOP, replace(START, key="another")) == []
    assert heard(optout(), START, STOP, replace(START, provider="another")) == []
    assert heard(optout(), START, text("STOP", sender=OTHER, key="stop"), replace(START, sender=OTHER)) == []


def test_a_stop_to_each_of_two_senders_counts_even_under_one_key():
    policy = optout(senders=["A", "B"])
    assert heard(policy, replace(STOP, to="A"), replace(STOP, to="B")) == [(TO, "A", "reply"), (TO, "B", "reply")]


def test_where_a_text_has_no_key_its_id_is_one_and_without_either_each_is_new():
    nameless = [replace(event, key="", id=event.text) for event in (START, STOP, START)]
    assert heard(optout(), *nameless) == [(TO, "ACMEIN", "reply")]
    assert heard(optout(), *(replace(event, id="") for event in nameless)) == []


def test_what_came_is_known_after_a_restart_and_to_every_process_of_the_file(tmp_path):
    path = tmp_path / "optouts.db"
    heard(optout(path=path), START)
    heard(optout(path=path), STOP)
    assert heard(optout(path=path), START) == [(TO, "ACMEIN", "reply")]


@pytest.mark.parametrize("at", [NOON, None])
def test_a_report_that_comes_again_does_not_undo_a_later_start(at):
    told = report("opted-out", key="r/failed", at=at)
    assert heard(optout(), told, START, told) == []
    assert heard(optout(), told) == [(TO, "ACMEIN", "report")]


def test_who_opts_in_while_a_text_is_on_its_way_stays_in():
    class Late(Sender):
        """Refuses a text for an opt-out that the person undoes meanwhile."""

        def send(self, message):
            yield from policy.observe(START)
            raise OptedOutError(reason="opted-out")

    policy = optout(Late())
    assert outcome(policy).reason == "opted-out"
    assert outs(policy) == []
    assert perform(attempt_batch(policy, [message(reference="a")]))[0].error.reason == "opted-out"
    assert outs(policy) == [(TO, "ACMEIN", "vendor")]  # that START came earlier


def test_it_is_known_before_the_hooks_are_told_and_even_if_they_fail():
    class Hook:
        def __init__(self):
            self.seen = []

        def told(self, event):
            self.seen.append(outs(policy))
            raise RuntimeError

    policy = optout(Sender(events=[text("STOP")]))
    plugins, hook = Plugins(), Hook()
    plugins.event = lambda account, name, event: hook.told(event)
    with pytest.raises(RuntimeError):
        perform(receive(plugins, policy, HOOK))
    assert hook.seen == [[(TO, "ACMEIN", "reply")]]


def test_an_opt_out_that_cannot_be_kept_is_delivered_again():
    recorder = Recorder()
    policy = optout(Sender(events=[text("STOP")])).using(Broken())
    with pytest.raises(OSError, match="cannot write"):
        perform(receive(Plugins(recorder), policy, HOOK))
    assert recorder.calls == []


def test_each_policy_around_the_account_hears_of_it_also_inside_of_a_failover():
    inner = optout(Sender(account="b", sender="B", events=[text("STOP", to="B", account="b")]))
    around = optout(FailoverPolicy(accounts=[Sender(account="a", sender="A"), inner]))
    perform(around.observe(inner.inner.events[0]))
    assert outs(inner) == outs(around) == [(TO, "B", "reply")]
    stranger = optout(FailoverPolicy(accounts=[inner]))
    perform(stranger.observe(text("STOP", account="unknown")))
    assert len(outs(stranger)) == 1


def test_both_clients_take_it_in(tmp_path):
    def policy(name):
        return optout(Sender(events=[text("STOP")]), path=tmp_path / name)

    blocking, waiting = policy("blocking.db"), policy("waiting.db")
    with SmsClient(blocking, plugins=Plugins()) as sms:
        sms.receive(HOOK)
        with pytest.raises(OptedOutError):
            sms.send(message())
        assert sms.send(message(to=OTHER)).id

    async def main():
        async with AsyncSmsClient(waiting, plugins=Plugins()) as sms:
            await sms.receive(HOOK)
            with pytest.raises(OptedOutError):
                await sms.send(message())
            assert (await sms.send(message(to=OTHER))).id

    asyncio.run(main())
    assert outs(blocking) == outs(waiting) == [(TO, "ACMEIN", "reply")]


# --- confirmations --------------------------------------------------------------------------------------------------------


def confirmation(reference="c", **fields):
    return message(
        text="You get no more texts", reference=reference, options={"optout": {"confirmation": True}}, **fields
    )


def test_who_said_stop_can_be_told_once_that_it_worked():
    policy = optout()
    heard(policy, STOP)
    assert isinstance(outcome(policy), OptedOutError)
    assert outcome(policy, confirmation()).id
    assert isinstance(outcome(policy, confirmation()), OptedOutError)
    assert isinstance(outcome(policy), OptedOutError)
    heard(policy, STOP)
    assert isinstance(outcome(policy, confirmation()), OptedOutError)
    heard(policy, replace(STOP, key="another"))
    assert outcome(policy, confirmation()).id


def test_a_confirmation_to_who_has_not_opted_out_is_a_text_like_any_other():
    policy = optout()
    assert outcome(policy, confirmation()).id
    heard(policy, STOP, START)
    assert [outcome(policy, confirmation()).id for _ in "12"]
    assert len(policy.inner.sent) == 3


@pytest.mark.parametrize("purpose", Purpose)
def test_a_confirmation_may_have_any_purpose(purpose):
    policy = optout(purposes=frozenset(Purpose))
    heard(policy, STOP)
    assert outcome(policy, confirmation(purpose=purpose)).id


def test_an_ordinary_text_takes_no_confirmation_away():
    policy = optout()
    heard(policy, STOP)
    for options in ({}, {"optout": {}}, {"optout": {"confirmation": False}}, {"memory": {}}):
        assert isinstance(outcome(policy, message(options=options)), OptedOutError)
    assert outcome(policy, confirmation()).id


@pytest.mark.parametrize(
    "wrong",
    [confirmation(to=OTHER), confirmation(sender="OTHER")],
    ids=["another person", "another sender"],
)
def test_a_confirmation_goes_to_who_said_stop_from_where_it_was_said_to(wrong):
    policy = optout()
    for number, sender in ((OTHER, "ACMEIN"), (TO, "OTHER")):
        policy._kept.known.add(sender, number, source="operator")
    heard(policy, STOP)
    assert isinstance(outcome(policy, wrong), OptedOutError)
    assert outcome(policy, confirmation(sender="acmein")).id


def test_an_opt_out_that_the_person_did_not_text_just_now_is_not_confirmed():
    for event in (report("opted-out", at=None), text("STOP", at=datetime.now(UTC) - timedelta(minutes=5))):
        policy = optout()
        heard(policy, event)
        assert isinstance(outcome(policy, confirmation()), OptedOutError)


def test_how_long_is_a_setting(monkeypatch):
    monkeypatch.setenv("SMSBRIDGE_OPTOUT_CONFIRMATION", "2h")
    policy = Plugins().stack("memory")
    heard(policy, text("STOP", to="", at=datetime.now(UTC) - timedelta(hours=1)))
    assert outcome(policy, confirmation()).id
    monkeypatch.setenv("SMSBRIDGE_OPTOUT_CONFIRMATION", "0s")
    with pytest.raises(ConfigurationError, match="SMSBRIDGE_OPTOUT_CONFIRMATION"):
        Plugins().stack("memory")


def test_of_a_batch_with_two_confirmations_one_leaves():
    policy = optout()
    heard(policy, STOP)
    results = perform(attempt_batch(policy, [confirmation("a"), message(reference="b"), confirmation("c")]))
    assert [result.sent is not None for result in results] == [True, False, False]


def test_a_code_of_the_vendors_confirms_nothing():
    policy = optout(purposes=["otp"])
    heard(policy, STOP)
    code = replace(confirmation(purpose="otp"), text="")
    assert isinstance(outcome(policy, code, attempt_verification), OptedOutError)
    assert outcome(policy, confirmation(purpose="otp")).id


def test_to_look_ahead_takes_no_confirmation():
    policy = optout()
    assert foresee(policy, confirmation(), now=NOON).verdict == "would send"
    heard(policy, STOP)
    assert foresee(policy, message(), now=NOON).verdict == "would refuse"
    for _ in "12":
        view = foresee(policy, confirmation(), now=NOON)
        assert (view.verdict, view.words) == ("would send", "lets it through, since it confirms an opt-out")
    assert outcome(policy, confirmation()).id
    assert foresee(policy, confirmation(), now=NOON).verdict == "would refuse"
    assert foresee(optout().using(Broken()), confirmation(), now=NOON).error.reason == "opt-outs-unreadable"


def test_to_look_ahead_says_of_no_text_that_an_opt_out_does_not_stop_that_it_confirms_one():
    policy = optout()
    heard(policy, STOP)
    view = foresee(policy, confirmation(purpose="otp"), now=NOON)
    assert view.verdict == "would send"
    assert "confirms" not in view.words


@pytest.mark.parametrize("kept", [False, True], ids=["in memory", "in a file"])
@pytest.mark.parametrize("purpose", Purpose)
def test_in_a_rehearsal_it_says_where_the_real_list_is_not_looked_into(tmp_path, kept, purpose):
    policy = optout(path=tmp_path / "optouts.db" if kept else None)
    policy.forget(Rehearsal())
    view = foresee(policy, message(purpose=purpose), now=NOON)
    assert view.verdict == "would send"
    assert ("the list is not looked into" in view.words) is (kept and purpose is not Purpose.OTP)


def test_to_look_ahead_never_asks_for_the_place_of_a_confirmation():
    class Looks(MemoryOptOuts):
        def confirm(self, senders, recipient, *, within, take=True):
            assert not take
            return False

    policy = optout().using(Looks())
    heard(policy, STOP)
    assert foresee(policy, confirmation(), now=NOON).error.reason == "opt-out"


def test_every_wrong_option_is_named():
    wrong = message(options=MappingProxyType({"optout": MappingProxyType({"b": 1, "a": 2})}))
    assert "a, b" in str(outcome(optout(), wrong))


@pytest.mark.parametrize("options", [{"confirm": True}, {"confirmation": "perhaps"}, {"confirmation": None}])
def test_a_wrong_option_is_named(options):
    name = next(iter(options))
    wrong = message(options={"optout": options})
    assert name in str(outcome(optout(), wrong))
    assert type(outcome(optout(), wrong)) is UnsupportedError
    assert type(foresee(optout(), wrong, now=NOON).error) is UnsupportedError


def test_a_list_that_cannot_tell_lets_no_confirmation_through():
    class Deaf(MemoryOptOuts):
        def confirm(self, senders, recipient, **more):
            raise OSError(f"cannot read of {recipient}")

    policy = optout().using(Deaf())
    heard(policy, STOP)
    error = outcome(policy, confirmation())
    assert (error.reason, error.__cause__, error.__context__) == ("opt-outs-unreadable", None, None)


def test_a_hook_that_is_told_of_a_stop_confirms_it_through_both_clients(tmp_path):
    class Confirms:
        """Confirm a STOP, like an application."""

        def __init__(self, policy):
            self.policy = policy
            self.outcomes = []

        @hookimpl
        def smsbridge_event(self, event):
            with SmsClient(self.policy, plugins=Plugins()) as sms:
                try:
                    self.outcomes.append(sms.send(confirmation(to=event.sender, sender=event.to)).id)
                except OptedOutError as error:
                    self.outcomes.append(error.reason)

    def policy(name):
        return optout(Sender(events=[STOP]), path=tmp_path / name)

    blocking, waiting = policy("blocking.db"), policy("waiting.db")
    hook = Confirms(blocking)
    with SmsClient(blocking, plugins=Plugins(hook)) as sms:
        sms.receive(HOOK)
        sms.receive(HOOK)

    async def main():
        async with AsyncSmsClient(waiting, plugins=Plugins(hook)) as sms:
            await sms.receive(HOOK)
            await sms.receive(HOOK)

    hook.policy = waiting
    asyncio.run(main())
    assert len(blocking.inner.sent) == len(waiting.inner.sent) == 1
    assert hook.outcomes[1] == hook.outcomes[3] == "opt-out"


# --- learning from vendors ------------------------------------------------------------------------------------------------


def test_what_a_vendor_says_is_kept_and_it_is_not_asked_again():
    policy = optout(Slow()).using(Asked())
    flow = attempt(policy, message(sender="ACMEIN"))
    assert next(flow).function() is False
    flow.send(False)
    call = flow.send(refused("opted-out"))
    call.function()
    with pytest.raises(OptedOutError) as raised:
        flow.send(None)
    assert raised.value.reason == "opted-out"
    assert outs(policy) == [(TO, "ACMEIN", "vendor")]
    assert outcome(policy, message(sender="ACMEIN")).reason == "opt-out"
    assert not policy._kept.known.holds(["OTHER"], TO)


def test_the_sender_is_the_accounts_own_where_the_text_names_none():
    vendor = Sender(account="b", sender="B")
    vendor.script(TO, OptedOutError(reason="opted-out"))
    unable = Sender(account="a", sender="A")
    unable.script(TO, RefusedError(fault="account"))
    policy = optout(FailoverPolicy(accounts=[unable, vendor]))
    assert isinstance(outcome(policy), OptedOutError)
    assert outs(policy) == [(TO, "B", "vendor")]
    nameless = Sender(sender=None)
    nameless.script(TO, OptedOutError())
    policy = optout(nameless)
    assert isinstance(outcome(policy), OptedOutError)
    assert outs(policy) == [(TO, None, "vendor")]


@pytest.mark.parametrize("reason", ["dnd", "not-opted-in", "blocked"])
def test_a_register_or_a_block_of_the_vendors_is_no_word_of_the_person(reason):
    vendor = Sender()
    vendor.script(TO, OptedOutError(reason=reason))
    policy = optout(vendor)
    assert outcome(policy).reason == reason
    assert heard(policy, report(reason)) == []


def test_of_a_batch_each_opt_out_is_kept():
    vendor = Sender()
    for number in (TO, OTHER):
        vendor.script(number, OptedOutError(reason="opted-out"))
    policy = optout(vendor)
    batch = [message(reference="a"), message(reference="b", to=OTHER), message(reference="c", to="+919876543212")]
    results = perform(attempt_batch(policy, batch))
    assert [result.error and result.error.reason for result in results] == ["opted-out", "opted-out", None]
    assert [number for number, _, _ in outs(policy)] == [TO, OTHER]


def test_a_report_may_say_it_too():
    policy = optout()
    assert heard(policy, report("spam"), report(None), report("opted-out", to="")) == []
    assert heard(policy, report("opted-out")) == [(TO, "ACMEIN", "report")]


@pytest.mark.parametrize(("reference", "named"), [("ref-1", "ref-1"), (None, "")])
def test_a_list_that_cannot_be_written_does_not_hide_what_the_vendor_said(caplog, reference, named):
    class Full(MemoryOptOuts):
        def add(self, sender, recipient, **more):
            raise OSError(f"no space for {recipient}")

    vendor = Sender()
    vendor.script(TO, OptedOutError(reason="opted-out"))
    error = outcome(optout(vendor).using(Full()), message(reference=reference))
    assert error.reason == "opted-out"
    assert f"the opt-out that stopped text {named} is not recorded: OSError" in caplog.text
    assert TO not in caplog.text


# --- in the environment ---------------------------------------------------------------------------------------------------


def test_the_environment_names_the_file(monkeypatch, tmp_path):
    path = tmp_path / "optouts.db"
    monkeypatch.setenv("SMSBRIDGE_OPTOUT_STORE", f"sqlite:///{path}")
    monkeypatch.setenv("SMSBRIDGE_MEMORY_OPTOUT_PURPOSES", "promotional, otp")
    stack = Plugins().stack("memory")
    assert [type(layer).name for layer in each(stack)] == ["optout", "memory"]
    assert stack.purposes == {Purpose.PROMOTIONAL, Purpose.OTP}
    SqliteOptOuts(path).add(None, TO)
    assert isinstance(outcome(stack, message(purpose="promotional")), OptedOutError)
    monkeypatch.setenv("SMSBRIDGE_OPTOUT_STORE", f"sqlite:///{tmp_path}")
    with pytest.raises(ConfigurationError, match=r"the list of opt-outs .* cannot be used"):
        SmsClient("memory")


def test_without_a_setting_of_theirs_there_are_no_opt_outs():
    assert [type(layer).name for layer in each(Plugins().stack("memory"))] == ["memory"]


def test_nothing_private_is_in_logs_errors_or_what_is_shown(caplog):
    caplog.set_level(logging.DEBUG)
    policy = optout(Slow())
    wire, waiting = Wire(refused("opted-out")), AsyncWire(refused("opted-out"))
    with SmsClient(policy, plugins=Plugins(), transport=wire) as sms:
        with pytest.raises(OptedOutError) as first:
            sms.send(message())
        with pytest.raises(OptedOutError) as second:
            sms.send(message())

    async def main():
        async with AsyncSmsClient(optout(Slow()), plugins=Plugins(), transport=waiting) as sms:
            await sms.send(message())

    with pytest.raises(OptedOutError) as third:
        asyncio.run(main())
    assert first.value == third.value
    assert len(wire.requests) == len(waiting.requests) == 1
    shown = (
        caplog.text
        + repr(policy)
        + "".join(f"{caught.value!r} {caught.value} {vars(caught.value)}" for caught in (first, second))
    )
    for private in (TO, TO[1:], TO[3:], TEXT):
        assert private not in shown


def test_many_texts_at_once(tmp_path):
    policy = optout(BatchProvider(), path=tmp_path / "optouts.db")
    policy._kept.known.add(None, OTHER)
    sms = SmsClient(policy, plugins=Plugins(), transport=Wire(OK))
    with sms, sms.send_many([message(reference="a"), message(reference="b", to=OTHER)]) as results:
        found = {result.message.reference: result for result in results}
    assert found["b"].error.reason == "opt-out"
    assert found["a"].sent.id == "vendor-1"


def test_a_flow_without_a_covered_purpose_asks_no_list():
    assert drive(optout(purposes=[]).using(Broken()).send(message())).id
