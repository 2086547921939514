"""Borders: bars of one colour, or of a blurred copy of the picture, that end at the same line in all frames."""

from __future__ import annotations

import numpy as np

from framegate.augment.boxes import Box

_WIDEST = 0.3  # of the height or width, per side
_TOLERANCE = 14  # levels: how far compression carries a bar's pixels from its colour


def find_borders(frames: np.ndarray) -> Box:
    """The picture inside the borders, in fractions: (0, 0, 1, 1) where there are none.

    Bars come in equal pairs: what is found on one side alone is the picture's own.

    Args:
        frames: (T, H, W, 3) uint8.
    """
    sideways = frames.transpose(0, 2, 1, 3)
    x = _flat_bars(sideways)
    width = frames.shape[2]
    y = _flat_bars(frames[:, :, round(x * width) : round((1 - x) * width)])
    if x == 0 and y > 0:  # bars above and below may have hidden those beside
        height = frames.shape[1]
        x = _flat_bars(sideways[:, :, round(y * height) : round((1 - y) * height)])
    if x == y == 0:
        x, y = _blurred_bars(sideways), _blurred_bars(frames)
    return (x, y, 1 - x, 1 - y)


def _flat_bars(frames: np.ndarray) -> float:
    """Width of the bars of one colour along the first and the last rows, as a fraction of the rows; 0 for none."""
    count, rows = frames.shape[:2]
    reach = int(rows * _WIDEST)
    first, last = frames[:, : reach + 4], frames[:, : -reach - 5 : -1]
    alike = (_share_of_bar_colour(first) + _share_of_bar_colour(last)) / 2  # (T, reach + 4)
    best, bar = 0.0, 0
    for end in range(2, reach + 1):
        before, after = alike[:, max(end - 3, 0) : end].mean(axis=1), alike[:, end + 1 : end + 4].mean(axis=1)
        witnesses = after < 0.6
        if witnesses.sum() < max(0.25 * count, 1) or alike[:, :end].mean() < 0.7:
            continue
        drop = float((before - after)[witnesses].mean())
        if drop > max(best, 0.4):
            best, bar = drop, end
    if bar == 0:
        return 0.0
    return _sharpest_step(first, last, bar) / rows


def _share_of_bar_colour(side: np.ndarray) -> np.ndarray:
    """(T, rows): the share of each row that has the colour of the outermost rows; each frame's own, since bars may fade."""
    colour = np.median(side[:, :2].reshape(len(side), -1, 3), axis=1).astype(np.int16)
    return (np.abs(side - colour[:, None, None]).max(axis=3) <= _TOLERANCE).mean(axis=2)


def _sharpest_step(first: np.ndarray, last: np.ndarray, near: int) -> int:
    """The line within two rows of ``near`` where the rows before and behind differ most."""
    low, high = max(near - 2, 1), near + 3
    step = sum(np.abs(np.diff(side[:, low - 1 : high].astype(np.int16), axis=1)).mean(axis=(0, 2, 3)) for side in (first, last))
    return low + int(np.argmax(step))


def _blurred_bars(frames: np.ndarray) -> float:
    """Width of bars with a blurred copy of the picture: a lasting straight line on both sides, smoother without than within."""
    grey = frames[..., 1].astype(np.int16)
    rows = grey.shape[1]
    lines = np.abs(np.diff(grey, axis=1))
    step = np.median(lines.mean(axis=2), axis=0)  # (rows - 1)
    detail = np.median(np.percentile(np.abs(np.diff(grey, axis=2)), 60, axis=2), axis=0)  # (rows); text covers less
    best, bar = 0.0, 0
    for end in range(max(int(rows * 0.015), 1), int(rows * _WIDEST)):
        mirrored = rows - end
        around = np.concatenate([step[max(end - 6, 0) : end - 2], step[end + 1 : end + 5], step[mirrored - 6 : mirrored - 2], step[mirrored + 1 : mirrored + 5]])
        prominence = min(step[end - 1], step[mirrored - 1]) / (np.median(around) + 1)
        outside, inside = np.concatenate([detail[:end], detail[mirrored:]]).mean(), detail[end:mirrored].mean()
        if prominence > max(best, 1.8) and outside <= 0.7 * inside:
            best, bar = prominence, end
    return bar / rows
