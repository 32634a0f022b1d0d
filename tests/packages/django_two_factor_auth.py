"""Runs beside the files of docs/recipes/packages.md: a login and a set-up of django-two-factor-auth, through its own views."""

from __future__ import annotations

import django
import pytest
from django.conf import settings
from django.urls import include, path

from smsbridge import RecipientError, UncertainError

PHONE = "+919876543210"

settings.configure(
    SECRET_KEY="FAKE-KEY-DO-NOT-USE",
    ALLOWED_HOSTS=["testserver"],
    ROOT_URLCONF=__name__,
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
    DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
    PASSWORD_HASHERS=["django.contrib.auth.hashers.MD5PasswordHasher"],
    STATIC_URL="/static/",
    INSTALLED_APPS=[
        "django.contrib.auth",
        "django.contrib.contenttypes",
        "django.contrib.messages",
        "django.contrib.sessions",
        "django_otp",
        "django_otp.plugins.otp_static",
        "django_otp.plugins.otp_totp",
        "two_factor",
        "two_factor.plugins.phonenumber",
    ],
    MIDDLEWARE=[
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.contrib.auth.middleware.AuthenticationMiddleware",
        "django_otp.middleware.OTPMiddleware",
        "django.contrib.messages.middleware.MessageMiddleware",
    ],
    TEMPLATES=[
        {
            "BACKEND": "django.template.backends.django.DjangoTemplates",
            "APP_DIRS": True,
            "OPTIONS": {
                "context_processors": [
                    "django.template.context_processors.request",
                    "django.contrib.auth.context_processors.auth",
                ]
            },
        }
    ],
    TWO_FACTOR_SMS_GATEWAY="smsbridge_django.two_factor.Gateway",
    TWO_FACTOR_PHONE_THROTTLE_FACTOR=0,
    LOGIN_URL="two_factor:login",
    LOGIN_REDIRECT_URL="/",
)
django.setup()

from django.contrib.auth.models import User  # noqa: E402  # models need what is configured above
from django.core.management import call_command  # noqa: E402
from django.test import Client  # noqa: E402
from django.test.utils import setup_test_environment, teardown_test_environment  # noqa: E402
from django_otp.util import random_hex  # noqa: E402
from two_factor.urls import urlpatterns as two_factor_urls  # noqa: E402

urlpatterns = [path("", include(two_factor_urls))]


@pytest.fixture(scope="module", autouse=True)
def _site():
    setup_test_environment()
    call_command("migrate", verbosity=0)
    yield
    teardown_test_environment()


@pytest.fixture
def user():
    user = User.objects.create_user("asha", password="FAKE-PASSWORD")
    yield user
    user.delete()


@pytest.fixture
def browser():
    return Client(raise_request_exception=False)


@pytest.fixture
def device(user):
    return user.phonedevice_set.create(name="default", number=PHONE, method="sms", key=random_hex())


def log_in(browser):
    return browser.post(
        "/account/login/",
        {"login_view-current_step": "auth", "auth-username": "asha", "auth-password": "FAKE-PASSWORD"},
    )


def set_up(browser, user):
    browser.force_login(user)
    page = "/account/two_factor/setup/"
    browser.post(page, {"setup_view-current_step": "welcome"})
    browser.post(page, {"setup_view-current_step": "method", "method-method": "sms"})
    return browser.post(page, {"setup_view-current_step": "sms", "sms-number": PHONE})


def test_a_login_sends_a_code_that_logs_in(sms_outbox, browser, device):
    assert log_in(browser).status_code == 200
    sms_outbox.assert_sent(to=PHONE, contains="Your code is ", count=1)
    code = sms_outbox.last.text.removeprefix("Your code is ")
    answer = browser.post("/account/login/", {"login_view-current_step": "token", "token-otp_token": code})
    assert answer.status_code == 302


def test_a_set_up_sends_a_code_too(sms_outbox, browser, user):
    answer = set_up(browser, user)
    assert answer.context["challenge_succeeded"] is True
    sms_outbox.assert_sent(to=PHONE, contains="Your code is ", count=1)


def test_a_refusal_at_a_login_is_error_500(sms_outbox, browser, device):
    sms_outbox.script(PHONE, RecipientError)
    assert log_in(browser).status_code == 500
    sms_outbox.assert_nothing_sent()


def test_a_refusal_at_a_set_up_is_said(sms_outbox, browser, user):
    sms_outbox.script(PHONE, RecipientError)
    answer = set_up(browser, user)
    assert answer.status_code == 200
    assert answer.context["challenge_succeeded"] is False


def test_a_code_that_may_have_been_sent_can_be_entered(sms_outbox, browser, device):
    sms_outbox.script(PHONE, UncertainError)
    answer = log_in(browser)
    assert answer.status_code == 200
    assert b"token-otp_token" in answer.content
    assert len(sms_outbox) == 1
