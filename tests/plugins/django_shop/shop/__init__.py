"""A shop that tells people about their orders by SMS: the demonstration project of smsbridge-django.

``check_*.py`` beside it test it; ``tests/plugins/test_django.py`` runs each in a process of its own, as Django can be
set up only once in a process.
"""

SECRET = "FAKE-SECRET-OF-COURIER"
"""What the courier's webhooks carry."""
