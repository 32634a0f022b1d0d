"""Offer ``smsbridge.hours.policy`` under its old name, ``smsbridge.policies.hours``."""

import importlib
import sys

sys.modules[__name__] = importlib.import_module("smsbridge.hours.policy")
