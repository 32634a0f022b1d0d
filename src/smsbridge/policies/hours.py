"""``smsbridge.hours.policy`` under its old name."""

import importlib
import sys

sys.modules[__name__] = importlib.import_module("smsbridge.hours.policy")
