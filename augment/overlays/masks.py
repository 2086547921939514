"""Hide regions of a picture: cover them, replace them by a donor's pixels, or cut them away."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence

import cv2
import numpy as np

from framegate.augment.boxes import WHOLE, Box, PixelBox, area, covering_pixels, free_box
from framegate.media.clip_layout import Layout


def cover(image: np.ndarray, regions: Sequence[PixelBox], rng: random.Random) -> None:
    """Overwrite regions of ``image`` (H, W, 3) uint8, in place.

    ``rng`` chooses how: with the mean colour of the rest, a random colour, black, or noise.
    """
    kind = rng.choice(("mean", "colour", "black", "noise"))
    colour = _mean_of_rest(image, regions) if kind == "mean" else tuple(rng.randbytes(3)) if kind == "colour" else 0
    for left, top, right, bottom in regions:
        if kind == "noise":
            noise = np.frombuffer(rng.randbytes((bottom - top) * (right - left) * 3), np.uint8)
            image[top:bottom, left:right] = noise.reshape(bottom - top, right - left, 3)
        else:
            image[top:bottom, left:right] = colour


def fill_with_mean(image: np.ndarray, regions: Sequence[PixelBox]) -> None:
    """Overwrite regions of ``image`` (H, W, 3) uint8, in place, with the mean colour of the rest."""
    colour = _mean_of_rest(image, regions)
    for left, top, right, bottom in regions:
        image[top:bottom, left:right] = colour


def replace(image: np.ndarray, pixels: PixelBox, donor: np.ndarray) -> None:
    """Overwrite ``pixels`` of ``image``, in place, with the same pixels of ``donor``, a picture of the same size."""
    where = np.s_[pixels[1] : pixels[3], pixels[0] : pixels[2]]
    image[where] = donor[where]


def cut_away(image: np.ndarray, regions: Sequence[Box]) -> np.ndarray | None:
    """Cut the regions, and a pixel around them, away from ``image``, and stretch the rest to its size.

    Returns:
        (H, W, 3) uint8; None where nothing would be left.
    """
    height, width = image.shape[:2]
    x, y = 1 / width, 1 / height
    free = free_box(WHOLE, [(box[0] - x, box[1] - y, box[2] + x, box[3] + y) for box in regions])
    left, top = math.ceil(free[0] * width), math.ceil(free[1] * height)
    right, bottom = math.floor(free[2] * width), math.floor(free[3] * height)
    if left >= right or top >= bottom:
        return None
    stretched: np.ndarray = cv2.resize(image[top:bottom, left:right], (width, height), interpolation=cv2.INTER_LINEAR)
    return stretched


def mask_layout(image: np.ndarray, layout: Layout) -> np.ndarray:
    """Return a copy of ``image`` (H, W, 3) uint8 with the layout's regions in the mean colour of the rest.

    >>> masked = mask_layout(np.full((10, 20, 3), 200, np.uint8), Layout(borders=(0.0, 0.2, 1.0, 0.8)))
    >>> masked.shape, int(masked.min())
    ((10, 20, 3), 200)
    """
    masked = image.copy()
    fill_with_mean(masked, pixel_boxes(found_regions(layout), image))
    return masked


def pixel_boxes(regions: Sequence[Box], image: np.ndarray) -> list[PixelBox]:
    """Return the pixel boxes of regions in ``image``, with a margin of one pixel."""
    height, width = image.shape[:2]
    boxes = (covering_pixels(box, width, height, margin=1) for box in regions)
    return [box for box in boxes if box is not None]


def found_regions(layout: Layout) -> tuple[Box, ...]:
    """Return the boxes of a layout's borders, subtitles and logos, in fractions of the frame.

    >>> found_regions(Layout(borders=(0.0, 0.1, 1.0, 0.9)))
    ((0, 0, 1, 0.1), (0, 0.9, 1, 1))
    """
    return border_bars(layout.borders) + tuple((b[0], b[1], b[2], b[3]) for b in layout.subtitles + layout.logos)


def border_bars(inside: Box) -> tuple[Box, ...]:
    """Return the bars around the picture ``inside``, without empty ones; all in fractions of the frame."""
    left, top, right, bottom = inside
    bars: tuple[Box, ...] = ((0, 0, left, 1), (right, 0, 1, 1), (0, 0, 1, top), (0, bottom, 1, 1))
    return tuple(bar for bar in bars if area(bar) > 0)


def _mean_of_rest(image: np.ndarray, regions: Sequence[PixelBox]) -> np.ndarray:
    """Return the mean colour of the pixels outside all regions; black if there are none."""
    rest = np.ones(image.shape[:2], np.uint8)
    for left, top, right, bottom in regions:
        rest[top:bottom, left:right] = 0
    return np.array(cv2.mean(image, rest)[:3]).round()
