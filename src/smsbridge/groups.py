"""The groups of entry points under which distributions bring their parts."""

from __future__ import annotations

PROVIDERS = "smsbridge"
HOOKS = "smsbridge.hooks"
POLICIES = "smsbridge.policies"
COMMANDS = "smsbridge.commands"
