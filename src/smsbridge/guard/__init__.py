"""Guard: who may be texted, and how often."""
