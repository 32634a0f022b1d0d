"""An application that sends a text, follows its status, receives its report, and checks a one-time code.

No provider is named here: ``SMSBRIDGE_*`` chooses it. Run this as ``python app.py NUMBER``, with the port of its
webhook in ``PORT``, and type the code that arrives, until it is right. It prints what happened, as one line of JSON.
"""

import json
import os
import secrets
import sys
import threading
import time
from contextlib import contextmanager
from wsgiref.simple_server import make_server

import smsbridge

PATIENCE = 10  # seconds


class Reports:
    """The delivery reports, in order of arrival."""

    def __init__(self):
        self.all, self.final = [], threading.Event()

    @smsbridge.hookimpl
    def smsbridge_event(self, event):
        if isinstance(event, smsbridge.DeliveryReport):
            self.all.append({"id": event.id, "reference": event.reference, "status": event.status})
            if event.final:
                self.final.set()


@contextmanager
def webhook(sms):
    """The webhook server on the loopback."""

    def answer(environ, start_response):
        try:
            response = sms.receive(smsbridge.HttpRequest.from_wsgi(environ)).response
        except smsbridge.WebhookError as error:
            start_response(f"{error.status} refused", [("content-type", "text/plain")])
            return [str(error).encode()]
        start_response(f"{response.status} received", list(response.headers.items()))
        return [response.body]

    with make_server("127.0.0.1", int(os.environ.get("PORT", "0")), answer) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield
        finally:
            server.shutdown()
            thread.join()


def poll(sms, sent):
    status, until = "unknown so far", time.monotonic() + PATIENCE
    while time.monotonic() < until:
        try:
            report = sms.status(sent)
        except smsbridge.NotFoundError:
            pass  # not there yet
        except smsbridge.QueryError as error:
            return f"not possible: {error}"
        else:
            status = report.status
            if report.final:
                break
        time.sleep(0.05)
    return status


def wait_for_reports(sms, reports):
    if smsbridge.Capability.WEBHOOKS not in sms.provider.capabilities:
        return "not possible: this provider sends none"
    reports.final.wait(PATIENCE)
    return reports.all


def check_code(sms, to):
    try:
        verification = sms.start_verification(to)
    except smsbridge.UnsupportedError as error:
        return f"not possible: {error}"
    answers = []
    while "approved" not in answers and (typed := sys.stdin.readline()):
        check = sms.check_verification(verification, typed.strip())
        answers.append("approved" if check.approved else check.reason)
    return answers


def main(to):
    reports, happened = Reports(), {}
    with smsbridge.SmsClient(plugins=smsbridge.Plugins(reports)) as sms, webhook(sms):
        try:
            sent = sms.send(to, "Your order 4711 has shipped: ₹ 499 & more", reference=f"order-{secrets.token_hex(4)}")
            happened["sent"] = {"id": sent.id, "reference": sent.reference, "status": sent.status}
            happened["polled"] = poll(sms, sent)
            happened["reports"] = wait_for_reports(sms, reports)
            happened["code"] = check_code(sms, to)
        except smsbridge.SmsBridgeError as error:
            happened["error"] = f"{type(error).__name__}: {error}"
    print(json.dumps(happened))  # noqa: T201  # its output
    return "error" in happened


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
