"""What transparent pictures are laid over."""

BACKGROUND = (0, 0, 0)
"""RGB behind transparent pixels: black, on which players and browsers show video and FFmpeg pads it."""
