"""Test that no secret, text, code or full number appears in logs, errors, warnings or reprs of a provider."""

from __future__ import annotations

import base64
import html
import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from functools import partial
from urllib.parse import quote

from pydantic import SecretStr

from smsbridge.errors import NoAnswer, NotConnected
from smsbridge.http import HttpRequest, HttpResponse
from smsbridge.provider import Capability
from smsbridge.testing.watching import Seen, owned_by, watched
from smsbridge.testing.wire import FakeWire, Reply

from .kit import BY_NAME, CODE, Kit, Operation, needs, plugins
from .mutations import every_string
from .refusals import BODIES, answer

SHORTEST_SECRET = 4
SHORTEST_QUOTED = 11
"""Shorter words are not searched for in encoded forms: there they match by chance."""
LONGEST_LINE = 5000


class Secrecy(Kit):
    """Test that a provider keeps private data secret: no log, error or warning may contain tokens, texts or numbers.

    Each operation is run with logging at DEBUG, also with failures, and its output is searched.
    """

    def test_the_provider_shows_no_secret(self) -> None:
        seen = Seen()
        provider = self.make()
        seen.add("repr(provider)", repr(provider))
        seen.add("str(provider)", str(provider))
        seen.add("provider.model_dump()", provider.model_dump())
        seen.add("provider.model_dump_json()", provider.model_dump_json())
        self._grep(seen)

    def test_nothing_shows_a_secret_when_all_goes_well(self, operation: Operation) -> None:
        with watched() as seen:
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
        with watched() as seen:
            for reply in replies:
                self._do(answered, reply, seen)
        self._grep(seen)

    @needs("http")
    def test_an_answer_that_quotes_what_we_sent_is_not_passed_on(self, answered: Operation) -> None:
        """Errors and logs must not contain a token, text or number that the vendor's answer quotes, in JSON or in HTML."""
        with watched() as seen:
            for reply in self._quoting(answered):
                self._do(answered, reply, seen)
        self._grep(seen)

    @needs("http")
    def test_an_answer_that_quotes_in_another_form_is_not_passed_on(self, answered: Operation) -> None:
        """Errors and logs must not contain a secret that the vendor quotes escaped, cut short or in capitals.

        The same holds for texts, codes and numbers.
        """
        for form in _FORMS:
            with watched() as seen:
                for status in (200, 400, 500):
                    self._do(answered, partial(self._quote, status, _in_form(form)), seen)
            self._grep(seen, form)

    @needs("http")
    def test_no_answer_forges_a_line_or_commands_a_terminal(self, answered: Operation) -> None:
        """Errors and log records must be short, single lines without control characters, whatever the vendor answers.

        The codes and reasons of vendors end up in logs, which programs and terminals read.
        """
        good = answered.answer(self)
        replies = [good, *(sample.answer for sample in self.refusals.values() if answered.name == "send")]
        with watched() as seen:
            for reply in replies:
                self._do(answered, _hostile(reply), seen)
                self._do(answered, replace(_hostile(reply), status=400), seen)
        for place, text in seen.lines:
            shown = ascii(text[:200])
            assert text.isprintable(), f"{place} has a line end or a control character of the vendor's answer: {shown}"
            assert len(text) <= LONGEST_LINE, (
                f"{place} has {len(text)} characters, most of them from the vendor's answer: {shown}"
            )

    @needs("http")
    def test_a_refusal_reads_the_same_whatever_the_text(self, refusal: str | None) -> None:
        """The error of a refusal must not depend on the text that was refused.

        The words of a vendor in an error are for people; only quoted secrets, texts and numbers are taken out of them.
        """
        answer = self.picked(self.refusals, refusal, "refusals", "`accepts`, an answer that says yes,").answer
        send = BY_NAME["send"]
        words = {str(self.attempt(send, replace(self.message(), text=text), answer).error) for text in _ORDINARY_TEXTS}
        assert len(words) == 1, f"the error of the refusal {refusal!r} depends on the text: {words}"

    @needs(Capability.WEBHOOKS)
    def test_a_refused_webhook_shows_no_secret(self, webhook: str | None) -> None:
        sample = self.picked(self.webhooks, webhook, "webhooks", "webhooks (it has `parse`)")
        secret = getattr(self.make(), self.webhook_secret)
        genuine = self.sign(sample.request, secret.get_secret_value() if isinstance(secret, SecretStr) else secret)
        forged = [sample.request, replace(genuine, body=genuine.body + b" "), replace(genuine, body=b"null")]
        with watched() as seen:
            for request in forged:
                client = FakeWire().client(self.make(), plugins=plugins())
                try:
                    client.receive(request)
                except Exception as error:  # noqa: BLE001  # whatever it is, it must show nothing
                    seen.add_error(error, owned_by(self._class()))
        self._grep(seen)

    # --- inside -------------------------------------------------------------------------------------------------------

    def _do(self, operation: Operation, reply: Reply | None, seen: Seen) -> None:
        wire = self.wire(reply)
        client = wire.client(self.make(), plugins=plugins())
        seen.add("repr(client)", repr(client))
        try:
            value = operation.call(self, client)
        except Exception as error:  # noqa: BLE001  # whatever it is, it must show nothing
            seen.add_error(error, owned_by(self._class()))
        else:
            seen.add_value(value, owned_by(self._class()))
        for request in wire.requests:
            seen.add("repr of HttpRequest", repr(request))
        seen.requests += wire.requests
        client.close()

    def _quoting(self, operation: Operation) -> Iterator[Reply]:
        """Yield answers that quote their own request."""
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
        """The words that must not appear, each with its meaning."""
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
        """Search for all private words, as they are and in ``form``."""
        known = self._words(seen.requests)
        others = {
            form(word): f"{what}, in another form," for word, what in known.items() if len(word) > SHORTEST_QUOTED
        }
        words = others | known
        advice = "Keep tokens in SecretStr; put only the vendor's own words into `detail` and `code`; log nothing of a message."
        seen.refuse(words, advice)


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
    lambda quoted: "".join(f"&#{ord(character)};" for character in quoted),
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
    """``answer`` with line ends, commands for a terminal and 9,999 more characters in each of its strings."""
    try:
        data = json.loads(answer.body)
    except ValueError:
        return answer
    commands = "\nINFO all is well\r\x1b[2J\x9b0m\u2028\u202e\u200b" + "x" * 9999
    return replace(answer, body=json.dumps(every_string(data, lambda text: text + commands)).encode())


def _longer(refusal: HttpResponse, quoted: str) -> HttpResponse:
    """``refusal`` with ``quoted`` after each of its strings of several words."""
    try:
        data = json.loads(refusal.body)
    except ValueError:
        return refusal
    longer = every_string(data, lambda text: f"{text} {quoted}" if " " in text else text)
    return replace(refusal, body=json.dumps(longer).encode())
