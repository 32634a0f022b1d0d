"""The pytest plugin of smsbridge: the fixture ``sms_outbox``. Loaded at every start of pytest, so it imports nothing heavy."""
