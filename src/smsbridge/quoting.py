"""Whether words of others quote a text, a number or a secret, in whatever form: spaced, cut, escaped or encoded.

Two comparisons, both in a *normal form* of letters and digits alone, without case, accents, signs and spaces. What the
words quote as they stand is replaced in its place. What they quote only once they are decoded (HTML, JSON, URLs,
base64, hex and the like, also one inside another) has no place that could be told from its neighbours: then nothing of
them is to be shown.

A word such as *sender* or *number* is in many texts and in every vendor's errors, and stays.
"""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_right
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache

from .forks import cached_property

LONGEST = 2000
"""Characters of the words that are looked at; there are never more in what is kept of them."""

HIDDEN = "***"

_RUN = 5
"""Letters and digits in a row that are a quotation."""
_SHORT_RUN = 4
"""The same of digits alone, which may be a code, and of scripts whose letters say more."""

_MOST_RUNS = 20_000
"""More runs than this, once decoded, are too many to be looked through: then the words are in doubt."""
_NATIONAL = 8
"""The last digits of a number, which vendors quote without its country too."""
_FEW = 4
"""Fewer letters than these, beside ordinary words, say nothing."""
_PART = 8
"""Fewer letters than these say nothing either where they are a part of a longer word."""
_FEW_WORDS = 2
"""More ordinary words than these, in the order of the text, are a quotation too."""

_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+|[^\W\d_]+")
_ORDINARY = """
    about above account accounts across active address after again against allowed alphanumeric already also
    amount another answer answered application approved around asked asks attempt attempts authenticate
    authenticated authentication authorised authorization authorized available back balance based because been
    before being best blacklisted blocked body both brand call called cannot carrier case cases certificate
    change changed channel character characters check close code codes common company complete compliance
    concatenated configured connection consent contact contain contains content correct could country
    credentials credit current currently customer daily data date days deactivated default deliver delivered
    delivery denied destination detail details device dialing different digits direct disabled does down
    duplicate during each either else empty enable enabled encoding enough entity error errors even every exact
    example exceed exceeded exceeds exist exists expired expires expiry fact failed failure field filter
    filtered final find first follow following forbidden format formatted found free from full funds further
    gateway general geographic give given group half handset happen have header help here high hold home hour
    hours however http https illegal inactive inbound include includes incomplete incorrect information instead
    insufficient internal into invalid invalidate issue issues itself json just keep keyword kind know known
    landline large last late later leads least left length less level like limit line link list locale locked
    login long longer look lookup made mail main make makes malformed many match matches maximum mean means meet
    message messages messaging method might minimum minute minutes mismatch missing mobile mode month more most
    much multiple must name names near need needed needs neither network never next none note nothing notice
    number numbers office often once only open operator operators opted option optional order originator other
    others outbound over page parameter parameters part partner password past pattern payload pending period
    permission permissions permitted phone place plan platform please plus point policy possible prefix prepaid
    present prevent price principal problem process processed product profile program project promotional
    protocol provide provided provider public question queue queued quick quota range rate reach reached real
    reason received recent recipient recipients record records reference refused region registered regulation
    reject rejected related remain report reports request requested requests required reserved resource response
    rest restricted result retry right roaming route routes rule rules said same sandbox schedule scheduled
    schema second seconds select send sender senders sending sent separate series server service services
    session several shall shared short should show sign signature signed similar simple since single site size
    small some soon source spam special specific spelling start started state status stay still stop store
    subject submitted subscriber success successful successfully such support supported sure suspended syntax
    system table take taken tell template templates temporarily temporary term terminated terms test text texts
    than that their then there these they think this those three throttled through time timed timeout today
    together token toll total traffic transaction transactional trial trying turn type unable unallocated
    unauthorized unavailable undeliverable undelivered under unexpected unicode unit units unknown unreachable
    unregistered unsubscribed unsupported until unverified updated upgrade upon uppercase usage used user
    username users using usual valid validation validity value variable verification verified verify version
    very violation wait wants webhook week well went were what when where whether which while whitelist
    whitelisted whole will window with within without word words work would wrong year your zero
"""
_ORDINARY_WORDS = frozenset(_ORDINARY.split())
_SMALL = """
    a an and any api are as at be but by can dlt do for get has id in is it its may new no not of on or our out sms so
    the to too try uri url was we you
"""
_SMALL_WORDS = frozenset(_SMALL.split())
"""Ordinary words that add nothing to others."""


class Private:
    """What is not to be shown: texts, tokens and codes as ``words``, and phone numbers."""

    def __init__(self, words: Iterable[str], numbers: Iterable[str] = ()) -> None:
        self._words = [*words]
        self._numbers = [*numbers]

    def beside(self, words: Iterable[str]) -> Private:
        """The same, and these words."""
        return Private([*self._words, *words], self._numbers)

    @cached_property
    def words(self) -> list[str]:
        """The texts, tokens and codes as they are written, the shortest first."""
        return sorted((word for word in self._words if len(word) >= _SHORT_RUN), key=len)

    @cached_property
    def numbers(self) -> list[str]:
        """The numbers as they are written: with country and plus, without plus, and in the country."""
        forms = [form for number in self._numbers for form in (number, number[1:], number[-_NATIONAL:])]
        return [form for form in forms if len(form) >= _SHORT_RUN]

    @cached_property
    def runs(self) -> frozenset[str]:
        """What a quotation of it has in its normal form. Of a number, the last four digits are shown on purpose."""
        from .decoding import mirrored  # only where somebody's words are to be shown

        words = [form for word in self._words for form in (word, *mirrored(word))]
        numbers = [form for number in self._numbers for form in (number, *mirrored(number))]
        runs = {run for word in words for _, run in _runs(_normal(word))}
        return frozenset(runs.union(run for number in numbers for _, run in _runs(_normal(number), _RUN)))


def without_whole(words: str, private: Private) -> str:
    """``words`` without what is private, where that stands in them as it is written."""
    return _without(words[:LONGEST], [*private.words, *private.numbers])


def without(words: str, private: Private) -> str | None:
    """``words`` without what they quote; None where they quote it in a form that has no place.

    No more than the first LONGEST characters, however many there are.
    """
    words = _without(words[:LONGEST], private.words[: bisect_right(private.words, len(words), key=len)])
    said = _said(words)
    if said.decoded is None or not said.decoded.isdisjoint(private.runs):
        return None
    quoted = said.plain & private.runs
    return _cover(words, said.places_of(quoted)) if quoted else words


def _without(words: str, written: list[str]) -> str:
    for word in reversed(written):
        words = words.replace(word, HIDDEN)
    return words


@dataclass(frozen=True, slots=True)
class _Said:
    """Words of others: their normal form, where each letter of it stands in them, and what they hold when decoded."""

    words: str
    normal: str
    places: list[int]
    ordinary: list[int]
    """For each letter of the normal form the number of its ordinary word; 0 for a small one, -1 for none."""
    plain: frozenset[str]
    """Runs of the normal form."""
    decoded: frozenset[str] | None
    """Other runs, which only decoding shows; None if there are too many to look at."""

    def places_of(self, quoted: Collection[str]) -> Iterator[tuple[int, int]]:
        """Where these runs stand in the words, from the first letter to behind the last, unless they are ordinary."""
        start = end = 0
        for at, run in _runs(self.normal):
            if run not in quoted:
                continue
            if at > end:
                yield from self._place(start, end)
                start = at
            end = max(end, at + len(run))
        yield from self._place(start, end)

    def _place(self, start: int, end: int) -> Iterator[tuple[int, int]]:
        words = self.ordinary[start:end]
        by_chance = words.count(-1) < _FEW and len({*words} - {0, -1}) <= _FEW_WORDS
        if words and not (by_chance or self._is_part_of_a_word(start, end)):
            yield self.places[start], self.places[end - 1] + 1

    def _is_part_of_a_word(self, start: int, end: int) -> bool:
        """Whether it is but what a longer word begins or ends with, as *violation* does like *verification*."""
        first, behind = self.places[start], self.places[end - 1] + 1
        beside = self.words[max(first - 1, 0) : first] + self.words[behind : behind + 1]
        return end - start < _PART and self.words[first:behind].isalpha() and any(map(str.isalpha, beside))


@lru_cache(maxsize=8)
def _said(words: str) -> _Said:
    """Kept for a moment, because all texts of a batch are refused in the same words."""
    from .decoding import views

    belongs = [-1] * len(words)
    for number, found in enumerate(_WORD.finditer(words), 1):
        word = found.group().lower()
        if word in _ORDINARY_WORDS or word in _SMALL_WORDS:
            belongs[found.start() : found.end()] = [0 if word in _SMALL_WORDS else number] * len(word)
    places = [place for place, character in enumerate(words) for _ in _letters(character)]
    normal = _normal(words)
    plain = frozenset(run for _, run in _runs(normal))
    others = views(words)
    decoded = None if others is None else {run for view in others for _, run in _runs(_normal(view))} - plain
    return _Said(
        words=words,
        normal=normal,
        places=places,
        ordinary=[belongs[place] for place in places],
        plain=plain,
        decoded=None if decoded is None or len(decoded) > _MOST_RUNS else frozenset(decoded),
    )


def _runs(normal: str, digits: int = _SHORT_RUN) -> Iterator[tuple[int, str]]:
    """Everything in ``normal`` that is long enough to be a quotation, and where; so many ``digits`` are."""
    for at in range(len(normal) - _SHORT_RUN + 1):
        short = normal[at : at + _SHORT_RUN]
        if (short.isdigit() and digits <= _SHORT_RUN) or not any(map(str.isascii, short)):
            yield at, short
        if at + _RUN <= len(normal):
            yield at, normal[at : at + _RUN]


def _normal(words: str) -> str:
    return "".join(map(_letters, words))


@lru_cache(maxsize=4096)
def _letters(character: str) -> str:
    """A character in normal form: a letter or two, a digit, or nothing."""
    plain = unicodedata.normalize("NFKD", character).casefold()
    return "".join(str(unicodedata.digit(one, one)) for one in plain if one.isalnum())


def _cover(words: str, places: Iterable[tuple[int, int]]) -> str:
    """``words`` with a sign for what stands at ``places``."""
    shown, end = "", 0
    for start, stop in sorted(places):
        if stop > end:
            shown += "" if start < end else words[end:start] + HIDDEN
            end = stop
    return shown + words[end:]
