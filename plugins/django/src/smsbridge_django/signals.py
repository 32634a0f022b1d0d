"""Signals for the receivers of an application. They are sent in the thread of the webhook, with ``send()``.

What a receiver raises is answered to the vendor with 500, so that the webhook comes again. Receivers before it are then
called again, too.
"""

from __future__ import annotations

from django.dispatch import Signal

sms_status_changed = Signal()
"""A text came further. Sender: ``TextRecord``. Arguments: ``account``, ``carried_by``, ``provider``, ``text``.

``text`` is the text's row in the ledger, as a ``TextRecord``. Needs a ledger, see ``SMSBRIDGE_STORE``.
"""

sms_received = Signal()
"""A person sent a text. Sender: ``InboundMessage``. Arguments: ``account``, ``provider``, ``message``.

It may come twice: ``message.key`` stays the same.
"""
