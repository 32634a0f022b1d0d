"""The same random histories through two versions of smsbridge, to see what a change of the inside changes for users."""
