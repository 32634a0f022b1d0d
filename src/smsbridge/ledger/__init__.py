"""Record each text before it leaves, so that none is sent twice."""
