"""Batches of clips: their order, their corruption, their mixing."""
