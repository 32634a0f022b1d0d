"""Offer ``smsbridge.optouts.policy`` under its old name, ``smsbridge.policies.optout``."""

import importlib
import sys

sys.modules[__name__] = importlib.import_module("smsbridge.optouts.policy")
