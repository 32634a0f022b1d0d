"""Offer ``smsbridge.text.policy`` under its old name, ``smsbridge.policies.text``."""

import importlib
import sys

sys.modules[__name__] = importlib.import_module("smsbridge.text.policy")
