"""A wire, hooks and providers with scripted behaviour."""

from __future__ import annotations

import threading

import pytest
from pydantic import SecretStr

from smsbridge.errors import PayloadError, SignatureError
from smsbridge.flow import Driven, Tell
from smsbridge.http import HttpRequest, HttpResponse
from smsbridge.messages import DeliveryReport, Message, Result, Status, Verification, VerificationCheck
from smsbridge.plugins import Plugins
from smsbridge.provider import SmsProvider
from smsbridge.stores import writer
from smsbridge.testing.policy.vendor import Recorder  # noqa: F401  # for tests
from smsbridge.told import Told

TO = "+919876543210"
TEXT = "SECRET-TEXT-7719 your parcel"
TOKEN = "SECRET-TOKEN-dummy"
URL = "https://api.scripted.example/messages"
OK = HttpResponse.of_json({"id": "vendor-1"})


# DLT templates, as a registry in a file
REGISTRY = """
entity_id = "1101234567890123456"

[[headers]]
name = "ACMEIN"

[[templates]]
id = "1107161234567890001"
name = "order-shipped"
category = "service-implicit"
headers = ["ACMEIN"]
text = "Dear customer, your order {#numeric#} has shipped. ACME"
"""


def message(to=TO, text=TEXT, reference="ref-1", **fields):
    return Message(to=to, text=text, reference=reference, **fields)


def drive(flow, *answers):
    """Drive ``flow`` by hand: an answer that is an exception is thrown in. The flow has to use all answers."""
    left = list(answers)
    value = driven(flow, lambda step: left.pop(0))
    assert not left
    return value


def driven(flow, reply):
    """Drive ``flow``: ``reply`` has the answer to each step, or the exception that is thrown in. Hooks are told."""
    run = Driven(flow)
    while run.step is not None:
        if isinstance(run.step, Tell):
            run.perform(run.step.function, *run.step.args)
            continue
        answer = reply(run.step)
        if isinstance(answer, BaseException):
            run.fail([answer])
        else:
            run.answer(answer)
    return run.value


def interrupt(flow, stop):
    """The results of a flow of ``attempt_each`` after ``stop`` is thrown into it."""
    with pytest.raises(StopIteration) as ended:
        flow.throw(stop)
    results, interruption = ended.value.value
    assert interruption is stop
    return results


def forget_writers():
    """Wait until stores have all changes, then forget them, as in another process."""
    writer.close_all()
    writer._shared.clear()
    writer._writers.clear()


def tell(plugins, end=None, account="a"):
    """Tell the hooks of a text, and its ``end`` if given. Returns a veto, if a hook raised it."""
    told = Told(plugins, HttpProvider(account=account), message())
    veto = told.begin()
    if end is not None:
        told.end = end
        told.finish()
    return veto


class Wire:
    """A transport with scripted answers; the last answer repeats."""

    def __init__(self, *answers):
        self.answers = list(answers) or [OK]
        self.requests = []
        self.closed = False
        self._lock = threading.Lock()

    def _next(self, request):
        with self._lock:
            self.requests.append(request)
            answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        answer = answer(request) if callable(answer) else answer
        if isinstance(answer, BaseException):
            raise answer.with_traceback(None)
        return answer

    def send(self, request, *, within=None):
        return self._next(request)

    def close(self):
        self.closed = True


class AsyncWire(Wire):
    async def send(self, request, *, within=None):
        answer = self._next(request)
        return await answer if hasattr(answer, "__await__") else answer

    async def aclose(self):
        self.closed = True


class HttpProvider(SmsProvider):
    """A typical provider: a request per operation, a token in a header, the text in the body."""

    name = "scripted"
    supports = frozenset({"sender"})

    token: SecretStr = SecretStr(TOKEN)
    webhook_secret: SecretStr | None = None

    def _ask(self, path, sends=False, **body):
        headers = {"authorization": f"Bearer {self.token.get_secret_value()}"}
        response = yield from HttpRequest.post_json(f"{URL}{path}", body, headers=headers, sends=sends)
        if not response.ok:
            raise response.error()
        return response.json_object()

    def send(self, message):
        data = yield from self._ask("/send", sends=True, to=message.to, text=message.text)
        return self.accepted(message, id=data["id"], raw=data)

    def status(self, sent):
        data = yield from self._ask("/status", id=sent.id)
        return DeliveryReport(
            account=self.account, provider=self.name, id=data["id"], to=sent.to, status=Status.DELIVERED, final=True
        )

    def lookup(self, reference):
        yield from self._ask("/lookup", reference=reference)

    def balance(self):
        yield from self._ask("/balance")
        return []

    def start_verification(self, message):
        data = yield from self._ask("/start", sends=True, to=message.to, text=message.text)
        return Verification(account=self.account, provider=self.name, id=data["id"], to=message.to)

    def check_verification(self, verification, code):
        data = yield from self._ask("/check", id=verification.id, code=code)
        return VerificationCheck(approved=data.get("approved", False))

    def cancel_verification(self, verification):
        yield from self._ask("/cancel", id=verification.id)

    def verify(self, webhook):
        secret = self.webhook_secret.get_secret_value() if self.webhook_secret else ""
        if not secret:
            raise SignatureError("no secret is set")
        if webhook.headers.get("x-secret") != secret:
            raise SignatureError("the secret is wrong")

    def parse(self, webhook):
        rows = webhook.json()
        if not isinstance(rows, list):
            raise PayloadError("not a list")
        return [
            DeliveryReport(
                account=self.account,
                provider=self.name,
                id=row["id"],
                status=Status.DELIVERED,
                final=True,
                key=row["id"],
            )
            for row in rows
        ]


class BatchProvider(HttpProvider):
    """Sends up to ``batch_size`` texts in a request; the vendor's answer has a row per text, or refuses them all."""

    batch_size = 8

    def send_batch(self, messages):
        data = yield from self._ask("/batch", sends=True, texts=[[message.to, message.text] for message in messages])
        return [
            Result(index=index, message=message, sent=self.accepted(message, id=data["ids"][index]))
            for index, message in enumerate(messages)
        ]


def provider(send=None, **members):
    """Make a provider from ``send`` and other methods."""
    base = members.pop("base", HttpProvider)
    return type("Made", (base,), {"__module__": __name__, **({"send": send} if send else {}), **members})()


def plugins(*hooks):
    return Plugins(*hooks)
