"""Show whether a text may reach a number now and, if not, when: the command ``smsbridge hours``."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import MAXYEAR, MINYEAR, UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import click

from smsbridge.cli.exits import Exit
from smsbridge.cli.fields import aware
from smsbridge.cli.output import Output
from smsbridge.cli.session import account_option, json_option, number_option, to_number
from smsbridge.messages import Purpose

if TYPE_CHECKING:
    from . import Hours, HoursRule
    from .policy import HoursPolicy


@click.command()
@click.argument("number", required=False)
@click.option(
    "--purpose",
    type=click.Choice([purpose.value for purpose in Purpose]),
    default=Purpose.PROMOTIONAL.value,
    help="Why the text is sent; default: promotional.",
)
@click.option("--at", callback=aware, metavar="WHEN", help="Ask for another time than now: ISO 8601 with zone.")
@account_option
@number_option
@json_option
def hours(
    *, number: str | None, purpose: str, at: datetime | None, account: str | None, show_numbers: bool, as_json: bool
) -> Exit:
    """Show whether a text sent now may reach NUMBER at the local time there and, if not, when it may.

    Sends nothing. As in sending, no text leaves in the last SMSBRIDGE_HOURS_MARGIN (60) seconds before the hours end.

    Without NUMBER, show all rules: the built-in rules and those of SMSBRIDGE_HOURS_RULES.

    \b
    Examples:
      smsbridge hours
      smsbridge hours +919876543210
      smsbridge hours +919876543210 --purpose promotional --at 2030-01-31T09:30+05:30

    Exit code: 0 a text may be sent now, 4 it may not.
    """  # noqa: D301  # click reads \b as "do not wrap"
    from . import Hours

    if at is not None and not MINYEAR < at.year < MAXYEAR:
        raise click.UsageError("--at: the time is too near to the end of the calendar: give another time")
    out = Output(as_json=as_json, show_numbers=show_numbers)
    policy = _policy(account)
    known = Hours.load(policy.rules)
    if number is None:
        _show_all(out, known)
        return Exit.OK
    number = to_number(number)
    moment = at or datetime.now(UTC)
    then = known.next(number, Purpose(purpose), moment, moment + timedelta(seconds=policy.margin))
    rules = known.of(number, Purpose(purpose), moment)
    if as_json:
        shown = {"to": out.number(number), "purpose": purpose, "at": moment, "permitted": then == moment, "next": then}
        out.json({**shown, "rules": [_rule(rule) for rule in rules]})
    else:
        _show_answer(out, f"{purpose} texts to {out.number(number)}", moment, then, rules)
    return Exit.OK if then == moment else Exit.REFUSED


def _policy(account: str | None) -> HoursPolicy:
    """Return the policy with the settings of ``account``. It stands around a stub, through which nothing is sent."""
    from smsbridge.builtin.memory import MemoryProvider
    from smsbridge.policies import stack
    from smsbridge.settings import Settings

    from .policy import HoursPolicy

    return HoursPolicy.around(MemoryProvider(), *stack.homes(account or Settings.from_env().provider, "hours"))


def _show_answer(out: Output, what: str, at: datetime, then: datetime | None, rules: list[HoursRule]) -> None:
    if then == at:
        why = "" if rules else ": no rule is for them"
        out.line(f"yes: {what} may arrive{why}", style="green")
    elif then is None:
        out.line(f"no: {what} may not arrive within a year", style="red")
    else:
        import zoneinfo

        there = zoneinfo.ZoneInfo(rules[0].zones[0])
        out.line(f"no: {what} may not arrive before {then.astimezone(there):%Y-%m-%d %H:%M %z}", style="red")
    if rules:
        _show_rules(out, rules, indent=2)


def _show_all(out: Output, known: Hours) -> None:
    """Print every rule, and for the built-in rules whether other rules may replace them."""
    if out.as_json:
        own = [{**_rule(rule), "otherwise": False} for rule in known.rules]
        out.json({"rules": [*own, *({**_rule(rule), "otherwise": True} for rule in known.otherwise)]})
        return
    own_for = {(rule.country, purpose) for rule in known.rules for purpose in rule.purposes}
    replaceable = [
        rule for rule in known.otherwise if not own_for.isdisjoint((rule.country, purpose) for purpose in rule.purposes)
    ]
    _show_rules(out, [*known.rules, *known.otherwise], replaceable=replaceable)


def _show_rules(
    out: Output, rules: Sequence[HoursRule], *, replaceable: Sequence[HoursRule] = (), indent: int = 0
) -> None:
    rows = [
        [
            rule.country,
            ", ".join(sorted(rule.purposes)),
            rule.words,
            "otherwise" if rule in replaceable else _in_force(rule),
            rule.zones[0] if len(rule.zones) == 1 else f"{rule.zones[0]} and {len(rule.zones) - 1} more",
        ]
        for rule in rules
    ]
    out.table(["country", "purpose", "hours", "in force", "zones"], rows, indent=indent)


def _in_force(rule: HoursRule) -> str:
    return f"{rule.since or ''} to {rule.until or ''}".strip() if rule.since or rule.until else "always"


def _rule(rule: HoursRule) -> dict[str, Any]:
    return {
        "country": rule.country,
        "purposes": sorted(rule.purposes),
        "hours": [span.words for span in rule.hours],
        "zones": rule.zones,
        "since": rule.since,
        "until": rule.until,
        "source": rule.source,
    }
