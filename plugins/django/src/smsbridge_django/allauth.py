"""For django-allauth: an adapter whose codes are sent by smsbridge."""

from __future__ import annotations

from typing import Any

from allauth.core.exceptions import ImmediateHttpResponse
from django.http import HttpResponse
from django.utils.translation import gettext_lazy
from django.views.decorators.debug import sensitive_variables

from smsbridge import RefusedError

from .codes import send_code


class PhoneMixin:
    """Lets an adapter of django-allauth send its codes by smsbridge. Put this class before ``DefaultAccountAdapter``.

    ::

        class Adapter(PhoneMixin, DefaultAccountAdapter): ...

    The project itself decides where phone numbers are kept, in the other methods of the adapter.
    """

    code_text: Any = gettext_lazy("Your code is %(code)s")
    """The words, with ``%(code)s``. In India they have to be those of a DLT template."""
    refused_text: Any = gettext_lazy("We could not send a code. Try again later.")

    @sensitive_variables()
    def send_verification_code_sms(self, user: Any, phone: str, code: str, **kwargs: Any) -> None:
        """Send the one-time code ``code`` to the number ``phone``.

        If the text is refused, the answer to the request is that of :meth:`respond_sms_refused`.
        """
        try:
            send_code(phone, self.code_text % {"code": code})
        except RefusedError as error:
            raise ImmediateHttpResponse(self.respond_sms_refused(user, error)) from error

    def respond_sms_refused(self, user: Any, error: RefusedError) -> HttpResponse:
        """Return the HTTP response for a person whose code was certainly not sent.

        Override this method for a page of your own.
        """
        return HttpResponse(str(self.refused_text).encode(), status=503, content_type="text/plain; charset=utf-8")
