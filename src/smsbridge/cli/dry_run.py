"""Show what would happen to a text or to many, and send nothing: ``smsbridge send --dry-run``."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from ..messages import Message
from ..provider import vendor_of
from ..text import measure
from ..text.wording import count
from . import explain, lines, values
from .advice import exit_code
from .exits import Exit
from .fields import given_fields
from .segment_view import figures, show_segments

if TYPE_CHECKING:
    from ..messages import Foresight, Money
    from .output import Output

_NOT_DONE = "nothing was sent, no provider was asked, and no memory of policies was read"
_WORDS = {
    Exit.REFUSED: "would be refused",
    Exit.UNCERTAIN: "may have been sent before",
    Exit.UNSUPPORTED: "unsupported",
}


def dry_run(out: Output, account: str | None, to: str, text: str, given: dict[str, Any]) -> Exit:
    """Show what would happen to a text with the words ``text`` to the number ``to``. Nothing is sent.

    ``given`` are the values of the command's options for the message. Returns the exit code of the outcome.
    """
    found, provider = explain.chosen(account)
    view, message = explain.foretell(provider, Message(to=to, text=text, **given_fields(vendor_of(provider), given)))
    info = _measured(text)
    cost = _cost(view)
    if out.as_json:
        text_info = None if info is None else values.text_info(info)
        document = explain.described(out, found, view, message)
        out.json({**document, "dry_run": True, "text": text_info, "cost": values.price(cost)})
        return explain.verdict(out, view)
    explain.show(out, found, view, message)
    if info is not None:
        out.line()
        show_segments(out, info)
        out.line()
        out.rows({**figures(info), "cost": values.price_words(cost)})
    out.aside(f"dry run: {_NOT_DONE}")
    return explain.verdict(out, view)


def dry_run_many(out: Output, account: str | None, path: str, given: dict[str, Any]) -> Exit:
    """Show what would happen to each message of the file at ``path``, on a line each, and then the totals.

    Nothing is sent. ``given`` are the values of the command's options: they count for each field that a line of the
    file leaves out.
    """
    _, provider = explain.chosen(account)
    defaults = given_fields(vendor_of(provider), given)
    tally: Counter[Exit] = Counter()
    would_send = segments = 0
    with lines.opened(path) as stream:
        for index, message in enumerate(lines.messages(stream, defaults)):
            view, prepared = explain.foretell(provider, message)
            info = _measured(message.text)
            tally[Exit.OK if view.error is None else exit_code(view.error)] += 1
            if view.taker is not None:
                would_send += 1
                segments += info.segments if info is not None else 0
            _show_one(out, index, view, prepared, None if info is None else info.segments)
    total = {"would_send": would_send, "would_not": tally.total() - would_send, "segments": segments}
    if out.as_json:
        out.json({"dry_run": True, **total}, compact=True)
    else:
        out.line(f"{total['would_send']} would be sent, {total['would_not']} would not; {count(segments, 'segment')}")
        out.aside(f"dry run: {_NOT_DONE}; limits and caps count only texts that are sent")
    return next((code for code in (Exit.UNCERTAIN, Exit.REFUSED, Exit.UNSUPPORTED) if tally[code]), Exit.OK)


def _cost(view: Foresight) -> Money | None:
    """The cost from the outermost policy that knows it; None if no provider would take the text."""
    if view.taker is None:
        return None
    return view.cost or next(filter(None, map(_cost, view.inside)), None)


def _show_one(out: Output, index: int, view: Foresight, message: Message, segments: int | None) -> None:
    taker = view.taker
    if out.as_json:
        document = {
            "index": index,
            "to": out.number(message.to),
            "reference": message.reference,
            "sends": taker is not None,
            "account": taker and taker.account,
            "segments": segments,
            "error": None if view.error is None else str(view.error),
        }
        out.json(document, compact=True)
        return
    start = f"{index + 1}: {out.number(message.to)}"
    if view.error is not None:
        word = _WORDS.get(exit_code(view.error), "would not be sent")
        out.line(f"{start}  {word}: {view.error}", style="red")
    elif taker is None:
        out.line(f"{start}  would not be sent: {view.words}", style="green")
    else:
        through = values.provider_words(taker.account, taker.provider)
        out.line(f"{start}  through {through}, {count(segments or 0, 'segment')}", style="green")


def _measured(text: str) -> Any:
    """The text's figures; None if it cannot be a text, which the verdict reports already."""
    from ..errors import ContentError

    try:
        return measure(text)
    except ContentError:
        return None
