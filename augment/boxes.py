"""Boxes in fractions of a frame: area, intersection, position in a crop, whole pixels."""

from __future__ import annotations

import math
from collections.abc import Iterable

Box = tuple[float, float, float, float]  # left, top, right, bottom; x as fractions of the width, y of the height
PixelBox = tuple[int, int, int, int]  # the same in whole pixels; right and bottom are exclusive

WHOLE: Box = (0.0, 0.0, 1.0, 1.0)


def area(box: Box) -> float:
    """Return the share of the frame that ``box`` covers; 0 where right ≤ left or bottom ≤ top.

    >>> area((0.0, 0.0, 0.5, 0.5)), area((0.5, 0.0, 0.25, 1.0))
    (0.25, 0.0)
    """
    return max(box[2] - box[0], 0.0) * max(box[3] - box[1], 0.0)


def intersection(a: Box, b: Box) -> Box:
    """Return the common part of two boxes; its `area` is 0 where they have none.

    >>> intersection((0.0, 0.0, 0.5, 1.0), (0.25, 0.5, 1.0, 1.0))
    (0.25, 0.5, 0.5, 1.0)
    """
    return (max(a[0], b[0]), max(a[1], b[1]), min(a[2], b[2]), min(a[3], b[3]))


def iou(a: Box, b: Box) -> float:
    """Return intersection over union, in [0, 1]; 0 for two empty boxes.

    >>> iou((0.0, 0.0, 0.5, 1.0), (0.25, 0.0, 0.75, 1.0))
    0.3333333333333333
    """
    shared = area(intersection(a, b))
    union = area(a) + area(b) - shared
    return shared / union if union > 0 else 0.0


def seen_through(crop: Box, box: Box) -> Box:
    """Convert ``box`` from fractions of the frame to fractions of ``crop``; beyond [0, 1] where it leaves the crop.

    >>> seen_through((0.5, 0.0, 1.0, 0.5), (0.75, 0.25, 1.0, 1.0))
    (0.5, 0.5, 1.0, 2.0)
    """
    width, height = crop[2] - crop[0], crop[3] - crop[1]
    return (
        (box[0] - crop[0]) / width,
        (box[1] - crop[1]) / height,
        (box[2] - crop[0]) / width,
        (box[3] - crop[1]) / height,
    )


def covering_pixels(box: Box, width: int, height: int, *, margin: int = 0) -> PixelBox | None:
    """Return the smallest pixel box that covers all of ``box`` in a picture, and ``margin`` pixels around it.

    >>> covering_pixels((0.1, 0.0, 0.26, 1.5), 10, 8, margin=1)
    (0, 0, 4, 8)

    Args:
        box: in fractions of the picture.
        width, height: of the picture, in pixels.
        margin: in pixels.

    Returns:
        The pixel box inside the picture; None where the box lies outside of it.
    """
    left, top = max(math.floor(box[0] * width) - margin, 0), max(math.floor(box[1] * height) - margin, 0)
    right = min(math.ceil(box[2] * width) + margin, width)
    bottom = min(math.ceil(box[3] * height) + margin, height)
    return (left, top, right, bottom) if left < right and top < bottom else None


def free_box(frame: Box, regions: Iterable[Box]) -> Box:
    """Return a large box inside ``frame`` that touches none of ``regions``.

    Greedy: each region in turn, the largest first, is cut away at the side where least is lost.

    >>> free_box(WHOLE, [(0.0, 0.75, 1.0, 1.0), (0.75, 0.0, 1.0, 0.25)])
    (0.0, 0.0, 0.75, 0.75)
    """
    free = frame
    for region in sorted(regions, key=area, reverse=True):
        if area(intersection(free, region)) <= 0:
            continue
        left, top, right, bottom = free
        sides: tuple[Box, ...] = (
            (left, top, min(right, region[0]), bottom),
            (left, top, right, min(bottom, region[1])),
            (max(left, region[2]), top, right, bottom),
            (left, max(top, region[3]), right, bottom),
        )
        free = max(sides, key=area)
    return free
