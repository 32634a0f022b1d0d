"""`python -m smsbridge_twincle.sandbox`: the same as the command smsbridge-twincle-sandbox."""

from __future__ import annotations

import sys

from . import main

sys.exit(main())
