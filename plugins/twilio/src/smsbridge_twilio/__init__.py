"""Twilio for smsbridge."""
