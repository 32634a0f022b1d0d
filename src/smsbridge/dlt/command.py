"""Check a registry of India's templates, match texts, import an export, explain codes: ``smsbridge dlt ...``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import click

from smsbridge.cli.exits import Exit
from smsbridge.cli.output import Output
from smsbridge.cli.session import json_option, not_empty, standard_input

if TYPE_CHECKING:
    from .contents import Contents
    from .registry import Registry

_VARIABLE = "SMSBRIDGE_DLT_REGISTRY"

_registry_option = click.option(
    "--registry", metavar="FILE", callback=not_empty, help=f"File of templates; default: the value of {_VARIABLE}."
)


@click.group()
def dlt() -> None:
    """Check texts against India's DLT templates, before an operator drops them.

    A registry is a TOML file with the registered entity id, headers (sender ids) and templates, or a DLT portal's CSV
    export. Name it with --registry or SMSBRIDGE_DLT_REGISTRY.

    \b
    Examples:
      smsbridge dlt import portal.csv -o dlt.toml --entity 1101456780000012345
      smsbridge dlt check dlt.toml
      smsbridge dlt match "Your order 17 has shipped, Asha." --registry dlt.toml
      smsbridge dlt explain 633
    """  # noqa: D301  # click reads \b as "do not wrap"


@dlt.command()
@click.argument("file", required=False)
@_registry_option
@click.option("--text-file", metavar="FILE", help="Also check the text in this file (- for standard input).")
@click.option("--many", metavar="FILE", help="Also check the messages of a file of JSON lines, as for smsbridge send.")
@click.option("--strict", is_flag=True, help="Fail for notices too.")
@json_option
def check(
    *, file: str | None, registry: str | None, text_file: str | None, many: str | None, strict: bool, as_json: bool
) -> Exit:
    """Check the registry in FILE for mistakes, and texts against its templates, such as in continuous integration.

    Mistakes are listed with their lines. Notices (a template that has expired or expires soon, two templates with the
    same text, ...) fail the check only with --strict.

    \b
    Examples:
      smsbridge dlt check dlt.toml
      smsbridge dlt check dlt.toml --many messages.jsonl --strict
      smsbridge dlt check --text-file welcome.txt --json

    Exit code: 0 no mistakes, 3 the registry has mistakes (or notices, with --strict), 4 a text would be refused.
    """  # noqa: D301  # click reads \b as "do not wrap"
    if file is not None and registry is not None:
        raise click.UsageError("give FILE or --registry FILE, not both")
    out = Output(as_json=as_json)
    contents = _contents(file or registry)
    from .registered import Checked, check_texts

    checked = Checked(contents, strict=strict)
    if not contents.mistakes:
        from .registry import Registry

        checked.hold(Registry.holding(contents))
        text = _text_of(text_file) if text_file is not None else None
        check_texts(checked, text, many)
    checked.show(out)
    return checked.exit_code()


@dlt.command()
@click.argument("text")
@_registry_option
@click.option(
    "--from", "sender", metavar="SENDER", callback=not_empty, help="Sender id; only its registered templates are tried."
)
@click.option(
    "--purpose", type=click.Choice(["otp", "transactional", "service", "promotional"]), help="Purpose of the text."
)
@click.option("--template", metavar="ID", callback=not_empty, help="Id or name of the only template to try.")
@json_option
def match(
    *, text: str, registry: str | None, sender: str | None, purpose: str | None, template: str | None, as_json: bool
) -> Exit:
    """Find the template that TEXT fits (- reads standard input), with the values of its variables.

    If TEXT fits no template, the nearest templates are shown, with the first difference.

    \b
    Examples:
      smsbridge dlt match "Your order 17 has shipped, Asha."
      smsbridge dlt match "Your order 17 has shipped" --template order-shipped
      smsbridge dlt match - --from ACMEIN --json < text.txt

    Exit code: 0 TEXT fits one template, 4 it fits no usable template, or several.
    """  # noqa: D301  # click reads \b as "do not wrap"
    out = Output(as_json=as_json)
    known = _registry(registry)
    from smsbridge.messages import Purpose

    from .registered import show_match

    content = _text_of("-") if text == "-" else text
    why = Purpose(purpose) if purpose else None
    return show_match(out, known, content, sender=sender, purpose=why, which=template)


@dlt.command("import")
@click.argument("portal")
@click.option("--output", "-o", metavar="FILE", help="File to write; default: standard output.")
@click.option("--entity", metavar="ID", callback=not_empty, help="Principal entity id, if the export has none.")
@click.option("--force", is_flag=True, help="Overwrite FILE.")
@json_option
def import_(*, portal: str, output: str | None, entity: str | None, force: bool, as_json: bool) -> Exit:
    """Make a registry from PORTAL, the CSV export of a DLT portal.

    It reads the known columns, in any order, case and encoding, and with any usual separator.

    \b
    Examples:
      smsbridge dlt import portal.csv -o dlt.toml
      smsbridge dlt import portal.csv --entity 1101456780000012345 > dlt.toml

    Exit code: 0 the registry is written, 2 FILE exists already, 3 the export has mistakes and nothing is written.
    """  # noqa: D301  # click reads \b as "do not wrap"
    out = Output(as_json=as_json)
    if as_json and output is None:
        raise click.UsageError("--json needs --output FILE, because the registry itself would go to standard output")
    from dataclasses import replace

    from . import files, toml_file
    from .registry import Registry
    from .template import check_id

    contents = files.read(portal)
    Registry.holding(contents)
    if entity is not None:
        try:
            check_id("it", entity)
        except ValueError as error:
            raise click.BadParameter(str(error), param_hint="--entity") from None
        contents = replace(contents, entity_id=entity)
    written = toml_file.write(contents)
    if output is None:
        out.verbatim(written.removesuffix("\n"))
        return Exit.OK
    _write(Path(output), written, force=force)
    counts = {"templates": len(contents.templates), "headers": len(contents.headers)}
    if as_json:
        out.json({"file": output, **counts})
    else:
        from .registered import held

        out.line(f"wrote {output}: {held(contents)}", style="green")
        out.aside(f"next: smsbridge dlt check {output}")
    return Exit.OK


@dlt.command()
@click.argument("code")
@click.option("--provider", metavar="NAME", callback=not_empty, help="Provider with this code; default: the operators.")
@json_option
def explain(*, code: str, provider: str | None, as_json: bool) -> Exit:
    """Explain CODE of an operator or a provider, with advice. CODE may also be a reason of smsbridge.

    Published lists disagree: without --provider, CODE is an operator's code (the 600 range).

    \b
    Examples:
      smsbridge dlt explain 633
      smsbridge dlt explain 4130 --provider infobip
      smsbridge dlt explain DLT-TM-VAR-EXECEED --provider twincle --json
      smsbridge dlt explain dlt-header

    Exit code: 0 CODE is known, 8 it is not.
    """  # noqa: D301  # click reads \b as "do not wrap"
    out = Output(as_json=as_json)
    reasons = None
    if provider is not None:
        from smsbridge import plugins

        reasons = plugins.default_plugins().provider_class(provider).reasons
    from .registered import show_meaning

    return show_meaning(out, code, provider, reasons)


def _path(given: str | None) -> str:
    if given is not None:
        return given
    from smsbridge import environment

    found = environment.read("dlt", ["registry"]).get("registry")
    if found is None:
        raise click.UsageError(f"give --registry FILE, or set {_VARIABLE}")
    return found.value


def _contents(given: str | None) -> Contents:
    from . import files

    return files.read(_path(given))


def _registry(given: str | None) -> Registry:
    from .registry import Registry

    return Registry.holding(_contents(given))


def _text_of(path: str) -> str:
    """The text of a file, without the line break at its end."""
    try:
        data: Any = standard_input().read() if path == "-" else Path(path).read_bytes()
        text: str = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise click.UsageError(
            f"{'standard input' if path == '-' else path} is not UTF-8: convert it to UTF-8"
        ) from None
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or type(error).__name__
        raise click.UsageError(f"{'standard input' if path == '-' else path} cannot be read: {why}") from None
    return text.removesuffix("\n").removesuffix("\r")


def _write(target: Path, text: str, *, force: bool) -> None:
    """Write all of ``text``, or nothing: write beside ``target`` first, and move when complete."""
    if target.exists() and not force:
        raise click.UsageError(f"{target} exists already; --force overwrites it")
    half = target.with_name(f".{target.name}.{uuid4().hex[:8]}")
    try:
        half.write_text(text, "utf-8", newline="\n")
        half.replace(target)
    except OSError as error:
        raise click.UsageError(f"{target} cannot be written: {error.strerror or type(error).__name__}") from None
    finally:
        half.unlink(missing_ok=True)
