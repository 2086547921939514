"""Borders: letterbox, pillarbox and windowbox, in black, in a colour, or in a blurred copy of the picture."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np

from framegate.augment.boxes import Box
from framegate.augment.overlays.masks import border_bars
from framegate.augment.overlays.plates import Colour, fill, on_canvas


@dataclass(frozen=True, slots=True, kw_only=True)
class BorderStyle:
    """Bars around a picture: ``inside`` is what they leave free, in fractions; ``fill`` a colour or ``blurred``."""

    inside: Box
    fill: Colour | Literal["blurred"]

    @classmethod
    def draw(cls, rng: random.Random) -> BorderStyle:
        """Return a random style, a function of ``rng``: bars of 3 to 20% on each side, black in most cases."""
        kind = rng.choices(("letterbox", "pillarbox", "windowbox"), (0.5, 0.3, 0.2))[0]
        x = rng.uniform(0.03, 0.2) if kind != "letterbox" else 0.0
        y = rng.uniform(0.03, 0.2) if kind != "pillarbox" else 0.0
        fill = rng.choices(("black", "coloured", "blurred"), (0.55, 0.25, 0.2))[0]
        colour = (0, 0, 0) if fill == "black" else (rng.randrange(256), rng.randrange(256), rng.randrange(256))
        return cls(inside=(x, y, 1 - x, 1 - y), fill="blurred" if fill == "blurred" else colour)

    def paint(self, image: np.ndarray, canvas: Box, rng: random.Random, *, moment: int = 0) -> None:
        """Lay the bars over the frame; what they cover of the picture is gone. See `Overlay`."""
        copy = _blurred(image) if self.fill == "blurred" else image
        for bar in border_bars(self.inside):
            box = on_canvas(canvas, bar)
            if self.fill == "blurred":
                left, top, right, bottom = (max(round(edge), 0) for edge in box)
                image[top:bottom, left:right] = copy[top:bottom, left:right]
            else:
                fill(image, box, self.fill)

    def places(self, aspect: float) -> tuple[Box, ...]:
        """Return the bars. See `Overlay`."""
        return border_bars(self.inside)


def _blurred(image: np.ndarray) -> np.ndarray:
    """The picture out of focus: shrunk to a sixteenth, and back."""
    small = cv2.resize(
        image, (max(image.shape[1] // 16, 2), max(image.shape[0] // 16, 2)), interpolation=cv2.INTER_AREA
    )
    blurred: np.ndarray = cv2.resize(small, image.shape[1::-1], interpolation=cv2.INTER_LINEAR)
    return blurred
