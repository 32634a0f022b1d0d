"""Guard: limits who gets texts, and how often."""
