"""smsbridge providers: the installed providers and their capabilities."""

from __future__ import annotations

import enum
from importlib.metadata import EntryPoint, EntryPoints, entry_points
from pathlib import Path
from typing import Annotated, Literal

import pytest
from pydantic import AnyUrl, BaseModel, Field, SecretStr

import smsbridge.plugins
from cli_acme import AcmeProvider, install, run, run_json
from smsbridge.cli import describe
from smsbridge.cli.exits import Exit
from smsbridge.cli.providers import markdown_table
from smsbridge.provider import OPTIONAL_FIELDS, Capability

INSTALLED = {"console", "file", "http", "memory", "twincle"}
"""Only the providers that are always installed where the tests run."""


@pytest.fixture
def acme(monkeypatch):
    return install(monkeypatch)


@pytest.fixture
def broken(monkeypatch):
    """An installed plugin that cannot be imported."""
    points = [
        *entry_points(group="smsbridge"),
        EntryPoint(name="broken", group="smsbridge", value="no_such_module_here"),
    ]
    monkeypatch.setattr(smsbridge.plugins, "entry_points", lambda: EntryPoints(points))


def test_every_provider_is_listed_with_what_it_can_do(acme):
    done = run("providers")
    assert done.exit_code == Exit.OK
    can, fields = (table.splitlines() for table in done.stdout.split("\n\n"))
    for head, *rows in (can, fields):
        assert head.split()[0] == "provider"
        names = [row.split()[0] for row in rows]
        assert names[0] == "acme"
        assert set(names) > INSTALLED
    assert can[1].split() == ["acme", "-", *["yes"] * 5, "-"]
    assert fields[1].split() == ["acme", "yes", "yes", "-", "yes", "smsbridge_acme"]


def test_the_list_fits_a_terminal_of_80_columns():
    assert max(map(len, run("providers").output.splitlines())) <= 80


def test_the_list_as_json(acme):
    document, code = run_json("providers")
    assert code == Exit.OK
    providers = {provider["name"]: provider for provider in document["providers"]}
    assert list(providers) == sorted(providers)
    assert set(providers) > INSTALLED
    acme_ = providers["acme"]
    assert set(acme_) == {
        "name",
        "origin",
        "broken",
        "description",
        "capabilities",
        "fields",
        "verification_fields",
        "batch_size",
        "policy",
        "stands",
        "settings",
        "options",
    }
    assert acme_["capabilities"] == ["status", "lookup", "balance", "verification", "cancel verification"]
    assert acme_["fields"] == ["sender", "send_at", "dlt"]
    assert providers["memory"]["batch_size"] == 100


def test_one_provider_shows_all_its_settings(acme):
    done = run("providers", "acme")
    assert done.exit_code == Exit.OK
    for words in (
        "acme, from smsbridge_acme",
        "Acme SMS, for tests.",
        "SMSBRIDGE_ACME_TOKEN  (secret, required)",
        "From Acme's portal.",
        "SMSBRIDGE_ACME_BASE_URL  (text, default https://acme.example)",
        "deprecated: use SMSBRIDGE_ACME_BASE_URL",
        "flash  (yes or no, default no)",
        "Shown at once.",
    ):
        assert words in done.stdout
    assert "ACCOUNT" not in done.stdout


def test_a_setting_as_json(acme):
    document, _ = run_json("providers", "acme")
    (provider,) = document["providers"]
    assert provider["settings"][0] == {
        "name": "token",
        "variable": "SMSBRIDGE_ACME_TOKEN",
        "type": "secret",
        "required": True,
        "secret": True,
        "default": None,
        "description": "From Acme's portal.",
        "deprecated": None,
    }


@pytest.mark.parametrize("name", sorted(INSTALLED))
def test_every_installed_provider_can_be_shown(name):
    done = run("providers", name)
    assert done.exit_code == Exit.OK
    assert done.stdout.startswith(f"{name}, from smsbridge")


def test_an_unknown_name_says_what_is_there():
    done = run("providers", "nosuch")
    assert done.exit_code == Exit.CONFIGURATION
    assert "have console, file" in done.stderr
    assert "pip install" not in done.stderr


def test_a_broken_plugin_is_shown_as_such_and_harms_no_other(broken):
    done = run("providers")
    assert done.exit_code == Exit.OK
    assert "broken is broken: plugin no_such_module_here" in done.stdout
    assert "No module named 'no_such_module_here'" in done.stdout
    assert all(f"\n{name} " in done.stdout for name in INSTALLED)
    document, code = run_json("providers")
    assert code == Exit.OK
    reasons = {provider["name"]: provider["broken"] for provider in document["providers"]}
    assert "no_such_module_here" in reasons.pop("broken")
    assert {reasons[name] for name in INSTALLED} == {None}


def test_asking_for_a_broken_plugin_is_an_error(broken):
    done = run("providers", "broken")
    assert done.exit_code == Exit.CONFIGURATION
    assert "No module named" in done.stdout


def test_the_markdown_table_is_made_from_the_classes(acme):
    done = run("providers", "--markdown")
    assert done.exit_code == Exit.OK
    head, rule, *rows = done.stdout.splitlines()
    titles = [cell.strip() for cell in head.split("|")[1:-1]]
    assert titles == ["Provider", "Package", *Capability, *(f"`{field}`" for field in OPTIONAL_FIELDS)]
    assert {line.count("|") for line in (head, rule, *rows)} == {len(titles) + 1}
    assert rows[0].startswith("| `acme` | `smsbridge_acme` |  | yes |")
    assert done.stdout == markdown_table(acme) + "\n"


def test_the_markdown_table_of_some(acme):
    assert markdown_table(acme, ["console"]).count("\n") == 2
    assert run("providers", "console", "--markdown").stdout.count("\n") == 3


def test_markdown_and_json_exclude_each_other():
    assert run("providers", "--markdown", "--json").exit_code == Exit.USAGE


class Colour(enum.StrEnum):
    RED = "red"
    BLUE = "blue"


@pytest.mark.parametrize(
    ("annotation", "words"),
    [
        (str, "text"),
        (bool, "yes or no"),
        (int, "whole number"),
        (float | None, "number"),
        (Path, "path"),
        (AnyUrl, "URL"),
        (SecretStr | None, "secret"),
        (list[SecretStr], "secret"),
        (tuple[str, ...], "list, separated by commas"),
        (dict[str, int], "JSON object"),
        (BaseModel, "JSON object"),
        (Literal["a", "b"], "one of a, b"),
        (Colour, "one of red, blue"),
        (Annotated[int, Field(gt=0)], "whole number"),
        (int | str, "whole number or text"),
        (complex, "complex"),
    ],
    ids=str,
)
def test_types_are_named_for_people(annotation, words):
    assert describe.type_name(annotation) == words


def test_a_setting_named_like_a_secret_is_one():
    secret = {setting.name for setting in describe.settings(AcmeProvider, "acme") if setting.secret}
    assert secret == {"token", "api_key"}


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (True, "yes"),
        ("+919876543210", "+91******3210"),
        ("https://me:pass@acme.example/x?key=1", "https://********@acme.example/x?********"),
        ("https://[bad", "********"),
        (SecretStr("x"), "********"),
        (["a", "b"], "a, b"),
        ({"a": 1}, "(set)"),
        (Colour.RED, "red"),
        (30.0, "30.0"),
    ],
)
def test_values_are_shown_without_secrets_and_numbers(value, shown):
    assert describe.show(value) == shown


def test_defaults_are_shown_where_they_say_something():
    class Model(BaseModel):
        secret_key: str = "k"
        empty: str = ""
        made: list[str] = Field(default_factory=list)
        old: int = Field(default=1, deprecated=True)

    defaults = {setting.name: (setting.default, setting.deprecated) for setting in describe.settings(Model, None)}
    assert defaults == {
        "secret_key": ("********", None),
        "empty": (None, None),
        "made": ("(computed)", None),
        "old": ("1", "deprecated"),
    }


@pytest.mark.parametrize(
    ("policy", "stands", "holder"),
    [
        ("guard", "once, around all accounts", False),
        ("limit", "around each account", False),
        ("failover", "only where settings compose it", True),
    ],
)
def test_a_policy_says_where_it_stands_and_names_accounts_only_where_they_are_read(policy, stands, holder):
    shown = run("providers", policy).stdout
    assert f"stands  {stands}" in shown
    assert (f"SMSBRIDGE_{policy.upper()}_ACCOUNTS" in shown, f"SMSBRIDGE_{policy.upper()}_INNER" in shown) == (
        holder,
        False,
    )
