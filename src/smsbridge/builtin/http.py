"""A provider without code: any vendor with an HTTP API, described by settings or by one TOML file."""

from __future__ import annotations

import base64
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, SecretStr, StrictBool, StrictInt, StrictStr

from smsbridge.environment import variable
from smsbridge.errors import ConfigurationError
from smsbridge.forks import cached_property
from smsbridge.hookspecs import hookimpl
from smsbridge.http import Flow, HttpRequest, HttpResponse
from smsbridge.messages import Dlt, Message, Purpose, SentMessage, Status
from smsbridge.phone import country_code
from smsbridge.provider import SmsProvider
from smsbridge.text import measure

from ._http_answer import check_path
from ._http_places import Body, HeaderLines, Url, body_kind
from ._http_rules import LONGEST, REFERENCE, Refusal, Rule, Rules, Verdict
from ._http_template import NUMBERS, PLACEHOLDERS, Bare, Misfit, meant

NO_ID = "no-id:"
"""The beginning of a text's id, before our reference, if the vendor gives no id."""
_ENCODINGS = ("gsm7", "ucs2")
_SECRETS = ("token", "username", "password")
_OF_MESSAGE = {"sender": "a sender", "entity_id": "a DLT entity id", "template_id": "a DLT template id"}


@dataclass(frozen=True, slots=True)
class _Description:
    """The parsed settings of an ``http`` provider: the parts of its request, and the rules for the answers."""

    method: str
    url: Url
    headers: HeaderLines
    content_type: str
    body: Body | None
    rules: Rules

    @property
    def names(self) -> frozenset[str]:
        """The names of all placeholders that the request uses."""
        return self.url.names | self.headers.names | (self.body.names if self.body else frozenset())

    def request(self, values: Mapping[str, str]) -> HttpRequest:
        """Make the request: each placeholder is replaced by its value in ``values``.

        Raises Misfit if a value does not fit in its place.
        """
        try:
            return self._request(values)
        except UnicodeEncodeError:
            problem = "half a character (a lone surrogate)"
        raise Misfit(problem)

    def _request(self, values: Mapping[str, str]) -> HttpRequest:
        headers = dict(self.headers.render(values))
        if self.body is not None:
            plain = self.content_type.strip().lower() == "text/plain"
            headers["content-type"] = f"{self.content_type}; charset=utf-8" if plain else self.content_type
        return HttpRequest(
            method=self.method,
            url=self.url.render(values),
            headers=headers,
            body=self.body.render(values) if self.body else b"",
            sends=True,
        )


class HttpProvider(SmsProvider):
    """Sends through any vendor with an HTTP API: the settings describe the request and the meaning of the answer.

    The settings can be in a TOML file, which the setting ``file`` names; environment variables replace the values in
    the file. URL, headers and body may hold placeholders: {to} (E.164), {digits} (without the +), {national} (without
    the country code), {country_code}, {text}, {encoding} (gsm7 or ucs2), {sender}, {reference}, {purpose}, {entity_id},
    {template_id}, {token}, {username}, {password}, and {basic} for the header Authorization. Each value is encoded for
    its place. The command ``smsbridge doctor --answer`` explains how the rules read an answer.
    """

    name = "http"
    supports = frozenset({"sender", "dlt"})
    """The fields that can be supported; a message is refused if one of its fields has no placeholder."""

    file: Path | None = Field(
        default=None, description="TOML file with the other settings, in lower case. Variables win over it."
    )
    method: Literal["POST", "GET", "PUT", "PATCH"] = "POST"
    url: str = Field(
        default="", repr=False, description="URL of the request; may have placeholders in its path and query."
    )
    headers: dict[str, str] = Field(
        default={}, repr=False, description="Headers of the request; values may have placeholders."
    )
    content_type: str = Field(
        default="application/json",
        description="Content type of the body: JSON, form, XML or text/plain; it decides the encoding of values.",
    )
    # Hidden like a secret, because it may contain credentials.
    body: SecretStr | dict[str, Any] | list[Any] | None = Field(
        default=None, repr=False, description="Template of the body: a text, or a table for JSON and forms."
    )
    token: SecretStr | None = None
    username: SecretStr | None = None
    password: SecretStr | None = None
    sender: str | None = Field(default=None, description="Sender id, for messages without one.")
    entity_id: str | None = Field(default=None, description="DLT entity id, for messages without one.")
    template_id: str | None = Field(default=None, description="DLT template id, for messages without one.")
    dlt_registered: bool = Field(
        default=False,
        description="DLT ids without a placeholder are registered with the account, so texts are sent without them.",
    )
    purposes: dict[Purpose, str] = Field(
        default={}, description="The vendor's word for each purpose: otp, transactional, service, promotional."
    )
    encodings: dict[str, StrictBool | StrictInt | StrictStr] = Field(
        default={}, description="The vendor's word for each encoding of a text: gsm7, and ucs2 for Unicode."
    )
    accept_if: dict[str, Any] = Field(
        default={},
        description=f"Rule for an answer that accepts. Required. matches searches at most {LONGEST} characters.",
    )
    refuse_if: list[dict[str, Any]] = Field(
        default=[],
        description=f"Rules for answers that refuse, as JSON. matches searches at most {LONGEST} characters.",
    )
    id: str | None = Field(
        default=None,
        description="Path of the id in the answer, or {reference} if our reference is the id; unset: accept_if matches "
        "it as (?P<id>...), or the vendor gives no id.",
    )

    def __init__(self, **settings: Any) -> None:
        filed: dict[str, Any] = {}
        problem: str | None = None
        account = settings.get("account") or self.name
        try:
            filed = _read_file(settings.get("file"), variable(account, "file"))
            super().__init__(**{**filed, **settings})
            # Parses the settings, and raises an error that names wrong settings.
            _ = self._described
        except ConfigurationError as error:
            problem = str(error)
            for name in filed.keys() - settings.keys():
                problem = problem.replace(f"{variable(account, name)} ", f"{name} in {settings['file']} ")
        # The frame of a traceback must hold no token.
        filed.clear()
        settings.clear()
        if problem is not None:
            raise ConfigurationError(problem)

    def check(self, message: Message, *, verification: bool = False) -> None:
        super().check(message, verification=verification)
        values, places = self._values(message), self._described.names
        for name, what in _OF_MESSAGE.items():
            asked = getattr(message if name == "sender" else message.dlt, name, None)
            registered = name != "sender" and self.dlt_registered
            if asked is not None and name not in places and not registered:
                advice = "" if name == "sender" else self._dlt_advice()
                raise self.unsupported(f"{what}, because no setting has the placeholder {{{name}}}{advice}")
            if name in places and name not in values:
                raise self.unsupported(
                    f"a message without {what}, because {variable(self.account, name)} is not set either"
                )

    def send(self, message: Message) -> Flow[SentMessage]:
        response = yield from self._request(message)
        verdict = self.explain(response)
        if verdict.error is not None:
            raise verdict.error
        reference = message.reference or ""
        own = reference if self.id == REFERENCE else f"{NO_ID}{reference}"
        return self.accepted(message, id=verdict.id or own, status=Status.QUEUED, raw=verdict.raw)

    def explain(self, response: HttpResponse) -> Verdict:
        """Explain ``response``, the answer of a vendor, by the rules in the settings, with the result of each rule."""
        return self._described.rules.judge(response)

    def secrets(self) -> list[str]:
        basic = self._credentials().get("basic")
        return [*super().secrets(), *([basic] if basic else [])]

    # --- inside -------------------------------------------------------------------------------------------------------

    @cached_property
    def _described(self) -> _Description:
        return _understand(self)

    def _request(self, message: Message) -> HttpRequest:
        try:
            return self._described.request(self._values(message))
        except Misfit as misfit:
            problem = str(misfit)
        raise self.unsupported(problem)

    def _credentials(self) -> dict[str, str]:
        found = {name: value.get_secret_value() for name in _SECRETS if (value := getattr(self, name)) is not None}
        if "username" in found and "password" in found:
            pair = f"{found['username']}:{found['password']}"
            found["basic"] = base64.b64encode(pair.encode("utf-8", "surrogateescape")).decode()
        return found

    def _defaults(self) -> dict[str, str]:
        """The values from the settings."""
        found = {name: value for name in _OF_MESSAGE if (value := getattr(self, name)) is not None}
        return {**found, **self._credentials()}

    def _values(self, message: Message) -> dict[str, str]:
        """The value of each placeholder that has a value."""
        dlt = message.dlt or Dlt()
        own = {
            "to": message.to,
            "digits": message.to.removeprefix("+"),
            **self._derived(message),
            "text": message.text,
            "reference": message.reference,
            "purpose": self.purposes.get(message.purpose, message.purpose.value),
            "sender": message.sender,
            "entity_id": dlt.entity_id,
            "template_id": dlt.template_id,
        }
        return {**self._defaults(), **{name: value for name, value in own.items() if value is not None}}

    def _derived(self, message: Message) -> dict[str, str]:
        """The computed values, where placeholders need them."""
        places, found = self._described.names, {}
        if not places.isdisjoint(("national", "country_code")):
            code = country_code(message.to)
            found = {"country_code": code, "national": message.to.removeprefix(f"+{code}")}
        if "encoding" in places:
            encoding = measure(message.text).encoding
            found["encoding"] = Bare.of(self.encodings.get(encoding, encoding))
        return found


# --- the file ---------------------------------------------------------------------------------------------------------


def _read_file(path: Any, label: str) -> dict[str, Any]:
    """The settings in the TOML file at ``path``; empty without a path.

    Raises ConfigurationError, whose message quotes no value.
    """
    if not path:
        return {}
    problem = f"{label} does not name a file that can be read"
    try:
        data = tomllib.loads(Path(path).read_text("utf-8-sig"))
    except (OSError, TypeError):
        pass
    except tomllib.TOMLDecodeError as error:
        problem = f"{path} is not TOML: {error}"
    except ValueError:
        problem = f"{path} is not UTF-8"
    else:
        known = tuple(name for name in HttpProvider.model_fields if name not in ("file", "account"))
        unknown = [name for name in data if name not in known]
        if not unknown:
            return data
        problem = f"{path}: there is no setting {unknown[0]!r}; {meant(unknown[0], known)}"
        data.clear()
    raise ConfigurationError(f"provider {HttpProvider.name}: {problem}")


# --- the parsed settings ----------------------------------------------------------------------------------------------


def _understand(provider: HttpProvider) -> _Description:
    """Parse the settings. Raises ConfigurationError that names every missing or wrong setting."""
    body = provider.body.get_secret_value() if isinstance(provider.body, SecretStr) else provider.body
    found: dict[str, Any] = {}
    readers: dict[str, Callable[[], Any]] = {
        "url": lambda: Url(provider.url),
        "headers": lambda: HeaderLines(provider.headers),
        "content_type": lambda: body_kind(provider.content_type),
        "body": lambda: found["content_type"](body) if body is not None and "content_type" in found else None,
        "accept_if": lambda: Rule.read(provider.accept_if),
        "refuse_if": lambda: tuple(Refusal.read_all(provider.refuse_if)),
        "id": lambda: _check_id(provider.id),
    }
    problems = [f"{name} is missing" for name in ("url", "accept_if") if not getattr(provider, name)]
    for name, read in readers.items():
        if f"{name} is missing" in problems:
            continue
        try:
            found[name] = read()
        except ValueError as error:
            problems.append(f"{name} is wrong: {error}")
    if not problems:
        described = _Description(
            method=provider.method,
            url=found["url"],
            headers=found["headers"],
            content_type=provider.content_type,
            body=found["body"],
            rules=Rules(accept=found["accept_if"], id=found["id"], refuse=found["refuse_if"]),
        )
        problems += _mismatches(provider, described)
        if not problems:
            return described
    words = "; ".join(
        f"{variable(provider.account, name)} {rest}" for name, rest in (problem.split(" ", 1) for problem in problems)
    )
    raise ConfigurationError(f"provider {provider.name}: {words}")


def _check_id(given: str | None) -> str | None:
    if given in (None, REFERENCE):
        return given
    if not given.strip():
        raise ValueError("it is empty; leave it out if the vendor gives no id")
    if "{" in given:
        raise ValueError("it must be a path, or {reference}")
    return check_path(given)


def _mismatches(provider: HttpProvider, described: _Description) -> Iterator[str]:
    """Problems of settings that do not fit together."""
    places, rules = described.names, described.rules
    known = provider._defaults()  # noqa: SLF001  # of this module
    if provider.method == "GET" and described.body is not None:
        yield "body is wrong: a GET has no body; put the placeholders into the URL"
    for needed in (("text",), NUMBERS):
        if places.isdisjoint(needed):
            words = " or ".join(f"{{{name}}}" for name in needed)
            yield f"url is wrong: {words} must be in url, headers or body"
    if provider.purposes and ("purpose" not in places or len(provider.purposes) < len(Purpose)):
        yield f"purposes is wrong: it must name {', '.join(Purpose)}, and {{purpose}} must be used"
    if provider.encodings and ("encoding" not in places or provider.encodings.keys() != {*_ENCODINGS}):
        yield f"encodings is wrong: it must name {' and '.join(_ENCODINGS)}, and {{encoding}} must be used"
    if rules.id is not None and "id" in rules.accept.groups:
        yield "id is wrong: give either id, or a group (?P<id>...) in accept_if"
    if rules.id == REFERENCE and "reference" not in places:
        yield "id is wrong: the request does not use {reference}, so the vendor does not know our reference"
    yield from _unplaced(places, known)
    for word in {*provider.purposes.values(), "purpose"}:
        try:
            described.request({**dict.fromkeys(PLACEHOLDERS, "x"), **known, "purpose": word})
        except Misfit as misfit:
            yield f"* is wrong: no request can have {misfit}"
            return


def _unplaced(places: frozenset[str], known: Mapping[str, str]) -> Iterator[str]:
    """Placeholders without their setting, and settings without their placeholder."""
    for name in (*_SECRETS, *_OF_MESSAGE):
        if name in _SECRETS and name in places and name not in known:
            yield f"{name} is missing, but {{{name}}} is used"
        in_basic = name in ("username", "password") and "basic" in places
        if name in known and name not in places and not in_basic:
            yield f"{name} is wrong: it is set, but {{{name}}} is not used"
    if "basic" in places and "basic" not in known:
        yield "username is wrong: {basic} needs username and password"
    if "basic" in places and ":" in known.get("username", ""):
        yield "username is wrong: {basic} cannot have a colon in the user name"


@hookimpl
def smsbridge_providers() -> list[type[SmsProvider]]:
    return [HttpProvider]
