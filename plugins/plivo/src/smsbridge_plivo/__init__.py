"""Plivo for smsbridge."""
