"""Infobip for smsbridge."""
