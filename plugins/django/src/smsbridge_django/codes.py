"""A one-time code that another package has made."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from django.views.decorators.debug import sensitive_variables

from smsbridge import Purpose, UncertainError

from .clients import client


@sensitive_variables()  # error reports show the variables of others
def send_code(number: Any, text: Any) -> None:
    """Send a text with a one-time code to ``number``. Raises RefusedError if the text was certainly not sent.

    If it is uncertain whether the text was sent, nothing is raised: the person sees the form for the code, and asks for
    another code if none comes.
    """
    with suppress(UncertainError):
        client().send(number, text, purpose=Purpose.OTP)
