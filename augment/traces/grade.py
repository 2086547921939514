"""The trace of a grading: lift, gamma and gain of each colour, a tone curve, and saturation.

The order is that of a colour decision list (ASC CDL): the tones of each channel first, then saturation around luma.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass

import cv2
import numpy as np

from framegate.augment.colour import LUMA

Wheel = tuple[float, float, float]
"""A value for red, green and blue."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Grade:
    """A grade of pictures in 0–1.

    Attributes:
        lift: what black becomes.
        gamma: above 1 middle tones are brighter.
        gain: what white becomes, so also the white point.
        curve: from −1 (flat) to 1 (an S: more contrast in the middle).
        saturation: 0 is grey, 1 changes nothing.
    """

    lift: Wheel
    gamma: Wheel
    gain: Wheel
    curve: float
    saturation: float

    @classmethod
    def draw(cls, rng: random.Random, *, turn: float | None = None) -> Grade:
        """Return a random grade, a function of ``rng``.

        Args:
            rng: draws it.
            turn: where on the colour circle white is moved to, in turns; None: anywhere.
        """
        turn = rng.random() if turn is None else turn
        return cls(
            lift=wheel(rng.random(), rng.uniform(0.0, 0.06), level=rng.uniform(0.0, 0.08)),
            gamma=wheel(rng.random(), rng.uniform(0.0, 0.15), level=rng.uniform(0.75, 1.3)),
            gain=wheel(turn, rng.uniform(0.08, 0.2), level=rng.uniform(0.8, 1.05)),
            curve=rng.uniform(-0.4, 0.8),
            saturation=rng.uniform(0.4, 1.5),
        )

    def apply(self, image: np.ndarray) -> np.ndarray:
        """Return ``image`` (H, W, 3) RGB uint8 in this grade."""
        x = np.linspace(0.0, 1.0, 256, dtype=np.float32)[:, None]
        lift, gamma, gain = (np.array(values, np.float32) for values in (self.lift, self.gamma, self.gain))
        tones = np.clip(lift + x * (gain - lift), 0.0, 1.0) ** (1 / gamma)
        tones += np.float32(self.curve) * (tones * tones * (3 - 2 * tones) - tones)
        table = (tones * 255).round().clip(0, 255).astype(np.uint8)[None]  # (1, 256, 3)
        mix = self.saturation * np.eye(3, dtype=np.float32) + (1 - self.saturation) * np.tile(LUMA, (3, 1))
        graded: np.ndarray = cv2.transform(cv2.LUT(image, table), mix.astype(np.float32))
        return graded


def wheel(turn: float, amount: float, *, level: float) -> Wheel:
    """Return a colour wheel's values: ``level``, moved by ``amount`` towards the hue at ``turn`` of the circle.

    >>> [round(value, 2) for value in wheel(0.0, 0.2, level=1.0)]
    [1.2, 0.9, 0.9]
    """
    red, green, blue = (level + amount * math.cos(2 * math.pi * (turn - third / 3)) for third in range(3))
    return red, green, blue
