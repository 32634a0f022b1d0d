"""Settings of smsbridge itself; each provider has its own, see ``provider.from_env``."""

from __future__ import annotations

from typing import Any, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ModelWrapValidatorHandler,
    ValidationError,
    field_validator,
    model_validator,
)

from . import environment
from .errors import ConfigurationError


class Settings(BaseModel):
    """What a client needs to know besides its provider. :meth:`from_env` reads ``SMSBRIDGE_*``.

    Raises ConfigurationError that names what is wrong.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    provider: str = Field(
        default="console", pattern="^[a-z0-9]+$", description="Provider or account that SmsClient() uses."
    )
    timeout: float = Field(
        default=30, gt=0, allow_inf_nan=False, description="Seconds to wait for a connection, and for each answer."
    )
    default_region: str | None = Field(
        default=None,
        pattern="^[A-Z]{2}$",
        description="Country of numbers without a country code, such as IN (ISO 3166).",
    )
    secrets_dir: str | None = Field(default=None, description="Directory with one file per setting, named like it.")
    concurrency: int = Field(default=10, ge=1, le=1000, description="Requests that send_many has in flight at most.")
    public_url: str | None = Field(
        default=None,
        pattern=r"^https?://[^/?#\s]+[^?#\s]*$",
        description="Where vendors reach our webhooks, such as https://app.example, if a proxy hides it from us.",
    )

    dlt_registry: str | None = Field(default=None, description="File of DLT templates (India), TOML or a portal's CSV.")

    @model_validator(mode="wrap")
    @classmethod
    def _explain(cls, data: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        try:
            return handler(data)
        except ValidationError as error:
            problem = environment.explain(error, None)
        raise ConfigurationError(problem)  # here, so that the cause, which holds the values, is not kept

    @field_validator("default_region", mode="before")
    @classmethod
    def _upper(cls, value: object) -> object:
        return value.strip().upper() if isinstance(value, str) else value

    @classmethod
    def from_env(cls) -> Self:
        """The settings from the environment, ``.env`` and the secrets directory. Raises ConfigurationError."""
        return environment.load(cls, None)
