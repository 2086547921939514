"""Lay transparent pictures over the background, so that what is invisible is not seen."""

import cv2
import numpy as np

from framegate.media.pictures.background import BACKGROUND


def over_background(rgb: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """Return ``rgb`` (H, W, 3) uint8 over `BACKGROUND`, as much of it as ``alpha`` (H, W) uint8 says.

    Alpha is straight: colours are not yet multiplied by it. Colours mix as they are coded, as in browsers and FFmpeg.
    """
    opacity = cv2.merge([alpha, alpha, alpha])
    seen: np.ndarray = cv2.multiply(rgb, opacity, scale=1 / 255)
    behind = np.full_like(rgb, BACKGROUND)
    return np.asarray(cv2.add(seen, cv2.multiply(behind, cv2.bitwise_not(opacity), scale=1 / 255)))
