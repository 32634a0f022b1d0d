"""Settings of a Twincle account, options of a message, and the requests made with them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal
from zoneinfo import ZoneInfo

from pydantic import Field, field_validator

from smsbridge.http import HttpRequest, with_query
from smsbridge.provider import Options, SmsProvider
from smsbridge.reading import BaseUrl, Secret


class TwincleOptions(Options):
    """The options of a text that only Twincle knows: the contents of ``Message.options["twincle"]``."""

    flash: bool = False
    type: Literal["A", "N", "U"] = Field("A", description="A: the vendor decides, N: plain, U: unicode.")
    port: int | None = Field(None, ge=0, le=65535, description="Destination port on the handset.")
    max_units: int | None = Field(None, ge=1, description="Refuse the text if it needs more parts.")
    tags: tuple[str, ...] = Field((), max_length=3, description="Skip recipients who opted out of one of these tags.")
    service: str | None = Field(None, min_length=1, description="Product for this text alone.")
    webhook_id: str | None = Field(None, min_length=1, description="Webhook for this text's reports.")


class TwincleVerificationOptions(Options):
    """The options of a one-time code that only Twincle knows: the contents of ``Message.options["twincle"]``."""

    length: int | None = Field(None, ge=4, le=10, description="Digits of the code; the vendor's default is 6.")


class TwincleSettings(SmsProvider):
    """The settings of an account at Twincle (``SMSBRIDGE_TWINCLE_*``), and the requests that are made with them."""

    name = "twincle"

    access_token: Secret = Field(
        description="Access token; make it in the portal under Developers, API Keys/Access Tokens."
    )
    base_url: BaseUrl = Field(
        "http://alerts.twinclescpaas.co.in/api/v2",
        description="Base URL of the API; the documented address is plain http.",
    )
    auth: Literal["header", "query"] = Field("header", description="Place of the token; query shows it in logs.")
    sender: str | None = Field(None, description="Registered sender id.")
    service: str | None = Field(None, description="Product code; default: from the message's purpose.")
    entity_id: str | None = Field(None, description="DLT principal entity id.")
    template_id: str | None = Field(None, description="DLT template id, for messages without one.")
    webhook_id: str | None = Field(None, description="Id of the webhook that gets delivery reports.")
    webhook_secret: Secret | None = Field(None, description="Secret of that webhook.")
    timezone: str = Field("Asia/Kolkata", validate_default=True, description="Zone of the vendor's times.")
    batch_size: int = Field(100, ge=1, description="Maximum of texts in a request.")  # type: ignore[misc]  # here a setting

    @field_validator("timezone")
    @classmethod
    def _check_timezone(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (KeyError, ValueError, OSError):
            raise ValueError(
                "is not a time zone that this machine knows; if it knows none, pip install tzdata"
            ) from None
        return value

    @property
    def _zone(self) -> ZoneInfo:
        return ZoneInfo(self.timezone)

    def _get(self, path: str, params: Mapping[str, str] | None = None) -> HttpRequest:
        return HttpRequest.get(with_query(self._url(path), params or {}), headers=self._headers())

    def _post(self, path: str, data: Mapping[str, Any], *, sends: bool, form: bool = False) -> HttpRequest:
        make: Callable[..., HttpRequest] = HttpRequest.post_form if form else HttpRequest.post_json
        return make(self._url(path), data, headers=self._headers(), sends=sends)

    def _url(self, path: str) -> str:
        token = {"access_token": self.access_token.get_secret_value()} if self.auth == "query" else {}
        return with_query(f"{self.base_url}/{path}", token)

    def _headers(self) -> dict[str, str]:
        """The headers; without ``Accept``, a wrong token gets an HTML login page instead of an answer."""
        token = {"authorization": f"Bearer {self.access_token.get_secret_value()}"} if self.auth == "header" else {}
        return {"accept": "application/json", **token}
