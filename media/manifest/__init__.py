"""Manifests: which clips there are, and which files they may name."""
