"""`POST /inbound`: a person sends a text, which the sandbox pushes to the webhook as Twincle pushes incoming texts.

Only the sandbox has it; Twincle does not.
"""

from __future__ import annotations

import re

from .answers import Answer, Refused, error, refuse
from .reading import Call
from .reports import OURS, Pusher

PATH = "inbound"
_FIELDS = ("from", "to", "text")


def is_asked(call: Call) -> bool:
    """Return whether this request asks the sandbox to act as if a phone had sent a text. It needs no token."""
    return call.path.strip("/") == PATH


async def answer(pusher: Pusher, call: Call) -> Answer:
    """Push an incoming text to the webhook, as if a phone had sent it, and return the application's answer.

    Fields of the request: `from` (the number of the phone), `text`, and `to` (the number or sender id that receives
    it).
    """
    try:
        if call.method != "POST":
            raise Refused(error(405, "Method not allowed: a text is sent with POST.", Allow="POST"))
        if "origin" in call.headers:
            raise refuse("A page in a browser may not send texts.", 403)
        webhook = pusher.state.subscribed
        if webhook is None:
            raise refuse("No webhook is set: start the sandbox with --webhook URL.", 409)
        fields = call.fields()
        if unknown := sorted(fields.keys() - set(_FIELDS)):
            raise refuse(f"A text has no field {unknown[0]!r}: there are {', '.join(_FIELDS)}.", 400)
        sender = digits(str(fields.get("from", "")))
        if sender is None:
            raise refuse("from is a phone number with country code, such as 919876543210.", 400)
        text = fields.get("text")
        if not isinstance(text, str) or not text:
            raise refuse("text is what the person wrote.", 400)
        to = str(fields.get("to") or OURS)
        push = await pusher.inbound(webhook, sender, digits(to) or to, text)
    except Refused as refused:
        return refused.answer
    return Answer(
        body={"from": f"+{sender}", "acknowledged": push.acknowledged, "answer": push.answer, "problem": push.problem}
    )


def digits(number: str) -> str | None:
    """Return the digits of a phone number with country code; None if `number` is not a phone number.

    The number may have a plus sign and spaces.
    """
    found = re.sub(r"[\s().+-]", "", number)
    return found if re.fullmatch(r"[1-9]\d{6,14}", found, re.ASCII) else None
