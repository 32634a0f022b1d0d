"""No secret, text, code or full number in anything that is logged, raised, warned of or shown."""

from __future__ import annotations

import base64
import copy
import html
import inspect
import json
import logging
import pickle
import re
import traceback
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, fields, is_dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote

from pydantic import SecretStr

import smsbridge
from smsbridge.errors import NoAnswer, NotConnected, SendError, SmsBridgeError
from smsbridge.http import HttpRequest, HttpResponse
from smsbridge.messages import Result
from smsbridge.provider import Capability
from smsbridge.testing.wire import FakeWire, Reply

from .kit import BY_NAME, CODE, Kit, Operation, needs, plugins
from .mutations import every_string
from .refusals import BODIES, answer

SHORTEST_SECRET = 4
SHORTEST_QUOTED = 11
"""A shorter word, in another form, may be a part of something else."""
LONGEST_LINE = 5000
CORE = Path(smsbridge.__file__).parent


@dataclass(slots=True)
class Seen:
    """Everything that an operation showed, by where it was seen."""

    places: list[tuple[str, str]] = field(default_factory=list)
    requests: list[HttpRequest] = field(default_factory=list)
    lines: list[tuple[str, str]] = field(default_factory=list)
    """What has to be one line: each log record, and each error as text."""

    def add(self, place: str, text: object) -> None:
        self.places.append((place, str(text)))


class Secrecy(Kit):
    """Runs everything, the failures too, with logging at DEBUG, and greps what came out."""

    def test_the_provider_shows_no_secret(self) -> None:
        seen = Seen()
        provider = self.make()
        seen.add("repr(provider)", repr(provider))
        seen.add("str(provider)", str(provider))
        seen.add("provider.model_dump()", provider.model_dump())
        seen.add("provider.model_dump_json()", provider.model_dump_json())
        self._grep(seen)

    def test_nothing_shows_a_secret_when_all_goes_well(self, operation: Operation) -> None:
        with self._watched() as seen:
            self._do(operation, self._good(operation), seen)
        self._grep(seen)

    @needs("http")
    def test_no_failure_shows_a_secret(self, answered: Operation) -> None:
        replies: list[Reply] = [NotConnected("no route"), NoAnswer("no answer in time")]
        replies += [answer(status, body) for status in (200, 400, 401, 429, 500, 503) for body in BODIES.values()]
        good = answered.answer(self)
        replies += [replace(good, complete=False), replace(good, body=good.body[:-1])]
        if answered.name == "send":
            replies += [sample.answer for sample in self.refusals.values()]
        with self._watched() as seen:
            for reply in replies:
                self._do(answered, reply, seen)
        self._grep(seen)

    @needs("http")
    def test_an_answer_that_quotes_what_we_sent_is_not_passed_on(self, answered: Operation) -> None:
        """Vendors put tokens, texts and numbers into their error messages, in JSON and in HTML."""
        with self._watched() as seen:
            for reply in self._quoting(answered):
                self._do(answered, reply, seen)
        self._grep(seen)

    @needs("http")
    def test_an_answer_that_quotes_in_another_form_is_not_passed_on(self, answered: Operation) -> None:
        """Vendors also escape and encode what they quote, cut it short, or write it in capitals."""
        for form in _FORMS:
            with self._watched() as seen:
                for status in (200, 400, 500):
                    self._do(answered, partial(self._quote, status, _in_form(form)), seen)
            self._grep(seen, form)

    @needs("http")
    def test_no_answer_forges_a_line_or_commands_a_terminal(self, answered: Operation) -> None:
        """Codes and reasons of vendors end up in logs, which other programs and people's terminals read."""
        good = answered.answer(self)
        replies = [good, *(sample.answer for sample in self.refusals.values() if answered.name == "send")]
        with self._watched() as seen:
            for reply in replies:
                self._do(answered, _hostile(reply), seen)
                self._do(answered, replace(_hostile(reply), status=400), seen)
        for place, text in seen.lines:
            shown = ascii(text[:200])
            assert text.isprintable(), f"{place} has a line end or a control character of the vendor's in it: {shown}"
            assert len(text) <= LONGEST_LINE, f"{place} has {len(text)} characters, most of them the vendor's: {shown}"

    @needs("http")
    def test_a_refusal_reads_the_same_whatever_the_text(self, refusal: str | None) -> None:
        """A vendor's words are for people, and only what they quote is taken out of them."""
        answer = self.picked(self.refusals, refusal, "refusals", "`accepts`, an answer that says yes,").answer
        send = BY_NAME["send"]
        words = {str(self.attempt(send, replace(self.message(), text=text), answer).error) for text in _ORDINARY_TEXTS}
        assert len(words) == 1, f"the refusal {refusal!r} is told in different words: {words}"

    @needs(Capability.WEBHOOKS)
    def test_a_refused_webhook_shows_no_secret(self, webhook: str | None) -> None:
        sample = self.picked(self.webhooks, webhook, "webhooks", "webhooks (it has `parse`)")
        secret = getattr(self.make(), self.webhook_secret)
        genuine = self.sign(sample.request, secret.get_secret_value() if isinstance(secret, SecretStr) else secret)
        forged = [sample.request, replace(genuine, body=genuine.body + b" "), replace(genuine, body=b"null")]
        with self._watched() as seen:
            for request in forged:
                client = FakeWire().client(self.make(), plugins=plugins())
                try:
                    client.receive(request)
                except Exception as error:  # noqa: BLE001  # whatever it is, it must show nothing
                    self._add_error(error, seen)
        self._grep(seen)

    # --- inside -------------------------------------------------------------------------------------------------------

    def _do(self, operation: Operation, reply: Reply | None, seen: Seen) -> None:
        wire = self.wire(reply)
        client = wire.client(self.make(), plugins=plugins())
        seen.add("repr(client)", repr(client))
        try:
            value = operation.call(self, client)
        except Exception as error:  # noqa: BLE001  # whatever it is, it must show nothing
            self._add_error(error, seen)
        else:
            for one in _flat(value):
                seen.add(f"repr of {type(one).__name__}", repr(one))
                seen.add(f"str of {type(one).__name__}", str(one))
                if isinstance(one, SmsBridgeError):
                    self._add_error(one, seen)
        for request in wire.requests:
            seen.add("repr of HttpRequest", repr(request))
        seen.requests += wire.requests
        client.close()

    def _quoting(self, operation: Operation) -> Iterator[Reply]:
        """Answers that quote what the very request that they answer has told the vendor."""
        for status in (200, 202, 400, 401, 403, 404, 422, 429, 500, 503):
            for shape in _SHAPES:
                yield partial(self._quote, status, shape)
        for sample in self.refusals.values() if operation.sends else ():
            yield partial(self._quote_longer, sample.answer)

    def _quote(self, status: int, shape: Callable[[str], bytes], request: HttpRequest) -> HttpResponse:
        return answer(status, shape(self._quoted(request)))

    def _quote_longer(self, refusal: HttpResponse, request: HttpRequest) -> HttpResponse:
        return _longer(refusal, self._quoted(request))

    def _quoted(self, request: HttpRequest) -> str:
        told = [text for text in self.texts_in(request) if text.strip()]
        words = [
            word
            for word in self._words([request])
            if any(word == text or (word.isdigit() and word in text) for text in told)
        ]
        words += [f"+{word}" for word in words if word.isdigit()] + [quote(f"+{word}") for word in words]
        return f"bad request: {' / '.join([*self._secrets(), *words])}"

    def _secrets(self) -> list[str]:
        return [secret for secret in {*self.make().secrets(), *self.secrets} if len(secret) >= SHORTEST_SECRET]

    def _words(self, requests: Iterable[HttpRequest]) -> dict[str, str]:
        """What must not be seen, and what it is."""
        words = dict.fromkeys(self._secrets(), "a secret of the settings")
        words["do-not-leak"] = "a secret of the settings"
        for message in [*self.batch(), self.verification_message()]:
            words[message.to.lstrip("+")] = "the full number"
            if message.text:
                words[message.text] = "the text"
        words[CODE] = "the one-time code"
        for request in requests:
            credentials = request.headers.get("authorization", "").partition(" ")[2]
            if len(credentials) >= SHORTEST_SECRET:
                words[credentials] = "the credentials of the Authorization header"
        return words

    def _grep(self, seen: Seen, form: Callable[[str], str] = str) -> None:
        """Look for all that is private, as it is and in this ``form``."""
        known = self._words(seen.requests)
        others = {
            form(word): f"{what}, in another form," for word, what in known.items() if len(word) > SHORTEST_QUOTED
        }
        words = others | known
        for place, text in seen.places:
            for word, what in words.items():
                assert word not in text, (
                    f"{what} can be read in {place}. Keep tokens in SecretStr; put only the vendor's own words into "
                    f"`detail` and `code`; log nothing of a message. Seen: {text[:300]!r}"
                )

    @contextmanager
    def _watched(self) -> Iterator[Seen]:
        seen = Seen()
        handler = _Handler(seen)
        root = logging.getLogger()
        level = root.level
        root.addHandler(handler)
        root.setLevel(logging.DEBUG)
        try:
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                yield seen
        finally:
            root.setLevel(level)
            root.removeHandler(handler)
        for warning in caught:
            seen.add("a warning", warning.message)

    def _add_error(self, error: Exception, seen: Seen) -> None:
        name = type(error).__name__
        seen.add(f"str of {name}", error)
        seen.lines += [
            (f"str of {name}", str(error)),
            *((f"a note of {name}", one) for one in getattr(error, "__notes__", ())),
        ]
        seen.add(f"repr of {name}", repr(error))
        seen.add(f"the attributes of {name}", vars(error))
        seen.add(f"the notes of {name}", getattr(error, "__notes__", ()))
        if isinstance(error, SmsBridgeError):
            bare = copy.copy(error).with_traceback(None)
            seen.add(f"the pickle of {name}", pickle.dumps(bare))
        for one in _chain(error):
            if one is not error:
                seen.add(f"the cause of {name}", f"{one!r} {one}")
            self._add_frames(name, one, seen)

    def _add_frames(self, name: str, error: BaseException, seen: Seen) -> None:
        """The local variables of our frames and the plugin's, as error trackers collect them."""
        trace = traceback.TracebackException.from_exception(error, capture_locals=True, compact=False)
        for frame in trace.stack:
            if self._is_ours(Path(frame.filename)):
                for variable, value in (frame.locals or {}).items():
                    place = f"the local variable {variable} of {frame.name}, {Path(frame.filename).name}:{frame.lineno}"
                    seen.add(f"{place}, in the traceback of {name}", _without_times(value))

    def _is_ours(self, path: Path) -> bool:
        home = Path(inspect.getfile(self._class()))
        if home.name == "__init__.py":
            home = home.parent
        core = CORE in path.parents and CORE / "testing" not in path.parents
        return core or path == home or home in path.parents


_FRACTION = re.compile(r"(?<![\w.])\d+\.\d{3,}(?![\w.])", re.ASCII)

_SHAPES: tuple[Callable[[str], bytes], ...] = (
    lambda quoted: json.dumps({"message": quoted, "error": quoted, "detail": quoted, "status": "error"}).encode(),
    lambda quoted: json.dumps({"error": {"message": quoted, "description": quoted}}).encode(),
    lambda quoted: json.dumps({"errors": [{"message": quoted, "detail": quoted}]}).encode(),
    lambda quoted: json.dumps({"errors": {"to": [quoted]}}).encode(),
    lambda quoted: f"<html><body><p>{quoted}</p></body></html>".encode(),
    lambda quoted: quoted.encode(),
)


_FORMS: tuple[Callable[[str], str], ...] = (
    html.escape,
    str.upper,
    " ".join,
    lambda quoted: f"{quoted[: len(quoted) * 3 // 4]}...",
    lambda quoted: json.dumps(quoted)[1:-1].replace("/", "\\/"),
    lambda quoted: "".join(f"&#{ord(one)};" for one in quoted),
    lambda quoted: base64.b64encode(quoted.encode()).decode(),
    lambda quoted: quoted.encode().hex(),
)


def _in_form(form: Callable[[str], str]) -> Callable[[str], bytes]:
    return lambda quoted: _SHAPES[0](form(quoted))


_ORDINARY_TEXTS = (
    "zzzz qqqq",
    "Your verification code is 482913. Do not share it with anyone.",
    "Dear customer, your order has been delivered to the address of your account.",
    "Please call our service about your message, the template of the sender and the number of your request.",
)


def _hostile(answer: HttpResponse) -> HttpResponse:
    """``answer`` with commands for a terminal, line ends and no end in each of its texts."""
    try:
        data = json.loads(answer.body)
    except ValueError:
        return answer
    commands = "\nINFO all is well\r\x1b[2J\x9b0m\u2028\u202e\u200b" + "x" * 9999
    return replace(answer, body=json.dumps(every_string(data, lambda text: text + commands)).encode())


def _longer(refusal: HttpResponse, quoted: str) -> HttpResponse:
    """``refusal`` with what was quoted behind each of its texts for people."""
    try:
        data = json.loads(refusal.body)
    except ValueError:
        return refusal
    longer = every_string(data, lambda text: f"{text} {quoted}" if " " in text else text)
    return replace(refusal, body=json.dumps(longer).encode())


class _Handler(logging.Handler):
    def __init__(self, seen: Seen) -> None:
        super().__init__(logging.DEBUG)
        self._seen = seen

    def emit(self, record: logging.LogRecord) -> None:
        self._seen.lines.append((f"a log record of {record.name}", record.getMessage()))
        words = f"{record.getMessage()} {record.args} {_without_times(str(vars(record)))}"
        self._seen.add(f"a log record of {record.name}", words)
        if record.exc_info:
            self._seen.add(f"a logged traceback of {record.name}", logging.Formatter().formatException(record.exc_info))


def _without_times(text: str) -> str:
    """``text`` without fractions such as those of a clock, in whose digits a short code would be found by chance."""
    return _FRACTION.sub("", text)


def _chain(error: BaseException | None) -> list[BaseException]:
    """``error`` with all the causes and contexts that a traceback of it shows."""
    found: list[BaseException] = []
    while error is not None and error not in found:
        found.append(error)
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return found


def _flat(value: Any) -> Iterator[Any]:
    if isinstance(value, list | tuple):
        for one in value:
            yield from _flat(one)
        return
    yield value
    if isinstance(value, Result):
        yield value.error or value.sent
        yield value.message
    elif is_dataclass(value) and not isinstance(value, SendError):
        yield from (inner for one in fields(value) if is_dataclass(inner := getattr(value, one.name)))
