"""Clips to a frame store, in many processes or on a cluster."""
