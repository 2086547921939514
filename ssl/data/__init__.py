"""The order of training frames, and their pairs of views."""
