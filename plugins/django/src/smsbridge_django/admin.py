"""The ledger in the admin, to be looked at. Nothing is added, changed or deleted here; two actions ask and settle."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from django.contrib import admin, messages
from django.db import DatabaseError
from django.db.models import F, QuerySet, TextField, Value
from django.db.models.functions import Coalesce
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.formats import localize
from django.utils.html import format_html_join
from django.utils.timesince import timesince
from django.utils.timezone import template_localtime

from smsbridge.errors import ConfigurationError
from smsbridge.history import History
from smsbridge.values import Money, Purpose, State, Status

from . import conf
from .clients import client
from .ledger import ANSWERED, ask, settle
from .models import Text

MOST = 100
"""Texts that one action takes."""
_AGES = {"hour": timedelta(hours=1), "day": timedelta(days=1), "week": timedelta(days=7), "month": timedelta(days=30)}
_SHOWN = (
    "state",
    "status",
    "final",
    "disputed",
    "account",
    "carried_by",
    "provider",
    "id",
    "purpose",
    "segments",
    "price",
    "error",
    "code",
    "reason",
    "claimed_at",
    "accepted_at",
    "sent_at",
    "delivered_at",
    "changed_at",
)
"""What the page of a text shows of its TextRecord."""


class _Filter(admin.SimpleListFilter):
    """A filter with the words of an enum, so that no table is searched for the values that it has."""

    words: Sequence[str] = ()

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(word, word) for word in self.words]

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        return queryset if self.value() not in self.words else self.narrow(queryset, str(self.value()))

    def narrow(self, queryset: QuerySet, word: str) -> QuerySet:
        return queryset.filter(**{str(self.parameter_name): word})


class _ByState(_Filter):
    title, parameter_name = "state", "state"
    words = tuple(state.value for state in State)


class _ByPurpose(_Filter):
    title, parameter_name = "purpose", "purpose"
    words = tuple(purpose.value for purpose in Purpose)


class _ByStatus(_Filter):
    title, parameter_name = "status", "status"
    words = tuple(status.value for status in Status)

    def narrow(self, queryset: QuerySet, word: str) -> QuerySet:
        far = Coalesce(F("reported"), F("answered"), Value(Status.UNKNOWN.value), output_field=TextField())
        return queryset.filter(state=State.ACCEPTED.value).annotate(far=far).filter(far=word)


class _ByAge(_Filter):
    title, parameter_name = "age", "within"
    words = tuple(_AGES)

    def narrow(self, queryset: QuerySet, word: str) -> QuerySet:
        return queryset.filter(claimed_at__gte=timezone.now() - _AGES[word])


class TextAdmin(admin.ModelAdmin):
    """The page of the admin that lists the texts in the ledger.

    It finds texts by the beginning of the reference, the vendor's id, the account, or the last digits of the number.
    """

    list_display = ("reference", "recipient", "state", "status", "age", "account", "purpose", "cost")
    list_filter = (_ByState, _ByStatus, _ByPurpose, _ByAge)
    list_per_page = MOST
    list_max_show_all = MOST
    search_fields = ("reference__startswith", "vendor_id__exact", "account__exact", "recipient__endswith")
    search_help_text = "Beginning of a reference, the vendor's id, an account, or the last digits of a number."
    show_full_result_count = False
    actions = ("ask_the_vendor", "settle_as_accepted", "settle_as_refused")

    # --- the list -----------------------------------------------------------------------------------------------------

    def get_queryset(self, request: HttpRequest) -> QuerySet:
        return super().get_queryset(request).defer("text", "full_recipient")

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        try:
            return super().changelist_view(request, extra_context)
        except DatabaseError:
            self.message_user(request, "the ledger cannot be read, or no text was sent yet", messages.ERROR)
            return redirect("admin:index")

    @admin.display(description="age", ordering="number")
    def age(self, text: Text) -> str:
        return str(timesince(text.claimed_at))

    # --- rights -------------------------------------------------------------------------------------------------------

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Text | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Text | None = None) -> bool:
        return False

    def has_ask_permission(self, request: HttpRequest) -> bool:
        return _may(request, "ask")

    def has_settle_permission(self, request: HttpRequest) -> bool:
        return _may(request, "settle")

    # --- the page of a text -------------------------------------------------------------------------------------------

    def get_fieldsets(self, request: HttpRequest, obj: Text | None = None) -> list[Any]:
        words = ["full_number", "words"] if _may(request, "read") else []
        first = ["reference", "recipient", *words, *(f"the_{name}" for name in _SHOWN), "context"]
        return [(None, {"fields": first}), ("Reports", {"fields": ["reports"]})]

    def get_readonly_fields(self, request: HttpRequest, obj: Text | None = None) -> Any:
        return [name for _, fields in self.get_fieldsets(request, obj) for name in fields["fields"]]

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Any:
        found = super().get_object(request, object_id, from_field)
        if found is not None:
            found.history = _history(request, found)
        return found

    @admin.display(description="full number")
    def full_number(self, text: Text) -> str:
        return text.full_recipient or "not kept: SMSBRIDGE_LEDGER_KEEP_NUMBERS"

    @admin.display(description="text")
    def words(self, text: Text) -> str:
        return text.text or "not kept: SMSBRIDGE_LEDGER_KEEP_TEXTS"

    @admin.display(description="context")
    def context(self, text: Text) -> str:
        kept = text.history.text.context if text.history else {}
        return ", ".join(f"{name}: {value}" for name, value in kept.items()) or "-"

    @admin.display(description="the oldest first")
    def reports(self, text: Text) -> str:
        rows = [
            (
                _as_words(report.at),
                report.status.value + (" (final)" if report.final else ""),
                report.account,
                report.code or "",
                report.reason or "",
            )
            for report in (text.history.reports if text.history else ())
        ]
        return str(format_html_join("", "<div>{} · {} · {} {} {}</div>", rows)) or "none"

    # --- actions ------------------------------------------------------------------------------------------------------

    @admin.action(description="Ask the vendor about the selected texts", permissions=["ask"])
    def ask_the_vendor(self, request: HttpRequest, queryset: QuerySet) -> None:
        """Ask the vendors how far the selected texts have come, and show the result. The ledger keeps the answers."""
        sms, counts = client(), Counter[str]()
        for text in self._few(request, queryset):
            known = _history(request, text)
            counts[ask(sms, known.text) if known else "gone from the ledger"] += 1
        for words, count in counts.items():
            level = messages.INFO if words in ANSWERED else messages.WARNING
            self.message_user(request, f"{count} {words}", level)

    @admin.action(description="Settle the selected texts in doubt as accepted", permissions=["settle"])
    def settle_as_accepted(self, request: HttpRequest, queryset: QuerySet) -> TemplateResponse | None:
        return self._settle(request, queryset, State.ACCEPTED)

    @admin.action(description="Settle the selected texts in doubt as refused", permissions=["settle"])
    def settle_as_refused(self, request: HttpRequest, queryset: QuerySet) -> TemplateResponse | None:
        return self._settle(request, queryset, State.REFUSED)

    def _settle(self, request: HttpRequest, queryset: QuerySet, state: State) -> TemplateResponse | None:
        texts = [text for text in self._few(request, queryset) if text.is_in_doubt]
        if not texts:
            self.message_user(
                request, "none of these texts is in doubt: a settled text is never changed", messages.WARNING
            )
            return None
        if "confirmed" not in request.POST:
            return self._ask_for_confirmation(request, texts, state)
        counts: Counter[str] = Counter()
        for text in texts:
            became = settle(client(), text.reference, state)
            counts[became or "gone"] += 1
            if became is state:
                self.log_change(request, text, f"settled as {state.value}")
        for word, count in counts.items():
            self.message_user(request, f"{count} {word}", messages.SUCCESS if word == state else messages.WARNING)
        return None

    def _ask_for_confirmation(self, request: HttpRequest, texts: list[Text], state: State) -> TemplateResponse:
        context = {
            **self.admin_site.each_context(request),
            "title": f"Settle as {state.value}?",
            "texts": texts,
            "is_sent_again": state is State.REFUSED,
            "state": state.value,
            "action": request.POST["action"],
            "opts": self.opts,
        }
        return TemplateResponse(request, "admin/smsbridge/text/settle.html", context)

    def _few(self, request: HttpRequest, queryset: QuerySet) -> list[Text]:
        """The selected texts, if they are not too many."""
        texts: list[Any] = list(queryset[: MOST + 1])
        if len(texts) <= MOST:
            return texts
        self.message_user(request, f"select {MOST} texts at most", messages.ERROR)
        return []


def _may(request: Any, verb: str) -> bool:
    return bool(request.user.has_perm(f"smsbridge.{verb}_text"))


def _history(request: HttpRequest, text: Text) -> History | None:
    try:
        return client().history(text.reference)
    except ConfigurationError as error:
        messages.error(request, str(error))
        return None


def _as_words(value: object) -> str:
    if isinstance(value, datetime):
        return str(localize(template_localtime(value)))
    if isinstance(value, Money):
        return f"{value.amount} {value.unit}"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value or "-")


def _shown(name: str) -> Any:
    """A column of the page: this attribute of the text's TextRecord."""

    @admin.display(description="vendor's id" if name == "id" else name.replace("_", " "))
    def show(text: Text) -> Any:
        return _as_words(getattr(text.history and text.history.text, name, None))

    return show


for _name in _SHOWN:
    setattr(TextAdmin, f"the_{_name}", staticmethod(_shown(_name)))

if conf.has_database():
    admin.site.register(Text, TextAdmin)
