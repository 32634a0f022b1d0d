"""Texts that are sent when a transaction is committed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Unpack

from django.db import transaction
from django.views.decorators.debug import sensitive_variables

from smsbridge import Message, MessageFields, Result
from smsbridge.attempts import new_reference
from smsbridge.logs import logger

from .clients import client

_log = logger("smsbridge.django")


@sensitive_variables()
def send_on_commit(
    to: str | Message,
    text: str | None = None,
    *,
    using: str | None = None,
    then: Callable[[Result], object] | None = None,
    **fields: Unpack[MessageFields],
) -> str:
    """Send a text when the transaction of the database ``using`` is committed; after a rollback it is not sent.

    Returns the reference of the text, which is known now, so that a row of the same transaction can keep it. Outside of
    a transaction the text is sent at once.

    If the text is refused or uncertain, no error is raised, because the transaction is committed already: the failure
    is logged with the reference. ``then`` is called with the Result, also after a failure. An exception from ``then``,
    and a ConfigurationError, are raised by the commit, and keep Django from calling the other functions that wait for
    the commit.
    """
    if isinstance(to, Message):
        if text is not None or fields:
            raise TypeError("give a Message, or a number, a text and fields, but not both")
        message = to
    else:
        message = Message(to=to, text=text or "", **fields)
    reference = message.reference or new_reference()
    transaction.on_commit(partial(_send, replace(message, reference=reference), then), using=using)
    return reference


@sensitive_variables()
def _send(message: Message, then: Callable[[Result], object] | None) -> None:
    result = client().try_send(message)
    if result.error is not None:
        words = "may have been sent" if result.may_have_arrived else "was not sent"
        _log.error("the text %s %s after the commit: %s", message.reference, words, type(result.error).__name__)
    if then is not None:
        then(result)
