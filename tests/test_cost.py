"""The cost of a text by our own rates, and the vendor's different figures."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import PrivateAttr

from scripted import OK, TEXT, TO, HttpProvider, drive, message
from smsbridge.attempts import attempt, attempt_batch, attempt_verification
from smsbridge.builtin.memory import MemoryProvider
from smsbridge.client import AsyncSmsClient, SmsClient
from smsbridge.composite import each
from smsbridge.cost import Rate, Rates, differs
from smsbridge.cost.policy import CostPolicy
from smsbridge.errors import ConfigurationError, RefusedError
from smsbridge.hookspecs import hookimpl
from smsbridge.messages import Cost, Money, Purpose, SentMessage
from smsbridge.plugins import Plugins
from smsbridge.policies.failover import FailoverPolicy

PRICES = """
[[rate]]
price = 0.50
currency = "INR"

[[rate]]
account = "twincle"
price = "0.14"
currency = "INR"

[[rate]]
account = "twincle"
country = "IN"
purpose = "promotional"
price = 0.120
currency = "INR"

[[rate]]
account = "twincle"
country = "IN"
purpose = "promotional"
since = 2026-12-01
price = 0.13
currency = "INR"

[[rate]]
account = "bulk"
price = 0.10
currency = "INR"

[[rate]]
prefix = "+9198"
price = 1
currency = "credits"
"""


def inr(amount):
    return Money(amount=Decimal(amount), unit="INR")


def prices(tmp_path, text=PRICES):
    path = tmp_path / "prices.toml"
    path.write_text(text, "utf-8")
    return path


# --- estimates ------------------------------------------------------------------------------------------------------------

NOVEMBER = datetime(2026, 11, 25, tzinfo=UTC)
DECEMBER = datetime(2026, 12, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("through", "fields", "at", "expected"),
    [
        (("other", "other"), {"to": "+447400123456"}, NOVEMBER, inr("1.50")),
        (("other", "other"), {}, NOVEMBER, Money(amount=Decimal(3), unit="credits")),
        (("twincle", "twincle"), {}, NOVEMBER, inr("0.42")),
        (("twincle", "twincle"), {"purpose": "promotional"}, NOVEMBER, inr("0.36")),
        (("twincle", "twincle"), {"purpose": "promotional"}, DECEMBER, inr("0.39")),
        (("twincle", "twincle"), {"purpose": "promotional", "to": "+447400123456"}, NOVEMBER, inr("0.42")),
        (("otp", "twincle"), {}, NOVEMBER, inr("0.42")),
        (("bulk", "twincle"), {"purpose": "promotional"}, NOVEMBER, inr("0.30")),
        (("other", "other"), {"to": "+12999999999"}, NOVEMBER, inr("1.50")),
    ],
)
def test_the_closest_rate_counts(tmp_path, through, fields, at, expected):
    rates = Rates.load(prices(tmp_path))
    assert rates.estimate(message(**fields), *through, segments=3, at=at) == expected


def test_a_scheduled_text_costs_what_it_costs_then(tmp_path):
    rates = Rates.load(prices(tmp_path))
    planned = message(purpose="promotional", send_at=DECEMBER)
    assert rates.rate(planned, "twincle").price == Decimal("0.13")


def test_the_longest_prefix_counts():
    rates = Rates([Rate(price=len(prefix), currency="INR", prefix=prefix) for prefix in ("+9", "+9198", "+91")])
    assert rates.estimate(message(), "a", segments=1) == inr(5)
    assert rates.estimate(message(to="+917000000000"), "a", segments=1) == inr(3)
    assert rates.estimate(message(to="+447400123456"), "a", segments=1) is None


def test_a_rate_ends_with_its_last_day():
    rates = Rates([Rate(price=1, currency="INR", until=date(2026, 11, 25))])
    assert rates.estimate(message(), "a", segments=1, at=NOVEMBER) == inr(1)
    assert rates.estimate(message(), "a", segments=1, at=DECEMBER) is None


def test_no_rate_is_no_estimate():
    assert Rates([]).estimate(message(), "twincle", segments=1) is None


@given(price=st.decimals(0, 100, places=4), segments=st.integers(1, 255))
def test_an_estimate_is_exact(price, segments):
    rates = Rates([Rate(price=price, currency="INR")])
    assert rates.estimate(message(), "a", segments=segments).amount == price * segments


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[[rate]]\nprice = 1\n", r"prices\.toml, line 1: currency is missing"),
        ("\n[[rate]]\nprice = -1\ncurrency = 'INR'\n", "line 2: price is wrong: it has to be 0 or more"),
        ("[[rate]]\nprice = true\ncurrency = 'INR'\n", "line 1: price is wrong: write a number"),
        ("[[rate]]\nprice = nan\ncurrency = 'INR'\n", "line 1: price is wrong"),
        ("[[rate]]\nprice = 'much'\ncurrency = 'INR'\n", "line 1: price is wrong"),
        ("[[rate]]\nprice = 1\ncurrency = 'rupees'\n", "line 1: currency is wrong"),
        ("[[rate]]\nprice = 1\ncurrency = 'INR'\nprefix = '91'\n", "line 1: prefix is wrong"),
        ("[[rate]]\nprice = 1\ncurrency = 'INR'\nprise = 2\n", "line 1: prise is not known"),
        ("[[rates]]\nprice = 1\n", r"line 1: rates is not known; write \[\[rate\]\]"),
        (f"{PRICES}\n[[ rate ]]\nprice = 9\ncurrency = 'INR'\n", "line 36: the same rate as in .*prices.toml, line 2"),
        ("rate = [\n{ price = 1 },\n]\n", r"prices\.toml, rate 1: currency is missing"),
        ("\n'rates'.x = 1\n", "line 2: rates is not known"),
        ('[[rate]]\nprice = 1\ncurrency = """\n[[rate]]"""\n[[rate]]\n', "line 1: currency is wrong"),
        ("[[rate]] # ]\nprice = 1\ncurrency = 'INR'\n'since' = [\n[1]]\n[[rate]]\n", "line 1: since is wrong"),
        ("price = \n", "is not TOML: invalid value .at line 1"),
    ],
)
def test_a_wrong_file_is_named_with_the_line_and_what_is_expected(tmp_path, text, words):
    with pytest.raises(ConfigurationError, match=words):
        Rates.load(prices(tmp_path, text))


# --- the vendor's figures -------------------------------------------------------------------------------------------------


def said(segments=None, amount=None, unit="INR"):
    price = None if amount is None else Money(amount=Decimal(amount), unit=unit)
    return SentMessage(account="a", provider="memory", id="1", to=TO, reference="ref-1", segments=segments, price=price)


@pytest.mark.parametrize(
    ("sent", "different"),
    [
        (said(), False),
        (said(2, "0.225"), False),
        (said(2, "0.2250"), False),
        (said(2, "0.23"), False),  # rounded to cents, as vendors do
        (said(2, "0.22"), True),
        (said(2, "0.2"), True),  # too coarse to have been rounded
        (said(3), True),
        (said(2, "0.225", "USD"), False),
        (said(None, "0.3"), True),
        (said(None, "0"), True),
    ],
)
def test_what_is_not_said_differs_from_nothing(sent, different):
    assert differs(sent, Cost(segments=2, price=inr("0.225"))) is different


def test_without_a_rate_only_segments_are_compared():
    assert not differs(said(1, "99"), Cost(segments=1))
    assert differs(said(2, "99"), Cost(segments=1))


class Charging(MemoryProvider):
    """A vendor that states the cost of each text."""

    _says: list[SentMessage] = PrivateAttr(default_factory=list)

    def send(self, message):
        sent = yield from super().send(message)
        return replace(sent, segments=self._says[-1].segments, price=self._says[-1].price)

    def send_batch(self, messages):
        results = yield from super().send_batch(messages)
        return [
            replace(result, sent=replace(result.sent, segments=says.segments, price=says.price))
            if result.sent
            else result
            for result, says in zip(results, self._says, strict=True)
        ]


class Watcher:
    def __init__(self):
        self.calls = []

    @hookimpl
    def smsbridge_cost_differs(self, account, provider, message, sent, expected):
        self.calls.append((account, provider, message.reference, sent.segments, expected))

    @hookimpl
    def smsbridge_after_send(self, message):
        self.calls.append(message.reference)


LONG = f"{TEXT} {'.' * 140}"
"""A text of two segments."""

RATE = '[[rate]]\nprice = 0.10\ncurrency = "INR"\n'


@pytest.fixture
def watched(tmp_path):
    """A policy around a vendor with scripted figures."""

    def make(*says, inner=None, **settings):
        vendor = Charging(**settings)
        vendor._says.extend(says)
        return CostPolicy(inner=inner(vendor) if inner else vendor, prices=prices(tmp_path, RATE))

    return make


def test_a_text_that_costs_what_it_should_is_no_news(watched, caplog):
    policy = watched(said(2, "0.20"))
    assert drive(attempt(policy, message(text=LONG))).segments == 2
    assert policy.differences == {}
    assert caplog.text == ""


def test_a_difference_is_told_logged_and_counted_and_the_text_is_accepted_all_the_same(watched, caplog):
    watcher = Watcher()
    plugins = Plugins(watcher)
    policy = watched(said(3, "0.30"), account="promo").telling(plugins.cost_differs)
    with SmsClient(policy, plugins=plugins) as sms:
        sent = sms.send(message(text=LONG))
    expected = Cost(segments=2, price=inr("0.20"))
    assert watcher.calls == [("promo", "memory", "ref-1", 3, expected), "ref-1"]
    assert policy.differences == {"promo": 1}
    (logged,) = [record for record in caplog.records if record.name == "smsbridge.cost"]
    assert logged.levelno == logging.WARNING
    assert logged.getMessage() == "text ref-1 through promo costs 0.30 INR in 3 segments, expected 0.20 INR in 2"
    assert logged.cost == {
        "account": "promo",
        "reference": "ref-1",
        "segments": 3,
        "expected_segments": 2,
        "price": "0.30 INR",
        "expected_price": "0.20 INR",
    }
    assert sent.price == inr("0.30")
    for private in (TEXT, TO, TO[3:]):
        assert private not in caplog.text


def test_in_a_batch_each_text_is_compared_and_refused_ones_are_not(watched):
    policy = watched(said(2), said(3), said(3))
    policy.inner.script("+919876543212", RefusedError())
    batch = [
        message(text=LONG, reference="a"),
        message(text=LONG, reference="b", to="+919876543211"),
        message(text=LONG, reference="c", to="+919876543212"),
    ]
    results = drive(attempt_batch(policy, batch))
    assert [result.sent is not None for result in results] == [True, True, False]
    assert policy.differences == {"memory": 1}


def test_of_a_batch_that_is_cancelled_the_texts_that_were_accepted_are_told_once(watched):
    class Cancelled(BaseException):
        pass

    class Priced(HttpProvider):
        def send(self, message):
            return replace((yield from super().send(message)), segments=9)

    watcher = Watcher()
    policy = watched(inner=lambda _: Priced()).telling(Plugins(watcher).cost_differs)
    with pytest.raises(Cancelled):
        drive(attempt_batch(policy, [message(reference=reference) for reference in "abc"]), OK, OK, Cancelled())
    assert [call[2] for call in watcher.calls] == ["a", "b"]
    assert policy.differences == {"scripted": 2}


def test_the_account_that_took_the_text_is_the_one_that_is_counted(watched):
    policy = watched(said(9), inner=lambda vendor: FailoverPolicy(accounts=[vendor], account="all"), account="a")
    assert drive(attempt(policy, message())).account == "a"
    assert policy.differences == {"a": 1}


@pytest.mark.parametrize("broken", ["rates", "hook", "callback"])
def test_an_accepted_text_stays_accepted_whatever_breaks(watched, caplog, broken):
    class Angry:
        @hookimpl
        def smsbridge_cost_differs(self, message):
            raise RuntimeError(message.text)

    def tell(account, provider, message, sent, expected):
        raise ZeroDivisionError(message.text)

    plugins = Plugins(Angry())
    policy = watched(said(3)).telling(tell if broken == "callback" else plugins.cost_differs)
    if broken == "rates":
        policy._rates = None

    async def main():
        async with AsyncSmsClient(policy, plugins=plugins) as sms:
            return await sms.send(message())

    assert asyncio.run(main()).id
    assert {"rates": "AttributeError", "hook": "RuntimeError", "callback": "ZeroDivisionError"}[broken] in caplog.text
    assert TEXT not in caplog.text


def test_what_a_vendor_does_not_say_is_not_even_counted(watched, caplog):
    policy = watched(said())
    policy._rates = None
    assert drive(attempt(policy, message())).id
    assert caplog.text == ""


def test_a_code_of_the_vendors_has_no_cost_that_we_could_know(watched):
    policy = watched(said(3))
    assert drive(attempt_verification(policy, message(text="", purpose=Purpose.OTP))).id
    assert policy.differences == {}


def test_the_environment_names_the_file_and_the_hooks_are_told(monkeypatch, tmp_path):
    monkeypatch.setenv("SMSBRIDGE_COST_PRICES", str(prices(tmp_path)))
    plugins = Plugins()
    stack = plugins.stack("memory")
    assert [type(layer).name for layer in each(stack)] == ["cost", "memory"]
    assert stack._tell == plugins.cost_differs
    monkeypatch.setenv("SMSBRIDGE_COST_PRICES", str(tmp_path / "none.toml"))
    with pytest.raises(ConfigurationError, match="cannot be read"):
        SmsClient("memory")


def test_without_prices_nothing_is_compared():
    assert [type(layer).name for layer in each(Plugins().stack("memory"))] == ["memory"]
