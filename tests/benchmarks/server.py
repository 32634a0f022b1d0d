"""A provider on loopback that costs as little as a Python server can: ``with loopback() as url``. It is a separate process."""

from __future__ import annotations

import asyncio
import contextlib
import json
import subprocess
import sys

ACCEPTED = b'{"id":"SM0123456789abcdef0123456789abcdef","status":"queued","to":"+919876543210","segments":1}'
TWILIO = json.dumps(
    {
        "account_sid": "AC" + "0" * 32, "api_version": "2010-04-01", "body": "hello", "date_created": None,
        "date_sent": None, "date_updated": None, "direction": "outbound-api", "error_code": None, "error_message": None,
        "from": "+15005550006", "messaging_service_sid": None, "num_media": "0", "num_segments": "1", "price": None,
        "price_unit": "USD", "sid": "SM" + "0" * 32, "status": "queued", "subresource_uris": {}, "to": "+919876543210",
        "uri": "/2010-04-01/Accounts/AC/Messages/SM.json",
    }
).encode()  # fmt: skip


def response(body: bytes, status: bytes = b"201 Created") -> bytes:
    head = b"HTTP/1.1 %b\r\nServer: loopback\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
    return head % (status, len(body)) + body


ONE = response(ACCEPTED)
VENDORS = {  # the answer to a text with the reference "benchmark"
    b"/Messages.json ": response(TWILIO),
    b"/sms/3/messages ": response(
        b'{"bulkId":"1","messages":[{"messageId":"benchmark","destination":"919876543210","status":{"groupId":1,'
        b'"groupName":"PENDING","id":26,"name":"PENDING_ACCEPTED"},"details":{"messageCount":1}}]}',
        b"200 OK",
    ),
    b"/Message/ ": response(
        b'{"api_id":"1","message":"message(s) queued","message_uuid":["0d0a1b8c-0000-4000-8000-000000000000"]}',
        b"202 Accepted",
    ),
    b"/sms/json ": response(
        b'{"message-count":"1","messages":[{"to":"919876543210","message-id":"0A0000000123ABCD1","status":"0",'
        b'"remaining-balance":"3.14","message-price":"0.0333","network":"12345","client-ref":"benchmark"}]}',
        b"200 OK",
    ),
    b"/sms/send ": response(
        b'{"status":200,"message":"1 numbers accepted for delivery.","data":[{"id":"00000000-0000-4000-8000-0:1",'
        b'"mobile":"919876543210","status":"AWAITING-DLR","units":1,"length":7,"charges":1,"customid":"benchmark"}]}',
        b"200 OK",
    ),
}


def answer(head: bytes, body: bytes) -> bytes:
    if b"/sms/send/json " in head:
        rows = [
            {"id": f"id:{index}", "custom": node["custom"], "mobile": node["to"], "status": "AWAITING-DLR", "units": 1}
            for index, node in enumerate(json.loads(body)["nodes"])
        ]
        return response(json.dumps({"status": "OK", "message": "Submitted", "data": rows}).encode(), b"200 OK")
    return next((known for path, known in VENDORS.items() if path in head), ONE)


class Provider(asyncio.Protocol):
    def __init__(self) -> None:
        self._data = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._data += data
        while (blank := self._data.find(b"\r\n\r\n")) >= 0:
            head = self._data[:blank]
            _, _, length = head.lower().partition(b"content-length:")
            end = blank + 4 + int(length.partition(b"\r\n")[0] or b"0")
            if len(self._data) < end:
                return
            body, self._data = self._data[blank + 4 : end], self._data[end:]
            self._transport.write(answer(head, body))


async def main() -> None:
    server = await asyncio.get_running_loop().create_server(Provider, "127.0.0.1", 0, backlog=1024)
    sys.stdout.write(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await asyncio.to_thread(sys.stdin.read)  # until the parent process is gone


@contextlib.contextmanager
def loopback():
    """Start the server, and yield its URL."""
    command = [sys.executable, __file__]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process.stdout.readline().strip()
        finally:
            process.stdin.close()
            process.wait(10)


if __name__ == "__main__":
    asyncio.run(main())
