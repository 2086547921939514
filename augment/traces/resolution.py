"""The trace of a scaler: a picture made smaller and enlarged again."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np

Kernel = Literal["nearest", "linear", "cubic", "lanczos", "area"]
_CODES: dict[Kernel, int] = {
    "nearest": cv2.INTER_NEAREST,
    "linear": cv2.INTER_LINEAR,
    "cubic": cv2.INTER_CUBIC,
    "lanczos": cv2.INTER_LANCZOS4,
    "area": cv2.INTER_AREA,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Rescaling:
    """Down to ``scale`` of both sides with one kernel, and up again with another."""

    scale: float
    down: Kernel
    up: Kernel

    @classmethod
    def draw(cls, rng: random.Random) -> Rescaling:
        """Return a random rescaling, a function of ``rng``, to 25 to 85% of each side."""
        return cls(
            scale=rng.uniform(0.25, 0.85),
            down=rng.choice(("area", "area", "linear", "cubic", "nearest")),
            up=rng.choice(("nearest", "linear", "cubic", "lanczos")),
        )

    def apply(self, image: np.ndarray) -> np.ndarray:
        """Return ``image`` (H, W, 3) uint8 with the detail that the smaller picture had."""
        height, width = image.shape[:2]
        size = (max(round(width * self.scale), 1), max(round(height * self.scale), 1))
        small = cv2.resize(image, size, interpolation=_CODES[self.down])
        enlarged: np.ndarray = cv2.resize(small, (width, height), interpolation=_CODES[self.up])
        return enlarged
