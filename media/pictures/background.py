"""What transparent pictures are laid over."""

BACKGROUND = (192, 192, 192)
"""RGB behind transparent pixels: light grey, on which black drawings and white lettering are seen alike."""
