"""The category tree, and probabilities over it."""
