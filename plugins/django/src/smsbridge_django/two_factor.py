"""For django-two-factor-auth: ``TWO_FACTOR_SMS_GATEWAY = "smsbridge_django.two_factor.Gateway"``."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext_lazy
from django.views.decorators.debug import sensitive_variables

from .codes import send_code


class Gateway:
    """Sends the codes of django-two-factor-auth by smsbridge."""

    text: Any = gettext_lazy("Your code is %(code)s")
    """The words, with ``%(code)s``. In India they have to be those of a DLT template."""

    @sensitive_variables()
    def send_sms(self, device: Any, token: str) -> None:
        """Send the one-time code ``token`` to the number of ``device``.

        Raises RefusedError if the text was certainly not sent.
        """
        send_code(device.number, self.text % {"code": token})
