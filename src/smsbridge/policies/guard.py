"""Offer ``smsbridge.guard.policy`` under its old name, ``smsbridge.policies.guard``."""

import importlib
import sys

sys.modules[__name__] = importlib.import_module("smsbridge.guard.policy")
