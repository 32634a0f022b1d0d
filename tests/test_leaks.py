"""No output, log, warning or exception holds a token, a text, a code or a full number."""

# ruff: noqa: BLE001, PT012, T201  # every exception is examined

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import pickle
import socket
import traceback
from datetime import UTC, datetime
from urllib.parse import quote

import pytest

from quotations import FORMS, assert_hidden
from scripted import TEXT, TO, TOKEN, AsyncWire, BatchProvider, HttpProvider, Recorder, Wire
from smsbridge.client import AsyncSmsClient, SmsClient
from smsbridge.errors import NoAnswer, NotConnected, RefusedError, SmsBridgeError
from smsbridge.hookspecs import hookimpl
from smsbridge.http import HttpRequest, HttpResponse
from smsbridge.messages import Message, Result
from smsbridge.plugins import Plugins
from smsbridge.settings import Settings

CODE = "SECRET-CODE-88"
HOOK_SECRET = "SECRET-WEBHOOK"
ODD = 'SECRET-ODD "quoted"\n\\ नमस्ते & more'
PRIVATE = [TOKEN, TEXT, CODE, HOOK_SECRET, "SECRET", TO, TO[1:], TO[3:]]
SETTINGS = Settings(concurrency=2)


class Quotes(BatchProvider):
    """A vendor that quotes the whole request in its refusals, and a provider that repeats them and keeps private values."""

    def _ask(self, path, sends=False, **body):
        token = self.token.get_secret_value()
        request = HttpRequest.post_json(
            f"https://api.example/{token}{path}", body, headers={"authorization": token}, sends=sends
        )
        response = yield from request
        words = response.body.decode("utf-8", "replace")
        if response.status == 418:
            raise RuntimeError(words, token, body)
        if response.status == 419:
            return {"id": token, "ids": [words], "approved": words}["missing"]
        if not response.ok:
            raise response.error(detail=words) if response.status != 400 else RefusedError(words, code=words)
        return response.json_object()


def echo(status):
    def answer(request):
        said = f"{request.headers['authorization']} {request.body.decode()} {quote(request.body)}"
        return HttpResponse(status=status, body=said.encode())

    return answer


class Interrupted(BaseException):
    """Like an exception of the keyboard."""


ANSWERS = {
    **{str(status): echo(status) for status in (200, 302, 400, 401, 403, 404, 409, 418, 419, 422, 429, 500, 502)},
    "not connected": NotConnected("connection refused"),
    "no answer": NoAnswer("time-out"),
    "cut": HttpResponse(status=200, body=TEXT.encode(), complete=False),
    "bug": lambda request: RuntimeError(request.body, request.url, TEXT),
    "interrupted": Interrupted(),
    "ok": HttpResponse.of_json({"id": "1", "ids": ["1", "2", "3"], "approved": True, "text": TEXT}),
}
MESSAGES = [
    Message(to=TO, text=TEXT, reference="a"),
    Message(to="+919876543210999999", text=TEXT, reference="b"),
    Message(to=TO, text=ODD, reference="c"),
    Message(to=TO, text=TEXT, reference="d", options={"scripted": {"no-such": TEXT}}),
    Message(to=TO, text=TEXT, reference="e", valid_until=datetime.now(UTC)),
    Message(to=TO, text="", reference="f"),
    Message(to=TO, text=f"{TEXT}\ud83d", reference="g"),
]
WEBHOOK = {"method": "POST", "url": f"https://us.example/{TOKEN}"}
CALLS = {
    "send": lambda sms: sms.send(TO, TEXT, reference="a"),
    **{f"send {each.reference}": (lambda sms, each=each: sms.send(each)) for each in MESSAGES},
    "many": lambda sms: sms.send_many(MESSAGES),
    "status": lambda sms: sms.status("id-1"),
    "lookup": lambda sms: sms.lookup("a"),
    "balance": lambda sms: sms.balance(),
    "start": lambda sms: sms.start_verification(TO, f"{{code}} {TEXT}", reference="a"),
    "check": lambda sms: sms.check_verification("id-1", CODE),
    "check bare": lambda sms: sms.check_verification(verification="id-1", code=CODE),
    "cancel": lambda sms: sms.cancel_verification("id-1"),
    "webhook": lambda sms: sms.receive(HttpRequest(**WEBHOOK, headers={"x-secret": "wrong"}, body=TEXT.encode())),
    "webhook odd": lambda sms: sms.receive(
        HttpRequest(**WEBHOOK, headers={"x-secret": HOOK_SECRET}, body=json.dumps([{TEXT: CODE}]).encode())
    ),
}


class Quarrelsome(Recorder):
    """Hooks that raise, quoting the message."""

    @hookimpl
    def smsbridge_after_send(self, message):
        raise LookupError(message.text, message.to)

    @hookimpl
    def smsbridge_send_failed(self, message, error):
        super().smsbridge_send_failed(message, error)
        raise LookupError(message.text, message.to)


class Vetoes:
    @hookimpl
    def smsbridge_before_send(self, message):
        text = message.text
        raise ValueError(f"not {text} to {message.to}")


def shown(error):
    """Everything visible of an error: words, fields, and a traceback with the locals of every frame but the test's."""
    trace = traceback.TracebackException.from_exception(error, capture_locals=True)
    parts = [str(error), repr(error), repr(error.args), repr(vars(error)), repr(pickle.dumps(error))]
    while trace is not None:
        trace.stack[:] = [frame for frame in trace.stack if frame.filename != __file__]
        parts += [repr(frame.locals) for frame in trace.stack]
        parts += trace.format_exception_only()
        trace = trace.__cause__ or (None if trace.__suppress_context__ else trace.__context__)
    return "\n".join(parts)


@pytest.fixture
def seen(caplog, capsys, recwarn):
    """A function that returns all output; call it with the results and exceptions."""
    caplog.set_level(logging.DEBUG)
    for name in list(logging.root.manager.loggerDict):
        caplog.set_level(logging.DEBUG, logger=name)

    def everything(*values):
        out = capsys.readouterr()
        records = [f"{record.getMessage()} {record.args!r} {record.exc_info!r}" for record in caplog.records]
        values = [shown(value) if isinstance(value, BaseException) else repr(value) for value in values]
        return "\n".join([*values, *records, *(str(warning.message) for warning in recwarn), out.out, out.err])

    return everything


def assert_private(text):
    found = [word for word in PRIVATE if word in text]
    assert not found, text


def drive_all(kind, answer, *hooks):
    """Call every operation of a client once. Yields results, exceptions, and arguments of hooks."""
    plugins = Plugins(*hooks)
    made = Quotes(webhook_secret=HOOK_SECRET)
    results = []

    async def call(sms, operation):
        value = operation(sms)
        if hasattr(value, "__aiter__"):
            async with value:
                return [each async for each in value]
        return await value

    def call_sync(sms, operation):
        value = operation(sms)
        if hasattr(value, "__next__"):
            with value:
                return list(value)
        return value

    async def main():
        for operation in CALLS.values():
            async with AsyncSmsClient(made, settings=SETTINGS, plugins=plugins, transport=AsyncWire(answer)) as sms:
                results.append(repr(sms))
                try:
                    results.append(await call(sms, operation))
                except (Exception, Interrupted) as error:
                    results.append(error)

    if kind is AsyncSmsClient:
        asyncio.run(main())
        return results
    for operation in CALLS.values():
        with SmsClient(made, settings=SETTINGS, plugins=plugins, transport=Wire(answer)) as sms:
            results.append(repr(sms))
            try:
                results.append(call_sync(sms, operation))
            except (Exception, Interrupted) as error:
                results.append(error)
    return results


def flatten(results):
    for result in results:
        yield result
        for each in result if isinstance(result, list) else ():
            yield from (each.error,) if getattr(each, "error", None) else ()


@pytest.mark.parametrize("kind", [SmsClient, AsyncSmsClient])
@pytest.mark.parametrize("name", ANSWERS)
def test_nothing_private_comes_out_whatever_the_answer(kind, name, seen):
    if kind is AsyncSmsClient and name == "interrupted":
        pytest.skip("an interrupt from the keyboard ends the loop itself")
    hooks = Quarrelsome()
    results = drive_all(kind, ANSWERS[name], hooks)
    errors = [error for what, _, error in hooks.calls if what == "failed"]
    assert len(results) == 2 * len(CALLS)
    assert_private(seen(*flatten(results), *errors))


def quoted(form, status):
    """A vendor that quotes token, text and number in its own form, and the beginning of the request."""

    def answer(request):
        sent = f"{request.headers['authorization']} {TO} {request.body.decode()}"
        return HttpResponse(status=status, body=f"refused: {FORMS[form](sent)[:600]}...".encode("utf-8", "replace"))

    return answer


@pytest.mark.parametrize("kind", [SmsClient, AsyncSmsClient])
@pytest.mark.parametrize("status", [400, 422, 500])
@pytest.mark.parametrize("form", FORMS)
def test_nothing_private_comes_out_in_another_form(kind, form, status, caplog):
    caplog.set_level(logging.DEBUG)
    hooks = Recorder()
    results = drive_all(kind, quoted(form, status), hooks)
    failed = [result for result in flatten(results) if isinstance(result, SmsBridgeError)]
    told = [error for what, _, error in hooks.calls if what == "failed"]
    assert len(failed) > len(CALLS)
    for shown in {*map(words_of, [*failed, *told]), *(record.getMessage() for record in caplog.records)}:
        for secret in (TOKEN, TEXT, f"SECRET-{CODE}", TO):
            assert_hidden(shown, FORMS[form](secret), secret)


def words_of(error):
    """Everything that a person reads of an error."""
    fields = [getattr(error, name, None) for name in ("code", "reason", "detail")]
    return "\n".join(map(str, [error, *error.args, *fields, *getattr(error, "__notes__", [])]))


@pytest.mark.parametrize("kind", [SmsClient, AsyncSmsClient])
def test_nothing_private_comes_out_of_a_veto(kind, seen):
    results = drive_all(kind, ANSWERS["ok"], Vetoes())
    assert_private(seen(*flatten(results)))


@pytest.mark.parametrize("kind", [SmsClient, AsyncSmsClient])
def test_nothing_private_comes_out_of_a_real_connection_that_is_refused(kind, seen, monkeypatch):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    monkeypatch.setattr("scripted.URL", f"http://127.0.0.1:{port}/{TOKEN}")
    sms = kind(HttpProvider(), settings=SETTINGS, plugins=Plugins())

    async def main():
        async with sms:
            await sms.send(TO, TEXT)

    with pytest.raises(RefusedError, match="connection refused") as caught:
        if kind is AsyncSmsClient:
            asyncio.run(main())
        else:
            with contextlib.closing(sms):
                sms.send(TO, TEXT)
    assert_private(seen(caught.value))


CAUSES = {
    "cause": lambda stop: _chained(stop, from_cause=True),
    "context": lambda stop: _chained(stop, from_cause=False),
}


def _chained(stop, *, from_cause):
    """Raise ``stop`` while an exception that quotes everything is handled."""
    try:
        try:
            raise LookupError(f"{TEXT} to {TO} with {TOKEN}")
        except LookupError as error:
            if from_cause:
                raise stop from error
            raise stop  # noqa: B904
    except type(stop) as raised:
        return raised


@pytest.mark.parametrize("operation", ["send", "many", "start"])
@pytest.mark.parametrize("chained", CAUSES)
def test_a_cancellation_keeps_neither_cause_nor_context_nor_frames(operation, chained):
    stop = CAUSES[chained](Interrupted())
    hooks = Recorder()
    with (
        SmsClient(
            Quotes(), settings=Settings(concurrency=1), plugins=Plugins(hooks), transport=Wire(lambda _: stop)
        ) as sms,
        pytest.raises(Interrupted) as caught,
    ):
        if operation == "many":
            rows = [Result(index=n, message=MESSAGES[0]) for n in range(2)]
            sms._run(sms._job(rows, []))
        else:
            CALLS[operation](sms)
    assert caught.value is stop
    assert (stop.__cause__, stop.__context__) == (None, None)
    assert_private(shown(stop))
    frames = [frame.f_code.co_name for frame, _ in traceback.walk_tb(stop.__traceback__)]
    assert not {"_ask", "_next", "send_batch", "_perform"} & set(frames)  # the frames below hold the request


@pytest.mark.parametrize("chained", CAUSES)
async def test_nor_does_that_of_a_task(chained):
    stop = CAUSES[chained](asyncio.CancelledError())
    async with AsyncSmsClient(
        Quotes(), settings=SETTINGS, plugins=Plugins(), transport=AsyncWire(lambda _: stop)
    ) as sms:
        with pytest.raises(asyncio.CancelledError) as caught:
            await sms.send(TO, TEXT)
    assert (caught.value.__cause__, caught.value.__context__) == (None, None)
    assert_private(shown(caught.value))


def test_the_test_can_see(seen, capsys, caplog):
    """Every kind of output is checked."""
    print(TEXT)
    with pytest.raises(AssertionError):
        assert_private(seen())
    logging.getLogger("smsbridge").debug("%s", TOKEN)
    with pytest.raises(AssertionError):
        assert_private(seen())
    caplog.clear()
    assert_private(seen())

    with pytest.raises(ZeroDivisionError) as caught:
        exec(compile("def f(token): 1 / 0", "elsewhere.py", "exec"), namespace := {}) or namespace["f"](TOKEN)
    with pytest.raises(AssertionError):
        assert_private(seen(caught.value))
