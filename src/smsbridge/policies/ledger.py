"""Offer ``smsbridge.ledger.policy`` under its old name, ``smsbridge.policies.ledger``."""

import importlib
import sys

sys.modules[__name__] = importlib.import_module("smsbridge.ledger.policy")
