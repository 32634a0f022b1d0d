"""Gateways that are only described pass the contract: JSON, a form with an answer in plain text, a gateway without ids, and a GET."""

# ruff: noqa: RUF012  # samples are class attributes, and tests do not change them

from smsbridge.builtin.http import HttpProvider
from smsbridge.errors import AuthenticationError, ContentError, FundsError, OptedOutError, RecipientError
from smsbridge.http import HttpResponse
from smsbridge.testing import ProviderContract, Refusal, dummy_secret

IDS = {"sender": "KITSMS", "entity_id": "1100", "template_id": "2200"}


class TestJsonGateway(ProviderContract):
    provider_class = HttpProvider
    settings = {
        **IDS,
        "url": "https://api.gateway.example/v1/messages",
        "token": dummy_secret("token"),
        "headers": {"Authorization": "Bearer {token}", "Idempotency-Key": "{reference}"},
        "body": {
            "messages": [{"to": "{to}", "body": "{text}", "from": "{sender}", "route": "{purpose}", "flash": False}],
            "dlt": {"entity": "{entity_id}", "template": "{template_id}"},
        },
        "purposes": {"otp": "1", "transactional": "2", "service": "2", "promotional": "4"},
        "accept_if": {"path": "messages.0.state", "equals": ["queued", "sent"]},
        "id": "messages.0.id",
        "refuse_if": [
            {"path": "error.code", "equals": "no-funds", "error": "funds", "code": "error.code"},
            {"path": "error.code", "equals": [211, 212], "error": "recipient", "code": "error.code"},
            {
                "path": "error.text",
                "matches": "^[Tt]emplate (?P<code>\\w+)",
                "error": "content",
                "reason": "dlt-template",
                "detail": "error.text",
            },
        ],
    }
    refusals = {
        "no credit": Refusal(
            answer=HttpResponse.of_json({"error": {"code": "no-funds"}}), error=FundsError, code="no-funds"
        ),
        "a bad number": Refusal(
            answer=HttpResponse.of_json({"error": {"code": 212}}, status=422), error=RecipientError, code="212"
        ),
        "a bad template": Refusal(
            answer=HttpResponse.of_json({"error": {"text": "Template T77 does not match"}}),
            error=ContentError,
            reason="dlt-template",
            code="T77",
        ),
    }

    def accepts(self, message, id):
        return HttpResponse.of_json({"messages": [{"id": id, "state": "queued"}]}, status=202)


class TestFormGateway(ProviderContract):
    """Credentials in the form, and an answer such as ``OK: 12345`` or ``ERR: 3: no such number``."""

    provider_class = HttpProvider
    settings = {
        **IDS,
        "url": "https://sms.gateway.example/send",
        "username": dummy_secret("username"),
        "password": dummy_secret("password"),
        "content_type": "application/x-www-form-urlencoded",
        "body": {
            "user": "{username}",
            "pass": "{password}",
            "to": "{digits}",
            "text": "{text}",
            "from": "{sender}",
            "pe": "{entity_id}",
            "tpl": "{template_id}",
            "v": 2,
        },
        "accept_if": {"matches": "^OK: (?P<id>[\\w-]+)$"},
        "refuse_if": [
            {"matches": "^ERR: (?P<code>3): (?P<detail>.+)", "error": "recipient"},
            {"matches": "^ERR: (?P<code>7)\\b", "error": "opted-out", "reason": "dnd"},
            {"matches": "^ERR: (?P<code>\\d+)"},
        ],
    }
    refusals = {
        "a bad number": Refusal(
            answer=HttpResponse(status=200, body=b"ERR: 3: no such number"), error=RecipientError, code="3"
        ),
        "do not disturb": Refusal(
            answer=HttpResponse(status=200, body=b"ERR: 7"), error=OptedOutError, reason="dnd", code="7"
        ),
        "anything else": Refusal(answer=HttpResponse(status=200, body=b"ERR: 99"), code="99"),
    }

    def accepts(self, message, id):
        return HttpResponse(status=200, headers={"content-type": "text/plain"}, body=f"OK: {id}".encode())


class TestGatewayThatNamesNoId(ProviderContract):
    """National numbers, a flag for Unicode, DLT ids registered with the account, and ``SENT`` as the whole answer."""

    provider_class = HttpProvider
    settings = {
        "sender": "KITSMS",
        "dlt_registered": True,
        "url": "https://gateway.example/send",
        "token": dummy_secret("token"),
        "body": {
            "key": "{token}",
            "country": "{country_code}",
            "numbers": "{national}",
            "from": "{sender}",
            "text": "{text}",
            "unicode": "{encoding}",
            "ref": "{reference}",
        },
        "encodings": {"gsm7": False, "ucs2": True},
        "accept_if": {"matches": "^SENT$"},
        "id": "{reference}",
        "refuse_if": [{"matches": "(?i)no credit", "error": "funds"}],
    }
    id_is_reference = True
    refusals = {"no credit": Refusal(answer=HttpResponse(status=200, body=b"ERROR: No credit"), error=FundsError)}

    def accepts(self, message, id):
        return HttpResponse(status=200, headers={"content-type": "text/plain"}, body=b"SENT")


class TestGetGateway(ProviderContract):
    """Everything in the URL, a name and password in the header, the answer a list."""

    provider_class = HttpProvider
    settings = {
        **IDS,
        "method": "GET",
        "url": "https://gateway.example/api/{sender}?to={to}&msg={text}&pe={entity_id}&tpl={template_id}&ref={reference}",
        "username": dummy_secret("username"),
        "password": dummy_secret("password"),
        "headers": {"Authorization": "Basic {basic}"},
        "accept_if": {"status": 200, "path": "0.ok", "equals": True},
        "id": "0.sms",
        "refuse_if": [
            {"path": "0.why", "equals": "LOGIN", "error": "authentication", "code": "0.why"},
            {"status": 500, "path": "0.why", "equals": "BALANCE", "error": "funds", "code": "0.why"},
        ],
    }
    refusals = {
        "login": Refusal(
            answer=HttpResponse.of_json([{"ok": False, "why": "LOGIN"}]), error=AuthenticationError, code="LOGIN"
        ),
        "a 500 that is certain, as the user knows": Refusal(
            answer=HttpResponse.of_json([{"ok": False, "why": "BALANCE"}], status=500), error=FundsError, code="BALANCE"
        ),
    }

    def accepts(self, message, id):
        return HttpResponse.of_json([{"ok": True, "sms": id}])
