"""Overlays: painting and hiding them."""
