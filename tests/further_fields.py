"""Runs with a copy of smsbridge whose Message has more fields, and prints how each place treats them, as JSON.

Each place gets messages with and without the fields, and says whether it carries them. ``test_message_fields`` runs this.
"""

from __future__ import annotations

import contextlib
import io
import json
import sys
import tempfile
from collections import UserString
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from click.testing import CliRunner

from smsbridge import SmsClient, messages
from smsbridge.builtin.console import ConsoleProvider
from smsbridge.builtin.file import FileProvider
from smsbridge.builtin.memory import MemoryProvider
from smsbridge.cli.app import smsbridge
from smsbridge.errors import UnsupportedError
from smsbridge.messages import Message
from smsbridge.plugins import Plugins, default_plugins
from smsbridge.policies.members import ABILITIES
from smsbridge.provider import OPTIONAL_FIELDS
from smsbridge.stores.entries import Kind, digest
from smsbridge.testing import Outbox, ProviderContract

TO, TEXT, KEY = "+919876543210", "Hello", bytes(range(32))
INDIA = timezone(timedelta(hours=5, minutes=30))
WHEN = datetime(2031, 2, 3, 4, 5, tzinfo=UTC)
GIVEN: dict[str, Any] = {"campaign": "spring-7", "not_before": WHEN}
WRITTEN = {"campaign": "spring-7", "not_before": WHEN.isoformat()}
PLACES: dict[str, Callable[[str], object]] = {}


def place(look: Callable[[str], object]) -> Callable[[str], object]:
    """A place that has to carry a field, or refuse it by its name."""
    PLACES[look.__name__] = look
    return look


def message(**fields: Any) -> Message:
    return Message(to=TO, text=TEXT, reference="order-17", **fields)


def with_only(name: str) -> Message:
    return message(**{name: GIVEN[name]})


def command(*arguments: str, **environ: str) -> tuple[str, int]:
    default_plugins.cache_clear()  # closes the journal of the command before
    result = CliRunner().invoke(smsbridge, arguments, env=environ, standalone_mode=False)
    return result.output, result.return_value


def option(name: str) -> tuple[str, str]:
    return f"--{name.replace('_', '-')}", WRITTEN[name]


def is_in_file(name: str, *arguments: str) -> bool:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "sms.jsonl")
        command("send", *arguments, SMSBRIDGE_PROVIDER="file", SMSBRIDGE_FILE_PATH=str(path))
        return path.exists() and json.loads(path.read_text())[name] == WRITTEN[name]


def lines(folder: str, content: dict[str, Any]) -> str:
    path = Path(folder, "many.jsonl")
    path.write_text(json.dumps({"to": TO, "text": TEXT, **content}))
    return str(path)


@place
def optional_fields(name: str) -> object:
    return name in OPTIONAL_FIELDS


@place
def checked_when_made(name: str) -> object:
    wrong, words = {"campaign": (b"bytes", "a string"), "not_before": (datetime(2031, 2, 3), "time zone")}[name]  # noqa: DTZ001
    try:
        message(**{name: wrong})
    except (TypeError, ValueError) as error:
        return str(error).startswith(name) and words in str(error)
    return False


@place
def lazy_strings(name: str) -> object:
    lazy = message(campaign=UserString("spring-7"))
    return type(lazy.campaign) is str


@place
def half_a_character(name: str) -> object:
    if not isinstance(GIVEN[name], str):
        return True
    result = SmsClient("memory").try_send(message(**{name: "\ud83d"}))
    return result.error is not None and result.error.reason == "not-unicode"


@place
def other_providers_refuse_by_name(name: str) -> object:
    plugins, refused = Plugins(), set()
    carried = {"console", "file", "memory"}
    kinds = {name: plugins.provider_class(name) for name in plugins.names()}
    for kind in kinds.values():
        try:
            kind.model_construct(base_url="https://sms.example").check(with_only(name))
        except UnsupportedError as error:
            if name in str(error):
                refused.add(kind.name)
    return refused == set(kinds) - carried and len(refused) > 1


@place
def console(name: str) -> object:
    shown = io.StringIO()
    with contextlib.redirect_stdout(shown), SmsClient(ConsoleProvider()) as client:
        client.send(with_only(name))
    return WRITTEN[name] in shown.getvalue() and name.replace("_", " ") in shown.getvalue()


@place
def file(name: str) -> object:
    with tempfile.TemporaryDirectory() as folder, SmsClient(FileProvider(path=Path(folder, "sms"))) as client:
        client.send(with_only(name))
        return json.loads(Path(folder, "sms").read_text())[name] == WRITTEN[name]


@place
def memory(name: str) -> object:
    provider = MemoryProvider()
    with SmsClient(provider) as client:
        client.send(with_only(name))
        client.start_verification(with_only(name))
    return [getattr(kept, name) for kept in provider.sent] == [GIVEN[name]] * 2


@place
def option_of_send(name: str) -> object:
    return is_in_file(name, TO, TEXT, *option(name))


@place
def option_of_what_only_looks(name: str) -> object:
    http = {"SMSBRIDGE_PROVIDER": "http", "SMSBRIDGE_HTTP_URL": "https://sms.example/?to={to}&text={text}"}
    http |= {"SMSBRIDGE_HTTP_ACCEPT_IF": '{"matches": "OK"}'}
    looks = [("explain", TO), ("send", TO, TEXT, "--dry-run")]
    outputs = [command(*look, *option(name), **http)[0] for look in looks]
    return all(f"these fields of a message: {name}" in output for output in outputs) or outputs


@place
def option_of_verify(name: str) -> object:
    output, code = command("verify", "start", TO, *option(name), SMSBRIDGE_PROVIDER="memory")
    return code == 0 or output


@place
def options_as_defaults_of_lines(name: str) -> object:
    with tempfile.TemporaryDirectory() as folder:
        return is_in_file(name, "--many", lines(folder, {}), *option(name))


@place
def json_lines(name: str) -> object:
    with tempfile.TemporaryDirectory() as folder:
        return is_in_file(name, "--many", lines(folder, {name: WRITTEN[name]}))


@place
def json_lines_check_it(name: str) -> object:
    with tempfile.TemporaryDirectory() as folder:
        output, code = command("send", "--many", lines(folder, {name: 7}))
        return code == 2 and name in output and "known are" not in output


@place
def help_of_send(name: str) -> object:
    output, _ = command("send", "--help")
    return name in " ".join(output.split("Exit code")[0].split()) and option(name)[0] in output


@place
def matrix_of_providers(name: str) -> object:
    output, _ = command("providers", "--json")
    fields = {provider["name"]: provider["fields"] for provider in json.loads(output)["providers"]}
    return name in fields["file"] and name not in fields["http"]


@place
def digest_tells_texts_apart(name: str) -> object:
    other = {"campaign": "autumn", "not_before": datetime(2031, 2, 3, tzinfo=UTC)}[name]
    texts = [message(), with_only(name), message(**{name: other})]
    return len({digest(KEY, text, Kind.TEXT) for text in texts}) == 3


@place
def digest_in_every_zone(name: str) -> object:
    there = GIVEN[name].astimezone(INDIA) if name == "not_before" else GIVEN[name]
    return digest(KEY, message(**{name: there}), Kind.TEXT) == digest(KEY, with_only(name), Kind.TEXT)


@place
def differences_of_accounts(name: str) -> object:
    ability = name.replace("_", " ")
    return ability in ABILITIES and ABILITIES[ability](MemoryProvider())


@place
def outbox(name: str) -> object:
    with Outbox() as sent, SmsClient(MemoryProvider()) as client:
        client.send(with_only(name))
        posted = sent.assert_sent(**{name: GIVEN[name]})
        return getattr(posted, name) == GIVEN[name]


@place
def samples_of_the_kit(name: str) -> object:
    first, other = ProviderContract().field_values[name][:2]
    return first != other and all(getattr(message(**{name: value}), name) == value for value in (first, other))


def looked(look: Callable[[str], object], name: str) -> object:
    try:
        return look(name)
    except (Exception, SystemExit) as error:  # noqa: BLE001  # a place that fails has forgotten the field
        return f"{type(error).__name__}: {error}"


if __name__ == "__main__":
    found = {f"{look.__name__}[{name}]": looked(look, name) for look in PLACES.values() for name in GIVEN}
    json.dump({"copy": messages.__file__, **found}, sys.stdout)
