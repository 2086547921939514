"""News furniture: a ticker that runs along the edge, and a clock or score in a corner."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Literal

import numpy as np

from framegate.augment.boxes import Box
from framegate.augment.overlays.fonts import SCRIPTS, Script
from framegate.augment.overlays.logos import CORNERS, Corner
from framegate.augment.overlays.phrases import phrase
from framegate.augment.overlays.plates import LINE, Colour, coverage, fill, lay, on_canvas, scaled, text_plate

_BARS: tuple[Colour, ...] = ((190, 20, 30), (20, 40, 120), (10, 10, 10), (240, 240, 240), (250, 200, 0))


@dataclass(frozen=True, slots=True, kw_only=True)
class TickerStyle:
    """A bar with running text; ``height`` and ``margin`` are fractions of the frame's height."""

    script: Script
    face: int
    place: Literal["bottom", "top"]
    height: float
    margin: float
    bar: Colour
    ink: Colour
    opacity: float

    @classmethod
    def draw(cls, rng: random.Random) -> TickerStyle:
        """Return a random style, a function of ``rng``."""
        bar = rng.choice(_BARS)
        return cls(
            script=rng.choice(SCRIPTS),
            face=rng.randrange(16),
            place=rng.choices(("bottom", "top"), (0.9, 0.1))[0],
            height=rng.uniform(0.05, 0.1),
            margin=rng.choice((0.0, 0.0, rng.uniform(0.01, 0.06))),
            bar=bar,
            ink=(0, 0, 0) if sum(bar) > 400 else (255, 255, 255),
            opacity=rng.choice((1.0, 0.8)),
        )

    def paint(self, image: np.ndarray, canvas: Box, rng: random.Random, *, moment: int = 0) -> None:
        """Draw the bar and as much text as fits; it runs to the left with ``moment``. See `Overlay`."""
        left, top, right, bottom = on_canvas(canvas, self._box())
        fill(image, (left, top, right, bottom), self.bar, self.opacity)
        line = bottom - top
        x = left - (rng.random() + 0.5 * moment) * line
        for _ in range(64):  # a very wide frame keeps an empty end
            plate = text_plate(self.script, self.face, phrase(self.script, rng))
            width = plate.shape[1] * line / LINE
            lay(image, coverage(scaled(plate, width, line)), self.ink, round(x), round(top))
            x += width + line
            if x > min(right, image.shape[1]):
                break

    def places(self, aspect: float) -> tuple[Box, ...]:
        """Return the bar. See `Overlay`."""
        return (self._box(),)

    def _box(self) -> Box:
        if self.place == "top":
            return (0.0, self.margin, 1.0, self.margin + self.height)
        return (0.0, 1 - self.margin - self.height, 1.0, 1 - self.margin)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockStyle:
    """A clock or a score in a box; sizes and ``margin`` are fractions of the frame's width and height."""

    face: int
    corner: Corner
    height: float
    width: float
    margin: float
    box: Colour | None
    ink: Colour
    score: bool

    @classmethod
    def draw(cls, rng: random.Random) -> ClockStyle:
        """Return a random style, a function of ``rng``."""
        box = rng.choice((*_BARS, None))
        return cls(
            face=rng.randrange(16),
            corner=rng.choice(CORNERS),
            height=rng.uniform(0.04, 0.09),
            width=rng.uniform(0.08, 0.16),
            margin=rng.uniform(0.02, 0.08),
            box=box,
            ink=(0, 0, 0) if box is not None and sum(box) > 400 else (255, 255, 255),
            score=rng.random() < 0.3,
        )

    def paint(self, image: np.ndarray, canvas: Box, rng: random.Random, *, moment: int = 0) -> None:
        """Draw the time, which goes on a minute a ``moment``, or a score. See `Overlay`."""
        left, top, right, bottom = on_canvas(canvas, self._box())
        if self.box is not None:
            fill(image, (left, top, right, bottom), self.box)
        minutes = (rng.randrange(24 * 60) + moment) % (24 * 60)
        text = f"{rng.randrange(6)} - {rng.randrange(6)}" if self.score else f"{minutes // 60:02}:{minutes % 60:02}"
        plate = text_plate("latin", self.face, text)
        lay(image, coverage(scaled(plate, right - left, bottom - top)), self.ink, round(left), round(top))

    def places(self, aspect: float) -> tuple[Box, ...]:
        """Return the clock's box. See `Overlay`."""
        return (self._box(),)

    def _box(self) -> Box:
        x = self.margin if "left" in self.corner else 1 - self.margin - self.width
        y = self.margin if "top" in self.corner else 1 - self.margin - self.height
        return (x, y, x + self.width, y + self.height)
