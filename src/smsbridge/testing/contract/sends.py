"""Test how a provider sends one text: the request to the vendor, and the result of an accepted text."""

from __future__ import annotations

import copy
import json
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

import pytest

from smsbridge.errors import ContentError, UnsupportedError
from smsbridge.http import HttpRequest, HttpResponse
from smsbridge.messages import Message, Purpose, SentMessage, Status
from smsbridge.provider import OPTIONAL_FIELDS, Capability

from .kit import BY_NAME, Kit, Operation, describe, needs
from .mutations import every_string

SEND = BY_NAME["send"]
TEXTS = {
    "latin": "Your order: 50% off & more = fun + #1 / \"quoted\" 'text' \\ done?",
    "gsm extension": "Price: 5€ {a} [b] ~ ^ | end",
    "hindi": "आपका ऑर्डर भेज दिया गया है",
    "emoji": "Shipped 📦👍🏽",
    "lines": "first\nsecond\r\nthird\ttab",
    "markup": "<b>1 < 2 && 3 > 2</b> ]]> %20 +",
    "edges": "  two spaces around  ",
    "long": "long " * 60 + "end",
}
ORIGIN_ELSEWHERE = "https://elsewhere.invalid"


class Sends(Kit):
    """Test the requests and the results of a provider that sends a single text or a one-time code."""

    def test_an_accepted_text_keeps_id_recipient_and_reference(self) -> None:
        message = self.message()
        outcome = self.run(SEND)
        assert isinstance(outcome.value, SentMessage), f"the sample answer is not accepted: {describe(outcome.error)}"
        sent = outcome.value
        assert isinstance(sent.id, str), "SentMessage.id must be a string"
        assert sent.id, "SentMessage.id is empty: without the vendor's id, status and reports cannot find the text"
        if self.uses_http():
            assert sent.id == self.vendor_id(0), f"the vendor's id is {self.vendor_id(0)!r}, but sent.id is {sent.id!r}"
        assert sent.reference == message.reference, "the reference was lost: use self.accepted(message, id=...)"
        assert sent.to == message.to, "the recipient was changed: use self.accepted(message, id=...)"
        assert isinstance(sent.status, Status), "SentMessage.status must be a Status"
        assert sent.status is not Status.DELIVERED, (
            "SentMessage.status must not be DELIVERED: the vendor has only accepted the text"
        )
        assert sent.at is None or sent.at.utcoffset() is not None, (
            "SentMessage.at has no time zone: give it one, such as UTC"
        )

    def test_every_purpose_can_be_sent(self) -> None:
        for purpose in Purpose:
            outcome = self.attempt(SEND, self.message(purpose=purpose))
            assert outcome.error is None, f"purpose {purpose} is advice, no reason to refuse: {describe(outcome.error)}"

    @needs("http")
    def test_exactly_the_request_that_sends_says_so(self, operation: Operation) -> None:
        marked = [request for request in self.run(operation).requests if request.sends]
        if not operation.sends:
            assert not marked, f"{operation.name} sends no text: its requests must not have sends=True"
            return
        assert marked, (
            f"no request of {operation.name} has sends=True: a time-out would count as *certainly not sent*, "
            "and the text would be sent twice"
        )
        assert len(marked) == 1, f"{operation.name} makes {len(marked)} requests with sends=True; make one"

    def test_every_request_is_valid_http(self, operation: Operation) -> None:
        for request in self.run(operation).requests:
            parts = urlsplit(request.url)
            assert request.method.isalpha(), f"{request.method!r} is not an HTTP method"
            assert request.method.isupper(), f"write the method {request.method!r} in upper case"
            assert parts.scheme in {"http", "https"}, f"{operation.name}: the URL must begin with https://"
            assert parts.hostname, f"{operation.name}: the URL names no host"
            assert request.url.isascii(), (
                f"{operation.name}: percent-encode the URL (HttpRequest.get(url, params) does)"
            )
            assert " " not in request.url, (
                f"{operation.name}: percent-encode the URL (HttpRequest.get(url, params) does)"
            )
            assert not (request.method == "GET" and request.body), (
                f"{operation.name}: a GET must have no body; put the values into the URL"
            )
            assert not request.body or request.content_type, (
                f"{operation.name}: a request with a body needs the header content-type"
            )

    def test_the_message_is_left_as_it_was(self) -> None:
        options = {self._class().name: dict(self.option_values), "another": {"deep": [1]}}
        message = self.message(options=options)
        before = copy.deepcopy(message)
        self.attempt(SEND, message)
        assert message == before, "the provider changed the message or its options: copy what you change"

    # --- the request --------------------------------------------------------------------------------------------------

    @needs("http")
    @pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
    def test_a_text_arrives_as_it_was_written(self, text: str) -> None:
        outcome = self.attempt(SEND, self.message(text=text))
        if isinstance(outcome.error, UnsupportedError | ContentError) and not outcome.requests:
            # A provider may refuse a text that it cannot send as written.
            return
        assert outcome.error is None, f"an ordinary text was not sent: {describe(outcome.error)}"
        found = [sent for request in outcome.requests if request.sends for sent in self.texts_in(request)]
        assert text in found, (
            f"the text {text!r} is not in the request, which has {found!r}. Send the text unchanged, encoded once; if the "
            "vendor wants another encoding (hexadecimal, ...), override texts_in(request)"
        )

    def test_another_recipient_makes_another_request(self) -> None:
        self._must_differ("recipient", SEND, [self.message(), self.message(to=self.numbers[1])])

    @needs("http")
    def test_a_reference_is_kept_or_refused_but_never_shortened(self) -> None:
        short = [self.asked(SEND, self.message(reference=letter * 32)) for letter in "ab"]
        if short[0] == short[1]:
            pytest.skip(f"{self._class().__name__} does not send the reference")
        outcomes = []
        for reference in ("r" * 300 + "1", "r" * 300 + "2"):
            outcome = self.attempt(SEND, self.message(reference=reference))
            if outcome.error is not None:
                assert not outcome.requests, (
                    f"refuse a reference that is too long before any request: {describe(outcome.error)}"
                )
            else:
                assert outcome.value.reference == reference, "a long reference was shortened: refuse it instead"
                outcomes.append([self.fingerprint(request) for request in outcome.requests])
        assert len(outcomes) < 2 or outcomes[0] != outcomes[1], (
            "two long references make the same request: refuse a reference that is too long; never shorten it"
        )

    @pytest.mark.parametrize("field", OPTIONAL_FIELDS)
    def test_a_field_that_it_supports_is_sent_and_any_other_refused(self, field: str) -> None:
        self._check_field(field, SEND, self.message())

    @needs(Capability.VERIFICATION)
    @pytest.mark.parametrize("field", OPTIONAL_FIELDS)
    def test_a_field_of_a_verification_is_sent_or_refused(self, field: str) -> None:
        operation = BY_NAME["start_verification"]
        self._check_field(field, operation, self.verification_message())

    @needs("options")
    def test_an_option_is_sent(self, option: str) -> None:
        self._check_option(option, SEND, self.option_values, "option_values")

    @needs(Capability.VERIFICATION, "verification options")
    def test_an_option_of_a_verification_is_sent(self, verification_option: str) -> None:
        self._check_option(
            verification_option,
            BY_NAME["start_verification"],
            self.verification_option_values,
            "verification_option_values",
        )

    def test_an_unknown_option_is_refused_and_another_providers_option_is_ignored(self) -> None:
        name = self._class().name
        outcome = self.attempt(SEND, self.message(options={name: {"no_such_option": 1}}))
        assert isinstance(outcome.error, UnsupportedError), "an unknown option must be refused: do not override check()"
        assert not outcome.requests, "an unknown option must be refused before anything is sent"
        outcome = self.attempt(SEND, self.message(options={f"not{name}": {"no_such_option": 1}}))
        assert outcome.error is None, f"ignore options of other providers: {describe(outcome.error)}"

    # --- the host -----------------------------------------------------------------------------------------------------

    @needs("http")
    def test_no_answer_can_lead_it_to_another_host(self, answered: Operation) -> None:
        """A redirect, or a URL in an answer, must not lead a provider to send its token or the text to another host."""
        good = self.run(answered)
        homes = {_origin(request) for request in good.requests}
        location = {"location": f"{ORIGIN_ELSEWHERE}/take?this=1"}
        bad = [HttpResponse(status=status, headers=location) for status in (301, 302, 303, 307, 308)]
        first = answered.answer(self)
        bad.append(
            HttpResponse(status=first.status, headers={**first.headers, **location}, body=_led_astray(first.body))
        )
        for answer in bad:
            strays = {_origin(request) for request in self.run(answered, answer).requests} - homes
            assert not strays, f"an answer with HTTP {answer.status} led {answered.name} to {', '.join(strays)}"

    # --- inside -------------------------------------------------------------------------------------------------------

    def _trace(self, operation: Operation, message: Message) -> Any:
        """The visible effect of sending ``message``: requests or output."""
        if self.uses_http():
            return self.asked(operation, message)
        self.output()
        outcome = self.attempt(operation, message)
        assert outcome.error is None, f"{operation.name} should have been accepted: {describe(outcome.error)}"
        shown = self.output()
        if shown is None:
            pytest.skip(f"{self._class().__name__} makes no HTTP requests, and `output` shows nothing either")
        return shown

    def _must_differ(self, what: str, operation: Operation, messages: list[Message]) -> None:
        traces = [self._trace(operation, message) for message in messages]
        if self.uses_http():
            again = self._trace(operation, messages[0])
            assert again == traces[0], (
                "two equal messages make different requests, so the kit cannot see the effect of a field: stop the "
                "provider's clock if it sends relative times (see Samples), and leave nonces out of fingerprint(request)"
            )
        for n, trace in enumerate(traces):
            assert trace not in traces[:n], (
                f"{operation.name} makes the same request with another {what}: send the {what}, or do not declare it"
            )

    def _check_field(self, field: str, operation: Operation, message: Message) -> None:
        self.skip_registered(field)
        cls = self._class()
        supported = cls.verification_supports if operation.name == "start_verification" else cls.supports
        values = [replace(message, **{field: value}) for value in self.field_values[field]]
        if field not in supported:
            outcome = self.attempt(operation, values[0])
            assert isinstance(outcome.error, UnsupportedError), (
                f"{operation.name} does not support {field}: refuse a message with it; do not send it without the field"
            )
            assert not outcome.requests, f"refuse {field} before any request"
            return
        if getattr(message, field) is None:
            values.insert(0, message)
        self._must_differ(field, operation, values)

    def _check_option(self, option: str, operation: Operation, values: Any, attribute: str) -> None:
        if option not in values:
            pytest.fail(f"the provider declares the option {option!r} but has no sample of it: add it to `{attribute}`")
        message = self.verification_message() if operation.name == "start_verification" else self.message()
        given = dict(message.options.get(self._class().name, {}))
        without = {name: value for name, value in given.items() if name != option}
        self._must_differ(
            f"option {option}",
            operation,
            [
                replace(message, options={**message.options, self._class().name: options})
                for options in (without, {**without, option: values[option]})
            ],
        )


def _origin(request: HttpRequest) -> str:
    parts = urlsplit(request.url)
    return f"{parts.scheme}://{parts.netloc}"


def _led_astray(body: bytes) -> bytes:
    try:
        data = json.loads(body)
    except ValueError:
        return body
    return json.dumps(every_string(data, lambda _: f"{ORIGIN_ELSEWHERE}/next")).encode()
