"""Logos: compact groups of edges that stay while the picture behind them changes."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from framegate.augment.boxes import Box, PixelBox
from framegate.augment.layout.distinct import choose_evenly
from framegate.augment.layout.lasting import LastingEdges, lasting_edges
from framegate.media.clip_layout import FoundBox

_FEWEST, _FRAMES = 8, 14  # frames: fewer tell too little, more are not looked at
_STRONG = 4.0  # levels a pixel: a lasting edge that founds a group
_LEVELS = (
    2.0,
    3.0,
    4.5,
    7.0,
    10.0,
    15.0,
    22.0,
)  # at which what hangs together is taken apart; the first extends groups
_VAST = 0.6  # of the width or height: a group that is no logo, whatever its strongest edges
_FOUNDERS = 8  # strong edges that a group has at least
_RELATIVE = 0.25  # of a group's strongest edges: what its weak ones must have
_STANDS_STILL = 0.3  # share of all edges that last: the camera does not move
_LEAST_CONFIDENCE = 0.55
_MIN_LASTING = 0.1  # share of the edges in a logo's box that last
_MOVES = 0.03  # by how much more alike the halves of the video must be in place than moved


def find_logos(frames: Sequence[np.ndarray], distinct: list[int], picture: Box) -> tuple[FoundBox, ...]:
    """Find logos: boxes in fractions of the frame, with a confidence in 0–1.

    Args:
        frames: (H, W, 3) uint8 each.
        distinct: numbers of the frames that differ, from `distinct_frames`.
        picture: the box inside the borders, in fractions.
    """
    rows, columns = frames[0].shape[:2]
    bars = _outside(picture, rows, columns)
    moves = len(distinct) >= 3
    if len(frames) < _FEWEST or (not moves and not bars.any()):
        return ()
    edges = lasting_edges(choose_evenly([frames[i] for i in distinct] if moves else frames, _FRAMES))
    if not moves:  # nothing tells a logo from the still that it lies on, but on the bars there is nothing else
        edges.lasting[~bars] = 0
    if moves and _share_that_lasts(edges, []) > 2 * _STANDS_STILL:
        return ()
    _clear_border_lines(edges.lasting, picture)
    groups = _merged(_groups(edges.lasting), rows, columns)
    elsewhere = _share_that_lasts(edges, groups)
    if moves and elsewhere > _STANDS_STILL:
        return ()
    found = []
    for box in groups:
        confidence = _confidence(edges, box, elsewhere)
        if confidence >= _LEAST_CONFIDENCE:
            left, top, right, bottom = box[0] + 1, box[1] + 1, box[2] - 1, box[3] - 1  # gradients spread by a pixel
            found.append((left / columns, top / rows, right / columns, bottom / rows, confidence))
    return tuple(found)


def _confidence(edges: LastingEdges, box: PixelBox, elsewhere: float) -> float:
    """Return 0 to 1: how well a group stays in place, times the share of its edges that last; 0 if it moves."""
    inside = np.s_[box[1] : box[3], box[0] : box[2]]
    lasts = float((edges.lasting[inside] > _STRONG).sum() / max((edges.usual[inside] > _STRONG).sum(), 1))
    in_place, moved = edges.stays(box)
    if lasts < _MIN_LASTING or in_place < moved + _MOVES:
        return 0.0
    return in_place * lasts / (lasts + elsewhere)


def _share_that_lasts(edges: LastingEdges, groups: list[PixelBox]) -> float:
    """Return the share of strong edges that last, outside of the groups."""
    rest = np.ones(edges.lasting.shape, bool)
    for left, top, right, bottom in groups:
        rest[top:bottom, left:right] = False
    usual = ((edges.usual > _STRONG) & rest).sum()
    return float(((edges.lasting > _STRONG) & rest).sum() / max(usual, 0.01 * rest.size))


def _outside(picture: Box, rows: int, columns: int) -> np.ndarray:
    """(H, W) bool: the pixels of the bars."""
    outside = np.ones((rows, columns), bool)
    outside[
        round(picture[1] * rows) : round(picture[3] * rows), round(picture[0] * columns) : round(picture[2] * columns)
    ] = False
    return outside


def _clear_border_lines(lasting: np.ndarray, picture: Box) -> None:
    """Take the ends of the borders, which last too, out of the map, in place."""
    rows, columns = lasting.shape
    for edge in (picture[1], picture[3]):
        if 0 < edge < 1:
            lasting[max(round(edge * rows) - 2, 0) : round(edge * rows) + 2] = 0
    for edge in (picture[0], picture[2]):
        if 0 < edge < 1:
            lasting[:, max(round(edge * columns) - 2, 0) : round(edge * columns) + 2] = 0


def _groups(lasting: np.ndarray) -> list[PixelBox]:
    """Return boxes of groups of edges that have the size and the place of a logo.

    Lasting edges of the picture may touch a logo. So a group that is no logo is divided at the next level.
    """
    rows, columns = lasting.shape
    reach = max(columns // 80, 3) | 1
    groups = []
    ys, xs = np.nonzero(lasting > _LEVELS[0])
    strength = lasting[ys, xs]
    for level in _LEVELS:
        keep = strength > level
        if not keep.any():
            break
        label = _connected(ys[keep], xs[keep], (rows, columns), reach)
        order = np.argsort(label, kind="stable")
        ys, xs, strength, label = ys[keep][order], xs[keep][order], strength[keep][order], label[order]
        starts = np.flatnonzero(np.diff(label, prepend=-1))
        strong = np.add.reduceat(strength > max(_STRONG, level), starts)
        left, top = (np.minimum.reduceat(at, starts) - reach // 2 for at in (xs, ys))
        right, bottom = (np.maximum.reduceat(at, starts) + reach // 2 + 1 for at in (xs, ys))
        again = np.zeros(len(ys), bool)
        near_corner = _reaches_a_corner(left, top, right, bottom, rows, columns)
        vast = (right - left > _VAST * columns) | (bottom - top > _VAST * rows)
        for i in np.flatnonzero((strong >= _FOUNDERS) & near_corner).tolist():
            member = slice(starts[i], starts[i + 1] if i + 1 < len(starts) else len(ys))
            if vast[i]:
                again[member] = True
                continue
            high = strength[member] > _RELATIVE * _high(strength[member])
            y, x = ys[member][high], xs[member][high]
            box = (int(x.min()), int(y.min()), int(x.max() + 1), int(y.max() + 1))
            if _is_logo_shaped(*box, rows, columns):
                groups.append(box)
            elif max((right[i] - left[i]) / columns, (bottom[i] - top[i]) / rows) > 0.03:
                again[member] = True
        ys, xs, strength = ys[again], xs[again], strength[again]
    return groups


def _connected(ys: np.ndarray, xs: np.ndarray, shape: tuple[int, int], reach: int) -> np.ndarray:
    """Return the number of the group of each point, (N,): points within ``reach`` pixels are connected.

    Groups are computed at half size, where blots of this size keep their neighbours.
    """
    points = np.zeros(shape, np.uint8)
    points[ys, xs] = 255
    blots = cv2.dilate(points, np.ones((reach, reach), np.uint8))
    _, labels = cv2.connectedComponents(np.ascontiguousarray(blots[::2, ::2]), ltype=cv2.CV_16U)
    numbers: np.ndarray = labels[ys // 2, xs // 2]
    return numbers


def _merged(groups: list[PixelBox], rows: int, columns: int) -> list[PixelBox]:
    """Merge groups that are nearer to each other than half their size into one logo."""
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


def _high(strength: np.ndarray) -> float:
    """Return the 90th percentile of the values (N,)."""
    at = int(0.9 * (len(strength) - 1))
    return float(np.partition(strength, at)[at])


def _reaches_a_corner(
    left: np.ndarray, top: np.ndarray, right: np.ndarray, bottom: np.ndarray, rows: int, columns: int
) -> np.ndarray:
    """Tell which boxes, (N,) each side, are as near to the frame's edges as logos are, (N,) bool."""
    near_side: np.ndarray = np.minimum(left, columns - right) < 0.15 * columns
    near_end: np.ndarray = np.minimum(top, rows - bottom) < 0.2 * rows
    near: np.ndarray = near_side & near_end
    return near


def _is_logo_shaped(left: int, top: int, right: int, bottom: int, rows: int, columns: int) -> bool:
    """2 to 25% of the frame each way, no thinner than a line of letters, near a corner but not cut off by the edge."""
    width, height = right - left, bottom - top
    x, y = min(left, columns - right) / columns, min(top, rows - bottom) / rows
    sized = 0.022 < width / columns < 0.25 and 0.022 < height / rows < 0.3
    return sized and 1.5 / columns < x < 0.15 and 1.5 / rows < y < 0.2 and max(width, height) < 7 * min(width, height)
