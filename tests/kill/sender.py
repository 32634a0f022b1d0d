"""What is killed: a process that sends one text per reference, one by one or many at once, and says what it was told."""

from __future__ import annotations

import sys
import time

from smsbridge import Message, SmsClient
from smsbridge.errors import SendError, UncertainError


def said(reference, outcome):
    sys.stdout.write(f"{reference} {outcome}\n")
    sys.stdout.flush()


def outcome_of(error):
    return "accepted" if error is None else "uncertain" if isinstance(error, UncertainError) else "refused"


def main(how, *references):
    messages = [
        Message(to=f"+9198765{number:05}", text=f"Order {one}", reference=one) for number, one in enumerate(references)
    ]
    with SmsClient("twincle") as sms:
        said("ready", f"{time.monotonic():.6f}")
        if how == "many":
            for result in sms.send_many(messages):
                said(result.message.reference, outcome_of(result.error))
            return
        for one in messages:
            try:
                sms.send(one)
            except SendError as error:
                said(one.reference, outcome_of(error))
            else:
                said(one.reference, "accepted")


if __name__ == "__main__":
    main(*sys.argv[1:])
