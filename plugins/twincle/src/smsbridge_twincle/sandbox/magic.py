"""The magic numbers: the recipient decides what happens, so any client can try every case.

They are +91 90000 000NN. India reserves no fictional numbers: never send to them through a real account.
"""

from __future__ import annotations

import gzip
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from .answers import HTML, LOGIN_PAGE, UNAUTHENTICATED, Answer, error
from .state import DELIVERED, PENDING

PREFIX = "9190000000"
SLOW = -1.0  # a delay that stands for Options.slow
BOMB = 64 * 1024 * 1024

Whole = Callable[[Answer], Answer]
Row = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Magic:
    """The effect of sending to a magic number.

    `row`: the text is refused at once, with this word in its row, although the HTTP status is 200. `ends`: the final
    status of an accepted text. `encores`: statuses that are reported after the final status. `whole`: makes the answer
    to the whole request, from the normal answer if the request is `accepted`, or else from an empty answer. `mangle`:
    changes the row of the text in the answer, or returns None to leave the row out.
    """

    effect: str
    row: str = ""
    ends: str = DELIVERED
    never: bool = False
    encores: tuple[str, ...] = ()
    whole: Whole | None = None
    accepted: bool = True
    mangle: Callable[[Row], Row | None] | None = None


def of(number: str) -> Magic | None:
    """Return the effect of the magic number `number` (digits); None if the number is not magic."""
    return TABLE.get(number[len(PREFIX) :]) if number.startswith(PREFIX) and len(number) == len(PREFIX) + 2 else None


def _refused(word: str, why: str) -> Magic:
    return Magic(effect=f"row refused inside a 200: {word} ({why})", row=word)


def _ends(word: str, why: str) -> Magic:
    return Magic(effect=f"accepted, ends {word} ({why})", ends=word)


def _instead(effect: str, answer: Answer) -> Magic:
    return Magic(effect=f"{effect}; not accepted", whole=lambda _: answer, accepted=False)


def _after(effect: str, whole: Whole) -> Magic:
    return Magic(effect=f"{effect}; accepted", whole=whole)


def _raw(normal: Answer) -> bytes:
    return normal.payload()[0]


def _gzip(normal: Answer, padding: int = 0) -> Answer:
    squeezed = gzip.compress(_raw(normal) + b" " * padding, compresslevel=9 if padding else 6)
    return replace(normal, body=squeezed, headers={**normal.headers, "content-encoding": "gzip"})


def _with_body(normal: Answer, **changes: Any) -> Answer:
    return replace(normal, body={**normal.body, **changes} if isinstance(normal.body, dict) else normal.body)


def _strings(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _strings(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_strings(item) for item in value]
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else value


def _reversed(normal: Answer) -> Answer:
    rows = normal.body.get("data") if isinstance(normal.body, dict) else None
    return _with_body(normal, data=rows[::-1]) if isinstance(rows, list) else normal


def _first_id(row: Row) -> Row:
    return {**row, "id": str(row["id"]).partition(":")[0] + ":1"}


_BAD_GATEWAY = (
    "<html><head><title>502 Bad Gateway</title></head><body><center><h1>502 Bad Gateway</h1></center></body></html>"
)
_PROMOTIONAL = "This service only allowed between 09:00 and 21:00. Please schedule your message in these timings"

TABLE: dict[str, Magic] = {
    "01": _refused("DNDNUMB", "on the do-not-disturb register"),
    "02": _refused("NO-CREDITS", "credit exhausted"),
    "03": _refused("INV-NUMBER", "invalid destination"),
    "04": _ends("UNDELIV", "not delivered"),
    "05": _ends("EXPIRED", "timed out"),
    "06": _ends("DLT-REJECTED", "sender or template invalid at DLT"),
    "07": _ends("TIMEOUT-DLR", "no report arrived in time"),
    "08": _ends("MOON-PHASE", "a word in no list"),
    "09": _after("the connection is cut before the answer", lambda n: replace(n, cut="before")),
    "10": _after("the answer comes late (--slow)", lambda n: replace(n, delay=SLOW)),
    "11": _instead("HTTP 500 with an error body", error(500, "An error occured while processing request")),
    "12": _after("HTTP 502 with an HTML page", lambda _: Answer(status=502, body=_BAD_GATEWAY)),
    "13": _instead("HTML login page with HTTP 200", Answer(body=LOGIN_PAGE)),
    "14": _instead("HTTP 429 with Retry-After: 2", error(429, "Too Many Requests", Retry_After="2")),
    "15": _instead("HTTP 429 without Retry-After", Answer(status=429, body={"message": "Too Many Attempts."})),
    "16": _instead("HTTP 422 Template Mismatch", error(422, "Template Mismatch")),
    "17": _instead("HTTP 403", error(403, "Forbidden")),
    "18": _after("HTTP 200 with an empty body", lambda n: replace(n, body=b"")),
    "19": _after(
        "HTTP 200 that is not UTF-8", lambda n: replace(n, body=_raw(n).replace(b"numbers", b"num\xff\xfeers"))
    ),
    "20": _after("HTTP 200 with a JSON list", lambda n: replace(n, body=[n.body] if isinstance(n.body, dict) else [])),
    "21": _after("HTTP 200 with cut JSON", lambda n: replace(n, body=_raw(n)[: len(_raw(n)) // 2])),
    "22": _after("HTTP 200 compressed with gzip", _gzip),
    "23": Magic(effect="accepted, but its row is missing from the answer", mangle=lambda _: None),
    "24": Magic(effect="accepted, but its row repeats the id of the first row (put it second)", mangle=_first_id),
    "25": _refused("SERIES-BLOCK", "number series blocked"),
    "26": _instead("HTTP 422 outside of promotional hours", error(422, _PROMOTIONAL)),
    "27": _instead("HTTP 422 daily limit", error(422, "Your daily usage limit exceeded.")),
    "28": _after("HTTP 200 with every number as a string", lambda n: replace(n, body=_strings(n.body))),
    "29": _after('success spelt "OK" with code 200', lambda n: _with_body(n, status="OK", code=200)),
    "30": _instead('failure that says "OK" with code 422', error(422, "No data found.", http=200, status="OK")),
    "31": _instead("ERROR 422 in the body of an HTTP 200", error(422, "Invalid Template Match", http=200)),
    "32": _instead(
        "redirect to another host",
        Answer(status=302, body=b"", headers={"location": "http://other-host.invalid/api/v2/sms/send"}),
    ),
    "33": _after("the connection is cut in the middle of the body", lambda n: replace(n, cut="middle")),
    "34": _instead("the connection is cut before anything happened", Answer(cut="before")),
    "35": _instead("HTTP 503 with Retry-After: 5", error(503, "Service Unavailable", Retry_After="5")),
    "36": _after("HTTP 200 whose gzip inflates to 64 MB", lambda n: _gzip(n, BOMB)),
    "37": _after("HTTP 202 with the normal body", lambda n: replace(n, status=202)),
    "38": _instead("HTTP 401 although the token is right", UNAUTHENTICATED),
    "39": _after("the rows come in reverse order", _reversed),
    "40": _refused("DUPLICATE", "same content already sent"),
    "41": _refused("BLACKLST", "number blocklisted"),
    "42": _refused("INV-SENDER", "sender not allotted"),
    "43": _refused("OPTOUT-REJ", "opted out"),
    "44": Magic(effect="accepted, its report is pushed twice", encores=(DELIVERED,)),
    "45": Magic(effect="accepted, an older report is pushed after the final report", encores=(PENDING,)),
    "46": Magic(effect="accepted, no report ever comes", never=True),
    "47": Magic(effect="accepted, its row has id null", mangle=lambda row: {**row, "id": None}),
    "48": Magic(
        effect="accepted, its row writes the number with a +", mangle=lambda row: {**row, "mobile": f"+{row['mobile']}"}
    ),
    "49": _instead(
        "a redirect to the login page",
        Answer(status=302, body=LOGIN_PAGE, headers={"location": "/login", "content-type": HTML}),
    ),
}


def table() -> str:
    """Return the table of magic numbers as plain lines, for `--help`."""
    return "\n".join(f"  ..{suffix}  {magic.effect}" for suffix, magic in TABLE.items())
