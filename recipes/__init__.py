"""Runnable recipes, their YAML and the command line."""
