"""Find the phone number that written digits mean, by the rules of countries in the tables of ``phonenumbers``.

Digits without a country code must be a mobile number of the country. A number written with a country code only needs a
length that numbers there have, because tables age: the vendor judges new series, and landlines and toll-free numbers
that can receive texts.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

from .errors import ConfigurationError, RecipientError
from .written import Written

_LONGEST_E164 = 15
_PREFIX_ABROAD = "00"
_NOT_DIGITS = re.compile(r"\D", re.ASCII)
_OTHER_NAMES = {"UK": "GB", "EN": "GB", "EL": "GR"}
"""Regions by names that are in use, but not in ISO 3166."""
_WITH_PLUS = "write a number of another country with + and its country code"


def international(written: Written) -> str:
    """Return a number that was written with ``+`` in E.164.

    Raises RecipientError unless the mobile or fixed-line numbers of the number's country can have this length.
    """
    import phonenumbers

    try:
        parsed = phonenumbers.parse(f"+{written.digits}")
    except phonenumbers.NumberParseException as error:
        raise _unreadable(error) from None
    metadata = _shared_tables(parsed)
    digits = f"{parsed.country_code}{phonenumbers.national_significant_number(parsed)}"
    code, trunk = str(parsed.country_code), metadata.national_prefix
    if digits != written.digits or (written.before_zero and (written.before_zero != code or trunk != "0")):
        raise not_a_number("has digits that its country does not use: leave out a zero behind the country code")
    if len(digits) > _LONGEST_E164:
        raise _of_another_length("too-long")
    if not phonenumbers.is_valid_number(parsed):
        _refuse_length(len(digits) - len(code), metadata)
    return f"+{digits}"


def _shared_tables(parsed: Any) -> Any:
    """Return the tables for a country code; if regions share it, those of the largest region."""
    import phonenumbers

    region = phonenumbers.region_code_for_country_code(parsed.country_code)
    return phonenumbers.PhoneMetadata.metadata_for_region_or_calling_code(parsed.country_code, region)


def _tables(region: str) -> Any:
    import phonenumbers

    return phonenumbers.PhoneMetadata.metadata_for_region(region)


def _refuse_length(length: int, metadata: Any) -> None:
    """Raise RecipientError unless mobile or fixed-line numbers have ``length`` digits after the country code."""
    kinds = [kind for kind in (metadata.mobile, metadata.fixed_line) if kind is not None]
    lengths = {possible for kind in kinds for possible in kind.possible_length}
    if problem := _length_problem(length, lengths or metadata.general_desc.possible_length):
        raise _of_another_length(problem)
    # A code of services, such as +800.
    if not lengths:
        raise RecipientError(
            "the recipient's number has the code of a service, such as +800, which gets no texts", reason="not-mobile"
        )


def _length_problem(length: int, lengths: Iterable[int]) -> str | None:
    possible = set(lengths)
    if length in possible:
        return None
    return "too-long" if length > max(possible) else "too-short"


def national(written: Written, region: str | None) -> str:
    """Return in E.164 a mobile number of ``region`` that was written without ``+``.

    The number may begin with a trunk prefix, or with the country code. Raises RecipientError for other digits, and
    ConfigurationError for an unknown region.
    """
    if region is None:
        raise RecipientError(
            "the recipient has no country code (write +91..., or set SMSBRIDGE_DEFAULT_REGION)",
            reason="no-country-code",
        )
    if problem := wrong_region(region):
        raise ConfigurationError(f"the region of numbers without + (SMSBRIDGE_DEFAULT_REGION) is wrong: {problem}")
    readings = set(_readings(written, region))
    if len(readings) > 1:
        raise RecipientError(
            "the recipient is a number both with and without its country code: write it with +",
            reason="no-country-code",
        )
    if not readings:
        raise _not_completed(written, region)
    return readings.pop()


def wrong_region(region: str) -> str | None:
    """Say what is wrong with ``region``, the name of a country, and what to write; None if it is correct."""
    import phonenumbers

    if region in phonenumbers.SUPPORTED_REGIONS:
        return None
    if meant := _OTHER_NAMES.get(region):
        return f"write {meant}, as {region} is called in ISO 3166"
    return "no country is called so: write the two letters of ISO 3166, such as IN or GB"


def _readings(written: Written, region: str) -> Iterator[str]:
    """Yield each mobile number of ``region`` that the digits may mean: as dialled there, and with the country code."""
    import phonenumbers

    code = str(phonenumbers.country_code_for_region(region))
    if not written.before_zero:
        parsed = _mobile_of(written.digits, region)
        if parsed is not None and _is_dialled(written.digits, parsed, region):
            yield f"+{code}{phonenumbers.national_significant_number(parsed)}"
    trunk = _tables(region).national_prefix
    if written.digits.startswith(code) and (not written.before_zero or (written.before_zero == code and trunk == "0")):
        parsed = _mobile_of(f"+{written.digits}", region)
        if parsed is not None and phonenumbers.national_significant_number(parsed) == written.digits[len(code) :]:
            yield f"+{written.digits}"


def _mobile_of(text: str, region: str) -> Any:
    """Parse ``text`` if it is a mobile number under the country code of ``region``; else return None.

    Regions that share a code, as in North America, are dialled alike, so the number may be of another such region.
    """
    import phonenumbers

    kinds = (phonenumbers.PhoneNumberType.MOBILE, phonenumbers.PhoneNumberType.FIXED_LINE_OR_MOBILE)
    try:
        parsed = phonenumbers.parse(text, region)
    except phonenumbers.NumberParseException:
        return None
    same_code = parsed.country_code == phonenumbers.country_code_for_region(region)
    # Only valid numbers have these types.
    return parsed if same_code and phonenumbers.number_type(parsed) in kinds else None


def _is_dialled(digits: str, parsed: Any, region: str) -> bool:
    """Return whether ``digits`` are the number, with or without a trunk prefix, or as its country writes it.

    Digits that choose a carrier do not count; the digits that Argentina inserts into a number do.
    """
    import phonenumbers

    metadata = _tables(region)
    trunk, parsing = metadata.national_prefix or "", metadata.national_prefix_for_parsing or ""
    national = phonenumbers.national_significant_number(parsed)
    written = phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.NATIONAL)
    dialled = _NOT_DIGITS.sub("", written)
    if digits in (national, trunk + national, dialled, dialled.removeprefix(trunk)):
        return True
    # A single digit may be an older trunk prefix, such as 8 in Lithuania.
    prefix = digits.removesuffix(national)
    return len(prefix) == 1 and re.fullmatch(parsing, prefix) is not None


def is_valid(text: str, region: str | None) -> bool:
    """Return whether ``text`` is a valid phone number of any type.

    ``region`` is the country of a number without ``+``.
    """
    import phonenumbers

    try:
        return bool(phonenumbers.is_valid_number(phonenumbers.parse(text, region)))
    except phonenumbers.NumberParseException:
        return False


# --- errors -----------------------------------------------------------------------------------------------------------


def not_a_number(words: str) -> RecipientError:
    return RecipientError(f"the recipient {words}", reason="not-a-number")


def _of_another_length(reason: str, kind: str = "its country") -> RecipientError:
    return RecipientError(f"the recipient's number is {reason.replace('-', ' ')} for {kind}", reason=reason)


def _unreadable(error: Any) -> RecipientError:
    reasons = {error.TOO_SHORT_NSN: "too-short", error.TOO_SHORT_AFTER_IDD: "too-short", error.TOO_LONG: "too-long"}
    reason = reasons.get(error.error_type)
    if reason is not None:
        return _of_another_length(reason)
    if error.error_type == error.INVALID_COUNTRY_CODE:
        return not_a_number("begins with no country code that exists: write + and the country code before the number")
    return not_a_number("is not a phone number")


def _not_completed(written: Written, region: str) -> RecipientError:
    """Return the error for digits that are no mobile number of ``region``."""
    import phonenumbers

    abroad = _tables(region).international_prefix or "(?!)"
    if written.digits.startswith(_PREFIX_ABROAD) or re.match(abroad, written.digits):
        words = "the recipient begins with a prefix for calls abroad: write + and the country code instead"
        return RecipientError(words, reason="no-country-code")
    try:
        # keep_raw_input also keeps a carrier's code.
        parsed = phonenumbers.parse(written.digits, region, keep_raw_input=True)
    except phonenumbers.NumberParseException as error:
        return _unreadable(error)
    # The tables add the area code if a country has only one.
    if len(phonenumbers.national_significant_number(parsed)) > len(written.digits):
        return _of_another_length("too-short", f"a number of {region} with its area code")
    unused = written.before_zero or parsed.preferred_domestic_carrier_code
    if unused or _mobile_of(written.digits, region) is not None:
        return not_a_number("has digits that its country does not use")
    return _no_mobile(parsed, region)


def _no_mobile(parsed: Any, region: str) -> RecipientError:
    """Return the error for a number of ``region`` that is no mobile number."""
    import phonenumbers

    length, mobile = len(phonenumbers.national_significant_number(parsed)), _tables(region).mobile
    if mobile and (problem := _length_problem(length, mobile.possible_length)):
        return _of_another_length(problem, f"a mobile number of {region}; {_WITH_PLUS}")
    words = f"the recipient's number is not a mobile number of {region}; {_WITH_PLUS}"
    return RecipientError(words, reason="not-mobile")
