"""Make the errors of a registry. They name templates, positions and kinds of characters, and never quote the text."""

from __future__ import annotations

from smsbridge.text.naming import ending

from ..errors import ContentError, RefusedError, SenderError
from .difference import Difference
from .template import Template

BARRED = ("dlt-header", "dlt-expired", "dlt-template")
"""The order of reasons: of several, the first is reported, because it is the easiest to correct."""


def content_error(reason: str, detail: str) -> ContentError:
    """Make a ContentError that blames the account, not the vendor, because the registration of the account is wrong."""
    return ContentError(reason=reason, detail=detail, fault="account")


def refusal(reason: str, detail: str) -> RefusedError:
    """Make the error for a template that may not be used. ``reason`` and ``detail`` come from :meth:`Template.barred`.

    The error is a SenderError for the reason ``dlt-header``, otherwise a ContentError.
    """
    if reason == "dlt-header":
        return SenderError(reason=reason, detail=detail)
    return content_error(reason, detail)


def differs(template: Template, difference: Difference | None, text: str) -> ContentError:
    """Make the error for a ``text`` that differs from ``template``.

    ``difference`` is the first difference; None if the text is not similar to the template at all.
    """
    end = f"; {words}" if (words := ending(text)) else ""
    if difference is None:
        return content_error("dlt-template", f"the text is not that of template {template.label}{end}")
    reason = "dlt-variable" if difference.slot else "dlt-template"
    return content_error(reason, f"the text differs from template {template.label}: {difference.words()}{end}")
