"""Write the generated tables of README.md and docs/, between ``made by docs/generate.py: NAME`` and ``end``.

    uv run python docs/generate.py            # write
    uv run python docs/generate.py --check    # exit code 1 if anything would change

Tables follow from the code: settings, commands, exit codes, errors, operators' codes, and what each provider can do.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterable, Sequence
from inspect import cleandoc
from pathlib import Path

import click

from smsbridge import errors
from smsbridge.cli import advice, app, describe, exits
from smsbridge.cli.providers import markdown_table
from smsbridge.dlt.codes import OPERATORS
from smsbridge.plugins import Plugins
from smsbridge.policies.known import BUILT_IN
from smsbridge.settings import Settings

ROOT = Path(__file__).parent.parent
BLOCK = re.compile(r"(<!-- made by docs/generate\.py: (\S+) -->\n).*?(<!-- end -->)", re.DOTALL)
STAND_INS = ("console", "file", "memory")
VENDORS = ("infobip", "plivo", "twilio", "twincle", "vonage")
SETTINGS_PAGES = {
    "provider": "../start/concepts.md",
    "timeout": "../guide/sending.md#how-long-a-send-may-take",
    "deadline": "../guide/sending.md#how-long-a-send-may-take",
    "default_region": "../guide/numbers.md",
    "concurrency": "../guide/many.md",
    "store": "../going-live/stores.md",
    "public_url": "../guide/reports.md#behind-a-proxy",
}
"""The page that explains a setting of the core. The page of environments explains all other settings."""
POLICY_PAGES = {"dlt": "../india/dlt.md"}
"""The page of a policy, if it is not named like the policy."""


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cell(words: str) -> str:
    return " ".join(words.replace("``", "`").replace("|", "\\|").split())


def _sentence(words: str) -> str:
    return _cell(words).rstrip(".")


def _rows(settings: Iterable[describe.Setting], page: Callable[[str], str]) -> list[list[str]]:
    rows = []
    for setting in settings:
        default = "required" if setting.required else f"`{_cell(setting.default)}`" if setting.default else ""
        target = page(setting.name)
        name = Path(target.partition("#")[0]).stem
        link = f"[{name if name != 'index' else Path(target).parent.name}]({target})"
        rows.append([f"`{setting.variable}`", _cell(setting.type), default, _sentence(setting.description), link])
    return rows


_HEAD = ("Variable", "Type", "Default", "Meaning", "Page")


def core_settings() -> str:
    """The settings of smsbridge itself."""
    found = describe.settings(Settings, None)
    return table(_HEAD, _rows(found, lambda name: SETTINGS_PAGES.get(name, "../going-live/environments.md")))


def _described(names: Iterable[str], page: Callable[[str], str]) -> str:
    plugins = Plugins()
    parts = []
    for name in names:
        found = describe.provider(plugins, name)
        assert not found.broken, found.broken
        required_first = sorted(found.settings, key=lambda setting: not setting.required)
        parts.append(f"### {name}\n\n{table(_HEAD, _rows(required_first, lambda _, name=name: page(name)))}")
    return "\n\n".join(parts)


def policy_settings() -> str:
    """The settings of each policy."""
    return _described(sorted(BUILT_IN), lambda name: POLICY_PAGES.get(name, f"../policies/{name}.md"))


def provider_settings() -> str:
    """The settings of each provider."""
    pages = dict.fromkeys(STAND_INS, "../providers/builtin.md")
    return _described([*STAND_INS, "http", *VENDORS], lambda name: pages.get(name, f"../providers/{name}.md"))


def providers() -> str:
    """What each provider can do, and which fields of a message it sends."""
    return markdown_table(Plugins(), [*STAND_INS[:2], "http", "infobip", "memory", *VENDORS[1:]])


def exit_codes() -> str:
    """The exit codes of the command."""
    return table(("Code", "Means"), [(str(code.value), _cell(words)) for code, words in exits.MEANING.items()])


def _command(command: click.Command, path: str, level: int) -> list[str]:
    context = click.Context(command, info_name=path)
    usage = " ".join([path, *command.collect_usage_pieces(context)])
    summary = cleandoc(command.help or "").split("\n\n", 1)[0]
    parts = [f"{'#' * level} {path}", f"{_cell(summary)}", f"`{usage}`"]
    options = [option.get_help_record(context) for option in command.params if isinstance(option, click.Option)]
    rows = [(f"`{_cell(record[0])}`", _sentence(record[1])) for record in options if record]
    if rows:
        parts.append(table(("Option", "Means"), rows))
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            found = command.get_command(context, name)
            assert found is not None, name
            parts += _command(found, f"{path} {name}", level + 1)
    return parts


def commands() -> str:
    """Every command with its options."""
    context = click.Context(app.smsbridge, info_name="smsbridge")
    parts = []
    for name in app.COMMANDS:
        found = app.smsbridge.get_command(context, name)
        assert found is not None, name
        parts += _command(found, f"smsbridge {name}", 3)
    return "\n\n".join(parts)


def _tree(kind: type[errors.SmsBridgeError], depth: int = 0) -> Iterable[tuple[type[errors.SmsBridgeError], int]]:
    yield kind, depth
    for inner in kind.__subclasses__():
        if inner.__module__ == errors.__name__:
            public = not inner.__name__.startswith("_")
            yield from list(_tree(inner, depth + public))[0 if public else 1 :]


def error_classes() -> str:
    """Every error, what it means, what to do, and the command's exit code for it."""
    rows = []
    for kind, depth in _tree(errors.SmsBridgeError):
        doc = cleandoc(kind.__doc__ or "").split("\n\n")[0]
        code = next(advice.EXIT[base][0] for base in kind.__mro__ if base in advice.EXIT)
        todo = next(advice.ADVICE[base] for base in kind.__mro__ if base in advice.ADVICE)
        todo = todo.format(wait="", look="look it up by its reference")
        label = f"{'· ' * depth}`{kind.__name__}`"
        rows.append((label, _sentence(doc), _cell(todo), str(code.value)))
    return table(("Error", "Means", "What to do", "Exit code"), rows)


def operator_codes() -> str:
    """The codes of India's operators."""
    rows = [
        (known.code, known.words, f"`{known.reason}`", _cell(known.advice or ""), _cell(known.contested or ""))
        for known in OPERATORS.values()
    ]
    return table(("Code", "Name", "Our reason", "What to do", "What other lists say"), rows)


MADE: dict[str, Callable[[], str]] = {
    "commands": commands,
    "core-settings": core_settings,
    "errors": error_classes,
    "exit-codes": exit_codes,
    "operator-codes": operator_codes,
    "policy-settings": policy_settings,
    "provider-settings": provider_settings,
    "providers": providers,
}


def made(page: str) -> str:
    """Return ``page`` with every block generated again."""
    return BLOCK.sub(lambda found: f"{found[1]}\n{MADE[found[2]]()}\n\n{found[3]}", page)


def main(arguments: Sequence[str]) -> int:
    """Write the pages that changed; with ``--check``, only name them."""
    stale = []
    for path in [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]:
        before = path.read_text("utf-8")
        after = made(before)
        if after != before:
            stale.append(path.relative_to(ROOT).as_posix())
            if "--check" not in arguments:
                path.write_text(after, "utf-8")
    print(*stale, sep="\n")  # noqa: T201
    return 1 if stale and "--check" in arguments else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
