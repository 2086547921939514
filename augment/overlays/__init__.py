"""Painting overlays, and hiding them."""
