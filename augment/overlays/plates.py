"""Plates: small coverage masks, rendered once, cached, and blended into views in any size and colour."""

from __future__ import annotations

import random
from functools import lru_cache
from typing import Protocol, Self

import cv2
import numpy as np

from framegate.augment.boxes import Box
from framegate.augment.overlays.fonts import Script, faces

Colour = tuple[int, int, int]
LINE = 32  # height in pixels at which lines of text are rendered and kept


class Overlay(Protocol):
    """The style of an overlay, and how it is painted."""

    @classmethod
    def draw(cls, rng: random.Random) -> Self:
        """Return a random style, a function of ``rng``."""
        ...

    def paint(self, image: np.ndarray, canvas: Box, rng: random.Random, *, moment: int = 0) -> None:
        """Paint into ``image`` (H, W, 3) uint8, in place.

        Args:
            image: the picture.
            canvas: the box of the frame, in pixels of the image; larger than the image where the image is a crop.
            rng: draws what differs between clips: the text, the start of an animation.
            moment: number of the frame in its clip, for moving overlays.
        """
        ...

    def places(self, aspect: float) -> tuple[Box, ...]:
        """Return boxes that contain all that `paint` draws, in fractions of a frame of ``aspect`` (width / height)."""
        ...


@lru_cache(maxsize=4096)
def text_plate(script: Script, face: int, text: str) -> np.ndarray:
    """Return a line of text with a margin for an outline: (LINE, w) uint8, 255 inside the glyphs."""
    at_hand = faces(script)
    mask = at_hand[face % len(at_hand)](text, LINE - 6)
    plate: np.ndarray = cv2.copyMakeBorder(mask, 3, 3, 3, 3, cv2.BORDER_CONSTANT, value=(0,))
    return plate


@lru_cache(maxsize=4096)
def outline_plate(script: Script, face: int, text: str) -> np.ndarray:
    """Return the glyphs of a text plate grown by two pixels, for the outline below them."""
    plate: np.ndarray = cv2.dilate(text_plate(script, face, text), np.ones((5, 5), np.uint8))
    return plate


def scaled(plate: np.ndarray, width: float, height: float) -> np.ndarray:
    """Resize a plate, to at least one pixel each way."""
    size = (max(round(width), 1), max(round(height), 1))
    halved = plate.shape[1] >= 2 * size[0] or plate.shape[0] >= 2 * size[1]
    resized: np.ndarray = cv2.resize(plate, size, interpolation=cv2.INTER_AREA if halved else cv2.INTER_LINEAR)
    return resized


def coverage(plate: np.ndarray, opacity: float = 1.0) -> np.ndarray:
    """Convert a plate from 0–255 to float32 coverage from 0 to ``opacity``."""
    return plate * np.float32(opacity / 255)


def lay(image: np.ndarray, alpha: np.ndarray, colour: np.ndarray | Colour, left: int, top: int) -> None:
    """Blend ``colour`` into ``image`` (H, W, 3) uint8, in place, where ``alpha`` covers it.

    Args:
        image: the picture; what leaves it is cut off.
        alpha: (h, w) float32 in [0, 1].
        colour: one colour, or (h, w, 3) of them.
        left, top: where the plate's corner goes, in pixels; may be negative.
    """
    height, width = alpha.shape
    x0, y0, x1, y1 = max(left, 0), max(top, 0), min(left + width, image.shape[1]), min(top + height, image.shape[0])
    if x0 >= x1 or y0 >= y1:
        return
    inside = np.s_[y0 - top : y1 - top, x0 - left : x1 - left]
    below = image[y0:y1, x0:x1]
    over = colour[inside] if isinstance(colour, np.ndarray) else np.array(colour, np.float32)
    image[y0:y1, x0:x1] = below + (over - below) * alpha[inside][..., None] + np.float32(0.5)


def fill(image: np.ndarray, box: Box, colour: Colour, opacity: float = 1.0) -> None:
    """Paint a box, in pixels of ``image`` and as far as it lies inside, in one colour, in place."""
    left, top, right, bottom = (max(round(edge), 0) for edge in box)
    part = image[top:bottom, left:right]
    if opacity < 1 and part.size:
        part[:] = part + (np.array(colour, np.float32) - part) * np.float32(opacity)
    elif part.size:
        cv2.rectangle(image, (left, top), (right - 1, bottom - 1), colour, cv2.FILLED)


def on_canvas(canvas: Box, box: Box) -> Box:
    """Convert a box from fractions of the frame to pixels of the image.

    >>> on_canvas((-10.0, 0.0, 90.0, 50.0), (0.1, 0.5, 1.0, 1.0))
    (0.0, 25.0, 90.0, 50.0)
    """
    left, top, right, bottom = canvas
    width, height = right - left, bottom - top
    return (left + box[0] * width, top + box[1] * height, left + box[2] * width, top + box[3] * height)
