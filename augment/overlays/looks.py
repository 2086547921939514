"""Looks: the overlays of one station together, and the bank of looks for views."""

from __future__ import annotations

import random
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from framegate.augment.boxes import Box
from framegate.augment.overlays.borders import BorderStyle
from framegate.augment.overlays.logos import LogoStyle
from framegate.augment.overlays.plates import Overlay
from framegate.augment.overlays.subtitles import SubtitleStyle
from framegate.augment.overlays.tickers import ClockStyle, TickerStyle
from framegate.augment.overlays.watermarks import RoundedFrameStyle, WatermarkStyle

# In the order of painting, with the share of looks that have one. Borders are more frequent than among stations: they
# change the most of a small picture, and features are the slowest to let go of them.
_SHARES: tuple[tuple[type[Overlay], float], ...] = (
    (BorderStyle, 0.75),
    (WatermarkStyle, 0.04),
    (TickerStyle, 0.08),
    (ClockStyle, 0.08),
    (LogoStyle, 0.85),
    (SubtitleStyle, 0.7),
    (RoundedFrameStyle, 0.05),
)


@dataclass(frozen=True, slots=True)
class Look:
    """A station's overlays, in the order of painting."""

    overlays: tuple[Overlay, ...]

    @classmethod
    def draw(cls, rng: random.Random) -> Look:
        """Return a random look, a function of ``rng``; most have a logo, subtitles and borders."""
        return cls(tuple(style.draw(rng) for style, share in _SHARES if rng.random() < share))

    def paint(self, image: np.ndarray, canvas: Box, rng: random.Random, *, moment: int = 0) -> None:
        """Paint all overlays into ``image``, in place. See `Overlay`."""
        for overlay in self.overlays:
            overlay.paint(image, canvas, rng, moment=moment)

    def places(self, aspect: float) -> tuple[Box, ...]:
        """Return boxes that contain all that `paint` draws, in fractions of a frame of ``aspect`` (width / height)."""
        return tuple(box for overlay in self.overlays for box in overlay.places(aspect))


@lru_cache(maxsize=8192)
def bank_look(seed: int, number: int) -> Look:
    """Return look ``number`` of the bank with this ``seed``, the same in every process."""
    return Look.draw(random.Random(f"look:{seed}:{number}"))
