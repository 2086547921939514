"""Logos: compact groups of edges that stay while the picture behind them changes."""

from __future__ import annotations

import cv2
import numpy as np

from framegate.augment.boxes import Box, PixelBox

Found = tuple[float, float, float, float, float]

_STRONG = 4.0  # levels a pixel: a lasting edge that founds a group
_LEVELS = (2.0, 3.0, 4.5, 7.0, 10.0, 15.0, 22.0)
_STANDS_STILL = 0.3
_MOVES = 0.03
_LEAST_OWN = 0.1
_WEAK = 2.0  # one that extends it,
_RELATIVE = 0.25  # if it has this share of the group's strongest
_LEAST_CONFIDENCE = 0.5
_STANDARD_ERRORS = 3.5
_GAIN = 2.5  # a step of 128 / 2.5 levels across two pixels, or more, counts as that: few steps are not to weigh all


def find_logos(frames: np.ndarray, distinct: list[int], picture: Box) -> tuple[Found, ...]:
    """Boxes and confidences of the logos.

    Args:
        frames: (T, H, W, 3) uint8.
        distinct: numbers of those that differ, from `distinct_frames`.
        picture: what the borders leave, in fractions.
    """
    rows, columns = frames.shape[1:3]
    bars = _outside(picture, rows, columns)
    moves = len(distinct) >= 3
    if not moves and not bars.any():
        return ()
    lasting, usual, halves = lasting_edges(frames[distinct] if moves else frames)
    if not moves:  # nothing tells a logo from the still that it lies on, but on the bars there is nothing else
        lasting[~bars] = 0
    _clear_border_lines(lasting, picture)
    candidates = _merged(_groups(lasting), rows, columns)
    here, there = lasting > _STRONG, usual > _STRONG
    rest = np.ones((rows, columns), bool)
    for left, top, right, bottom in candidates:
        rest[top:bottom, left:right] = False
    share = (here & rest).sum() / max((there & rest).sum(), 0.01 * usual.size)
    if moves and share > _STANDS_STILL:
        return ()
    found = []
    for box in candidates:
        left, top, right, bottom = box
        inside = np.s_[top:bottom, left:right]
        own = here[inside].sum() / max(there[inside].sum(), 1)
        stays, moved = _stays(halves, box)
        confidence = stays * float(own / (own + share + 1e-6))
        if confidence >= _LEAST_CONFIDENCE and stays > moved + _MOVES and own > _LEAST_OWN:
            left, top, right, bottom = left + 1, top + 1, right - 1, bottom - 1
            found.append((left / columns, top / rows, right / columns, bottom / rows, confidence))
    return tuple(found)


def _stays(halves: np.ndarray, box: PixelBox) -> tuple[float, float]:
    """Correlation of the two halves' mean gradients over a box: in place, and the best of moved by a pixel or two."""
    rows, columns = halves.shape[2:4]
    left, top, right, bottom = box
    r = 3
    left, top, right, bottom = max(left, r), max(top, r), min(right, columns - r), min(bottom, rows - r)
    a = halves[0][:, top:bottom, left:right]
    best = 0.0
    zero = 0.0
    for dy in range(-r, r + 1):
        for dx in range(-r, r + 1):
            b = halves[1][:, top + dy : bottom + dy, left + dx : right + dx]
            c = float((a * b).sum() / (np.sqrt((a * a).sum() * (b * b).sum()) + 1e-9))
            if dx == 0 == dy:
                zero = c
            elif max(abs(dx), abs(dy)) >= 2:
                best = max(best, c)
    return zero, best


def lasting_edges(frames: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Two maps (H, W) float32 of edges, in levels a pixel, the strongest of the three colours.

    First a lower bound of the mean gradient's length, so many standard errors below that an edge which comes and goes,
    or turns, has none; second the gradient's usual length.
    """
    count, rows, columns = frames.shape[:3]
    halves = np.zeros((2, 2, rows, columns, 3), np.float32)
    squares = np.zeros((2, rows, columns, 3), np.float32)
    whole, before, after = slice(None), slice(None, -2), slice(2, None)
    for number, frame in enumerate(frames):
        sums = halves[int(2 * number >= count)]
        for axis, (first, second, inner) in enumerate(
            (((whole, before), (whole, after), np.s_[:, 1:-1]), ((before, whole), (after, whole), np.s_[1:-1]))
        ):
            step = cv2.addWeighted(frame[second], _GAIN, frame[first], -_GAIN, 128)
            cv2.accumulate(step, sums[axis][inner])
            cv2.accumulateSquare(step, squares[axis][inner])
    mean = halves.sum(axis=0) / count
    squares = squares / count
    for axis, inner in enumerate((np.s_[:, 1:-1], np.s_[1:-1])):
        squares[axis][inner] += 128 * 128 - 256 * mean[axis][inner]
        mean[axis][inner] -= 128
    for half, size in zip(halves, (count - count // 2, count // 2)):
        half[0][:, 1:-1] -= 128 * size
        half[1][1:-1] -= 128 * size
    scale = 1 / (2 * _GAIN)
    mean[0] = cv2.filter2D(mean[0], -1, np.array([[3], [10], [3]], np.float32) / 16)
    mean[1] = cv2.filter2D(mean[1], -1, np.array([[3, 10, 3]], np.float32) / 16)
    length = cv2.magnitude(mean[0], mean[1]) * scale
    squares = cv2.blur(squares[0] + squares[1], (3, 3)) * scale**2
    error = cv2.sqrt(cv2.max(squares - length * length, 0) / (2 * count))
    return _strongest(length - _STANDARD_ERRORS * error), cv2.sqrt(_strongest(squares)), halves


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
    """Take the ends of the borders, which last too, out of the map, in place."""
    rows, columns = lasting.shape
    for edge in (picture[1], picture[3]):
        if 0 < edge < 1:
            lasting[max(round(edge * rows) - 2, 0) : round(edge * rows) + 2] = 0
    for edge in (picture[0], picture[2]):
        if 0 < edge < 1:
            lasting[:, max(round(edge * columns) - 2, 0) : round(edge * columns) + 2] = 0


def _groups(lasting: np.ndarray) -> list[PixelBox]:
    """Boxes of edges that lie together and are, as a group, of a logo's size and place.

    What lasts of the picture itself may touch a logo. So a group that is no logo is taken apart at the next level.
    """
    rows, columns = lasting.shape
    reach = max(columns // 80, 3) | 1
    near = np.ones((reach, reach), np.uint8)
    groups = []
    left_over = lasting
    for level in _LEVELS:
        edges = cv2.compare(left_over, level, cv2.CMP_GT)
        _, labels, boxes, _ = cv2.connectedComponentsWithStats(cv2.dilate(edges, near))
        again = np.zeros(len(boxes), bool)
        for label, (left, top, w, h, _) in enumerate(boxes[1:].tolist(), start=1):
            inside = np.s_[top : top + h, left : left + w]
            member = (labels[inside] == label) & (edges[inside] > 0)
            strong = (lasting[inside] > _STRONG) & member
            if strong.sum() < 8:
                continue
            strength = lasting[inside]
            ys, xs = np.nonzero(member & (strength > _RELATIVE * float(np.percentile(strength[member], 90))))
            box = (int(left + xs.min()), int(top + ys.min()), int(left + xs.max() + 1), int(top + ys.max() + 1))
            if _is_logo_shaped(*box, rows, columns):
                groups.append(box)
            elif max(w / columns, h / rows) > 0.03:
                again[label] = True
        if not again.any():
            break
        left_over = np.where(again[labels], left_over, 0)
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
    return sized and 1.5 / columns < x < 0.15 and 1.5 / rows < y < 0.2 and max(width, height) < 7 * min(width, height)
