"""Classifier folders: written, opened, exported."""
