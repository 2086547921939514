"""Pictures in the size in which they are stored."""

import cv2
import numpy as np

from framegate.media.errors import MediaError
from framegate.media.pictures.jpeg import MAX_STORED_PIXELS

_MAX_SIDE = 65_500  # of a JPEG


def scaled(picture: np.ndarray, size: int | None) -> np.ndarray:
    """Return ``picture`` (H, W, 3) with a short side of ``size`` pixels; smaller ones, and with None all, as they are.

    Raises:
        MediaError: it would be larger than a stored picture may be.
    """
    if size is None:
        return picture
    height, width = picture.shape[:2]
    factor = min(1.0, size / min(width, height))
    fitted = max(1, round(width * factor)), max(1, round(height * factor))
    if fitted[0] * fitted[1] > MAX_STORED_PIXELS or max(fitted) > _MAX_SIDE:
        raise MediaError(f"a picture of {fitted[0]} × {fitted[1]} pixels: more than can be stored")
    if fitted == (width, height):
        return picture
    smaller: np.ndarray = cv2.resize(picture, fitted, interpolation=cv2.INTER_AREA)
    return smaller
