"""Watermarks tiled over the frame, and frames with rounded corners."""

from __future__ import annotations

import random
from dataclasses import dataclass

import cv2
import numpy as np

from framegate.augment.boxes import Box
from framegate.augment.overlays.fonts import SCRIPTS, Script
from framegate.augment.overlays.masks import border_bars
from framegate.augment.overlays.phrases import phrase
from framegate.augment.overlays.plates import LINE, Colour, coverage, fill, lay, on_canvas, scaled, text_plate


@dataclass(frozen=True, slots=True, kw_only=True)
class WatermarkStyle:
    """A short text repeated over the whole frame; ``width`` and ``height`` of a text are fractions of the frame's."""

    script: Script
    face: int
    text: str
    columns: int
    rows: int
    width: float
    height: float
    opacity: float
    colour: Colour

    @classmethod
    def draw(cls, rng: random.Random) -> WatermarkStyle:
        """Return a random style, a function of ``rng``."""
        script = rng.choice(SCRIPTS)
        columns, rows = rng.randint(2, 4), rng.randint(2, 5)
        return cls(
            script=script,
            face=rng.randrange(16),
            text=phrase(script, rng, short=True),
            columns=columns,
            rows=rows,
            width=rng.uniform(0.4, 0.8) / columns,
            height=rng.uniform(0.04, 0.08),
            opacity=rng.uniform(0.2, 0.5),
            colour=rng.choice(((255, 255, 255), (0, 0, 0), (128, 128, 128))),
        )

    def paint(self, image: np.ndarray, canvas: Box, rng: random.Random, *, moment: int = 0) -> None:
        """Write the text into each place. See `Overlay`."""
        plate = text_plate(self.script, self.face, self.text)
        for place in self._tiles():
            left, top, right, bottom = on_canvas(canvas, place)
            width = min(plate.shape[1] * (bottom - top) / LINE, right - left)
            lay(image, coverage(scaled(plate, width, bottom - top), self.opacity), self.colour, round(left), round(top))

    def places(self, aspect: float) -> tuple[Box, ...]:
        """Return a box for each text. See `Overlay`."""
        return self._tiles()

    def _tiles(self) -> tuple[Box, ...]:
        """One box a text, every other row shifted by half a column."""
        boxes = []
        for row in range(self.rows):
            y = (row + 0.5) / self.rows - self.height / 2
            for column in range(self.columns):
                x = (column + (0.5 if row % 2 else 0.0)) / self.columns
                boxes.append((x, y, min(x + self.width, 1.0), y + self.height))
        return tuple(boxes)


@dataclass(frozen=True, slots=True, kw_only=True)
class RoundedFrameStyle:
    """A frame whose inner corners are round; both sizes are fractions of the picture's shorter side."""

    thickness: float
    radius: float
    colour: Colour

    @classmethod
    def draw(cls, rng: random.Random) -> RoundedFrameStyle:
        """Return a random style, a function of ``rng``: black or white more often than coloured."""
        colour = rng.choice(((0, 0, 0), (255, 255, 255), (rng.randrange(256), rng.randrange(256), rng.randrange(256))))
        return cls(thickness=rng.uniform(0.0, 0.04), radius=rng.uniform(0.06, 0.16), colour=colour)

    def paint(self, image: np.ndarray, canvas: Box, rng: random.Random, *, moment: int = 0) -> None:
        """Draw the four edges and the four corners. See `Overlay`."""
        left, top, right, bottom = canvas
        side = min(right - left, bottom - top)
        edge, radius = self.thickness * side, max(round(self.radius * side), 1)
        inside = (left + edge, top + edge, right - edge, bottom - edge)
        x, y = edge / (right - left), edge / (bottom - top)
        for bar in border_bars((x, y, 1 - x, 1 - y)):
            fill(image, on_canvas(canvas, bar), self.colour)
        corner = np.full((radius, radius), 255, np.uint8)
        cv2.circle(corner, (radius, radius), radius, (0,), -1, cv2.LINE_AA)
        alpha = coverage(corner)
        x0, y0, x1, y1 = (round(value) for value in inside)
        lay(image, alpha, self.colour, x0, y0)
        lay(image, alpha[:, ::-1], self.colour, x1 - radius, y0)
        lay(image, alpha[::-1], self.colour, x0, y1 - radius)
        lay(image, alpha[::-1, ::-1], self.colour, x1 - radius, y1 - radius)

    def places(self, aspect: float) -> tuple[Box, ...]:
        """Return the edges and the corners. See `Overlay`."""
        x, y = min(1.0, 1 / aspect), min(1.0, aspect)  # the shorter side as a share of the width, and of the height
        edge_x, edge_y = self.thickness * x, self.thickness * y
        x, y = edge_x + self.radius * x, edge_y + self.radius * y
        edges = border_bars((edge_x, edge_y, 1 - edge_x, 1 - edge_y))
        return (*edges, (0.0, 0.0, x, y), (1 - x, 0.0, 1.0, y), (0.0, 1 - y, x, 1.0), (1 - x, 1 - y, 1.0, 1.0))
