"""Plates: small coverage masks that are rendered once, kept, and laid over views in any size and colour."""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np

from framegate.augment.fonts import Script, faces
from framegate.augment.phrases import phrase

Colour = tuple[int, int, int]
LINE = 32  # height in pixels at which lines of text are rendered and kept


@lru_cache(maxsize=2048)
def text_plate(script: Script, face: int, text: int, *, short: bool = False) -> np.ndarray:
    """A line of text with room around it for an outline: (LINE, w) uint8, 255 inside the glyphs."""
    at_hand = faces(script)
    mask = at_hand[face % len(at_hand)](phrase(script, text, short=short), LINE - 6)
    return cv2.copyMakeBorder(mask, 3, 3, 3, 3, cv2.BORDER_CONSTANT, value=(0,))


@lru_cache(maxsize=2048)
def outline_plate(script: Script, face: int, text: int) -> np.ndarray:
    """The glyphs of a text plate grown by two pixels: what lies under the fill of outlined text."""
    return cv2.dilate(text_plate(script, face, text), np.ones((5, 5), np.uint8))


def scaled(plate: np.ndarray, width: float, height: float) -> np.ndarray:
    """A plate in another size, at least one pixel each way."""
    return cv2.resize(plate, (max(round(width), 1), max(round(height), 1)), interpolation=cv2.INTER_AREA)


def lay(
    image: np.ndarray,
    alpha: np.ndarray | float,
    colour: np.ndarray | Colour,
    left: int,
    top: int,
    *,
    shape: tuple[int, int] | None = None,
) -> None:
    """Blend ``colour`` into ``image`` (H, W, 3) uint8, in place, where ``alpha`` covers it; what leaves the picture is cut off.

    Args:
        alpha: (h, w) float32 in [0, 1], or one number for the whole of ``shape``.
        colour: one colour, or (h, w, 3) of them.
        left, top: where the plate's corner goes, in pixels; may be negative.
        shape: (h, w) when ``alpha`` is one number.
    """
    height, width = alpha.shape if isinstance(alpha, np.ndarray) else shape or (0, 0)
    x0, y0, x1, y1 = max(left, 0), max(top, 0), min(left + width, image.shape[1]), min(top + height, image.shape[0])
    if x0 >= x1 or y0 >= y1:
        return
    inside = np.s_[y0 - top : y1 - top, x0 - left : x1 - left]
    below = image[y0:y1, x0:x1]
    over = colour[inside] if isinstance(colour, np.ndarray) else np.array(colour, np.float32)
    cover = alpha[inside][..., None] if isinstance(alpha, np.ndarray) else np.float32(alpha)
    image[y0:y1, x0:x1] = below + (over - below) * cover + np.float32(0.5)
