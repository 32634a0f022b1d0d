"""A webhook is verified before it is read, and its events reach the hooks in order."""

from __future__ import annotations

import json
import traceback
from pathlib import Path

import pytest

from scripted import BatchProvider, HttpProvider, Recorder, drive, provider
from smsbridge.client import AsyncSmsClient, SmsClient
from smsbridge.errors import PayloadError, SignatureError, WebhookError
from smsbridge.flow import Driven
from smsbridge.hookspecs import hookimpl
from smsbridge.http import HttpRequest, HttpResponse
from smsbridge.plugins import Plugins
from smsbridge.policies.failover import FailoverPolicy
from smsbridge.receiving import receive

SECRET = "SECRET-WEBHOOK"
PROVIDER = HttpProvider(webhook_secret=SECRET)


def webhook(body=b'[{"id": "1"}, {"id": "2"}]', secret=SECRET):
    headers = {} if secret is None else {"x-secret": secret}
    return HttpRequest(method="POST", url="https://us.example/hook", headers=headers, body=body)


def take(made, request, *hooks):
    """Perform the calls that ``receive`` asks for."""
    run = Driven(receive(Plugins(*hooks), made, request))
    while run.step is not None:
        run.perform(run.step.function, *run.step.args)
    return run.value


def test_a_genuine_webhook_brings_events_tells_the_hooks_and_is_answered():
    recorder = Recorder()
    received = take(PROVIDER, webhook(), recorder)
    assert [event.id for event in received.events] == ["1", "2"]
    assert received.response.status == 200
    assert [key for _, key, _ in recorder.calls] == ["1", "2"]


@pytest.mark.parametrize(
    ("made", "request_"),
    [
        (HttpProvider(), webhook()),
        (HttpProvider(), webhook(secret="")),
        (HttpProvider(), webhook(secret=None)),
        (HttpProvider(webhook_secret=""), webhook(secret="")),
        (PROVIDER, webhook(secret=None)),
        (PROVIDER, webhook(secret="")),
        (PROVIDER, webhook(secret="wrong")),
    ],
    ids=["unset", "unset-empty", "unset-none", "empty", "missing", "empty-given", "wrong"],
)
def test_a_webhook_without_the_right_secret_is_refused_and_an_unset_secret_is_no_secret(made, request_):
    recorder = Recorder()
    with pytest.raises(SignatureError) as caught:
        take(made, request_, recorder)
    assert caught.value.status == 401
    assert recorder.calls == []


def test_a_handshake_is_verified_too_and_answered_without_parsing():
    made = provider(handshake=lambda self, webhook: HttpResponse(status=204), verify=lambda self, webhook: None)
    received = take(made, webhook())
    assert (received.events, received.response.status) == ((), 204)
    asked = []
    with pytest.raises(SignatureError):
        take(provider(handshake=lambda self, webhook: asked.append(webhook)), webhook())
    assert asked == []


@pytest.mark.parametrize("body", [b"", b"{", b"{}", b"\xff", b"[1]", b"[{}]", b"[null]", b'{"id": 1}'])
def test_a_malformed_webhook_is_refused_and_not_quoted(body):
    recorder = Recorder()
    with pytest.raises(PayloadError) as caught:
        take(PROVIDER, webhook(body), recorder)
    assert caught.value.status == 400
    assert caught.value.__context__ is None
    assert recorder.calls == []


@pytest.mark.parametrize("method", ["verify", "handshake", "parse"])
@pytest.mark.parametrize("error", [KeyError(SECRET), TypeError(SECRET), SignatureError("no"), PayloadError("no")])
def test_whatever_goes_wrong_in_a_provider_is_a_webhook_error_without_its_frames(method, error):
    def fails(self, webhook):
        secret = self.webhook_secret.get_secret_value()
        raise error from ValueError(secret)

    made = type(provider(base=HttpProvider, **{method: fails}))(webhook_secret=SECRET)
    with pytest.raises(WebhookError) as caught:
        take(made, webhook())
    if isinstance(error, WebhookError):
        assert caught.value == error
    else:
        assert isinstance(caught.value, SignatureError if method == "verify" else PayloadError)
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None
    shown = traceback.TracebackException.from_exception(caught.value, capture_locals=True)
    assert "fails" not in [frame.name for frame in shown.stack]
    ours = [frame.locals for frame in shown.stack if Path(frame.filename).name == "receiving.py"]
    assert ours
    assert SECRET not in f"{caught.value} {ours}"


def test_a_provider_without_webhooks_says_so():
    from smsbridge.provider import SmsProvider

    made = provider(verify=lambda self, webhook: None, parse=SmsProvider.parse)
    with pytest.raises(WebhookError, match="does not support webhooks") as caught:
        take(made, webhook())
    assert caught.value.status == 400
    assert caught.value.__context__ is None


def test_a_webhook_that_comes_again_brings_the_same_keys():
    recorder = Recorder()
    take(PROVIDER, webhook(), recorder)
    take(PROVIDER, webhook(), recorder)
    assert [key for _, key, _ in recorder.calls] == ["1", "2", "1", "2"]


class Fails:
    @hookimpl(tryfirst=True)
    def smsbridge_event(self, event):
        raise LookupError("database is down")


def test_an_event_hook_that_fails_reaches_the_caller_after_all_hooks_had_the_event():
    recorder = Recorder()
    with pytest.raises(LookupError, match="database is down"):
        take(PROVIDER, webhook(), recorder, Fails())
    assert [key for _, key, _ in recorder.calls] == ["1"]


def test_the_provider_decides_what_to_answer():
    made = provider(
        verify=lambda self, webhook: None,
        acknowledge=lambda self, events: HttpResponse.of_json({"taken": len(events)}),
    )
    assert json.loads(take(made, webhook()).response.body) == {"taken": 2}


async def test_both_clients_take_webhooks():
    recorder = Recorder()
    plugins = Plugins(recorder)
    with SmsClient(PROVIDER, plugins=plugins) as client:
        received = client.receive(webhook())
    async with AsyncSmsClient(PROVIDER, plugins=plugins) as client:
        assert await client.receive(webhook()) == received
        with pytest.raises(SignatureError):
            await client.receive(webhook(secret="wrong"))
    assert len(recorder.calls) == 4


def test_receiving_asks_the_network_for_nothing():
    with pytest.raises(SignatureError):
        drive(receive(Plugins(), BatchProvider(), webhook()))


# --- several accounts -----------------------------------------------------------------------------------------------------


def failover():
    silent = HttpProvider(account="silent")
    return FailoverPolicy(
        accounts=(
            silent,
            *(HttpProvider(account=name, webhook_secret=f"{SECRET}-{name}") for name in ("first", "second")),
        )
    )


def test_of_several_accounts_the_one_that_the_webhook_is_proven_to_be_from_takes_it():
    class Names:
        def __init__(self):
            self.told = []

        @hookimpl
        def smsbridge_event(self, account, event):
            self.told.append((account, event.account))

    names = Names()
    received = take(failover(), webhook(b'[{"id": "1"}]', f"{SECRET}-second"), names)
    assert [event.account for event in received.events] == ["second"]
    assert names.told == [("second", "second")]


@pytest.mark.parametrize("secret", [SECRET, "", None])
def test_a_webhook_that_none_of_several_accounts_can_prove_is_refused(secret):
    with pytest.raises(SignatureError, match="not proven to come from any of the accounts"):
        take(failover(), webhook(secret=secret))


@pytest.mark.parametrize("kind", [SignatureError, PayloadError])
def test_what_an_adapter_says_of_a_webhook_is_one_line_without_its_secret(kind):
    def verify(self, webhook):
        error = kind(f"not signed with {SECRET.lower()}\nINFO forged\x1b[2J")
        error.add_note(SECRET)
        raise error

    made = type(provider(verify=verify))(webhook_secret=SECRET)
    with pytest.raises(kind) as caught:
        take(made, webhook())
    assert str(caught.value) == "not signed with *** INFO forged␛[2J"
    assert caught.value.args == (str(caught.value),)
    assert caught.value.__notes__ == []
