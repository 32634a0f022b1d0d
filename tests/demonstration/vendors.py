"""Loopback stand-ins for the vendors, for the demonstration application: they answer in the shapes that the vendors document,
check the credentials, and push reports that the vendors' own SDKs have signed.

Each has the vendor's address, its credentials and the codes that it sends. ``environment`` has all settings of the
application. Twincle's stand-in is the real sandbox of its plugin.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import queue
import threading
import time
import uuid
from base64 import b64encode
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar, NamedTuple, Self
from urllib.parse import parse_qs, parse_qsl, urlencode, urlsplit

import httpx

from smsbridge_twincle.sandbox import Sandbox

CODE, WRONG_CODE = "482913", "111111"
PATIENCE = 15  # seconds
SECRET = "dummy-secret-of-a-vendor"
OTHER_SECRET = "dummy-secret-of-another-account"
FORM, JSON = "application/x-www-form-urlencoded", "application/json"
STATUS_WORDS = ("sent", "delivered")
"""The statuses of each text, in this order: pushed at once, or polled singly."""


class Asked(NamedTuple):
    """A request of the application."""

    method: str
    path: str
    query: dict[str, str]
    data: dict[str, Any]


class Vendor:
    """A server on the loopback while a ``with`` block lasts."""

    name: ClassVar[str]
    has_status: ClassVar[bool] = True
    reported: ClassVar[list[str]] = [*STATUS_WORDS]
    authorization: ClassVar[str]

    def __init__(self, webhook: str) -> None:
        self.webhook = webhook
        self.asked: list[Asked] = []
        self.codes: queue.Queue[str] = queue.Queue()
        self.acknowledged: list[str] = []
        self.texts: dict[str, dict[str, Any]] = {}
        self._polls: dict[str, int] = {}
        self._pushing: list[threading.Thread] = []

    @property
    def environment(self) -> dict[str, str]:
        """The settings of the application."""
        raise NotImplementedError

    def answer(self, asked: Asked) -> tuple[int, Any]:
        """Returns HTTP status and JSON."""
        raise NotImplementedError

    def report(self, id: str, word: str, secret: str = SECRET) -> httpx.Request:
        """The report on a text, signed."""
        raise NotImplementedError

    def accept(self, id: str, text: dict[str, Any]) -> None:
        """Keep a text, and report on it as a vendor does: in another thread, maybe before the application has its answer."""
        self.texts[id] = text
        self._pushing.append(threading.Thread(target=self._push, args=(id,)))
        self._pushing[-1].start()

    def send_code(self) -> None:
        self.codes.put(CODE)

    def code(self) -> str:
        """The code that the person gets; waits until it was sent."""
        return self.codes.get(timeout=PATIENCE)

    def word(self, id: str) -> str:
        """The status at the first request, at the second request, ..."""
        count = self._polls[id] = self._polls.get(id, -1) + 1
        return STATUS_WORDS[min(count, 1)]

    def _push(self, id: str) -> None:
        for word in STATUS_WORDS:
            if 200 <= post(self.report(id, word)) < 300:
                self.acknowledged.append(word)

    def __enter__(self) -> Self:
        vendor = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            wbufsize = -1  # head and body in one packet, or each answer waits for an acknowledgement

            def _answer(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length", 0))).decode()
                parts = urlsplit(self.path)
                data = json.loads(body) if self.headers["content-type"] == JSON else dict(parse_qsl(body))
                asked = Asked(self.command, parts.path, dict(parse_qsl(parts.query)), data)
                vendor.asked.append(asked)
                allowed = hmac.compare_digest(self.headers.get("authorization", ""), vendor.authorization)
                status, answer = vendor.answer(asked) if allowed else (401, {})
                written = json.dumps(answer).encode()
                self.send_response(status)
                self.send_header("content-type", JSON)
                self.send_header("content-length", str(len(written)))
                self.end_headers()
                self.wfile.write(written)

            do_GET = do_POST = _answer  # noqa: N815  # so the server wants it

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._serving = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._serving.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._serving.join()
        self._server.server_close()
        for thread in self._pushing:
            thread.join()


def post(request: httpx.Request) -> int:
    """Call the application's webhook; returns its HTTP status."""
    with httpx.Client(trust_env=False, timeout=10) as client:
        return client.send(request).status_code


def basic(name: str, password: str) -> str:
    return f"Basic {b64encode(f'{name}:{password}'.encode()).decode()}"


def now() -> datetime:
    return datetime.now(UTC)


class Twilio(Vendor):
    """https://www.twilio.com/docs/messaging/api/message-resource, https://www.twilio.com/docs/verify/api"""

    name = "twilio"
    account, service = "AC" + "1" * 32, "VA" + "3" * 32
    authorization = basic(account, SECRET)

    @property
    def environment(self) -> dict[str, str]:
        return {
            "SMSBRIDGE_TWILIO_ACCOUNT_SID": self.account,
            "SMSBRIDGE_TWILIO_AUTH_TOKEN": SECRET,
            "SMSBRIDGE_TWILIO_SENDER": "+15550000100",
            "SMSBRIDGE_TWILIO_VERIFY_SERVICE_SID": self.service,
            "SMSBRIDGE_TWILIO_CALLBACK_URL": self.webhook,
            "SMSBRIDGE_TWILIO_BASE_URL": self.url,
            "SMSBRIDGE_TWILIO_VERIFY_BASE_URL": self.url,
        }

    def answer(self, asked: Asked) -> tuple[int, Any]:
        messages = f"/2010-04-01/Accounts/{self.account}/Messages"
        verify = f"/v2/Services/{self.service}"
        if asked.path == f"{messages}.json":
            sid = f"SM{uuid.uuid4().hex}"
            self.accept(sid, asked.data)
            return 201, self._message(sid, "queued")
        if asked.path.startswith(f"{messages}/"):
            sid = asked.path.rpartition("/")[2].removesuffix(".json")
            return 200, self._message(sid, self.word(sid))
        if asked.path == f"{verify}/Verifications":
            self.send_code()
            return 201, self._verification("pending")
        assert asked.path == f"{verify}/VerificationCheck"
        return 200, self._verification("approved" if asked.data["Code"] == CODE else "pending")

    def _message(self, sid: str, word: str) -> dict[str, Any]:
        text, date = self.texts[sid], now().strftime("%a, %d %b %Y %H:%M:%S +0000")
        common = {"account_sid": self.account, "api_version": "2010-04-01", "direction": "outbound-api"}
        dates = {"date_created": date, "date_updated": date, "date_sent": None}
        nothing = dict.fromkeys(("error_code", "error_message", "price", "price_unit", "messaging_service_sid"))
        counts = {"num_media": "0", "num_segments": "1"}
        written = {"from": text["From"], "to": text["To"], "body": text["Body"]}
        return {**common, **dates, **nothing, **counts, **written, "sid": sid, "status": word}

    def _verification(self, word: str) -> dict[str, Any]:
        ids = {"sid": "VE" + "7" * 32, "service_sid": self.service, "account_sid": self.account}
        return {**ids, "channel": "sms", "status": word, "valid": word == "approved", "amount": None, "payee": None}

    def report(self, id: str, word: str, secret: str = SECRET) -> httpx.Request:
        from twilio.request_validator import RequestValidator

        text = self.texts[id]
        fields = {"AccountSid": self.account, "ApiVersion": "2010-04-01", "From": text["From"], "To": text["To"]}
        fields |= {"MessageSid": id, "SmsSid": id, "MessageStatus": word, "SmsStatus": word}
        proof = RequestValidator(secret).compute_signature(text["StatusCallback"], fields)
        return httpx.Request("POST", text["StatusCallback"], data=fields, headers={"X-Twilio-Signature": proof})


class Infobip(Vendor):
    """https://www.infobip.com/docs/api/channels/sms, https://www.infobip.com/docs/api/platform/2fa

    Reports go to the account's subscription. Infobip's SDK does not sign: HMAC over the body, as documented.
    """

    name = "infobip"
    authorization = "App dummy-key"
    WORDS: ClassVar = {
        "sent": {"groupId": 1, "groupName": "PENDING", "id": 7, "name": "PENDING_ENROUTE"},
        "delivered": {"groupId": 3, "groupName": "DELIVERED", "id": 5, "name": "DELIVERED_TO_HANDSET"},
        "failed": {"groupId": 2, "groupName": "UNDELIVERABLE", "id": 9, "name": "UNDELIVERABLE_NOT_DELIVERED"},
    }

    @property
    def environment(self) -> dict[str, str]:
        return {
            "SMSBRIDGE_INFOBIP_API_KEY": "dummy-key",
            "SMSBRIDGE_INFOBIP_BASE_URL": self.url,
            "SMSBRIDGE_INFOBIP_SENDER": "ACMEIN",
            "SMSBRIDGE_INFOBIP_APPLICATION_ID": "0933F3BC087D2A617AC6DCB2EF5B8A61",
            "SMSBRIDGE_INFOBIP_MESSAGE_ID": "16A8B5FE2BCD6CA716A2D780CB3F3390",
            "SMSBRIDGE_INFOBIP_WEBHOOK_SECRET": SECRET,
        }

    def answer(self, asked: Asked) -> tuple[int, Any]:
        if asked.path == "/sms/3/messages":
            [text] = asked.data["messages"]
            [destination] = text["destinations"]
            self.accept(destination["messageId"], destination)
            accepted = {"groupId": 1, "groupName": "PENDING", "id": 26, "name": "PENDING_ACCEPTED"}
            row = {"messageId": destination["messageId"], "destination": destination["to"], "status": accepted}
            return 200, {"bulkId": "2034072219640523072", "messages": [{**row, "details": {"messageCount": 1}}]}
        if asked.path == "/sms/3/logs":
            message_id = asked.query["messageId"]
            to = self.texts[message_id]["to"]
            row = {**self._row(message_id, self.word(message_id)), "destination": to, "sender": "ACMEIN"}
            return 200, {"results": [row]}
        pin = "9C817C6F8AF3D48F9FE553282AFA2B67"
        if asked.path == "/2fa/2/pin":
            self.send_code()
            started = {"ncStatus": "NC_DESTINATION_REACHABLE", "smsStatus": "MESSAGE_SENT"}
            return 200, {"pinId": pin, "to": asked.data["to"], **started}
        assert asked.path == f"/2fa/2/pin/{pin}/verify"
        right = asked.data["pin"] == CODE
        error = {} if right else {"pinError": "WRONG_PIN"}
        return 200, {"pinId": pin, "msisdn": "919876543210", "verified": right, "attemptsRemaining": 2, **error}

    def _row(self, id: str, word: str) -> dict[str, Any]:
        date = now().strftime("%Y-%m-%dT%H:%M:%S.000+0000")
        row = {"bulkId": "2034072219640523072", "messageId": id, "sentAt": date, "doneAt": date, "messageCount": 1}
        fine = {"groupId": 0, "groupName": "OK", "id": 0, "name": "NO_ERROR", "permanent": False}
        price = {"pricePerMessage": 0.01, "currency": "EUR"}
        return {**row, "price": price, "status": self.WORDS[word], "error": fine}

    def report(self, id: str, word: str, secret: str = SECRET) -> httpx.Request:
        row = {**self._row(id, word), "to": self.texts[id]["to"]}
        body = json.dumps({"results": [row]}).encode()
        proof = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
        headers = {"content-type": JSON, "X-Hub-Signature": f"sha256={proof}"}
        return httpx.Request("POST", self.webhook, content=body, headers=headers)


class Plivo(Vendor):
    """https://plivo.com/docs/messaging/api/messages.md, https://plivo.com/docs/programmable-api/verify/sessions.md"""

    name = "plivo"
    auth_id = "MA2025RK4E639VJFZAGV"
    session = "8e712097-8090-4644-81e7-8f4265d8354e"
    authorization = basic(auth_id, SECRET)

    @property
    def environment(self) -> dict[str, str]:
        return {
            "SMSBRIDGE_PLIVO_AUTH_ID": self.auth_id,
            "SMSBRIDGE_PLIVO_AUTH_TOKEN": SECRET,
            "SMSBRIDGE_PLIVO_SENDER": "ACMEIN",
            "SMSBRIDGE_PLIVO_CALLBACK_URL": self.webhook,
            "SMSBRIDGE_PLIVO_BASE_URL": f"{self.url}/v1/",
        }

    def answer(self, asked: Asked) -> tuple[int, Any]:
        path, api_id = asked.path.removeprefix(f"/v1/Account/{self.auth_id}/"), {"api_id": str(uuid.uuid4())}
        if path == "Message/":
            message_uuid = str(uuid.uuid4())
            self.accept(message_uuid, asked.data)
            return 202, {**api_id, "message": "message(s) queued", "message_uuid": [message_uuid]}
        if path.startswith("Message/"):
            message_uuid = path.split("/")[1]
            to = self.texts[message_uuid]["dst"]
            text = {"from_number": "ACMEIN", "to_number": to, "message_uuid": message_uuid}
            money = {"total_amount": "0.00350", "total_rate": "0.00350", "units": 1}
            more = {"error_code": "000", "message_direction": "outbound", "message_type": "sms"}
            return 200, {**api_id, **text, **money, **more, "message_state": self.word(message_uuid)}
        if path == "Verify/Session/":
            self.send_code()
            return 202, {**api_id, "message": "Session initiated", "session_uuid": self.session}
        assert path == f"Verify/Session/{self.session}/"
        if asked.data["otp"] == CODE:
            return 200, {**api_id, "message": "session validated successfully."}
        return 400, {**api_id, "error": "incorrect otp"}

    def report(self, id: str, word: str, secret: str = SECRET) -> httpx.Request:
        from plivo.utils import signature_v3

        text, nonce = self.texts[id], str(uuid.uuid4().int)
        fields = {"From": "ACMEIN", "To": text["dst"], "MessageUUID": id, "ParentMessageUUID": id, "Status": word}
        fields |= {"PartInfo": "1 of 1", "Type": "sms", "Units": "1", "TotalRate": "0.00350", "TotalAmount": "0.00350"}
        fields |= {
            "MCC": "404",
            "MNC": "10",
            "ErrorCode": "",
            "Sequence": str(("sent", "delivered", "failed").index(word)),
        }
        fields |= {"SentTime": "2026-07-13 13:04:07.799021"}
        signed = signature_v3.construct_post_url(text["url"], parse_qs(urlencode(fields), keep_blank_values=True))
        proof = signature_v3.get_signature_v3(secret, signed.decode(), nonce).decode()
        headers = {"X-Plivo-Signature-V3": proof, "X-Plivo-Signature-V3-Nonce": nonce}
        return httpx.Request(text["method"], text["url"], data=fields, headers=headers)


class Vonage(Vendor):
    """https://developer.vonage.com/en/api/sms, https://developer.vonage.com/en/api/verify.v2

    It has no status request.
    """

    name = "vonage"
    has_status = False
    key = "abcd1234"
    request_id = "c11236f4-00bf-4b89-84ba-88b25df97315"
    authorization = basic(key, "dummy-api-secret")

    @property
    def environment(self) -> dict[str, str]:
        return {
            "SMSBRIDGE_VONAGE_API_KEY": self.key,
            "SMSBRIDGE_VONAGE_API_SECRET": "dummy-api-secret",
            "SMSBRIDGE_VONAGE_SIGNATURE_SECRET": SECRET,
            "SMSBRIDGE_VONAGE_SIGNATURE_METHOD": "sha256",
            "SMSBRIDGE_VONAGE_SENDER": "ACMEIN",
            "SMSBRIDGE_VONAGE_VERIFY_BRAND": "ACME",
            "SMSBRIDGE_VONAGE_CALLBACK_URL": self.webhook,
            "SMSBRIDGE_VONAGE_BASE_URL": self.url,
            "SMSBRIDGE_VONAGE_MESSAGES_BASE_URL": self.url,
        }

    def answer(self, asked: Asked) -> tuple[int, Any]:
        if asked.path == "/sms/json":
            message_id = uuid.uuid4().hex.upper()
            self.accept(message_id, asked.data)
            row = {"to": asked.data["to"], "message-id": message_id, "status": "0", "remaining-balance": "3.14159265"}
            more = {"message-price": "0.03330000", "network": "12345", "client-ref": asked.data["client-ref"]}
            return 200, {"message-count": "1", "messages": [{**row, **more}]}
        if asked.path == "/v2/verify":
            self.send_code()
            return 202, {"request_id": self.request_id}
        assert asked.path == f"/v2/verify/{self.request_id}"
        if asked.data["code"] == CODE:
            return 200, {"request_id": self.request_id, "status": "completed"}
        problem = {"type": "https://developer.vonage.com/en/api-errors/verify-v2#invalid-code", "title": "Invalid Code"}
        return 400, problem

    def report(self, id: str, word: str, secret: str = SECRET) -> httpx.Request:
        from vonage_http_client.auth import Auth

        text, at = self.texts[id], now()
        word = {"sent": "accepted"}.get(word, word)
        fields = {"msisdn": text["to"], "to": text["from"], "network-code": "40410", "messageId": id, "status": word}
        fields |= {"price": "0.03330000", "scts": at.strftime("%y%m%d%H%M"), "err-code": "0", "api-key": self.key}
        fields |= {"client-ref": text["client-ref"], "message-timestamp": at.strftime("%Y-%m-%d %H:%M:%S")}
        fields |= {"timestamp": str(int(at.timestamp())), "nonce": str(uuid.uuid4())}
        signer = Auth(api_key=self.key, signature_secret=secret, signature_method="sha256")
        fields["sig"] = signer.sign_params(fields)
        return httpx.Request("POST", text["callback"], json=fields)


class Twincle:
    """The sandbox of the Twincle plugin, a complete vendor, which also verifies the webhook by a request."""

    name = "twincle"
    has_status = True
    reported: ClassVar = ["delivered"]

    def __init__(self, webhook: str) -> None:
        self.webhook = webhook
        self.sandbox = Sandbox(report_delay=0.05)

    @property
    def environment(self) -> dict[str, str]:
        return {**self.sandbox.environment, "SMSBRIDGE_TWINCLE_WEBHOOK_SECRET": SECRET}

    @property
    def texts(self) -> list[str]:
        return [text.id for text in self.sandbox.received]

    def code(self) -> str:
        until = time.monotonic() + PATIENCE
        while not self.sandbox.codes and time.monotonic() < until:
            time.sleep(0.01)
        [code] = self.sandbox.codes.values()
        return code

    @property
    def acknowledged(self) -> list[str]:
        return ["delivered" for push in self.sandbox.pushes if push.kind == "report" and push.acknowledged]

    @property
    def handshakes(self) -> list[int | None]:
        return [push.answer for push in self.sandbox.pushes if push.kind == "handshake"]

    def report(self, id: str, word: str, secret: str = SECRET) -> httpx.Request:
        body = {"id": id, "mobile": "919876543210", "status": {"failed": "UNDELIV", "delivered": "DELIVRD"}[word]}
        return httpx.Request("POST", self.webhook, json=body, headers={"authorization": f"Bearer {secret}"})

    def __enter__(self) -> Self:
        self.sandbox.start()
        self.sandbox.state.add_webhook(self.webhook, SECRET)  # verified before the first report
        return self

    def __exit__(self, *_: object) -> None:
        self.sandbox.stop()


VENDORS = (Infobip, Plivo, Twilio, Twincle, Vonage)
