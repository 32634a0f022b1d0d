"""Tests of the shop's own, for ``manage.py test``."""

from __future__ import annotations

from django.test import TestCase

from smsbridge.testing import Outbox

from .models import Order
from .views import TO


class ShipTest(TestCase):
    def test_an_order_is_shipped_and_told(self):
        with Outbox() as outbox:
            with self.captureOnCommitCallbacks(execute=True):
                self.client.get("/ship/17")
            outbox.assert_sent(to=TO, contains="order 17", count=1)
        assert Order.objects.get().number == 17
