"""The settings of smsbridge itself. Each provider has its own settings, see ``SmsProvider.from_env``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ModelWrapValidatorHandler,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)

from . import environment
from .complaints import Complaint, matching
from .composite import each, inside
from .errors import ConfigurationError
from .provider import SmsProvider
from .rehearsal import newest
from .shown_model import ShownModel
from .snapshot import Reading
from .urls import is_sandboxed

LONGEST = 86_400.0
"""The longest wait that a client may be set to, in seconds: a day."""


class Settings(BaseModel, metaclass=ShownModel):
    """The settings of a client, but not those of its provider. :meth:`from_env` reads them from ``SMSBRIDGE_*``.

    Raises ConfigurationError, which names the wrong settings.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    provider: Annotated[
        str, matching(r"[a-z0-9]{1,100}", "write the name of a provider or an account: a-z and 0-9")
    ] = Field(default="console", description="Provider or account that SmsClient() uses.")
    timeout: float = Field(
        default=15,
        gt=0,
        le=LONGEST,
        allow_inf_nan=False,
        description="Seconds to wait for a connection, and for each answer.",
    )
    deadline: float = Field(
        default=25,
        gt=0,
        le=LONGEST,
        allow_inf_nan=False,
        description=(
            "Seconds that a send may take, with all its attempts, waits and look-ups; does not apply to send_many."
        ),
    )
    default_region: Annotated[str, matching(r"[A-Z]{2}", "write two letters, such as IN (ISO 3166)")] | None = Field(
        default=None,
        description="Country of numbers without a country code, such as IN (ISO 3166).",
    )
    secrets_dir: str | None = Field(default=None, description="Directory with a file per setting, with its name.")
    concurrency: int = Field(default=10, ge=1, le=1000, description="The most requests that send_many has in flight.")
    public_url: (
        Annotated[
            str, matching(r"(?i:https?)://[^/?#\s]+[^?#\s]*", "write http:// or https:// and a host, without a query")
        ]
        | None
    ) = Field(
        default=None,
        description="URL where vendors reach our webhooks, such as https://app.example, if a proxy hides it from us.",
    )

    env: Literal["production", "staging", "test", "development"] | None = Field(
        default=None, description="In production no stub may stand for a provider, in test no vendor may be reached."
    )
    env_allows: tuple[str, ...] = Field(
        default=(), description="Accounts that may run in this environment nevertheless."
    )

    store: SecretStr | None = Field(
        default=None,
        description="URL of the store for data that outlives a process, such as sqlite:///sms.db; adds a ledger.",
    )

    unread_allows: tuple[str, ...] = Field(
        default=(),
        description="Variables, or their first words, that other programs than smsbridge read, such as IMAGE_TAG.",
    )

    @model_validator(mode="wrap")
    @classmethod
    def _explain(cls, data: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        try:
            return handler(data)
        except ValidationError as error:
            problem = environment.explain(error, None, cls)
        # Raised here, so that the error does not keep its cause, which holds the values.
        raise ConfigurationError(problem)

    @field_validator("default_region", mode="before")
    @classmethod
    def _upper(cls, value: object) -> object:
        return value.strip().upper() if isinstance(value, str) else value

    @field_validator("default_region")
    @classmethod
    def _known(cls, value: str | None) -> str | None:
        from .numbering import wrong_region

        problem = wrong_region(value) if value is not None else None
        if problem is not None:
            raise Complaint(problem)
        return value

    def refuse_unfit(self, provider: SmsProvider) -> None:
        """Raise ConfigurationError if ``provider``, or a provider inside it, may not be used in this environment.

        In production, a stub (a provider that sends nothing) may not be used; in a test environment, a real vendor may
        not be used. In a rehearsal, all providers may be used.
        """
        if newest() is not None:
            return
        for problem in self.unfit(provider):
            raise ConfigurationError(problem)

    def unfit(self, provider: SmsProvider) -> Iterator[str]:
        """Yield an error message for each account of ``provider`` that may not be used in this environment."""
        if self.env not in ("production", "test"):
            return
        for account in each(provider):
            wrong = account.stub is (self.env == "production")
            if not inside(account) and wrong and account.account not in self.env_allows:
                what = "ends texts here and sends nothing" if account.stub else "would send real texts"
                yield (
                    f"{environment.variable(None, 'env')} is {self.env}, but account {account.account!r} {what}; "
                    f"if that is meant, name it in {environment.variable(None, 'env_allows')}"
                )

    def exposed(self, provider: SmsProvider) -> Iterator[str]:
        """Yield an error message for each account of ``provider`` through which a test would reach a real vendor."""
        real = [account for account in each(provider) if not inside(account) and not account.stub]
        strangers = [account for account in real if account.account not in self.env_allows]
        some_may = len(strangers) < len(real)
        for account in strangers:
            # It is not known which of the accounts makes the request.
            if some_may and is_sandboxed(account):
                continue
            yield (
                f"account {account.account!r} would reach its vendor from a test, so nothing left: use the fixture "
                f"sms_outbox; or, if it is meant, give the account a URL on loopback (a sandbox), name it in "
                f"{environment.variable(None, 'env_allows')}, or mark the test with @pytest.mark.sms_real"
            )

    @classmethod
    def from_env(cls, environ: Mapping[str, str | None] | None = None) -> Self:
        """Read the settings from the environment, ``.env`` and the secrets directory.

        ``environ`` is a mapping that replaces these three. Raises ConfigurationError, which names the wrong variables.
        """
        reading = Reading(environ)
        # The frames of a traceback should hold no token.
        del environ
        return reading.run(lambda: environment.load(cls, None))
