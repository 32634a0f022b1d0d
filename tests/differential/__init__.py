"""Runs the same random histories with two versions of smsbridge, to see which internal changes users can notice."""
