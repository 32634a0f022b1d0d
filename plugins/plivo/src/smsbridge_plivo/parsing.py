"""Reading Plivo's answers: success or failure, ids, numbers, times."""

from __future__ import annotations

from typing import Any

from smsbridge.errors import RecipientError, RefusedError, SendError, UncertainError
from smsbridge.http import HttpResponse
from smsbridge.reading import digits, error_of, object_or_empty, text

from . import vocabulary


def answer(response: HttpResponse, to: str = "") -> dict[str, Any]:
    """Return the JSON object in Plivo's answer to a request.

    ``to`` is the recipient's number, if the request sent a text. Raises the error that fits if the answer is not a
    success.
    """
    if not response.ok:
        raise _failure(response, digits(to))
    return response.json_object()


def message_uuid(response: HttpResponse, to: str) -> tuple[str, dict[str, Any]]:
    """Return the id of a text to ``to`` that Plivo accepted, and the whole answer.

    Raises the refusal if Plivo refused the text, and UncertainError if the answer leaves it open whether Plivo took the
    text.

    If Plivo refuses a number, the HTTP status can be a success, and the number is in ``invalid_number``
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
    """Return Plivo's words about a failure; an empty string if there are none, or if the answer is not Plivo's."""
    return _said(object_or_empty(response))


def _failure(response: HttpResponse, to: str) -> SendError:
    said = error_text(response)
    meaning = vocabulary.refusal(said, to)
    certain = isinstance(response.error(), RefusedError) and response.status not in (401, 429)
    if meaning is not None and certain:
        return error_of(response, meaning, detail=said)
    # Plivo's SDK reads a 403 for a text or a code as a geo permission error.
    if response.status == 403 and said and to:
        return response.error(RefusedError, reason="country-blocked", fault="account", detail=said)
    return response.error(detail=said or None)


def _said(data: dict[str, Any]) -> str:
    return text(data.get("error"))


def _list(value: Any) -> list[Any]:
    """A list unchanged; an empty list for None; for any other value, a list that fits no case."""
    if value is None:
        return []
    return value if isinstance(value, list) else [None]
