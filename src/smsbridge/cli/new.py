"""Make a plugin for a provider or a policy that passes its contract tests: the command ``smsbridge new``."""

from __future__ import annotations

import re
import shlex
import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from importlib import metadata
from pathlib import Path
from string import Template
from typing import Any
from uuid import uuid4

import click

from .exits import Exit
from .output import Output
from .session import json_option

TEMPLATE = Path(__file__).with_name("template")
"""The templates: a folder ``common``, and a folder for each kind of plugin. Each file ``path.tmpl`` makes the file
``path``; ``NAME`` in a path is the name of the provider or the policy.
"""

_NAME = re.compile(r"[a-z0-9]{1,30}", re.ASCII)
_QUESTIONS = {
    "title": "Its name for people",
    "base_url": "The base URL of its API",
    "auth": "Its credentials",
    "body": "The format of its requests",
    "batch": "Can a request hold many texts",
    "webhooks": "Does it report by webhooks",
}
_OF_PROVIDERS = ("base_url", "auth", "body", "batch", "webhooks")
"""The options that only a provider has."""


def _matching(pattern: str, rule: str) -> Callable[[str], str]:
    """The type of an option whose text goes unchanged into the project's files, so quotes and line ends are refused."""

    def convert(value: str) -> str:
        if not re.fullmatch(pattern, value):
            raise click.BadParameter(rule)
        return value

    return convert


_title = _matching(r"[^\W_]([\w .,&+'()/-]{0,58}[\w.)+])?", "letters, digits, spaces and . , & + ' ( ) / -, at most 60")
_url = _matching(r"(?i:https://[a-z0-9.-]+(:[0-9]+)?(/[a-z0-9._~/-]*)?)", "must be https://host/path, without ? and #")


@click.command()
@click.argument("name")
@click.option("--policy", is_flag=True, help="Make a policy instead, which stands between applications and providers.")
@click.option(
    "--directory", metavar="DIR", help="The directory to make; it must be new or empty. Default: smsbridge-NAME."
)
@click.option(
    "--title",
    metavar="TEXT",
    type=_title,
    help='Its name for people, such as "Acme SMS". Default: NAME.',
)
@click.option(
    "--base-url", metavar="URL", type=_url, help="The base URL of the vendor's API. Default: https://api.NAME.example."
)
@click.option(
    "--auth",
    type=click.Choice(["bearer", "basic", "header", "query"]),
    default="bearer",
    show_default=True,
    help="Credentials: a bearer token, user name and password, or a token in a header or in the URL.",
)
@click.option(
    "--format",
    "body",
    type=click.Choice(["json", "form"]),
    default="json",
    show_default=True,
    help="The format of the vendor's requests.",
)
@click.option("--batch/--no-batch", help="Whether a request can hold many texts.")
@click.option("--webhooks/--no-webhooks", help="Whether the vendor reports by webhooks.")
@click.option("--interactive", is_flag=True, help="Ask for each option that is not given.")
@json_option
def new(*, name: str, policy: bool, directory: str | None, interactive: bool, as_json: bool, **given: Any) -> Exit:
    """Make a plugin for the provider NAME, or for the policy NAME: pyproject, code, tests, README and CI.

    The plugin passes the contract tests from the start. A provider has an invented API and invented sample answers; a
    comment marks every place that needs a fact about the vendor, and says where to find it.

    With --policy, the plugin checks each text before it reaches a provider, by an invented rule, and has a command and
    findings for smsbridge doctor. A comment marks every place that needs a decision.

    \b
    Examples:
      smsbridge new acme
      smsbridge new acme --title "Acme SMS" --auth basic --format form --batch --webhooks
      smsbridge new acme --interactive
      smsbridge new acme --directory plugins/acme --json
      smsbridge new --policy calm
    """  # noqa: D301  # click reads \b as "do not wrap"
    out = Output(as_json=as_json)
    kind = "policy" if policy else "provider"
    target = Path(directory or f"smsbridge-{name}")
    if policy:
        _refuse_options_of_providers()
    _check_name(name, kind)
    _check_target(target)
    given["title"] = given["title"] or name.capitalize()
    given["base_url"] = given["base_url"] or f"https://api.{name}.example"
    if interactive:
        given |= _ask(given, [question for question in _QUESTIONS if not policy or question not in _OF_PROVIDERS])
    files = render(name, kind, **given)
    _write(target.resolve(), files)
    following = _next(target)
    if as_json:
        out.json({kind: name, "directory": str(target), "files": sorted(files), "next": following})
        return Exit.OK
    out.line(f"made {target}, a plugin for the {kind} {name}", style="green")
    for path in sorted(files):
        out.line(f"  {path}")
    for command in following:
        out.aside(f"next: {command}")
    what = "your own rule: README.md, Making it yours" if policy else "the vendor's facts: README.md, Making it true"
    out.aside(f"then fill in {what}")
    return Exit.OK


def _refuse_options_of_providers() -> None:
    """Refuse options about a vendor, because a policy has no vendor."""
    ctx = click.get_current_context()
    for option in ctx.command.params:
        if (
            option.name in _OF_PROVIDERS
            and ctx.get_parameter_source(option.name) is click.core.ParameterSource.COMMANDLINE
        ):
            raise click.UsageError(f"{option.opts[0]} is for providers: leave it out with --policy")


def render(
    name: str, kind: str, *, title: str, base_url: str, auth: str, body: str, batch: bool, webhooks: bool
) -> dict[str, str]:
    """Make the files of a new plugin's project. Returns the contents of each file, by the file's path in the project.

    ``kind`` is ``provider`` or ``policy``; the other arguments shape the invented API of a provider.
    """
    stem = name.capitalize() if name[0].isalpha() else f"Sms{name}"
    values = {
        "name": name,
        "NAME": name.upper(),
        "kind": kind,
        "stem": stem,
        "cls": f"{stem}{kind.capitalize()}",
        "title": title,
        "base_url": base_url.rstrip("/"),
        "needs": _needs(metadata.version("smsbridge")),
    }
    chosen = {auth, body, *(["batch"] if batch else []), *(["webhooks"] if webhooks else [])}
    return {
        path.relative_to(folder).as_posix().replace("NAME", name).removesuffix(".tmpl"): _fill(
            path.read_text("utf-8"), values, chosen
        )
        for folder in (TEMPLATE / "common", TEMPLATE / kind)
        for path in folder.rglob("*.tmpl")
    }


def _needs(version: str) -> str:
    """The requirement of a plugin made with ``version``: this minor version of smsbridge or a later patch of it."""
    major, minor = version.split(".")[:2]
    return f"smsbridge>={major}.{minor},<{major}.{int(minor) + 1}"


def _fill(text: str, values: Mapping[str, str], chosen: set[str]) -> str:
    """``text`` with its ``$names`` filled in, and with the chosen parts of ``%% if WORD``, ``%% else``, ``%% end``."""
    kept: list[str] = []
    shown = [True]
    for line in text.splitlines(keepends=True):
        match line.split():
            case ["%%", "if", word]:
                shown.append(shown[-1] and word in chosen)
            case ["%%", "else"]:
                shown[-1] = shown[-2] and not shown[-1]
            case ["%%", "end"]:
                shown.pop()
            case _ if shown[-1]:
                kept.append(line)
    return Template("".join(kept)).substitute(values)


def _check_name(name: str, kind: str) -> None:
    """Refuse a ``name`` that cannot be the name of a new provider or policy (``kind``)."""
    from ..plugins import default_plugins
    from ..unread import WORDS
    from . import installed
    from .app import COMMANDS

    if not _NAME.fullmatch(name):
        raise click.BadParameter("must have lower-case letters and digits only, at most 30", param_hint="NAME")
    if name in WORDS:
        raise click.BadParameter(
            f"{name!r} is taken: settings of smsbridge begin with it; choose another name", param_hint="NAME"
        )
    plugins = default_plugins()
    if name in (*plugins.names(), *plugins.policies.names()):
        there = "policy" if name in plugins.policies else "provider"
        raise click.BadParameter(f"there is a {there} {name!r} already, from {plugins.origin(name)}", param_hint="NAME")
    if kind == "policy" and (name in COMMANDS or name in installed.names()):
        origin = installed.names().get(name, "smsbridge")
        raise click.BadParameter(f"there is a command {name!r} already, from {origin}", param_hint="NAME")
    ours = [re.split(r"[^\w-]", requirement, maxsplit=1)[0] for requirement in metadata.requires("smsbridge") or []]
    if f"smsbridge-{name}" in ours:
        raise click.BadParameter(
            f'there is a plugin for {name!r} already: pip install "smsbridge[{name}]"', param_hint="NAME"
        )


def _check_target(target: Path) -> None:
    """Refuse a directory that is not empty."""
    try:
        if target.resolve() == Path.cwd():
            raise click.UsageError(
                "--directory is the current directory: name a new directory, or leave the option out"
            )
        if target.exists() and (not target.is_dir() or any(target.iterdir())):
            raise click.UsageError(f"{target} exists already and is not an empty directory")
    except OSError as error:
        raise _cannot_make(target, error) from None


def _ask(given: Mapping[str, Any], options: Sequence[str]) -> dict[str, Any]:
    """Ask for each of ``options`` that was not given, again after a wrong answer; return the answers."""
    ctx = click.get_current_context()
    answers = {}
    for option in ctx.command.params:
        name = option.name or ""
        if name in options and ctx.get_parameter_source(name) is click.core.ParameterSource.DEFAULT:
            default = {True: "yes", False: "no"}.get(given[name], given[name])
            answers[name] = click.prompt(_QUESTIONS[name], default=default, type=option.type, err=True)
    return answers


def _write(target: Path, files: Mapping[str, str]) -> None:
    """Write all of ``files`` into ``target``, or nothing: write beside it first, and move when complete."""
    half = target.with_name(f".{target.name}.{uuid4().hex[:8]}")
    try:
        half.mkdir()
        for path, text in files.items():
            (half / path).parent.mkdir(parents=True, exist_ok=True)
            (half / path).write_text(text, "utf-8", newline="\n")
        if target.is_dir():
            # Fails unless the directory is empty. Windows cannot move a directory onto another.
            target.rmdir()
        half.rename(target)
    except OSError as error:
        raise _cannot_make(target, error) from None
    finally:
        shutil.rmtree(half, ignore_errors=True)


def _cannot_make(target: Path, error: OSError) -> click.UsageError:
    return click.UsageError(f"{target} cannot be made: {error.strerror or type(error).__name__}")


def _next(target: Path) -> list[str]:
    """Three commands to run next, with the Python that runs this process."""
    found = shutil.which("python")
    here = found is not None and Path(found).parent == Path(sys.executable).parent
    python = "python" if here else shlex.quote(sys.executable)
    if shutil.which("uv"):
        install = f"uv pip install --python {python} -e . --group dev"
    else:
        install = f'{python} -m pip install "pip>=25.1" && {python} -m pip install -e . --group dev'
    return [f"cd {shlex.quote(str(target))}", install, f"{python} -m pytest"]
