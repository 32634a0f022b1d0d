"""Explain wrong settings in plain words: what to write, without patterns, and without the wrong value."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from pydantic import AfterValidator


class Complaint(ValueError):
    """Raised by a validator of smsbridge for a wrong setting. The words of the error never show the value."""


_NUMBER = "write a number"
_DATE = "write a date, such as 2027-01-31"
_WHOLE = "write a whole number"
_LIST = "write a list: words with commas between them, or JSON in [ ]"
_TIME = "write a time with its unit, such as 90s, 10m, 2h or 1d"

_BY_KIND: Mapping[str, str] = {
    "bool_parsing": "write true or false",
    "bool_type": "write true or false",
    "bytes_type": "write a text",
    "date_from_datetime_parsing": _DATE,
    "date_parsing": _DATE,
    "date_type": _DATE,
    "decimal_parsing": _NUMBER,
    "decimal_type": _NUMBER,
    "dict_type": "write a JSON object, in { }",
    "enum": "write {expected}",
    "finite_number": "write a number that is not infinite",
    "float_parsing": _NUMBER,
    "float_type": _NUMBER,
    "frozen_set_type": _LIST,
    "greater_than": "it has to be more than {gt}",
    "greater_than_equal": "it has to be {ge} or more",
    "int_from_float": _WHOLE,
    "int_parsing": _WHOLE,
    "int_parsing_size": _WHOLE,
    "int_type": _WHOLE,
    "less_than": "it has to be less than {lt}",
    "less_than_equal": "it has to be {le} or less",
    "list_type": _LIST,
    "literal_error": "write {expected}",
    "mapping_type": "write a JSON object, in { }",
    "model_type": "it has to be an object of the kind {class_name}",
    "path_type": "write the path of a file",
    "set_type": _LIST,
    "string_pattern_mismatch": "it is not written as it has to be",
    "string_too_long": "it may have at most {max_length} characters",
    "string_type": "write a text",
    "time_delta_parsing": _TIME,
    "time_delta_type": _TIME,
    "too_long": "at most {max_length} are possible",
    "tuple_type": _LIST,
}
"""Our words for pydantic's types of errors, whose own words are for programmers and show patterns."""

_PLACE = re.compile(r"\{(\w+)\}")


def plain(kind: str, words: str, context: Mapping[str, Any]) -> str:
    """Explain an error of pydantic in plain words.

    ``kind`` is pydantic's type of the error, ``words`` its message, and ``context`` the values that the message names.
    An error of an unknown type keeps pydantic's own words.
    """
    if kind in ("too_short", "string_too_short"):
        least = context["min_length"]
        return "it is empty" if least == 1 else f"{least} or more are needed"
    known = _BY_KIND.get(kind)
    if known is None:
        return words.removeprefix("Value error, ")
    return _PLACE.sub(lambda found: _shown(found[1], context[found[1]]), known)


def _shown(name: str, value: Any) -> str:
    if name == "expected":
        return str(value).replace("'", "")
    return f"{value:g}" if isinstance(value, float) else str(value)


def is_ours(kind: str, error: object) -> bool:
    """Return whether the words that :func:`plain` gives for an error never show the wrong value.

    This is true if smsbridge writes the words, or if they are a constant of the validator that raised ``error``.
    ``kind`` is pydantic's type of the error.
    """
    if kind in _BY_KIND or isinstance(error, Complaint):
        return True
    trace = error.__traceback__ if isinstance(error, Exception) and len(error.args) == 1 else None
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return trace is not None and isinstance(error, Exception) and error.args[0] in trace.tb_frame.f_code.co_consts


def matching(pattern: str, words: str) -> AfterValidator:
    """Return a pydantic validator that accepts a text only if the whole text matches ``pattern``.

    ``pattern`` is a regular expression; ``words`` are the message of the error for any other text.
    """
    compiled = re.compile(pattern, re.ASCII)

    def check(value: str) -> str:
        if not compiled.fullmatch(value):
            raise Complaint(words)
        return value

    return AfterValidator(check)
