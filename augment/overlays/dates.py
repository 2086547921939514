"""Dates and times that a camera or a recorder burns into the picture."""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache

import cv2
import numpy as np

from framegate.augment.boxes import Box
from framegate.augment.overlays.logos import CORNERS, Corner
from framegate.augment.overlays.plates import LINE, Colour, coverage, lay, scaled, text_plate

DATE_PATTERNS = ("%Y-%m-%d %H:%M:%S", "%d.%m.%Y", "%m/%d/%y %H:%M", "%H:%M:%S", "%d %m '%y", "%Y/%m/%d")
"""How dates are written, as for `datetime.strftime`; none of them depends on the language of the machine."""
DATE_INKS: tuple[Colour, ...] = ((255, 255, 255), (255, 150, 30), (255, 230, 60), (110, 255, 110))
_FIRST = datetime(1995, 1, 1)
_SECONDS = 30 * 365 * 86_400
_CHARACTER = 0.5  # width of a character over the height of the line
_WIDEST = 0.9  # of the frame's width


@dataclass(frozen=True, slots=True, kw_only=True)
class DateStyle:
    """How one camera writes dates; ``height`` of the line and ``margin`` are fractions of the frame's height."""

    pattern: str
    face: int
    corner: Corner
    height: float
    margin: float
    ink: Colour
    outlined: bool

    @classmethod
    def draw(cls, rng: random.Random) -> DateStyle:
        """Return a random style, a function of ``rng``."""
        return cls(
            pattern=rng.choice(DATE_PATTERNS),
            face=rng.randrange(16),
            corner=rng.choice(CORNERS),
            height=rng.uniform(0.06, 0.12),
            margin=rng.uniform(0.02, 0.08),
            ink=rng.choice(DATE_INKS),
            outlined=rng.random() < 0.6,
        )

    def paint(self, image: np.ndarray, canvas: Box, rng: random.Random, *, moment: int = 0) -> None:
        """Write a random date, which goes on a second a ``moment``. See `Overlay`."""
        left, top, right, bottom = canvas
        width, height = right - left, bottom - top
        when = _FIRST + timedelta(seconds=rng.randrange(_SECONDS) + moment)
        plate = np.hstack([_character(self.face, character) for character in when.strftime(self.pattern)])
        x0, y0, x1, y1 = self._box(width / height)
        size = ((x1 - x0) * width, (y1 - y0) * height)
        x, y = round(left + x0 * width), round(top + y0 * height)
        if self.outlined:
            grown = cv2.dilate(plate, np.ones((5, 5), np.uint8))
            lay(image, coverage(scaled(grown, *size)), (0, 0, 0), x, y)
        lay(image, coverage(scaled(plate, *size)), self.ink, x, y)

    def places(self, aspect: float) -> tuple[Box, ...]:
        """Return the box of the date. See `Overlay`."""
        return (self._box(aspect),)

    def _box(self, aspect: float) -> Box:
        """Return the box of the line, in fractions of a frame of ``aspect`` (width / height)."""
        characters = len(_FIRST.strftime(self.pattern))
        w = min(_CHARACTER * characters * self.height / aspect, _WIDEST)
        margin = min(self.margin / aspect, (1 - w) / 2)
        x = margin if "left" in self.corner else 1 - margin - w
        y = self.margin if "top" in self.corner else 1 - self.margin - self.height
        return (x, y, x + w, y + self.height)


@lru_cache(maxsize=512)
def _character(face: int, character: str) -> np.ndarray:
    """Return one character in a cell of half a line: (LINE, LINE / 2) uint8; whole dates would fill the plates' cache.

    Cells are as wide as each other, so that the date does not move while it runs.
    """
    cell = np.zeros((LINE, round(LINE * _CHARACTER)), np.uint8)
    if character != " ":
        glyph = text_plate("latin", face, character)[:, 3:-3]
        glyph = glyph if glyph.shape[1] <= cell.shape[1] - 2 else scaled(glyph, cell.shape[1] - 2, LINE)
        start = (cell.shape[1] - glyph.shape[1]) // 2
        cell[:, start : start + glyph.shape[1]] = glyph
    return cell
