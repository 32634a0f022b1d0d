"""Count how far texts came, how long that took and what they cost: the command ``smsbridge texts stats``."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from statistics import median
from typing import Any

import click

from smsbridge.cli.exits import Exit
from smsbridge.cli.output import Output
from smsbridge.cli.session import json_option
from smsbridge.history import TextRecord
from smsbridge.stores.entries import State

from .asking import all_of, only_account_option, opened, path_option, seconds
from .records import record_of

_MOST_TIMES = 100_000
"""Times that are looked at for the median; the latest ones, so that memory stays bounded."""


@dataclass(slots=True)
class _Sums:
    """What is counted for one account."""

    texts: int = 0
    by_state: Counter[str] = field(default_factory=Counter)
    by_status: Counter[str] = field(default_factory=Counter)
    segments: int = 0
    prices: dict[str, Decimal] = field(default_factory=dict)
    seconds: list[float] = field(default_factory=list)

    def add(self, text: TextRecord) -> None:
        self.texts += 1
        self.by_state[text.state.value] += 1
        if text.state is not State.ACCEPTED:
            return
        self.by_status[text.status.value] += 1
        self.segments += text.segments or 0
        if text.price is not None:
            self.prices[text.price.unit] = self.prices.get(text.price.unit, Decimal(0)) + text.price.amount
        if text.delivered_at is not None and text.accepted_at is not None:
            self.seconds.append((text.delivered_at - text.accepted_at).total_seconds())
            del self.seconds[:-_MOST_TIMES]

    def document(self) -> dict[str, Any]:
        delivered, accepted = self.by_status["delivered"], self.by_state["accepted"]
        return {
            "texts": self.texts,
            "states": dict(sorted(self.by_state.items())),
            "statuses": dict(sorted(self.by_status.items())),
            "delivered_share": round(delivered / accepted, 4) if accepted else None,
            "seconds_to_delivery": round(median(self.seconds), 1) if self.seconds else None,
            "segments": self.segments,
            "prices": {unit: str(amount) for unit, amount in sorted(self.prices.items())},
        }


@click.command()
@click.option("--since", metavar="AGE", help="Only texts first recorded within this time, such as 2h or 7d.")
@only_account_option
@path_option
@json_option
def stats(*, since: str | None, account: str | None, path: str | None, as_json: bool) -> Exit:
    """Count texts by what became of them, for each account.

    The time to delivery is the median of the seconds between the vendor's acceptance and delivery. Prices and segments
    are the vendors' own.

    \b
    Examples:
      smsbridge texts stats --since 7d
      smsbridge texts stats --json
    """  # noqa: D301  # click reads \b as "do not wrap"
    out = Output(as_json=as_json)
    entries = opened(account, path)
    found = _counted(record_of(entry) for entry in all_of(entries, within=seconds(since), account=account))
    documents = {name: sums.document() for name, sums in sorted(found.items())}
    if as_json:
        out.json({"accounts": documents})
        return Exit.OK
    for name, document in documents.items():
        out.line(f"{name}: {document['texts']} texts", style="bold")
        out.rows(_words(document))
    if not documents:
        out.line("the ledger has no such text")
    return Exit.OK


def _counted(texts: Iterable[TextRecord]) -> dict[str, _Sums]:
    found: dict[str, _Sums] = {}
    for text in texts:
        found.setdefault(text.carried_by or text.account, _Sums()).add(text)
    return found


def _words(document: dict[str, Any]) -> dict[str, str | None]:
    share, seconds_ = document["delivered_share"], document["seconds_to_delivery"]
    return {
        "sending": ", ".join(f"{count} {state}" for state, count in document["states"].items()),
        "so far": ", ".join(f"{count} {status}" for status, count in document["statuses"].items()),
        "delivered": f"{share:.1%} of what was accepted" if share is not None else None,
        "to delivery": f"{seconds_} s (median)" if seconds_ is not None else None,
        "segments": str(document["segments"]) if document["segments"] else None,
        "price": ", ".join(f"{amount} {unit}" for unit, amount in document["prices"].items()),
    }
