"""The policies around every account, from the environment."""

from __future__ import annotations

from typing import ClassVar

import pytest

from policed import play, timed
from scripted import OK, AsyncWire, BatchProvider, HttpProvider, Wire, interrupt, message
from smsbridge.attempts import attempt, attempt_batch, attempt_each
from smsbridge.client import AsyncSmsClient, SmsClient
from smsbridge.composite import account_names, each
from smsbridge.deadline import Stopped
from smsbridge.errors import (
    ConfigurationError,
    NotConnected,
    RecipientError,
    RefusedError,
    UnavailableError,
    UncertainError,
    VetoedError,
)
from smsbridge.guard import policy as guard
from smsbridge.hookspecs import hookimpl
from smsbridge.hours import policy as hours
from smsbridge.ledger import policy as ledger
from smsbridge.messages import Purpose
from smsbridge.optouts import policy as optout
from smsbridge.plugins import Plugins, default_plugins
from smsbridge.policies import stack
from smsbridge.policies.failover import FailoverPolicy
from smsbridge.policies.gate import Gate
from smsbridge.policies.known import BUILT_IN
from smsbridge.policies.limit import LimitPolicy
from smsbridge.policies.purpose import PurposePolicy
from smsbridge.policies.retry import RetryPolicy
from smsbridge.provider import InsecureUrlWarning
from smsbridge.stores.gcra import Rate


class Acme(HttpProvider):
    name = "acme"


class Paced(HttpProvider):
    name = "paced"
    rates: ClassVar = {"queries": "1000/1m"}


class Installed:
    @hookimpl
    def smsbridge_providers(self):
        return [Acme, Paced]


@pytest.fixture
def plugins(monkeypatch):
    monkeypatch.setenv("SMSBRIDGE_ACME_TOKEN", "dummy-token")
    return Plugins(Installed())


def environment(monkeypatch, **variables):
    for name, value in variables.items():
        monkeypatch.setenv(f"SMSBRIDGE_{name}", value)


def kinds(provider):
    return [type(layer).__name__ for layer in each(provider)]


# --- settings -------------------------------------------------------------------------------------------------------------

NUMBERS = [
    ("hours", "margin", 60, 0, 3600),
    ("retry", "attempts", 3, 1, 100),
    ("retry", "seconds", 15, 0, None),
    ("retry", "first_wait", 0.5, 0, None),
    ("retry", "longest_wait", 8, 0, None),
    ("retry", "lookups", 2, 0, 20),
    ("guard", "remembers", 100_000, 1000, None),
    ("ledger", "keep_days", 90, 1, 36_500),
    ("text", "max_segments", None, 1, None),
    ("text", "otp_segments", None, 1, None),
    ("text", "transactional_segments", None, 1, None),
    ("text", "service_segments", None, 1, None),
    ("text", "promotional_segments", None, 1, None),
    ("limit", "longest_wait", 60, 0, None),
    ("failover", "faults", 5, 1, None),
    ("failover", "pause", 30, 0.001, None),
]
"""Numeric settings, with default, minimum and maximum."""
SWITCHES = {
    ("text", "simplify"): False,
    ("limit", "local_validity"): False,
    ("ledger", "keep_numbers"): False,
    ("ledger", "keep_texts"): False,
}
ALL = [default_plugins().policies.get(name) for name in sorted(BUILT_IN)]


def name_of(policy):
    return policy.__name__.removesuffix("Policy").lower()


def test_every_number_and_switch_among_the_settings_is_held_against_its_default():
    fields = [(name_of(policy), name, field) for policy in ALL for name, field in policy.model_fields.items()]
    numbers = {
        (policy, name)
        for policy, name, field in fields
        if field.annotation in (int, float, bool, int | None, float | None)
    }
    assert numbers == {row[:2] for row in NUMBERS} | set(SWITCHES)
    defaults = {(policy, name): default for policy, name, default, _, _ in NUMBERS} | SWITCHES
    assert {(policy, name): field.default for policy, name, field in fields if (policy, name) in numbers} == defaults


@pytest.mark.parametrize(("policy", "name", "_", "least", "most"), NUMBERS, ids=lambda value: f"{value}")
def test_a_number_is_within_its_bounds(tmp_path, policy, name, _, least, most):
    given = {
        "failover": {"accounts": [HttpProvider()]},
        "guard": {"inner": HttpProvider(), "total": "1/1s"},
        "ledger": {"inner": HttpProvider(), "path": tmp_path / "ledger.db"},
    }.get(policy, {"inner": HttpProvider()})
    (kind,) = [kind for kind in ALL if name_of(kind) == policy]
    for value in (least, most or 10**6):
        assert getattr(kind(**given, **{name: value}), name) == value
    for value in (least - 1, *([most + 1] if most else [])):
        with pytest.raises(ConfigurationError, match=name.upper()):
            kind(**given, **{name: value})


def test_every_setting_says_what_it_is():
    """``smsbridge providers`` and ``doctor`` show it."""
    kinds = [*ALL, optout.OptoutOptions]
    fields = {
        f"{kind.__name__}.{name}": field.description for kind in kinds for name, field in kind.model_fields.items()
    }
    assert [name for name, words in fields.items() if not (words or name.endswith((".inner", ".account")))] == []


# --- interrupted ----------------------------------------------------------------------------------------------------------


class Apart(BatchProvider):
    """Each text in a batch of its own; the vendor refuses the first number."""

    supports = frozenset({"sender", "valid_until"})

    def batch_key(self, message):
        return message.reference

    def send(self, message):
        yield from super().send(message)
        raise RecipientError


class Let(Gate):
    name = "let"


@pytest.mark.parametrize(
    ("stop", "reason"),
    [
        (KeyboardInterrupt(), "cancelled"),
        (Stopped("deadline", begun=True), "deadline"),
        (Stopped("closed", begun=True), "closed"),
    ],
    ids=["Ctrl-C", "deadline", "closed"],
)
@pytest.mark.parametrize(
    "policy",
    [
        lambda inner: RetryPolicy(inner=inner),
        lambda inner: RetryPolicy(inner=FailoverPolicy(accounts=[inner])),
        lambda inner: LimitPolicy(inner=RetryPolicy(inner=inner)),
        lambda inner: Let(inner=RetryPolicy(inner=LimitPolicy(inner=inner))),
        lambda inner: FailoverPolicy(accounts=[inner]),
        lambda inner: FailoverPolicy(accounts=[inner, HttpProvider(account="b")]),
        lambda inner: LimitPolicy(inner=inner),
        lambda inner: LimitPolicy(inner=inner, local_validity=True),
        lambda inner: Let(inner=inner),
        lambda inner: PurposePolicy(inner=inner, service_expiry="1h"),
    ],
)
def test_what_had_ended_before_its_neighbour_was_interrupted_keeps_its_end(policy, stop, reason):
    flow = attempt_each(policy(Apart()), [message(reference=f"ref-{row}") for row in range(3)])
    next(flow)
    flow.send(OK)
    ended, interrupted, never_begun = interrupt(flow, stop)
    assert (type(ended.error), ended.error.reason, ended.error.attempts) == (RecipientError, None, ())
    assert (type(interrupted.error), interrupted.error.reason, interrupted.error.attempts) == (
        UncertainError,
        reason,
        (),
    )
    kind = UnavailableError if reason == "closed" else RefusedError
    assert (type(never_begun.error), never_begun.error.reason, never_begun.error.attempts) == (kind, reason, ())
    assert [result.message.reference for result in (ended, interrupted, never_begun)] == ["ref-0", "ref-1", "ref-2"]


@pytest.mark.parametrize(
    "inside",
    [
        lambda inner: RetryPolicy(inner=inner, first_wait=0),
        lambda inner: RetryPolicy(inner=FailoverPolicy(accounts=[inner]), first_wait=0),
        lambda inner: RetryPolicy(inner=Let(inner=inner), first_wait=0),
        lambda inner: RetryPolicy(inner=LimitPolicy(inner=inner), first_wait=0),
        lambda inner: LimitPolicy(inner=RetryPolicy(inner=inner, first_wait=0)),
    ],
)
def test_a_limit_bounds_each_attempt_of_what_stands_inside_it(inside):
    policy = timed(LimitPolicy(inner=inside(BatchProvider()), sends="1/1s"))
    _, waits = play(attempt(policy, message()), NotConnected(), NotConnected(), OK)
    assert sum(waits) == 1 + 2
    many = [message(reference=f"ref-{row}") for row in range(3)]
    results, waits = play(attempt_batch(policy, many), NotConnected(), OK.of_json({"ids": ["1", "2", "3"]}))
    assert sum(waits) == 3 + 6
    assert [result.sent.id for result in results] == ["1", "2", "3"]


# --- around every account -------------------------------------------------------------------------------------------------


def test_retry_is_there_by_default_with_modest_limits(plugins):
    stack = plugins.stack("acme")
    assert kinds(stack) == ["RetryPolicy", "Acme"]
    assert (stack.attempts, stack.seconds, stack.duplicates) == (3, 15, frozenset())


def test_which_policies_are_set_is_looked_up_once_however_many_accounts_there_are(monkeypatch, plugins):
    environment(monkeypatch, FAILOVER_ACCOUNTS="acme,paced", LIMIT_SENDS="9/s", PACED_TOKEN="dummy-token")
    looks = []
    look = stack.variables_set
    monkeypatch.setattr(stack, "variables_set", lambda: looks.append(1) or look())
    assert kinds(plugins.stack("failover")).count("LimitPolicy") == 2
    assert len(looks) == 1


def test_a_text_that_ends_here_needs_none(plugins):
    assert kinds(plugins.stack("console")) == ["ConsoleProvider"]


def test_an_account_by_itself_has_none(plugins):
    assert kinds(plugins.account("acme")) == ["Acme"]


def test_a_setting_is_for_all_accounts_or_for_one(plugins, monkeypatch):
    environment(monkeypatch, OTP_PROVIDER="acme", RETRY_ATTEMPTS="2", RETRY_SECONDS="5", OTP_RETRY_ATTEMPTS="4")
    assert (plugins.stack("acme").attempts, plugins.stack("acme").seconds) == (2, 5)
    assert (plugins.stack("otp").attempts, plugins.stack("otp").seconds) == (4, 5)
    assert plugins.stack("otp").account == "otp"


def test_purposes_of_which_twice_is_better_than_never_are_a_list(plugins, monkeypatch):
    environment(monkeypatch, RETRY_DUPLICATES="otp,transactional")
    assert plugins.stack("acme").duplicates == {Purpose.OTP, Purpose.TRANSACTIONAL}


def test_one_attempt_is_no_retry(plugins, monkeypatch):
    environment(monkeypatch, RETRY_ATTEMPTS="1")
    with SmsClient("acme", plugins=plugins, transport=Wire(NotConnected())) as sms, pytest.raises(UnavailableError):
        sms.send(message())


@pytest.mark.parametrize(
    ("variable", "value"), [("RETRY_ATTEMPTS", "0"), ("RETRY_SECONDS", "soon"), ("ACME_RETRY_DUPLICATES", "love")]
)
def test_a_wrong_setting_is_named_where_it_stands_and_never_shown(plugins, monkeypatch, variable, value):
    environment(monkeypatch, **{variable: value})
    with pytest.raises(ConfigurationError, match=f"SMSBRIDGE_{variable}") as caught:
        plugins.stack("acme")
    assert "love" not in str(caught.value)
    assert "soon" not in str(caught.value)


# --- composed by the environment ------------------------------------------------------------------------------------------


def test_a_failover_is_within_one_retry(plugins, monkeypatch):
    environment(monkeypatch, PROVIDER="failover", FAILOVER_ACCOUNTS="acme,otp", OTP_PROVIDER="paced")
    stack = plugins.stack("failover")
    assert kinds(stack) == ["RetryPolicy", "FailoverPolicy", "Acme", "LimitPolicy", "Paced"]
    assert account_names(stack) == {"failover", "acme", "otp"}


def test_a_policy_that_is_composed_by_hand_is_not_added_again(plugins, monkeypatch):
    environment(monkeypatch, SLOW_PROVIDER="retry", SLOW_INNER="acme", SLOW_ATTEMPTS="9")
    stack = plugins.stack("slow")
    assert kinds(stack) == ["RetryPolicy", "Acme"]
    assert (stack.attempts, stack.account) == (9, "slow")


def test_neither_is_one_deeper_inside(plugins, monkeypatch):
    environment(
        monkeypatch,
        SLOW_PROVIDER="retry",
        SLOW_INNER="acme",
        FAILOVER_ACCOUNTS="slow,acme",
    )
    assert kinds(plugins.stack("failover")) == ["FailoverPolicy", "RetryPolicy", "Acme", "Acme"]


def test_a_failover_may_hold_a_failover(plugins, monkeypatch):
    environment(
        monkeypatch,
        CHEAP_PROVIDER="failover",
        CHEAP_ACCOUNTS="acme,otp",
        OTP_PROVIDER="acme",
        OTP_TOKEN="dummy-token",
        FAILOVER_ACCOUNTS="cheap,paced",
    )
    stack = plugins.stack("failover").inner
    assert [layer.account for layer in stack.accounts] == ["cheap", "paced"]
    assert isinstance(stack.accounts[0], FailoverPolicy)


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({"FAILOVER_ACCOUNTS": "failover"}, "holds itself: failover > failover"),
        (
            {"FAILOVER_ACCOUNTS": "slow", "SLOW_PROVIDER": "retry", "SLOW_INNER": "failover"},
            "failover > slow > failover",
        ),
        ({"FAILOVER_ACCOUNTS": "acme,unknown"}, "no provider 'unknown'"),
        ({"FAILOVER_ACCOUNTS": "acme, acme"}, "SMSBRIDGE_FAILOVER_ACCOUNTS names an account twice"),
        ({"FAILOVER_ACCOUNTS": " , "}, r"SMSBRIDGE_FAILOVER_ACCOUNTS (is missing|names no account)"),
        ({}, r"SMSBRIDGE_FAILOVER_ACCOUNTS (is missing|names no account)"),
        ({"FAILOVER_ACCOUNTS": "acme", "FAILOVER_FAULTS": "0"}, "SMSBRIDGE_FAILOVER_FAULTS is wrong"),
    ],
)
def test_what_cannot_be_is_said_before_anything_is_sent(plugins, monkeypatch, variables, words):
    environment(monkeypatch, **variables)
    with pytest.raises(ConfigurationError, match=words):
        plugins.stack("failover")


@pytest.mark.parametrize("name", ["retry", "limit"])
def test_a_policy_of_one_account_has_to_know_which(plugins, monkeypatch, name):
    environment(monkeypatch, SLOW_PROVIDER=name)
    with pytest.raises(ConfigurationError, match="SMSBRIDGE_SLOW_INNER is missing"):
        plugins.stack("slow")


AROUND = {
    "OPTOUT_STORE": "sqlite:///optouts.db",
    "GUARD_COUNTRIES": "IN",
    "HOURS_OUTSIDE": "refuse",
    "TEXT_MAX_SEGMENTS": "2",
    "LEDGER_STORE": "sqlite:///sms.db",
    "PURPOSE_OTP_EXPIRY": "10m",
}


@pytest.mark.parametrize("name", AROUND)
def test_a_policy_of_one_account_does_not_vanish_where_that_stands_inside_another(plugins, monkeypatch, name):
    environment(
        monkeypatch, FAILOVER_ACCOUNTS="acme,paced", PACED_TOKEN="dummy-token", **{f"ACME_{name}": AROUND[name]}
    )
    words = f"SMSBRIDGE_ACME_{name} has no effect, .*: set SMSBRIDGE_FAILOVER_{name}, or SMSBRIDGE_{name} for all"
    with pytest.raises(ConfigurationError, match=words):
        plugins.stack("failover")
    environment(monkeypatch, SLOW_PROVIDER="retry", SLOW_INNER="acme")
    with pytest.raises(ConfigurationError, match=f"set SMSBRIDGE_SLOW_{name}"):
        plugins.stack("slow")
    assert len(kinds(plugins.stack("acme"))) == 3
    for around in (name, f"FAILOVER_{name}"):
        with monkeypatch.context() as once:
            environment(once, **{around: AROUND[name]})
            assert plugins.stack("failover").account == "failover"


def test_what_stands_at_each_account_may_be_set_for_one_of_several(plugins, monkeypatch):
    environment(
        monkeypatch,
        FAILOVER_ACCOUNTS="acme,paced",
        PACED_TOKEN="dummy-token",
        ACME_LIMIT_SENDS="5/s",
        ACME_RETRY_ATTEMPTS="1",
    )
    assert kinds(plugins.stack("failover"))[:4] == ["RetryPolicy", "FailoverPolicy", "LimitPolicy", "Acme"]


@pytest.mark.parametrize(
    ("variable", "meant"),
    [
        ("GUARD_ALOW", "GUARD_ALLOW"),
        ("ACME_GUARD_ALOW", "ACME_GUARD_ALLOW"),
        ("LIMIT_SEND", "LIMIT_SENDS"),
        ("ACME_DLT_REGISTRI", "ACME_DLT_REGISTRY"),
        ("LEDGER_STROE", "LEDGER_STORE"),
        ("HOURS_RULE", "HOURS_RULES"),
    ],
)
def test_a_misspelt_setting_of_a_policy_is_refused_and_the_right_one_named(plugins, monkeypatch, variable, meant):
    environment(monkeypatch, **{variable: "+919800*"})
    with pytest.raises(
        ConfigurationError, match=f"nothing reads SMSBRIDGE_{variable}: did you mean SMSBRIDGE_{meant}"
    ) as caught:
        plugins.stack("acme")
    assert "9800" not in str(caught.value)


def test_where_no_setting_is_like_it_all_are_named(plugins, monkeypatch):
    environment(monkeypatch, TEXT_QQQQ="1")
    with pytest.raises(
        ConfigurationError,
        match="nothing reads SMSBRIDGE_TEXT_QQQQ: the known variables are SMSBRIDGE_TEXT_MAX_SEGMENTS, ",
    ):
        plugins.stack("acme")


def test_settings_of_an_account_that_is_named_after_a_policy_are_no_misspelt_ones(plugins, monkeypatch):
    environment(monkeypatch, RETRY_PROVIDER="retry", RETRY_INNER="acme", LEDGER_INNER="acme")
    assert kinds(plugins.stack("retry")) == ["RetryPolicy", "Acme"]
    assert kinds(plugins.stack("acme")) == ["RetryPolicy", "Acme"]


def test_neither_are_those_of_an_account_that_look_like_a_policys(plugins, monkeypatch):
    class Priced(HttpProvider):
        name = "priced"
        cost_center: str = ""

    plugins.register(type("Other", (), {"smsbridge_providers": hookimpl(lambda self: [Priced])})())
    environment(monkeypatch, PRICED_TOKEN="dummy-token", PRICED_COST_CENTER="17")
    assert kinds(plugins.stack("priced")) == ["RetryPolicy", "Priced"]


LEDGER_OF_ACME = {"LED_PROVIDER": "ledger", "LED_INNER": "acme", "LED_STORE": "sqlite:///led.db"}


def test_a_ledger_of_one_of_several_accounts_is_refused_as_it_would_double_texts(plugins, monkeypatch):
    environment(monkeypatch, **LEDGER_OF_ACME, PACED_TOKEN="dummy-token", FAILOVER_ACCOUNTS="led,paced")
    with pytest.raises(ConfigurationError, match=r"account led of failover has a ledger.*SMSBRIDGE_FAILOVER_LEDGER_"):
        plugins.stack("failover")
    environment(monkeypatch, FAILOVER_ACCOUNTS="led")
    assert kinds(plugins.stack("failover")) == ["RetryPolicy", "FailoverPolicy", "LedgerPolicy", "Acme"]


def test_a_ledger_around_a_ledger_is_refused(plugins, monkeypatch):
    environment(monkeypatch, **LEDGER_OF_ACME, TOP_PROVIDER="ledger", TOP_INNER="led", TOP_STORE="sqlite:///top.db")
    with pytest.raises(ConfigurationError, match="account top is a ledger around another ledger"):
        plugins.stack("top")
    environment(monkeypatch, LEDGER_STORE="sqlite:///all.db")
    assert kinds(plugins.stack("led")) == ["RetryPolicy", "LedgerPolicy", "Acme"]


# --- limits ---------------------------------------------------------------------------------------------------------------


def test_a_vendors_own_limit_is_kept(plugins):
    stack = plugins.stack("paced")
    assert kinds(stack) == ["RetryPolicy", "LimitPolicy", "Paced"]
    assert (stack.inner.queries, stack.inner.sends) == (Rate(1000, 60.0), None)


def test_twincles_is_a_thousand_pull_requests_a_minute(plugins, monkeypatch):
    environment(
        monkeypatch, TWINCLE_ACCESS_TOKEN="dummy-token", TWINCLE_SENDER="ACMEIN", TWINCLE_BASE_URL="https://x.example"
    )
    assert plugins.stack("twincle").inner.queries == Rate(1000, 60.0)


def test_the_environment_may_set_another_or_one_more(plugins, monkeypatch):
    environment(monkeypatch, PACED_LIMIT_QUERIES="10/s", LIMIT_SENDS="5/s")
    assert plugins.stack("paced").inner.queries == Rate(10, 1.0)
    assert plugins.stack("paced").inner.sends == Rate(5, 1.0)
    assert kinds(plugins.stack("acme")) == ["RetryPolicy", "LimitPolicy", "Acme"]


def test_all_clients_of_an_account_share_its_limit_and_those_of_another_do_not(plugins, monkeypatch):
    environment(monkeypatch, OTP_PROVIDER="paced")

    def limiter(account):
        return plugins.stack(account).inner._limiters[False]

    assert limiter("paced") is limiter("paced")
    assert limiter("paced") is not limiter("otp")


# --- both clients ---------------------------------------------------------------------------------------------------------


def test_the_blocking_client_has_them(plugins, monkeypatch):
    environment(monkeypatch, RETRY_FIRST_WAIT="0")
    with SmsClient("acme", plugins=plugins, transport=Wire(NotConnected(), OK)) as sms:
        sent = sms.send(message())
    assert (sent.account, sent.provider) == ("acme", "acme")


async def test_the_async_client_has_them(plugins, monkeypatch):
    environment(monkeypatch, RETRY_FIRST_WAIT="0")
    async with AsyncSmsClient("acme", plugins=plugins, transport=AsyncWire(NotConnected(), OK)) as sms:
        assert (await sms.send(message())).account == "acme"


def test_a_provider_made_by_hand_is_taken_as_it_is(plugins):
    with SmsClient(HttpProvider(), plugins=plugins) as sms:
        assert kinds(sms.provider) == ["HttpProvider"]


@pytest.mark.parametrize("policy", [RetryPolicy, LimitPolicy])
def test_by_hand_a_policy_is_put_around_a_provider(policy, plugins):
    with SmsClient(policy(inner=HttpProvider(account="otp")), plugins=plugins, transport=Wire(OK)) as sms:
        assert sms.send(message()).account == "otp"


def test_a_repeat_is_answered_from_the_ledger_whatever_the_caps_say(monkeypatch, tmp_path):
    monkeypatch.setattr(guard, "_shared", {})
    monkeypatch.setenv("SMSBRIDGE_LEDGER_STORE", f"sqlite:///{tmp_path}/sms.db")
    monkeypatch.setenv("SMSBRIDGE_GUARD_PER_RECIPIENT", "1/1h")
    with SmsClient("memory") as sms:
        first, again = (sms.send("+919876543210", "Hello", reference="order-1") for _ in range(2))
        assert again.id == first.id
        with pytest.raises(VetoedError):
            sms.send("+919876543210", "Hello", reference="order-2")


# --- addresses ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "given"),
    [
        (guard.GuardPolicy, {"total": "1/1s"}),
        (hours.HoursPolicy, {}),
        (ledger.LedgerPolicy, {"path": "sms.db"}),
        (LimitPolicy, {}),
        (optout.OptoutPolicy, {}),
        (RetryPolicy, {}),
    ],
)
def test_a_policy_that_asks_a_service_says_if_that_is_over_plain_http(kind, given):
    asking = type("Asking", (kind,), {"__module__": __name__, "__annotations__": {"list_url": str}})
    with pytest.warns(InsecureUrlWarning, match="LIST_URL"):
        asking(inner=Acme(), list_url="http://lists.acme.example/", **given)
