"""Convert phone numbers to E.164, find their country, and mask them for people to read.

This is strict on purpose: ``phonenumbers`` alone reads ``+919876543210abc`` as another subscriber's number, and drops
an extension silently. Here every digit of the input is in the output, or the number is refused. Nothing is guessed:
digits without a country code must be a mobile number of the country, and a number with a country code only needs a
valid length, because tables of numbers age and the vendor knows better which numbers can receive texts.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache, lru_cache
from typing import Any

from .errors import RecipientError

_DIGIT_RUN = re.compile(r"(?<!\d)\+?\d{8,15}(?!\d)")
_HALF_MASKED = re.compile(r"(?<!\d)\+?(\d{0,15})[*xX#•]{2,15}(\d{0,15})(?!\d)")
_SHOWN_BESIDE_A_MASK = 4
_E164 = re.compile(r"\+[1-9]\d{6,14}", re.ASCII)
_NATIONAL = re.compile(r"[1-9]\d{3,13}", re.ASCII)


def to_e164(number: str, region: str | None = None) -> str:
    """Convert ``number`` to E.164 (``+919876543210``).

    ``number`` may hold digits, ``+ - . ( )``, spaces, and characters that :mod:`smsbridge.written` calls harmless: no
    letters, no extension, no list of numbers. A number without ``+`` must be a mobile number of ``region``, a country
    in two letters of ISO 3166 (``IN``). A number with ``+`` must have a length that mobile or fixed-line numbers of its
    country have. Raises RecipientError with the reason ``empty``, ``not-a-number``, ``no-country-code``, ``too-short``,
    ``too-long`` or ``not-mobile``.
    """
    if not isinstance(number, str):
        raise RecipientError("the recipient is not a string: give a string with a phone number", reason="not-a-number")
    text = number.strip(" ")
    if _E164.fullmatch(text) and _is_mobile(text):
        return text
    if region is not None and _NATIONAL.fullmatch(text) and (e164 := _mobile_of(text, region)):
        return e164
    # Imported here, because few numbers need more than the short way.
    from .numbering import international, is_valid, national, not_a_number
    from .written import read

    written = read(text)
    e164 = international(written) if written.plus else national(written, region)
    if written.whole and is_valid(f"{'+' if written.plus else ''}{written.whole}", region):
        raise not_a_number("goes on behind a whole number: is the rest an extension, or another number?")
    return e164


# --- the short way: a pattern for each country, 1 microsecond instead of 20 and more ----------------------------------


def _is_mobile(e164: str) -> bool:
    """Return whether the number is certainly a mobile number; False leaves it to :func:`numbering.international`."""
    # The lengths of country codes; no code is the beginning of another.
    for length in (1, 2, 3):
        pattern = _mobile_pattern(e164[1 : 1 + length])
        if pattern is not None:
            return pattern.fullmatch(e164, 1 + length) is not None
    return False


@cache
def _mobile_pattern(country_code: str) -> re.Pattern[str] | None:
    import phonenumbers  # here: 25 ms that `import smsbridge` need not pay

    regions = phonenumbers.COUNTRY_CODE_TO_REGION_CODE.get(int(country_code))
    if not regions:
        return None
    metadata = phonenumbers.PhoneMetadata.metadata_for_region_or_calling_code(int(country_code), regions[0])
    mobile = metadata.mobile if metadata else None
    return re.compile((mobile.national_number_pattern if mobile else None) or "(?!)", re.ASCII)


def _mobile_of(digits: str, region: str) -> str:
    """``digits`` in E.164, if they surely are a mobile number of ``region``, with or without country code."""
    code = _code_of(region)
    pattern = _mobile_pattern(code)
    if pattern is None:
        return ""
    is_national = pattern.fullmatch(digits) is not None
    if not digits.startswith(code):
        return f"+{code}{digits}" if is_national else ""
    return f"+{digits}" if not is_national and pattern.fullmatch(digits, len(code)) else ""


@lru_cache(maxsize=512)
def _code_of(region: str) -> str:
    """The country code of a region; ``0``, which is none, where there is no such region."""
    import phonenumbers

    return str(phonenumbers.country_code_for_region(region))


# --- countries --------------------------------------------------------------------------------------------------------


def country_code(e164: str) -> str:
    """Return the country code of a number in E.164, such as ``91``; an empty string if no country has such a code."""
    import phonenumbers

    codes = (e164[1 : 1 + length] for length in (1, 2, 3))  # none is the beginning of another
    return next((code for code in codes if int(code) in phonenumbers.COUNTRY_CODE_TO_REGION_CODE), "")


def regions(e164: str) -> tuple[str, ...]:
    """Return the region of a number in E.164, in two letters of ISO 3166, such as ``("IN",)``.

    If countries share the calling code (``+1``, ``+44``) and the number does not show to which of them it belongs, all
    of these regions are returned. If no country has the code, the result is empty.
    """
    import phonenumbers

    code = country_code(e164)
    sharing: tuple[str, ...] = phonenumbers.COUNTRY_CODE_TO_REGION_CODE[int(code)] if code else ()
    region = phonenumbers.region_code_for_number(phonenumbers.parse(e164)) if len(sharing) > 1 else None
    return (region,) if region else sharing


class Countries:
    """A set of countries that can tell whether it contains a phone number in E.164: ``number in countries``.

    Each country is given as a region (``IN``, ISO 3166) or a calling code (``+91``). If regions share a calling code,
    as the United States and the Caribbean do, the number itself shows its region; a number that belongs to none of them
    is in no region. Raises ValueError for a country that does not exist.
    """

    __slots__ = ("_codes", "_regions", "_shared")

    def __init__(self, countries: Iterable[str]) -> None:
        import phonenumbers

        codes: list[str] = []
        shared: list[str] = []
        self._regions = set()
        for country in self.normalised(countries):
            if country.startswith("+"):
                codes.append(country)
                continue
            code = phonenumbers.country_code_for_region(country)
            alone = len(phonenumbers.COUNTRY_CODE_TO_REGION_CODE[code]) == 1
            (codes if alone else shared).append(f"+{code}")
            self._regions.add(country)
        # No calling code is the beginning of another.
        self._codes = tuple(codes)
        self._shared = tuple(shared)

    @staticmethod
    def normalised(countries: Iterable[str]) -> tuple[str, ...]:
        """Return ``countries`` in the form that smsbridge uses: regions in capitals, calling codes with a plus.

        Raises ValueError for a country that does not exist.
        """
        import phonenumbers

        return tuple(_country(country, phonenumbers) for country in countries)

    def __contains__(self, number: str) -> bool:
        if number.startswith(self._codes):
            return True
        return number.startswith(self._shared) and _region(number) in self._regions


def _country(given: str, phonenumbers: Any) -> str:
    text = given.strip().upper()
    if text in phonenumbers.SUPPORTED_REGIONS:
        return text
    code = text.removeprefix("+")
    if code.isascii() and code.isdigit() and int(code) in phonenumbers.COUNTRY_CODE_TO_REGION_CODE:
        return f"+{int(code)}"
    raise ValueError("write regions such as IN (ISO 3166, two letters), or calling codes such as +91")


def _region(number: str) -> str | None:
    import phonenumbers

    try:
        region: str | None = phonenumbers.region_code_for_number(phonenumbers.parse(number))
    except phonenumbers.NumberParseException:
        return None
    return region


def mask(number: str) -> str:
    """Hide the middle of a phone number for people and logs: ``+919876543210`` becomes ``+91******3210``."""
    shown = 7 if number.startswith("+") else 6
    if len(number) <= shown + 2:
        return "*" * len(number)
    return f"{number[: shown - 4]}{'*' * (len(number) - shown)}{number[-4:]}"


def mask_numbers(text: str) -> str:
    """Mask all phone numbers in ``text``.

    A run of 8 to 15 digits counts as a phone number, and so do 5 or more digits next to characters with which a vendor
    has masked the other digits.
    """
    text = _DIGIT_RUN.sub(lambda match: mask(match.group()), text)
    return _HALF_MASKED.sub(_mask_the_rest, text)


def _mask_the_rest(match: re.Match[str]) -> str:
    shows_more = max(len(digits) for digits in match.groups()) > _SHOWN_BESIDE_A_MASK
    return mask(match.group()) if shows_more else match.group()
