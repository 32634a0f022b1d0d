"""Offer ``smsbridge.dlt.policy`` under its old name, ``smsbridge.policies.dlt``."""

import importlib
import sys

sys.modules[__name__] = importlib.import_module("smsbridge.dlt.policy")
