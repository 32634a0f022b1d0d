"""Bring the reports of many lives into a store, in threads, and compare what it knows with the model."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from smsbridge.messages import DeliveryReport, Message, SentMessage, Status
from smsbridge.stores.blocking import at_once
from smsbridge.stores.digests import new_ticket
from smsbridge.stores.entries import Claim, Entry, Kind, Outcome

from .lives import Life, lives, reports

KEY = b"0123456789abcdef"
_TOGETHER = 100
_LEASE = 600.0


@dataclass(slots=True)
class Found:
    """What a run counted."""

    texts: int = 0
    events: int = 0
    told: int = 0
    send_seconds: float = 0.0
    report_seconds: float = 0.0
    problems: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        return (
            f"{self.texts} texts at {self.texts / self.send_seconds:.0f}/s, {self.events} events at "
            f"{self.events / self.report_seconds:.0f}/s, {self.told} changes told, {len(self.problems)} problems"
        )


def run(
    entries: Any,
    count: int,
    *,
    seed: int = 1,
    times: int = 3,
    threads: int = 1,
    together: int = _TOGETHER,
    progress: Callable[[int], None] = lambda _: None,
) -> Found:
    """``count`` texts and their reports, each ``times`` over and shuffled, taken in by ``threads``."""
    found = Found(texts=count)
    at_once(entries.identify(KEY))
    all_lives = list(lives(count, seed))
    early = [life for life in all_lives if life.is_early]
    claims = {}
    started = time.perf_counter()
    for part in _parts(all_lives, together):
        made = [_claim(life) for life in part]
        claims.update(zip((life.reference for life in part), made, strict=True))
        at_once(entries.claim(made))
        entries.record([_accepted(life, claim) for life, claim in zip(part, made, strict=True) if not life.is_early])
    at_once(entries.find("order-0"))
    found.send_seconds = time.perf_counter() - started
    came = [report for life in all_lives for report in reports(life)] * times
    random.Random(seed).shuffle(came)
    found.events = len(came)
    told: list[tuple[str, int]] = []
    half = len(came) // 2
    started = time.perf_counter()
    _in_threads(threads, came[:half], lambda part: take_in(entries, part, told, together, progress))
    found.report_seconds = time.perf_counter() - started
    for part in _parts(early, together):  # now `send` returns
        entries.record([_accepted(life, claims[life.reference]) for life in part])
        _tell(
            entries,
            lambda ticket, part=part: entries.fold([life.reference for life in part], ticket=ticket, lease=_LEASE),
            told,
        )
    started = time.perf_counter()
    _in_threads(threads, came[half:], lambda part: take_in(entries, part, told, together, progress))
    found.report_seconds += time.perf_counter() - started
    found.told = len(told)
    found.problems = [*compared(entries, all_lives), *told_twice(told)]
    return found


def _claim(life: Life) -> Claim:
    message = Message(to="+919876543210", text="Your order has shipped", reference=life.reference)
    return Claim.of(message, account="model", kind=Kind.TEXT, key=KEY)


def _accepted(life: Life, claim: Claim) -> Entry:
    sent = SentMessage(account=life.taker, provider="model", id=life.id, status=Status.QUEUED)
    return Entry(claim=claim, outcome=Outcome.accepted(sent))


def take_in(
    entries: Any,
    came: list[DeliveryReport],
    told: list[tuple[str, int]],
    together: int,
    progress: Callable[[int], None],
) -> None:
    for part in _parts(came, together):
        at_once(entries.note(part))
        references = {report.reference for report in part if report.reference}
        ids = {(report.account, report.id) for report in part}
        _tell(entries, lambda ticket: entries.fold(references, ids, ticket=ticket, lease=_LEASE), told)  # noqa: B023
        progress(len(part))


def _tell(entries: Any, fold: Callable[[str], Any], told: list[tuple[str, int]]) -> None:
    ticket = new_ticket()
    while untold := [change for change in at_once(fold(ticket)) if change.to_tell]:
        told += [(change.entry.claim.reference, change.rank) for change in untold]
        entries.told(untold, ticket, done=True)


def compared(entries: Any, all_lives: list[Life]) -> list[str]:
    by_reference = {life.reference: life for life in all_lives}
    problems = []
    after = 0
    while page := at_once(entries.page(after=after, limit=1000)):
        for number, entry in page:
            after = number
            life = by_reference.pop(entry.claim.reference)
            statuses, disputed = life.expected
            there = entry.standing
            if there is None or there.status not in statuses or there.disputed is not disputed:
                problems.append(f"{life.reference}: {there}, expected one of {statuses}, disputed {disputed}")
    return problems + [f"{reference}: is gone" for reference in by_reference]


def told_twice(told: list[tuple[str, int]]) -> list[str]:
    """A change that was told twice, or told after a higher one."""
    highest: dict[str, int] = {}
    problems = []
    for reference, rank in told:
        if rank <= highest.get(reference, 0):
            problems.append(f"{reference}: rank {rank} was told after {highest[reference]}")
        highest[reference] = max(rank, highest.get(reference, 0))
    return problems


def _in_threads(count: int, came: list[DeliveryReport], work: Callable[[list[DeliveryReport]], None]) -> None:
    if count == 1:
        return work(came)
    failed: list[BaseException] = []

    def guarded(part: list[DeliveryReport]) -> None:
        try:
            work(part)
        except BaseException as error:  # noqa: BLE001  # raised below
            failed.append(error)

    threads = [threading.Thread(target=guarded, args=(came[number::count],)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failed:
        raise failed[0]
    return None


def _parts(things: list[Any], size: int) -> Iterable[list[Any]]:
    return (things[start : start + size] for start in range(0, len(things), size))


def forever() -> timedelta:
    """How long entries of a run are kept."""
    return timedelta(days=36500)
