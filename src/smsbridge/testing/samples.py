"""The samples that a provider's author supplies: everything of ``ProviderContract`` that is there to be overridden."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar, Literal, NoReturn, get_args
from urllib.parse import parse_qsl, unquote, urlsplit
from xml.sax.saxutils import unescape

import pytest

from smsbridge.errors import RefusedError, SendError
from smsbridge.http import HttpRequest, HttpResponse
from smsbridge.messages import KINDS, Balance, Dlt, Event, Message, Purpose, SentMessage, Status, Verification
from smsbridge.provider import OPTIONAL_FIELDS, SmsProvider

Covers = Literal["body", "parameters", "secret"]
PROOFS: tuple[str, ...] = get_args(Covers)
SECRET_MARK = "do-not-leak"  # noqa: S105  # what every dummy secret contains


def dummy_secret(name: str) -> str:
    """A secret that nobody mistakes for a real one; the kit greps for it in everything printed, logged or raised."""
    return f"dummy-{name}-{SECRET_MARK}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """The vendor says no: ``answer`` must end as exactly ``error``, with those of the other fields that are given."""

    answer: HttpResponse
    error: type[SendError] = RefusedError
    reason: str | None = None
    code: str | None = None
    retry_after: float | None = None


@dataclass(frozen=True, slots=True)
class Row:
    """One message of a batch: the vendor accepts it under ``id``, or refuses it (None)."""

    message: Message
    id: str | None


@dataclass(frozen=True, slots=True)
class Webhook:
    """A webhook as the vendor sends it, without its proof (``sign`` adds that), and the events it must bring.

    Of each event, the fields that are not at their defaults are compared. For a handshake, ``reply`` must be in the
    body of what we answer.
    """

    request: HttpRequest
    events: tuple[Event, ...] = ()
    reply: bytes = b""


def _soon(hours: int) -> datetime:
    return (datetime.now(UTC) + timedelta(hours=hours)).replace(microsecond=0)


class TextSamples:
    """The texts that a kit sends, for providers and policies alike."""

    expected_failures: ClassVar[Mapping[str, str]] = {}
    """Standard tests that the vendor, or the policy, makes impossible, with the reason.

    ``{"test_...": "why", "test_...[case]": "why"}``.
    They become strict xfails: one that passes after all fails, until it is taken out here.
    """

    sample: ClassVar[Message] = Message(
        to="+919876543210", text="private text 7c1f", reference="00c0ffee00c0ffee00c0ffee00c0ffee"
    )
    """A text that can be sent. Override it if the vendor wants more (DLT ids, a certain sender, ...)."""

    numbers: ClassVar[Sequence[str]] = ("+919876543210", "+919123456780", "+918765432109")
    """Three recipients in E.164."""

    verification_sample: ClassVar[Message | None] = None
    """A message for ``start_verification``; default: ``sample`` without a text, for a one-time code."""

    # --- made of the above --------------------------------------------------------------------------------------------

    def message(self, n: int = 0, **changes: Any) -> Message:
        """Sample ``n``: each has a number, a text and a reference of its own."""
        if n:
            own = {"to": self.numbers[n], "text": f"{self.sample.text} {n}", "reference": self._reference(n)}
            changes = {**own, **changes}
        return replace(self.sample, **changes)

    def _reference(self, n: int) -> str:
        return f"{n:032x}" if n else self.sample.reference or ""

    def verification_message(self, **changes: Any) -> Message:
        """The sample for ``start_verification``."""
        return replace(self.verification_sample or replace(self.sample, text="", purpose=Purpose.OTP), **changes)

    def missing(self, what: str, meaning: str) -> NoReturn:
        """Fail the test for want of a sample."""
        pytest.fail(f"{type(self).__name__} needs a sample that is not there: override `{what}`, {meaning}.")


class Samples(TextSamples):
    """What to override. ``provider_class`` always; the rest as far as the provider can do it.

    An answer is the vendor's: a plain ``HttpResponse``, such as ``HttpResponse.of_json({...})``. Where a method has an
    ``id``, put it where the vendor puts the id of the text: the kit checks that it comes back.

    A provider that tells the vendor a *relative* time (``valid_until`` as seconds from now, ...) makes another request
    each second, and the kit compares requests. Let it read the clock in one place, and stop that one in the class with
    the samples; so too if ``sign`` dates a webhook::

        @pytest.fixture(autouse=True)
        def _stopped_clock(self, monkeypatch):
            moment = datetime.now(UTC)
            monkeypatch.setattr(smsbridge_acme.provider, "now", lambda: moment)

    It has to be about the present: the times in ``field_values`` are some hours from now.
    """

    # --- the provider -------------------------------------------------------------------------------------------------

    provider_class: ClassVar[type[SmsProvider]]
    """The class under test."""

    settings: ClassVar[Mapping[str, Any]] = {}
    """Its settings, with ``dummy_secret("token")`` for everything that is secret."""

    secrets: ClassVar[Sequence[str]] = ()
    """Secrets among ``settings`` that have to be of another form than ``dummy_secret`` (a base64 key, ...)."""

    collect: ClassVar[Sequence[str]] = ()
    """Groups of tests, for a class that proves one thing in a second way: ``("webhooks",)``. Empty: all that apply.

    A group is a base of ``ProviderContract`` in lower case. Only a subclass of a class that collects everything for the
    same provider may name some.
    """

    # --- a text -------------------------------------------------------------------------------------------------------

    id_is_reference: ClassVar[bool] = False
    """Whether the vendor's id of a text *is* our reference, so that ``vendor_id`` need not be overridden."""

    def vendor_id(self, n: int) -> str:
        """The vendor's id for text ``n``, in the vendor's form."""
        return self._reference(n) if self.id_is_reference else f"kit-id-{n}"

    def accepts(self, message: Message, id: str) -> HttpResponse:
        """The answer that accepts ``message``. A provider without HTTP leaves this alone."""
        self.missing("accepts(message, id)", "the vendor's answer that accepts a text")

    refusals: ClassVar[Mapping[str, Refusal]] = {}
    """Answers to a send that say no, by a name of yours; at least one of them with an HTTP status in the 200 range.

    If the vendor always says no by HTTP status, list ``test_a_refusal_inside_a_2xx_body_is_sampled`` as expected
    failure.
    """

    def preliminary(self, request: HttpRequest) -> HttpResponse | None:
        """The answer to a request that has to come first, such as one for a token; None for all other requests."""
        return None

    @property
    def field_values(self) -> Mapping[str, Sequence[Any]]:
        """Different values for each field that ``supports`` may name; each must make another request.

        See :class:`Samples` if a provider sends times as seconds from now.
        """
        by_type: dict[type, Sequence[Any]] = {
            str: ("KITONE", "KITTWO"),
            datetime: (_soon(1), _soon(2)),  # some vendors keep a text for three hours at most
            Dlt: (
                Dlt(entity_id="1101000000000000001", template_id="1107000000000000001"),
                Dlt(entity_id="1101000000000000002", template_id="1107000000000000001"),
                Dlt(entity_id="1101000000000000001", template_id="1107000000000000002"),
            ),
        }
        values = {name: by_type[KINDS[name]] for name in OPTIONAL_FIELDS if KINDS[name] in by_type}
        return {**values, "send_at": (_soon(2), _soon(5))}

    option_values: ClassVar[Mapping[str, Any]] = {}
    """A value, other than the default, for each field of ``provider_class.options``."""

    # --- many texts ---------------------------------------------------------------------------------------------------

    def accepts_batch(self, rows: Sequence[Row]) -> HttpResponse:
        """The answer to one request with several messages, with one row for each of ``rows``, in that order."""
        self.missing("accepts_batch(rows)", "the vendor's answer to a batch")

    # --- what became of it --------------------------------------------------------------------------------------------

    status_words: ClassVar[Mapping[str, Status | tuple[Status, bool]]] = {}
    """The vendor's words and what they mean; as a pair where *final* differs from ``Status.final``."""

    def reports(self, sent: SentMessage, word: str) -> HttpResponse:
        """The answer to ``status`` that says ``word`` of ``sent``."""
        self.missing("reports(sent, word)", "the vendor's answer to a status query")

    def reports_unknown(self, sent: SentMessage) -> HttpResponse:
        """The answer to ``status`` if the vendor does not know the id."""
        self.missing("reports_unknown(sent)", "the vendor's answer to a status query for an unknown id")

    def finds(self, message: Message, id: str) -> HttpResponse:
        """The answer to ``lookup`` that has found ``message``."""
        self.missing("finds(message, id)", "the vendor's answer to a lookup that finds the text")

    def finds_nothing(self, reference: str) -> HttpResponse:
        """The answer to ``lookup`` that has found nothing."""
        self.missing("finds_nothing(reference)", "the vendor's answer to a lookup that finds nothing")

    balances: ClassVar[Sequence[Balance]] = ()
    """What ``balance`` must return for ``tells_balance`` (``raw`` is not compared)."""

    def tells_balance(self) -> HttpResponse:
        """The answer to ``balance``."""
        self.missing("tells_balance()", "the vendor's answer to a balance query")

    # --- one-time codes -----------------------------------------------------------------------------------------------

    verification_option_values: ClassVar[Mapping[str, Any]] = {}
    """A value, other than the default, for each field of ``provider_class.verification_options``."""

    def starts_verification(self, message: Message, id: str) -> HttpResponse:
        """The answer that says that a code is on its way."""
        self.missing("starts_verification(message, id)", "the vendor's answer that starts a verification")

    def approves(self, verification: Verification) -> HttpResponse:
        """The answer that says that the code is right."""
        self.missing("approves(verification)", "the vendor's answer to a right code")

    disapprovals: ClassVar[Mapping[str, HttpResponse]] = {}
    """Answers that say that the code is not right, by the ``reason`` that they must end as (``wrong-code``, ...)."""

    def cancels(self, verification: Verification) -> HttpResponse:
        """The answer that says that the code is cancelled."""
        self.missing("cancels(verification)", "the vendor's answer that cancels a verification")

    # --- webhooks -----------------------------------------------------------------------------------------------------

    webhooks: ClassVar[Mapping[str, Webhook]] = {}
    """Webhooks without their proof, by a name of yours."""

    handshakes: ClassVar[Mapping[str, Webhook]] = {}
    """Webhooks that only want to know whether we are there, if the provider has ``handshake``."""

    webhook_secret: ClassVar[str] = "webhook_secret"  # noqa: S105  # a name
    """The setting that ``verify`` depends on."""

    proof_covers: ClassVar[Covers] = "body"
    """What a proof covers: the ``body`` as it came, byte by byte (without one, the query); the ``parameters`` of body
    or query, however they are written; or nothing, because it is itself the shared ``secret``. The kit proves that it
    is so.
    """

    def sign(self, webhook: HttpRequest, secret: str) -> HttpRequest:
        """``webhook`` with the proof that whoever knows ``secret`` can add; see :func:`dataclasses.replace`.

        The proof may be in headers, in the query, in a form or in a JSON object. Where it covers ``parameters``,
        ValueError says that a body of this shape cannot carry it.
        """
        self.missing("sign(webhook, secret)", "how the vendor proves that a webhook is its own")

    # --- how the kit reads a request ----------------------------------------------------------------------------------

    def fingerprint(self, request: HttpRequest) -> Any:
        """What tells two requests apart.

        Leave out what changes by itself (a nonce, a time stamp, a signature over it).
        """
        return request.method, request.url, sorted(request.headers.items()), request.body

    def texts_in(self, request: HttpRequest) -> Sequence[str]:
        """All strings in ``request``, decoded. Override it if the vendor wants texts in hexadecimal or the like."""
        strings = [value for _, value in parse_qsl(urlsplit(request.url).query, keep_blank_values=True)]
        strings += [unquote(part) for part in urlsplit(request.url).path.split("/")]
        body = request.body.decode("utf-8", "replace")
        if request.content_type == "application/x-www-form-urlencoded":
            return [*strings, *(value for _, value in parse_qsl(body, keep_blank_values=True))]
        try:
            data = json.loads(body)
        except ValueError:
            return [*strings, body, *(unescape(part.split("<")[0]) for part in body.split(">"))]
        return [*strings, *_strings(data)]

    def output(self) -> Any:
        """For a provider without HTTP: what it has put out since the last call, if a test can see it; None if not."""
        return None


def _strings(data: Any) -> list[str]:
    if isinstance(data, str):
        return [data]
    if isinstance(data, Mapping):
        return [text for value in data.values() for text in _strings(value)]
    return [text for value in data for text in _strings(value)] if isinstance(data, list) else []
