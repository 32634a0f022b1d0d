"""Routes: ``path("sms/", include("smsbridge_django.urls"))`` gives ``/sms/<account>`` to each account."""

from __future__ import annotations

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.db import transaction
from django.urls import path
from django.views.decorators.csrf import csrf_exempt

from .views import webhook

app_name = "smsbridge"

# The vendor's signature or secret proves the request: a vendor has no cookie, and follows no redirect to a login.
_view = csrf_exempt(login_not_required(webhook))
# With ATOMIC_REQUESTS, what a receiver wrote before another one failed would stay all the same, as the failure becomes
# an answer. Receivers use atomic() where they need it.
for _alias in settings.DATABASES:
    _view = transaction.non_atomic_requests(using=_alias)(_view)

urlpatterns = [path("<str:account>", _view, name="webhook")]
