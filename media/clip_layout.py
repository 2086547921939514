"""The layout of a clip's overlays, as the callable that `extract` is given finds it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

FoundBox = tuple[float, float, float, float, float]
"""left, top, right, bottom in fractions of the frame, and a confidence in 0–1."""


@dataclass(frozen=True)
class Layout:
    """Borders, logos and subtitles of one clip, in fractions of the frame's width and height.

    Attributes:
        borders: (left, top, right, bottom), the edges of the picture inside; (0, 0, 1, 1) where there are no borders.
        logos: boxes that stay in place.
        subtitles: boxes in which text comes and goes.
    """

    borders: tuple[float, float, float, float] = (0.0, 0.0, 1.0, 1.0)
    logos: tuple[FoundBox, ...] = ()
    subtitles: tuple[FoundBox, ...] = ()

    @property
    def is_possible(self) -> bool:
        """Whether the borders leave a picture and all boxes lie within the frame."""
        left, top, right, bottom = self.borders
        return left < right and top < bottom and all(map(_is_within, (self.borders, *self.logos, *self.subtitles)))


_SLACK = 1e-3  # of a frame's side, for what rounding does to a fraction


def _is_within(box: Sequence[float]) -> bool:
    x0, y0, x1, y1 = box[:4]
    return -_SLACK <= x0 <= x1 <= 1 + _SLACK and -_SLACK <= y0 <= y1 <= 1 + _SLACK  # false of what is not a number


LayoutFinder = Callable[[Sequence[np.ndarray]], Layout]
"""Finds the overlays in a sample of one clip's frames, each (H, W, 3) RGB uint8."""
