"""Logos: compact groups of edges that stay while the picture behind them changes."""

from __future__ import annotations

import cv2
import numpy as np

from framegate.augment.boxes import Box, PixelBox
from framegate.augment.distinct import distinct_frames

Found = tuple[float, float, float, float, float]

_STRONG = 4.0  # levels a pixel: a lasting edge that founds a group
_WEAK = 2.0  # one that extends it,
_RELATIVE = 0.25  # if it has this share of the group's strongest
_LEAST_CONFIDENCE = 0.5
_STANDARD_ERRORS = 3.5


def find_logos(frames: np.ndarray, picture: Box) -> tuple[Found, ...]:
    """Boxes and confidences of the logos.

    Args:
        frames: (T, H, W, 3) uint8.
        picture: what the borders leave, in fractions.
    """
    rows, columns = frames.shape[1:3]
    bars = _outside(picture, rows, columns)
    distinct = distinct_frames(frames, picture)
    moves = len(distinct) >= 3
    if not moves and not bars.any():
        return ()
    lasting, usual = lasting_edges(frames[distinct] if moves else frames)
    if not moves:  # nothing tells a logo from the still that it lies on, but on the bars there is nothing else
        lasting[~bars] = 0
    _clear_border_lines(lasting, picture)
    found = []
    for left, top, right, bottom in _merged(_groups(lasting), rows, columns):
        if _is_logo_shaped(left, top, right, bottom, rows, columns):
            inside = np.s_[top:bottom, left:right]
            steadiness = float((lasting[inside] > _STRONG).sum() / max((usual[inside] > _STRONG).sum(), 1))
            confidence = min(2 * steadiness, 1.0)
            if confidence >= _LEAST_CONFIDENCE:
                found.append((left / columns, top / rows, right / columns, bottom / rows, confidence))
            lasting[inside] = usual[inside] = 0
    if moves and (lasting > _STRONG).sum() > 0.3 * max((usual > _STRONG).sum(), 0.01 * usual.size):
        return ()  # the camera stands still
    return tuple(found)


def lasting_edges(frames: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Two maps (H, W) float32 of edges, in levels a pixel, the strongest of the three colours.

    First a lower bound of the mean gradient's length, so many standard errors below that an edge which comes and goes,
    or turns, has none; second the gradient's usual length.
    """
    shape = frames.shape[1:]
    sum_x, sum_y, squares = np.zeros(shape, np.float32), np.zeros(shape, np.float32), np.zeros(shape, np.float32)
    for frame in frames:
        x, y = (cv2.Scharr(frame, cv2.CV_32F, *axis, scale=1 / 32) for axis in ((1, 0), (0, 1)))
        cv2.accumulate(x, sum_x)
        cv2.accumulate(y, sum_y)
        cv2.accumulateSquare(x, squares)
        cv2.accumulateSquare(y, squares)
    count = len(frames)
    mean = cv2.magnitude(sum_x, sum_y) / count
    squares /= count
    error = cv2.sqrt(cv2.max(squares - mean * mean, 0) / (2 * count))
    return _strongest(mean - _STANDARD_ERRORS * error), cv2.sqrt(_strongest(squares))


def _strongest(of_colours: np.ndarray) -> np.ndarray:
    """The largest of three colours' values at each place."""
    red, green, blue = cv2.split(of_colours)
    return cv2.max(cv2.max(red, green), blue)


def _outside(picture: Box, rows: int, columns: int) -> np.ndarray:
    """(H, W) bool: the pixels of the bars."""
    outside = np.ones((rows, columns), bool)
    outside[
        round(picture[1] * rows) : round(picture[3] * rows), round(picture[0] * columns) : round(picture[2] * columns)
    ] = False
    return outside


def _clear_border_lines(lasting: np.ndarray, picture: Box) -> None:
    """Take the ends of the borders, which last too, out of the map, in place: what most of each line has."""
    rows, columns = lasting.shape
    for edge in (picture[1], picture[3]):
        if 0 < edge < 1:
            line = lasting[max(round(edge * rows) - 4, 0) : round(edge * rows) + 4]
            line -= 1.5 * np.maximum(np.median(line, axis=1, keepdims=True), 0)
    for edge in (picture[0], picture[2]):
        if 0 < edge < 1:
            line = lasting[:, max(round(edge * columns) - 4, 0) : round(edge * columns) + 4]
            line -= 1.5 * np.maximum(np.median(line, axis=0, keepdims=True), 0)


def _groups(lasting: np.ndarray) -> list[PixelBox]:
    """Boxes of connected edges: those that a strong one founds, as far as weak ones extend them."""
    reach = max(lasting.shape[1] // 80, 3) | 1
    weak = (lasting > _WEAK).astype(np.uint8)
    joined = cv2.dilate(weak, np.ones((reach, reach), np.uint8))
    _, labels, boxes, _ = cv2.connectedComponentsWithStats(joined)
    groups = []
    for label, (left, top, w, h, _) in enumerate(boxes[1:], start=1):
        inside = np.s_[top : top + h, left : left + w]
        member = labels[inside] == label
        if (member & (lasting[inside] > _STRONG)).sum() < 8:
            continue
        edges = np.where(member, lasting[inside], 0)
        ys, xs = np.nonzero(edges > max(_WEAK, _RELATIVE * float(np.percentile(edges[edges > _WEAK], 90))))
        groups.append((int(left + xs.min()), int(top + ys.min()), int(left + xs.max() + 1), int(top + ys.max() + 1)))
    return groups


def _merged(groups: list[PixelBox], rows: int, columns: int) -> list[PixelBox]:
    """Groups that are nearer to each other than half their size are parts of one logo."""
    groups = list(groups)
    while True:
        for i, a in enumerate(groups):
            for j in range(i + 1, len(groups)):
                b = groups[j]
                size = max(a[2] - a[0], a[3] - a[1], b[2] - b[0], b[3] - b[1])
                gap = max(b[0] - a[2], a[0] - b[2], b[1] - a[3], a[1] - b[3])
                both = (min(a[0], b[0]), min(a[1], b[1]), max(a[2], b[2]), max(a[3], b[3]))
                if gap < 0.5 * size and _is_logo_shaped(*both, rows, columns):
                    groups[i] = both
                    del groups[j]
                    break
            else:
                continue
            break
        else:
            return groups


def _is_logo_shaped(left: int, top: int, right: int, bottom: int, rows: int, columns: int) -> bool:
    """2 to 25% of the frame each way, no thinner than a line of letters, near a corner but not cut off by the edge."""
    width, height = right - left, bottom - top
    x, y = min(left, columns - right) / columns, min(top, rows - bottom) / rows
    sized = 0.022 < width / columns < 0.25 and 0.022 < height / rows < 0.3
    return sized and 0 < x < 0.15 and 0 < y < 0.2 and max(width, height) < 7 * min(width, height)
