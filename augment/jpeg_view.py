"""Decode JPEG frames at no more pixels than a crop needs."""

from __future__ import annotations

from typing import Literal

import numpy as np

from framegate.augment.crops import cut, largest_square, whole_pixels
from framegate.media.pictures.jpeg import decode_jpeg, jpeg_size

Reduction = Literal[1, 2, 4, 8]


def largest_reduction(crop_width: float, crop_height: float, size: int) -> Reduction:
    """Return the largest factor by which decoding may reduce a frame while a crop keeps ``size`` pixels each way.

    >>> largest_reduction(640, 480, 224), largest_reduction(200, 200, 224)
    (2, 1)

    Args:
        crop_width, crop_height: of the crop in the frame, in pixels.
        size: pixels a side that the view needs.
    """
    for reduction in (8, 4, 2):
        if min(crop_width, crop_height) >= reduction * size:
            return reduction
    return 1


def plain_view(jpeg: bytes | memoryview, image_size: int) -> np.ndarray:
    """Return the view that probes and inference see: the largest centred square of a frame, resized.

    Args:
        jpeg: the encoded frame.
        image_size: pixels a side, S.

    Returns:
        (S, S, 3) RGB uint8.

    Raises:
        ValueError: ``jpeg`` is no JPEG.
        MediaError: it cannot be decoded.
    """
    width, height = jpeg_size(jpeg)
    side = min(width, height)
    image = decode_jpeg(jpeg, reduce=largest_reduction(side, side, image_size))
    return cut(image, whole_pixels(largest_square(width, height), image.shape[1], image.shape[0]), image_size)
