"""Subtitles: a station's style (script, face, size, place, edge, colours), and lines of text painted in it."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Literal

import numpy as np

from framegate.augment.boxes import Box
from framegate.augment.fonts import SCRIPTS, Script
from framegate.augment.phrases import POOL
from framegate.augment.plates import LINE, Colour, lay, outline_plate, scaled, text_plate

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
_DARK: tuple[Colour, ...] = ((0, 0, 0), (0, 0, 0), (20, 20, 60), (60, 10, 10))


@dataclass(frozen=True, slots=True, kw_only=True)
class SubtitleStyle:
    """How one station writes its subtitles. ``height`` of a line and ``margin`` to the edge are fractions of the frame's height."""

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
        """A random style, a function of ``rng``."""
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


def paint_subtitles(image: np.ndarray, canvas: Box, style: SubtitleStyle, rng: random.Random) -> None:
    """Write one or two random lines into ``image`` (H, W, 3) uint8, in place.

    ``canvas`` is where the frame lies, in pixels of the image (left, top, right, bottom); it may be larger than the image.
    """
    left, top, right, bottom = canvas
    width, height = right - left, bottom - top
    line = style.height * height
    lines = [rng.randrange(POOL) for _ in range(rng.choices((1, 2), (0.65, 0.35))[0])]
    sung = rng.random()
    for row, text in enumerate(lines):
        plate = text_plate(style.script, style.face, text)
        if style.place in ("bottom", "top"):
            w = min(plate.shape[1] * line / LINE, 0.94 * width)
            y = (
                top + style.margin * height
                if style.place == "top"
                else bottom - style.margin * height - len(lines) * line
            )
            _write(image, style, text, left + (width - w) / 2, y + row * line, w, line, sung)
        else:
            w = min(plate.shape[1] * line / LINE, 0.8 * height)
            x = (
                left + style.margin * width + row * line
                if style.place == "left"
                else right - style.margin * width - (row + 1) * line
            )
            _write(image, style, text, x, top + (height - w) / 2, line, w, sung)


def _write(
    image: np.ndarray, style: SubtitleStyle, text: int, x: float, y: float, w: float, h: float, sung: float
) -> None:
    vertical = style.place in ("left", "right")
    left, top = round(x), round(y)

    def alpha(plate: np.ndarray) -> np.ndarray:
        return scaled(_stacked(plate) if vertical else plate, w, h).astype(np.float32) * np.float32(1 / 255)

    glyphs = alpha(text_plate(style.script, style.face, text))
    rows, columns = glyphs.shape
    if style.edge == "box":
        lay(image, 0.7, style.dark, left, top, shape=(rows, columns))
    elif style.edge == "outline":
        lay(image, alpha(outline_plate(style.script, style.face, text)), style.dark, left, top)
    elif style.edge == "shadow":
        offset = max(round(h / 16), 1)
        lay(image, glyphs, style.dark, left + offset, top + offset)
    if style.karaoke is None:
        lay(image, glyphs, style.fill, left, top)
        return
    done = round(sung * (rows if vertical else columns))
    first, second = (np.s_[:done], np.s_[done:]) if vertical else (np.s_[:, :done], np.s_[:, done:])
    lay(image, glyphs[first], style.karaoke, left, top)
    lay(image, glyphs[second], style.fill, left + (0 if vertical else done), top + (done if vertical else 0))


def _stacked(line: np.ndarray) -> np.ndarray:
    """A horizontal line of square characters as a column, one under the other."""
    rows, columns = line.shape
    cells = max(round(columns / (rows * 0.75)), 1)
    padded = np.zeros((rows, -(-columns // cells) * cells), np.uint8)
    padded[:, :columns] = line
    return np.vstack(np.split(padded, cells, axis=1))
