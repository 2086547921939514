"""Borders: bars of one colour, or of a blurred copy of the picture, that end at the same line in all frames.

Bars come in equal pairs, above and below or left and right: what lies on one side alone is the picture's own.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import cv2
import numpy as np

from framegate.augment.boxes import WHOLE, Box
from framegate.augment.layout.distinct import choose_evenly

_WIDEST = 0.3  # of the height or width, per side
_TOLERANCE = 14  # levels: how far compression carries a bar's pixels from its colour
_DROP = 0.4  # in the share of a bar's colour from the bar to the picture
_PROMINENCE = 1.4  # of a blurred bar's end over the lines around it; pictures without borders stay below 1.2
_WITNESSES = 6  # frames that must show the copy
_FEWEST = 3  # frames of a video, below which no copy is looked for
_NEAR = np.ones((3, 3), np.uint8)
_CALM = 30  # levels between neighbours, below which there is no text and no logo
_MOSTLY = 0.4  # share of each blurred bar that is calm
_EVERY = 3  # pixels along an edge, one of which tells its colour
_FRAMES = 12  # that are looked at
_LIKENESS = 0.85  # correlation of a blurred bar with the picture it is a copy of
_NARROWEST_COPY = 0.035  # of the height or width: less of a copy tells nothing
_OF_A_STILL = 0.95  # the same where few frames bear witness


def find_borders(frames: Sequence[np.ndarray], distinct: Sequence[np.ndarray]) -> Box:
    """Return the box of the picture inside the borders, in fractions; (0, 0, 1, 1) without borders.

    Args:
        frames: (H, W, 3) uint8 each.
        distinct: the frames that differ, in grey, (H, W) uint8 each.
    """
    flat = _inside_flat_bars(choose_evenly(frames, _FRAMES))
    if flat != WHOLE or len(frames) < _FEWEST:
        return flat
    return _inside_a_blurred_copy(choose_evenly(distinct, _FRAMES))


def _inside_flat_bars(frames: list[np.ndarray]) -> Box:
    """Return the box inside bars of one colour, on all four sides."""
    height, width = frames[0].shape[:2]
    x = _flat_bars(frames, beside=True)
    y = _flat_bars([frame[:, x : width - x] for frame in frames], beside=False)
    if x == 0 < y:  # the bars above and below may have hidden those beside
        x = _flat_bars([frame[y : height - y] for frame in frames], beside=True)
    return (x / width, y / height, 1 - x / width, 1 - y / height)


def _inside_a_blurred_copy(frames: list[np.ndarray]) -> Box:
    """Return the box of the picture before a blurred copy of itself: the most likely one that straight lines bound."""
    height, width = frames[0].shape
    xs, ys = _blurred_bars(frames, beside=True), _blurred_bars(frames, beside=False)
    pairs = [(x, y) for x in (0, *xs) for y in (0, *ys) if x or y]
    boxes = [(x / width, y / height, 1 - x / width, 1 - y / height) for x, y in pairs]
    if not boxes:
        return WHOLE
    size = (max(width // 4, 8), max(height // 4, 8))
    few = [cv2.resize(frame, size, interpolation=cv2.INTER_AREA) for frame in choose_evenly(frames, _WITNESSES)]
    calm = [cv2.morphologyEx(frame, cv2.MORPH_GRADIENT, _NEAR) < _CALM for frame in few]
    likeness = [_likeness_of_blurred_copy(few, calm, box) for box in boxes]
    best = max(likeness)
    return boxes[likeness.index(best)] if best > (_LIKENESS if len(few) >= 3 else _OF_A_STILL) else WHOLE


def _flat_bars(frames: list[np.ndarray], *, beside: bool) -> int:
    """Rows of the bars of one colour above and below, or columns of those ``beside``; 0 for none."""
    count, lines = len(frames), frames[0].shape[1 if beside else 0]
    edge = np.stack([_lines(frame, [0, 1, -2, -1], beside)[:, ::_EVERY] for frame in frames])
    edge = edge.reshape(count, -1, 3).astype(np.int16)
    colour = np.median(edge, axis=1)  # (T, 3): each frame's own, since bars may fade
    if (np.abs(edge - colour[:, None]).max(axis=2) <= _TOLERANCE).mean() < 0.7:
        return 0
    reach = int(lines * _WIDEST)
    share = np.stack([_share_of_colour(*each, beside) for each in zip(frames, colour, strict=True)])  # (T, lines)
    alike = (share[:, : reach + 4] + share[:, : -reach - 5 : -1]) / 2
    total = np.cumsum(np.pad(alike, ((0, 0), (1, 0))), axis=1)  # (T, reach + 5), up to each line
    ends = np.arange(2, reach + 1)
    starts = np.maximum(ends - 3, 0)
    before, after = (total[:, ends] - total[:, starts]) / (ends - starts), (total[:, ends + 3] - total[:, ends + 1]) / 2
    witness = after < 0.6  # the other frames show a picture that is dark, or plain, beside the bar
    witnesses = witness.sum(axis=0)
    possible = (witnesses >= max(0.25 * count, 1)) & (total[:, ends].mean(axis=0) / ends >= 0.7)
    drop = np.where(possible, np.where(witness, before - after, 0).sum(axis=0) / np.maximum(witnesses, 1), 0)
    best = int(np.argmax(drop))
    return _sharpest_step(frames, int(ends[best]), beside) if drop[best] > _DROP else 0


def _lines(frame: np.ndarray, numbers: list[int], beside: bool) -> np.ndarray:
    """Some rows of a frame, or columns as if they were rows."""
    return frame[:, numbers].swapaxes(0, 1) if beside else frame[numbers]


def _share_of_colour(frame: np.ndarray, colour: np.ndarray, beside: bool) -> np.ndarray:
    """Return the share of pixels with a ``colour`` (3,) in each row of a frame, or in each column."""
    mask = cv2.inRange(frame, colour - _TOLERANCE, colour + _TOLERANCE)
    share: np.ndarray = cv2.reduce(mask, 0 if beside else 1, cv2.REDUCE_AVG, dtype=cv2.CV_32F).ravel() / 255
    return share


def _sharpest_step(frames: list[np.ndarray], near: int, beside: bool) -> int:
    """Return the line within two of ``near`` at which neighbouring lines differ most."""
    low = max(near - 2, 1)
    first = list(range(low - 1, near + 3))
    last = [-1 - line for line in first]
    sides = [np.stack([_lines(frame, side, beside) for frame in frames]).astype(np.int16) for side in (first, last)]
    steps = [np.abs(np.diff(side, axis=1)).mean(axis=(0, 2, 3)) for side in sides]
    return low + int(np.argmax(np.minimum(*steps)))  # text runs on one side alone


def _blurred_bars(frames: list[np.ndarray], *, beside: bool) -> list[int]:
    """Return up to two candidates for the height of blurred bars, or for the width of those ``beside``.

    In most frames, bars of this size end in a straight line on both sides.
    """
    lines = frames[0].shape[1 if beside else 0]
    before, behind = (np.s_[:, :-1], np.s_[:, 1:]) if beside else (np.s_[:-1], np.s_[1:])
    across = [cv2.absdiff(frame[before], frame[behind]) for frame in frames]
    means = [cv2.reduce(each, 0 if beside else 1, cv2.REDUCE_AVG, dtype=cv2.CV_32F).ravel() for each in across]
    step = np.stack(means)  # (T, lines - 1), over each line between two rows
    both = np.minimum(step, step[:, ::-1])
    ends = np.arange(max(round(lines * _NARROWEST_COPY), 2), int(lines * _WIDEST))
    padded = np.pad(step, ((0, 0), (5, 5)), mode="reflect")
    around = [padded[:, 5 + end - 1 + shift] for end in (ends, lines - ends) for shift in (-5, -4, -3, -2, 2, 3, 4, 5)]
    usual = np.sort(around, axis=0)[7:9].mean(axis=0)  # the median
    prominence = np.percentile(both[:, ends - 1] / (usual + 1), 60, axis=0)
    return [int(ends[i]) for i in np.argsort(-prominence)[:2] if prominence[i] > _PROMINENCE]


def _likeness_of_blurred_copy(frames: list[np.ndarray], calm: list[np.ndarray], inside: Box) -> float:
    """Return how similar the bars are to a blurred copy of the picture ``inside``, stretched or cropped to the frame.

    The median over the frames, (H, W) uint8 each, of a correlation, -1 to 1. ``calm``, (H, W) bool each, is where they
    are smooth, as a blurred copy is but for a logo or a line of text on it; where it is not, it is like nothing.
    """
    height, width = frames[0].shape
    left, top = math.ceil(inside[0] * width), math.ceil(inside[1] * height)
    right, bottom = math.floor(inside[2] * width), math.floor(inside[3] * height)
    beyond = np.ones((height, width), bool)
    beyond[max(top - 1, 0) : bottom + 1, max(left - 1, 0) : right + 1] = False  # nor the line between, at this size
    middle = (left + right) // 2, (top + bottom) // 2
    bars = []
    for part in (np.s_[: middle[1]], np.s_[middle[1] :]) if top > 0 else (np.s_[:, : middle[0]], np.s_[:, middle[0] :]):
        bars.append(np.zeros_like(beyond))
        bars[-1][part] = beyond[part]
    if any(np.median([(smooth & bar).sum() for smooth in calm]) <= _MOSTLY * bar.sum() for bar in bars):
        return 0.0
    likeness: list[float] = []
    for frame, smooth in zip(frames, calm, strict=True):
        if len(likeness) >= _WITNESSES / 2 and max(likeness) < _LIKENESS:
            break
        picture = frame[top:bottom, left:right]
        scale = min((right - left) / width, (bottom - top) / height)
        w, h = round(width * scale), round(height * scale)
        x, y = (right - left - w) // 2, (bottom - top - h) // 2
        copies = [_out_of_focus(part, width, height) for part in (picture, picture[y : y + h, x : x + w])]
        likeness.append(max(_correlation(frame, copy, [smooth & bar for bar in bars]) for copy in copies))
    return float(np.median(likeness))


def _out_of_focus(picture: np.ndarray, width: int, height: int) -> np.ndarray:
    """Stretch a picture to a size and blur it."""
    stretched = cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA)
    blurred: np.ndarray = cv2.GaussianBlur(stretched, (0, 0), width / 25)
    return blurred


def _correlation(frame: np.ndarray, copy: np.ndarray, bars: list[np.ndarray]) -> float:
    """Return the correlation of two pictures over all bars, (H, W) bool each, or within the bars if that is less.

    A difference of brightness between the bars must not decide alone, but it must not be reversed either.
    """
    pairs = [np.stack([frame[bar], copy[bar]]) for bar in bars]
    joint = _of_rows(_less_mean(np.concatenate(pairs, axis=1)))
    return min(joint, _of_rows(np.concatenate([_less_mean(pair) for pair in pairs], axis=1)))


def _of_rows(pair: np.ndarray) -> float:
    (a_a, a_b), (_, b_b) = pair @ pair.T
    return float(a_b / (np.sqrt(a_a * b_b) + 1e-6))


def _less_mean(rows: np.ndarray) -> np.ndarray:
    centred: np.ndarray = rows - rows.mean(axis=1, keepdims=True)
    return centred
