"""What Vonage needs to be told: the account's settings, a message's options, and requests made with them."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from smsbridge.complaints import matching
from smsbridge.http import HttpRequest
from smsbridge.provider import Options, SmsProvider
from smsbridge.reading import BaseUrl, CallbackUrl, Secret, basic, given


class VonageOptions(Options):
    """``Message.options["vonage"]`` for a text."""

    callback_url: str | None = Field(None, min_length=1, description="Where this text's reports go.")
    trusted: bool = Field(default=False, description="Let this text pass Fraud Defender (if the account has Premium).")


class VonageVerificationOptions(Options):
    """``Message.options["vonage"]`` for a one-time code."""

    length: int | None = Field(None, ge=4, le=10, description="Characters of the code; the vendor's default is 4.")
    locale: str | None = Field(None, min_length=2, description="Language of the text, such as en-us or hi-in.")
    channel_timeout: int | None = Field(None, ge=15, le=900, description="Seconds that a code is waited for.")


class VonageSettings(SmsProvider):
    """The settings of a Vonage account, ``SMSBRIDGE_VONAGE_*``, and how a request looks under them."""

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
    signature_age: int = Field(600, ge=60, le=90000, description="Most seconds that a signed webhook may be old.")
    sender: str | None = Field(None, min_length=1, description="Sender id or number, for messages that name none.")
    entity_id: str | None = Field(None, description="DLT principal entity id (India).")
    template_id: str | None = Field(None, description="DLT template id, where a message gives none.")
    callback_url: CallbackUrl | None = Field(
        None, description="Where reports go; default: the URL set in the dashboard."
    )
    base_url: BaseUrl = Field("https://rest.nexmo.com", description="Where the SMS API and the balance are.")
    messages_base_url: BaseUrl = Field("https://api.nexmo.com", description="Where Messages v1 and Verify v2 are.")
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
