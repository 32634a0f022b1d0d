"""The house: the public names, the order of imports, and the cost of an import."""

from __future__ import annotations

import ast
import importlib
import importlib.metadata
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import smsbridge
import surroundings
from smsbridge import groups
from smsbridge.cli.app import COMMANDS
from smsbridge.plugins import BUILTIN
from smsbridge.policies.known import BUILT_IN
from smsbridge.settings import Settings

ROOT = Path(__file__).parent.parent
SOURCE = ROOT / "src" / "smsbridge"
PUBLIC = [
    "Batch",
    "Gate",
    "Policy",
    "AsyncSmsClient",
    "AuthenticationError",
    "Balance",
    "Call",
    "Capability",
    "ConfigurationError",
    "ContentError",
    "DeliveryReport",
    "Dlt",
    "Event",
    "Flow",
    "Foresight",
    "FundsError",
    "HttpRequest",
    "HttpResponse",
    "InboundMessage",
    "InsecureUrlWarning",
    "Message",
    "MessageFields",
    "Money",
    "NoAnswer",
    "NotConnected",
    "NotFoundError",
    "OptedOutError",
    "Options",
    "PayloadError",
    "Plugins",
    "ProviderBugError",
    "Purpose",
    "QueryError",
    "RateLimitedError",
    "Received",
    "RecipientError",
    "RefusedError",
    "Result",
    "SendError",
    "SenderError",
    "SentMessage",
    "Settings",
    "SignatureError",
    "SmsBridgeError",
    "SmsClient",
    "SmsProvider",
    "Status",
    "TransportError",
    "UnavailableError",
    "UncertainError",
    "UnsupportedError",
    "Verification",
    "VerificationCheck",
    "VetoedError",
    "Wait",
    "WebhookError",
    "client",
    "hookimpl",
    "lookup",
    "normalize",
    "send",
    "send_many",
    "try_send",
]


def python(code):
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    return done.stdout.split()


def imports(path):
    """Every module that a file imports, anywhere in it."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield "." * node.level + (node.module or "")


# --- public names ---------------------------------------------------------------------------------------------------------


def test_the_public_names_are_these():
    assert sorted(smsbridge.__all__) == sorted(PUBLIC)
    assert dir(smsbridge) == smsbridge.__all__


def test_the_public_names_of_the_webhooks_are_these():
    """A function for each kind of server, and the two classes that a view of another framework is made of."""
    from smsbridge import web

    assert web.__all__ == ["AsyncWebhooks", "Webhooks", "asgi", "blueprint", "wsgi"]


def test_what_type_checkers_see_is_what_there_is():
    tree = ast.parse((SOURCE / "__init__.py").read_text("utf-8"))
    (block,) = [node for node in tree.body if isinstance(node, ast.If)]
    seen = {
        (name.asname, node.module) for node in block.body if isinstance(node, ast.ImportFrom) for name in node.names
    }
    assert all(
        name.asname == name.name for node in block.body if isinstance(node, ast.ImportFrom) for name in node.names
    )
    assert sorted(name for name, _ in seen) == sorted(PUBLIC)
    for name, module in seen - {("client", "client")}:
        assert getattr(smsbridge, name) is getattr(importlib.import_module(f"smsbridge.{module}"), name)


@pytest.mark.parametrize("first", ["smsbridge.client", "smsbridge.send", "from smsbridge.client import SmsClient"])
def test_the_module_client_is_also_the_function_whichever_is_asked_for_first(first):
    code = f"import smsbridge; {first}; c = smsbridge.client(); import smsbridge.client as m; print(c is m.client(), type(c) is m.SmsClient)"
    assert python(code) == ["True", "True"]


def test_the_docstring_which_pydoc_shows_first_has_every_public_name():
    assert set(PUBLIC) <= set(re.findall(r"\w+", smsbridge.__doc__))


def test_the_version_is_that_of_the_distribution():
    assert smsbridge.__version__ == importlib.metadata.version("smsbridge")


def test_there_are_no_other_names():
    with pytest.raises(AttributeError, match="no attribute 'Twilio'"):
        _ = smsbridge.Twilio


def test_the_package_is_typed():
    assert (SOURCE / "py.typed").exists()


# --- the order of imports -------------------------------------------------------------------------------------------------


def test_each_file_imports_only_from_files_above_it():
    command = [Path(sys.executable).with_name("lint-imports"), "--no-cache", "--config", ROOT / "pyproject.toml"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stdout


def test_every_file_has_a_place_in_the_house():
    contract = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"]["contracts"][0]
    listed = {room.strip().removeprefix("smsbridge.") for layer in contract["layers"] for room in layer.split(":")}
    there = {path.stem for path in SOURCE.iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()}
    assert there - {"__init__", "__main__"} == listed


def test_httpx_is_imported_by_one_file_of_the_wire_alone():
    """Our sandbox may use it too: it is a vendor, not a part of the library."""
    users = {
        path.relative_to(ROOT)
        for folder in (SOURCE, ROOT / "plugins")
        for path in folder.rglob("*.py")
        if not {"sandbox", "build", ".venv"} & set(path.parts)
        for name in imports(path)
        if name.split(".")[0] == "httpx"
    }
    assert users == {Path("src/smsbridge/wire/httpx_line.py")}


def test_no_file_of_the_core_knows_a_provider_by_name():
    for path in SOURCE.rglob("*.py"):
        assert not [name for name in imports(path) if name.startswith("smsbridge_")], path


def test_the_builtin_providers_are_the_modules_of_their_room():
    assert sorted(BUILTIN) == sorted(path.stem for path in (SOURCE / "builtin").glob("[a-z]*.py"))


def caught(path):
    """The exceptions that ``except`` and ``suppress`` of a file name; a bare ``except`` counts as BaseException."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.ExceptHandler):
            yield ast.unparse(node.type) if node.type is not None else "BaseException"
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith(("suppress", "__exit__")):
            yield from map(ast.unparse, node.args)


def test_no_policy_catches_what_interrupts_it():
    """An interruption is a result (see ``Batch``). A policy undoes its changes in ``finally``."""
    interruptions = {
        "BaseException",
        "KeyboardInterrupt",
        "SystemExit",
        "CancelledError",
        "GeneratorExit",
        "Dropped",
        "Stopped",
    }
    for path in (SOURCE / "policies").glob("*.py"):
        names = {word.strip("() ").rpartition(".")[2] for words in caught(path) for word in re.split(r"[,|]", words)}
        assert not names & interruptions, path


def test_a_flow_is_driven_by_one_loop():
    for path in {*SOURCE.rglob("*.py")} - {SOURCE / "flow.py", SOURCE / "rehearsal.py"}:
        assert not re.search(r"\.throw\(|\bnext\(flow\)|flow\.send\(", path.read_text("utf-8")), path


def test_every_file_says_what_it_is_for():
    for path in [*SOURCE.rglob("*.py")]:
        assert ast.get_docstring(ast.parse(path.read_text("utf-8"))), path


CHANGING = {
    "contract.kit.Outcome",
    "testing.watching.Seen",
    "builtin.memory._Shelf",
    "cli.diagnosis.Diagnosis",
    "cli.session.Started",
    "smsbridge.own_file.OwnFile",
    "smsbridge.own_file._Known",
    "smsbridge.unread._Survey",
    "stores.memory._Telling",
    "ledger.stats._Sums",
}
"""Dataclasses that are no values: they collect or count."""

CACHING = {"dlt.template.Shape"}
"""Values that cache computed fields."""


def dataclasses_of(path):
    """The name of each dataclass of a file, the arguments of its decorator, and its number of fields."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        for decorator in getattr(node, "decorator_list", ()):
            if isinstance(node, ast.ClassDef) and ast.unparse(decorator).startswith("dataclass"):
                said = {keyword.arg: ast.literal_eval(keyword.value) for keyword in getattr(decorator, "keywords", ())}
                fields = [statement for statement in node.body if isinstance(statement, ast.AnnAssign)]
                yield f"{path.parent.name}.{path.stem}.{node.name}", said, len(fields)


def test_values_are_frozen_and_have_slots_and_what_has_many_fields_is_made_by_name():
    found = [place for path in SOURCE.rglob("*.py") for place in dataclasses_of(path)]
    assert {name for name, said, _ in found if not said.get("frozen")} == CHANGING
    assert {name for name, said, _ in found if not said.get("slots")} == CACHING
    by_place = {name for name, said, fields in found if fields > 7 and not said.get("kw_only")}
    assert by_place <= CHANGING


# --- the cost of an import ------------------------------------------------------------------------------------------------

HEAVY = (
    "{'httpx', 'httpcore', 'aiohttp', 'pydantic', 'pydantic_settings', 'pluggy', 'asyncio', 'phonenumbers', 'click'}"
)
LOADED = f"sorted({{name.partition('.')[0] for name in sys.modules}} & {HEAVY})"


def test_importing_smsbridge_loads_nothing_heavy_and_no_provider():
    loaded = python("import sys, smsbridge; print(*[name for name in sys.modules if name.startswith('smsbridge')])")
    assert loaded == ["smsbridge"]
    assert python(f"import sys, smsbridge; print(*{LOADED})") == []


def test_errors_and_values_load_nothing_heavy():
    assert python(f"import sys, smsbridge.errors, smsbridge.messages, smsbridge.phone; print(*{LOADED})") == []


def test_webhooks_load_no_framework():
    frameworks = "{'flask', 'werkzeug', 'starlette', 'fastapi', 'django', 'httpx', 'click'}"
    assert python(f"import sys, smsbridge.web; print(*sorted({frameworks} & set(sys.modules)))") == []


def test_a_registry_of_templates_loads_nothing_heavy():
    assert python(f"import sys, smsbridge.dlt; print(*{LOADED})") == []


def test_a_provider_made_by_hand_needs_neither_httpx_nor_the_reader_of_the_environment():
    code = """
import sys
from smsbridge import Settings, SmsClient
from smsbridge.builtin.memory import MemoryProvider
with SmsClient(MemoryProvider(), settings=Settings()) as sms:
    sms.send("+919876543210", "hello")
    with sms.send_many([]) as results:
        list(results)
"""
    assert not {"httpx", "httpcore", "aiohttp", "pydantic_settings", "click"} & set(python(f"{code}print(*{LOADED})"))


def test_no_provider_is_imported_before_it_is_asked_for():
    code = """
import sys
from smsbridge import SmsClient
SmsClient("memory").send("+919876543210", "hello")
print(*[name for name in sys.modules if name.startswith(("smsbridge_", "smsbridge.builtin."))])
"""
    assert python(code) == ["smsbridge.builtin.memory"]


def test_the_files_that_run_in_other_surroundings_are_there():
    assert [name for name in surroundings.FILES if not (surroundings.HERE / name).exists()] == []


# --- a budget of names: a new name replaces another, or earns its place ---------------------------------------------------

SETTINGS = {
    "store",
    *("provider", "timeout", "deadline", "default_region", "secrets_dir", "concurrency", "public_url"),
    *("env", "env_allows", "unread_allows"),
}
ALL_COMMANDS = {
    *("send", "status", "balance", "verify", "segments", "texts", "hours", "optouts", "dlt"),
    *("webhooks", "store", "providers", "explain", "doctor", "new"),
}
ALL_POLICIES = {
    *("text", "ledger", "guard", "cost", "optout", "purpose", "retry", "hours", "failover", "dlt", "limit"),
}
ALL_GROUPS = {"smsbridge", "smsbridge.hooks", "smsbridge.policies", "smsbridge.commands", "smsbridge.stores"}


def test_the_settings_commands_policies_and_groups_are_these():
    assert set(Settings.model_fields) == SETTINGS
    assert set(COMMANDS) == ALL_COMMANDS
    assert set(BUILT_IN) == ALL_POLICIES
    named = {value for name, value in vars(groups).items() if name.isupper() and isinstance(value, str)}
    assert named == ALL_GROUPS
