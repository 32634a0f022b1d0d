"""Ask vendors about texts whose delivery reports are late: the command ``smsbridge texts poll``."""

from __future__ import annotations

import time
from collections import Counter
from datetime import timedelta
from typing import TYPE_CHECKING

import click

from smsbridge.cli.exits import Exit
from smsbridge.cli.output import Output
from smsbridge.cli.session import account_option, json_option, open_client
from smsbridge.history import TextRecord
from smsbridge.stores.entries import State

from .asking import seconds

if TYPE_CHECKING:
    from smsbridge.client import SmsClient

_MOST_FAILURES = 10
"""Questions in a row that may fail before no more are asked."""


@click.command()
@click.option(
    "--after", metavar="AGE", default="10m", show_default=True, help="Only texts that were begun longer ago than this."
)
@click.option("--most", metavar="COUNT", type=click.IntRange(min=1), help="Ask about so many texts at most.")
@click.option(
    "--rate",
    metavar="COUNT",
    type=click.FloatRange(min=0.01, max=1000),
    default=5.0,
    show_default=True,
    help="Questions in a second at most.",
)
@account_option
@json_option
def poll(*, after: str, most: int | None, rate: float, account: str | None, as_json: bool) -> Exit:
    """Ask the vendor about each accepted text that is not final yet, the oldest first.

    The answer is kept like a delivery report, and hooks of plugins are told of changes. Run this command from cron
    where reports may be lost. Texts in doubt are not asked about: smsbridge texts settle does that.

    \b
    Examples:
      smsbridge texts poll
      smsbridge texts poll --after 1h --most 500 --json

    Exit code: 0 all were asked about, 6 the provider cannot be asked for a status, 7 a question failed.
    """  # noqa: D301  # click reads \b as "do not wrap"
    out = Output(as_json=as_json)
    age = seconds(after) or 0.0
    counts: Counter[str] = Counter()
    with open_client(account, out) as client:
        texts = client.texts(state=State.ACCEPTED, final=False, until=timedelta(seconds=age))
        failures = 0
        for text in texts:
            if text.is_code or (most is not None and counts["asked"] >= most):
                continue
            started = time.monotonic()
            word = _ask(client, text)
            counts.update(["asked", word])
            failures = failures + 1 if word == "failed" else 0
            out.progress(f"{counts['asked']} asked, {counts['changed']} came further")
            if failures == _MOST_FAILURES or word == "unsupported":
                break
            time.sleep(max(0.0, 1 / rate - (time.monotonic() - started)))
    return _ended(out, counts)


def _ask(client: SmsClient, text: TextRecord) -> str:
    """Ask about one text, and say in a word what came of that."""
    from smsbridge.errors import NotFoundError, QueryError
    from smsbridge.messages import SentMessage

    sent = SentMessage(
        account=text.carried_by, provider=text.provider, id=text.id, to=text.to, reference=text.reference
    )
    try:
        report = client.status(sent)
    except NotFoundError:
        return "unknown"
    except QueryError as error:
        return "unsupported" if error.reason == "unsupported" else "failed"
    return "unchanged" if (report.status, report.final) == (text.status, text.final) else "changed"


def _ended(out: Output, counts: Counter[str]) -> Exit:
    words = ("asked", "changed", "unchanged", "unknown", "unsupported", "failed")
    if out.as_json:
        out.json({word: counts[word] for word in words})
    elif not counts:
        out.line("no text is waiting for a report")
    else:
        shown = f"{counts['asked']} asked: {counts['changed']} came further, {counts['unchanged']} as before"
        more = {"unknown": "not known to the vendor", "failed": "could not be asked about"}
        extra = "".join(f", {counts[word]} {said}" for word, said in more.items() if counts[word])
        out.line(shown + extra, style="yellow" if counts["failed"] else "green")
    if counts["unsupported"]:
        out.aside("the provider cannot be asked for the status of a text: it only sends reports")
        return Exit.UNSUPPORTED
    return Exit.QUERY_FAILED if counts["failed"] else Exit.OK
