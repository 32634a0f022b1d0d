"""Settings of a Vonage account, options of a message, and the requests made with them."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from smsbridge.complaints import matching
from smsbridge.http import HttpRequest
from smsbridge.provider import Options, SmsProvider
from smsbridge.reading import BaseUrl, CallbackUrl, Secret, basic, given


class VonageOptions(Options):
    """The options of a text that only Vonage knows: the contents of ``Message.options["vonage"]``."""

    callback_url: str | None = Field(None, min_length=1, description="URL for the delivery reports of this text.")
    trusted: bool = Field(default=False, description="Let this text pass Fraud Defender (if the account has Premium).")


class VonageVerificationOptions(Options):
    """The options of a one-time code that only Vonage knows: the contents of ``Message.options["vonage"]``."""

    length: int | None = Field(None, ge=4, le=10, description="Characters of the code; the vendor's default is 4.")
    locale: str | None = Field(None, min_length=2, description="Language of the text, such as en-us or hi-in.")
    channel_timeout: int | None = Field(None, ge=15, le=900, description="Seconds to wait for the code.")


class VonageSettings(SmsProvider):
    """The settings of an account at Vonage (``SMSBRIDGE_VONAGE_*``), and the requests that are made with them."""

    name = "vonage"

    api: Literal["sms", "messages"] = Field(
        "sms", description="Which API sends: sms (the SMS API) or messages (Messages v1)."
    )
    api_key: Annotated[
        str, matching(r"[\x21-\x39\x3b-\x7e]+", "write it in printable ASCII, without spaces and colons")
    ] = Field(description="API key, from the dashboard.")
    api_secret: Secret = Field(description="API secret, from the dashboard.")
    signature_secret: Secret | None = Field(None, description="Signature secret, which proves webhooks.")
    signature_method: Literal["md5hash", "md5", "sha1", "sha256", "sha512"] = Field(
        "md5hash", description="How the SMS API signs webhooks, as set in the dashboard."
    )
    signature_age: int = Field(600, ge=60, le=90000, description="Maximum age of a signed webhook, in seconds.")
    sender: str | None = Field(None, min_length=1, description="Sender id or number, for messages without one.")
    entity_id: str | None = Field(None, description="DLT principal entity id (India).")
    template_id: str | None = Field(None, description="DLT template id, for messages without one.")
    callback_url: CallbackUrl | None = Field(
        None, description="URL for reports; default: the URL set in the dashboard."
    )
    base_url: BaseUrl = Field("https://rest.nexmo.com", description="Base URL of the SMS API and the balance.")
    messages_base_url: BaseUrl = Field("https://api.nexmo.com", description="Base URL of Messages v1 and Verify v2.")
    verify_brand: (
        Annotated[str, matching(r"[^\\/{}:$]*", "write it without slashes, braces, colons and dollar signs")] | None
    ) = Field(None, min_length=1, max_length=18, description="Name shown in one-time-code texts.")

    def _get(self, path: str) -> HttpRequest:
        return HttpRequest.get(self.base_url + path, headers=self._headers())

    def _post_sms(self, fields: dict[str, Any]) -> HttpRequest:
        return HttpRequest.post_form(f"{self.base_url}/sms/json", given(fields), headers=self._headers(), sends=True)

    def _post_json(self, path: str, data: dict[str, Any], *, sends: bool) -> HttpRequest:
        return HttpRequest.post_json(self.messages_base_url + path, given(data), headers=self._headers(), sends=sends)

    def _delete(self, path: str) -> HttpRequest:
        return HttpRequest(method="DELETE", url=self.messages_base_url + path, headers=self._headers())

    def _headers(self) -> dict[str, str]:
        """Basic authentication, which all four APIs take, so that the secret is in no URL and no body."""
        return {"accept": "application/json", "authorization": basic(self.api_key, self.api_secret)}
