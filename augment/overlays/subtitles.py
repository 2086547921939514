"""Subtitles: a station's style (script, face, size, place, edge, colours), and lines of text painted in it."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Literal

import numpy as np

from framegate.augment.boxes import Box
from framegate.augment.overlays.fonts import SCRIPTS, Script
from framegate.augment.overlays.phrases import phrase
from framegate.augment.overlays.plates import LINE, Colour, coverage, fill, lay, outline_plate, scaled, text_plate

Place = Literal["bottom", "top", "left", "right"]  # left and right: vertical, one character under the other
Edge = Literal["outline", "box", "shadow", "plain"]
_FILLS: tuple[Colour, ...] = (
    (255, 255, 255),
    (255, 255, 255),
    (240, 240, 240),
    (255, 230, 60),
    (120, 255, 255),
    (140, 255, 120),
)
_WIDEST = 0.94  # of the frame's width that a line fills, at most
_TALLEST = 0.8  # of its height, for vertical lines
_SHADOW = 0.15  # of a line's height: room for the shadow
_DARK: tuple[Colour, ...] = ((0, 0, 0), (0, 0, 0), (20, 20, 60), (60, 10, 10))


@dataclass(frozen=True, slots=True, kw_only=True)
class SubtitleStyle:
    """How one station writes its subtitles; ``height`` of a line and ``margin`` are fractions of the frame's height."""

    script: Script
    face: int
    height: float
    margin: float
    place: Place
    edge: Edge
    fill: Colour
    dark: Colour
    karaoke: Colour | None  # the colour of the part that is sung already

    @classmethod
    def draw(cls, rng: random.Random) -> SubtitleStyle:
        """Return a random style, a function of ``rng``."""
        script = rng.choice(SCRIPTS)
        vertical = script in ("chinese", "japanese") and rng.random() < 0.2
        return cls(
            script=script,
            face=rng.randrange(16),
            height=rng.uniform(0.045, 0.09),
            margin=rng.uniform(0.02, 0.08),
            place=rng.choice(("left", "right")) if vertical else rng.choices(("bottom", "top"), (0.85, 0.15))[0],
            edge=rng.choices(("outline", "box", "shadow", "plain"), (0.45, 0.25, 0.2, 0.1))[0],
            fill=rng.choice(_FILLS),
            dark=rng.choice(_DARK),
            karaoke=rng.choice(((255, 80, 60), (60, 140, 255), (255, 200, 0))) if rng.random() < 0.15 else None,
        )

    def paint(self, image: np.ndarray, canvas: Box, rng: random.Random, *, moment: int = 0) -> None:
        """Write one or two random lines; karaoke runs on with ``moment``. See `Overlay`."""
        left, top, right, bottom = canvas
        width, height = right - left, bottom - top
        line = self.height * height
        lines = [phrase(self.script, rng) for _ in range(rng.choices((1, 2), (0.65, 0.35))[0])]
        sung = (rng.random() + 0.1 * moment) % 1.0
        for row, text in enumerate(lines):
            length = text_plate(self.script, self.face, text).shape[1] * line / LINE
            if self.place in ("bottom", "top"):
                w = min(length, _WIDEST * width)
                first = (
                    self.margin * height if self.place == "top" else height - self.margin * height - len(lines) * line
                )
                self._write(image, text, (left + (width - w) / 2, top + first + row * line), (w, line), sung)
            else:
                h = min(length, _TALLEST * height)
                column = self.margin * width + row * line
                x = left + column if self.place == "left" else right - column - line
                self._write(image, text, (x, top + (height - h) / 2), (line, h), sung)

    def places(self, aspect: float) -> tuple[Box, ...]:
        """Return the band of two lines, with room for a shadow. See `Overlay`."""
        room = _SHADOW * self.height
        low, high = (1 - _WIDEST) / 2, (1 + _WIDEST) / 2 + room
        if self.place == "top":
            return ((low, self.margin, high, self.margin + 2 * self.height + room),)
        if self.place == "bottom":
            return ((low, 1 - self.margin - 2 * self.height, high, 1 - self.margin + room),)
        top, bottom = (1 - _TALLEST) / 2, (1 + _TALLEST) / 2 + room
        column, room = 2 * self.height / aspect, room / aspect  # columns are as wide as lines are high, in pixels
        if self.place == "left":
            return ((self.margin, top, self.margin + column + room, bottom),)
        return ((1 - self.margin - column, top, 1 - self.margin + room, bottom),)

    def _write(
        self, image: np.ndarray, text: str, corner: tuple[float, float], size: tuple[float, float], sung: float
    ) -> None:
        vertical = self.place in ("left", "right")
        left, top = round(corner[0]), round(corner[1])

        def cover(plate: np.ndarray) -> np.ndarray:
            return coverage(scaled(_stacked(plate) if vertical else plate, *size))

        glyphs = cover(text_plate(self.script, self.face, text))
        if self.edge == "box":
            fill(image, (left, top, left + glyphs.shape[1], top + glyphs.shape[0]), self.dark, 0.7)
        elif self.edge == "outline":
            lay(image, cover(outline_plate(self.script, self.face, text)), self.dark, left, top)
        elif self.edge == "shadow":
            offset = max(round(size[0 if vertical else 1] * _SHADOW / 2), 1)
            lay(image, glyphs, self.dark, left + offset, top + offset)
        if self.karaoke is None:
            lay(image, glyphs, self.fill, left, top)
            return
        done = round(sung * glyphs.shape[0 if vertical else 1])
        first, second = (np.s_[:done], np.s_[done:]) if vertical else (np.s_[:, :done], np.s_[:, done:])
        lay(image, glyphs[first], self.karaoke, left, top)
        lay(image, glyphs[second], self.fill, left + (0 if vertical else done), top + (done if vertical else 0))


def _stacked(line: np.ndarray) -> np.ndarray:
    """Turn a horizontal line of square characters into a column of them."""
    rows, columns = line.shape
    cells = max(round(columns / (rows * 0.75)), 1)
    padded = np.zeros((rows, -(-columns // cells) * cells), np.uint8)
    padded[:, :columns] = line
    return np.vstack(np.split(padded, cells, axis=1))
