"""Ways to hide a region so that nothing of it is left: cover it, replace it by a donor's pixels, or cut it away."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence

import cv2
import numpy as np

from framegate.augment.boxes import WHOLE, Box, PixelBox, area, covering_pixels, free_box
from framegate.media.clip_layout import Layout


def cover(image: np.ndarray, regions: Sequence[PixelBox], rng: random.Random) -> None:
    """Overwrite the regions of ``image`` (H, W, 3) uint8, in place: by the rest's mean, a colour, black, or noise."""
    kind = rng.choice(("mean", "colour", "black", "noise"))
    colour = _mean_of_rest(image, regions) if kind == "mean" else tuple(rng.randbytes(3)) if kind == "colour" else 0
    for left, top, right, bottom in regions:
        if kind == "noise":
            noise = np.frombuffer(rng.randbytes((bottom - top) * (right - left) * 3), np.uint8)
            image[top:bottom, left:right] = noise.reshape(bottom - top, right - left, 3)
        else:
            image[top:bottom, left:right] = colour


def replace(image: np.ndarray, pixels: PixelBox, donor: np.ndarray) -> None:
    """Overwrite ``pixels`` of ``image``, in place, with the same place of ``donor``, a picture of the same size."""
    where = np.s_[pixels[1] : pixels[3], pixels[0] : pixels[2]]
    image[where] = donor[where]


def cut_away(image: np.ndarray, regions: Sequence[Box]) -> np.ndarray | None:
    """What is left of ``image`` beside the regions and a pixel around them, stretched to its size; None: nothing."""
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
    """A copy of ``image`` (H, W, 3) uint8 with the layout's regions in the mean colour of the rest: for inference."""
    masked = image.copy()
    regions = pixel_boxes(found_regions(layout), image)
    for left, top, right, bottom in regions:
        masked[top:bottom, left:right] = _mean_of_rest(image, regions)
    return masked


def pixel_boxes(regions: Sequence[Box], image: np.ndarray) -> list[PixelBox]:
    """The pixels of ``image`` that regions cover, and one around."""
    height, width = image.shape[:2]
    boxes = (covering_pixels(box, width, height, margin=1) for box in regions)
    return [box for box in boxes if box is not None]


def found_regions(layout: Layout) -> tuple[Box, ...]:
    """The boxes of the frame that hold the layout's borders, subtitles and logos."""
    return border_bars(layout.borders) + tuple((b[0], b[1], b[2], b[3]) for b in layout.subtitles + layout.logos)


def border_bars(inside: Box) -> tuple[Box, ...]:
    """The bars around the picture inside, those that are not empty."""
    left, top, right, bottom = inside
    bars: tuple[Box, ...] = ((0, 0, left, 1), (right, 0, 1, 1), (0, 0, 1, top), (0, bottom, 1, 1))
    return tuple(bar for bar in bars if area(bar) > 0)


def _mean_of_rest(image: np.ndarray, regions: Sequence[PixelBox]) -> np.ndarray:
    """The mean colour of what lies in no region; black if nothing does."""
    rest = np.ones(image.shape[:2], np.uint8)
    for left, top, right, bottom in regions:
        rest[top:bottom, left:right] = 0
    return np.array(cv2.mean(image, rest)[:3]).round()
