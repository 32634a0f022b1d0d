"""No secret, text, code or full number in anything that is logged, raised, warned of or shown."""

from __future__ import annotations

import copy
import inspect
import json
import logging
import pickle
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

from .kit import CODE, Kit, Operation, needs, plugins
from .mutations import every_string
from .refusals import BODIES, answer

SHORTEST_SECRET = 4
CORE = Path(smsbridge.__file__).parent


@dataclass(slots=True)
class Seen:
    """Everything that an operation showed, by where it was seen."""

    places: list[tuple[str, str]] = field(default_factory=list)
    requests: list[HttpRequest] = field(default_factory=list)

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

    def _grep(self, seen: Seen) -> None:
        words = self._words(seen.requests)
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
                    seen.add(f"{place}, in the traceback of {name}", value)

    def _is_ours(self, path: Path) -> bool:
        home = Path(inspect.getfile(self._class()))
        if home.name == "__init__.py":
            home = home.parent
        core = CORE in path.parents and CORE / "testing" not in path.parents
        return core or path == home or home in path.parents


_SHAPES: tuple[Callable[[str], bytes], ...] = (
    lambda quoted: json.dumps({"message": quoted, "error": quoted, "detail": quoted, "status": "error"}).encode(),
    lambda quoted: json.dumps({"error": {"message": quoted, "description": quoted}}).encode(),
    lambda quoted: json.dumps({"errors": [{"message": quoted, "detail": quoted}]}).encode(),
    lambda quoted: json.dumps({"errors": {"to": [quoted]}}).encode(),
    lambda quoted: f"<html><body><p>{quoted}</p></body></html>".encode(),
    lambda quoted: quoted.encode(),
)


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
        self._seen.add(f"a log record of {record.name}", f"{record.getMessage()} {record.args} {vars(record)}")
        if record.exc_info:
            self._seen.add(f"a logged traceback of {record.name}", logging.Formatter().formatException(record.exc_info))


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
