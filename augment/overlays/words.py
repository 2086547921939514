"""Words in the picture: large letters anywhere in it, as in titles, headlines, shop signs and slides."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Literal

import numpy as np

from framegate.augment.boxes import Box
from framegate.augment.overlays.fonts import SCRIPTS, Script
from framegate.augment.overlays.phrases import phrase
from framegate.augment.overlays.plates import LINE, Colour, coverage, fill, lay, outline_plate, scaled, text_plate

_WIDEST = 0.94  # of the frame's width that the words fill, at most
_INKS: tuple[Colour, ...] = ((255, 255, 255), (255, 255, 255), (255, 220, 40), (20, 20, 20), (220, 30, 40))


@dataclass(frozen=True, slots=True, kw_only=True)
class WordsStyle:
    """A word or two; ``height`` is a fraction of the frame's height, ``x`` and ``y`` of the room around the words."""

    text: str
    script: Script
    face: int
    height: float
    x: float
    y: float
    edge: Literal["outline", "box"]
    ink: Colour

    @classmethod
    def draw(cls, rng: random.Random) -> WordsStyle:
        """Return random words in a random style, a function of ``rng``."""
        script = rng.choice(SCRIPTS)
        return cls(
            text=phrase(script, rng, short=True),
            script=script,
            face=rng.randrange(16),
            height=rng.uniform(0.15, 0.28),
            x=rng.random(),
            y=rng.random(),
            edge=rng.choice(("outline", "box")),
            ink=rng.choice(_INKS),
        )

    def paint(self, image: np.ndarray, canvas: Box, rng: random.Random, *, moment: int = 0) -> None:
        """Write the words; they are the same each time. See `Overlay`."""
        left, top, right, bottom = canvas
        width, height = right - left, bottom - top
        glyphs = text_plate(self.script, self.face, self.text)
        w, h = self._size(width / height)
        x, y = round(left + self.x * (1 - w) * width), round(top + self.y * (1 - h) * height)
        alpha = coverage(scaled(glyphs, w * width, h * height))
        behind = (255, 255, 255) if sum(self.ink) < 200 else (0, 0, 0)
        if self.edge == "box":
            fill(image, (x, y, x + alpha.shape[1], y + alpha.shape[0]), behind, 0.8)
        else:
            grown = outline_plate(self.script, self.face, self.text)
            lay(image, coverage(scaled(grown, w * width, h * height)), behind, x, y)
        lay(image, alpha, self.ink, x, y)

    def places(self, aspect: float) -> tuple[Box, ...]:
        """Return the box of the words. See `Overlay`."""
        w, h = self._size(aspect)
        x, y = self.x * (1 - w), self.y * (1 - h)
        return ((x, y, x + w, y + h),)

    def _size(self, aspect: float) -> tuple[float, float]:
        """Return width and height of the line, in fractions of a frame of ``aspect`` (width / height)."""
        length = text_plate(self.script, self.face, self.text).shape[1] / LINE * self.height / aspect
        return min(length, _WIDEST), self.height
