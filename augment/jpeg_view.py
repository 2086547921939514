"""JPEG frames at no more pixels than a crop needs."""

from __future__ import annotations

from typing import Literal

import numpy as np

from framegate.augment.crops import cut, largest_square, whole_pixels
from framegate.media.decoding.jpeg import decode_jpeg, jpeg_size

Reduction = Literal[1, 2, 4, 8]


def largest_reduction(crop_width: float, crop_height: float, size: int) -> Reduction:
    """The strongest reduction in decoding after which a crop of so many pixels still has ``size`` pixels each way."""
    for reduction in (8, 4, 2):
        if min(crop_width, crop_height) >= reduction * size:
            return reduction
    return 1


def plain_view(jpeg: bytes | memoryview, image_size: int) -> np.ndarray:
    """What probes and inference see: the largest centred square, resized to (image_size, image_size, 3) RGB uint8."""
    width, height = jpeg_size(jpeg)
    side = min(width, height)
    image = decode_jpeg(jpeg, reduce=largest_reduction(side, side, image_size))
    return cut(image, whole_pixels(largest_square(width, height), image.shape[1], image.shape[0]), image_size)
