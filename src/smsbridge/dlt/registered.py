"""Print the results of ``smsbridge dlt``. They show texts, because the user asks for them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from smsbridge.cli import lines
from smsbridge.cli.exits import Exit
from smsbridge.cli.output import Output
from smsbridge.errors import RefusedError
from smsbridge.messages import Message, Purpose
from smsbridge.text.wording import count

from .codes import ADVICE, Meaning, advice, decode
from .contents import Contents
from .difference import Difference
from .excerpt import excerpt
from .findings import Barred, Match, Near
from .notices import notices
from .registry import Registry, india_day

# --- dlt check --------------------------------------------------------------------------------------------------------


class Checked:
    """Collect the result of ``smsbridge dlt check``: mistakes and notices about a registry, and outcomes of texts."""

    def __init__(self, contents: Contents, *, strict: bool) -> None:
        self.contents = contents
        self.strict = strict
        self.registry: Registry | None = None
        self._notices: list[Any] = []
        self._texts: list[dict[str, Any]] = []

    def hold(self, registry: Registry) -> None:
        """Remember ``registry``, which was made from a file without mistakes, and look for notices about it."""
        self.registry = registry
        self._notices = notices(self.contents, registry, india_day())

    def text(self, label: str, match: Match | None, error: RefusedError | None) -> None:
        """Add the result for a text, which is shown as ``label``.

        ``match`` is the template that the text fits, ``error`` the error that refuses the text. If both are None, the
        text needs no template, because it goes to another country than India.
        """
        self._texts.append(
            {
                "text": label,
                "outcome": "refused" if error else "fits" if match else "not for India",
                "template_id": match and match.template.id,
                "name": match and match.template.name,
                "reason": error and error.reason,
                "detail": error and error.detail,
            }
        )

    def exit_code(self) -> Exit:
        """Return the exit code: 3 for mistakes (with ``strict``, also for notices), 4 for a refused text, else 0.

        With both mistakes and refused texts it is 3, because a check against a wrong registry says little about texts.
        """
        if self.contents.mistakes or (self.strict and self._notices):
            return Exit.CONFIGURATION
        return Exit.REFUSED if any(text["outcome"] == "refused" for text in self._texts) else Exit.OK

    def show(self, out: Output) -> None:
        """Print the result of the check, in words or as JSON."""
        contents = self.contents
        untyped = sum(not template.typed for template in contents.templates)
        if out.as_json:
            out.json(
                {
                    "file": contents.file,
                    "templates": len(contents.templates),
                    "headers": [header.name for header in contents.headers],
                    "mistakes": [{"line": mistake.line, "message": mistake.words} for mistake in contents.mistakes],
                    "notices": [{"line": notice.line, "message": notice.words} for notice in self._notices],
                    "untyped": untyped,
                    "texts": self._texts,
                    "exit_code": self.exit_code(),
                }
            )
            return
        for mistake in contents.mistakes:
            out.line(f"mistake: {contents.file}: {mistake}", style="red")
        for notice in self._notices:
            out.line(f"notice: {contents.file}: {notice}", style="yellow")
        for text in self._texts:
            _show_text(out, text)
        if contents.mistakes:
            out.aside(f"{contents.file}: {count(len(contents.mistakes), 'mistake')}")
        else:
            counts = f"{held(contents)}, {count(len(self._notices), 'notice')}, no mistakes"
            out.line(f"{contents.file}: {counts}", style="green")
        if untyped and not contents.mistakes:
            out.aside(
                f"{untyped} of the templates {'has' if untyped == 1 else 'have'} plain {{#var#}}: "
                "ask your operator until when it accepts that, and set untyped_until in [rules]"
            )


def held(contents: Contents) -> str:
    """Return how many templates and headers ``contents`` has, in words: ``3 templates, 1 header``."""
    return f"{count(len(contents.templates), 'template')}, {count(len(contents.headers), 'header')}"


def _show_text(out: Output, text: Mapping[str, Any]) -> None:
    if text["outcome"] == "refused":
        out.line(f"refused: {text['text']}: {text['detail']} [{text['reason']}]", style="red")
        return
    which = f" {text['template_id']}" + (f" ({text['name']})" if text["name"] else "") if text["template_id"] else ""
    out.line(f"{text['outcome']}: {text['text']}{which}")


def check_texts(checked: Checked, text: str | None, many: str | None) -> None:
    """Compare ``text``, or each message of the file ``many``, with the registry; add the outcomes to ``checked``."""
    registry = checked.registry
    if registry is None:
        raise AssertionError("a check of texts has a registry")
    if text is not None:
        try:
            checked.text("the text", registry.match(text), None)
        except RefusedError as error:
            checked.text("the text", None, error)
    if many is not None:
        with lines.opened(many) as stream:
            for number, message in enumerate(lines.messages(stream, {}), 1):
                _check_message(checked, registry, f"message {number}", message)


def _check_message(checked: Checked, registry: Registry, label: str, message: Message) -> None:
    try:
        resolved = registry.resolve(_normalised(message))
    except RefusedError as error:
        checked.text(label, None, error)
        return
    template_id = resolved.dlt and resolved.dlt.template_id
    ours = resolved is not message and template_id in registry.templates
    match = Match(template=registry.templates[template_id], values=(), unique=True) if ours and template_id else None
    checked.text(label, match, None)


def _normalised(message: Message) -> Message:
    """``message`` as the client would pass it on."""
    from smsbridge.phone import to_e164
    from smsbridge.settings import Settings

    return replace(message, to=to_e164(message.to, Settings.from_env().default_region))


# --- dlt match --------------------------------------------------------------------------------------------------------


def show_match(
    out: Output, registry: Registry, text: str, *, sender: str | None, purpose: Purpose | None, which: str | None
) -> Exit:
    """Print the template that ``text`` fits and the values of its variables, or why it fits no usable template.

    ``which`` is the id or name of a template; then ``text`` is compared with that template only.
    """
    only = registry.template(which) if which is not None else None
    found = registry.find(text, sender=sender, purpose=purpose)
    matches = [match for match in found.matches if only in (None, match.template)]
    barred = [unusable for unusable in found.barred if only in (None, unusable.match.template)]
    near: list[Near] = []
    if not matches and not barred:
        if only is None:
            near = [*registry.nearest(text)]
        elif (difference := registry.difference(only, text)) is not None:
            near = [Near(template=only, changes=None, difference=difference)]
    if out.as_json:
        out.json(_document(registry, matches, barred, near))
    elif matches:
        _show_matches(out, registry, matches)
    elif barred:
        for unusable in barred:
            out.line(f"fits {unusable.match.template.label}, which {unusable.words}", style="red")
    else:
        _show_near(out, text, near, only.label if only else None)
    if len(matches) == 1:
        return Exit.OK
    reason = "dlt-ambiguous" if matches else barred[0].reason if barred else None
    if not out.as_json and reason:
        out.aside(f"next: {advice(reason)}")
    return Exit.REFUSED


def _document(registry: Registry, matches: list[Match], barred: list[Barred], near: list[Near]) -> dict[str, Any]:
    return {
        "outcome": "fits" if len(matches) == 1 else "ambiguous" if matches else "barred" if barred else "fits none",
        "matches": [_match(registry, match) for match in matches],
        "barred": [
            {**_match(registry, unusable.match), "reason": unusable.reason, "why": unusable.words}
            for unusable in barred
        ],
        "nearest": [
            {
                "template_id": candidate.template.id,
                "name": candidate.template.name,
                "changes": candidate.changes,
                "position": candidate.difference.position,
                "change": candidate.difference.change,
                "expected": candidate.difference.expected,
                "found": candidate.difference.found,
                "difference": candidate.difference.words(private=False),
            }
            for candidate in near
        ],
    }


def _match(registry: Registry, match: Match) -> dict[str, Any]:
    template = match.template
    return {
        "template_id": template.id,
        "name": template.name,
        "entity_id": registry.entity_of(template),
        "headers": list(template.headers),
        "category": template.category,
        "purpose": template.for_purpose,
        "values": list(match.values),
        "unique": match.unique,
    }


def _show_matches(out: Output, registry: Registry, matches: list[Match]) -> None:
    if len(matches) > 1:
        out.line(f"ambiguous: it fits {len(matches)} templates", style="red")
    for match in matches:
        template = match.template
        out.line(f"fits {template.label}", style="green" if len(matches) == 1 else None)
        out.rows(
            {
                "headers": ", ".join(template.headers),
                "entity": registry.entity_of(template),
                "category": template.category,
                "valid until": template.valid_until and template.valid_until.isoformat(),
                **{f"value {number}": value for number, value in enumerate(match.values, 1)},
            }
        )
        if not match.unique:
            out.aside("the text can be cut into values in other ways too; these are the shortest, from the left")


def _show_near(out: Output, text: str, near: list[Near], only: str | None) -> None:
    if only and not near:
        out.line(f"does not fit {only}, and is nothing like it", style="red")
        return
    out.line(
        f"does not fit {only}" if only else "fits no template" + ("" if near else ", and none is like it"), style="red"
    )
    for candidate in near:
        out.line(f"{candidate.template.label}: {candidate.difference.words(private=False)}")
        for line in excerpt(text, candidate.difference.position):
            out.line(f"  {line}")
        for line in excerpt(candidate.template.text, _counterpart(candidate.template.text, text, candidate.difference))[
            :1
        ]:
            out.line(f"  {line}  (as registered)")


def _counterpart(registered: str, text: str, difference: Difference) -> int:
    """The approximate place of the difference in the registered text, by its distance from beginning or end."""
    if difference.position <= len(registered):
        return difference.position
    return max(len(registered) - (len(text) - difference.position), 0)


# --- dlt explain ------------------------------------------------------------------------------------------------------


def show_meaning(out: Output, code: str, provider: str | None, reasons: Mapping[str, str] | None) -> Exit:
    """Print the meaning of the DLT code ``code`` and the advice on it. Returns the exit code.

    ``reasons`` is the table of codes of ``provider``; it is None if there is no such table.
    """
    meaning = Meaning(code=code, reason=code) if code in ADVICE else decode(code, reasons)
    if meaning is None:
        whose = f"{provider}'s codes" if provider else "operators' codes"
        out.failure(
            {
                "type": "NotFoundError",
                "message": f"{code!r} is not among the known {whose}",
                "advice": "smsbridge dlt explain CODE --provider NAME searches the codes of a provider",
                "exit_code": Exit.NOT_FOUND,
            },
            word="not found",
        )
        return Exit.NOT_FOUND
    shown = {
        "code": meaning.code,
        "reason": meaning.reason,
        "name": meaning.words or None,
        "contested": meaning.contested,
        "advice": meaning.advice,
    }
    if out.as_json:
        out.json(shown)
    else:
        out.rows(
            {"code": meaning.code, "name": meaning.words, "reason": meaning.reason, "but": meaning.contested}, indent=0
        )
        if meaning.advice:
            out.aside(f"next: {meaning.advice}")
    return Exit.OK
