"""Crops, in fractions of a frame: random resized ones (Szegedy et al. 2015; torchvision's), and the plain square."""

from __future__ import annotations

import math
import random

import cv2
import numpy as np

from framegate.augment.boxes import WHOLE, Box, PixelBox

_RATIO = (3 / 4, 4 / 3)


def random_crop(rng: random.Random, *, aspect: float, min_scale: float, inside: Box = WHOLE) -> Box:
    """Return a random box inside the box ``inside`` of a frame.

    Its area is uniform in [``min_scale``, 1] times that of ``inside``, its shape in pixels log-uniform between 3:4 and
    4:3. If ten draws do not fit, it is the largest centred box of an allowed shape.

    Args:
        rng: draws the box.
        aspect: width of the frame over its height.
        min_scale: smallest share of ``inside``, above 0 and at most 1.
        inside: in fractions of the frame.
    """
    width, height = (inside[2] - inside[0]) * aspect, inside[3] - inside[1]  # in units of the frame's height
    for _ in range(10):
        size = rng.uniform(min_scale, 1.0) * width * height
        ratio = math.exp(rng.uniform(math.log(_RATIO[0]), math.log(_RATIO[1])))
        w, h = math.sqrt(size * ratio), math.sqrt(size / ratio)
        if w <= width and h <= height:
            left, top = rng.uniform(0, width - w), rng.uniform(0, height - h)
            break
    else:
        w, h = min(width, height * _RATIO[1]), min(height, width / _RATIO[0])
        left, top = (width - w) / 2, (height - h) / 2
    x, y = inside[0] + left / aspect, inside[1] + top
    return (x, y, min(x + w / aspect, inside[2]), min(y + h, inside[3]))


def whole_pixels(crop: Box, width: int, height: int) -> PixelBox:
    """Return the whole pixels inside ``crop`` of a width × height picture, at least one each way.

    >>> whole_pixels((0.05, 0.0, 0.5, 1.0), 10, 8)
    (1, 0, 5, 8)
    """
    left, top = min(math.ceil(crop[0] * width), width - 1), min(math.ceil(crop[1] * height), height - 1)
    return (left, top, max(math.floor(crop[2] * width), left + 1), max(math.floor(crop[3] * height), top + 1))


def cut(image: np.ndarray, pixels: PixelBox, size: int) -> np.ndarray:
    """Return the part ``pixels`` of ``image`` (H, W, 3) uint8, resized to a new array (size, size, 3)."""
    part = image[pixels[1] : pixels[3], pixels[0] : pixels[2]]
    shrinks = part.shape[0] > 2 * size and part.shape[1] > 2 * size
    resized: np.ndarray = cv2.resize(part, (size, size), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)
    return resized


def largest_square(width: int, height: int) -> Box:
    """Return the largest centred square of a width × height picture, in fractions.

    >>> largest_square(160, 80)
    (0.25, 0.0, 0.75, 1.0)
    """
    side = min(width, height)
    return (0.5 - side / width / 2, 0.5 - side / height / 2, 0.5 + side / width / 2, 0.5 + side / height / 2)


def centre_square(image: np.ndarray, size: int) -> np.ndarray:
    """Return the largest centred square of ``image`` (H, W, 3) uint8, resized to (size, size, 3)."""
    height, width = image.shape[:2]
    return cut(image, whole_pixels(largest_square(width, height), width, height), size)
