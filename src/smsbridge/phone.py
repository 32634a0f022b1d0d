"""Phone numbers: to E.164, and masked for people to read.

Strict on purpose: ``phonenumbers`` alone reads ``+919876543210abc`` as another subscriber's number, and drops an
extension without a word. Here every digit that goes in comes out, or the number is refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache
from typing import Any

from .errors import ConfigurationError, RecipientError

_E164 = re.compile(r"\+[1-9]\d{6,14}", re.ASCII)
_ALLOWED = re.compile(r"\+?[0-9().\- ]+", re.ASCII)
_TRUNK_ZERO = re.compile(r"\(0\)")
_DIGIT_RUN = re.compile(r"(?<![\d])\+?\d{8,15}(?!\d)", re.ASCII)
_NOT_DIGITS = re.compile(r"\D", re.ASCII)


def to_e164(number: str, region: str | None = None) -> str:
    """``number`` as E.164 (``+919876543210``).

    Digits, ``+ - . ( )`` and spaces are allowed, nothing else: no letters, no extension, no list. A number without
    ``+`` is national and needs ``region``, two letters of ISO 3166 (``IN``). Raises RecipientError with the reason
    ``empty``, ``not-a-number``, ``no-country-code``, ``too-short``, ``too-long`` or ``not-mobile``.
    """
    if not isinstance(number, str):
        raise RecipientError("the recipient is not a string", reason="not-a-number")
    text = number.strip(" ")
    if _E164.fullmatch(text) and _is_mobile(text):
        return text
    if not text:
        raise RecipientError("the recipient is empty", reason="empty")
    if not _ALLOWED.fullmatch(text):
        raise RecipientError(
            "the recipient is not one phone number (digits, + - . ( ) and spaces only)", reason="not-a-number"
        )
    if not text.startswith("+") and region is None:
        raise RecipientError(
            "the recipient has no country code (write +91..., or set SMSBRIDGE_DEFAULT_REGION)",
            reason="no-country-code",
        )
    return _parse(text, region)


def _is_mobile(e164: str) -> bool:
    """Whether the number is certainly a mobile one, in 2 microseconds instead of 30; False leaves it to :func:`_parse`."""
    for length in (1, 2, 3):  # of a country code; none is the beginning of another
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


def regions(e164: str) -> tuple[str, ...]:
    """The country of a number in E.164, in two letters of ISO 3166.

    Several, where countries share a calling code (``+1``, ``+44``) and the number does not tell which of them it is in.
    """
    import phonenumbers

    for length in (1, 2, 3):
        sharing: tuple[str, ...] = phonenumbers.COUNTRY_CODE_TO_REGION_CODE.get(int(e164[1 : 1 + length]), ())
        if sharing:
            region = phonenumbers.region_code_for_number(phonenumbers.parse(e164)) if len(sharing) > 1 else None
            return (region,) if region else sharing
    return ()


def _parse(text: str, region: str | None) -> str:
    import phonenumbers

    if region is not None and region not in phonenumbers.SUPPORTED_REGIONS:
        raise ConfigurationError("SMSBRIDGE_DEFAULT_REGION is not a region such as IN or GB (ISO 3166, two letters)")
    try:
        parsed = phonenumbers.parse(text, region, keep_raw_input=True)  # which also keeps a carrier's code
    except phonenumbers.NumberParseException as error:
        reasons = {error.TOO_SHORT_NSN: "too-short", error.TOO_SHORT_AFTER_IDD: "too-short", error.TOO_LONG: "too-long"}
        reason = reasons.get(error.error_type, "not-a-number")
        raise RecipientError("the recipient is not a phone number", reason=reason) from None
    problem = phonenumbers.is_possible_number_with_reason(parsed)
    if problem != phonenumbers.ValidationResult.IS_POSSIBLE:
        too_long = problem == phonenumbers.ValidationResult.TOO_LONG
        raise RecipientError(
            f"the recipient's number is too {'long' if too_long else 'short'} for its country",
            reason="too-long" if too_long else "too-short",
        )
    if phonenumbers.number_type(parsed) in _not_mobile(phonenumbers):
        raise RecipientError("the recipient's number is not a mobile number", reason="not-mobile")
    e164: str = phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164)
    given = _NOT_DIGITS.sub("", _TRUNK_ZERO.sub("", text))
    national = str(parsed.national_number)
    unused = text.startswith("+") or not given.endswith(national) or parsed.preferred_domestic_carrier_code
    if given != e164[1:] and unused:
        raise RecipientError("the recipient has digits that its country does not use", reason="not-a-number")
    return e164


def _not_mobile(phonenumbers: Any) -> tuple[int, ...]:
    kind = phonenumbers.PhoneNumberType
    return (kind.FIXED_LINE, kind.TOLL_FREE, kind.PREMIUM_RATE, kind.SHARED_COST, kind.PAGER, kind.UAN, kind.VOICEMAIL)


class Countries:
    """Some countries, by region (``IN``, ISO 3166) or calling code (``+91``): ``number in countries``, numbers in E.164.

    Where regions share a calling code, as the United States and the Caribbean do, the number itself tells which one it is of; one
    that belongs to none of them is in no region. Raises ValueError.
    """

    __slots__ = ("_codes", "_regions", "_shared")

    def __init__(self, countries: Iterable[str]) -> None:
        import phonenumbers

        codes: list[str] = []
        shared: list[str] = []
        self._regions = set()
        for one in self.normalised(countries):
            if one.startswith("+"):
                codes.append(one)
                continue
            code = phonenumbers.country_code_for_region(one)
            alone = len(phonenumbers.COUNTRY_CODE_TO_REGION_CODE[code]) == 1
            (codes if alone else shared).append(f"+{code}")
            self._regions.add(one)
        self._codes = tuple(codes)  # no calling code is the beginning of another
        self._shared = tuple(shared)

    @staticmethod
    def normalised(countries: Iterable[str]) -> tuple[str, ...]:
        """``countries`` as they are written: regions in capitals, calling codes with a plus."""
        import phonenumbers

        return tuple(_country(one, phonenumbers) for one in countries)

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
    """``number`` for people and logs: ``+919876543210`` becomes ``+91******3210``."""
    shown = 7 if number.startswith("+") else 6
    if len(number) <= shown + 2:
        return "*" * len(number)
    return f"{number[: shown - 4]}{'*' * (len(number) - shown)}{number[-4:]}"


def mask_numbers(text: str) -> str:
    """``text`` with everything that looks like a phone number (8 to 15 digits) masked."""
    return _DIGIT_RUN.sub(lambda match: mask(match.group()), text)
