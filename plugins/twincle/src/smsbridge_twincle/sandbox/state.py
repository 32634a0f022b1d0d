"""The state of the sandbox: texts, credits, one-time codes and webhooks. This module does no I/O."""

from __future__ import annotations

import re
import time
import uuid
from collections import defaultdict, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import Any, Literal, get_args

Epoch = Literal["E1", "E2", "E3"]

PENDING = "AWAITING-DLR"
DELIVERED = "DELIVRD"

# The documents never name the zone of their naive times. Indian product, regulatory hours in Indian time: +05:30.
ZONE = timezone(timedelta(hours=5, minutes=30))


def written(at: float) -> str:
    """Write a time as `yyyy-mm-dd hh:mm:ss` in Indian time."""
    return datetime.fromtimestamp(at, ZONE).strftime("%Y-%m-%d %H:%M:%S")


def masked(number: str) -> str:
    """Write a number so that it cannot be used: `+91******3210`"""
    digits = re.sub(r"\D", "", number)
    return f"+{digits[:2]}{'*' * (len(digits) - 6)}{digits[-4:]}" if len(digits) > 6 else "*" * len(digits)


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """The settings that say how a sandbox behaves.

    `report_delay`: seconds until a text gets its final status by itself; None: only `push_report` ends it.
    `retry_interval`: seconds between the 3 repeats of a report that was not acknowledged (documented: 30 minutes).
    `slow`: the delay in seconds of the magic number that answers late. `senders`: the approved senders; None approves
    any sender of 1 to 6 letters or digits, except `INVSND`. `shuffle`: put the rows of an answer in random order.
    `pull_limit`: how many queries of statuses are answered in a minute before 429 (documented: 1000); 0 for no limit.
    `keep`: the maximum number of texts in memory.
    """

    token: str = "sandbox-token"  # noqa: S105 - a fixed word that opens nothing
    epoch: Epoch = "E2"
    balance: int = 1000
    services: tuple[str, ...] = ("T", "P", "S", "G")
    senders: tuple[str, ...] | None = None
    report_delay: float | None = None
    retry_interval: float = 1.0
    slow: float = 30.0
    shuffle: bool = False
    pull_limit: int = 1000
    keep: int = 100_000

    def __post_init__(self) -> None:
        if not self.token:
            raise ValueError("the sandbox has no token: give it one, any word will do")
        if self.epoch not in get_args(Epoch):
            raise ValueError(f"{self.epoch!r} is no epoch of the API: choose E1, E2 or E3")


@dataclass(slots=True, kw_only=True, eq=False)
class Text:
    """A text to one number, as the sandbox remembers it.

    `arrives_at`: the time at which a phone would get it. `ends`: its final status. `due`: the time of the final status.
    `reported`: a status that `push_report` set before that time.
    """

    id: str
    mobile: str = field(repr=False)
    text: str = field(repr=False)
    sender: str
    service: str
    custom: str
    units: int
    length: int
    submitted_at: float
    arrives_at: float
    group_id: str | None = None
    refused: str = ""
    ends: str = DELIVERED
    due: float | None = None
    reported: str = ""
    reported_at: float = 0.0
    encores: tuple[str, ...] = ()
    webhook_id: str = ""
    dlr_url: str = field(default="", repr=False)
    params: Mapping[str, Any] = field(default_factory=dict, repr=False)

    def status(self, now: float) -> str:
        """Return the word that `sms/status` gives for this text now."""
        if self.refused:
            return self.refused
        if self.reported:
            return self.reported
        return self.ends if self.due is not None and now >= self.due else PENDING

    def ended_at(self, now: float) -> float | None:
        """Return the time at which the text got its final status; None if it has none yet."""
        if self.reported:
            return self.reported_at
        return self.due if self.status(now) != PENDING and self.due is not None else None


@dataclass(slots=True, kw_only=True, eq=False)
class Code:
    """A verification by a one-time code, as the sandbox remembers it."""

    id: str
    to: str = field(repr=False)
    code: str = field(repr=False)
    text: str = field(repr=False)
    sender: str
    reference: str | None
    created_at: float
    expires_at: float
    event_id: str
    state: Literal["sent", "success", "cancelled"] = "sent"
    channel_status: str | None = None


@dataclass(slots=True, kw_only=True, eq=False)
class Webhook:
    """A receiver of reports. `verified`: it answered the check of a new webhook, or this check was left out."""

    id: str
    url: str = field(repr=False)
    secret: str = field(default="", repr=False)
    verified: bool = False


class State:
    """The data that the sandbox remembers, such as texts and webhooks, and its clock."""

    def __init__(self, options: Options, clock: Callable[[], float] = time.time) -> None:
        self.options = options
        self.clock = clock
        self.skipped = 0.0
        self.texts: deque[Text] = deque()
        self.by_id: dict[str, Text] = {}
        self.by_key: defaultdict[tuple[str, str], list[Text]] = defaultdict(list)
        self.credits = dict.fromkeys(options.services, options.balance)
        self.codes: dict[str, Code] = {}
        self.webhooks: dict[str, Webhook] = {}
        self.subscribed: Webhook | None = None
        self.on_text: Callable[[Text], None] = lambda _: None
        self._pulls = (0, 0)

    def now(self) -> float:
        """Return the time in Unix seconds, including the time that `advance` skipped."""
        return self.clock() + self.skipped

    def add(self, text: Text) -> None:
        """Remember a text, and forget the oldest texts if there are more than `keep`."""
        self.texts.append(text)
        self.by_id[text.id] = text
        for key in _keys(text):
            self.by_key[key].append(text)
        while len(self.texts) > self.options.keep:
            oldest = self.texts.popleft()
            del self.by_id[oldest.id]
            for key in _keys(oldest):
                self.by_key[key].remove(oldest)
                if not self.by_key[key]:
                    del self.by_key[key]
        self.on_text(text)

    def find(self, *, id: str = "", cid: str = "", mobile: str = "", group_id: str = "", date: str = "") -> list[Text]:
        """Return the texts that match all given filters, the oldest first."""
        if id:
            found = [self.by_id[id]] if id in self.by_id else []
        else:
            key = next((k for k in (("cid", cid), ("group_id", group_id), ("mobile", mobile)) if k[1]), None)
            found = list(self.by_key.get(key, ())) if key else list(self.texts)
        return [
            text
            for text in found
            if (not cid or text.custom == cid)
            and (not mobile or text.mobile == mobile)
            and (not group_id or text.group_id == group_id)
            and (not date or written(text.submitted_at).startswith(date))
        ]

    def charge(self, service: str, units: int) -> bool:
        """Subtract the credits for a text with `units` segments from the balance of `service`.

        Returns false, and subtracts nothing, if the balance is too low.
        """
        if self.credits.get(service, 0) < units:
            return False
        self.credits[service] -= units
        return True

    def pull_allowed(self) -> bool:
        """Count a query of statuses against the limit per minute. Returns false if the limit is exceeded."""
        minute = int(self.now() // 60)
        count = self._pulls[1] + 1 if self._pulls[0] == minute else 1
        self._pulls = (minute, count)
        return not self.options.pull_limit or count <= self.options.pull_limit

    def add_webhook(self, url: str, secret: str) -> Webhook:
        """Configure a webhook. It gets the reports of every text that names no other webhook."""
        webhook = Webhook(id=str(uuid.uuid4()), url=url, secret=secret)
        self.webhooks[webhook.id] = webhook
        self.subscribed = webhook
        return webhook

    def webhook_for(self, text: Text) -> Webhook | None:
        """Return the webhook that the text names, or else the subscribed webhook; None if there is none."""
        return self.webhooks.get(text.webhook_id, self.subscribed)


def _keys(text: Text) -> list[tuple[str, str]]:
    pairs = (("cid", text.custom), ("mobile", text.mobile), ("group_id", text.group_id or ""))
    return [(name, value) for name, value in pairs if value]
