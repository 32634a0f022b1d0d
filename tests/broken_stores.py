"""Stores with one mistake each, and the contract tests that catch it."""

from __future__ import annotations

from dataclasses import replace

from smsbridge.flow import Call
from smsbridge.stores.caps import Full
from smsbridge.stores.kept import MemoryEntries
from smsbridge.stores.listed import MemoryListed
from smsbridge.stores.memory import MemoryBook
from smsbridge.stores.memory_counters import MemoryCounters
from smsbridge.stores.memory_store import MemoryStore
from smsbridge.stores.opt_outs import MemoryOptOuts
from smsbridge.stores.seam import Turn
from smsbridge.testing import StoreContract


class Healthy(MemoryStore):
    """A correct store."""


def with_counters(counters):
    class Store(MemoryStore):
        def __init__(self):
            super().__init__()
            self._counters = counters()

    return Store


def with_book(book):
    class Store(MemoryStore):
        def __init__(self):
            super().__init__()
            self._entries = MemoryEntries(book())

    return Store


def with_list(known):
    class Store(MemoryStore):
        def __init__(self):
            super().__init__()
            self._opt_outs = MemoryListed(known())

    return Store


# --- counters ---------------------------------------------------------------------------------------------------------


class NeverGivesBack(MemoryCounters):
    def give_back(self, ticket, *, sent):
        super().give_back(ticket, sent=True)


class ForgetsWhatWasSent(MemoryCounters):
    def give_back(self, ticket, *, sent):
        super().give_back(ticket, sent=False)


class TakesSome(MemoryCounters):
    """Takes places of the first caps before it checks that the last cap is full."""

    def take(self, ticket, caps, lease):
        for number, cap in enumerate(caps):
            full = yield from super().take(f"{ticket}-{number}", [cap], lease)
            if full is not None:
                return full
        return None

    def give_back(self, ticket, *, sent):
        for number in range(3):
            super().give_back(f"{ticket}-{number}", sent=sent)


class PeekTakes(MemoryCounters):
    def peek(self, caps):
        return self.take(f"peeked-{id(object())}", caps, 1.0)


class ForgetsWhatIsInterrupted(MemoryCounters):
    """Takes places in a step. Ignores a place given back before that step is done."""

    def take(self, ticket, caps, lease):
        return (yield from Call(self._take, ticket, caps, lease))

    def _take(self, ticket, caps, lease):
        flow = super().take(ticket, caps, lease)
        try:
            next(flow)
        except StopIteration as end:
            return end.value


class AllAtOnce(MemoryCounters):
    def reserve(self, key, interval, count, longest):
        return super().reserve(key, 1e-9, count, longest)


class KeepsInVain(MemoryCounters):
    def reserve(self, key, interval, count, longest):
        turn = yield from super().reserve(key, interval, count, 1e9)
        return replace(turn, kept=turn.wait <= longest)


class KnowsNoPause(MemoryCounters):
    def pause(self, key, seconds):
        pass


class LateWithPauses(MemoryCounters):
    """A change becomes visible only after the next question."""

    def __init__(self):
        super().__init__()
        self.told = []

    def pause(self, key, seconds):
        self.told.append((key, seconds))

    def reserve(self, key, interval, count, longest):
        turn = yield from super().reserve(key, interval, count, longest)
        while self.told:
            super().pause(*self.told.pop())
        return turn


class OneForAll(MemoryCounters):
    """Counts all keys as one."""

    def take(self, ticket, caps, lease):
        return super().take(ticket, [replace(cap, key="") for cap in caps], lease)


class NeverFull(MemoryCounters):
    def take(self, ticket, caps, lease):
        yield from ()

    def peek(self, caps):
        yield from ()
        return Full(caps[0].kind, caps[0].rate, None)


class NeverWaits(MemoryCounters):
    def reserve(self, key, interval, count, longest):
        yield from ()
        return Turn(True, 0.0)


# --- entries ----------------------------------------------------------------------------------------------------------


class ClaimsTwice(MemoryBook):
    def claim(self, claims):
        super().claim(claims)
        return [None] * len(claims)


class TakesAnyKey(MemoryBook):
    def identify(self, key):
        return super().identify(None)


class LosesOutcomes(MemoryBook):
    def record(self, entries):
        return len(entries)


class TakesTheLastOutcome(MemoryBook):
    def record(self, entries):
        for entry in entries:
            there = self.find(entry.claim.reference)
            self._entries[entry.claim.reference] = replace(there, outcome=entry.outcome)
        return len(entries)


class RoundsPrices(MemoryBook):
    def record(self, entries):
        def rounded(entry):
            price = entry.outcome.price
            price = price and replace(price, amount=round(price.amount, 2))
            return replace(entry, outcome=replace(entry.outcome, price=price))

        return super().record([rounded(entry) for entry in entries])


class GivesWayToAnyText(MemoryBook):
    def claim(self, claims):
        there = [self.find(claim.reference) for claim in claims]
        return super().claim(
            [
                replace(claim, content=found.claim.content) if found is not None else claim
                for claim, found in zip(claims, there, strict=True)
            ]
        )


class ForgetsDoubts(MemoryBook):
    def prune(self, older_than, limit, *, account=None):
        for reference in list(self._entries)[:limit]:
            del self._entries[reference]
        return limit


# --- opt-outs ---------------------------------------------------------------------------------------------------------


class HearsEverythingTwice(MemoryOptOuts):
    def _is_new(self, recipient, event):
        return True


class TakesTheLastToCome(MemoryOptOuts):
    def _put(self, rows):
        super()._put((recipient, replace(word, at=None), event) for recipient, word, event in rows)


class KnowsNoSenders(MemoryOptOuts):
    def holds(self, senders, recipient):
        return super().holds(None, recipient)


class ConfirmsForEver(MemoryOptOuts):
    def confirm(self, senders, recipient, *, within, take=True):
        return super().confirm(senders, recipient, within=within, take=False)


class ConfirmsAnything(MemoryOptOuts):
    def confirm(self, senders, recipient, *, within, take=True):
        return take is False or (not self._confirmed and not self._confirmed.update({("", None): 1}))


CATCHES = {
    with_counters(NeverGivesBack): "test_a_text_that_was_not_sent_gives_its_place_back",
    with_counters(ForgetsWhatWasSent): "test_a_text_that_was_sent_keeps_its_place_for_the_window_and_says_how_long",
    with_counters(TakesSome): "test_all_places_are_taken_or_none",
    with_counters(PeekTakes): "test_to_peek_takes_no_place_and_says_what_is_full",
    with_counters(ForgetsWhatIsInterrupted): "test_an_interrupted_take_is_given_back_unseen[late]",
    with_counters(AllAtOnce): "test_places_are_spread_evenly",
    with_counters(KeepsInVain): "test_a_place_that_would_come_too_late_is_not_kept",
    with_counters(KnowsNoPause): "test_a_shorter_pause_does_not_end_a_longer_pause",
    with_counters(LateWithPauses): "test_a_pause_holds_for_all_that_is_asked_after_it",
    with_counters(OneForAll): "test_a_cap_lets_as_many_through_as_it_says_and_each_key_has_its_own",
    with_counters(NeverFull): "test_threads_do_not_get_more_places_than_there_are",
    with_counters(NeverWaits): "test_several_places_at_once_delay_the_next_place",
    with_book(ClaimsTwice): "test_a_reference_is_claimed_once",
    with_book(TakesAnyKey): "test_the_key_of_the_hashes_is_kept_and_another_is_refused",
    with_book(LosesOutcomes): "test_what_is_recorded_is_seen_by_the_next_question",
    with_book(TakesTheLastOutcome): "test_what_is_settled_stays_but_for_an_accepted_text",
    with_book(RoundsPrices): "test_an_entry_comes_back_as_it_was_told",
    with_book(GivesWayToAnyText): "test_what_was_refused_gives_way_to_the_same_text_and_to_no_other",
    with_book(ForgetsDoubts): "test_what_is_settled_is_pruned_and_nothing_else",
    with_list(HearsEverythingTwice): "test_the_same_event_a_second_time_changes_nothing",
    with_list(TakesTheLastToCome): "test_the_last_word_counts_whatever_comes_first",
    with_list(KnowsNoSenders): "test_an_opt_out_is_from_one_sender_or_from_all",
    with_list(ConfirmsForEver): "test_one_text_confirms_an_opt_out_that_was_texted_just_now",
    with_list(ConfirmsAnything): "test_no_text_confirms_what_was_not_texted_or_is_long_ago",
}
"""Each store with the test that it fails."""


def contract(store):
    """The contract of ``store``, without the tests that open it twice."""

    class Contract(StoreContract):
        def open(self, place):
            return store()

    return Contract
