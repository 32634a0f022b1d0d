from __future__ import annotations

from django.contrib.auth.decorators import login_not_required
from django.http import HttpResponse

from smsbridge_django import send_on_commit

from .models import Order

TO = "+919876543210"


@login_not_required
def ship(request, number):
    """Ship an order. ``?fails`` ends in an error after the text was ordered."""
    words = request.GET.get("words", f"Your order {number} has shipped")
    reference = send_on_commit(TO, words, reference=f"order-{number}")
    Order.objects.create(number=number, reference=reference)
    if "fails" in request.GET:
        raise RuntimeError("the shop has failed")
    return HttpResponse("shipped", content_type="text/plain")
