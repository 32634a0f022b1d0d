"""Runs beside the files of docs/recipes/packages.md: a sign-up by phone with django-allauth, through its own views."""

from __future__ import annotations

import django
import pytest
from django.conf import settings
from django.urls import include, path

from smsbridge import RecipientError, UncertainError

PHONE = "+919876543210"
SIGN_UP = "/accounts/signup/"

settings.configure(
    SECRET_KEY="FAKE-KEY-DO-NOT-USE",
    ALLOWED_HOSTS=["testserver"],
    ROOT_URLCONF=__name__,
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
    DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
    PASSWORD_HASHERS=["django.contrib.auth.hashers.MD5PasswordHasher"],
    INSTALLED_APPS=[
        "django.contrib.auth",
        "django.contrib.contenttypes",
        "django.contrib.messages",
        "django.contrib.sessions",
        "allauth",
        "allauth.account",
    ],
    MIDDLEWARE=[
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.contrib.auth.middleware.AuthenticationMiddleware",
        "django.contrib.messages.middleware.MessageMiddleware",
        "allauth.account.middleware.AccountMiddleware",
    ],
    TEMPLATES=[
        {
            "BACKEND": "django.template.backends.django.DjangoTemplates",
            "APP_DIRS": True,
            "OPTIONS": {
                "context_processors": [
                    "django.template.context_processors.request",
                    "django.contrib.auth.context_processors.auth",
                    "django.contrib.messages.context_processors.messages",
                ]
            },
        }
    ],
    AUTHENTICATION_BACKENDS=["allauth.account.auth_backends.AuthenticationBackend"],
    ACCOUNT_ADAPTER=f"{__name__}.Adapter",
    ACCOUNT_LOGIN_METHODS={"phone"},
    ACCOUNT_SIGNUP_FIELDS=["phone*"],
    ACCOUNT_EMAIL_VERIFICATION="none",
    ACCOUNT_RATE_LIMITS=False,
    ACCOUNT_PHONE_VERIFICATION_TIMEOUT=60,
    LOGIN_REDIRECT_URL="/",
)
django.setup()

import adapter  # noqa: E402  # allauth needs what is configured above
from django.contrib.auth.models import User  # noqa: E402
from django.core.management import call_command  # noqa: E402
from django.test import Client  # noqa: E402


class Adapter(adapter.Adapter):
    """The adapter of the page, with numbers kept in the name of a user."""

    def set_phone(self, user, phone, verified):
        user.first_name, user.last_name = phone, "verified" if verified else ""
        user.save()

    def get_phone(self, user):
        return (user.first_name, bool(user.last_name)) if user.first_name else None

    def set_phone_verified(self, user, phone):
        self.set_phone(user, phone, verified=True)

    def get_user_by_phone(self, phone):
        return User.objects.filter(first_name=phone).first()


urlpatterns = [path("accounts/", include("allauth.urls"))]


@pytest.fixture(scope="module", autouse=True)
def _tables():
    call_command("migrate", verbosity=0)


@pytest.fixture
def browser():
    yield Client()
    User.objects.all().delete()


def test_a_sign_up_sends_a_code_that_logs_in(sms_outbox, browser):
    asked = browser.post(SIGN_UP, {"phone": PHONE})
    assert asked.status_code == 302
    sms_outbox.assert_sent(to=PHONE, contains="Your code is ", count=1)
    code = sms_outbox.last.text.removeprefix("Your code is ")
    assert browser.post(asked.url, {"code": code}).status_code == 302
    assert User.objects.get().last_name == "verified"


def test_a_refusal_is_answered_by_the_adapter(sms_outbox, browser):
    sms_outbox.script(PHONE, RecipientError)
    answer = browser.post(SIGN_UP, {"phone": PHONE})
    assert answer.status_code == 503
    assert answer.content == b"We could not send a code. Try again later."
    sms_outbox.assert_nothing_sent()


def test_a_code_that_may_have_been_sent_can_be_entered(sms_outbox, browser):
    sms_outbox.script(PHONE, UncertainError)
    asked = browser.post(SIGN_UP, {"phone": PHONE})
    assert asked.status_code == 302
    assert b'name="code"' in browser.get(asked.url).content
    assert len(sms_outbox) == 1
