"""Read settings from the environment, with the source of each value, and make pydantic models of them.

All variables are read together, see ``snapshot.py``. Here each value keeps its source, and errors name variables but
never show values. Priority: process environment, then ``.env`` in the working directory, then the files of the secrets
directory.
"""

from __future__ import annotations

import json
import re
import types
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, SecretBytes, SecretStr, ValidationError

from . import snapshot
from .complaints import is_ours, plain
from .errors import ConfigurationError
from .snapshot import ENV_FILE, PREFIX, SECRETS, SECRETS_DIR, Reading, Snapshot

SHORTEST_SECRET = 4
"""Shorter values are not searched for in texts: they would be found everywhere."""
_NO_WORD = 8
"""The number of letters from which a word is more likely a value to hide than a word of ours."""
_LEADS = re.compile(r"(^|_)(url|uri|host|hostname|endpoint|domain|proxy|server|region|edge)$")
"""The ends of the names of settings that decide where requests go, or where answers come from."""
_STRAIGHT = "\"'"
_OTHER_QUOTES = "`\u00b4\u201c\u201d\u201e\u201f\u2018\u2019\u201a\u201b\u00ab\u00bb\u2039\u203a\uff02\uff07"
"""Backticks and quotes of word processors, which no shell and no file format removes."""
_APOSTROPHES = "'\u2019"
"""Quotes that may end a word as apostrophes."""
M = TypeVar("M", bound=BaseModel)
_homes: ContextVar[Mapping[str, str | None]] = ContextVar("homes", default=types.MappingProxyType({}))
"""The account of each setting while a model is made: a provider explains errors itself, and cannot know it."""


@dataclass(frozen=True, slots=True)
class Found:
    """The value of an environment variable, and the source in which it was found.

    The source is ``environment``, ``.env`` or ``secrets directory``.
    """

    value: str = field(repr=False)
    source: str


def variable(account: str | None, name: str) -> str:
    """Return the name of the environment variable for a setting, such as ``SMSBRIDGE_OTP_TOKEN``.

    ``account`` is the account that has the setting; None for a setting of smsbridge itself.
    """
    return f"{PREFIX}{account.upper()}_{name.upper()}" if account else f"{PREFIX}{name.upper()}"


def nearest(name: str, known: Iterable[str]) -> str | None:
    """Return the variable in ``known`` whose name is most like the misspelt ``name``; None if no name is similar."""
    stems = {label.removeprefix(PREFIX): label for label in known}
    close = get_close_matches(name.removeprefix(PREFIX), stems, 1)
    return stems[close[0]] if close else None


def variables() -> dict[str, bool]:
    """Return the name of every existing ``SMSBRIDGE_*`` variable, in upper case, and whether it has a value.

    Sources that cannot be read are left out; :func:`read` reports them.
    """
    return snapshot.current().variables()


def in_production(*, known: bool | None = None) -> bool:
    """Return whether ``SMSBRIDGE_ENV`` is ``production``.

    If ``known`` is not None, it is returned, and the environment is not read. Raises the same errors as :func:`read`.
    """
    if known is not None:
        return known
    found = read(None, ["env"]).get("env")
    return found is not None and found.value == "production"


def known_production() -> bool | None:
    """Return whether the client that is being made now is for production; None if no client is being made.

    This is for an object that is made with a client and needs the answer later: it keeps the answer.
    """
    return in_production() if snapshot.is_shared() else None


def named(account: str | None, name: str) -> Found | None:
    """Read the setting ``name``, whose value is the name of an account or a provider, or several names.

    None if not set.

    ``account`` is the account that has the setting; None for a setting of smsbridge itself. Raises ConfigurationError
    for quotes in the value, and the same errors as :func:`read`.
    """
    found = read(account, [name]).get(name)
    if found is not None and not set(_STRAIGHT + _OTHER_QUOTES).isdisjoint(found.value):
        raise ConfigurationError(_without_quotes(variable(account, name)))
    return found


def _secrets_dir(taken: Snapshot) -> Found | None:
    return _found(None, ["secrets_dir"], replace(taken, secrets={})).get("secrets_dir")


def read(account: str | None, names: Iterable[str]) -> dict[str, Found]:
    """Read the settings ``names`` of ``account`` (None: of smsbridge itself).

    Returns the settings that are set, by name.

    Empty values count as unset. Raises ConfigurationError if ``.env``, the secrets directory or one of the files there
    cannot be read.
    """
    names, taken = list(names), snapshot.current()
    if taken.problem is not None:
        raise ConfigurationError(taken.problem)
    if taken.dotenv is None or any(taken.secrets.get(variable(account, name), "") is None for name in names):
        raise ConfigurationError(
            f"{ENV_FILE} or a file in the secrets directory cannot be read as UTF-8: check its encoding and its rights"
        )
    _secrets_dir(taken)
    if taken.files is None:
        raise ConfigurationError(
            f"{SECRETS_DIR} does not name a directory that can be read: check its path and its rights"
        )
    return _found(account, names, taken)


def _found(account: str | None, names: Iterable[str], taken: Snapshot) -> dict[str, Found]:
    labels = {name: variable(account, name) for name in names}
    found = {
        name: Found(values[label], source)
        for source, values in taken.places().items()
        for name, label in labels.items()
        if label in values
    }
    quoted = [labels[name] for name, setting in found.items() if _quoted(setting.value, setting.source)]
    if quoted:
        raise ConfigurationError("; ".join(map(_without_quotes, quoted)))
    return found


def _quoted(value: str, source: str) -> bool:
    """Return whether a value is still in quotes that should have been removed. Values of ``.env`` lose their own."""
    text = value.strip()
    if len(text) < 2 or not (text[0] == text[-1] if text[0] in _STRAIGHT else text[-1] in _OTHER_QUOTES):
        return False
    signs = re.escape(text[0] + text[-1])
    return text[0] in _signs(source) and not re.search(rf"(?<!\\)[{signs}]", text[1:-1])


def _half_quoted(value: str, source: str) -> bool:
    """Return whether a value has a quote at one end, and no other of that kind."""
    text = value.strip()
    ends = (text[:1], text[-1:] if text[-1:] not in _APOSTROPHES else "")
    return any(end and end in _signs(source) and text.count(end) == 1 for end in ends)


def _signs(source: str) -> str:
    return _OTHER_QUOTES if source == ENV_FILE else _STRAIGHT + _OTHER_QUOTES


def _without_quotes(label: str) -> str:
    return (
        f"{label} still has quotes around its value, which docker --env-file and others do not remove: "
        "write it without quotes"
    )


def load(model: type[M], *accounts: str | None, exclude: Iterable[str] = (), **given: Any) -> M:
    """Make an object of the class ``model`` from the settings of ``accounts`` in the environment.

    If several accounts have a setting, the first of them counts. ``given`` are fields whose values the caller sets;
    ``exclude`` are fields that are not read. Raises ConfigurationError, which names every missing or wrong variable.
    """
    return Reading().run(lambda: _loaded(model, accounts, exclude, given))


def _loaded(model: type[M], accounts: Sequence[str | None], exclude: Iterable[str], given: Mapping[str, Any]) -> M:
    skipped = {*exclude, *given}
    names = [name for name in model.model_fields if name not in skipped]
    found: dict[str, Found] = {}
    homes: dict[str, str | None] = {}
    for account in accounts:
        values = read(account, [name for name in names if name not in found])
        found |= values
        homes |= dict.fromkeys(values, account)
    problem = _still_quoted(model, found, homes) or _led_astray(model, found, homes)
    if problem is not None:
        raise ConfigurationError(problem)
    token = _homes.set(homes)
    try:
        return model(**{name: _parse(model, name, setting.value) for name, setting in found.items()}, **given)
    except ConfigurationError as error:
        problem = str(error)
    except ValidationError as error:
        problem = explain(error, accounts[0], model)
    finally:
        _homes.reset(token)
    raise ConfigurationError(problem)


def _still_quoted(model: type[BaseModel], found: Mapping[str, Found], homes: Mapping[str, str | None]) -> str | None:
    """Return the error for lists of quoted words, and for a single quote; for other quotes see :func:`_quoted`.

    A secret may be any text, so it may begin with a quote.
    """
    for name, setting in found.items():
        parts = _parse(model, name, setting.value)
        words = [part for part in parts if isinstance(part, str)] if isinstance(parts, list) else []
        hidden = is_secret(model.model_fields[name].annotation)
        if any(_quoted(word, setting.source) for word in words) or (
            not hidden and any(_half_quoted(word, setting.source) for word in (setting.value, *words))
        ):
            return _without_quotes(variable(homes[name], name))
    return None


def _led_astray(model: type[BaseModel], found: Mapping[str, Found], homes: Mapping[str, str | None]) -> str | None:
    """Return the error for a URL from the working directory with a secret from elsewhere, if there is such a pair.

    Otherwise the files of a folder could have the secret sent to another URL.
    """
    home = _secrets_dir(snapshot.current())
    is_here = home is not None and (home.source == ENV_FILE or not Path(home.value).is_absolute())
    low = {ENV_FILE, *((SECRETS,) if is_here else ())}
    leads = [
        name
        for name, setting in found.items()
        if _leads(name, found) and (setting.source in low or _is_here(name, setting))
    ]
    secret = [name for name in found if found[name].source not in low and _is_sent(name, model)]
    if not leads or not secret:
        return None
    where, what = (variable(homes[names[0]], names[0]) for names in (leads, secret))
    source, advice = found[leads[0]].source, f"set both in the same place, or {where} in the environment too"
    is_from = f"from {source}"
    if source not in low:
        is_from, advice = "a path in the working directory", "write the whole path"
    return (
        f"{where} is {is_from}, and {what} from the {found[secret[0]].source}: whatever folder a command runs in "
        f"could have the secret sent elsewhere; {advice}"
    )


def _is_here(name: str, found: Found) -> bool:
    """Return whether a setting names a file of settings by a path relative to the working directory."""
    return name == "file" and not Path(found.value).is_absolute()


def _leads(name: str, found: Mapping[str, Found]) -> bool:
    """Return whether a setting decides where requests go; a file of settings may, unless the URL is set elsewhere."""
    return _LEADS.search(name) is not None or (name == "file" and "url" not in found)


def _is_sent(name: str, model: type[BaseModel]) -> bool:
    """Return whether a setting is a secret that is sent to a vendor."""
    info = model.model_fields[name]
    hidden = is_secret(info.annotation) or not info.repr
    return hidden and "webhook" not in name and _LEADS.search(name) is None


def is_secret(annotation: Any) -> bool:
    """Return whether a setting with this type annotation is a secret, or holds a secret."""
    if isinstance(annotation, type) and issubclass(annotation, SecretStr | SecretBytes):
        return True
    return "Secret" in getattr(get_origin(annotation), "__name__", "") or any(map(is_secret, get_args(annotation)))


def explain(error: ValidationError, account: str | None, model: type[BaseModel]) -> str:
    """Turn a validation error of ``model`` into words that name each missing or wrong variable, and never show a value.

    While a model is loaded, each setting is named after the account that has it, all other settings after ``account``.
    """
    homes = _homes.get()
    missing: list[str] = []
    wrong: dict[str, list[str]] = {}
    for problem in error.errors(include_url=False):
        field = str(problem["loc"][0]) if problem["loc"] else "*"
        label = variable(homes.get(field, account), field)
        if problem["type"] == "missing":
            missing.append(f"{label} is missing")
        elif problem["type"] == "extra_forbidden":
            missing.append(f"there is no setting {'.'.join(map(str, problem['loc']))}")
        else:
            words = plain(problem["type"], problem["msg"], problem.get("ctx", {}))
            if not is_ours(problem["type"], problem.get("ctx", {}).get("error")):
                info = model.model_fields.get(field)
                words = _without(
                    words, strings(problem["input"]), secret=info is not None and is_secret(info.annotation)
                )
            wrong.setdefault(label, []).append(words)
    said = [f"{label} is wrong: {', or '.join(dict.fromkeys(words))}" for label, words in wrong.items()]
    return "; ".join([*missing, *said])


def _without(words: str, values: Iterable[str], *, secret: bool) -> str:
    """Return ``words`` without values that the validator may have quoted; a short word may be a word of ours."""
    for value in values:
        for form in {value, repr(value)[1:-1]}:
            if len(form) >= SHORTEST_SECRET and (secret or len(form) >= _NO_WORD or not form.isalpha()):
                words = re.sub(rf"(?<!\w){re.escape(form)}(?!\w)" if form.isalpha() else re.escape(form), "***", words)
    return words


def strings(value: Any, *, secret_only: bool = False) -> Iterator[str]:
    """Yield every string inside ``value`` at any depth, and also the content of each SecretStr.

    With ``secret_only``, yield only the contents of SecretStr.
    """
    if isinstance(value, SecretStr):
        yield value.get_secret_value()
    elif isinstance(value, str):
        if not secret_only:
            yield value
    elif isinstance(value, BaseModel | Mapping | list | tuple | set | frozenset):
        inner = vars(value) if isinstance(value, BaseModel) else value
        for part in inner.values() if isinstance(inner, Mapping) else inner:
            yield from strings(part, secret_only=secret_only)


def _parse(model: type[BaseModel], name: str, value: str) -> Any:
    """Return ``value`` for pydantic: a list may be separated by commas, an object is JSON, all else is a string."""
    kind = _container(model.model_fields[name].annotation)
    if kind is None or (kind is not dict and not value.lstrip().startswith("[")):
        return [part.strip() for part in value.split(",") if part.strip()] if kind else value
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        # Pydantic reports the expected type.
        return value


def _container(annotation: Any) -> type | None:
    origin = get_origin(annotation)
    if origin in (Union, types.UnionType, Annotated):
        return next(filter(None, map(_container, get_args(annotation))), None)
    kind = origin or annotation
    if not isinstance(kind, type):
        return None
    if issubclass(kind, (list, tuple, set, frozenset)):
        return list
    return dict if issubclass(kind, (dict, Mapping, BaseModel)) else None
