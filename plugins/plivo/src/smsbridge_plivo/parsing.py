"""Reading what Plivo answers: success or not, ids, numbers, times."""

from __future__ import annotations

from typing import Any

from smsbridge.errors import RecipientError, RefusedError, SendError, UncertainError
from smsbridge.http import HttpResponse
from smsbridge.reading import digits, error_of, object_or_empty, text

from . import vocabulary


def answer(response: HttpResponse, to: str = "") -> dict[str, Any]:
    """The answer's JSON object. Raises what an unsuccessful one amounts to, for a text to ``to``."""
    if not response.ok:
        raise _failure(response, digits(to))
    return response.json_object()


def message_uuid(response: HttpResponse, to: str) -> tuple[str, dict[str, Any]]:
    """The id of the one text that was asked for, and the answer. Raises if it was refused, or if the answer leaves that
    open.

    The number of a recipient that Plivo will not text stands in ``invalid_number``, inside a success
    (https://docs.plivo.com/docs/messaging/api/message/bulk-messaging).
    """
    data = answer(response, to)
    ids, invalid, said = _list(data.get("message_uuid")), _list(data.get("invalid_number")), _said(data)
    refused = digits(to) in [digits(number) for number in invalid]
    match ids:
        case [str(uuid)] if uuid.strip() and not refused and not said:
            return uuid.strip(), data
        case [] if refused:
            raise response.error(RecipientError, reason="invalid-number", detail="the number is among invalid_number")
        case []:
            meaning = vocabulary.refusal(said, digits(to))
            if meaning is not None:
                raise error_of(response, meaning, detail=said)
    raise response.error(UncertainError, detail=said or "the answer does not have exactly one id for this text")


def error_text(response: HttpResponse) -> str:
    """What Plivo says of a failure; empty where it says nothing, or where it was not Plivo who answered."""
    return _said(object_or_empty(response))


def _failure(response: HttpResponse, to: str) -> SendError:
    said = error_text(response)
    meaning = vocabulary.refusal(said, to)
    certain = isinstance(response.error(), RefusedError) and response.status not in (401, 429)
    if meaning is not None and certain:
        return error_of(response, meaning, detail=said)
    if response.status == 403 and said and to:  # to the SDK, a 403 to a text or a code is one of geo permissions
        return response.error(RefusedError, reason="country-blocked", fault="account", detail=said)
    return response.error(detail=said or None)


def _said(data: dict[str, Any]) -> str:
    return text(data.get("error"))


def _list(value: Any) -> list[Any]:
    """A list as it is; nothing for nothing; anything else as a list that no case fits."""
    if value is None:
        return []
    return value if isinstance(value, list) else [None]
