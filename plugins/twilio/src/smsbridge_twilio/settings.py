"""Settings of a Twilio account, options of a message, and the requests made with them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, SecretStr, field_validator, model_validator

from smsbridge.complaints import matching
from smsbridge.http import HttpRequest
from smsbridge.provider import Options, SmsProvider
from smsbridge.reading import BaseUrl, CallbackUrl, Secret, basic, given


def _sid(prefix: str) -> AfterValidator:
    """A validator for SIDs with this prefix (https://www.twilio.com/docs/glossary/what-is-a-sid)."""
    return matching(
        f"{prefix}[0-9a-fA-F]{{32}}", f"write {prefix} and 32 digits of 0-9 and a-f, as the console shows it"
    )


class TwilioOptions(Options):
    """The options of a text that only Twilio knows: the contents of ``Message.options["twilio"]``."""

    message_intent: str | None = Field(None, min_length=1, description="Use case; default: from the purpose.")
    smart_encoded: bool | None = Field(None, description="Replace look-alike characters that are not in GSM-7.")
    shorten_urls: bool | None = Field(None, description="Shorten links; needs a messaging service.")
    risk_check: Literal["enable", "disable"] | None = Field(None, description="Whether fraud protection checks it.")
    content_retention: Literal["retain", "discard"] | None = Field(None, description="Whether Twilio keeps the text.")
    address_retention: Literal["retain", "obfuscate"] | None = Field(
        None, description="Whether Twilio keeps the number."
    )


class TwilioVerificationOptions(Options):
    """The options of a one-time code that only Twilio knows: the contents of ``Message.options["twilio"]``."""

    locale: str | None = Field(None, min_length=2, description="Language; default: that of the number's country.")
    template_sid: Annotated[str, _sid("HJ")] | None = Field(None, description="Template instead of the service's own.")
    custom_friendly_name: str | None = Field(None, min_length=1, description="Name shown instead of the service's.")
    app_hash: str | None = Field(None, min_length=1, description="Hash for Android's SMS Retriever.")
    risk_check: Literal["enable", "disable"] | None = Field(None, description="Whether fraud protection checks it.")


class TwilioSettings(SmsProvider):
    """The settings of an account at Twilio (``SMSBRIDGE_TWILIO_*``), and the requests that are made with them."""

    name = "twilio"

    account_sid: Annotated[str, _sid("AC")] = Field(description="Account SID (AC...).")
    auth_token: Secret | None = Field(None, description="Signs in; Twilio signs webhooks with it.")
    api_key: Annotated[str, _sid("SK")] | None = Field(None, description="API key SID (SK...), to sign in instead.")
    api_key_secret: Secret | None = Field(None, description="Secret of the API key.")
    webhook_shared_key: Secret | None = Field(None, description="Secret of the SharedKey that signs webhooks.")
    sender: str | None = Field(None, min_length=1, description="Number, short code or alphanumeric sender id.")
    messaging_service_sid: Annotated[str, _sid("MG")] | None = Field(
        None, description="Picks the sender; can schedule."
    )
    dlt_registered: bool = Field(
        default=False, description="India's DLT ids are registered with the account, so texts with ids go without them."
    )
    callback_url: CallbackUrl | None = Field(
        None, description="URL for delivery reports; our reference is added to it."
    )
    verify_service_sid: Annotated[str, _sid("VA")] | None = Field(
        None, description="Verify service for one-time codes."
    )
    base_url: BaseUrl = Field("https://api.twilio.com", description="Base URL of the API; regions have their own.")
    verify_base_url: BaseUrl = Field("https://verify.twilio.com", description="Base URL of the Verify API.")

    @field_validator("callback_url")
    @classmethod
    def _check_callback_url(cls, value: str | None) -> str | None:
        # No underscore in the host: https://www.twilio.com/docs/api/errors/21609
        if value is not None and "_" in urlsplit(value).netloc:
            raise ValueError("must have no _ in the name of its host, because Twilio refuses it: use another name")
        return value

    @model_validator(mode="after")
    def _check_together(self) -> Self:
        if (self.api_key is None) != (self.api_key_secret is None):
            raise ValueError("API_KEY and API_KEY_SECRET belong together: set both, or neither")
        if self.auth_token is None and self.api_key is None:
            raise ValueError("AUTH_TOKEN is missing: set it, or API_KEY with API_KEY_SECRET")
        if self.callback_url and self.auth_token is None and self.webhook_shared_key is None:
            raise ValueError("CALLBACK_URL needs AUTH_TOKEN: webhooks are signed with it, never with an API key")
        if self.sender and self.messaging_service_sid:
            raise ValueError(
                "SENDER and MESSAGING_SERVICE_SID exclude each other: set one; a message can name its own sender"
            )
        return self

    def _account_url(self, *path: str) -> str:
        return f"{self.base_url}/2010-04-01/Accounts/{self.account_sid}/{'/'.join(path)}.json"

    def _verify_url(self, *path: str) -> str:
        if self.verify_service_sid is None:
            raise self.unsupported("one-time codes without the setting VERIFY_SERVICE_SID")
        return f"{self.verify_base_url}/v2/Services/{self.verify_service_sid}/{'/'.join(path)}"

    def _get(self, url: str) -> HttpRequest:
        return HttpRequest.get(url, headers=self._headers())

    def _post(self, url: str, fields: Mapping[str, Any], *, sends: bool = False) -> HttpRequest:
        return HttpRequest.post_form(url, given(fields), headers=self._headers(), sends=sends)

    def _headers(self) -> dict[str, str]:
        secret = self.api_key_secret or self.auth_token or SecretStr("")
        return {"accept": "application/json", "authorization": basic(self.api_key or self.account_sid, secret)}
