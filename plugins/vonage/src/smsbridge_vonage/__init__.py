"""Vonage for smsbridge."""
