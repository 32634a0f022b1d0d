"""The process that is killed: it sends a text per reference, singly or in a batch, and reports each outcome."""

from __future__ import annotations

import os

from smsbridge import Message, SmsClient
from smsbridge.errors import SendError, UncertainError


def outcome_of(error):
    return "accepted" if error is None else "uncertain" if isinstance(error, UncertainError) else "refused"


def send_all(environment, how, references, said):
    """Send a text for each of ``references``; ``said`` is a connection to the watching process."""
    for name in [name for name in os.environ if name.startswith("SMSBRIDGE_")]:
        del os.environ[name]
    os.environ.update(environment)
    messages = [
        Message(to=f"+9198765{number:05}", text=f"Order {reference}", reference=reference)
        for number, reference in enumerate(references)
    ]
    with SmsClient("twincle") as sms:
        said.send(("ready", ""))
        if how == "many":
            for result in sms.send_many(messages):
                said.send((result.message.reference, outcome_of(result.error)))
            return
        for message in messages:
            try:
                sms.send(message)
            except SendError as error:
                said.send((message.reference, outcome_of(error)))
            else:
                said.send((message.reference, "accepted"))
