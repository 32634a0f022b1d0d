"""For tests: the contract kit for providers, and the outbox for applications."""
