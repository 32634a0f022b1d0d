"""Text: a row of the ledger's table, to be looked at. The table is smsbridge's own, and no migration makes it.

What a column means is said where the table is made: ``smsbridge.stores.sqlite_schema``.
"""

from __future__ import annotations

from typing import Any, NoReturn

from django.db import models

from smsbridge.stores.entries import State
from smsbridge.values import Status

from . import conf
from .fields import MomentField


class _InTheLedger(models.Manager):
    """Reads from the ledger's database, whatever routers say: the table is in no other."""

    def get_queryset(self) -> Any:
        return super().get_queryset().using(conf.alias())


def _word(**more: Any) -> Any:
    return models.TextField(**more)


class Text(models.Model):
    """A text in the ledger, read-only.

    Saving or deleting a text raises TypeError, because only the ledger changes its rows.
    """

    number = models.BigAutoField(primary_key=True)
    reference = _word()
    kind = _word()
    state = _word()
    account = _word()
    taker = _word(null=True, verbose_name="carried by")
    provider = _word(null=True)
    vendor_id = _word(db_column="id", null=True, verbose_name="vendor's id")
    recipient = _word()
    full_recipient = _word(null=True)
    text = _word(null=True)
    purpose = _word()
    segments = models.IntegerField(null=True)
    price = _word(null=True)
    unit = _word(null=True)
    claimed_at = MomentField()
    answered = _word(db_column="status", null=True)
    reported = _word(null=True)
    final = models.BooleanField(null=True)
    report_segments = models.IntegerField(null=True)
    report_price = _word(null=True)
    report_unit = _word(null=True)

    objects = _InTheLedger()
    history: Any = None
    """Its ``History``, where the page of a text has asked for it."""

    class Meta:
        managed = False
        db_table = "smsbridge_ledger"
        ordering = ("-number",)
        default_permissions = ("view",)
        permissions = (
            ("read_text", "Can read words and full numbers of texts, where they are kept"),
            ("ask_text", "Can ask the vendor about texts"),
            ("settle_text", "Can settle texts in doubt"),
        )
        verbose_name = "text"

    def __str__(self) -> str:
        return str(self.reference)

    def save(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise TypeError("a row of the ledger is not changed here")

    def delete(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise TypeError("a row of the ledger is not deleted here: smsbridge texts prune does that")

    @property
    def status(self) -> str:
        """The status of the text, such as ``delivered``; an empty string if the text was not accepted."""
        if self.state != State.ACCEPTED:
            return ""
        return str(self.reported or self.answered or Status.UNKNOWN.value)

    @property
    def cost(self) -> str:
        """The price and the currency of the text, as the vendor gives them; an empty string without a price."""
        price, unit = (self.price, self.unit) if self.report_price is None else (self.report_price, self.report_unit)
        return "" if price is None else f"{price} {unit}"

    @property
    def is_in_doubt(self) -> bool:
        """Whether it is unknown if the text was sent."""
        return not State(self.state).settled
