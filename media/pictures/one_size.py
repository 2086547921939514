"""Bring pictures of several sizes to one: scaled to fit, and padded."""

import cv2
import numpy as np

_BORDER = (0, 0, 0)  # as players pad


def fit_into(picture: np.ndarray, width: int, height: int) -> np.ndarray:
    """Return ``picture`` (h, w, 3) RGB uint8 at its own shape, as large as (height, width) allows, padded.

    >>> fit_into(np.full((10, 10, 3), 255, np.uint8), 40, 20)[:, ::10, 0].max(axis=0).tolist()
    [0, 255, 255, 0]

    Args:
        picture: its sides may be smaller or larger.
        width, height: of what is returned, in pixels.
    """
    if picture.shape[:2] == (height, width):
        return picture
    factor = min(width / picture.shape[1], height / picture.shape[0])
    inside = max(1, round(picture.shape[1] * factor)), max(1, round(picture.shape[0] * factor))
    scaled = cv2.resize(picture, inside, interpolation=cv2.INTER_AREA if factor < 1 else cv2.INTER_LINEAR)
    fitted = np.empty((height, width, 3), np.uint8)
    fitted[:] = _BORDER
    left, top = (width - inside[0]) // 2, (height - inside[1]) // 2
    fitted[top : top + inside[1], left : left + inside[0]] = scaled
    return fitted
