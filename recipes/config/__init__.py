"""Recipes as YAML, and the models they are checked against."""
