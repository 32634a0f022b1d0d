"""Find quotations of a text, a number or a secret in words from outside, in any form: spaced, cut, escaped or encoded.

There are two comparisons, both in a *normal form*: only letters and digits, without case, accents, signs and spaces.
Quotations in the words themselves are replaced in their place. Quotations that appear only after decoding (HTML, JSON,
URLs, base64, hex and similar forms, also nested) have no exact place in the words: then none of the words may be shown.

A word such as *sender* or *number* is in many texts and in every vendor's errors, and is not replaced.
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
"""The most characters of the words that are checked; no more are ever kept."""

HIDDEN = "***"

_RUN = 5
"""The number of letters and digits in a row that is a quotation."""
_SHORT_RUN = 4
"""The same for only digits, which may be a code, and for scripts whose letters mean more."""

_MOST_RUNS = 20_000
"""The most decoded runs that are checked: with more, the words are not shown."""
_NATIONAL = 8
"""The number of last digits of a phone number, which vendors also quote without its country."""
_FEW = 4
"""Fewer letters than this, next to ordinary words, are no quotation."""
_PART = 8
"""Fewer letters than this are no quotation either if they are a part of a longer word."""
_FEW_WORDS = 2
"""More ordinary words than this, in the order of the text, are a quotation too."""

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
"""Ordinary words that do not count among the ordinary words."""


class Private:
    """Private data that errors and logs may not show.

    ``words`` are texts, tokens and codes; ``numbers`` are phone numbers.
    """

    def __init__(self, words: Iterable[str], numbers: Iterable[str] = ()) -> None:
        self._words = [*words]
        self._numbers = [*numbers]

    def beside(self, words: Iterable[str]) -> Private:
        """Return a new Private with the data of this object and also these ``words``."""
        return Private([*self._words, *words], self._numbers)

    @cached_property
    def words(self) -> list[str]:
        """The texts, tokens and codes exactly as they are written, the shortest first."""
        return sorted((word for word in self._words if len(word) >= _SHORT_RUN), key=len)

    @cached_property
    def numbers(self) -> list[str]:
        """The phone numbers in three usual forms: whole, without the plus, and only the last eight digits."""
        forms = [form for number in self._numbers for form in (number, number[1:], number[-_NATIONAL:])]
        return [form for form in forms if len(form) >= _SHORT_RUN]

    @cached_property
    def runs(self) -> frozenset[str]:
        """All short sequences of letters and digits in the data, in normal form.

        Words that contain them quote the data.

        The last four digits of a phone number are not among them, since they may be shown.
        """
        # Imported here, since it is needed only for words from outside.
        from .decoding import mirrored

        words = [form for word in self._words for form in (word, *mirrored(word))]
        numbers = [form for number in self._numbers for form in (number, *mirrored(number))]
        runs = {run for word in words for _, run in _runs(_normal(word))}
        return frozenset(runs.union(run for number in numbers for _, run in _runs(_normal(number), _RUN)))


def without_whole(words: str, private: Private) -> str:
    """Replace the ``private`` data that stands in ``words`` exactly as it is.

    Only the first 2000 characters of ``words`` are checked and returned.
    """
    return _without(words[:LONGEST], [*private.words, *private.numbers])


def without(words: str, private: Private) -> str | None:
    """Replace all quotations of ``private`` data in ``words``, even if they are spaced, cut or escaped.

    Return the new words.

    None if a quotation appears only after decoding, so that it has no exact place. Only the first 2000 characters are
    checked and returned.
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
    """Words from outside, prepared for the search for quotations.

    ``normal`` is their normal form, ``places`` the place of each of its letters in ``words``, and ``decoded`` what
    appears only after decoding.
    """

    words: str
    normal: str
    places: list[int]
    ordinary: list[int]
    """For each letter of the normal form the number of its ordinary word; 0 for a small word, -1 for other words."""
    plain: frozenset[str]
    """Runs of the normal form."""
    decoded: frozenset[str] | None
    """Other runs, which only decoding shows; None if there are too many to check."""

    def places_of(self, quoted: Collection[str]) -> Iterator[tuple[int, int]]:
        """Yield the places in the words where runs of ``quoted`` stand, unless these are ordinary words.

        Each place is the position of the first letter and the position after the last letter.
        """
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
        """Return whether this is only the start or end of a longer word, as *violation* ends like *verification*."""
        first, behind = self.places[start], self.places[end - 1] + 1
        beside = self.words[max(first - 1, 0) : first] + self.words[behind : behind + 1]
        return end - start < _PART and self.words[first:behind].isalpha() and any(map(str.isalpha, beside))


@lru_cache(maxsize=8)
def _said(words: str) -> _Said:
    """Analyse words. Cached, because all texts of a batch are refused with the same words."""
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
    """Yield the place and text of every run in ``normal`` that may be a quotation; ``digits``: length for digits."""
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
    """Return a character in normal form: one or two letters, a digit, or nothing."""
    plain = unicodedata.normalize("NFKD", character).casefold()
    return "".join(str(unicodedata.digit(letter, letter)) for letter in plain if letter.isalnum())


def _cover(words: str, places: Iterable[tuple[int, int]]) -> str:
    """Return ``words`` with the sign ``HIDDEN`` at ``places``."""
    shown, end = "", 0
    for start, stop in sorted(places):
        if stop > end:
            shown += "" if start < end else words[end:start] + HIDDEN
            end = stop
    return shown + words[end:]
