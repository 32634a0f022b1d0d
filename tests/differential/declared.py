"""The intended differences between the two versions. Each function's name is the reason."""

from __future__ import annotations

import json


def _without_account_of_cancelled(lines):
    """``lines`` without the account in refusals of texts that were cancelled while they waited."""

    def plain(part):
        if isinstance(part, list):
            return [plain(item) for item in part]
        if not isinstance(part, dict):
            return part
        part = {name: plain(item) for name, item in part.items()}
        if (part.get("error"), part.get("reason")) == ("RefusedError", "cancelled"):
            part.update(account=None, provider=None)
        return part

    return [plain(json.loads(line)) for line in lines]


def _without_cancelled_wait(lines):
    """``lines`` in which an attempt's error stays when a later wait was cancelled."""

    def plain(part):
        match part:
            case {"attempts": [dict() as only, {"error": "RefusedError", "fault": "local", "reason": "cancelled"}]}:
                return only
            case {"attempts": [*before, last, {"error": "RefusedError", "fault": "local", "reason": "cancelled"}]}:
                return {**last, "attempts": [*before, last]}
            case list():
                return [plain(item) for item in part]
        return part

    return [plain(json.loads(line)) for line in lines]


DECLARED = {
    "a text that is cancelled while it waits is refused by a named account": lambda old, new: (
        _without_account_of_cancelled(old) == _without_account_of_cancelled(new)
    ),
    "a text that is given up before a neighbour's wait is not told that the wait was cancelled": lambda old, new: (
        _without_cancelled_wait(old) == _without_cancelled_wait(new)
    ),
}
