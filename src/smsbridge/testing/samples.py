"""List the samples of a provider's author: the attributes and methods of ``ProviderContract`` to override."""

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
SECRET_MARK = "do-not-leak"  # noqa: S105  # every dummy secret contains it


def dummy_secret(name: str) -> str:
    """Make a secret for tests that is clearly not real.

    The contract tests search all output, logs and errors for it.
    """
    return f"dummy-{name}-{SECRET_MARK}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """Describe a sample refusal: after the vendor's ``answer``, the provider must raise the class ``error``.

    The class must be exactly this, not a subclass. If other fields are given, the fields of the raised error must have
    the same values.
    """

    answer: HttpResponse
    error: type[SendError] = RefusedError
    reason: str | None = None
    code: str | None = None
    retry_after: float | None = None


@dataclass(frozen=True, slots=True)
class Row:
    """Describe what the vendor does with a message of a sample batch.

    The vendor accepts the message under ``id``, or refuses it if ``id`` is None.
    """

    message: Message
    id: str | None


@dataclass(frozen=True, slots=True)
class Webhook:
    """Describe a sample webhook without its proof, and the events that the provider must read from it.

    The sample ``sign`` adds the proof, such as a signature. The tests compare those fields of each event that differ
    from their defaults. For a handshake, ``reply`` must be in the body of our answer.
    """

    request: HttpRequest
    events: tuple[Event, ...] = ()
    reply: bytes = b""


def _soon(hours: int) -> datetime:
    return (datetime.now(UTC) + timedelta(hours=hours)).replace(microsecond=0)


class TextSamples:
    """List the texts that the contract tests of a provider or a policy send. Override them where yours needs others."""

    expected_failures: ClassVar[Mapping[str, str]] = {}
    """Standard tests that the vendor or the policy makes impossible, each with its reason.

    ``{"test_...": "why", "test_...[case]": "why"}``.
    They become strict xfails: if such a test passes, the run fails until you remove the test here.
    """

    sample: ClassVar[Message] = Message(
        to="+919876543210", text="private text 7c1f", reference="00c0ffee00c0ffee00c0ffee00c0ffee"
    )
    """A text that the provider can send. Override it if the vendor wants more (DLT ids, a certain sender, ...)."""

    numbers: ClassVar[Sequence[str]] = ("+919876543210", "+919123456780", "+918765432109")
    """Three recipients in E.164."""

    verification_sample: ClassVar[Message | None] = None
    """A message for ``start_verification``; default: ``sample`` without a text, for a one-time code."""

    # --- made from the above ------------------------------------------------------------------------------------------

    def message(self, n: int = 0, **changes: Any) -> Message:
        """Make the sample message with the number ``n``: it has its own phone number, text and reference.

        ``changes`` replace fields of the message.
        """
        if n:
            own = {"to": self.numbers[n], "text": f"{self.sample.text} {n}", "reference": self._reference(n)}
            changes = {**own, **changes}
        return replace(self.sample, **changes)

    def _reference(self, n: int) -> str:
        return f"{n:032x}" if n else self.sample.reference or ""

    def verification_message(self, **changes: Any) -> Message:
        """Make the sample message for ``start_verification``. ``changes`` replace fields of the message."""
        return replace(self.verification_sample or replace(self.sample, text="", purpose=Purpose.OTP), **changes)

    def missing(self, what: str, meaning: str) -> NoReturn:
        """Fail the test because a sample is missing.

        The message asks the author to override the sample called ``what``, and says by ``meaning`` what the sample is.
        """
        pytest.fail(f"{type(self).__name__} needs a sample: override `{what}`, {meaning}.")


class Samples(TextSamples):
    """List the samples of a provider for its contract tests. Always override ``provider_class``.

    Override the others if the provider has the capability. An answer of the vendor is a plain ``HttpResponse``, such as
    ``HttpResponse.of_json({...})``. Where a method has an ``id``, put it where the vendor puts the id of the text: the
    tests check that the provider returns it.

    The tests compare requests. A provider that sends a *relative* time (``valid_until`` as seconds from now, ...) makes
    a different request each second. Let it read the clock in a single function, and replace that function in the class
    with the samples. Do the same if ``sign`` puts a time into a webhook::

        @pytest.fixture(autouse=True)
        def _stopped_clock(self, monkeypatch):
            moment = datetime.now(UTC)
            monkeypatch.setattr(smsbridge_acme.provider, "now", lambda: moment)

    Stop the clock near the present: the times in ``field_values`` are some hours from now.
    """

    # --- the provider -------------------------------------------------------------------------------------------------

    provider_class: ClassVar[type[SmsProvider]]
    """The class under test."""

    settings: ClassVar[Mapping[str, Any]] = {}
    """The settings of the provider, with ``dummy_secret("token")`` for each secret."""

    secrets: ClassVar[Sequence[str]] = ()
    """Secrets in ``settings`` that need another form than ``dummy_secret`` (a base64 key, ...)."""

    collect: ClassVar[Sequence[str]] = ()
    """Groups of tests for a second class about the same provider: ``("webhooks",)``. Empty: all tests that apply.

    A group is a base of ``ProviderContract`` in lower case. Only a subclass of a class that collects all groups for the
    same provider may name groups.
    """

    # --- a text -------------------------------------------------------------------------------------------------------

    id_is_reference: ClassVar[bool] = False
    """Whether the vendor's id of a text *is* our reference; then do not override ``vendor_id``."""

    def vendor_id(self, n: int) -> str:
        """Return the id that the vendor gives to the text with the number ``n``, in the form that this vendor uses."""
        return self._reference(n) if self.id_is_reference else f"kit-id-{n}"

    def accepts(self, message: Message, id: str) -> HttpResponse:
        """Return the vendor's answer that accepts ``message`` under ``id``. Do not override it without HTTP."""
        self.missing("accepts(message, id)", "the vendor's answer that accepts a text")

    refusals: ClassVar[Mapping[str, Refusal]] = {}
    """Answers that refuse a text, by names that you choose; at least one with an HTTP status of 200 to 299.

    If the vendor always refuses by HTTP status, list ``test_a_refusal_inside_a_2xx_body_is_sampled`` in
    ``expected_failures``.
    """

    def preliminary(self, request: HttpRequest) -> HttpResponse | None:
        """Return the vendor's answer to ``request`` if it is preliminary, such as for a token; None if not."""
        return None

    @property
    def field_values(self) -> Mapping[str, Sequence[Any]]:
        """Return different values for each message field that the provider's ``supports`` may name.

        Each value must change the request. See :class:`Samples` if a provider sends times as seconds from now.
        """
        by_type: dict[type, Sequence[Any]] = {
            str: ("KITONE", "KITTWO"),
            # Some vendors keep a text for three hours at most.
            datetime: (_soon(1), _soon(2)),
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
        """Return the vendor's answer to a request that sends a batch.

        ``rows`` says for each message, in order, whether the answer accepts or refuses it.
        """
        self.missing("accepts_batch(rows)", "the vendor's answer to a batch")

    # --- queries ------------------------------------------------------------------------------------------------------

    status_words: ClassVar[Mapping[str, Status | tuple[Status, bool]]] = {}
    """The status of each word of the vendor; a pair ``(status, final)`` where it differs from ``Status.final``."""

    def reports(self, sent: SentMessage, word: str) -> HttpResponse:
        """Return the vendor's answer to the query ``status`` for the text ``sent``.

        ``word`` is the vendor's own word for the status in that answer.
        """
        self.missing("reports(sent, word)", "the vendor's answer to a status query")

    def reports_unknown(self, sent: SentMessage) -> HttpResponse:
        """Return the vendor's answer to the query ``status`` if it does not know the id of the text ``sent``."""
        self.missing("reports_unknown(sent)", "the vendor's answer to a status query for an unknown id")

    def finds(self, message: Message, id: str) -> HttpResponse:
        """Return the vendor's answer to the query ``lookup`` that finds ``message``, accepted under ``id``."""
        self.missing("finds(message, id)", "the vendor's answer to a lookup that finds the text")

    def finds_nothing(self, reference: str) -> HttpResponse:
        """Return the vendor's answer to the query ``lookup`` that finds no text with this ``reference``."""
        self.missing("finds_nothing(reference)", "the vendor's answer to a lookup that finds nothing")

    balances: ClassVar[Sequence[Balance]] = ()
    """The balances that ``balance`` must return for ``tells_balance`` (``raw`` is not compared)."""

    def tells_balance(self) -> HttpResponse:
        """Return the vendor's answer to the query ``balance``."""
        self.missing("tells_balance()", "the vendor's answer to a balance query")

    # --- one-time codes -----------------------------------------------------------------------------------------------

    verification_option_values: ClassVar[Mapping[str, Any]] = {}
    """A value, other than the default, for each field of ``provider_class.verification_options``."""

    def starts_verification(self, message: Message, id: str) -> HttpResponse:
        """Return the vendor's answer that starts a verification under ``id``: the code is on its way."""
        self.missing("starts_verification(message, id)", "the vendor's answer that starts a verification")

    def approves(self, verification: Verification) -> HttpResponse:
        """Return the vendor's answer to ``check_verification`` that says that the code of ``verification`` is right."""
        self.missing("approves(verification)", "the vendor's answer to a right code")

    disapprovals: ClassVar[Mapping[str, HttpResponse]] = {}
    """Answers that do not approve a code, by the ``reason`` that the check must have (``wrong-code``, ...)."""

    def cancels(self, verification: Verification) -> HttpResponse:
        """Return the vendor's answer that confirms that ``verification`` is cancelled."""
        self.missing("cancels(verification)", "the vendor's answer that cancels a verification")

    # --- webhooks -----------------------------------------------------------------------------------------------------

    webhooks: ClassVar[Mapping[str, Webhook]] = {}
    """Webhooks without their proof, by names that you choose."""

    handshakes: ClassVar[Mapping[str, Webhook]] = {}
    """Webhooks that only check our address, if the provider implements ``handshake``."""

    webhook_secret: ClassVar[str] = "webhook_secret"  # noqa: S105  # a name
    """The name of the setting that ``verify`` depends on."""

    proof_covers: ClassVar[Covers] = "body"
    """The content that the proof covers; the kit tests the claim.

    ``"body"``: each byte of the body, or the query if there is no body. ``"parameters"``: the parameters of body or
    query, in any encoding. ``"secret"``: no content, because the proof is the shared secret itself.
    """

    def sign(self, webhook: HttpRequest, secret: str) -> HttpRequest:
        """Return ``webhook`` with the proof that the vendor makes with ``secret``. Use :func:`dataclasses.replace`.

        The proof may be in headers, in the query, in a form or in a JSON object. Where it covers ``parameters``, raise
        ValueError for a body that cannot carry the proof.
        """
        self.missing("sign(webhook, secret)", "how the vendor proves that a webhook is its own")

    # --- reading a request --------------------------------------------------------------------------------------------

    def fingerprint(self, request: HttpRequest) -> Any:
        """Return the parts of ``request`` that the tests compare.

        Leave out values that change by themselves, such as a nonce, a time stamp, or a signature over them.
        """
        return request.method, request.url, sorted(request.headers.items()), request.body

    def texts_in(self, request: HttpRequest) -> Sequence[str]:
        """Return all strings in ``request``, decoded. Override it for another encoding, such as hexadecimal."""
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
        """Return what a provider without HTTP has written since the last call, such as to a file.

        None if a test cannot see it.
        """
        return None


def _strings(data: Any) -> list[str]:
    if isinstance(data, str):
        return [data]
    if isinstance(data, Mapping):
        return [text for value in data.values() for text in _strings(value)]
    return [text for value in data for text in _strings(value)] if isinstance(data, list) else []
