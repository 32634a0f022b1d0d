"""The ledger in the admin: looked at, asked about and settled, and never changed."""

from __future__ import annotations

import os
import re
from contextlib import suppress
from datetime import timedelta
from unittest import mock

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission, User
from django.db import DatabaseError, connections
from django.test import Client, override_settings
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import date_format
from shop import SECRET
from shop.courier import Courier
from shop.views import TO

from smsbridge import SmsProvider, UncertainError
from smsbridge.values import State
from smsbridge_django import client
from smsbridge_django.models import Text

LIST = "/admin/smsbridge/text/"


def log_in(*permissions, superuser=False):
    user = User.objects.create_user("asha", password="FAKE-PASSWORD", is_staff=True, is_superuser=superuser)
    for name in permissions:
        user.user_permissions.add(Permission.objects.get(codename=name))
    browser = Client()
    browser.force_login(user)
    return browser


@pytest.fixture(autouse=True)
def _no_users():
    yield
    User.objects.all().delete()
    LogEntry.objects.all().delete()


@pytest.fixture
def send(number):
    def send(words="Your order has shipped", reference=f"order-{number}", to=TO):
        with suppress(UncertainError):
            client().send(to, words, reference=reference)
        return Text.objects.get(reference=reference)

    return send


def page(browser, path=LIST, **query):
    answer = browser.get(path, query)
    assert answer.status_code == 200, answer
    return answer.content.decode()


def words_of(html):
    """What a person reads."""
    return " ".join(re.sub(r"<[^>]+>", " ", html).split())


def act(browser, action, *texts, **more):
    data = {"action": action, "_selected_action": [text.pk for text in texts], **more}
    return browser.post(LIST, data, follow=True)


def report(text, status):
    body = [{"id": text.vendor_id, "status": status}]
    headers = {"x-secret": SECRET}
    assert Client().post("/sms/courier", body, content_type="application/json", headers=headers).status_code == 200


# --- looking ----------------------------------------------------------------------------------------------------------


def test_the_list_shows_what_became_of_a_text(send):
    text = send()
    report(text, "delivered")
    shown = words_of(page(log_in("view_text"), q=text.reference))
    for word in (
        text.reference,
        "+91******3210",
        "accepted",
        "delivered",
        "courier",
        "transactional",
        "0.12 INR",
        "minute",
    ):
        assert word in shown
    assert TO not in shown


def test_a_page_shows_the_text_with_its_reports(send):
    text = send()
    report(text, "sent")
    report(text, "delivered")
    shown = words_of(page(log_in("view_text"), f"{LIST}{text.pk}/change/"))
    assert shown.index("sent · courier") < shown.index("delivered (final) · courier")
    for words in (
        "Price: 0.12 INR",
        "Final: yes",
        "Disputed: no",
        "Error: -",
        f"Delivered at: {date_format(timezone.localtime(text.claimed_at), 'N j, Y')}",
    ):
        assert words in shown
    assert "Your order has shipped" not in shown


@pytest.mark.parametrize("query", ["order-{number}", "courier-order-{number}", "3210", "courier"])
def test_a_text_is_found(query, send, number):
    text = send()
    assert text.reference in page(log_in("view_text"), q=query.format(number=number))


@pytest.mark.parametrize("query", ["rder", "3211", "vendor-1"])
def test_other_texts_are_not_found(query, send):
    assert send().reference not in page(log_in("view_text"), q=query)


@pytest.mark.parametrize(
    ("name", "right", "wrong"),
    [
        ("state", "accepted", "refused"),
        ("status", "queued", "delivered"),
        ("purpose", "transactional", "otp"),
        ("within", "hour", None),
    ],
)
def test_texts_are_filtered(name, right, wrong, send):
    text, browser = send(), log_in("view_text")
    assert text.reference in page(browser, **{name: right})
    if wrong is not None:
        assert text.reference not in page(browser, **{name: wrong})


def test_a_text_in_doubt_has_no_status(send):
    text, browser = send("lost"), log_in("view_text")
    assert text.status == ""
    assert text.reference not in page(browser, status="unknown")


def test_the_age_is_what_the_filter_goes_by(send):
    text = send()
    assert timedelta() <= timezone.now() - text.claimed_at < timedelta(minutes=1)
    assert not Text.objects.filter(pk=text.pk, claimed_at__gte=timezone.now() + timedelta(minutes=1)).exists()


def test_words_and_numbers_need_a_permission_and_a_setting(send, number):
    keeping = {
        "SMSBRIDGE_PROVIDER": "courier",
        "SMSBRIDGE_COURIER_WEBHOOK_SECRET": SECRET,
        "SMSBRIDGE_STORE": os.environ["SMSBRIDGE_STORE"],
        "SMSBRIDGE_LEDGER_KEEP_TEXTS": "true",
        "SMSBRIDGE_LEDGER_KEEP_NUMBERS": "true",
    }
    with override_settings(SMSBRIDGE=keeping):
        kept = send("Kept words")
    path = f"{LIST}{kept.pk}/change/"
    plain = log_in("view_text")
    assert "Kept words" not in page(plain, path)
    assert TO not in page(plain, path)
    assert TO not in page(plain)
    User.objects.all().delete()
    reader = log_in("view_text", "read_text")
    assert "Kept words" in page(reader, path)
    assert TO in page(reader, path)
    assert TO not in page(reader)
    other = send("Other words", reference=f"other-{number}")
    assert "not kept" in page(reader, f"{LIST}{other.pk}/change/")


def test_the_admin_needs_the_permission_to_view():
    assert log_in().get(LIST).status_code == 403


def test_a_ledger_that_cannot_be_read_is_said(monkeypatch):
    browser = log_in("view_text")
    monkeypatch.setattr(Text._meta, "db_table", "not_there")
    answer = browser.get(LIST, follow=True)
    assert "The ledger cannot be read" in answer.content.decode()


# --- nothing is changed ---------------------------------------------------------------------------------------------


def test_nothing_is_added_changed_or_deleted(send):
    text, browser = send(), log_in(superuser=True)
    assert browser.get(f"{LIST}add/").status_code == 403
    assert browser.get(f"{LIST}{text.pk}/delete/").status_code == 403
    assert browser.post(f"{LIST}{text.pk}/change/", {"reference": "other"}).status_code == 403
    assert "delete_selected" not in page(browser)
    for change in (text.save, text.delete):
        with pytest.raises(TypeError):
            change()


def test_the_database_itself_refuses_changes(send):
    text = send()
    with pytest.raises(DatabaseError, match=r"read-?only"):
        Text.objects.filter(pk=text.pk).update(reference="other")
    with pytest.raises(DatabaseError, match=r"read-?only"):
        Text.objects.filter(pk=text.pk).delete()


def test_no_migration_makes_the_table():
    assert "smsbridge_ledger" not in connections["default"].introspection.table_names()


# --- asking and settling --------------------------------------------------------------------------------------------


def test_the_vendor_is_asked_about_the_selected_texts(send, number):
    text, slow = send(), send(reference=f"slow-{number}")
    answer = act(log_in("view_text", "ask_text"), "ask_the_vendor", text, slow)
    assert '<li class="info">1 came further' in answer.content.decode()
    assert '<li class="info">1 as before' in answer.content.decode()
    assert Text.objects.get(pk=text.pk).status == "delivered"


@pytest.mark.parametrize(
    ("name", "words"), [("unknown", "not known to the vendor"), ("broken", "could not be asked about")]
)
def test_a_question_that_fails_is_said(name, words, send, number):
    text = send(reference=f"{name}-{number}")
    shown = act(log_in("view_text", "ask_text"), "ask_the_vendor", text).content.decode()
    assert f'<li class="warning">1 {words}' in shown
    assert Text.objects.get(pk=text.pk).status == "queued"


def test_a_provider_that_answers_no_questions_is_said(send):
    text = send()
    with mock.patch.object(Courier, "status", SmsProvider.status):
        shown = act(log_in("view_text", "ask_text"), "ask_the_vendor", text).content.decode()
    assert "1 not asked about: the provider answers no such question" in shown


def test_texts_of_accounts_that_are_not_there_are_not_asked_about(send):
    other = {
        "SMSBRIDGE_PROVIDER": "other",
        "SMSBRIDGE_OTHER_PROVIDER": "courier",
        "SMSBRIDGE_STORE": os.environ["SMSBRIDGE_STORE"],
    }
    with override_settings(SMSBRIDGE=other):
        text = send()
    assert text.account == "other"
    shown = act(log_in("view_text", "ask_text"), "ask_the_vendor", text).content.decode()
    assert "1 not asked about: of an account that this project does not have" in shown


def test_texts_that_are_final_or_in_doubt_are_not_asked_about(send, number):
    final, lost = send(), send("lost", reference=f"lost-{number}")
    report(final, "delivered")
    shown = act(log_in("view_text", "ask_text"), "ask_the_vendor", final, lost).content.decode()
    assert "1 final already" in shown
    assert "1 not asked about" in shown


@pytest.mark.parametrize(("action", "state"), [("settle_as_accepted", "accepted"), ("settle_as_refused", "refused")])
def test_a_text_in_doubt_is_settled_after_a_question(action, state, send):
    text, browser = send("lost"), log_in("view_text", "settle_text")
    asked = act(browser, action, text)
    assert f"Settle as {state}?" in asked.content.decode()
    assert text.reference in asked.content.decode()
    assert Text.objects.get(pk=text.pk).state == "uncertain"
    done = act(browser, action, text, confirmed="yes")
    assert f"1 {state}" in done.content.decode()
    assert Text.objects.get(pk=text.pk).state == state
    (entry,) = LogEntry.objects.all()
    assert (entry.user.username, entry.object_repr) == ("asha", text.reference)
    assert entry.get_change_message() == f"settled as {state}"


def test_a_settled_text_is_never_changed(send):
    text = send()
    shown = act(log_in("view_text", "settle_text"), "settle_as_refused", text, confirmed="yes").content.decode()
    assert "None of these texts is in doubt" in shown
    assert Text.objects.get(pk=text.pk).state == State.ACCEPTED


@pytest.mark.parametrize("action", ["ask_the_vendor", "settle_as_accepted", "settle_as_refused"])
def test_an_action_needs_its_permission(action, send):
    text, browser = send("lost"), log_in("view_text")
    assert action not in page(browser)
    act(browser, action, text, confirmed="yes")
    assert Text.objects.get(pk=text.pk).state == "uncertain"


def test_so_many_texts_are_too_many_for_one_action(send, monkeypatch):
    monkeypatch.setattr("smsbridge_django.admin.MOST", 0)
    shown = act(log_in("view_text", "ask_text"), "ask_the_vendor", send()).content.decode()
    assert "Select 0 texts at most" in shown


def test_the_admin_links_to_the_texts():
    assert reverse("admin:smsbridge_text_changelist") == LIST
    assert LIST in page(log_in("view_text"), "/admin/")
