"""Looks: a station's logo, subtitle style and borders together, and the bank that every view draws them from."""

from __future__ import annotations

import random
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from framegate.augment.borders import BorderStyle, paint_border
from framegate.augment.boxes import Box
from framegate.augment.logos import LogoStyle, paint_logo
from framegate.augment.subtitles import SubtitleStyle, paint_subtitles


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What one station lays over its pictures; None: it has no such thing."""

    border: BorderStyle | None
    logo: LogoStyle | None
    subtitles: SubtitleStyle | None

    @classmethod
    def draw(cls, rng: random.Random) -> Look:
        """A random look, a function of ``rng``; most have a logo and subtitles, a third has borders."""
        return cls(
            border=BorderStyle.draw(rng) if rng.random() < 0.35 else None,
            logo=LogoStyle.draw(rng) if rng.random() < 0.85 else None,
            subtitles=SubtitleStyle.draw(rng) if rng.random() < 0.7 else None,
        )

    def paint(self, image: np.ndarray, canvas: Box, rng: random.Random) -> None:
        """Paint the look into ``image`` (H, W, 3) uint8, in place; ``rng`` draws what differs between frames (text, phase).

        ``canvas`` is where the frame lies, in pixels of the image; it may be larger than the image.
        """
        if self.border is not None:
            paint_border(image, canvas, self.border)
        if self.logo is not None:
            paint_logo(image, canvas, self.logo, rng)
        if self.subtitles is not None:
            paint_subtitles(image, canvas, self.subtitles, rng)


@lru_cache(maxsize=8192)
def bank_look(seed: int, number: int) -> Look:
    """Look ``number`` of the bank that ``seed`` names: the same in every process, for as long as the run lasts."""
    return Look.draw(random.Random(f"look:{seed}:{number}"))
