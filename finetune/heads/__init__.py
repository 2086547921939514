"""From a fused vector to log-probabilities over the taxonomy."""
