"""TwincleProvider: requests to Twincle, and the meaning of its answers.

Twincle (https://twincles.com/api-documentation/) documents its base URL, its credentials and an example; it runs the
MobTexting platform, whose documentation (https://portal.mobtexting.com/docs) describes the rest. Requests follow that
documentation as it was from 2021-04 to 2022-08, the time from which Twincle's own page was copied.
"""

from __future__ import annotations

import re
from collections.abc import Hashable, Mapping, Sequence
from functools import partial
from typing import Any, ClassVar

from smsbridge import reading
from smsbridge.environment import variable
from smsbridge.errors import (
    ContentError,
    NotFoundError,
    QueryError,
    RefusedError,
    UncertainError,
    UnsupportedError,
)
from smsbridge.http import Flow, HttpRequest, HttpResponse
from smsbridge.messages import (
    Balance,
    DeliveryReport,
    Event,
    Message,
    Result,
    SentMessage,
    Status,
    Verification,
    VerificationCheck,
)

from . import parsing, vocabulary, webhooks
from .parsing import Row
from .settings import TwincleOptions, TwincleSettings, TwincleVerificationOptions

_MOST_PAGES = 20
_CODE = re.compile(r"[A-Za-z0-9]{1,32}", re.ASCII)


class TwincleProvider(TwincleSettings):
    """Sends texts and one-time codes through Twincle, and reads its delivery reports and incoming texts.

    Twincle runs the MobTexting platform. The vendor's documentation: https://twincles.com/api-documentation/
    """

    supports = frozenset({"sender", "send_at", "dlt"})
    rates: ClassVar[Mapping[str, str]] = {"queries": "1000/1m"}  # "All Pull APIs" on Twincle's page
    reasons: ClassVar[Mapping[str, str]] = {
        word: outcome.reason for word, outcome in vocabulary.STATUSES.items() if outcome.reason
    }
    options = TwincleOptions
    verification_supports = frozenset({"sender", "valid_until"})
    verification_options = TwincleVerificationOptions

    # --- texts --------------------------------------------------------------------------------------------------------

    def send(self, message: Message) -> Flow[SentMessage]:
        options: TwincleOptions = self.options_of(message)
        fields = {**self._node(message, options), **self._root(message, options)}
        # Only the JSON form of the request has `meta`.
        if options.tags:
            response = yield from self._post("sms/send", {**fields, "meta": {"tags": list(options.tags)}}, sends=True)
        else:
            response = yield from self._post("sms/send", fields, sends=True, form=True)
        row = self._rows([message], response).get(0)
        if row is None:
            raise response.error(UncertainError, detail="the answer has no row for this message")
        return self._accepted(message, row, response)

    def send_batch(self, messages: Sequence[Message]) -> Flow[list[Result]]:
        if not messages:
            return []
        options: list[TwincleOptions] = [self.options_of(message) for message in messages]
        root, *others = [self._root(*pair) for pair in zip(messages, options, strict=True)]
        if any(other != root for other in others):
            raise self.unsupported("texts of several products, webhooks or times in one request")
        if any(option.tags for option in options):
            raise self.unsupported("opt-out tags in a request for several texts")
        nodes = [self._node(*pair) for pair in zip(messages, options, strict=True)]
        response = yield from self._post("sms/send/json", {"root": root, "nodes": nodes}, sends=True)
        return [
            reading.result(index, messages[index], partial(self._accepted, messages[index], row, response))
            for index, row in self._rows(messages, response).items()
        ]

    def batch_key(self, message: Message) -> Hashable:
        try:
            options: TwincleOptions = self.options_of(message)
            root = self._root(message, options)
        # A text that cannot be sent fails alone.
        except (UnsupportedError, OverflowError):
            return message.reference
        # Tags are documented for `sms/send` alone; if a node ignored them, people who opted out would get the text.
        return message.reference if options.tags else tuple(root.items())

    def _root(self, message: Message, options: TwincleOptions) -> dict[str, Any]:
        """The parameters of ``sms/send`` that all texts of a ``sms/send/json`` share; only its root has them."""
        return reading.given(
            {
                "service": options.service or self.service or vocabulary.SERVICES[message.purpose],
                "webhook_id": options.webhook_id or self.webhook_id,
                "time": message.send_at and parsing.local_time(message.send_at, self._zone),
            }
        )

    def _node(self, message: Message, options: TwincleOptions) -> dict[str, Any]:
        """The other parameters of ``sms/send`` (https://portal.mobtexting.com/docs/v2/sms/send)."""
        dlt = reading.dlt_ids(message, self.entity_id, self.template_id)
        return reading.given(
            {
                "to": reading.digits(message.to),
                "message": message.text,
                "sender": message.sender or self.sender,
                "type": options.type,
                "flash": 1 if options.flash else None,
                "entity_id": dlt.entity_id,
                "template_id": dlt.template_id,
                "port": options.port,
                "max_units": options.max_units,
                "custom": message.reference,
            }
        )

    def _rows(self, messages: Sequence[Message], response: HttpResponse) -> dict[int, Row]:
        """The row of each message, by its index. The order of rows is not documented, and their ids may repeat."""
        rows = [Row.of(row, self._zone) for row in parsing.rows(parsing.answer(response)) or []]
        return reading.correlate(messages, rows, lambda row: (row.reference, row.mobile))

    def _accepted(self, message: Message, row: Row, response: HttpResponse) -> SentMessage:
        """Read a text's row: an accepted request can hold refused rows."""
        outcome = row.outcome
        if outcome.error is not None:
            detail = f"the request was accepted, this text got {row.word}"
            raise reading.error_of(response, outcome, code=row.word, detail=detail)
        if not row.id:
            raise response.error(UncertainError, detail="the answer has no id for this message")
        waits = message.send_at is not None and outcome.status is Status.QUEUED
        return self.accepted(
            message,
            id=row.id,
            status=Status.SCHEDULED if waits else outcome.status,
            segments=row.units,
            price=row.price,
            at=row.submitted_at,
            raw=row.raw,
        )

    # --- questions ----------------------------------------------------------------------------------------------------

    def status(self, sent: SentMessage) -> Flow[DeliveryReport]:
        row = yield from self._find(id=sent.id, reference=sent.reference, to=sent.to)
        if row is None:
            raise NotFoundError
        return webhooks.report(row, account=self.account, provider=self.name, to=sent.to, reference=sent.reference)

    def lookup(self, reference: str) -> Flow[SentMessage | None]:
        row = yield from self._find(reference=reference)
        if row is None or not row.id:
            return None
        return SentMessage(
            account=self.account,
            provider=self.name,
            id=row.id,
            to=f"+{row.mobile}" if row.mobile else "",
            reference=reference,
            status=row.outcome.status,
            segments=row.units,
            price=row.price,
            at=row.submitted_at,
            raw=row.raw,
        )

    def _find(self, *, id: str = "", reference: str = "", to: str = "") -> Flow[Row | None]:
        """The row of a text. Pages are requested by number, because the vendor's links may name another host."""
        if not id and not reference:
            return None
        found: list[Row] = []
        for page in range(1, _MOST_PAGES + 1):
            params = ({"id": id} if id else {"cid": reference}) | ({"page": str(page)} if page > 1 else {})
            response = yield from self._get("sms/status", params)
            try:
                rows, more = parsing.listing(response)
            except RefusedError as error:
                if error.reason == vocabulary.NOT_FOUND:
                    break
                raise
            found += (Row.of(row, self._zone) for row in rows)
            row = parsing.pick(found, id=id, reference=reference, to=to)
            if row is not None or not more:
                return row
        return None

    def balance(self) -> Flow[list[Balance]]:
        response = yield from self._get("account/balance")
        try:
            rows, _ = parsing.listing(response)
        except RefusedError as error:
            if error.code != "404":
                raise
            # The name of the path since 2021-04.
            response = yield from self._get("finance/balance")
            rows, _ = parsing.listing(response)
        amounts = [(row, reading.decimal(row.get("credits"))) for row in rows]
        balances = [
            Balance(service=reading.text(row.get("service")), amount=amount, unit="credits", raw=row)
            for row, amount in amounts
            if amount is not None
        ]
        if rows and not balances:
            raise response.error(UncertainError, detail="the answer has no credits that can be read")
        return balances

    # --- one-time codes (https://portal.mobtexting.com/docs/v2/verify) ------------------------------------------------

    def start_verification(self, message: Message) -> Flow[Verification]:
        options: TwincleVerificationOptions = self.options_of(message, verification=True)
        if message.text and "{code}" not in message.text:
            raise ContentError("the text of a one-time code needs {code} where the code goes", reason="template")
        left = reading.seconds_left(message)
        payload = {
            "length": options.length,
            "timeout": left and int(left),
            "template": message.text.replace("{code}", "{token}"),
        }
        channel = {
            "name": "sms",
            "from": message.sender or self.sender,
            "recipient": {"to": reading.digits(message.to)},
        }
        body = {
            "channels": [reading.given(channel)],
            "payload": reading.given(payload),
            "foreign_id": message.reference,
        }
        response = yield from self._post("verify/send", reading.given(body), sends=True)
        data = parsing.answer(response, parsing.SUCCESS | {"SENT", "SUCCESS"})
        id = reading.text(data.get("id"))  # noqa: A001
        if not id:
            raise response.error(UncertainError, detail="the answer has no id for this code")
        if reading.digits(data.get("to")) not in ("", reading.digits(message.to)):
            raise response.error(UncertainError, detail="the answer is for another number")
        return Verification(
            account=self.account,
            provider=self.name,
            id=id,
            to=message.to,
            reference=message.reference or "",
            expires_at=parsing.moment(data.get("expire_at"), self._zone),
        )

    def check_verification(self, verification: Verification, code: str) -> Flow[VerificationCheck]:
        code = code.strip()
        # Not a code of the vendor; "../" must not get into a path.
        if not _CODE.fullmatch(code):
            return VerificationCheck(approved=False, reason="wrong-code")
        segment = reading.segment(verification.id)
        if not segment:
            return VerificationCheck(approved=False, reason="unknown")
        response = yield from self._get(f"verify/check/{segment}/{code}")
        data = parsing.answer(response, None)
        if reading.text(data.get("id")) not in ("", verification.id):
            raise response.error(UncertainError, detail="the answer is for another code")
        word = reading.text(data.get("status"))
        reason = vocabulary.CHECKS.get(word.lower(), word)
        return VerificationCheck(approved=reason is None, reason=reason)

    def cancel_verification(self, verification: Verification) -> Flow[None]:
        segment = reading.segment(verification.id)
        if not segment:
            raise NotFoundError
        response = yield from self._get(f"verify/cancel/{segment}")
        word = reading.text(parsing.answer(response, None).get("status"))
        reason = vocabulary.CHECKS.get(word.lower(), word)
        if reason is not None:
            raise (NotFoundError if reason == "unknown" else QueryError)(code=word, reason=reason)

    # --- webhooks -----------------------------------------------------------------------------------------------------

    def verify(self, webhook: HttpRequest) -> None:
        secret = self.webhook_secret.get_secret_value() if self.webhook_secret else None
        webhooks.check_secret(webhook, secret, setting=variable(self.account, "webhook_secret"))

    def handshake(self, webhook: HttpRequest) -> HttpResponse | None:
        answer = webhooks.challenge(webhook)
        return None if answer is None else HttpResponse.of_json(answer)

    def webhook_lacks(self) -> tuple[str, ...]:
        return () if self.webhook_secret else ("webhook_secret",)

    def parse(self, webhook: HttpRequest) -> list[Event]:
        items = webhooks.items(webhook)
        events = (webhooks.event(item, account=self.account, provider=self.name, zone=self._zone) for item in items)
        return [event for event in events if event is not None]
