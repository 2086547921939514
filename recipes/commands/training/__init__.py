"""Verbs that measure, use and export models."""
