"""Station logos: shapes and letters in a corner, opaque or see-through, still or moving from frame to frame."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import cv2
import numpy as np

from framegate.augment.boxes import Box
from framegate.augment.overlays.fonts import SCRIPTS
from framegate.augment.overlays.phrases import phrase
from framegate.augment.overlays.plates import Colour, coverage, lay, scaled, text_plate

Corner = Literal["top left", "top right", "bottom left", "bottom right"]
CORNERS: tuple[Corner, ...] = ("top left", "top right", "bottom left", "bottom right")
_SIDE = 64  # pixels of a logo's plate
_PHASES = 8  # frames of a moving logo


@dataclass(frozen=True, slots=True, kw_only=True)
class LogoStyle:
    """One station's logo; ``width`` and ``margin`` are fractions of the frame's width, ``seed`` draws the figure."""

    seed: int
    corner: Corner
    width: float
    aspect: float  # width over height
    margin: float
    opacity: float
    moving: bool

    @classmethod
    def draw(cls, rng: random.Random) -> LogoStyle:
        """Return a random logo, a function of ``rng``."""
        return cls(
            seed=rng.getrandbits(32),
            corner=rng.choices(CORNERS, (0.35, 0.4, 0.12, 0.13))[0],
            width=rng.uniform(0.06, 0.2),
            aspect=rng.choice((1.0, 1.0, 1.5, 2.0)),
            margin=rng.uniform(0.015, 0.06),
            opacity=1.0 if rng.random() < 0.5 else rng.uniform(0.4, 0.9),
            moving=rng.random() < 0.1,
        )

    def paint(self, image: np.ndarray, canvas: Box, rng: random.Random, *, moment: int = 0) -> None:
        """Lay the logo into its corner; a moving one turns with ``moment``. See `Overlay`."""
        left, top, right, bottom = self._box(canvas)
        phase = (rng.randrange(_PHASES) + moment) % _PHASES if self.moving else 0
        colours, alpha = _plate(self.seed, self.aspect, phase)
        w, h = right - left, bottom - top
        lay(image, coverage(scaled(alpha, w, h), self.opacity), scaled(colours, w, h), round(left), round(top))

    def places(self, aspect: float) -> tuple[Box, ...]:
        """Return the logo's box. See `Overlay`."""
        left, top, right, bottom = self._box((0.0, 0.0, aspect, 1.0))
        return ((left / aspect, top, right / aspect, bottom),)

    def _box(self, canvas: Box) -> Box:
        """Return the box of the logo, in pixels of a canvas."""
        left, top, right, bottom = canvas
        width = self.width * (right - left)
        height = width / self.aspect
        margin = self.margin * (right - left)
        x = left + margin if "left" in self.corner else right - margin - width
        y = top + margin if "top" in self.corner else bottom - margin - height
        return (x, y, x + width, y + height)


@lru_cache(maxsize=4096)
def _plate(seed: int, aspect: float, phase: int) -> tuple[np.ndarray, np.ndarray]:
    """The logo's colours (h, w, 3) and coverage (h, w), both uint8: a body, a figure in it, often letters."""
    rng = random.Random(seed)
    height, width = _SIDE, round(_SIDE * aspect)
    colours, alpha = np.zeros((height, width, 3), np.uint8), np.zeros((height, width), np.uint8)
    body = _colour(rng)
    figure, ink = (_apart(_colour(rng), body) for _ in range(2))
    turn = phase / _PHASES * 2 * math.pi

    outline = rng.choice(("disc", "box", "rounded", "ring", "none", "polygon"))
    colours[:] = body if outline != "none" else figure
    _fill(alpha, outline, rng.randint(3, 8), rng.random() * math.pi + turn, 0.5)
    inner = np.zeros_like(alpha)
    _fill(
        inner,
        rng.choice(("disc", "polygon", "star", "bars", "none")),
        rng.randint(3, 7),
        rng.random() * math.pi - turn,
        0.3,
    )
    colours[inner > 127] = figure
    alpha = np.maximum(alpha, inner)
    if rng.random() < 0.6 or not alpha.any():
        script = rng.choice(SCRIPTS)
        letters = text_plate(script, rng.randrange(8), phrase(script, rng, short=True))[:, : round(48 * aspect)]
        letters = cv2.resize(letters, (width - 8, height // 2), interpolation=cv2.INTER_AREA)
        where = np.s_[height // 4 : height // 4 + height // 2, 4 : width - 4]
        colours[where][letters > 100] = ink
        alpha[where] = np.maximum(alpha[where], letters)
    return colours, alpha


def _fill(mask: np.ndarray, shape: str, corners: int, turn: float, radius: float) -> None:
    """Draw a filled shape around the middle of ``mask``; ``radius`` as a fraction of its height and width."""
    height, width = mask.shape
    middle, axes = (width // 2, height // 2), (round(width * radius) - 1, round(height * radius) - 1)
    if shape in ("disc", "ring"):
        cv2.ellipse(mask, middle, axes, 0, 0, 360, (255,), -1 if shape == "disc" else height // 9, cv2.LINE_AA)
    elif shape in ("box", "rounded"):
        cv2.rectangle(mask, (0, height // 6), (width - 1, height - height // 6), (255,), -1)
        if shape == "rounded":
            mask[:] = np.where(cv2.blur(mask, (15, 15)) > 150, np.uint8(255), np.uint8(0))
    elif shape == "bars":
        for bar in range(corners):
            if bar % 2 == 0:
                x = middle[0] - axes[0] + 2 * axes[0] * bar // corners
                cv2.rectangle(mask, (x, middle[1] - axes[1]), (x + axes[0] // corners, middle[1] + axes[1]), (255,), -1)
    elif shape in ("polygon", "star"):
        points = 2 * corners if shape == "star" else corners
        reach = [0.45 if shape == "star" and i % 2 else 1.0 for i in range(points)]
        angles = [turn + 2 * math.pi * i / points for i in range(points)]
        outline = [
            (middle[0] + r * axes[0] * math.cos(a), middle[1] + r * axes[1] * math.sin(a))
            for r, a in zip(reach, angles, strict=True)
        ]
        cv2.fillPoly(mask, [np.array(outline, np.int32)], (255,), cv2.LINE_AA)


def _colour(rng: random.Random) -> Colour:
    return rng.choice(((255, 255, 255), (rng.randrange(256), rng.randrange(256), rng.randrange(256))))


def _apart(colour: Colour, other: Colour) -> Colour:
    """``colour``, or its opposite where it could not be told from ``other``."""
    if sum(abs(a - b) for a, b in zip(colour, other, strict=True)) > 150:
        return colour
    return (0, 0, 0) if sum(other) > 380 else (255, 255, 255)
