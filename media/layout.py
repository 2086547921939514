"""Where a clip's overlays lie: data only, found by whatever callable `extract` is given."""

from dataclasses import dataclass

Box = tuple[float, float, float, float, float]


@dataclass(frozen=True)
class Layout:
    """Borders, logos and subtitles of one clip, in fractions of the frame's width and height.

    Attributes:
        borders: (left, top, right, bottom), the edges of the picture inside; (0, 0, 1, 1) where there are no borders.
        logos: boxes (x0, y0, x1, y1, confidence) that stay in place, confidence in 0..1.
        subtitles: boxes as above where text comes and goes.
    """

    borders: tuple[float, float, float, float] = (0.0, 0.0, 1.0, 1.0)
    logos: tuple[Box, ...] = ()
    subtitles: tuple[Box, ...] = ()
