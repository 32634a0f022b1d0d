"""Runs beside the files of docs/recipes/packages.md: a login with a second factor of Flask-Security, through its own view."""

from __future__ import annotations

import pytest
import sender
from flask import Flask
from flask_security import Security, UserDatastore, UserMixin

from smsbridge import RecipientError, UncertainError

PHONE = "+919876543210"
assert sender


class User(UserMixin):
    id = 1
    fs_uniquifier = "1"
    email = "asha@example.com"
    password = "FAKE-PASSWORD"
    active = True
    roles = ()
    tf_primary_method = "sms"
    tf_phone_number = PHONE
    tf_totp_secret = ""


class Users(UserDatastore):
    def __init__(self, user):
        super().__init__(User, None)
        self.user = user

    def find_user(self, case_insensitive=False, **query):
        return self.user if all(getattr(self.user, name, None) == value for name, value in query.items()) else None

    def put(self, model):
        return model

    def commit(self):
        pass


@pytest.fixture
def browser():
    app = Flask(__name__)
    app.config.update(
        SECRET_KEY="FAKE-KEY-DO-NOT-USE",
        SECURITY_PASSWORD_SALT="1",
        SECURITY_PASSWORD_HASH="plaintext",
        SECURITY_PASSWORD_SINGLE_HASH=["plaintext"],
        SECURITY_TWO_FACTOR=True,
        SECURITY_TWO_FACTOR_REQUIRED=True,
        SECURITY_TWO_FACTOR_ENABLED_METHODS=["sms"],
        SECURITY_TOTP_SECRETS={"1": "FAKE-SECRET-DO-NOT-USE-FAKE"},
        SECURITY_TOTP_ISSUER="acme",
        SECURITY_SMS_SERVICE="smsbridge",
        WTF_CSRF_ENABLED=False,
    )
    user = User()
    security = Security(app, Users(user))
    with app.app_context():
        user.tf_totp_secret = security.totp_factory.generate_totp_secret()
    return app.test_client()


def log_in(browser):
    return browser.post("/login", json={"email": "asha@example.com", "password": "FAKE-PASSWORD"})


def test_a_login_sends_a_code_that_logs_in(sms_outbox, browser):
    answer = log_in(browser)
    assert answer.json["response"]["tf_required"] is True
    sms_outbox.assert_sent(to=PHONE, contains="Use this code to sign in: ", count=1)
    code = sms_outbox.last.text.removeprefix("Use this code to sign in: ")
    assert browser.post("/tf-validate", json={"code": code}).status_code == 200


def test_a_refusal_is_said(sms_outbox, browser):
    sms_outbox.script(PHONE, RecipientError)
    answer = log_in(browser)
    assert "Failed to send code. Please try again later" in str(answer.json)
    sms_outbox.assert_nothing_sent()


def test_a_code_that_may_have_been_sent_can_be_entered(sms_outbox, browser):
    sms_outbox.script(PHONE, UncertainError)
    answer = log_in(browser)
    assert answer.status_code == 200
    assert answer.json["response"]["tf_required"] is True
    assert len(sms_outbox) == 1
