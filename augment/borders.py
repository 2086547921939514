"""Borders: letterbox, pillarbox and windowbox, in black, in a colour, or in a blurred copy of the picture."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np

from framegate.augment.boxes import WHOLE, Box, covering_pixels
from framegate.augment.plates import Colour


@dataclass(frozen=True, slots=True, kw_only=True)
class BorderStyle:
    """Bars of a picture: ``inside`` is what they leave free (fractions of the frame), ``fill`` a colour or ``blurred``."""

    inside: Box
    fill: Colour | Literal["blurred"]

    @classmethod
    def draw(cls, rng: random.Random) -> BorderStyle:
        """A random style: bars of 3 to 20% on each side, black more often than not."""
        kind = rng.choices(("letterbox", "pillarbox", "windowbox"), (0.5, 0.3, 0.2))[0]
        x = rng.uniform(0.03, 0.2) if kind != "letterbox" else 0.0
        y = rng.uniform(0.03, 0.2) if kind != "pillarbox" else 0.0
        fill = rng.choices(("black", "coloured", "blurred"), (0.55, 0.25, 0.2))[0]
        colour = (0, 0, 0) if fill == "black" else (rng.randrange(256), rng.randrange(256), rng.randrange(256))
        return cls(inside=(x, y, 1 - x, 1 - y), fill="blurred" if fill == "blurred" else colour)


def paint_border(image: np.ndarray, canvas: Box, style: BorderStyle) -> None:
    """Lay the bars over ``canvas`` (see `paint_subtitles`), in place; what they cover of the picture is gone."""
    height, width = image.shape[:2]
    x, y, w, h = canvas[0], canvas[1], canvas[2] - canvas[0], canvas[3] - canvas[1]
    left, top, right, bottom = style.inside
    inner = ((x + left * w) / width, (y + top * h) / height, (x + right * w) / width, (y + bottom * h) / height)
    copy = _blurred(image) if style.fill == "blurred" else None
    for bar in (
        (0.0, 0.0, 1.0, inner[1]),
        (0.0, inner[3], 1.0, 1.0),
        (0.0, 0.0, inner[0], 1.0),
        (inner[2], 0.0, 1.0, 1.0),
    ):
        pixels = covering_pixels(bar, width, height)
        if pixels is not None:
            where = np.s_[pixels[1] : pixels[3], pixels[0] : pixels[2]]
            image[where] = copy[where] if copy is not None else style.fill


def _blurred(image: np.ndarray) -> np.ndarray:
    """The picture out of focus: shrunk to a sixteenth, and back."""
    small = cv2.resize(
        image, (max(image.shape[1] // 16, 2), max(image.shape[0] // 16, 2)), interpolation=cv2.INTER_AREA
    )
    return cv2.resize(small, image.shape[1::-1], interpolation=cv2.INTER_LINEAR)
