"""Verbs that make and show data."""
