"""Settings of a Plivo account, options of a message, and the requests made with them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self
from urllib.parse import parse_qs, urlsplit

from pydantic import Field, field_validator, model_validator

from smsbridge.complaints import matching
from smsbridge.http import HttpRequest
from smsbridge.provider import Options, SmsProvider
from smsbridge.reading import BaseUrl, CallbackUrl, Secret, basic, given

REFERENCE = "reference"
"""The parameter of the callback URL with our reference: Plivo returns no field of ours."""

Category = Literal["transactional", "promotional", "service_implicit", "service_explicit"]
"""The categories that Plivo takes: https://plivo.com/docs/messaging/api/messages.md, *Send a Message*."""


class PlivoOptions(Options):
    """The options of a text that only Plivo knows: the contents of ``Message.options["plivo"]``."""

    template_category: Category | None = Field(None, description="DLT category of this text's template.")
    log: Literal["true", "false", "content_only", "number_only"] | None = Field(
        None, description="What Plivo may keep of text and number; the vendor's default is true: both."
    )
    trackable: bool | None = Field(None, description="You will report conversions of this text to Plivo.")


class PlivoVerificationOptions(Options):
    """The options of a one-time code that only Plivo knows: the contents of ``Message.options["plivo"]``."""

    locale: str | None = Field(None, min_length=2, description="Language of the text, such as en_US or fr_FR.")
    brand_name: str | None = Field(None, min_length=1, description="Brand in the text, instead of the application's.")
    app_hash: str | None = Field(None, min_length=1, description="Hash of an Android app that reads the text itself.")
    code_length: int | None = Field(None, ge=4, le=8, description="Digits of the code, instead of the application's.")


class PlivoSettings(SmsProvider):
    """The settings of an account at Plivo (``SMSBRIDGE_PLIVO_*``), and the requests that are made with them."""

    name = "plivo"

    auth_id: Annotated[str, matching(r"[A-Za-z0-9]+", "write letters and digits, as the console shows it")] = Field(
        description="Auth ID of the account or subaccount, from the console."
    )
    auth_token: Secret = Field(description="Auth token of the account; webhooks are signed with it.")
    sender: str | None = Field(None, min_length=1, description="Number, short code or name for texts without one.")
    powerpack_uuid: str | None = Field(None, min_length=1, description="Powerpack that chooses the sender, instead.")
    callback_url: CallbackUrl | None = Field(
        None, description="URL for delivery reports; our reference is added to its query."
    )
    callback_method: Literal["POST", "GET"] = Field("POST", description="HTTP method of Plivo's callback.")
    accept_v2_signature: bool = Field(
        default=False, description="Believe webhooks signed with V2 only, which covers neither body nor query."
    )
    entity_id: str | None = Field(None, description="DLT principal entity id.")
    template_id: str | None = Field(None, description="DLT template id, for messages without one.")
    template_category: Category | None = Field(None, description="DLT category; default: from the message's purpose.")
    verify_app_uuid: str | None = Field(None, description="Verify application; default: the account's own default.")
    currency: Annotated[str, matching(r"[A-Z]{3}", "write three letters, such as USD (ISO 4217)")] = Field(
        "USD", description="Currency that Plivo bills the account in."
    )
    base_url: BaseUrl = Field("https://api.plivo.com/v1", description="Base URL of the API.")

    @field_validator("callback_url")
    @classmethod
    def _check_callback_url(cls, value: str | None) -> str | None:
        # The signature of a webhook covers scheme, host, path and query only.
        if "#" in (value or ""):
            raise ValueError("must have no fragment: leave out the # and all that follows")
        if REFERENCE in parse_qs(urlsplit(value or "").query, keep_blank_values=True):
            raise ValueError(
                f"must have no parameter {REFERENCE}: leave it out, because smsbridge adds it for each text"
            )
        return value

    @model_validator(mode="after")
    def _check_sender(self) -> Self:
        if self.sender and self.powerpack_uuid:
            raise ValueError("sender and powerpack_uuid exclude each other: set one of them")
        return self

    def _get(self, path: str) -> HttpRequest:
        return HttpRequest.get(self._url(path), headers=self._headers())

    def _post(self, path: str, data: Mapping[str, Any], *, sends: bool = False) -> HttpRequest:
        return HttpRequest.post_json(self._url(path), given(data), headers=self._headers(), sends=sends)

    def _url(self, path: str) -> str:
        return f"{self.base_url}/Account/{self.auth_id}/{path}"

    def _headers(self) -> dict[str, str]:
        return {"accept": "application/json", "authorization": basic(self.auth_id, self.auth_token)}
