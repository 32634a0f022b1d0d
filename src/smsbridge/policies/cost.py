"""Offer ``smsbridge.cost.policy`` under its old name, ``smsbridge.policies.cost``."""

import importlib
import sys

sys.modules[__name__] = importlib.import_module("smsbridge.cost.policy")
