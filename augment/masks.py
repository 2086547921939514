"""Ways to hide a region so that nothing of it is left: cover it, replace it by a donor's pixels, or cut it away."""

from __future__ import annotations

import random
from collections.abc import Sequence

import cv2
import numpy as np

from framegate.augment.boxes import WHOLE, Box, PixelBox, area, covering_pixels, free_box
from framegate.augment.crops import whole_pixels
from framegate.media.layout import Layout


def cover(image: np.ndarray, pixels: PixelBox, rng: random.Random) -> None:
    """Overwrite ``pixels`` of ``image`` (H, W, 3) uint8, in place: the middle's mean, a colour, black, or noise."""
    where = np.s_[pixels[1] : pixels[3], pixels[0] : pixels[2]]
    kind = rng.choice(("mean", "colour", "black", "noise"))
    if kind == "noise":
        shape = (pixels[3] - pixels[1], pixels[2] - pixels[0], 3)
        image[where] = np.frombuffer(rng.randbytes(shape[0] * shape[1] * 3), np.uint8).reshape(shape)
    elif kind == "mean":
        image[where] = _mean_of_middle(image)
    else:
        image[where] = (0, 0, 0) if kind == "black" else (rng.randrange(256), rng.randrange(256), rng.randrange(256))


def replace(image: np.ndarray, pixels: PixelBox, donor: np.ndarray) -> None:
    """Overwrite ``pixels`` of ``image``, in place, with the same place of ``donor``, a picture of the same size."""
    where = np.s_[pixels[1] : pixels[3], pixels[0] : pixels[2]]
    image[where] = donor[where]


def cut_away(image: np.ndarray, regions: Sequence[Box]) -> np.ndarray:
    """What is left of ``image`` beside the regions, stretched to its size; the image itself if nothing is left."""
    free = free_box(WHOLE, regions)
    if area(free) == 0:
        return image
    height, width = image.shape[:2]
    left, top, right, bottom = whole_pixels(free, width, height)
    return cv2.resize(image[top:bottom, left:right], (width, height), interpolation=cv2.INTER_LINEAR)


def mask_layout(image: np.ndarray, layout: Layout) -> np.ndarray:
    """A copy of ``image`` (H, W, 3) uint8 with all that the layout holds in the middle's mean colour: for inference."""
    height, width = image.shape[:2]
    masked = image.copy()
    for box in found_regions(layout):
        pixels = covering_pixels(box, width, height, margin=1)
        if pixels is not None:
            masked[pixels[1] : pixels[3], pixels[0] : pixels[2]] = _mean_of_middle(image)
    return masked


def found_regions(layout: Layout) -> tuple[Box, ...]:
    """The boxes of the frame that hold the layout's borders, subtitles and logos."""
    return border_bars(layout.borders) + tuple((b[0], b[1], b[2], b[3]) for b in layout.subtitles + layout.logos)


def border_bars(inside: Box) -> tuple[Box, ...]:
    """The bars around the picture inside, those that are not empty."""
    left, top, right, bottom = inside
    bars: tuple[Box, ...] = ((0, 0, left, 1), (right, 0, 1, 1), (0, 0, 1, top), (0, bottom, 1, 1))
    return tuple(bar for bar in bars if area(bar) > 0)


def _mean_of_middle(image: np.ndarray) -> np.ndarray:
    """The mean colour of the middle quarter, where overlays do not live."""
    height, width = image.shape[:2]
    return np.array(cv2.mean(image[height // 4 : height - height // 4, width // 4 : width - width // 4])[:3]).round()
