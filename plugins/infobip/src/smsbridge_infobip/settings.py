"""Settings of an Infobip account, options of a message, and the requests made with them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, field_validator, model_validator

from smsbridge.complaints import matching
from smsbridge.http import HttpRequest
from smsbridge.provider import Options, SmsProvider
from smsbridge.reading import BaseUrl, CallbackUrl, Secret

Transliteration = Literal[
    "NONE",
    "TURKISH",
    "GREEK",
    "CYRILLIC",
    "SERBIAN_CYRILLIC",
    "CENTRAL_EUROPEAN",
    "BALTIC",
    "NON_UNICODE",
    "PORTUGUESE",
    "COLOMBIAN",
    "BULGARIAN_CYRILLIC",
    "ALL",
]
_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})


class InfobipOptions(Options):
    """The options of a text that only Infobip knows: the contents of ``Message.options["infobip"]``."""

    flash: bool = Field(False, description="Show the text at once, without keeping it.")
    transliteration: Transliteration | None = Field(None, description="Script whose letters Infobip replaces.")
    campaign: str | None = Field(None, min_length=1, max_length=255, description="Campaign id, for statistics.")


class InfobipVerificationOptions(Options):
    """The options of a one-time code that only Infobip knows: the contents of ``Message.options["infobip"]``."""

    message_id: str | None = Field(None, min_length=1, description="2FA message template for this code alone.")
    placeholders: dict[str, str] = Field({}, description="Values for the template's other placeholders.")
    number_lookup: bool | None = Field(None, description="Look the number up first; the vendor's default is yes.")


class InfobipSettings(SmsProvider):
    """The settings of an account at Infobip (``SMSBRIDGE_INFOBIP_*``), and the requests that are made with them."""

    name = "infobip"

    api_key: Secret = Field(description="API key of the account.")
    base_url: BaseUrl = Field(description="The account's own address, xxxxx.api.infobip.com.")
    sender: str | None = Field(None, description="Sender id, for messages without one.")
    entity_id: str | None = Field(None, description="DLT principal entity id.")
    template_id: str | None = Field(None, description="DLT content template id, for messages without one.")
    telemarketer_id: str | None = Field(None, description="DLT telemarketer id, for aggregators.")
    callback_url: CallbackUrl | None = Field(
        None, description="URL for reports, instead of the account's subscription."
    )
    webhook_secret: Secret | None = Field(None, description="Secret key of the subscription's HMAC security.")
    webhook_algorithm: Literal["HMAC_SHA_256", "HMAC_SHA_384", "HMAC_SHA_512"] = Field(
        "HMAC_SHA_256", description="Algorithm of the subscription's HMAC security."
    )
    webhook_signature_header: Annotated[str, matching(r"[A-Za-z0-9-]+", "write the name of an HTTP header")] = Field(
        "X-Hub-Signature", description="Header that carries the HMAC signature."
    )
    webhook_username: str | None = Field(
        None, min_length=1, description="User name of the subscription's basic security."
    )
    webhook_password: Secret | None = Field(None, description="Password of the subscription's basic security.")
    application_id: str | None = Field(None, description="2FA application, for one-time codes.")
    message_id: str | None = Field(None, description="2FA message template, for one-time codes.")

    @field_validator("base_url", mode="before")
    @classmethod
    def _complete_base_url(cls, value: Any) -> Any:
        """Add https://, because the portal shows the address without a scheme."""
        return f"https://{value}" if isinstance(value, str) and "://" not in value else value

    @field_validator("base_url")
    @classmethod
    def _check_base_url(cls, value: str) -> str:
        """Allow https only: https://www.infobip.com/docs/developer-resources/about-infobip-apis/base-url"""
        parts = urlsplit(value)
        if parts.scheme == "http" and parts.hostname not in _LOOPBACK:
            raise ValueError("must be an https:// URL: copy it from the portal")
        return value

    @model_validator(mode="after")
    def _check_basic(self) -> Self:
        if (self.webhook_username is None) != (self.webhook_password is None):
            raise ValueError("webhook_username and webhook_password belong together: set both, or neither")
        return self

    def _get(self, path: str, params: Mapping[str, str] | None = None) -> HttpRequest:
        return HttpRequest.get(f"{self.base_url}/{path}", params or {}, headers=self._headers())

    def _post(self, path: str, data: Mapping[str, Any], *, sends: bool) -> HttpRequest:
        return HttpRequest.post_json(f"{self.base_url}/{path}", data, headers=self._headers(), sends=sends)

    def _headers(self) -> dict[str, str]:
        return {"accept": "application/json", "authorization": f"App {self.api_key.get_secret_value()}"}
